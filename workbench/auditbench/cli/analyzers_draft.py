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
    training: bool,
    capabilities: Sequence[Capability] | None,
) -> list[str]:
    """A table for each analyzer; one that does not apply, or fits models of its own, is a comment with the reason.

    Args:
        training: Whether the draft says how to train the model.
        capabilities: Of the model; None where they are not known before it is opened.
    """
    words = merge_catalogues("en", load_messages("auditbench").get("en", {}))
    lines = ["# One table an analyzer; an empty table means its defaults, see `auditbench plugins show NAME`."]
    for item in analyzers:
        reason = unmet_need(
            item.needs,
            modality=modality,
            task=task,
            sensitive=sensitive,
            others=False,
            training=training,
            missing=item.missing_packages + item.missing_programs,
            install=item.missing.fix if item.missing else "",
            capabilities=capabilities,
        )
        table, note = f"[analyzers.{key(item.name)}]", safe_text(item.summary)
        dear = reason is None and item.cost == "trains"
        if reason is not None:
            note = words.text(reason)
        elif dear:
            note += "; fits models of its own and takes longer: remove the first # to run it"
        lines.append(f"{table:<29} # {note}" if reason is None and not dear else f"# {table:<27} # {note}")
        if reason is None and modality != "tabular" and "players" in item.schema.get("properties", {}):
            lines.append(
                f"rows = {_DEAR_ROWS:<22} # the chosen cases, then a sample: each takes about 1,000 model rows"
            )
    return [*lines, ""]
