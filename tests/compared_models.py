"""Made-up models on made-up rows, measured by the real plugins, for the tests of comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import auditbench_fairness
import auditbench_performance
from auditbench.comparison.changes import compare_metrics
from auditbench.comparison.pairing import pair_rows
from auditbench.comparison.record import MetricChange
from auditbench.results import AnalysisResult
from auditbench.testing import given_outputs_subject, toy_context

Numbers = npt.NDArray[np.float64]
CALLED = ("better", "worse", "changed")


@dataclass(frozen=True, kw_only=True)
class People:
    """Rows with a label and a group, drawn from a score that no model sees.

    Attributes:
        score: Logit of the label, shape `(rows,)`.
    """

    score: Numbers
    y_true: npt.NDArray[np.int64]
    group: npt.NDArray[np.str_]

    def probabilities(self, rng: np.random.Generator, *, noise: float) -> Numbers:
        """What a model gives that sees the score through noise of a standard deviation."""
        return 1.0 / (1.0 + np.exp(-(self.score + noise * rng.normal(size=len(self.score)))))


def people(rng: np.random.Generator, rows: int) -> People:
    group = rng.choice(["a", "b", "c"], size=rows, p=[0.5, 0.3, 0.2])
    score = 1.5 * rng.normal(size=rows) - 0.8 + 0.5 * (group == "b")
    return People(score=score, y_true=(rng.random(rows) < 1 / (1 + np.exp(-score))).astype(np.int64), group=group)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the plugins say of a model on some rows."""

    results: tuple[AnalysisResult, ...]
    rows: npt.NDArray[np.intp]


def measured(
    crowd: People, probabilities: Numbers, rows: npt.NDArray[np.intp] | None = None, *, replicates: int = 100
) -> Measured:
    """Performance and fairness of probabilities, on all rows or on those at some places."""
    chosen = np.arange(len(crowd.y_true)) if rows is None else rows
    subject = given_outputs_subject(
        probabilities[chosen], crowd.y_true[chosen], sensitive_features={"group": crowd.group[chosen]}
    )
    results = []
    for plugin, params in ((auditbench_performance, {"replicates": replicates}), (auditbench_fairness, {})):
        (analyzer,) = plugin.auditbench_analyzers()
        context = toy_context(subject, analyzer=analyzer.name, params=plugin.Params(**params))
        result = analyzer.analyze(context, context.params)
        results.append(_named(result, analyzer.name, params))
    return Measured(results=tuple(results), rows=chosen)


def changes(before: Measured, after: Measured, *, level: float = 0.95) -> tuple[MetricChange, ...]:
    pairs = pair_rows(
        before.rows.astype(np.uint64),
        after.rows.astype(np.uint64),
        baseline_rows=len(before.rows),
        candidate_rows=len(after.rows),
    )
    return compare_metrics(before.results, after.results, pairs, level=level)


def called(found: tuple[MetricChange, ...]) -> list[str]:
    """Names of the metrics that are called better, worse or changed."""
    return [change.metric for change in found if change.verdict in CALLED]


def most_false_calls(trials: int, rate: float) -> int:
    """The most that a rate kept over so many trials explains: the 99.9 % quantile of the binomial distribution."""
    from scipy import stats

    return int(stats.binom.ppf(0.999, trials, rate))


def _named(result: AnalysisResult, analyzer: str, params: dict[str, Any]) -> AnalysisResult:
    import dataclasses

    return dataclasses.replace(result, analyzer=analyzer, topic=analyzer, parameters=params)
