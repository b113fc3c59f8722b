"""What the parts of the page share while it is made: the run, the words and the ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from auditbench.findings import GateDecision, Message
from auditbench.results import AnalysisResult, Metric
from auditbench.run import AuditRun
from auditbench_html.view.figures import Body, Figure
from auditbench_html.view.page import GateRow
from auditbench_html.view.text import EMPTY, Slugs, Text, Words, humanize, joined, name_text

TOPIC_ORDER = ("performance", "explanation", "language", "layers", "fairness", "robustness", "privacy", "resources")
TABLE_ROWS = 50
_SECTION_IDS = {"explanation": "explanations"}
_TAKEN_IDS = (
    "verdict",
    "gates",
    "summary",
    "facts",
    "cases",
    "incomplete",
    "baseline",
    "crosswalk",
    "provenance",
    "signoff",
    "main",
    "theme",
    "print",
)


@dataclass(slots=True, kw_only=True)
class Draft:
    """The page in the making; figures get their numbers when all of it is known.

    Attributes:
        missing: Key of the title of the section that lists analyses without a result; empty in a format without one.
    """

    run: AuditRun
    say: Words
    missing: str = "section.incomplete"
    slugs: Slugs = field(default_factory=lambda: Slugs(taken={name: f"\0{name}" for name in _TAKEN_IDS}))
    gates: tuple[GateRow, ...] = ()
    section_ids: dict[str, str] = field(default_factory=dict)
    _deciding: dict[tuple[str, frozenset[tuple[str, str]]], GateDecision] = field(init=False)

    def __post_init__(self) -> None:
        """Find the metric of each gate, once for the page."""
        self._deciding = {}
        for decision in self.run.gates:
            if metric := self.gated_metric(decision):
                self._deciding.setdefault((decision.metric, frozenset(metric.where.items())), decision)

    def figure(
        self, kind: str, title: Text, subtitle: Text, body: Body, *, result: AnalysisResult | None = None, **rest: Any
    ) -> Figure:
        """A figure; its source line names the analyzer, and reading help comes from the catalogue."""
        note = rest.pop("note", EMPTY)
        rest.setdefault("how", self.say.first((f"how.{kind}",)) or EMPTY)
        return Figure(
            kind=kind,
            title=title,
            subtitle=subtitle,
            body=body,
            source=self._source(result, note),
            **rest,
        )

    def say_where_missing(self, key: str) -> Text:
        """A sentence that sends the reader to the section of what is missing, and its other form where there is none."""
        return self.say.say(key, section=self.say.say(self.missing)) if self.missing else self.say.say(f"{key}_here")

    @property
    def trained_here(self) -> bool:
        """Whether this run trained the model, so that it is known which rows training saw."""
        return bool(self.run.config.get("train")) and self.run.model.training is not None

    @property
    def raw_inputs(self) -> bool:
        """Whether the audit file asks for inputs as they are; only then images, texts and row ids may be shown."""
        return self.report_setting("raw_inputs") is True

    def report_setting(self, name: str) -> Any:
        """What `[report]` of the audit file says; None when it does not."""
        table = self.run.config.get("report", {})
        return table.get(name) if isinstance(table, Mapping) else None

    def section_id(self, topic: str) -> str:
        """Id of a topic's section."""
        if topic not in self.section_ids:
            self.section_ids[topic] = _SECTION_IDS.get(topic) or self.slugs.of("", topic)
        return self.section_ids[topic]

    def topic_title(self, topic: str) -> Text:
        """Title of a topic; one that no catalogue names shows its own name."""
        return self.say.first((f"topic.{topic}",)) or _capital(topic)

    def analyzer_title(self, analyzer: str) -> Text:
        """What an analyzer is called in sentences."""
        return self.say.first((f"{analyzer}.name", f"analyzer.{analyzer}")) or name_text(analyzer)

    def method_title(self, result: AnalysisResult) -> Text:
        """What the method of an explainer is called; an analyzer of several methods goes by the one that it ran."""
        methods = [block.method.partition(".")[2] for block in result.attributions[:1]]
        return self.say.first(f"method.{name}" for name in methods) or self.analyzer_title(result.analyzer)

    def drawn_by(self, result: AnalysisResult) -> Text:
        """The method behind a drawn case."""
        facts = [f"{block.method.replace('.', '.facts.', 1)}.title" for block in result.attributions[:1]]
        return self.say.first(facts) or self.method_title(result)

    def gated_metric(self, decision: GateDecision) -> Metric | None:
        """The metric that a gate decided on; None where it meant none or several."""
        analyzer, _, name = decision.metric.partition(".")
        result = self.run.result(analyzer)
        fitting = result.metrics_meant(name, decision.where) if result else ()
        return fitting[0] if len(fitting) == 1 else None

    def gated_labels(self, decision: GateDecision) -> Mapping[str, str]:
        """All labels of the metric that a gate decided on; those of the gate itself where it has none."""
        metric = self.gated_metric(decision)
        return metric.where if metric else decision.where

    def gate_on(self, full_name: str, where: Mapping[str, str]) -> GateDecision | None:
        """The first gate that decided on the metric of these labels; None without one."""
        return self._deciding.get((full_name, frozenset(where.items())))

    def metric_title(self, full_name: str, where: Mapping[str, str]) -> Text:
        """Title of a metric with its labels: `Demographic parity ratio by sex`."""
        title = self.metric_name(full_name)
        if set(where) == {"feature"}:
            result = self.run.result(full_name.partition(".")[0])
            key = "label.input" if result and result.topic == "explanation" else "label.feature"
            return self.say.say(key, title=title, feature=where["feature"])
        rest = self.say.labels(where)
        return self.say.say("label.other", title=title, labels=rest) if rest else title

    def metric_name(self, full_name: str) -> Text:
        """Title of a metric without its labels; a sentence to be filled in is the title of a block of this name."""
        titles = (self.say.first((key,)) for key in (full_name, f"{full_name}.title"))
        whole = next((title for title in titles if title and "{" not in str(title)), None)
        return whole or _capital(full_name.partition(".")[2] or full_name)

    def metric_help(self, full_name: str) -> Text:
        """What a metric is, in one plain sentence; empty when its plugin does not say."""
        return self.say.first((f"{full_name}.help",)) or EMPTY

    def how(self, result: AnalysisResult, block: str, kind: str) -> Text:
        """How to read a figure: the plugin's words, else those for this kind of figure."""
        return self.say.first((f"{result.analyzer}.{block}.how", f"how.{kind}")) or EMPTY

    def title(self, message: Message) -> Text:
        """A title given by an analyzer."""
        return self.say.tell(message)

    def more(self, shown: int, total: int) -> Text:
        """What a cut table leaves out and where the rest is."""
        return self.say.say("table.more", shown=shown, total=total) if total > shown else EMPTY

    def _source(self, result: AnalysisResult | None, note: Text) -> Text:
        parts = []
        if result is not None:
            key = "figure.analyzer" if result.version else "figure.analyzer_bare"
            parts.append(self.say.say(key, analyzer=result.analyzer, version=result.version))
        parts.append(note)
        return joined(*parts)


def _capital(identifier: str) -> Text:
    return humanize(identifier[:1].upper() + identifier[1:])


def topics_in_order(run: AuditRun) -> tuple[str, ...]:
    """Topics that took part, in the order of the page."""
    found = {result.topic for result in run.results if result.topic} | {gate.topic for gate in run.gates if gate.topic}
    known = [topic for topic in TOPIC_ORDER if topic in found]
    return (*known, *sorted(found.difference(TOPIC_ORDER)))
