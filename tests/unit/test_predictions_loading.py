"""Stored outputs are read as they stand, and everything that is no output is refused with the numbers of its rows."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.config import AuditConfig, DataTable, ModelTable
from auditbench.config_checks import file_problems, model_problems, parts_of
from auditbench.data import build_evaluation, check_columns, open_source
from auditbench.data.stored_outputs import OutputColumns, output_columns
from auditbench.errors import AuditbenchError, ModelError
from auditbench.models import ModelUnderTest
from auditbench.models.formats import ModelRequest, key_problems
from auditbench.models.loading import load_model
from auditbench.models.predictions import Predictions, wrap_predictions
from auditbench.models.wrapping import Interface
from tests.image_rows import folder_of

BINARY: dict[str, Any] = {"target": "bought", "positive": "yes"}
KEYS: dict[str, Any] = {"task": "binary-classification", "columns": ["score"], "output": "probability"}


def people(**columns: Any) -> pd.DataFrame:
    bought = ["no", "yes", "yes", "no", "yes"]
    base = {"age": [20, 30, 40, 50, 60], "city": list("ABACB"), "bought": bought, "score": [0.1, 0.8, 0.6, 0.4, 1.0]}
    return pd.DataFrame({**base, **columns})


def config_of(data: dict[str, Any], model: dict[str, Any]) -> AuditConfig:
    document = {
        "audit": {"name": "a"},
        "model": {"format": "predictions", **model},
        "data": {"test": "rows.csv", **data},
    }
    return AuditConfig.model_validate_json(json.dumps(document))


def opened(folder: Path, data: dict[str, Any] = BINARY, **model: Any) -> tuple[ModelUnderTest, Any]:
    """The model, and the evaluated rows that say which they are."""
    config = config_of(data, {**KEYS, **model})
    source = open_source(config.data, folder, {}, None, output_columns(config))
    found = load_model(
        ModelRequest(
            path=folder / config.model.path,
            base=folder,
            table=config.model,
            source=source,
            device="cpu",
            architectures={},
        )
    )
    rows = build_evaluation(
        source, found.inputs, task=config.model.task, classes=found.facts.classes, seed=0, identified=True
    )
    return found, rows


def outputs(folder: Path, data: dict[str, Any] = BINARY, **model: Any) -> list[list[float]]:
    found, rows = opened(folder, data, **model)
    given: list[list[float]] = found.predict(rows.take(np.arange(len(rows))).inputs).tolist()
    return given


def refused(folder: Path, data: dict[str, Any] = BINARY, **model: Any) -> str:
    with pytest.raises(AuditbenchError) as caught:
        opened(folder, data, **model)
    return caught.value.describe()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_outputs_are_those_of_the_columns_and_no_feature(tmp_path: Path, suffix: str) -> None:
    table = people(score=[0.1, 1 / 3, 2e-300, 0.30000000000000004, 1.0])
    if suffix == "csv":
        table.to_csv(tmp_path / "rows.csv", index=False, float_format="%.17g")
    else:
        table.to_parquet(tmp_path / "rows.parquet")
    found, rows = opened(tmp_path, {**BINARY, "test": f"rows.{suffix}"})
    assert found.predict(rows.take(np.array([3, 0])).inputs).tolist() == [[0.30000000000000004], [0.1]]
    assert outputs(tmp_path, {**BINARY, "test": f"rows.{suffix}"}) == [[value] for value in table["score"]]
    assert [feature.name for feature in found.features] == ["age", "city"]
    assert (found.facts.format, found.facts.capabilities, found.facts.parameters) == ("predictions", (), None)
    assert found.facts.limits[0].values == {"columns": "score", "file": f"rows.{suffix}"}


def test_several_classes_have_a_column_each_in_the_declared_order(tmp_path: Path) -> None:
    shares = {"pa": [0.2] * 5, "pb": [0.3] * 5, "pc": [0.5] * 5}
    people(bought=["a", "b", "c", "a", "b"], **shares).to_csv(tmp_path / "rows.csv", index=False)
    data = {"target": "bought", "classes": ["c", "a", "b"]}
    keys = {"task": "multiclass-classification", "columns": ["pc", "pa", "pb"]}
    assert outputs(tmp_path, data, **keys)[0] == [0.5, 0.2, 0.3]
    assert opened(tmp_path, data, **keys)[0].target_names == ("c", "a", "b")
    said = refused(tmp_path, {"target": "bought"}, **keys)
    assert "data.classes" in said
    assert "['a', 'b', 'c']" in said
    assert "3, in the order of data.classes: c, a, b" in refused(tmp_path, data, **{**keys, "columns": ["pc", "pa"]})
    assert "a column is named twice" in refused(tmp_path, data, **{**keys, "columns": ["pc", "pa", "pa"]})


@pytest.mark.parametrize("order", [("no", "yes"), ("yes", "no")])
@pytest.mark.parametrize("output", ["probability", "logit"])
def test_two_classes_may_have_a_column_each(tmp_path: Path, order: tuple[str, str], output: str) -> None:
    shares = np.array([0.125, 0.75, 0.5, 0.25, 1.0])
    columns = {"yes": shares, "no": 1 - shares}
    people(first=columns[order[0]], second=columns[order[1]]).to_csv(tmp_path / "rows.csv", index=False)
    keys = {"columns": ["first", "second"], "output": output}
    data = {**BINARY, "classes": list(order), "exclude": ["score"]}
    expected = shares if output == "probability" else shares - (1 - shares)
    assert outputs(tmp_path, data, **keys) == [[value] for value in expected]
    model, _ = opened(tmp_path, data, **keys)
    assert dict(model.facts.limits[1].values) == {"first": order[0], "second": order[1]}
    assert "data.classes" in refused(tmp_path, BINARY, **keys)
    people(first=shares, second=shares).to_csv(tmp_path / "rows.csv", index=False)
    if output == "probability":
        assert "do not add up to 1" in refused(tmp_path, data, **keys)
    assert "or one a class" in refused(tmp_path, data, **{**keys, "columns": ["first", "second", "age"]})


def test_values_of_a_regression_may_be_any_finite_number(tmp_path: Path) -> None:
    people(price=[1.0, 2, 3, 4, 5], score=[-1e300, 0, 7, 1e8, 2.5]).to_csv(tmp_path / "rows.csv", index=False)
    keys = {"task": "regression", "output": "value"}
    assert outputs(tmp_path, {"target": "price"}, **keys) == [[-1e300], [0.0], [7.0], [1e8], [2.5]]


@pytest.mark.parametrize(
    ("scores", "output", "message", "rows"),
    [
        ([0.1, None, 0.2, 0.3, None], "probability", "outputs are missing", "rows 2, 5"),
        ([0.1, 0.2, np.inf, 0.3, 0.4], "logit", "outputs are infinite", "row 3"),
        ([0.1, 0.2, 0.3, 0.4, 1.5], "probability", "declared as probabilities and are none", "row 5"),
        ([-0.1, 0.2, 0.3, 0.4, 0.5], "probability", "declared as probabilities and are none", "row 1"),
        (["0.1", "high", "0.3", "low", "0.5"], "probability", "'high', 'low' in rows 2, 4", "model.columns"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_no_output_is_refused_with_its_rows(
    tmp_path: Path, suffix: str, scores: list[Any], output: str, message: str, rows: str
) -> None:
    table = people(score=scores)
    if suffix == "csv":
        table.to_csv(tmp_path / "rows.csv", index=False)
    else:
        table.to_parquet(tmp_path / "rows.parquet")
    said = refused(tmp_path, {**BINARY, "test": f"rows.{suffix}"}, output=output)
    assert message in said
    assert rows in said


def test_probabilities_of_a_row_add_up(tmp_path: Path) -> None:
    shares = {"pa": [0.2, 0.2, 0.2, 0.2, 0.2], "pb": [0.8, 0.8, 0.9, 0.8, 0.8004]}
    people(bought=["a", "b", "a", "a", "b"], **shares).to_csv(tmp_path / "rows.csv", index=False)
    data = {"target": "bought", "classes": ["a", "b"]}
    keys = {"task": "multiclass-classification", "columns": ["pa", "pb"]}
    said = refused(tmp_path, data, **keys)
    assert "do not add up to 1" in said
    assert "row 3;" in said
    assert outputs(tmp_path, data, **keys, output="logit")[2] == [0.2, 0.9]


def test_rows_without_a_label_need_no_output(tmp_path: Path) -> None:
    people(bought=["no", "yes", None, "no", "yes"], score=[0.1, 0.2, None, 0.4, 0.5]).to_csv(
        tmp_path / "rows.csv", index=False
    )
    data = {**BINARY, "missing_labels": "drop"}
    assert outputs(tmp_path, data) == [[0.1], [0.2], [0.4], [0.5]]


def test_numbers_that_are_declared_as_text_are_told_from_text(tmp_path: Path) -> None:
    people().to_csv(tmp_path / "rows.csv", index=False)
    said = refused(tmp_path, {**BINARY, "types": {"score": "category"}})
    assert 'declare data.types.score = "number"' in said


def test_a_column_that_is_not_there_or_the_label_is_refused(tmp_path: Path) -> None:
    people().to_csv(tmp_path / "rows.csv", index=False)
    said = refused(tmp_path, columns=["scores"])
    assert "model.columns[0]: there is no column 'scores' in rows.csv" in said
    assert "did you mean 'score'?" in said
    assert "the outputs would be the labels themselves" in refused(tmp_path, columns=["bought"])
    with pytest.raises(AuditbenchError, match="there is no column 'scores'"):
        check_columns(
            DataTable(test="rows.csv", **BINARY),
            tmp_path,
            {},
            None,
            OutputColumns(named={"models.other.columns[0]": "scores"}),
        )


def test_language_models_and_trained_models_have_no_columns(tmp_path: Path) -> None:
    people().to_csv(tmp_path / "rows.csv", index=False)
    assert "cannot stand in columns" in refused(tmp_path, task="next-token")
    table = ModelTable(format="predictions", task="binary-classification", output="probability", columns=("score",))
    assert [problem.where for problem in key_problems(table, trains=True)] == ["train"]
    assert not list(key_problems(table, trains=False))
    without = table.model_copy(update={"columns": ()})
    assert [problem.where for problem in key_problems(without, trains=False)] == ["model.columns"]
    for scale, task in (("value", "binary-classification"), ("logit", "regression")):
        wrong = table.model_copy(update={"output": scale, "task": task})
        assert [problem.where for problem in key_problems(wrong, trains=False)] == ["model.output"]


def test_outputs_of_training_rows_are_not_asked_for(tmp_path: Path) -> None:
    table = people(part=["test", "train", "test", "train", "test"], score=[0.1, None, 0.2, None, 0.3])
    table.to_csv(tmp_path / "rows.csv", index=False)
    assert outputs(tmp_path, {**BINARY, "split": "part"}) == [[0.1], [0.2], [0.3]]
    table.drop(columns=["score", "part"]).assign(age=range(5)).to_csv(tmp_path / "train.csv", index=False)
    table.assign(score=0.25).drop(columns="part").to_csv(tmp_path / "test.csv", index=False)
    assert outputs(tmp_path, {**BINARY, "test": "test.csv", "train": "train.csv"}) == [[0.25]] * 5


def test_a_sample_of_the_rows_has_the_outputs_of_its_rows(tmp_path: Path) -> None:
    people().to_csv(tmp_path / "rows.csv", index=False)
    found, rows = opened(tmp_path, {**BINARY, "max_rows": 3})
    kept = [int(name) - 1 for name in rows.row_ids]
    assert len(kept) == 3
    assert found.predict(rows.take(np.arange(3)).inputs)[:, 0].tolist() == people()["score"][kept].tolist()


def test_the_digest_is_that_of_the_outputs(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        people().to_csv(folder / "rows.csv", index=False)
    people().rename(columns={"score": "renamed"}).to_parquet(other / "rows.parquet")
    digest = opened(one)[0].facts.digest
    assert opened(other)[0].facts.digest == digest
    assert opened(other, {**BINARY, "test": "rows.parquet"}, columns=["renamed"])[0].facts.digest == digest
    assert opened(one, output="logit")[0].facts.digest != digest
    people(score=[0.1, 0.8, 0.6, 0.4, 0.9999999999999999]).to_csv(other / "rows.csv", index=False)
    assert opened(other)[0].facts.digest != digest


OWN = {"path": "scores.csv"}
WITH_IDS: dict[str, Any] = {**BINARY, "id": "id"}


def write_own(folder: Path, ids: list[Any], scores: list[Any], names: tuple[str, str] = ("id", "score")) -> None:
    people(id=["007", "b", "c", "d", "e"]).drop(columns="score").to_csv(folder / "rows.csv", index=False)
    pd.DataFrame({names[0]: ids, names[1]: scores}).to_csv(folder / "scores.csv", index=False)


def test_outputs_of_a_file_of_their_own_are_found_by_id(tmp_path: Path) -> None:
    write_own(tmp_path, ["e", "x", "c", "007", "b", "d"], [0.5, 0.9, 0.3, 0.1, 0.2, 0.4])
    assert outputs(tmp_path, WITH_IDS, **OWN) == [[0.1], [0.2], [0.3], [0.4], [0.5]]
    found, _ = opened(tmp_path, WITH_IDS, **OWN)
    assert found.facts.limits[0].values["file"] == "scores.csv"


def test_what_stands_in_rows_that_nobody_asks_for_does_not_count(tmp_path: Path) -> None:
    write_own(tmp_path, ["e", "x", "c", "007", "x", "b", "d"], [0.5, "failed", 0.3, "1e-1", "", 0.2, 0.4])
    assert outputs(tmp_path, WITH_IDS, **OWN) == [[0.1], [0.2], [0.3], [0.4], [0.5]]
    write_own(tmp_path, ["e", "x", "c", "007", "b", "d"], [0.5, "failed", 0.3, 0.1, None, 0.4])
    assert "outputs are missing in scores.csv" in refused(tmp_path, WITH_IDS, **OWN)


@pytest.mark.parametrize(
    ("ids", "scores", "said"),
    [
        (["007", "b", "c", "d"], [0.1] * 4, "evaluated rows of rows.csv have no output in scores.csv"),
        (["7", "b", "c", "d", "e"], [0.1] * 5, "the ids '007'"),
        (["007", "b", "c", "d", "e", "b"], [0.1] * 6, "evaluated rows of rows.csv have several outputs in scores.csv"),
        (["007", "b", "c", "d", "e"], [0.1, 0.2, None, 0.3, 0.4], "row 3"),
        (["x", "007", "b", "c", "d", "e"], ["?", 0.1, 0.2, 0.3, "??", 0.4], "'??' in row 5"),
    ],
)
def test_each_row_is_found_exactly_once(tmp_path: Path, ids: list[Any], scores: list[Any], said: str) -> None:
    write_own(tmp_path, ids, scores)
    assert said in refused(tmp_path, WITH_IDS, **OWN)


def test_a_missing_id_is_said_to_be_missing_in_its_file_and_row(tmp_path: Path) -> None:
    write_own(tmp_path, ["007", None, "c", "d", None], [0.1] * 5)
    said = refused(tmp_path, WITH_IDS, **OWN)
    assert "the ids 'b', 'e'; in scores.csv the id is missing in rows 2, 5" in said
    write_own(tmp_path, ["007", "b", "c", "d", "e"], [0.1] * 5)
    people(id=["007", None, "c", "d", None]).to_csv(tmp_path / "rows.csv", index=False)
    said = refused(tmp_path, WITH_IDS, **OWN)
    assert "evaluated rows of rows.csv have no id" in said
    assert "no value in column 'id' in rows 2, 5" in said
    assert "'row 2'" not in said
    write_own(tmp_path, ["007", "row 2", "c", "d", "row 5"], [0.1, 0.2, 0.3, 0.4, 0.5])
    people(id=["007", "row 2", "c", "d", "row 5"]).to_csv(tmp_path / "rows.csv", index=False)
    assert outputs(tmp_path, WITH_IDS, **OWN) == [[0.1], [0.2], [0.3], [0.4], [0.5]]


def test_what_a_file_of_outputs_lacks_is_said(tmp_path: Path) -> None:
    write_own(tmp_path, ["007", "b", "c", "d", "e"], [0.1] * 5, names=("key", "scores"))
    said = refused(tmp_path, WITH_IDS, **OWN)
    assert "data.id: there is no column 'id' in scores.csv" in said
    assert "model.columns[0]: there is no column 'score' in scores.csv" in said
    assert "data.id" in refused(tmp_path, BINARY, **OWN)
    people(id=list("aabcd")).to_csv(tmp_path / "rows.csv", index=False)
    pd.DataFrame({"id": list("abcd"), "score": 0.5}).to_csv(tmp_path / "scores.csv", index=False)
    assert "several evaluated rows of rows.csv have one id" in refused(tmp_path, WITH_IDS, **OWN)


def test_a_file_of_outputs_that_is_not_there_is_said_before_anything_is_read(tmp_path: Path) -> None:
    write_own(tmp_path, ["007"], [0.1])
    parts = parts_of(config_of(WITH_IDS, {**KEYS, "path": "absent.csv"}))
    assert [problem.where for problem in file_problems(parts, tmp_path)] == ["model.path"]
    assert not list(file_problems(parts_of(config_of(BINARY, KEYS)), tmp_path))
    assert not list(model_problems(parts_of(config_of(WITH_IDS, {**KEYS, **OWN})), tmp_path))


def test_images_of_a_folder_have_their_outputs_in_a_file_of_paths(tmp_path: Path) -> None:
    names = list(folder_of(tmp_path / "pictures"))
    scores = [[0.2, 0.3, 0.5], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9], [1.0, 0.0, 0.0], [0.3, 0.3, 0.4]]
    table = pd.DataFrame(scores, columns=["cat", "dog", "eel"]).assign(path=names)
    table.iloc[::-1].to_csv(tmp_path / "scores.csv", index=False)
    data = {
        "test": "pictures",
        "target": "animal",
        "classes": ["cat", "dog", "eel"],
        "inputs": {"image": {"modality": "image"}},
    }
    keys = {"task": "multiclass-classification", "columns": ["cat", "dog", "eel"], "path": "scores.csv"}
    model, rows = opened(tmp_path, data, **keys)
    assert (list(rows.row_ids), rows.modality) == (names, "image")
    assert model.predict(rows.take(np.arange(6)).inputs).tolist() == scores


@given(
    st.lists(
        st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6), min_size=2, max_size=12, unique=True
    ),
    st.randoms(use_true_random=False),
)
def test_ids_in_any_order_give_the_outputs_of_their_rows(ids: list[str], random: Any) -> None:
    scores = {name: place / len(ids) for place, name in enumerate(ids)}
    shuffled = [*ids, "not asked for"]
    random.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pd.DataFrame({"id": ids, "n": 1.0, "bought": ["no", "yes"] + ["no"] * (len(ids) - 2)}).to_parquet(
            folder / "rows.parquet"
        )
        pd.DataFrame({"id": shuffled, "score": [scores.get(one, 0.5) for one in shuffled]}).to_parquet(
            folder / "scores.parquet"
        )
        data = {**WITH_IDS, "test": "rows.parquet"}
        found = outputs(folder, data, path="scores.parquet")
        assert found == [[scores[one]] for one in ids]
        removed = random.choice(ids)
        kept = [one for one in shuffled if one != removed]
        pd.DataFrame({"id": kept, "score": 0.5}).to_parquet(folder / "scores.parquet")
        assert f"the ids {removed!r}" in refused(folder, data, path="scores.parquet")


def test_outputs_in_memory_are_checked_alike() -> None:
    interface = Interface(task="binary-classification", classes=("no", "yes"), output="probability", inputs={})
    both = wrap_predictions(Predictions([[0.75, 0.25], [0.5, 0.5]]), interface, rows=2, name="")
    assert both.module.outputs.tolist() == [[0.25], [0.5]]
    model = wrap_predictions(Predictions([0.1, 0.9]), interface, rows=2, name="")
    assert (model.facts.name, model.facts.capabilities) == ("predictions", ())
    for given_outputs, said in (
        ([0.1, np.nan], "row 2"),
        ([0.1, 1.2], "row 2"),
        ([0.1], "allowed: shape (2, 1)"),
        ([[0.1, 0.9, 0.0], [0.2, 0.8, 0.0]], "found: shape (2, 3)"),
        ([[0.1, 0.9], [0.2, 0.9]], "do not add up to 1"),
    ):
        with pytest.raises(ModelError) as caught:
            wrap_predictions(Predictions(given_outputs), interface, rows=2, name="")
        assert said in caught.value.describe()
        assert caught.value.problems[0].where == "outputs"
        assert "model." not in caught.value.describe()
    for wrong in (["a", "b"], np.zeros((2, 1, 1))):
        with pytest.raises(ModelError):
            Predictions(wrong)
