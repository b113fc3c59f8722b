"""`estimated_metric`: an estimate as a metric, with the interval or with the reason why there is none."""

from __future__ import annotations

import numpy as np
import pytest

from auditbench.findings import Message
from auditbench.results import Interval, estimated_metric, interval_of
from auditbench.statistics import clusters_of, mean_interval, share_interval

NONE = Message(key="none")


def test_a_share_has_its_interval_and_no_reason() -> None:
    estimate = share_interval(np.array([True, False, False, True]))
    metric = estimated_metric("gap", estimate, n=9, undefined=NONE, denominator=4, higher_is_better=False, method="m")
    assert metric.interval == Interval(low=estimate.low or 0, high=estimate.high or 0, method="wilson")
    assert (metric.value, metric.n, metric.denominator, metric.no_interval, metric.reason) == (0.5, 9, 4, "", None)
    assert (metric.higher_is_better, metric.method, metric.clusters) == (False, "m", None)


def test_without_rows_there_is_the_reason_alone() -> None:
    metric = estimated_metric("gap", share_interval(np.array([], dtype=bool)), n=0, undefined=NONE)
    assert (metric.value, metric.interval, metric.no_interval, metric.reason) == (None, None, "", NONE)


@pytest.mark.parametrize(
    ("rows", "clusters", "why"), [(1, None, "not_estimated"), (20, clusters_of(np.arange(20) % 3), "few_clusters")]
)
def test_a_value_without_bounds_says_why(rows: int, clusters: object, why: str) -> None:
    hits = np.arange(rows) % 2 == 0
    estimate = mean_interval(hits.astype(float)) if clusters is None else share_interval(hits, clusters)
    metric = estimated_metric("gap", estimate, n=rows, undefined=NONE, clusters=clusters)
    assert interval_of(estimate) is None
    assert (metric.interval, metric.no_interval, metric.reason) == (None, why, None)
    assert metric.clusters == (None if clusters is None else 3)
