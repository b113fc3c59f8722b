"""What an analyzer proposes and what the config decides: findings, gates and verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

Scalar: TypeAlias = bool | int | float | str | None
Severity: TypeAlias = Literal["high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The gravest first."""
DOUBTS = ("core.model_logits_bounded", "core.model_probabilities_decided")
"""Limits of a model that say that its outputs may not be what they are declared to be, by key."""
GateState: TypeAlias = Literal["pass", "inconclusive", "fail", "error", "not_run"]
Verdict: TypeAlias = Literal[
    "not_ready", "evidence_incomplete", "no_decision", "ready_for_review", "no_gates", "nothing_evaluated"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Text by reference: a key of a message catalogue and the values that fill it; never prose.

    Attributes:
        key: Dotted key, beginning with the plugin's name: `fairness.gap_title`.
        values: Fills the placeholders of the template. Numbers stay numbers, so that each language formats them.
    """

    key: str
    values: Mapping[str, Scalar] = field(default_factory=dict)


def changed_their_subject(warnings: Iterable[Message]) -> frozenset[str]:
    """The analyzers that left the model or the data other than they found them, by the warnings of a run."""
    return frozenset(str(warning.values["analyzer"]) for warning in warnings if warning.key == "core.model_changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a reviewer should know, with the evidence it rests on.

    Attributes:
        rule: Stable id of the rule that fired, `analyzer.rule`; two findings of one rule differ in `where`.
        title: What was found.
        action: What could be done about it; absent when nothing follows.
        metrics: Full names (`analyzer.metric`) of the metrics the finding rests on.
        where: Labels that tell these metrics apart, such as `{"feature": "sex"}`.
    """

    rule: str
    severity: Severity
    title: Message
    action: Message | None = None
    metrics: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """What one gate of the config came to.

    Attributes:
        id: Stable id from the config, or a slug of metric and labels.
        metric: Full name, `analyzer.metric`.
        minimum: Smallest allowed value, in the metric's unit.
        maximum: Largest allowed value, in the metric's unit.
        max_drop: Largest allowed loss since the baseline, in the metric's unit; `min_gain` the smallest allowed gain.
        gain: How much better the metric is than in the baseline, in its unit, on the rows that were compared; negative
            where it is worse. `gain_low` and `gain_high` bound it. Absent where no limit speaks of the baseline.
        decide: `interval`: the whole interval must be inside; `estimate`: only the value.
        blocking: Whether any state but pass takes part in the exit code.
        on_inconclusive: `warn` takes an inconclusive blocking gate out of the exit code.
        low: Lower bound of the metric's interval, `high` the upper; absent when it has none.
        reason: Why there is no value, or why the gate was not reached.
        repeatable: False when the metric came from a clock or a meter.
        waived_until: Date (ISO 8601) of a waiver of this gate, whether or not it still holds.
        waiver_holds: True while the waiver is in force; the state stays what it is.
        explanation: Why there is this limit: the team's words, or for a preset the key of a sentence in the catalogue.
    """

    id: str
    metric: str
    where: Mapping[str, str] = field(default_factory=dict)
    topic: str = ""
    state: GateState
    blocking: bool
    on_inconclusive: Literal["fail", "warn"] = "fail"
    decide: Literal["estimate", "interval"]
    minimum: float | None = None
    maximum: float | None = None
    max_drop: float | None = None
    min_gain: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    unit: str = ""
    n: int | None = None
    reason: Message | None = None
    repeatable: bool = True
    waived_until: str | None = None
    waiver_holds: bool = False
    explanation: str = ""

    @property
    def stops_release(self) -> bool:
        """Whether this decision makes the exit code non-zero."""
        if not self.blocking or self.waiver_holds or self.state == "pass":
            return False
        return not (self.state == "inconclusive" and self.on_inconclusive == "warn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A person's decision to release although a gate did not pass, with an end.

    Attributes:
        gate: Id of the gate.
        until: Last day (ISO 8601) on which the waiver holds.
    """

    gate: str
    until: str
    by: str
    reason: str
