"""Estimators as black boxes: the outputs are those of the library, and columns, classes and kinds that do not fit are refused."""

from __future__ import annotations

import pickle  # noqa: TID251 - of files that the test writes itself
from pathlib import Path
from typing import Any

import joblib  # noqa: TID251 - of files that the test writes itself
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from auditbench.errors import ModelError
from auditbench.models.frames import learned_values
from auditbench.models.raw_rows import MISSING
from tests.estimators import (
    FEATURES,
    NUMBERS,
    Tables,
    numbers,
    opened,
    people,
    predicted,
    prepared,
    saved,
    sha256,
    write,
)

CLASSIFIERS = {
    "logistic": LogisticRegression(max_iter=500),
    "forest": RandomForestClassifier(12, random_state=0, n_jobs=-1),
    "extra": ExtraTreesClassifier(6, random_state=0),
    "boosted": GradientBoostingClassifier(n_estimators=6, random_state=0),
    "histogram": HistGradientBoostingClassifier(max_iter=6, random_state=0),
    "calibrated": CalibratedClassifierCV(GaussianNB(), cv=2),
    "network": MLPClassifier((4,), max_iter=800, tol=1e-2, random_state=0),
    "voting": VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft"),
    "stacking": StackingClassifier([("a", GaussianNB())], LogisticRegression(), cv=2),
    "lightgbm": lightgbm.LGBMClassifier(n_estimators=6, verbose=-1, random_state=0),
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("people")
    return folder, *write(folder, people(240, 1), people(60, 2))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("numbers")
    return folder, *write(folder, numbers(240, 1), numbers(60, 2))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_pipeline_gives_its_own_probabilities(name: str, tables: Tables) -> None:
    folder, train, test = tables
    estimator = prepared(CLASSIFIERS[name]).fit(train[list(FEATURES)], train.y)
    model, data = opened(saved(estimator, folder / f"{name}.skops"))
    expected = estimator.predict_proba(test[list(FEATURES)])[:, 1:]
    np.testing.assert_allclose(predicted(model, data), expected, rtol=0, atol=1e-12)
    assert model.facts.capabilities == ("black_box",)
    assert model.facts.parameters is None
    assert model.facts.output == "probability"


def categories(table: pd.DataFrame) -> pd.DataFrame:
    return table[list(FEATURES)].astype({"sex": "category", "job": "category"})


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_xgboost_files_with_categories(form: str, tables: Tables) -> None:
    folder, train, test = tables
    own = xgboost.XGBClassifier(n_estimators=8, enable_categorical=True, max_cat_to_onehot=1, random_state=0)
    own.fit(categories(train), (train.y == "yes").astype(int))
    own.get_booster().save_model(folder / f"model.{form}")
    model, data = opened(folder / f"model.{form}")
    np.testing.assert_allclose(predicted(model, data)[:, 0], own.predict_proba(categories(test))[:, 1], atol=1e-9)
    assert "core.model_classes_by_index" in [limit.key for limit in model.facts.limits]


def test_the_declared_order_says_which_number_is_which_class(tables: Tables) -> None:
    folder, train, test = tables
    own = xgboost.XGBClassifier(n_estimators=8, enable_categorical=True, max_cat_to_onehot=1, random_state=0)
    own.fit(categories(train), (train.y == "yes").astype(int))
    own.get_booster().save_model(folder / "model.json")
    model, data = opened(folder / "model.json", positive="no", classes=["no", "yes"])
    np.testing.assert_allclose(predicted(model, data)[:, 0], own.predict_proba(categories(test))[:, 0], atol=1e-9)
    (limit,) = [limit for limit in model.facts.limits if limit.key == "core.model_classes_by_index"]
    assert limit.values["classes"] == "0: no, 1: yes"


def test_lightgbm_files_with_categories(tables: Tables) -> None:
    folder, train, test = tables
    own = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, min_data_per_group=5, cat_smooth=1, random_state=0)
    own.fit(categories(train), train.y)
    own.booster_.save_model(folder / "model.txt")
    for path in (folder / "model.txt", saved(own, folder / "categories.skops")):
        model, data = opened(path)
        np.testing.assert_allclose(predicted(model, data)[:, 0], own.predict_proba(categories(test))[:, 1], atol=1e-9)


