"""`data.control` and `data.weights`: columns beside the inputs, from the file to the evaluated rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import auditbench
from auditbench.bands import MISSING_GROUP
from auditbench.config import DataTable
from auditbench.data import EvaluationData, TableSource, build_evaluation, from_arrays, open_source
from auditbench.data.modalities import fit_inputs
from auditbench.errors import DataError
from auditbench.testing import given_outputs_subject
from auditbench.training import training_key
from auditbench.worker.read_only import read_only_data
from auditbench_html.render import render_report
from tests.html_fixture import income_run
from tests.html_page import parse
from tests.trained_tables import config, make_table, source_of

HEADER = "x,school,age,count,part,y"
ROWS = (
    "0,high,20,2.5,test,0",
    "1,,30,0,train,1",
    "2,low,,1,test,1",
    "3,low,41,7,train,0",
    "4,high,25,3,test,1",
    "5,low,66,1,train,0",
)


def source(folder: Path, rows: tuple[str, ...] = ROWS, **keys: Any) -> TableSource:
    (folder / "rows.csv").write_text("\n".join((HEADER, *rows)) + "\n")
    table = {"test": "rows.csv", "target": "y", "control": ("school",), "weights": "count", **keys}
    return open_source(DataTable(**table), folder, {})


def evaluated(found: TableSource) -> EvaluationData:
    return build_evaluation(found, fit_inputs(found), task="binary-classification", classes=("0", "1"), seed=0)


def test_control_features_and_weights_stand_beside_the_inputs(tmp_path: Path) -> None:
    found = source(tmp_path)
    data = evaluated(found)
    assert found.feature_names == ("x", "age", "part")
    assert data.control_features["school"].tolist() == ["high", MISSING_GROUP, "low", "low", "high", "low"]
    assert data.weights is not None
    assert data.weights.tolist() == [2.5, 0.0, 1.0, 7.0, 3.0, 1.0]
    assert (data.facts.control, data.facts.weights) == (("school",), "count")


def test_they_are_features_where_these_are_named(tmp_path: Path) -> None:
    found = source(tmp_path, features=("x", "school", "count"))
    assert [item.name for item in evaluated(found).features] == ["x", "school", "count"]


def test_nothing_is_controlled_or_weighted_unless_named(tmp_path: Path) -> None:
    found = source(tmp_path, control=(), weights=None)
    data = evaluated(found)
    assert (dict(data.control_features), data.weights) == ({}, None)
    assert found.feature_names == ("x", "school", "age", "count", "part")


def test_they_follow_the_rows(tmp_path: Path) -> None:
    data = evaluated(source(tmp_path, split="part", max_rows=2))
    kept = [int(row) - 1 for row in data.row_ids]
    assert len(kept) == 2
    assert data.weights is not None
    assert data.weights.tolist() == [float(ROWS[row].split(",")[3]) for row in kept]
    assert data.control_features["school"].tolist() == [ROWS[row].split(",")[1] or MISSING_GROUP for row in kept]
    last = data.take(np.array([1]))
    assert last.weights is not None
    assert (last.weights.tolist(), len(last.control_features["school"])) == (data.weights[1:].tolist(), 1)
    assert len(data.subset(np.array([0])).control_features["school"]) == 1
    behind = data.background(9, np.random.default_rng(0)).weights
    assert behind is not None
    assert behind.tolist() == [0.0, 7.0, 1.0]


def test_numbers_are_controlled_in_bands(tmp_path: Path) -> None:
    data = evaluated(source(tmp_path, control=("age",), bins={"age": (25.0, 40.0)}))
    assert data.control_features["age"].tolist() == [
        "under 25",
        "25 to 39",
        MISSING_GROUP,
        "40 and over",
        "25 to 39",
        "40 and over",
    ]
    with pytest.raises(DataError) as caught:
        evaluated(source(tmp_path, control=("age",)))
    assert "data.bins.age: the control column 'age' holds numbers, and groups need bounds" in caught.value.describe()


def test_bins_of_another_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        source(tmp_path, bins={"age": (25.0,)})
    assert "bins make groups of sensitive and control columns only" in caught.value.describe()


def test_a_feature_that_is_compared_is_not_held_equal() -> None:
    with pytest.raises(ValidationError, match="expected other columns in `control` than in `sensitive`, got 'sex'"):
        DataTable(test="rows.csv", target="y", sensitive=("sex",), control=("sex",))


@pytest.mark.parametrize("key", ["control", "weights"])
def test_a_column_that_is_not_there_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(DataError) as caught:
        source(tmp_path, **{key: ("skool",) if key == "control" else "skool"})
    assert f"data.{key}: there is no column 'skool' in rows.csv" in caught.value.describe()
    assert "'school'" in caught.value.describe()


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("", "1 that are no weights, row 4; the first is missing"),
        ("-0.5", "1 that are no weights, row 4; the first is -0.5"),
        ("inf", "1 that are no weights, row 4; the first is inf"),
        ("many", "'0', '1', '2.5', '3', 'many'"),
    ],
)
def test_what_is_no_weight_is_refused(tmp_path: Path, cell: str, found: str) -> None:
    rows = (*ROWS[:3], ROWS[3].replace(",7,", f",{cell},"), *ROWS[4:])
    with pytest.raises(DataError) as caught:
        evaluated(source(tmp_path, rows))
    text = caught.value.describe()
    assert "data.weights: the column 'count' of rows.csv does not say how much each row counts" in text
    assert found in text
    assert "a number of at least 0 in every row, and one above 0" in text


def test_weights_of_nothing_but_0_are_refused(tmp_path: Path) -> None:
    rows = tuple(",".join([*row.split(",")[:3], "0", *row.split(",")[4:]]) for row in ROWS)
    with pytest.raises(DataError, match="how much each row counts"):
        evaluated(source(tmp_path, rows))


def test_a_row_without_a_label_needs_no_weight(tmp_path: Path) -> None:
    rows = (*ROWS[:3], "3,low,41,,train,", *ROWS[4:])
    data = evaluated(source(tmp_path, rows, missing_labels="drop"))
    assert data.weights is not None
    assert data.weights.tolist() == [2.5, 0.0, 1.0, 3.0, 1.0]


def test_training_rows_of_another_file_need_no_such_columns(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("x,age,y\n1,20,0\n2,30,1\n")
    found = source(tmp_path, train="train.csv", exclude=("part",))
    data = evaluated(found)
    assert found.feature_names == ("x", "age")
    assert data.background(9, np.random.default_rng(0)).weights is None
    assert data.weights is not None


def test_naming_them_leaves_a_model_as_it_is(tmp_path: Path) -> None:
    make_table().to_parquet(tmp_path / "rows.parquet")
    plain = config(data={"features": ("x",)})
    named = config(data={"features": ("x",), "control": ("part",), "weights": "x"})
    keys = [training_key(item, source_of(item, tmp_path)) for item in (plain, named)]
    assert keys[0] == keys[1]


def test_the_page_says_which_columns_they_are() -> None:
    run = income_run()
    facts = dataclasses.replace(run.data, control=("school",), weights="count")
    named, plain = (parse(render_report(dataclasses.replace(run, data=data))).text for data in (facts, run.data))
    assert "school; groups are also compared at equal values of these" in named
    assert "count; an analyzer that uses them says so, every other counts each row once" in named
    assert "Control features" not in plain
    assert "Weights of rows" not in plain


def test_arrays_may_have_them_too() -> None:
    rows = {"features": np.zeros((3, 1)), "y_true": [0, 1, 0], "task": "binary-classification"}
    data = from_arrays(**rows, control_features={"school": ["a", None, "b"]}, weights=[0, 2, 1])
    assert data.control_features["school"].tolist() == ["a", MISSING_GROUP, "b"]
    assert data.weights is not None
    assert data.weights.tolist() == [0.0, 2.0, 1.0]
    assert (data.facts.control, data.facts.weights) == (("school",), "weights")
    refused = {
        "-1 in row 2": [1, -1, 1],
        "nan in rows 1, 3": [np.nan, 1, np.nan],
        "0 alone": [0, 0, 0],
        "shape (2,)": [1, 1],
        "dtype <U1": ["a", "b", "c"],
    }
    for found, weights in refused.items():
        with pytest.raises(DataError) as caught:
            from_arrays(**rows, weights=weights)
        assert found in caught.value.describe()
    with pytest.raises(DataError, match="expected one group a row") as caught:
        from_arrays(**rows, control_features={"school": ["a"]})
    assert "control_features['school']" in caught.value.describe()


def test_a_live_audit_compares_at_equal_values_and_by_weight() -> None:
    rng = np.random.default_rng(0)
    inputs, sex = rng.normal(size=(300, 2)).astype(np.float32), rng.choice(["F", "M"], 300)
    weights = rng.lognormal(size=300)
    run = auditbench.audit(
        lambda rows: 1 / (1 + np.exp(-np.asarray(rows)[:, 0])),
        inputs,
        (inputs[:, 0] > 0).astype(int),
        task="binary-classification",
        output="probability",
        analyzers={"fairness": {}},
        sensitive_features={"sex": sex},
        control_features={"school": rng.choice(["a", "b"], 300)},
        weights=weights,
    )
    result = run.result("fairness")
    assert result is not None
    assert "conditional" in {table.name for table in result.tables}
    rates = {metric.where.get("group"): metric for metric in result.metrics if metric.name == "selection_rate"}
    own = sex == "F"
    assert rates["F"].value == pytest.approx(np.average(inputs[own, 0] >= 0, weights=weights[own]))


def test_no_analyzer_can_write_to_them() -> None:
    subject = given_outputs_subject([0.1, 0.9], [0, 1], weights=[1.0, 2.0], control_features={"school": ["a", "b"]})
    data = read_only_data(subject.data)
    assert data.weights is not None
    for array in (data.weights, data.control_features["school"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
