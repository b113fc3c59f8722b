"""Rates and gaps of real predictions against two libraries: Adult, German credit, and random rows with empty cells."""

from __future__ import annotations

import logging
import math
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from sklearn.ensemble import HistGradientBoostingClassifier

import auditbench
from auditbench.results import AnalysisResult
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_fairness import Params
from auditbench_fairness.analysis import analyze
from auditbench_fairness.rates import RATES
from tests.german_credit import german_credit
from tests.plugin_results import metric_of

logging.disable(logging.WARNING)  # aif360 tells of every optional library it does not find
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own use of pandas
    from aif360.datasets import BinaryLabelDataset
    from aif360.metrics import ClassificationMetric
logging.disable(logging.NOTSET)

EVERY_GROUP = Params(minimum_group=1, minimum_outcomes=1)
PEERS = {
    "selection_rate": fairlearn.selection_rate,
    "true_positive_rate": fairlearn.true_positive_rate,
    "false_positive_rate": fairlearn.false_positive_rate,
}
GAPS = {
    "demographic_parity_difference": fairlearn.demographic_parity_difference,
    "demographic_parity_ratio": fairlearn.demographic_parity_ratio,
    "equal_opportunity_difference": fairlearn.equal_opportunity_difference,
    "equalized_odds_difference": fairlearn.equalized_odds_difference,
    "equalized_odds_ratio": fairlearn.equalized_odds_ratio,
}
Given = tuple[Any, Any, dict[str, Any]]


def predicted(frame: pd.DataFrame, label: Any, held: Any) -> Any:
    """Decisions of boosted trees that were trained on the other rows."""
    coded = frame.apply(lambda column: column if column.dtype.kind in "if" else pd.factorize(column)[0])
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(coded[~held], label[~held])
    return model.predict(coded[held]).astype(int)


@cache
def adult() -> Given:
    frame = pd.read_parquet(Path(auditbench.__file__).parent / "data" / "adult.parquet")
    held = (frame["split"].astype(str) == "test").to_numpy()
    label = (frame["income"].astype(str).str.strip(" .") == ">50K").to_numpy().astype(int)
    y_pred = predicted(frame.drop(columns=["income", "split", "fnlwgt"]), label, held)
    groups = {name: frame.loc[held, name].astype(str).to_numpy() for name in ("sex", "race")}
    return label[held], y_pred, {**groups, "fnlwgt": frame.loc[held, "fnlwgt"].to_numpy()}


@cache
def german() -> Given:
    frame = german_credit()
    held = np.random.default_rng(0).random(len(frame)) < 0.5
    label = (frame["outcome"] == "good").to_numpy().astype(int)
    groups = {name: frame.loc[held, name].astype(str).to_numpy() for name in ("sex", "age_band")}
    y_pred = predicted(frame.drop(columns=["outcome"]), label, held)
    return label[held], y_pred, groups


def random_rows(seed: int) -> Given:
    """Few rows of many groups, so that several rates have no row to be a share of."""
    rng = np.random.default_rng(seed)
    group = rng.choice(list("abcdefgh"), 60, p=[0.3, 0.3, 0.2, 0.1, 0.04, 0.03, 0.02, 0.01])
    return rng.integers(0, 2, 60), (rng.random(60) < 0.4).astype(int), {"group": group}


CASES = {"adult": adult, "german": german, **{f"random-{seed}": lambda s=seed: random_rows(s) for seed in range(12)}}


def measured(y_true: Any, y_pred: Any, groups: dict[str, Any], weights: Any = None) -> AnalysisResult:
    subject = given_outputs_subject(y_pred, y_true, sensitive_features=groups, weights=weights)
    return analyze(toy_context(subject, analyzer="fairness"), EVERY_GROUP)