def test_categories_of_histogram_boosting(tables: Tables) -> None:
    folder, train, test = tables
    own = HistGradientBoostingClassifier(max_iter=8, categorical_features="from_dtype", random_state=0)
    own.fit(categories(train), train.y)
    joblib.dump(own, folder / "own.joblib")
    model, data = opened(folder / "own.joblib", model={"trust": (sha256(folder / "own.joblib"),)})
    np.testing.assert_allclose(predicted(model, data)[:, 0], own.predict_proba(categories(test))[:, 1], atol=1e-12)


REGRESSORS = {
    "linear": LinearRegression(),
    "forest": RandomForestRegressor(6, random_state=0),
    "xgboost": xgboost.XGBRegressor(n_estimators=6, random_state=0),
    "xgboost linear": xgboost.XGBRegressor(n_estimators=6, booster="gblinear", random_state=0),
    "xgboost dart": xgboost.XGBRegressor(n_estimators=6, booster="dart", random_state=0),
    "lightgbm": lightgbm.LGBMRegressor(n_estimators=6, verbose=-1, random_state=0),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors_give_their_own_values(name: str, plain: Tables) -> None:
    folder, train, test = plain
    own = REGRESSORS[name].fit(train[list(NUMBERS)], train.value)
    paths = [saved(own, folder / f"{name}.skops")]
    if name.startswith("xgboost"):
        paths += [folder / f"{name}.{form}" for form in ("json", "ubj")]
        for path in paths[1:]:
            own.get_booster().save_model(path)
    if name == "lightgbm":
        own.booster_.save_model(folder / "lightgbm.model")
        paths.append(folder / "lightgbm.model")
    for path in paths:
        model, data = opened(path, task="regression", target="value", positive=None, features=("pay", "age", "hours"))
        expected = np.asarray(own.predict(test[list(NUMBERS)]), dtype=np.float64)
        np.testing.assert_allclose(predicted(model, data)[:, 0], expected, rtol=1e-12)
        assert model.facts.output == "value"


SEVERAL = {
    "forest": RandomForestClassifier(6, random_state=0),
    "xgboost softmax": xgboost.XGBClassifier(n_estimators=4, objective="multi:softmax", random_state=0),
    "lightgbm one against all": lightgbm.LGBMClassifier(n_estimators=4, objective="multiclassova", verbose=-1),
}


@pytest.mark.parametrize("order", [("low", "middle", "high"), ("high", "low", "middle")])
@pytest.mark.parametrize("name", SEVERAL)
def test_classes_stand_in_the_order_of_the_data(name: str, order: tuple[str, ...], plain: Tables) -> None:
    folder, train, test = plain
    labels = train.label.map({name: index for index, name in enumerate(order)}) if "xgboost" in name else train.label
    own = SEVERAL[name].fit(train[list(NUMBERS)], labels)
    path = saved(own, folder / "several.skops")
    given: dict[str, Any] = {"target": "label", "positive": None, "features": NUMBERS}
    model, data = opened(path, task="multiclass-classification", classes=order, **given)
    expected = own.predict_proba(test[list(NUMBERS)])
    columns = range(3) if "xgboost" in name else [sorted(order).index(name) for name in order]
    np.testing.assert_allclose(predicted(model, data), expected[:, list(columns)], atol=1e-9)


def test_numbered_classes_need_a_declared_order(plain: Tables) -> None:
    folder, train, _ = plain
    own = RandomForestClassifier(3, random_state=0).fit(train[list(NUMBERS)], train.label.map(len))
    own = RandomForestClassifier(3, random_state=0).fit(
        train[list(NUMBERS)], train.label.map({"low": 0, "middle": 1, "high": 2})
    )
    path = saved(own, folder / "numbered.skops")
    given: dict[str, Any] = {"target": "label", "positive": None, "features": NUMBERS}
    with pytest.raises(ModelError, match="which number is which class is not said") as caught:
        opened(path, task="multiclass-classification", **given)
    assert "set data.classes = ['high', 'low', 'middle'], in that order" in caught.value.describe()


def test_the_positive_class_may_be_either(tables: Tables) -> None:
    folder, train, test = tables
    own = prepared(CLASSIFIERS["logistic"]).fit(train[list(FEATURES)], train.y)
    path = saved(own, folder / "either.skops")
    model, data = opened(path, positive="no")
    np.testing.assert_allclose(predicted(model, data)[:, 0], own.predict_proba(test[list(FEATURES)])[:, 0], atol=1e-12)


def test_an_unseen_category_reaches_the_estimator_as_its_own_text(tmp_path: Path) -> None:
    """An encoder that learned a missing category must not take an unseen one for it."""
    train, test = people(200, 1), people(40, 2)
    test.loc[:9, "job"] = "pilot"
    train, test = write(tmp_path, train, test)
    own = prepared(LogisticRegression(max_iter=500)).fit(train[list(FEATURES)], train.y)
    model, data = opened(saved(own, tmp_path / "model.skops"))
    np.testing.assert_allclose(predicted(model, data)[:, 0], own.predict_proba(test[list(FEATURES)])[:, 1], atol=1e-12)


def test_values_that_were_learned_stand_for_their_texts(tmp_path: Path) -> None:
    """Truth values and whole numbers that the config declares as categories."""
    train, test = numbers(150, 1), numbers(30, 2)
    for table in (train, test):
        table["flag"], table["grade"] = table.age > 0, (table.pay * 2).round().clip(-2, 2).astype(int)
    train, test = write(tmp_path, train, test)
    columns = ["flag", "grade", "hours"]
    coder = ColumnTransformer(
        [("c", OneHotEncoder(handle_unknown="ignore"), ["flag", "grade"])], remainder="passthrough"
    )
    own = make_pipeline(coder, LogisticRegression()).fit(train[columns], train.yes)
    model, data = opened(
        saved(own, tmp_path / "model.skops"), target="yes", features=tuple(columns), types={"grade": "category"}
    )
    np.testing.assert_allclose(predicted(model, data)[:, 0], own.predict_proba(test[columns])[:, 1], atol=1e-12)


def test_a_missing_category_is_none_where_that_was_learned(tables: Tables) -> None:
    folder, train, test = tables

    def with_none(table: pd.DataFrame) -> pd.DataFrame:
        texts = table[["job", "sex"]].astype(object)
        return texts.where(texts.notna(), None)

    own = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(with_none(train), train.y)
    assert own[0].categories_[0][-1] is None
    model, data = opened(saved(own, folder / "none.skops"), features=("job", "sex"))
    expected = own.predict_proba(with_none(test))[:, 1]
    assert np.abs(own.predict_proba(test[["job", "sex"]])[:, 1] - expected).max() > 1e-4
    np.testing.assert_allclose(predicted(model, data)[:, 0], expected, atol=1e-12)


@pytest.mark.parametrize("empty", [None, float("nan"), pd.NA])
def test_what_is_missing_stands_for_no_text(empty: Any) -> None:
    assert learned_values((str(empty), "x"), (empty, "x")) == (str(empty), "x")


def test_missing_numbers_are_kept_where_the_estimator_takes_them(tables: Tables) -> None:
    folder, train, test = tables
    columns = ["age", "hours"]
    given: dict[str, Any] = {"features": ("age", "hours")}
    taking = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(train[columns], train.y)
    model, data = opened(saved(taking, folder / "taking.skops"), **given)
    np.testing.assert_allclose(predicted(model, data)[:, 0], taking.predict_proba(test[columns])[:, 1], atol=1e-12)
    limits = {limit.key: dict(limit.values) for limit in model.facts.limits}
    assert limits["core.model_missing_kept"] == {"columns": "hours"}
    encoded = model.encode(data.take(np.arange(len(data))).inputs)
    assert bool((encoded == MISSING).any())
    assert encoded.dtype == torch.float64

    median = train.hours.median()
    filled = train[columns].fillna({"hours": median})
    refusing = LogisticRegression(max_iter=500).fit(filled, train.y)
    model, data = opened(saved(refusing, folder / "refusing.skops"), **given)
    expected = refusing.predict_proba(test[columns].fillna({"hours": median}))[:, 1]
    np.testing.assert_allclose(predicted(model, data)[:, 0], expected, atol=1e-12)
    assert not model.facts.limits


@pytest.mark.parametrize(("saved_with", "allowed"), [("1.2.3", True), ("0.24.0", False)])
def test_another_version_is_a_limit_or_refused(
    saved_with: str, *, allowed: bool, plain: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, train, _ = plain
    own = LogisticRegression().fit(train[list(NUMBERS)], train.yes)
    path = folder / f"version {saved_with}.pkl"
    monkeypatch.setattr("sklearn.base.__version__", saved_with)
    path.write_bytes(pickle.dumps(own))
    monkeypatch.undo()
    given: dict[str, Any] = {"model": {"trust": (sha256(path),)}, "target": "yes", "features": NUMBERS}
    if not allowed:
        with pytest.raises(ModelError, match="another major version"):
            opened(path, **given)
        return
    with pytest.warns(InconsistentVersionWarning):
        pickle.loads(path.read_bytes())  # noqa: S301 - written above
    model, _ = opened(path, **given)
    (limit,) = model.facts.limits
    assert (limit.key, limit.values["saved"]) == ("core.model_other_version", saved_with)


@pytest.mark.parametrize("form", ["skops", "pkl"])
def test_an_estimator_of_another_version_that_fails_says_which(
    form: str, plain: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, train, _ = plain
    own = LogisticRegression().fit(train[list(NUMBERS)], train.yes)
    del own.intercept_
    path = folder / f"fails.{form}"
    monkeypatch.setattr("sklearn.base.__version__", "1.2.3")
    path.write_bytes(skops.io.dumps(own) if form == "skops" else pickle.dumps(own))
    monkeypatch.undo()
    with pytest.raises(ModelError, match="the model raised on these rows") as caught:
        opened(path, model={"trust": (sha256(path),)}, target="yes", features=NUMBERS)
    assert "fix: install scikit-learn 1.2.3, which saved it; or fit it again" in caught.value.describe()


def test_the_digest_is_of_the_file_and_of_what_it_takes(plain: Tables) -> None:
    folder, train, _ = plain
    own = LogisticRegression().fit(train[list(NUMBERS)], train.yes)
    path = saved(own, folder / "digest.skops")
    again = folder / "elsewhere.skops"
    again.write_bytes(path.read_bytes())
    given: dict[str, Any] = {"target": "yes", "features": NUMBERS}
    one = opened(path, **given)[0].facts.digest
    assert opened(again, **given)[0].facts.digest == one
    assert opened(path, **given, positive="no")[0].facts.digest != one
    other = saved(LogisticRegression(C=0.1).fit(train[list(NUMBERS)], train.yes), folder / "other.skops")
    assert opened(other, **given)[0].facts.digest != one


def test_rows_have_one_output_whatever_stands_beside_them(tables: Tables) -> None:
    folder, train, _ = tables
    own = prepared(RandomForestClassifier(25, random_state=0, n_jobs=2)).fit(train[list(FEATURES)], train.y)
    model, data = opened(saved(own, folder / "beside.skops"))
    rows = data.take(np.arange(len(data))).inputs["features"]
    together = model.predict({"features": rows})
    np.testing.assert_array_equal(model.predict({"features": rows[::-1]})[::-1], together)
    alone = np.concatenate([model.predict({"features": rows[i : i + 1]}) for i in range(8)])
    np.testing.assert_array_equal(alone, together[:8])
