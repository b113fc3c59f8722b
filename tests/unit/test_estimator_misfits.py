"""Estimators that do not fit the data or the task are refused with both sides; so are pickles that nobody trusts."""

from __future__ import annotations

import pickle  # noqa: TID251 - of files that the test writes itself
from typing import Any

import joblib  # noqa: TID251 - of files that the test writes itself
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from auditbench.config import ModelTable
from auditbench.errors import ModelError, UntrustedModelError
from auditbench.models.content_check import other_kind
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


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("people")
    return folder, *write(folder, people(240, 1), people(60, 2))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("numbers")
    return folder, *write(folder, numbers(240, 1), numbers(60, 2))


@pytest.mark.parametrize("kind", ["joblib", "compressed", "pickle"])
def test_a_trusted_pickle_gives_the_same(kind: str, tables: Tables) -> None:
    folder, train, test = tables
    estimator = prepared(RandomForestClassifier(12, random_state=0)).fit(train[list(FEATURES)], train.y)
    path = folder / f"{kind}.pkl"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(estimator))
    else:
        joblib.dump(estimator, path, compress=3 if kind == "compressed" else 0)
    with pytest.raises(UntrustedModelError):
        opened(path)
    model, data = opened(path, model={"trust": (sha256(path),)})
    np.testing.assert_allclose(predicted(model, data), estimator.predict_proba(test[list(FEATURES)])[:, 1:], atol=1e-12)
    assert [(program.name, program.kind) for program in model.facts.programs] == [(path.name, "estimator")]


def test_an_estimator_of_arrays_takes_columns_by_position(plain: Tables) -> None:
    folder, train, test = plain
    own = RandomForestClassifier(4, random_state=0).fit(train[list(NUMBERS)].to_numpy(), train.yes)
    path = saved(own, folder / "array.skops")
    model, data = opened(path, target="yes", features=NUMBERS)
    expected = own.predict_proba(test[list(NUMBERS)].to_numpy())[:, 1]
    np.testing.assert_allclose(predicted(model, data)[:, 0], expected, atol=1e-12)
    assert [limit.key for limit in model.facts.limits] == ["core.model_columns_by_position"]
    with pytest.raises(ModelError, match="another number of columns") as caught:
        opened(path, target="yes", features=("age", "pay"))
    assert "found: 2: 'age', 'pay'" in caught.value.describe()
    assert "allowed: 3, in the order" in caught.value.describe()


def test_an_estimator_of_arrays_takes_no_texts(tables: Tables) -> None:
    folder, train, _ = tables
    own = LogisticRegression(max_iter=300).fit(np.zeros((len(train), 2)), train.y)
    with pytest.raises(ModelError, match="fitted on an array of numbers, and the data have categories") as caught:
        opened(saved(own, folder / "coded.skops"), features=("age", "sex"))
    assert "categories: 'sex'" in caught.value.describe()


def test_other_columns_are_named_on_both_sides(tables: Tables) -> None:
    folder, train, _ = tables
    own = HistGradientBoostingClassifier(max_iter=2).fit(train[["age", "hours"]], train.y)
    path = saved(own, folder / "two.skops")
    with pytest.raises(ModelError, match="fitted on other columns") as caught:
        opened(path)
    assert "found: data: 'age', 'hours', 'sex', 'job'" in caught.value.describe()
    assert "allowed: estimator: 'age', 'hours'" in caught.value.describe()
    with pytest.raises(ModelError, match="fitted on other columns") as caught:
        opened(path, features=("age",))
    assert "without 'hours'" in caught.value.describe()


def test_other_classes_are_named_on_both_sides(tables: Tables) -> None:
    folder, train, _ = tables
    own = prepared(LogisticRegression(max_iter=300)).fit(
        train[list(FEATURES)], train.y.map({"yes": "rich", "no": "poor"})
    )
    with pytest.raises(ModelError, match="the estimator has other classes than the data") as caught:
        opened(saved(own, folder / "classes.skops"))
    assert "found: 'no', 'yes'" in caught.value.describe()
    assert "'poor', 'rich', by the estimator" in caught.value.describe()


