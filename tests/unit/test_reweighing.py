"""`train.reweigh`: the weights of Kamiran and Calders, what they are combined with, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.config import AuditConfig
from auditbench.config_training import TrainTable
from auditbench.data import BUILT_IN as DATASETS
from auditbench.data import open_source
from auditbench.models.architectures import BUILT_IN
from auditbench.models.bundle import read_bundle_description
from auditbench.training import train_bundle, training_key
from auditbench.training.examples import row_weights
from auditbench.training.preparing import Prepared, prepare
from auditbench.training.reweighing import reweighed_groups

CELLS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["x", "y"]), st.integers(0, 2)), min_size=2
)
ARCHITECTURES = {item.name: item for item in BUILT_IN}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = 400
    sex = rng.choice(["Female", "Male"], rows, p=[0.3, 0.7])
    x = rng.normal(size=rows) + (sex == "Male")
    frame = pd.DataFrame(
        {
            "x": x,
            "sex": sex,
            "age": rng.integers(18, 80, rows),
            "weight": rng.random(rows) + 0.1,
            "label": np.where(x + rng.normal(scale=0.5, size=rows) > 0.5, "yes", "no"),
            "part": np.where(np.arange(rows) % 4 == 0, "test", "train"),
        }
    )
    frame.loc[::7, "sex"] = None
    frame.to_parquet(tmp_path / "rows.parquet")
    return tmp_path


def config(data: dict[str, Any] | None = None, **train: Any) -> AuditConfig:
    keys = {
        "test": "rows.parquet",
        "split": "part",
        "target": "label",
        "positive": "yes",
        "features": ["x"],
        "sensitive": ["sex", "age"],
        "bins": {"age": [40, 60]},
    }
    return AuditConfig.model_validate(
        {
            "audit": {"name": "a"},
            "model": {"task": "binary-classification"},
            "data": {**keys, **(data or {})},
            "train": {"architecture": "linear", "epochs": 2, **train},
        }
    )


def prepared(settings: AuditConfig, folder: Path) -> Prepared:
    source = open_source(settings.data, folder, {item.name: item for item in DATASETS}, settings.train)
    return prepare(settings, source, None, device="cpu", architectures=ARCHITECTURES)


def weights_of(found: Prepared) -> np.ndarray[Any, Any]:
    assert found.train.weights is not None
    return found.train.weights.numpy()[found.train.positions.numpy()]


def train_rows(folder: Path, found: Prepared) -> pd.DataFrame:
    frame = pd.read_parquet(folder / "rows.parquet").query("part == 'train'")
    return frame.iloc[found.train.positions.numpy()].fillna({"sex": "missing"})


@given(rows=CELLS, weighted=st.booleans())
def test_the_factors_are_those_of_a_count_by_hand(rows: list[tuple[str, str, int]], weighted: bool) -> None:
    columns = {name: np.asarray([row[place] for row in rows]) for place, name in enumerate(("one", "two"))}
    labels = np.asarray([row[2] for row in rows])
    weights = 1.0 + np.arange(len(rows)) % 3 if weighted else None
    train = np.arange(len(rows) - 1)  # the last row is held out
    groups = reweighed_groups(TrainTable(reweigh=("one", "two")), columns)
    assert groups is not None
    found = groups.factors(labels, weights, train)
    each = np.ones(len(rows)) if weights is None else weights
    of_group, of_label, of_both = Counter[Any](), Counter[Any](), Counter[Any]()
    for row in train:
        group = rows[row][:2]
        of_group[group] += each[row]
        of_label[labels[row]] += each[row]
        of_both[group, labels[row]] += each[row]
    total = sum(of_group.values())
    for row, (one, two, label) in enumerate(rows):
        both = of_both[(one, two), label]
        expected = of_group[one, two] / total * of_label[label] / total / (both / total) if both else 1.0
        assert found[row] == pytest.approx(expected)


@pytest.mark.parametrize("keys", [{}, {"sample_weights": "weight"}], ids=["alone", "beside weights of rows"])
def test_weights_are_those_of_aif360(folder: Path, keys: dict[str, Any]) -> None:
    from aif360.algorithms.preprocessing import Reweighing
    from aif360.datasets import BinaryLabelDataset

    found = prepared(config(reweigh=["sex"], **keys), folder)
    frame = train_rows(folder, found)
    coded = frame.assign(
        sex=frame["sex"].map({"Female": 0.0, "Male": 1.0, "missing": 2.0}), label=(frame["label"] == "yes") * 1.0
    )
    dataset = BinaryLabelDataset(
        df=coded[["x", "sex", "label", "weight"]].astype(float),
        label_names=["label"],
        protected_attribute_names=["sex"],
        instance_weights_name="weight" if keys else None,
    )
    two = {group: Reweighing([{"sex": 0.0}], [{"sex": group}]) for group in (1.0, 2.0)}
    for group, method in two.items():
        sides = coded["sex"].isin([0.0, group]).to_numpy()
        expected = method.fit_transform(dataset).instance_weights[sides]
        np.testing.assert_allclose(weights_of(found)[sides], expected, rtol=1e-6)


@pytest.mark.parametrize("keys", [{}, {"sample_weights": "weight"}, {"class_weights": {"yes": 5.0}}], ids=str)
def test_groups_and_labels_are_independent_among_the_weighted_rows(folder: Path, keys: dict[str, Any]) -> None:
    found = prepared(config(reweigh=["sex", "age"], **keys), folder)
    frame = train_rows(folder, found)
    frame["age"] = np.digitize(frame["age"], [40, 60])
    sums = frame.assign(counted=weights_of(found)).pivot_table(
        index=["sex", "age"], columns="label", values="counted", aggfunc="sum"
    )
    table = sums.to_numpy()
    assert table.shape == (9, 2)
    np.testing.assert_allclose(table, np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum(), rtol=1e-5)


def test_a_label_that_a_group_never_has_is_told(folder: Path) -> None:
    frame = pd.read_parquet(folder / "rows.parquet")
    frame.loc[frame["sex"] == "Female", "label"] = "no"
    frame.to_parquet(folder / "rows.parquet")
    told: list[str] = []
    settings = config(reweigh=["sex"])
    source = open_source(settings.data, folder, {}, settings.train)
    arguments: dict[str, Any] = {"device": "cpu", "architectures": ARCHITECTURES, "progress": lambda *_: None}
    train_bundle(settings, source, folder / "model", tell=told.append, **arguments)
    assert told == [
        "train.reweigh cannot make label and group independent: no row is trained on of Female with the label yes"
    ]
    training = read_bundle_description(folder / "model").training
    assert training is not None
    assert training.settings["reweigh"] == ["sex"]  # which the page and the model card show as they do other settings


def test_the_key_of_a_training_has_the_features_and_their_bounds(folder: Path) -> None:
    def key(settings: AuditConfig) -> str:
        return training_key(settings, open_source(settings.data, folder, {}, settings.train))

    bounds = {"bins": {"age": [30, 60]}}
    keys = [key(config(reweigh=names)) for names in ([], ["sex"], ["age"], ["sex", "age"])]
    assert len({*keys, key(config(bounds, reweigh=["age"]))}) == 5
    assert key(config(bounds)) == key(config()) == keys[0]


def test_only_ratios_of_the_weights_of_a_row_count() -> None:
    labels, groups = np.asarray([0, 1, 1, 0, 1]), {"g": np.asarray(["a", "a", "b", "b", "b"])}
    split = np.arange(4), np.asarray([4])
    weights = np.asarray([1.0, 2.0, 0.0, 3.0, 1.0])
    table = TrainTable(reweigh=("g",), sample_weights="w")
    found = [
        row_weights(table, labels, ("no", "yes"), each, split, reweighed_groups(table, groups))
        for each in (weights, 10 * weights)
    ]
    assert found[0] is not None
    assert found[1] is not None
    np.testing.assert_allclose(10 * found[0], found[1])
    assert found[0][2] == 0
    assert found[0][4] == 1.0  # no row of its group and label counts
