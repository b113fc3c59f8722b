"""Made-up models on made-up rows, measured by the real plugins, for the tests of comparisons."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

import auditbench_fairness
import auditbench_performance
from auditbench.comparison import Comparison
from auditbench.digests import digest_of
from auditbench.run import AuditRun, DataFacts
from auditbench.testing import given_outputs_subject, toy_context
from tests.finished_run import a_run

Numbers = npt.NDArray[np.float64]
ANALYZERS = {
    plugin: next(iter(plugin.auditbench_analyzers())) for plugin in (auditbench_performance, auditbench_fairness)
}
CALLED = ("better", "worse", "changed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class People:
    """Rows with a label and groups, by column of sensitive features.

    Attributes:
        score: Logit of the chance of the label that it was drawn by, shape `(rows,)`; none where it was observed.
    """

    y_true: npt.NDArray[np.int64]
    groups: Mapping[str, npt.NDArray[np.str_]]
    score: Numbers = dataclasses.field(default_factory=lambda: np.empty(0))

    def probabilities(self, rng: np.random.Generator, *, noise: float) -> Numbers:
        """What a model gives that sees the score through noise of a standard deviation."""
        return 1.0 / (1.0 + np.exp(-(self.score + noise * rng.normal(size=len(self.score)))))


def people(rng: np.random.Generator, rows: int) -> People:
    group = rng.choice(["a", "b", "c"], size=rows, p=[0.5, 0.38, 0.12])
    score = 1.5 * rng.normal(size=rows) - 0.8 + 0.5 * (group == "b")
    y_true = (rng.random(rows) < 1 / (1 + np.exp(-score))).astype(np.int64)
    return People(y_true=y_true, groups={"group": group}, score=score)


def measured(
    crowd: People, probabilities: Numbers, rows: npt.NDArray[np.intp] | None = None, *, replicates: int = 100
) -> AuditRun:
    """A run with performance and fairness of probabilities, on all rows or on those at some places."""
    chosen = np.arange(len(crowd.y_true)) if rows is None else rows
    sensitive = {name: values[chosen] for name, values in crowd.groups.items()}
    subject = given_outputs_subject(probabilities[chosen], crowd.y_true[chosen], sensitive_features=sensitive)
    results = []
    for plugin, params in ((auditbench_performance, {"replicates": replicates}), (auditbench_fairness, {})):
        analyzer = ANALYZERS[plugin]
        context = toy_context(subject, analyzer=analyzer.name, params=plugin.Params(**params))
        result = analyzer.analyze(context, context.params)
        named = {"analyzer": analyzer.name, "topic": analyzer.topic, "parameters": params}
        results.append(dataclasses.replace(result, **named))
    run = a_run(
        results=tuple(results),
        gates=(),
        data=DataFacts(name="people", digests={"people": "d"}, rows=len(chosen), train_rows=0, target="y"),
        row_keys=chosen.astype(np.uint64),
    )
    return dataclasses.replace(run, model=dataclasses.replace(run.model, digest=digest_of(probabilities.tolist())))


def called(comparison: Comparison) -> list[str]:
    """Names of the metrics that are called better, worse or changed."""
    return [change.metric for change in comparison.metrics if change.verdict in CALLED]


def most_false_calls(trials: int, rate: float) -> int:
    """The most that a rate kept over so many trials explains: the 99.9 % quantile of the binomial distribution."""
    from scipy import stats

    return int(stats.binom.ppf(0.999, trials, rate))
