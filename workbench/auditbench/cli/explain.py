"""`auditbench explain`: what an error code or a metric means."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from auditbench.cli.options import debug_option, example, json_option

if TYPE_CHECKING:
    from auditbench.descriptions import AnalyzerDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is known about a code or a metric; what does not apply is empty.

    Attributes:
        formula: How the metric is computed, in plain text.
        reading: How to read it, and its trap.
        exit_code: Of the error; None for a metric.
    """

    name: str
    title: str
    text: str = ""
    formula: str = ""
    reading: str = ""
    exit_code: int | None = None


@click.command(
    epilog=example(
        "auditbench explain AB301", "auditbench explain fairness.demographic_parity_ratio", "auditbench explain auc"
    )
)
@click.argument("name", metavar="CODE-OR-METRIC")
@json_option
@debug_option
def explain(name: str, as_json: bool) -> None:
    """Explain an error code or a metric.

    A metric is `analyzer.metric`, or `metric` alone, which shows it for each analyzer that has one of that name.
    """
    import dataclasses

    from auditbench.cli.terminal import say, say_json

    found = [explain_code(name.upper())] if is_code(name) else explain_metric(name)
    if as_json:
        say_json([dataclasses.asdict(explanation) for explanation in found])
        return
    for index, explanation in enumerate(found):
        if index:
            say()
        _say(explanation)


def is_code(name: str) -> bool:
    """Whether a name looks like an error code, `AB` and digits."""
    return name[:2].upper() == "AB" and name[2:].isdigit()


def explain_code(code: str) -> Explanation:
    """What an error code means.

    Raises:
        ConfigError: There is no such code.
    """
    from auditbench.errors import ConfigError, error_classes

    classes = error_classes()
    if code not in classes:
        near = difflib.get_close_matches(code, classes, n=3, cutoff=0.5)
        raise ConfigError(
            "there is no such error code",
            found=code,
            allowed=", ".join(classes),
            fix=f"did you mean {' or '.join(near)}?" if near else "",
        )
    error = classes[code]
    title, _, text = inspect.cleandoc(error.__doc__ or "").partition("\n")
    if not text and ". " in title:
        title, _, text = title.partition(". ")
    joined = " ".join(text.split())
    return Explanation(name=code, title=title.rstrip("."), text=joined, exit_code=int(error.exit_code))


def explain_metric(name: str) -> list[Explanation]:
    """What a metric means, from the catalogue of the analyzer that gives it.

    Raises:
        ConfigError: No installed analyzer has such a metric.
    """
    from auditbench import supervisor
    from auditbench.errors import ConfigError

    analyzers = [analyzer for plugin in supervisor.describe(None) for analyzer in plugin.analyzers]
    known = {
        f"{analyzer.name}.{metric}": (analyzer, f"{analyzer.name}.{metric}")
        for analyzer in analyzers
        for metric in analyzer.metrics
    }
    found = [known[full] for full in known if name in {full, full.partition(".")[2]}]
    if not found:
        near = _nearest(name, known)
        raise ConfigError(
            "no installed analyzer has such a metric",
            found=name,
            allowed="an error code such as AB100, or a metric that `auditbench plugins show ANALYZER` lists",
            fix=f"did you mean {' or '.join(near)}?" if near else "see `auditbench plugins list`",
        )
    return [_explained(analyzer, full) for analyzer, full in found]


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    """Up to three metrics whose full or short name is most like this one."""
    names = list(known)
    texts = {*names, *(full.partition(".")[2] for full in names)}
    near = difflib.get_close_matches(name, sorted(texts), n=3, cutoff=0.5)
    return list(dict.fromkeys(full for text in near for full in names if text in {full, full.partition(".")[2]}))[:3]


def _explained(analyzer: AnalyzerDescription, full: str) -> Explanation:
    from auditbench.messages import merge_catalogues

    say = merge_catalogues("en", analyzer.messages.get("en", {}))
    title, text, formula, reading = (
        say.say(key) if say.has(key) else "" for key in (full, f"{full}.help", f"{full}.formula", f"{full}.how")
    )
    return Explanation(name=full, title=title or full, text=text or analyzer.summary, formula=formula, reading=reading)


def _say(explanation: Explanation) -> None:
    from auditbench.cli.terminal import safe_text, say

    say(f"{safe_text(explanation.name)}  {safe_text(explanation.title)}", "strong")
    for label, text in (("", explanation.text), ("formula: ", explanation.formula), ("reading: ", explanation.reading)):
        if text:
            say(f"  {label}{safe_text(text)}")
    if explanation.exit_code is not None:
        say(f"  exit code: {explanation.exit_code}")
