"""The promises of an analyzer, and labels that were flipped on purpose."""

import numpy as np
import pytest
from auditbench_cleanlab import Params, auditbench_analyzers
from auditbench_cleanlab.suspects import find_suspects

from auditbench.context import AuditContext
from auditbench.results import Metric
from auditbench.statistics import clusters_of
from auditbench.testing import check_analyzer, given_outputs_subject, toy_context

(ANALYZER,) = auditbench_analyzers()
PARAMS = Params(replicates=40)


def flipped_labels(every: int, rows: int = 200) -> AuditContext:
    """A model that is right and sure, and labels of which each so-and-so-many-th was flipped."""
    probabilities = np.where(np.arange(rows) % 2, 0.99, 0.01)
    labels = (probabilities > 0.5).astype(int)
    labels[::every] = 1 - labels[::every]
    return toy_context(given_outputs_subject(probabilities, labels), analyzer="cleanlab", params=PARAMS)


def by_class(metrics: tuple[Metric, ...]) -> dict[str, Metric]:
    return {metric.where["class"]: metric for metric in metrics if metric.name == "class_suspected_share"}


def test_every_promise_is_kept() -> None:
    check_analyzer(ANALYZER, params={"replicates": 40})


def test_flipped_labels_are_found_and_no_others() -> None:
    context = flipped_labels(every=20)
    result = ANALYZER.analyze(context, PARAMS)
    count, share, *_ = result.metrics
    assert (count.value, share.value, share.n) == (10, 0.05, 200)
    assert count.interval is not None
    assert count.interval.low < 10 < count.interval.high
    (table,) = result.tables
    assert {row[0] for row in table.rows} == {context.data.row_ids[place] for place in range(0, 200, 20)}


def test_the_class_that_was_flipped_stands_out() -> None:
    shares = by_class(ANALYZER.analyze(flipped_labels(every=20), PARAMS).metrics)  # every 20th row was of class "no"
    assert shares["yes"].value == pytest.approx(10 / 110)
    assert shares["no"].value == 0
    assert (shares["yes"].denominator, shares["no"].denominator) == (110, 90)


def test_the_rule_decides_which_rows_are_picked() -> None:
    context = toy_context(given_outputs_subject(np.linspace(0.01, 0.99, 100), [0] * 45 + [1] * 55))
    picked = {
        rule: ANALYZER.analyze(context, Params(filter_by=rule, replicates=40)).metrics[0].value
        for rule in ("predicted_neq_given", "confident_learning")
    }
    assert picked == {"predicted_neq_given": 5, "confident_learning": 0}


def test_rows_that_depend_on_each_other_are_drawn_together() -> None:
    patients = np.repeat(np.arange(25), 8)
    labels, probabilities = np.arange(200) % 2, np.where(np.arange(200) % 2, 0.99, 0.01)
    labels[patients < 2] = 1 - labels[patients < 2]  # all rows of two patients were labelled the other way round
    by_class = np.stack([1 - probabilities, probabilities], axis=1)
    widths = {}
    for clusters in (None, clusters_of(patients)):
        found = find_suspects(
            labels,
            by_class,
            filter_by="confident_learning",
            replicates=100,
            clusters=clusters,
            rng=np.random.default_rng(0),
            progress=lambda done, total: None,
        )
        assert found.suspected.sum() == 16
        widths[found.shares.method] = found.shares.high[0] - found.shares.low[0]
    assert widths["cluster-bootstrap-percentile"] > 1.5 * widths["bootstrap-percentile"]


def test_one_class_is_undefined_with_a_reason() -> None:
    result = ANALYZER.analyze(toy_context(given_outputs_subject([0.2, 0.7, 0.9], [1, 1, 1])), PARAMS)
    assert {metric.value for metric in result.metrics} == {None}
    assert all(metric.reason is not None for metric in result.metrics)
