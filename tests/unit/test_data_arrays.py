"""Arrays and data frames given to the Python interface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from auditbench.data import TabularEncoder, from_arrays
from auditbench.errors import DataError, EmptyDataError

X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def refused(*arguments: Any, **keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        from_arrays(*arguments, **{"task": "binary-classification", **keys})
    return caught.value.describe()


def test_a_matrix_is_taken_as_it_is() -> None:
    data = from_arrays(X, [0, 1, 1], task="binary-classification", sensitive_features={"sex": ["f", None, "m"]})
    rows = data.take(np.arange(3))
    np.testing.assert_array_equal(rows.inputs["features"], X)
    assert [feature.name for feature in data.features] == ["x0", "x1"]
    assert data.classes == ("0", "1")
    assert rows.y_true.tolist() == [0, 1, 1]
    assert rows.sensitive_features["sex"].tolist() == ["f", "missing", "m"]
    assert data.background_source == "test"
    encoded = TabularEncoder(data.features)({"features": torch.from_numpy(X)})
    assert torch.equal(encoded, torch.tensor(X, dtype=torch.float32))


def test_a_frame_gives_names_and_a_background_its_own_rows() -> None:
    frame = pd.DataFrame(X, columns=["age", "hours"])
    data = from_arrays(frame, pd.Series(["b", "a", "c"]), task="multiclass-classification", background=frame[:2])
    assert [feature.name for feature in data.features] == ["age", "hours"]
    assert data.classes == ("a", "b", "c")
    assert data.y_true.tolist() == [1, 0, 2]
    assert len(data.background(9, np.random.default_rng(0))) == 2
    assert data.background_source == "train"
    assert data.facts.outcomes == {"a": 1, "b": 1, "c": 1}


def test_indices_stand_for_named_classes() -> None:
    data = from_arrays(X, np.array([0, 1, 1]), task="binary-classification", classes=("refused", "granted"))
    assert data.facts.outcomes == {"refused": 1, "granted": 2}
    assert data.facts.positive == "granted"


def test_regression_keeps_values() -> None:
    data = from_arrays(X, [0.5, 1, 2], task="regression")
    assert data.y_true.tolist() == [0.5, 1.0, 2.0]
    assert data.classes == ()


def test_digest_depends_on_the_values() -> None:
    one, other = (from_arrays(X + shift, [0, 1, 1], task="binary-classification").facts.digests for shift in (0, 1))
    assert one["features"] != other["features"]
    assert one["y_true"] == other["y_true"]


@pytest.mark.parametrize("kind", ["category", "object"])
def test_text_columns_are_refused_with_a_hint(kind: str) -> None:
    frame = pd.DataFrame({"age": [1, 2, 3], "city": pd.Series(["a", "b", "a"], dtype=kind)})
    text = refused(frame, [0, 1, 1])
    assert "AB200 features: a live model takes numbers" in text
    assert "found: 'city'" in text
    assert "pandas.get_dummies" in text


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({"y_true": [0, 1]}, ("y_true: expected one label a row", "found: shape (2,)", "allowed: (3,)")),
        ({"y_true": [0, None, 1]}, ("labels are missing", "found: row 2")),
        ({"y_true": [0, 1, 2]}, ("a binary classification has two classes", "found: '0', '1', '2'")),
        ({"y_true": ["a", "b", "x"], "classes": ("a", "b")}, ("none of the classes", "found: 'x' in row 3")),
        ({"features": X[:, 0]}, ("features: expected a table", "found: shape (3,)")),
        ({"features": X.astype(str)}, ("expected numbers", "found: dtype <U")),
        ({"features": [[1, 2], [np.nan, 3], [1, np.inf]]}, ("column 'x0' has missing or infinite", "found: row 2")),
        ({"feature_names": ("a",)}, ("expected one name a column", "allowed: 2 names")),
        ({"background": X[:, :1]}, ("expected one name a column", "found: 2 names")),
        ({"sensitive_features": {"sex": ["f"]}}, ("sensitive_features['sex']", "found: shape (1,)")),
        ({"y_true": ["a", "b", "c"], "task": "regression"}, ("expected numbers", "found: dtype <U1")),
    ],
)
def test_bad_input_is_named(keys: dict[str, Any], parts: tuple[str, ...]) -> None:
    arguments = {"features": X, "y_true": [0, 1, 1], **keys}
    text = refused(**arguments)
    for part in parts:
        assert part in text


def test_no_rows_are_no_evaluation() -> None:
    with pytest.raises(EmptyDataError):
        from_arrays(X[:0], [], task="regression")