def in_aif360(y_true: Any, y_pred: Any, own: Any, weights: Any = None) -> Any:
    """One group as its unprivileged group against all other rows."""
    frame = pd.DataFrame({"label": y_true.astype(float), "own": own.astype(float)})
    frame["weight"] = 1.0 if weights is None else weights
    keys = {"label_names": ["label"], "protected_attribute_names": ["own"], "instance_weights_name": "weight"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        true = BinaryLabelDataset(df=frame, **keys)
        pred = BinaryLabelDataset(df=frame.assign(label=y_pred.astype(float)), **keys)
        return ClassificationMetric(true, pred, unprivileged_groups=[{"own": 1.0}], privileged_groups=[{"own": 0.0}])


@pytest.mark.parametrize("case", CASES)
def test_rates_of_every_group_equal_fairlearn(case: str) -> None:
    y_true, y_pred, groups = CASES[case]()
    groups = {name: column for name, column in groups.items() if name != "fnlwgt"}
    result = measured(y_true, y_pred, groups)
    undefined = 0
    for feature, column in groups.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of shares of no row, which it gives as 0
            frame = fairlearn.MetricFrame(
                metrics=PEERS, y_true=y_true, y_pred=y_pred, sensitive_features=column
            ).by_group
        for group in np.unique(column):
            for name in PEERS:
                mine = metric_of(result, name, feature=feature, group=group)
                if mine.value is None:
                    undefined += 1
                    assert mine.reason.key in ("fairness.undefined.no_denominator", "fairness.undefined.empty_group")
                else:
                    assert mine.value == pytest.approx(frame[name][group])
    assert undefined == 0 or case.startswith("random")


def test_random_rows_have_rates_of_no_row() -> None:
    results = [measured(*random_rows(seed)) for seed in range(12)]
    assert sum(metric.value is None for result in results for metric in result.metrics if "group" in metric.where) > 12


@pytest.mark.parametrize("case", ["adult", "german"])
def test_gaps_equal_fairlearn(case: str) -> None:
    y_true, y_pred, groups = CASES[case]()
    groups = {name: column for name, column in groups.items() if name != "fnlwgt"}
    result = measured(y_true, y_pred, groups)
    for feature, column in groups.items():
        for name, peer in GAPS.items():
            wanted = peer(y_true, y_pred, sensitive_features=column)
            assert metric_of(result, name, feature=feature).value == pytest.approx(wanted)


@pytest.mark.parametrize("weighted", [False, True])
def test_rates_of_groups_equal_aif360_with_weights_too(weighted: bool) -> None:
    y_true, y_pred, columns = adult()
    weights = columns["fnlwgt"].astype(float) if weighted else None
    groups = {name: columns[name] for name in ("sex", "race")}
    result = measured(y_true, y_pred, groups, weights)
    for feature, column in groups.items():
        for group in np.unique(column):
            theirs = in_aif360(y_true, y_pred, column == group, weights)
            values = {name: metric_of(result, name, feature=feature, group=group).value for name in RATES}
            assert values["selection_rate"] == pytest.approx(theirs.selection_rate(privileged=False))
            assert values["true_positive_rate"] == pytest.approx(theirs.true_positive_rate(privileged=False))
            assert values["false_positive_rate"] == pytest.approx(theirs.false_positive_rate(privileged=False))
            assert values["precision"] == pytest.approx(theirs.positive_predictive_value(privileged=False))
            assert values["accuracy"] == pytest.approx(theirs.accuracy(privileged=False))


@pytest.mark.parametrize(("case", "feature"), [("adult", "sex"), ("german", "sex")])
def test_gaps_of_two_groups_equal_aif360(case: str, feature: str) -> None:
    y_true, y_pred, groups = CASES[case]()
    column = groups[feature]
    result = measured(y_true, y_pred, {feature: column})
    theirs = in_aif360(y_true, y_pred, column == np.unique(column)[0])
    wanted = {
        "demographic_parity_difference": abs(theirs.statistical_parity_difference()),
        "demographic_parity_ratio": min(theirs.disparate_impact(), 1 / theirs.disparate_impact()),
        "equal_opportunity_difference": abs(theirs.equal_opportunity_difference()),
        "equalized_odds_difference": abs(theirs.equalized_odds_difference()),
        "true_positive_rate_difference": abs(theirs.true_positive_rate_difference()),
        "false_positive_rate_difference": abs(theirs.false_positive_rate_difference()),
        "precision_difference": abs(
            theirs.positive_predictive_value(privileged=True) - theirs.positive_predictive_value(privileged=False)
        ),
        "accuracy_difference": abs(theirs.accuracy(privileged=True) - theirs.accuracy(privileged=False)),
    }
    for name, value in wanted.items():
        assert not math.isnan(value)
        assert metric_of(result, name, feature=feature).value == pytest.approx(value), name


@pytest.mark.parametrize("seed", range(12))
def test_random_rows_equal_aif360_where_it_divides_by_some_row(seed: int) -> None:
    y_true, y_pred, groups = random_rows(seed)
    result = measured(y_true, y_pred, groups)
    for group in np.unique(groups["group"]):
        own = groups["group"] == group
        with np.errstate(invalid="ignore", divide="ignore"):
            theirs = in_aif360(y_true, y_pred, own)
            wanted = {
                "selection_rate": theirs.selection_rate(privileged=False),
                "accuracy": theirs.accuracy(privileged=False),
                "true_positive_rate": theirs.true_positive_rate(privileged=False),
                "false_positive_rate": theirs.false_positive_rate(privileged=False),
                "precision": theirs.positive_predictive_value(privileged=False),
            }
        for name, value in wanted.items():
            mine = metric_of(result, name, feature="group", group=group)
            if mine.value is None:  # where it gives NaN, and 0 for precision
                assert mine.reason.key == "fairness.undefined.no_denominator"
                assert math.isnan(value) or value == 0, name
            else:
                assert mine.value == pytest.approx(value), name
