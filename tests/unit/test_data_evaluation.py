"""From columns to evaluated rows: labels, groups, rules, facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.config import DataTable
from auditbench.data import (
    BUILT_IN,
    TABULAR_INPUT,
    EvaluationData,
    FeatureSpec,
    TableInput,
    build_evaluation,
    class_names,
    fit_inputs,
    open_source,
)
from auditbench.data.coding import bin_labels
from auditbench.errors import DataError, EmptyDataError, ModelError
from auditbench.run import Task

TRAIN = pd.DataFrame(
    {
        "age": [20.0, 30.0, 40.0, 50.0],
        "city": ["Rome", "Oslo", "Rome", None],
        "sex": ["f", "m", "f", "m"],
        "label": ["no", "yes", "no", "yes"],
    }
)
TEST = pd.DataFrame(
    {
        "age": [70.0, None, 30.0],
        "city": ["Oslo", "Bonn", None],
        "sex": ["m", None, "f"],
        "label": ["yes", "no", "yes"],
    }
)


def table(features: tuple[FeatureSpec, ...]) -> dict[str, TableInput]:
    return {TABULAR_INPUT: TableInput(features=features)}


def evaluation(
    folder: Path,
    test: pd.DataFrame = TEST,
    train: pd.DataFrame | None = TRAIN,
    task: Task = "binary-classification",
    seed: int = 0,
    **keys: Any,
) -> EvaluationData:
    test.to_parquet(folder / "test.parquet", index=False)
    if train is not None:
        train.to_parquet(folder / "train.parquet", index=False)
        keys = {"train": "train.parquet", **keys}
    if task == "binary-classification":
        keys = {"positive": "yes", **keys}
    source = open_source(DataTable(**{"test": "test.parquet", "target": "label", **keys}), folder, {})
    inputs = fit_inputs(source)
    return build_evaluation(source, inputs, task=task, classes=class_names(source, inputs, task), seed=seed)


def refused(folder: Path, **keys: Any) -> str:
    with pytest.raises((DataError, ModelError)) as caught:
        evaluation(folder, **keys)
    return caught.value.describe()


def test_rows_are_coded_by_the_training_rows(tmp_path: Path) -> None:
    data = evaluation(tmp_path, sensitive=("sex",))
    rows = data.take(np.arange(3))
    np.testing.assert_array_equal(rows.inputs["features"], [[70.0, 0.0, 1.0], [np.nan, 2.0, 2.0], [30.0, 2.0, 0.0]])
    assert data.classes == ("no", "yes")
    assert rows.y_true.tolist() == [1, 0, 1]
    assert rows.sensitive_features["sex"].tolist() == ["m", "missing", "f"]
    assert rows.row_ids == ("1", "2", "3")
    assert data.background_source == "train"
    assert data.background(10, np.random.default_rng(0)).inputs["features"][:, 0].tolist() == [20, 30, 40, 50]


def test_groups_and_their_number_are_told_without_taking_rows(tmp_path: Path) -> None:
    data = evaluation(tmp_path, test=TEST.assign(sex="x"), sensitive=("sex",))
    assert data.background_rows == len(data.background(10, np.random.default_rng(0))) == 4
    assert data.groups("sex") == ("f", "m", "x")
    assert data.groups("age") == ()


def test_facts_count_missing_and_unseen_cells_by_rule(tmp_path: Path) -> None:
    facts = evaluation(tmp_path, sensitive=("sex",)).facts
    assert (facts.rows, facts.train_rows, facts.target, facts.positive) == (3, 4, "label", "yes")
    assert facts.outcomes == {"no": 1, "yes": 2}
    assert list(facts.digests) == ["test.parquet", "train.parquet"]
    age, city, sex = facts.features
    assert (age.kind, age.levels, age.missing_test, age.missing_train, age.missing_rule) == (
        "number",
        None,
        1,
        0,
        "median",
    )
    assert (city.levels, city.missing_test, city.missing_train, city.unseen_test) == (2, 1, 1, 1)
    assert (city.missing_rule, city.sensitive, sex.sensitive) == ("own-category", False, True)


def test_without_training_rows_the_test_rows_stand_in(tmp_path: Path) -> None:
    data = evaluation(tmp_path, train=None)
    assert data.background_source == "test"
    assert data.facts.train_rows == 0
    assert data.features[1].categories == ("Bonn", "Oslo")


def test_missing_labels_are_refused_with_their_rows(tmp_path: Path) -> None:
    text = refused(tmp_path, test=TEST.assign(label=[None, "no", None]))
    assert "AB200 data.missing_labels: the target 'label' of test.parquet has missing labels" in text
    assert "found: 2 missing, rows 1, 3" in text
    assert "allowed: a label in every row" in text
    assert 'fix: fill them, or set data.missing_labels = "drop"' in text


def test_missing_numeric_labels_are_refused_too(tmp_path: Path) -> None:
    text = refused(tmp_path, test=TEST.assign(label=[1.5, np.nan, 2.0]), train=None, task="regression")
    assert "found: 1 missing, row 2" in text


def test_missing_labels_are_dropped_by_rule(tmp_path: Path) -> None:
    data = evaluation(tmp_path, test=TEST.assign(label=[None, "no", None]), missing_labels="drop")
    assert data.row_ids == ("2",)
    assert data.facts.dropped == {"missing_label": 2}
    assert data.facts.outcomes == {"no": 1, "yes": 0}


@pytest.mark.parametrize(
    ("test", "keys"),
    [
        pytest.param(TEST.iloc[:0], {}, id="no-rows"),
        pytest.param(TEST.assign(label=None), {"missing_labels": "drop"}, id="no-labels"),
    ],
)
def test_zero_rows_are_no_evaluation(tmp_path: Path, test: pd.DataFrame, keys: dict[str, Any]) -> None:
    with pytest.raises(EmptyDataError, match=r"test\.parquet has no row to evaluate") as caught:
        evaluation(tmp_path, test=test, **keys)
    assert caught.value.exit_code == 4


def test_labels_outside_the_classes_are_refused(tmp_path: Path) -> None:
    text = refused(tmp_path, test=TEST.assign(label=["yes", "maybe", "no"]), classes=("no", "yes"))
    assert "data.target: the target 'label' has labels that are none of the classes" in text
    assert "found: 'maybe' in row 2" in text
    assert "allowed: 'no', 'yes'" in text


@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification"])
def test_a_label_that_only_the_test_rows_have_is_no_class(tmp_path: Path, task: Task) -> None:
    test = TEST.assign(label=["yes", "maybe", "no"])
    text = refused(tmp_path, test=test, task=task)
    assert "data.target: the target 'label' has labels that are none of the classes" in text
    assert "found: 'maybe' in row 2" in text
    assert "allowed: 'no', 'yes'" in text
    assert "fix: correct the labels, or name every class in data.classes and train the model on them" in text
    if task == "multiclass-classification":
        assert evaluation(tmp_path, test, task=task, classes=("no", "maybe", "yes")).classes == ("no", "maybe", "yes")


def test_classes_are_those_of_the_test_rows_without_training_rows(tmp_path: Path) -> None:
    test = TEST.assign(label=["yes", "maybe", "no"])
    for train in (None, TRAIN.head(0)):
        assert evaluation(tmp_path, test, train, "multiclass-classification").classes == ("maybe", "no", "yes")


def test_three_labels_are_not_binary(tmp_path: Path) -> None:
    text = refused(tmp_path, train=pd.concat([TRAIN, TRAIN.assign(label="maybe")]))
    assert "the target 'label' has 3 labels" in text
    assert 'model.task = "multiclass-classification"' in text


def test_positive_class_must_exist(tmp_path: Path) -> None:
    text = refused(tmp_path, positive="Yes")
    assert "data.positive: the positive class 'Yes' is no label of 'label'" in text
    assert "allowed: 'no', 'yes'" in text
    text = refused(tmp_path, positive=None)
    assert "which class is positive is not said" in text
    assert "set data.positive = 'yes'" in text


def test_zero_and_one_need_no_positive_class(tmp_path: Path) -> None:
    numbers = {"no": 0.0, "yes": 1.0}
    data = evaluation(
        tmp_path,
        test=TEST.assign(label=TEST["label"].map(numbers)),
        train=TRAIN.assign(label=TRAIN["label"].map(numbers).astype(int)),
        positive=None,
    )
    assert data.classes == ("0", "1")
    assert data.y_true.tolist() == [1, 0, 1]


def test_one_class_completes(tmp_path: Path) -> None:
    only = evaluation(tmp_path, test=TEST.assign(label="yes"), train=TRAIN.assign(label="yes"))
    assert only.classes == ("not yes", "yes")
    assert only.facts.outcomes == {"not yes": 0, "yes": 3}
    declared = evaluation(tmp_path, test=TEST.assign(label="no"), train=None, classes=("no", "yes"))
    assert declared.facts.outcomes == {"no": 3, "yes": 0}


def test_constant_column_completes(tmp_path: Path) -> None:
    data = evaluation(tmp_path, test=TEST.assign(age=1.0), train=TRAIN.assign(age=1.0))
    assert data.features[0].scale == 1.0


def test_multiclass_labels_are_sorted_or_as_declared(tmp_path: Path) -> None:
    test = TEST.assign(label=["b", "c", "a"])
    task: Task = "multiclass-classification"
    assert evaluation(tmp_path, test=test, train=None, task=task).classes == ("a", "b", "c")
    declared = evaluation(tmp_path, test=test, train=None, task=task, classes=("c", "b", "a"))
    assert declared.y_true.tolist() == [1, 0, 2]


def test_regression_needs_numbers(tmp_path: Path) -> None:
    text = refused(tmp_path, task="regression")
    assert "data.target: the target 'label' is text, and regression needs numbers" in text
    data = evaluation(tmp_path, test=TEST.assign(label=[1, 2, 3]), train=None, task="regression")
    assert data.classes == ()
    assert data.y_true.dtype == np.float64
    assert data.facts.outcomes == {}


def test_numeric_sensitive_columns_need_bins(tmp_path: Path) -> None:
    text = refused(tmp_path, sensitive=("age",))
    assert "data.bins.age: the sensitive column 'age' holds numbers, and groups need bounds" in text
    assert "found: no bins" in text
    assert 'fix: set data.bins.age = [40, 50, 60], or data.types.age = "category"' in text


def test_bins_make_groups_and_missing_is_one(tmp_path: Path) -> None:
    data = evaluation(tmp_path, sensitive=("age",), bins={"age": (25.0, 31.0)})
    assert data.sensitive_features["age"].tolist() == ["31 and over", "missing", "25 to under 31"]
    whole = evaluation(tmp_path, test=TEST.assign(age=[70, 24, 30]), sensitive=("age",), bins={"age": (25.0, 31.0)})
    assert whole.sensitive_features["age"].tolist() == ["31 and over", "under 25", "25 to 30"]


@given(
    bounds=st.lists(st.integers(-50, 50), min_size=1, max_size=5, unique=True).map(sorted), value=st.integers(-60, 60)
)
def test_bin_labels_say_which_numbers_they_hold(bounds: list[int], value: int) -> None:
    labels = bin_labels(tuple(float(bound) for bound in bounds), whole=True)
    assert len(set(labels)) == len(bounds) + 1
    label = labels[sum(bound <= value for bound in bounds)]
    words = label.split()
    if words[0] == "under":
        assert value < int(words[1])
    elif label.endswith("and over"):
        assert value >= int(words[0])
    else:
        assert int(words[0]) <= value <= int(words[-1])


def test_sensitive_columns_need_not_be_features(tmp_path: Path) -> None:
    data = evaluation(tmp_path, sensitive=("sex",), exclude=("sex",))
    assert [feature.name for feature in data.features] == ["age", "city"]
    assert data.sensitive_features["sex"].tolist() == ["m", "missing", "f"]


@pytest.mark.parametrize(
    ("rule", "text"),
    [("missing_numbers", "column 'age' of test.parquet has missing cells"), ("missing_categories", "column 'city'")],
)
def test_missing_cells_are_refused_by_rule(tmp_path: Path, rule: str, text: str) -> None:
    described = refused(tmp_path, **{rule: "refuse"})
    assert text in described
    assert f"data.{rule}" in described
    assert "1 missing, row" in described


def test_infinite_cells_are_refused(tmp_path: Path) -> None:
    text = refused(tmp_path, test=TEST.assign(age=[1.0, np.inf, 2.0]))
    assert "column 'age' of test.parquet has numbers that are infinite" in text
    assert "found: row 2" in text


def test_a_sample_follows_the_seed(tmp_path: Path) -> None:
    many = pd.concat([TEST] * 20, ignore_index=True)
    first, again, other = (evaluation(tmp_path, test=many, max_rows=10, seed=seed) for seed in (1, 1, 2))
    assert first.row_ids == again.row_ids
    assert first.row_ids != other.row_ids
    assert len(first) == 10
    assert first.facts.dropped == {"max_rows": 50}
    assert [int(name) for name in first.row_ids] == sorted(int(name) for name in first.row_ids)


def test_features_of_the_model_must_be_in_the_data(tmp_path: Path) -> None:
    TEST.to_parquet(tmp_path / "test.parquet")
    source = open_source(DataTable(test="test.parquet", target="label", exclude=("sex",)), tmp_path, {})
    features = (
        FeatureSpec(name="age", kind="number", start=0, stop=1),
        FeatureSpec(name="income", kind="number", start=1, stop=2),
    )
    with pytest.raises(ModelError) as caught:
        build_evaluation(source, table(features), task="binary-classification", classes=("no", "yes"), seed=0)
    text = caught.value.describe()
    assert "AB300 feature 'income': test.parquet does not have the features that the model was made for" in text
    assert "found: 'age', 'city', 'label'" in text
    assert "allowed: 'age', 'income'" in text
    assert "first difference: 'income'" in text
    other = (FeatureSpec(name="age", kind="category", categories=("a",), start=0, stop=2),)
    with pytest.raises(ModelError) as caught:
        build_evaluation(source, table(other), task="binary-classification", classes=("no", "yes"), seed=0)
    assert "data.types.age: feature 'age' is of another kind" in caught.value.describe()
    assert 'declare data.types.age = "category"' in caught.value.describe()


def test_positive_class_of_the_model_must_be_that_of_the_config(tmp_path: Path) -> None:
    TEST.to_parquet(tmp_path / "test.parquet")
    source = open_source(DataTable(test="test.parquet", target="label", positive="no"), tmp_path, {})
    with pytest.raises(DataError, match="the positive class of the model is not 'no'"):
        build_evaluation(source, fit_inputs(source), task="binary-classification", classes=("no", "yes"), seed=0)


def test_adult_matches_its_documentation() -> None:
    table = DataTable(dataset="adult", target="income", positive=">50K", exclude=("fnlwgt",), sensitive=("sex", "race"))
    source = open_source(table, Path(), {item.name: item for item in BUILT_IN})
    data = build_evaluation(source, fit_inputs(source), task="binary-classification", classes=("<=50K", ">50K"), seed=0)
    facts = data.facts
    assert (facts.rows, facts.train_rows) == (16_281, 32_561)
    assert facts.outcomes == {"<=50K": 12_435, ">50K": 3_846}
    assert source.train is not None
    assert int((source.train.columns["income"].codes == 1).sum()) + facts.outcomes[">50K"] == 11_687  # type: ignore[union-attr]
    missing = {item.name: item.missing_test + item.missing_train for item in facts.features}
    assert {name: count for name, count in missing.items() if count} == {
        "workclass": 2_799,
        "occupation": 2_809,
        "native_country": 857,
    }
    assert facts.licence.endswith("CC BY 4.0; from the 1994 US Census")
    assert sorted(set(data.sensitive_features["sex"].tolist())) == ["Female", "Male"]
