"""The fairness plugin on regression: means by group, their gaps with intervals, and when a gap is a finding."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

import auditbench_fairness
from auditbench.results import AnalysisResult
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_fairness import Params
from auditbench_fairness.analysis import analyze
from tests.plugin_results import check_result, finding_of, metric_of, rules_of

EVERY_GROUP = Params(minimum_group=1, minimum_outcomes=1)


def test_regression_means_by_hand() -> None:
    subject = given_outputs_subject(
        [1.0, 2.0, 5.0, 6.0],
        [1.0, 4.0, 4.0, 4.0],
        task="regression",
        output="value",
        sensitive_features={"sex": ["F", "F", "M", "M"]},
    )
    result = analyze(toy_context(subject, analyzer="fairness"), EVERY_GROUP)
    means = {m.name: m.value for m in result.metrics if m.where == {"feature": "sex", "group": "F"}}
    assert means == {"mean_prediction": 1.5, "mean_error": -1.0, "mean_absolute_error": 1.0}
    assert metric_of(result, "mean_error_difference", feature="sex").value == pytest.approx(2.5)
    assert metric_of(result, "mean_error_difference_to_overall", feature="sex").value == pytest.approx(1.25)
    interval = metric_of(result, "mean_prediction", feature="sex", group="F").interval
    assert interval.method == "student-t"


def regression_of(gap: float, n: int = 200) -> AnalysisResult:
    rng = np.random.default_rng(3)
    y_true, sex = rng.normal(0, 10, 2 * n), np.repeat(["F", "M"], n)
    y_pred = y_true + rng.normal(0, 2, 2 * n) + np.where(sex == "M", gap, 0.0)
    subject = given_outputs_subject(y_pred, y_true, task="regression", output="value", sensitive_features={"sex": sex})
    return analyze(toy_context(subject, analyzer="fairness"), Params())


def test_a_clear_gap_in_mean_error_is_a_finding_and_a_small_one_is_not() -> None:
    assert rules_of(regression_of(3.0)) == ["mean_error_gap"]
    finding = finding_of(regression_of(3.0), "mean_error_gap")
    assert finding.title.values["low"] > finding.title.values["line"]
    check_result(auditbench_fairness, regression_of(3.0))
    assert rules_of(regression_of(1.0)) == []  # its interval straddles the line of one tenth of a standard deviation


def test_comparisons_of_means_use_welchs_interval_and_test() -> None:
    rng = np.random.default_rng(7)
    y_true, sex = rng.normal(0, 1, 50), np.repeat(["F", "M"], [8, 42])
    y_pred = y_true + np.where(sex == "M", rng.normal(0, 3, 50), rng.normal(1, 1, 50))
    subject = given_outputs_subject(y_pred, y_true, task="regression", output="value", sensitive_features={"sex": sex})
    params = EVERY_GROUP.model_copy(update={"minimum_group": 2})
    result = analyze(toy_context(subject, analyzer="fairness"), params)
    table = next(table for table in result.tables if table.name == "comparisons")
    names = [column.name for column in table.columns]
    rows = {row[names.index("measure")].key: dict(zip(names, row, strict=True)) for row in table.rows}
    error = y_pred - y_true
    test = scipy_stats.ttest_ind(error[sex == "F"], error[sex == "M"], equal_var=False)
    bounds, row = test.confidence_interval(0.95), rows["fairness.mean_error"]
    assert (row["low"], row["high"], row["p_value"]) == pytest.approx((bounds.low, bounds.high, test.pvalue))
    metric = metric_of(result, "mean_error_difference", feature="sex")
    assert metric.interval.method == "simultaneous-t"
