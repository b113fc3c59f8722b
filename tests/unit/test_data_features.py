"""Features fitted on training rows, and the encoder against pandas and scikit-learn."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from auditbench.config import DataTable
from auditbench.data import FeatureSpec, TabularEncoder, encoded_width, fit_features, open_source
from auditbench.data.coding import code_columns
from auditbench.errors import DataError

NUMBERS = st.one_of(st.none(), st.floats(-1e6, 1e6, width=32), st.integers(-100, 100).map(float))
NAMES = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "ä", "NA", " "]))


def encode(features: tuple[FeatureSpec, ...], rows: np.ndarray[Any, Any]) -> torch.Tensor:
    encoded: torch.Tensor = TabularEncoder(features)({"features": torch.from_numpy(rows)})
    return encoded


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(1, 12))
    columns: dict[str, list[Any]] = {}
    for index in range(draw(st.integers(1, 3))):
        columns[f"n{index}"] = draw(st.lists(NUMBERS, min_size=rows, max_size=rows))
    for index in range(draw(st.integers(0, 3))):
        columns[f"c{index}"] = draw(st.lists(NAMES, min_size=rows, max_size=rows))
    frame = pd.DataFrame(
        {name: pd.Series(cells, dtype="float64" if name[0] == "n" else "object") for name, cells in columns.items()}
    )
    return frame.assign(y=[index % 2 for index in range(rows)])


@given(train=frames(), seed=st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_encoder_equals_pandas_and_sklearn(
    tmp_path_factory: pytest.TempPathFactory, train: pd.DataFrame, seed: int
) -> None:
    """Fitted on one table and applied to another whose rows are drawn from it, with unseen and missing cells."""
    folder = tmp_path_factory.mktemp("frames")
    test = train.sample(len(train), replace=True, random_state=seed).reset_index(drop=True)
    for name in test.columns:
        if name.startswith("c"):
            test.loc[0, name] = "never seen"
    types = {name: "number" if name.startswith("n") else "category" for name in train.columns if name != "y"}
    train.assign(only_here=0).to_parquet(folder / "train.parquet")
    test.to_parquet(folder / "test.parquet")
    table = DataTable(test="test.parquet", train="train.parquet", target="y", types=types, features=tuple(types))
    source = open_source(table, folder, {})
    features = fit_features(source)
    encoded = encode(features, code_columns(source.test, features, table)).numpy()
    np.testing.assert_allclose(encoded, naive(train, test, features), atol=1e-5, rtol=1e-5)


def naive(train: pd.DataFrame, test: pd.DataFrame, features: tuple[FeatureSpec, ...]) -> np.ndarray[Any, Any]:
    parts = []
    for feature in features:
        one, other = train[[feature.name]], test[[feature.name]]
        if feature.kind == "number":
            if one.isna().all().item():
                parts.append(other.fillna(0.0).to_numpy())
                continue
            imputer = SimpleImputer(strategy="median").fit(one)
            scaler = StandardScaler().fit(imputer.transform(one))
            if scaler.var_[0] ** 0.5 <= 1e-12 * max(1.0, abs(scaler.mean_[0])):
                scaler.scale_[:] = 1.0
            parts.append(scaler.transform(imputer.transform(other)))
            continue
        known = one[feature.name].dropna().unique().tolist()
        if known:
            table = OneHotEncoder(categories=[sorted(known)], handle_unknown="ignore", sparse_output=False)
            hot = table.fit(one.dropna()).transform(other.fillna("never seen"))
        else:
            hot = np.zeros((len(other), 0))
        parts.append(np.concatenate([hot, 1 - hot.sum(axis=1, keepdims=True)], axis=1))
    return np.concatenate(parts, axis=1)


def test_hand_made_features(tmp_path: Path) -> None:
    pd.DataFrame({"n": [1.0, 3.0, None, 8.0], "c": ["b", None, "a", "b"], "k": [2, 2, 2, 2], "y": [0, 1, 0, 1]}).to_csv(
        tmp_path / "t.csv", index=False
    )
    features = fit_features(open_source(DataTable(test="t.csv", target="y"), tmp_path, {}))
    filled = np.array([1.0, 3.0, 3.0, 8.0])
    assert features == (
        FeatureSpec(name="n", kind="number", start=0, stop=1, fill=3.0, mean=filled.mean(), scale=filled.std()),
        FeatureSpec(name="c", kind="category", categories=("a", "b"), start=1, stop=4),
        FeatureSpec(name="k", kind="number", start=4, stop=5, fill=2.0, mean=2.0, scale=1.0),
    )
    assert encoded_width(features) == 5
    rows = np.array([[np.nan, 1.0, 2.0], [8.0, 2.0, 3.0]])
    expected = [[(3 - 3.75) / filled.std(), 0, 1, 0, 0], [(8 - 3.75) / filled.std(), 0, 0, 1, 1]]
    np.testing.assert_allclose(encode(features, rows), expected, rtol=1e-6)


CATEGORY = (FeatureSpec(name="c", kind="category", categories=("a", "b"), start=0, stop=3),)


@pytest.mark.parametrize("code", [2.0, -1.0, 7.0, np.nan, np.inf, -np.inf])
def test_what_is_no_category_counts_as_missing_or_unseen(code: float) -> None:
    assert encode(CATEGORY, np.array([[code]])).tolist() == [[0.0, 0.0, 1.0]]


def test_perturbed_codes_round_to_a_category() -> None:
    assert encode(CATEGORY, np.array([[0.4], [0.6]])).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


@given(
    rows=st.lists(
        st.tuples(st.floats(-1e9, 1e9) | st.just(np.nan), st.integers(0, 3).map(float), st.floats(-1e9, 1e9)),
        min_size=1,
        max_size=20,
    )
)
def test_each_row_is_encoded_by_itself_and_each_group_has_one_hot_column(rows: list[tuple[float, ...]]) -> None:
    features = (
        FeatureSpec(name="n", kind="number", start=0, stop=1, fill=2.5, mean=1.5, scale=3.0),
        FeatureSpec(name="c", kind="category", categories=("a", "b", "c"), start=1, stop=5),
        FeatureSpec(name="m", kind="number", start=5, stop=6, mean=-4.0, scale=0.1),
    )
    matrix = np.array(rows)
    encoded = encode(features, matrix)
    assert encoded.dtype == torch.float32
    assert torch.equal(encoded, torch.cat([encode(features, matrix[i : i + 1]) for i in range(len(matrix))]))
    assert torch.equal(encoded[:, 1:5].sum(dim=1), torch.ones(len(matrix)))


def test_features_read_back_equal_from_json() -> None:
    spec = FeatureSpec(name="n", kind="number", start=0, stop=1, fill=0.1, mean=1 / 3, scale=2 / 3)
    assert FeatureSpec(**json.loads(json.dumps(dataclasses.asdict(spec)))) == dataclasses.replace(spec, categories=[])  # type: ignore[arg-type]


def test_encoder_has_no_weights_and_refuses_another_width() -> None:
    encoder = TabularEncoder(CATEGORY)
    assert encoder.state_dict() == {}
    with pytest.raises(DataError, match=r"expected rows of shape \(rows, 1\), got \(2, 2\)"):
        encoder({"features": torch.zeros(2, 2, dtype=torch.float64)})


def test_infinite_numbers_and_too_many_categories_are_refused(tmp_path: Path) -> None:
    rows = 1_200
    pd.DataFrame({"n": [1.0, np.inf] * (rows // 2), "y": [0, 1] * (rows // 2)}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError) as caught:
        fit_features(open_source(DataTable(test="a.parquet", target="y"), tmp_path, {}))
    assert "n: column 'n' of a.parquet has numbers that are infinite" in caught.value.describe()
    assert "found: rows 2, 4, 6, 8, 10 and 595 more" in caught.value.describe()
    pd.DataFrame({"c": [f"id{row}" for row in range(rows)], "y": [0, 1] * (rows // 2)}).to_parquet(
        tmp_path / "b.parquet"
    )
    with pytest.raises(DataError) as caught:
        fit_features(open_source(DataTable(test="b.parquet", target="y"), tmp_path, {}))
    assert "found: 1,200 different values" in caught.value.describe()
    assert "add 'c' to data.exclude" in caught.value.describe()


@pytest.mark.gpu
def test_encoder_gives_the_same_on_a_gpu() -> None:
    rows = torch.tensor([[0.0], [2.0], [float("nan")]], dtype=torch.float64)
    encoder = TabularEncoder(CATEGORY)
    on_cpu = encoder({"features": rows})
    assert torch.equal(encoder.cuda()({"features": rows.cuda()}).cpu(), on_cpu)
