"""What a comparison of two runs says: the part of a record that is there after an audit with a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from auditbench.findings import GateState, Message, Severity, Verdict
from auditbench.results import Interval

LEVEL = 0.95
ROUNDING = 1e-12
"""Share of the larger of two values that their difference may be and still come of rounding."""
ChangeVerdict: TypeAlias = Literal["better", "worse", "changed", "within_noise", "not_tested", "not_compared"]
FindingState: TypeAlias = Literal["new", "fixed", "worse", "better", "changed", "within_noise", "not_compared"]
Design: TypeAlias = Literal["paired", "overlapping", "independent", "exact"]
OtherKind: TypeAlias = Literal["model", "data", "gates", "config", "packages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """One metric in two runs.

    Attributes:
        metric: Full name, `analyzer.name`.
        before: Value of the baseline on the compared rows, `after` that of the candidate: where a few rows that one run
            alone has are left out, not quite the values of the runs.
        difference: After less before, in the metric's unit.
        interval: Of the difference, at the level of the comparison for this metric by itself; gates decide by it.
        decided: Of the difference, at the level that Holm's method gives this metric among all tested ones. It holds 0
            exactly where the verdict is `within_noise`.
        p_value: Of "no difference", for this metric by itself; `adjusted` by Holm's method.
        verdict: `better` and `worse` where the metric has a direction, `changed` where it has none. `not_tested` shows
            the values alone, `not_compared` has no difference; `reason` says why.
        design: How rows were compared: `paired` (the same rows), `overlapping` (some common rows), `independent`
            (as if none were common), `exact` (no sampling error).
        n: Compared rows: pairs, or the rows of the smaller run.
        repeatable: False when a clock or a meter produced it.
    """

    metric: str
    where: Mapping[str, str] = field(default_factory=dict)
    unit: str = "1"
    higher_is_better: bool | None = None
    before: float | None = None
    after: float | None = None
    difference: float | None = None
    interval: Interval | None = None
    decided: Interval | None = None
    p_value: float | None = None
    adjusted: float | None = None
    verdict: ChangeVerdict
    design: Design | None = None
    n: int | None = None
    repeatable: bool = True
    reason: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingChange:
    """One finding in two runs.

    Attributes:
        rule: `analyzer.rule`.
        title: As the candidate says it; as the baseline does where the candidate has no such finding.
        before: Severity in the baseline, `after` in the candidate; None where it was not found.
        state: `new` and `fixed` say that a rule fired in one run alone. Of a finding in both: what its metrics did, the
            worst first; of one that rests on no metric that was tested, `within_noise` where both runs say the same.
            `not_compared`: its analyzer has no result in a run, measured otherwise there or changed the model, or
            nothing else applies.
        metrics: What the metrics that it rests on did, the worst first; None where none was tested. A finding can be
            `new` although its metrics moved within noise: its value crossed a line that it was close to.
    """

    rule: str
    where: Mapping[str, str] = field(default_factory=dict)
    title: Message
    before: Severity | None = None
    after: Severity | None = None
    state: FindingState
    metrics: ChangeVerdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherChange:
    """Something besides metrics and findings that differs between two runs.

    Attributes:
        name: Key path, file, package or gate.
        before: As text, shortened; empty where the baseline has no such thing, `after` where the candidate has none.
    """

    kind: OtherKind
    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineFacts:
    """The run that another is compared with.

    Attributes:
        rows: Evaluated rows.
        gates: State of each gate, by id.
    """

    name: str
    version: str = ""
    model: str
    model_digest: str
    rows: int
    verdict: Verdict
    exit_code: int
    gates: Mapping[str, GateState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is other in a run than in its baseline.

    Attributes:
        level: One less the rate at which the verdicts of all tested metrics together may find a change that is none.
        rows: Evaluated rows of the candidate.
        pairs: Rows that both runs evaluated: of the same data, with the same id.
        baseline_only: Rows that the baseline alone has, `candidate_only` those of the candidate. Where they are few,
            they are left out; otherwise all rows count, and the common ones twice.
        paired: Whether metrics that say what each row does to them are compared row by row.
        tested: Metrics with a test, which Holm's method counts.
    """

    baseline: BaselineFacts
    level: float = LEVEL
    rows: int
    pairs: int
    baseline_only: int
    candidate_only: int
    paired: bool
    tested: int
    metrics: tuple[MetricChange, ...] = ()
    findings: tuple[FindingChange, ...] = ()
    others: tuple[OtherChange, ...] = ()

    def change(self, metric: str, where: Mapping[str, str]) -> MetricChange | None:
        """What became of one metric, by its full name and all its labels; None where neither run has it."""
        return next(
            (change for change in self.metrics if change.metric == metric and dict(change.where) == dict(where)), None
        )
