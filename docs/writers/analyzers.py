"""Analyzers: a page each with parameters, metrics and methods, in the words of their own catalogues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from auditbench.cli.schema_tables import root_table
from auditbench.cli.snippets import snippet
from auditbench.contracts import Analyzer
from auditbench.descriptions import AnalyzerDescription
from auditbench.messages import Catalogue, merge_catalogues
from auditbench.plugin_entries import list_entry_points
from auditbench.registry import Registry
from auditbench.results.methods import FACT_PARTS, MethodFacts
from auditbench.worker.describing import describe_analyzer
from writers.config_keys import inner_tables, keys_table
from writers.markdown import anchor_of, code, details, fence, heading, page, prose, table

_LABELS: Mapping[str, Mapping[str, str]] = {
    "en": {"formula": "Formula", "how": "Reading", "assumes": "Assumes", "needs": "Needs", "fails": "Known to fail"},
    "zh-CN": {"formula": "公式", "how": "解读", "assumes": "假设", "needs": "需要", "fails": "已知的失效情形"},
}
_COLONS = {"en": ": ", "zh-CN": "\N{FULLWIDTH COLON}"}
_INDEX = (
    "Every analyzer that comes with Auditbench. Each is a plugin, as [yours](../../tutorials/first-plugin.md) is. A page tells the "
    "parameters of its table in audit.toml, its metrics with their formulas, and the methods that it uses. "
    "`auditbench plugins show NAME` prints the same of any plugin that is installed."
)
_METHODS = (
    "Every method of every analyzer: what it computes, what it takes for granted, and how it is known to fail. "
    "`auditbench explain captum.grad_cam` prints what stands here, and so does the report of an audit that used it."
)
_METRICS = "Every metric that a gate can name, with the analyzer that gives it."


def own_analyzers() -> tuple[AnalyzerDescription, ...]:
    """Those of this distribution, by name; plugins that happen to be installed beside it are left out."""
    registry = Registry()
    found = []
    for entry in list_entry_points():
        if entry.first_party:
            registry.load(entry.name)
            records = registry.provided_by(entry.name)
            found += [describe_analyzer(each) for each in records if isinstance(each.record, Analyzer)]
    return tuple(sorted(found, key=lambda each: each.name))


def analyzer_pages(analyzers: tuple[AnalyzerDescription, ...]) -> dict[str, str]:
    """An index, and a page an analyzer, by path below the reference."""
    rows = [
        (
            f"[{code(each.name)}]({each.name}.md)",
            prose(each.topic),
            prose(each.summary),
            code(each.cost or "not stated"),
        )
        for each in analyzers
    ]
    index = page("Analyzers", _INDEX, table(("analyzer", "topic", "what it says", "cost"), rows))
    return {"analyzers/index.md": index, **{f"analyzers/{each.name}.md": _analyzer_page(each) for each in analyzers}}


def metric_page(analyzers: tuple[AnalyzerDescription, ...]) -> str:
    """An index of all metrics."""
    rows = [
        (
            f"[{code(full)}](analyzers/{each.name}.md#{anchor_of(full)})",
            prose(_catalogue(each, "en").say(full)),
            prose(_catalogue(each, "en").say(f"{full}.help")),
        )
        for each in analyzers
        for full in (f"{each.name}.{metric}" for metric in each.metrics)
    ]
    return page("Metrics", _METRICS, table(("metric", "title", "what it says"), rows))


def method_page(analyzers: tuple[AnalyzerDescription, ...]) -> str:
    """An index of all methods."""
    rows = [
        (
            f"[{code(method.name)}](analyzers/{each.name}.md#{anchor_of(method.name)})",
            prose(_catalogue(each, "en").say(method.key("title"))),
            prose(_catalogue(each, "en").say(method.key("fails"))),
        )
        for each in analyzers
        for method in each.methods
    ]
    return page("Methods", _METHODS, table(("method", "title", "known to fail"), rows))


def _analyzer_page(analyzer: AnalyzerDescription) -> str:
    root = root_table(analyzer.name, analyzer.schema)
    parameters = [keys_table(root), *inner_tables(root, 3)]
    return page(
        code(analyzer.name),
        prose(f"{analyzer.summary}."),
        table(("what", "value"), _facts(analyzer)),
        heading(2, "In audit.toml"),
        fence("toml", "\n".join(snippet(analyzer))),
        heading(2, "Parameters"),
        "\n\n".join(part for part in parameters if part) or "There are none.",
        heading(2, "Metrics") if analyzer.metrics else "",
        *(_metric(analyzer, metric) for metric in analyzer.metrics),
        heading(2, "Methods") if analyzer.methods else "",
        *(_method(analyzer, method) for method in analyzer.methods),
        *_limits(analyzer),
    )


def _facts(analyzer: AnalyzerDescription) -> Iterator[tuple[str, str]]:
    needs = analyzer.needs
    facts: Mapping[str, str] = {
        "section of the report": prose(analyzer.topic),
        "plugin": code(analyzer.plugin.name),
        "cost": f"[{code(analyzer.cost)}](../contracts.md#Cost)" if analyzer.cost else "not stated",
        "tasks": ", ".join(map(code, needs.tasks)) or "any",
        "inputs": ", ".join(map(code, needs.modalities)) or "any",
        "needs of the model": ", ".join(map(code, needs.capabilities)),
        "needs of the data": "sensitive features" if needs.sensitive_features else "",
        "needs beside it": "a further model" if needs.further_models else "",
        "needs of the config": "a `[train]` table and training rows" if needs.training else "",
        "packages": ", ".join(map(code, needs.packages)),
        "runs after": ", ".join(map(code, analyzer.after)),
    }
    return ((name, text) for name, text in facts.items() if text)


def _metric(analyzer: AnalyzerDescription, metric: str) -> str:
    full = f"{analyzer.name}.{metric}"
    tasks = ", ".join(map(code, analyzer.metric_tasks.get(metric, ())))
    return _entry(
        full,
        *_said(analyzer, "en", full, full, ("help", "formula", "how")),
        f"*Tasks:* {tasks}" if tasks else "",
        "*Range:* 0 to 1" if metric in analyzer.shares else "",
        _in_chinese(_said(analyzer, "zh-CN", full, full, ("help", "formula", "how"))),
    )


def _method(analyzer: AnalyzerDescription, method: MethodFacts) -> str:
    title = method.key("title")
    own = title.removesuffix(".title")
    return _entry(
        method.name,
        *_said(analyzer, "en", title, own, FACT_PARTS[1:]),
        f"*Inputs:* {', '.join(map(code, method.modalities))}" if method.modalities else "",
        f"*Source:* {prose('; '.join(method.source))}" if method.source else "",
        _in_chinese(_said(analyzer, "zh-CN", title, own, FACT_PARTS[1:])),
    )


def _entry(name: str, *parts: str) -> str:
    return "\n\n".join([heading(3, code(name), anchor=anchor_of(name)), *filter(None, parts)])


def _limits(analyzer: AnalyzerDescription) -> Iterator[str]:
    """What its reports say against reading too much into its numbers; values stand where they are known."""
    say = _catalogue(analyzer, "en")
    found = [key for key in say.templates if key.startswith(f"{analyzer.name}.limit.")]
    if found:
        yield heading(2, "Limits")
        yield "Its reports say these where they apply; names in braces stand for values."
        yield "\n".join(f"- {prose(say.say(key))}" for key in found)


def _said(analyzer: AnalyzerDescription, language: str, title: str, name: str, parts: Iterable[str]) -> list[str]:
    """The title, and what the catalogue has of each part, behind its label."""
    say, labels = _catalogue(analyzer, language), _LABELS[language]
    lines = [f"**{prose(say.say(title))}**"]
    for part in parts:
        if say.has(f"{name}.{part}"):
            label = f"*{labels[part]}*{_COLONS[language]}" if part in labels else ""
            lines.append(label + prose(say.say(f"{name}.{part}")))
    return lines


def _in_chinese(lines: list[str]) -> str:
    return details("简体中文", "\n\n".join(lines))


def _catalogue(analyzer: AnalyzerDescription, language: str) -> Catalogue:
    return merge_catalogues(language, analyzer.messages.get(language, {}))
