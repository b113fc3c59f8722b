"""Whether an analyzer's catalogue has words for all it says."""

from __future__ import annotations

from auditbench.contracts import Analyzer
from auditbench.messages import load_messages, merge_catalogues, messages_in
from auditbench.results import AnalysisResult
from auditbench.results.methods import FACT_PARTS


def missing_words(analyzer: Analyzer, result: AnalysisResult, language: str = "en") -> tuple[str, ...]:
    """What a reader would see unexplained, sorted; empty when the catalogue is complete for this result.

    Keys without a template, those of the host counted in, templates whose placeholders no value fills, metrics without
    title, help or formula, and methods of which a part is not said.
    """
    say = merge_catalogues(language, load_messages("auditbench")[language], analyzer.messages.get(language, {}))
    messages = list(messages_in(result))
    found = {message.key for message in messages if not say.has(message.key)}
    found |= {f"{message.key}: {say.text(message)}" for message in messages if "{" in say.text(message)}
    names = {*analyzer.metrics, *(metric.name for metric in result.metrics)}
    for name in names:
        full = f"{analyzer.name}.{name}"
        found |= {key for key in (full, f"{full}.help", f"{full}.formula") if not say.has(key)}
    found |= {method.key(part) for method in analyzer.methods for part in FACT_PARTS if not say.has(method.key(part))}
    found |= {metric.method for metric in result.metrics if metric.method and not say.has(metric.method)}
    return tuple(sorted(found))