def test_a_classifier_of_several_targets_is_refused(plain: Tables) -> None:
    folder, train, _ = plain
    own = DecisionTreeClassifier(max_depth=2).fit(train[list(NUMBERS)], train[["label", "yes"]])
    skops.io.dump(own, folder / "two.skops")
    with pytest.raises(ModelError, match="answers another question") as caught:
        opened(folder / "two.skops", features=NUMBERS, target="yes")
    assert "a classifier of 2 targets at once" in caught.value.describe()


def test_a_classifier_without_probabilities_is_refused_with_the_fix(tables: Tables) -> None:
    folder, train, _ = tables
    own = prepared(LinearSVC()).fit(train[list(FEATURES)], train.y)
    with pytest.raises(ModelError, match="gives no probabilities") as caught:
        opened(saved(own, folder / "svc.skops"))
    assert "CalibratedClassifierCV" in caught.value.describe()


@pytest.mark.parametrize("task", ["regression", "binary-classification"])
def test_another_task_is_refused(task: Any, plain: Tables) -> None:
    folder, train, _ = plain
    own = (
        LogisticRegression().fit(train[list(NUMBERS)], train.yes)
        if task == "regression"
        else xgboost.XGBRegressor(n_estimators=2).fit(train[list(NUMBERS)], train.value).get_booster()
    )
    path = folder / "other.json"
    own.save_model(path) if task != "regression" else saved(own, path)
    given: dict[str, Any] = {"features": NUMBERS, "target": "value" if task == "regression" else "yes"}
    with pytest.raises(ModelError, match="answers another question"):
        opened(path, task=task, positive=None if task == "regression" else "yes", **given)


def test_an_objective_that_is_not_known_is_refused(plain: Tables) -> None:
    folder, train, _ = plain
    ranker = xgboost.XGBRanker(n_estimators=2).fit(train[list(NUMBERS)], train.yes == "yes", qid=np.zeros(len(train)))
    ranker.get_booster().save_model(folder / "rank.json")
    with pytest.raises(ModelError, match="not known from its objective") as caught:
        opened(folder / "rank.json", target="yes", features=NUMBERS)
    assert "'rank:ndcg'" in caught.value.describe()


def test_categories_that_nobody_learned_are_refused(tables: Tables) -> None:
    folder, train, _ = tables
    other = train[list(FEATURES)].assign(sex=train.sex.map({"female": "F", "male": "M"}))
    own = prepared(LogisticRegression(max_iter=300)).fit(other, train.y)
    with pytest.raises(ModelError, match="'sex' has no category that the estimator learned") as caught:
        opened(saved(own, folder / "texts.skops"))
    assert "found: 'female', 'male'" in caught.value.describe()
    assert "allowed: 'F', 'M'" in caught.value.describe()


def test_texts_that_were_learned_of_numbers_are_refused(tables: Tables) -> None:
    folder, train, _ = tables
    other = train[["age", "sex"]].assign(age=train.age.astype(str))
    own = make_pipeline(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), GaussianNB())
    own.fit(other, train.y)
    with pytest.raises(ModelError, match="learned other values of column 'age'") as caught:
        opened(saved(own, folder / "ages.skops"), features=("age", "sex"))
    assert 'data.types.age = "category"' in caught.value.describe()


@pytest.mark.parametrize("form", ["onnx", "keras", "bundle"])
def test_check_names_the_format_of_an_estimator(form: str, tables: Tables) -> None:
    folder, train, _ = tables
    path = saved(prepared(LogisticRegression(max_iter=300)).fit(train[list(FEATURES)], train.y), folder / "model.skops")
    found = other_kind(ModelTable(format=form, path=path.name, task="binary-classification"), folder)
    assert found is not None
    assert found[0] == "estimator"
    assert found[1].fix == 'set model.format = "estimator"'
    assert other_kind(ModelTable(format="estimator", path=path.name, task="binary-classification"), folder) is None
