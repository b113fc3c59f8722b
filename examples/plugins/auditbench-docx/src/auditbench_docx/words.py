"""A run in words: numbers with their units, gates, metrics and reasons, in one language and safe to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditbench.findings import GateDecision, Message, Scalar
from auditbench.messages import Catalogue, format_scalar, load_messages, merge_catalogues
from auditbench.results import Cell, Column, Metric
from auditbench.run import AuditRun
from auditbench.safe_text import LONGEST_TEXT, safe_text

SMALLEST_SHOWN = 10
"""Rows of a group below which no more is told than that it is small: a few people could be recognised by it."""


@dataclass(frozen=True, slots=True)
class Words:
    """Says things in one language."""

    catalogue: Catalogue

    def say(self, key: str, **values: Scalar) -> str:
        """The sentence of a key of this plugin, or of the host's where it has a dot."""
        return safe_text(self.catalogue.say(key if "." in key else f"docx.{key}", **values), LONGEST_TEXT)

    def tell(self, message: Message | None) -> str:
        """The sentence of a message; empty for none."""
        return "" if message is None else safe_text(self.catalogue.text(message).strip(), LONGEST_TEXT)

    def analyzer(self, name: str) -> str:
        """What an analyzer is called."""
        return self.say(f"{name}.name") if self.catalogue.has(f"{name}.name") else safe_text(name.capitalize())

    def metric(self, name: str, where: Mapping[str, str]) -> str:
        """The title of a metric by its full name, with the labels that tell it apart."""
        title = self.say(name)
        labels = ", ".join(f"{safe_text(key)} = {safe_text(value)}" for key, value in where.items())
        return self.say("labelled", title=title, labels=labels) if labels else title

    def unit(self, unit: str) -> str:
        """A unit in the words of the language, or as it is."""
        return self.say(f"unit_{unit}") if self.catalogue.has(f"docx.unit_{unit}") else safe_text(unit)

    def value(self, value: float | None, unit: str = "1") -> str:
        """A number with its unit; a dash where there is none."""
        in_full = value is not None and (float(value).is_integer() or abs(value) >= 1000) and abs(value) < 1e15
        number = format_scalar(value, "count" if in_full else "")
        return number if value is None or unit in ("", "1") else f"{number} {self.unit(unit)}"

    def between(self, value: float | None, low: float | None, high: float | None, unit: str = "1") -> str:
        """A number with the ends of its interval, where there is one."""
        if low is None or high is None:
            return self.value(value, unit)
        return self.say("between", value=self.value(value, unit), low=self.value(low), high=self.value(high))

    def rows(self, n: int | None, where: Mapping[str, str]) -> str:
        """How many rows something rests on."""
        if n is not None and n < SMALLEST_SHOWN and "group" in where:
            return self.say("under", n=SMALLEST_SHOWN)
        return format_scalar(n, "count")

    def size(self, metric: Metric) -> str:
        """The rows that a metric is a share of, or rests on."""
        return self.rows(metric.n if metric.denominator is None else metric.denominator, metric.where)

    def limit(self, gate: GateDecision) -> str:
        """What a gate allows."""
        limits = {
            "limit_low": gate.minimum,
            "limit_high": gate.maximum,
            "limit_drop": gate.max_drop,
            "limit_gain": gate.min_gain,
        }
        said = (self.say(key, value=self.value(limit, gate.unit)) for key, limit in limits.items() if limit is not None)
        return self.say("comma").join(said)

    def why(self, gate: GateDecision) -> str:
        """Why a gate has no value, why it is waived, and why its limit is there."""
        parts = [self.tell(gate.reason)]
        if gate.waived_until:
            key = "waived" if gate.waiver_holds else "waiver_ended"
            parts.append(self.say(key, until=safe_text(gate.waived_until)))
        if gate.explanation:  # a key, or the team's own words
            parts.append(safe_text(self.catalogue.say(gate.explanation), LONGEST_TEXT))
        return " ".join(filter(None, parts))

    def cell(self, cell: Cell, column: Column, *, of_groups: bool) -> str:
        """One cell of a table.

        Args:
            of_groups: Whether the lines of the table are groups of people.
        """
        if isinstance(cell, Message):
            return self.tell(cell)
        if isinstance(cell, bool):
            return self.say("yes" if cell else "no")
        if isinstance(cell, str):
            return safe_text(cell, LONGEST_TEXT)
        if column.name == "n" and of_groups and cell is not None:
            return self.rows(int(cell), {"group": ""})
        return format_scalar(cell, column.kind if column.kind in ("percent", "count") else "")


def words_of(run: AuditRun, language: str) -> Words:
    """The words of the host, of this plugin and of the analyzers of a run; what a language lacks is in English."""
    sources = (load_messages("auditbench"), load_messages("auditbench_docx"), run.messages)
    parts = (source.get(wanted, {}) for wanted in (language, "en") for source in sources)
    return Words(merge_catalogues(language, *parts))
