"""Estimators and functions in the Python interface: audited with the rows that were passed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import auditbench
import auditbench.models
from auditbench.errors import DataError, ModelError
from tests.estimators import FEATURES, NUMBERS, numbers, people

TRAIN, TEST = people(200, 1), people(60, 2)
X = TEST[list(FEATURES)]
PLAIN = TRAIN[["age", "hours"]]
CODED = ColumnTransformer(
    [("texts", OneHotEncoder(handle_unknown="ignore"), ["sex", "job"]), ("numbers", SimpleImputer(), ["age", "hours"])]
)
PIPELINE = make_pipeline(CODED, RandomForestClassifier(8, random_state=0)).fit(TRAIN[list(FEATURES)], TRAIN.y)
EXPECTED = ((PIPELINE.predict_proba(X)[:, 1] >= 0.5) == (TEST.y == "yes")).mean()


def audited(model: Any, **given: Any) -> Any:
    arguments: dict[str, Any] = {
        "task": "binary-classification",
        "output": "probability",
        "class_names": ("no", "yes"),
        "analyzers": {"performance": {}},
        "background": TRAIN[list(FEATURES)],
        **given,
    }
    return auditbench.audit(model, arguments.pop("X", X), arguments.pop("y", TEST.y), **arguments)


def value(run: Any, name: str) -> float:
    found: float = next(metric.value for metric in run.results[0].metrics if metric.name == name)
    return found


def test_an_estimator_is_audited_with_the_frame_that_was_passed() -> None:
    run = audited(PIPELINE, sensitive_features={"sex": TEST.sex}, analyzers={"performance": {}, "fairness": {}})
    assert value(run, "accuracy") == pytest.approx(EXPECTED)
    assert [result.status for result in run.results] == ["ok", "ok"]
    assert (run.model.format, run.model.capabilities) == ("estimator", ("black_box",))
    assert run.model.architecture == "Pipeline of ColumnTransformer, RandomForestClassifier"


def test_a_function_is_audited_with_the_frame_that_was_passed() -> None:
    seen = []

    def function(frame: pd.DataFrame) -> Any:
        seen.append(frame)
        return PIPELINE.predict_proba(frame)[:, 1]

    run = audited(function)
    assert value(run, "accuracy") == pytest.approx(EXPECTED)
    assert run.model.format == "callable"
    whole = next(frame for frame in seen if len(frame) == len(X))
    assert list(whole.columns) == list(X.columns)
    assert whole.hours.isna().tolist() == X.hours.isna().tolist()
    assert whole.job.fillna("-").tolist() == X.job.fillna("-").tolist()
    assert {limit.key: dict(limit.values) for limit in run.model.limits} == {
        "core.model_missing_kept": {"columns": "hours"}
    }


def test_columns_of_categories_come_back_as_such() -> None:
    kinds = {"sex": "category", "job": "category"}
    train = TRAIN[list(FEATURES)].astype(kinds)
    own = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(train, TRAIN.y)
    run = audited(own, X=X.astype(kinds), background=train)
    expected = ((own.predict_proba(X.astype(kinds))[:, 1] >= 0.5) == (TEST.y == "yes")).mean()
    assert value(run, "accuracy") == pytest.approx(expected)


def test_explainers_run_on_black_boxes() -> None:
    analyzers = {
        "shap": {"rows": 4, "background": 8},
        "lime": {"rows": 4, "num_samples": 200},
    }
    run = audited(PIPELINE, analyzers=analyzers)
    assert [result.status for result in run.results] == ["ok", "ok"]
    shap = run.results[0].attributions[0]
    sums = np.asarray(shap.base_values) + np.asarray(shap.values).sum(axis=2)
    np.testing.assert_allclose(sums, shap.outputs, atol=1e-9)
    assert shap.player_names == FEATURES


def test_arrays_stay_arrays() -> None:
    train, test = numbers(150, 1), numbers(50, 2)
    own = LinearRegression().fit(train[list(NUMBERS)].to_numpy(), train.value)
    run = audited(
        own,
        X=test[list(NUMBERS)].to_numpy(),
        y=test.value,
        background=None,
        task="regression",
        output="value",
        class_names=(),
        feature_names=NUMBERS,
    )
    expected = np.abs(own.predict(test[list(NUMBERS)].to_numpy()) - test.value).mean()
    assert value(run, "mae") == pytest.approx(expected)


def test_images_reach_a_function_as_arrays() -> None:
    images = np.random.default_rng(0).random((30, 1, 4, 4)).astype(np.float32)
    labels = np.where(images.mean(axis=(1, 2, 3)) > 0.5, "yes", "no")
    run = audited(lambda given: given.mean(axis=(1, 2, 3)), X=images, y=labels, background=None)
    assert value(run, "accuracy") == 1.0


def test_two_estimators_have_two_digests() -> None:
    other = make_pipeline(CODED, LogisticRegression(max_iter=500)).fit(TRAIN[list(FEATURES)], TRAIN.y)
    digests = [audited(model).model.digest for model in (PIPELINE, PIPELINE, other)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("model", [object(), "a name", None])
def test_what_cannot_be_evaluated_is_refused(model: Any) -> None:
    with pytest.raises(ModelError, match="can neither be called nor does it predict") as caught:
        audited(model)
    assert "a torch.nn.Module, an estimator with predict or predict_proba" in caught.value.describe()


def test_an_estimator_has_no_logits() -> None:
    with pytest.raises(ModelError, match="an estimator gives probabilities"):
        audited(PIPELINE, output="logit")


def test_a_background_of_other_columns_is_refused() -> None:
    with pytest.raises(DataError, match="expected the columns of the evaluated rows"):
        audited(PIPELINE, background=TRAIN[["age", "hours"]])


def test_a_function_that_raises_is_named() -> None:
    def function(frame: Any) -> Any:
        raise RuntimeError("no such column")

    with pytest.raises(ModelError, match="the model raised on these rows") as caught:
        audited(function)
    assert "RuntimeError: no such column" in caught.value.describe()


@pytest.mark.parametrize("wrap", [lambda own: own, lambda own: own.booster_,
                                  lambda own: GridSearchCV(own, {"max_depth": [3]}, cv=2).fit(PLAIN, TRAIN.y)])  # fmt: skip
def test_columns_reach_lightgbm_in_the_order_that_it_was_fitted_on(wrap: Any) -> None:
    own = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(PLAIN, TRAIN.y)
    given, behind = TEST[["hours", "age"]], TRAIN[["hours", "age"]]
    run = audited(wrap(own), X=given, background=behind)
    right = ((own.predict_proba(TEST[["age", "hours"]])[:, 1] >= 0.5) == (TEST.y == "yes")).mean()
    wrong = ((own.predict_proba(given)[:, 1] >= 0.5) == (TEST.y == "yes")).mean()
    assert value(run, "accuracy") == pytest.approx(right, abs=0.05) != pytest.approx(wrong, abs=0.05)


def test_a_column_that_it_was_fitted_on_has_to_be_there() -> None:
    own = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(PLAIN, TRAIN.y)
    with pytest.raises(ModelError, match="fitted on other columns than the data have") as caught:
        audited(own, X=TEST[["age", "hours"]].rename(columns={"hours": "pay"}), background=None)
    assert "without 'hours'" in caught.value.describe()


@pytest.mark.parametrize(
    ("kind", "empty"), [("string", pd.NA), (object, None), (object, float("nan")), ("str", float("nan"))]
)
def test_texts_come_back_with_their_own_type_and_missing_cells(kind: Any, empty: Any) -> None:
    seen = []

    def function(frame: pd.DataFrame) -> Any:
        seen.append(frame)
        return np.full(len(frame), 0.5)

    given = X.assign(job=X.job.astype(kind).where(X.job.notna(), empty))
    audited(function, X=given, background=None)
    whole = next(frame for frame in seen if len(frame) == len(X))
    pd.testing.assert_series_equal(whole.job, given.job)
    assert [type(cell) for cell in whole.job] == [type(cell) for cell in given.job]


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match="expected columns of different names") as caught:
        audited(PIPELINE, X=pd.concat([X, X[["age"]]], axis=1), background=None)
    assert "found: 'age' twice" in caught.value.describe()


def test_a_function_that_runs_out_of_memory_gets_fewer_rows() -> None:
    sizes = []

    def function(frame: pd.DataFrame) -> Any:
        sizes.append(len(frame))
        if len(frame) > 32:
            raise MemoryError("too many rows")
        return PIPELINE.predict_proba(frame)[:, 1]

    assert value(audited(function), "accuracy") == pytest.approx(EXPECTED)
    assert max(sizes) > 32


def test_outputs_alone_are_audited_as_the_model_is(tmp_path: Path) -> None:
    outputs = auditbench.models.Predictions(PIPELINE.predict_proba(X)[:, 1])
    analyzers: dict[str, Any] = {"performance": {}, "fairness": {}, "shap": {}, "lime": {}}
    given = {"analyzers": analyzers, "sensitive_features": {"sex": TEST.sex}}
    run, own = audited(outputs, out=tmp_path / "run", **given), audited(PIPELINE, **given)
    assert run.results[:2] == own.results[:2]
    both = auditbench.models.Predictions(PIPELINE.predict_proba(X))
    assert (
        audited(both, sensitive_features={"sex": TEST.sex}, analyzers={"performance": {}}).results[0] == run.results[0]
    )
    assert (run.model.format, run.model.capabilities) == ("predictions", ())
    assert [limit.key for limit in run.model.limits] == ["core.model_predictions_passed"]
    assert [(result.status, result.reason and result.reason.key) for result in run.results[2:]] == [
        ("not_applicable", "core.not_applicable_capability_black_box")
    ] * 2


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        pytest.param(np.full(len(X) - 1, 0.5), f"allowed: shape ({len(X)}, 1)", id="a-row-less"),
        pytest.param(np.full((len(X), 3), 1 / 3), f"allowed: shape ({len(X)}, 1)", id="three-columns"),
        pytest.param(np.full((len(X), 2), 0.6), "do not add up to 1", id="both-classes"),
        pytest.param(np.full(len(X), 1.5), "numbers from 0 to 1", id="no-probabilities"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(outputs: Any, says: str) -> None:
    with pytest.raises(ModelError) as caught:
        audited(auditbench.models.Predictions(outputs))
    assert says in caught.value.describe()
