"""`shap.tree` on estimators: additive, equal to an enumeration of all coalitions, and refused where it would explain something else."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import joblib  # noqa: TID251 - of files that the test writes itself
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from auditbench.data import EvaluationData
from auditbench.errors import AnalyzerNotPossible
from auditbench.models import ModelUnderTest
from auditbench_shap.analysis import explain_chunk
from auditbench_shap.params import Params
from auditbench_shap.trees import tree_values, trees_of
from tests.estimators import FEATURES, NUMBERS, numbers, opened, people, sha256, write

BINARY = {
    "forest": RandomForestClassifier(8, max_depth=4, random_state=0),
    "extra": ExtraTreesClassifier(8, max_depth=4, random_state=0),
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "boosted": GradientBoostingClassifier(n_estimators=8, random_state=0),
    "histogram": HistGradientBoostingClassifier(max_iter=8, random_state=0),
    "xgboost": xgboost.XGBClassifier(n_estimators=8, max_depth=3, random_state=0),
    "lightgbm": lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, random_state=0),
    "passed through": make_pipeline("passthrough", RandomForestClassifier(8, max_depth=4, random_state=0)),
}
VALUES = {
    "forest": RandomForestRegressor(8, max_depth=4, random_state=0),
    "boosted": GradientBoostingRegressor(n_estimators=8, random_state=0),
    "xgboost": xgboost.XGBRegressor(n_estimators=8, max_depth=3, random_state=0),
    "lightgbm": lightgbm.LGBMRegressor(n_estimators=8, verbose=-1, random_state=0),
}
SEVERAL = {
    "forest": RandomForestClassifier(8, max_depth=4, random_state=0),
    "xgboost": xgboost.XGBClassifier(n_estimators=4, max_depth=3, random_state=0),
    "lightgbm": lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, random_state=0),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("trees")
    write(made, numbers(200, 1), numbers(40, 2))
    return made


def fitted(folder: Path, estimator: Any, target: str, **given: Any) -> tuple[ModelUnderTest, EvaluationData]:
    """The estimator fitted on other column order than the data have, opened from a trusted file."""
    train = pd.read_csv(folder / "train.csv")
    labels = train[target]
    if "XGBClassifier" in type(estimator).__name__:
        labels = labels.map({name: index for index, name in enumerate(given["classes"])})
    estimator.fit(train[list(reversed(NUMBERS))], labels)
    path = folder / "estimator.joblib"
    joblib.dump(estimator, path)
    task = {"yes": "binary-classification", "value": "regression", "label": "multiclass-classification"}[target]
    positive = given.pop("positive", None)
    return opened(
        path, task=task, model={"trust": (sha256(path),)}, target=target, features=NUMBERS, positive=positive, **given
    )


def logit(probabilities: Any) -> Any:
    return np.log(probabilities / (1 - probabilities))


def enumerated(model: ModelUnderTest, rows: Any, background: Any, scale: Any = np.array) -> Any:
    """Shapley values by their definition, shape `(rows, targets, features)`."""
    features = range(rows.shape[1])

    def worth(row: Any, coalition: tuple[int, ...]) -> Any:
        mixed = background.copy()
        mixed[:, list(coalition)] = row[list(coalition)]
        return scale(model.predict({"features": mixed})).mean(axis=0)

    found = np.zeros((len(rows), len(model.target_names), rows.shape[1]))
    for index, row in enumerate(rows):
        for player in features:
            others = [one for one in features if one != player]
            for size in range(len(others) + 1):
                weight = math.factorial(size) * math.factorial(len(others) - size) / math.factorial(len(others) + 1)
                for coalition in itertools.combinations(others, size):
                    found[index, :, player] += weight * (worth(row, (*coalition, player)) - worth(row, coalition))
    return found


def parts(data: EvaluationData) -> tuple[Any, Any]:
    return data.take(np.arange(4)), data.background(12, np.random.default_rng(0))


@pytest.mark.parametrize("positive", ["yes", "no"])
@pytest.mark.parametrize("name", BINARY)
def test_binary_classifiers(folder: Path, name: str, positive: str) -> None:
    negative = {"yes": "no", "no": "yes"}[positive]
    model, data = fitted(folder, BINARY[name], "yes", classes=(negative, positive))
    rows, background = parts(data)
    trees = trees_of(model)
    scale = np.array if trees.scale == "probability" else logit
    assert (trees.scale == "probability") == (name in ("forest", "extra", "tree", "passed through"))
    found, outputs = tree_values(trees, model, rows, background)
    np.testing.assert_allclose(
        found.base_value + found.values.sum(axis=2), scale(model.predict(rows.inputs)), atol=2e-6
    )
    np.testing.assert_allclose(outputs, scale(model.predict(rows.inputs)), atol=2e-6)
    expected = enumerated(model, rows.inputs["features"], background.inputs["features"], scale)
    np.testing.assert_allclose(found.values, expected, atol=5e-6)
    assert found.names == NUMBERS


@pytest.mark.parametrize("name", VALUES)
def test_regressors(folder: Path, name: str) -> None:
    model, data = fitted(folder, VALUES[name], "value")
    rows, background = parts(data)
    found, _ = tree_values(trees_of(model), model, rows, background)
    np.testing.assert_allclose(found.base_value + found.values.sum(axis=2), model.predict(rows.inputs), atol=2e-6)
    expected = enumerated(model, rows.inputs["features"], background.inputs["features"])
    np.testing.assert_allclose(found.values, expected, atol=5e-6)


@pytest.mark.parametrize("classes", [("low", "middle", "high"), ("high", "low", "middle")])
@pytest.mark.parametrize("name", SEVERAL)
def test_several_classes(folder: Path, name: str, classes: tuple[str, ...]) -> None:
    model, data = fitted(folder, SEVERAL[name], "label", classes=classes)
    rows, background = parts(data)
    trees = trees_of(model)
    found, outputs = tree_values(trees, model, rows, background)
    probabilities = model.predict(rows.inputs)
    sums = found.base_value + found.values.sum(axis=2)
    if name == "forest":
        assert trees.scale == "probability"
        np.testing.assert_allclose(sums, probabilities, atol=1e-6)
        expected = enumerated(model, rows.inputs["features"], background.inputs["features"])
        np.testing.assert_allclose(found.values, expected, atol=1e-6)
    else:
        assert trees.scale == "logit"
        np.testing.assert_array_equal(sums, outputs)
        np.testing.assert_allclose(np.exp(sums) / np.exp(sums).sum(axis=1, keepdims=True), probabilities, atol=1e-6)


def test_the_chosen_method_equals_the_enumeration_of_the_product(folder: Path) -> None:
    model, data = fitted(folder, BINARY["forest"], "yes", classes=("no", "yes"))
    rows, background = parts(data)
    rng = np.random.default_rng(0)
    found = {
        method: explain_chunk(rows, rng, model=model, background=background, params=Params(method=method))
        for method in ("shap.tree", "exact", "shap.exact", "shap.kernel")
    }
    for other in ("exact", "shap.exact", "shap.kernel"):
        np.testing.assert_allclose(found["shap.tree"]["values"], found[other]["values"], atol=1e-6)


def test_steps_before_the_trees_are_refused(folder: Path) -> None:
    scaled = make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0))
    model, _ = fitted(folder, scaled, "yes", classes=("no", "yes"))
    with pytest.raises(AnalyzerNotPossible, match="the trees see other columns") as caught:
        trees_of(model)
    assert "StandardScaler" in caught.value.describe()


def test_other_estimators_are_refused(folder: Path) -> None:
    model, _ = fitted(folder, LogisticRegression(), "yes", classes=("no", "yes"))
    with pytest.raises(AnalyzerNotPossible, match="not made of trees"):
        trees_of(model)


def test_categories_are_refused(tmp_path: Path) -> None:
    train, _ = write(tmp_path, people(150, 1), people(30, 2))
    coded = train[list(FEATURES)].astype({"sex": "category", "job": "category"})
    lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(coded, train.y).booster_.save_model(tmp_path / "model.txt")
    model, _ = opened(tmp_path / "model.txt")
    with pytest.raises(AnalyzerNotPossible, match="split on categories") as caught:
        trees_of(model)
    assert "sex, job" in caught.value.describe()
