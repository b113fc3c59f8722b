"""`data.cluster`: a column that says which rows depend on each other, from the file to the evaluated rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditbench.config import AuditConfig, DataTable
from auditbench.config_checks import parts_of, target_problems
from auditbench.data import EvaluationData, TableSource, build_evaluation, open_source
from auditbench.data.modalities import fit_inputs
from auditbench.errors import DataError
from auditbench.training import training_key
from tests.trained_tables import config, make_table, source_of

HOUSES = ["b", "a", "b", "7", "a", "7", "c", "b"]


def write(folder: Path, name: str, houses: list[str]) -> None:
    lines = [f"{row},{house},{'train' if row % 2 else 'test'},{row // 2 % 2}" for row, house in enumerate(houses)]
    (folder / name).write_text("x,house,part,y\n" + "\n".join(lines) + "\n")


def source(folder: Path, **keys: Any) -> TableSource:
    return open_source(DataTable(**{"test": "rows.csv", "target": "y", "cluster": "house", **keys}), folder, {})


def evaluated(found: TableSource) -> EvaluationData:
    inputs = fit_inputs(found)
    return build_evaluation(found, inputs, task="binary-classification", classes=("0", "1"), seed=0)


def same(numbers: Any, names: list[str]) -> bool:
    """Whether rows have one number exactly where they have one name."""
    array = np.asarray(numbers)
    return bool(np.array_equal(array[:, None] == array, np.array([[one == other for other in names] for one in names])))


@pytest.mark.parametrize("houses", [HOUSES, ["2", "1", "2", "7", "1", "7", "3", "2"]])
def test_equal_values_are_one_cluster_and_no_feature(tmp_path: Path, houses: list[str]) -> None:
    write(tmp_path, "rows.csv", houses)
    found = source(tmp_path)
    assert found.feature_names == ("x", "part")
    assert same(evaluated(found).clusters, houses)
    split = source(tmp_path, split="part")
    assert same(evaluated(split).clusters, houses[::2])
    named = source(tmp_path, split="part", features=("x", "house"), types={"house": "category"})
    assert named.feature_names == ("x", "house")
    assert same(evaluated(named).clusters, houses[::2])
    sampled = evaluated(source(tmp_path, split="part", max_rows=3))
    assert same(sampled.clusters, [houses[int(row) - 1] for row in sampled.row_ids])


def test_rows_are_independent_where_no_column_is_named(tmp_path: Path) -> None:
    write(tmp_path, "rows.csv", HOUSES)
    found = source(tmp_path, cluster=None)
    assert evaluated(found).clusters is None
    assert "house" in found.feature_names


def test_training_rows_of_another_file_need_no_such_column(tmp_path: Path) -> None:
    write(tmp_path, "rows.csv", HOUSES)
    (tmp_path / "train.csv").write_text("x,part,y\n1,train,0\n2,train,1\n")
    found = source(tmp_path, train="train.csv", exclude=("part",))
    assert same(evaluated(found).clusters, HOUSES)
    assert found.feature_names == ("x",)


def test_a_row_of_no_cluster_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "rows.csv", ["b", "a", "", "7", "a", "7", "c", "b"])
    with pytest.raises(DataError) as caught:
        evaluated(source(tmp_path))
    text = caught.value.describe()
    assert "data.cluster: the column 'house' of rows.csv does not say which rows depend on each other" in text
    assert "1 missing, row 3" in text
    assert "give rows that stand alone a value of their own" in text


def test_a_training_row_of_no_cluster_is_taken(tmp_path: Path) -> None:
    write(tmp_path, "rows.csv", ["b", "", "b", "7", "a", "7", "c", "b"])
    assert same(evaluated(source(tmp_path, split="part")).clusters, ["b", "b", "a", "c"])


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path, "rows.csv", HOUSES)
    with pytest.raises(DataError) as caught:
        source(tmp_path, cluster="hause")
    assert "data.cluster: there is no column 'hause' in rows.csv" in caught.value.describe()
    assert "'house'" in caught.value.describe()


def language_model(**keys: Any) -> AuditConfig:
    document = {
        "audit": {"name": "words"},
        "model": {"path": "model", "task": "next-token"},
        "data": {"test": "rows.csv", "target": "text", "inputs": {"text": {"modality": "text"}}, **keys},
        "analyzers": {},
    }
    return AuditConfig.model_validate(document)


def test_texts_are_the_clusters_of_a_language_model() -> None:
    assert list(target_problems(parts_of(language_model()))) == []
    (problem,) = target_problems(parts_of(language_model(cluster="author")))
    assert (problem.where, problem.found, problem.fix) == ("data.cluster", "'author'", "remove data.cluster")


def test_naming_clusters_leaves_a_model_as_it_is(tmp_path: Path) -> None:
    make_table().to_parquet(tmp_path / "rows.parquet")
    plain = config(data={"features": ("x",)})
    clustered = config(data={"features": ("x",), "cluster": "part"})
    keys = [training_key(item, source_of(item, tmp_path)) for item in (plain, clustered)]
    assert keys[0] == keys[1]
