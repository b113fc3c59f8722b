"""What is known of the methods that a section used: formula, source, assumptions, needs, known failures."""

from __future__ import annotations

from auditbench.results import AnalysisResult, MethodFacts
from auditbench_html.view.draft import Draft
from auditbench_html.view.page import Fact, FactList
from auditbench_html.view.text import EMPTY, Text, joined, name_text


def method_entries(draft: Draft, results: list[AnalysisResult]) -> tuple[FactList, ...]:
    """One entry a method, in the order of the results; what a plugin does not say of a method is left out."""
    methods = {method.name: method for result in results for method in result.methods}
    entries = (_entry(draft, method) for method in methods.values())
    return tuple(entry for entry in entries if entry.facts)


def measure_entries(draft: Draft, results: list[AnalysisResult]) -> tuple[FactList, ...]:
    """How each measure is made, one list an analyzer; measures that their plugin does not say it of are left out."""
    entries = (_measures(draft, result) for result in results)
    return tuple(entry for entry in entries if entry.facts)


def _measures(draft: Draft, result: AnalysisResult) -> FactList:
    made = {metric.name: draft.say.first((metric.method,)) for metric in result.metrics}
    return FactList(
        title=draft.say.say("known.measures", analyzer=draft.analyzer_title(result.analyzer)),
        facts=tuple(
            Fact(label=draft.metric_name(f"{result.analyzer}.{name}"), value=text)
            for name, text in made.items()
            if text
        ),
    )


def _entry(draft: Draft, method: MethodFacts) -> FactList:
    say = draft.say
    told = {part: say.first((method.key(part),)) or EMPTY for part in ("formula", "assumes", "needs", "fails")}
    rows: dict[str, Text] = {
        "formula": told["formula"],
        "source": joined(*map(name_text, method.source), mark=say.mark("semicolon")),
        "inputs": say.series(say.first((f"known.{name}",)) or name_text(name) for name in method.modalities),
        **told,
    }
    facts = tuple(Fact(label=say.say(f"known.{part}"), value=text) for part, text in rows.items() if text)
    return FactList(title=say.first((method.key("title"),)) or name_text(method.name), facts=facts)
