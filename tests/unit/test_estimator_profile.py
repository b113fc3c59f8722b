"""What the file of an estimator says to whoever does not open it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Lasso, LogisticRegression, MultiTaskLasso, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from auditbench.cli.estimator_profile import EstimatorProfile, profile_estimator
from auditbench.models.opening import content_kind
from auditbench.models.opening.files import Damage

ROWS = pd.DataFrame({"b": [float(n) for n in range(40)], "a": [n % 7 for n in range(40)]})
LABELS = [n % 2 for n in range(40)]


def told(path: Path) -> EstimatorProfile:
    content = path.read_bytes()
    return profile_estimator(content, content_kind(content))


def test_skops_names_the_columns_of_the_whole_estimator(tmp_path: Path) -> None:
    pipeline = make_pipeline(
        make_column_transformer((StandardScaler(), ["a"]), remainder="passthrough"), LogisticRegression()
    )
    for number, (model, expected) in enumerate(
        (
            (pipeline.fit(ROWS, LABELS), EstimatorProfile(features=("b", "a"))),
            (RandomForestClassifier(2).fit(ROWS, LABELS), EstimatorProfile(features=("b", "a"))),
            (RandomForestRegressor(2).fit(ROWS.values, LABELS), EstimatorProfile(regression=True)),
        )
    ):
        skops.io.dump(model, tmp_path / f"{number}.skops")
        assert told(tmp_path / f"{number}.skops") == expected


@pytest.mark.parametrize(
    ("model", "regression"),
    [
        (GradientBoostingClassifier(n_estimators=2), False),
        (CalibratedClassifierCV(LogisticRegression(), method="isotonic"), False),
        (make_pipeline(SelectFromModel(Lasso(0.001)), GaussianNB()), False),
        (make_pipeline(SelectFromModel(RandomForestClassifier(2)), MultiTaskLasso(0.001)), True),
        (GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {}, cv=2), True),
    ],
    ids=["trees", "calibrated", "selected", "of-classifier", "search"],
)
def test_the_outermost_estimator_says_whether_it_is_a_regression(tmp_path: Path, model: Any, regression: bool) -> None:
    labels = [[label, label] for label in LABELS] if regression else LABELS
    skops.io.dump(model.fit(ROWS, labels), tmp_path / "model.skops")
    assert told(tmp_path / "model.skops").regression == regression


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_xgboost_says_its_columns_and_its_objective(tmp_path: Path, suffix: str) -> None:
    for model, regression in (
        (xgboost.XGBClassifier(n_estimators=2), False),
        (xgboost.XGBRegressor(n_estimators=2), True),
    ):
        model.fit(ROWS, LABELS).save_model(tmp_path / f"model.{suffix}")
        expected = EstimatorProfile(features=("b", "a"), regression=regression, numbered=not regression)
        assert told(tmp_path / f"model.{suffix}") == expected


def test_lightgbm_says_its_columns_and_its_objective(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    settings = {"n_estimators": 2, "verbose": -1, "min_child_samples": 2}
    lightgbm.LGBMRegressor(**settings).fit(ROWS, LABELS).booster_.save_model(path)
    assert told(path) == EstimatorProfile(features=("b", "a"), regression=True)
    lightgbm.LGBMClassifier(**settings).fit(ROWS.values, LABELS).booster_.save_model(path)
    assert told(path) == EstimatorProfile(numbered=True)


def test_what_is_not_complete_is_damaged(tmp_path: Path) -> None:
    xgboost.XGBClassifier(n_estimators=2).fit(ROWS, LABELS).save_model(tmp_path / "model.json")
    with pytest.raises(Damage, match="cannot be read"):
        profile_estimator((tmp_path / "model.json").read_bytes()[:-40], "xgboost")
