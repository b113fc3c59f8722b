"""Estimators and functions in the Python interface: audited with the rows that were passed."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import auditbench
from auditbench.errors import DataError, ModelError
from tests.estimators import FEATURES, NUMBERS, numbers, people

TRAIN, TEST = people(200, 1), people(60, 2)
X = TEST[list(FEATURES)]
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
