"""The tables of analyzers in a first audit.toml."""

from __future__ import annotations

from collections.abc import Sequence

from auditbench.analyzer_needs import unmet_need
from auditbench.cli.toml_words import key
from auditbench.descriptions import AnalyzerDescription
from auditbench.messages import load_messages, merge_catalogues
from auditbench.run import Capability, Modality, Task
from auditbench.safe_text import safe_text

_DEAR_ROWS = 20
"""Images, texts and series that a first audit explains."""


def draft_analyzers(
    analyzers: Sequence[AnalyzerDescription],
    modality: Modality,
    task: Task,
    *,
    sensitive: bool,
    capabilities: Sequence[Capability] | None,
) -> list[str]:
    """A table for each analyzer; one that does not apply is a comment with the reason.

    Args:
        capabilities: Of the model; None where they are not known before it is opened.
    """
    words = merge_catalogues("en", load_messages("auditbench").get("en", {}))
    lines = ["# One table an analyzer; an empty table means its defaults, see `auditbench plugins show NAME`."]
    for item in analyzers:
        missing = item.missing_packages + item.missing_programs
        reason = unmet_need(
            item.needs,
            modality=modality,
            task=task,
            sensitive=sensitive,
            others=False,
            missing=missing,
            capabilities=capabilities,
        )
        table = f"[analyzers.{key(item.name)}]"
        lines.append(
            f"{table:<29} # {safe_text(item.summary)}" if reason is None else f"# {table:<27} # {words.text(reason)}"
        )
        if reason is None and modality != "tabular" and "players" in item.schema.get("properties", {}):
            lines.append(
                f"rows = {_DEAR_ROWS:<22} # the chosen cases, then a sample: each takes about 1,000 model rows"
            )
    return [*lines, ""]
