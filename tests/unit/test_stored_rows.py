"""A row that was changed never gets the output of the row it was: whatever an analyzer does, it is told so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from auditbench.config import DataTable, ModelTable
from auditbench.context import AuditContext
from auditbench.contracts import Analyzer
from auditbench.data import TABULAR_INPUT, EvaluationData, build_evaluation, open_source
from auditbench.data.row_identity import ROW_IDENTITY, fingerprints
from auditbench.data.stored_outputs import OutputColumns
from auditbench.engines.local import LocalEngine
from auditbench.errors import AnalyzerNotPossible
from auditbench.models import ModelUnderTest
from auditbench.models.formats import ModelRequest
from auditbench.models.predictions import load_predictions
from auditbench.models.stored_rows import StoredOutputs
from auditbench.registry import Provided, Registry
from auditbench.results import AnalysisResult
from auditbench.testing import QuietHost
from auditbench.worker.analysis import run_analyzer
from auditbench.worker.subject_opening import make_subject
from tests.guarded_analysis import ORIGIN

ROWS = 6
SCORES = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7]
TEXTS = ["one two", "two three", "three", "four five six", "five", "six one"]


def opened(folder: Path, table: DataTable) -> tuple[ModelUnderTest, EvaluationData]:
    source = open_source(
        table, folder, {}, None, OutputColumns(named={"model.columns[0]": "score"}, instead_of_model=True)
    )
    model_table = ModelTable(
        format="predictions", task="binary-classification", columns=("score",), output="probability"
    )
    model = load_predictions(
        ModelRequest(path=folder, base=folder, table=model_table, source=source, device="cpu", architectures={})
    )
    data = build_evaluation(
        source,
        model.inputs,
        task="binary-classification",
        classes=model.facts.classes,
        seed=0,
        identified=True,
    )
    return model, data


def tables(folder: Path) -> DataTable:
    pd.DataFrame(
        {
            "age": [20.0, 30, None, 50, 20, 30],
            "city": list("ABABAB"),
            "y": ["no", "yes"] * 3,
            "score": SCORES,
        }
    ).to_csv(folder / "rows.csv", index=False)
    return DataTable(test="rows.csv", target="y", positive="yes")


def arrays(folder: Path, **inputs: Any) -> DataTable:
    rng = np.random.default_rng(0)
    np.savez(
        folder / "rows.npz",
        y=np.array(["no", "yes"] * 3),
        score=np.array(SCORES),
        picture=rng.integers(0, 256, (ROWS, 5, 4), dtype=np.uint8),
        pulse=rng.normal(size=(ROWS, 2, 7)),
        words=np.array(TEXTS),
        weight=np.arange(6.0),
    )
    tabular = any(item["modality"] == "tabular" for item in inputs.values())
    return DataTable.model_validate(
        {
            "test": "rows.npz",
            "target": "y",
            "positive": "yes",
            "inputs": inputs,
            "exclude": ["words"] if tabular else [],
        }
    )


DATA: Mapping[str, Callable[[Path], DataTable]] = {
    "tabular": tables,
    "image": lambda folder: arrays(folder, picture={"modality": "image"}),
    "series": lambda folder: arrays(folder, pulse={"modality": "series"}),
    "text": lambda folder: arrays(folder, words={"modality": "text"}),
    "mixed": lambda folder: arrays(folder, picture={"modality": "image"}, table={"modality": "tabular"}),
}


@pytest.mark.parametrize("kind", DATA)
def test_rows_as_they_are_have_their_outputs_in_any_order(tmp_path: Path, kind: str) -> None:
    model, data = opened(tmp_path, DATA[kind](tmp_path))
    assert data.modality == kind
    picked = np.array([4, 1, 1, 5])
    assert model.predict(data.take(picked).inputs)[:, 0].tolist() == [SCORES[row] for row in picked]
    given_outputs = [model.predict(rows.inputs) for rows in data.batches(4)]
    assert np.concatenate(given_outputs)[:, 0].tolist() == SCORES
    assert ROW_IDENTITY not in data.inputs


@pytest.mark.parametrize("kind", DATA)
def test_a_row_that_was_changed_in_one_number_is_refused(tmp_path: Path, kind: str) -> None:
    model, data = opened(tmp_path, DATA[kind](tmp_path))
    for name in data.inputs:
        rows = data.take(np.arange(ROWS))
        array = rows.inputs[name].copy()
        flat = array.reshape(ROWS, -1)
        flat[3, -1] = flat[3, -1] + 1
        with pytest.raises(AnalyzerNotPossible, match="only the outputs of the evaluated rows") as caught:
            model.predict({**rows.inputs, name: array})
        assert "1 of 6 rows are other than in the data, such as row 4" in caught.value.describe()


def test_rows_of_other_inputs_are_refused(tmp_path: Path) -> None:
    model, data = opened(tmp_path, tables(tmp_path))
    rows = data.take(np.arange(ROWS))
    features = rows.inputs[TABULAR_INPUT]
    wrong: list[dict[str, Any]] = [
        {TABULAR_INPUT: features},
        {TABULAR_INPUT: features, ROW_IDENTITY: np.zeros((ROWS, 2), dtype=np.int64)},
        {TABULAR_INPUT: features, ROW_IDENTITY: np.arange(2 * ROWS).reshape(ROWS, 2)},
        {TABULAR_INPUT: features, ROW_IDENTITY: rows.inputs[ROW_IDENTITY].astype(np.float64)},
        {TABULAR_INPUT: features[::-1], ROW_IDENTITY: rows.inputs[ROW_IDENTITY]},
        {TABULAR_INPUT: features.astype(np.float32), ROW_IDENTITY: rows.inputs[ROW_IDENTITY]},
        {**rows.inputs, "more": np.zeros((ROWS, 1))},
        {ROW_IDENTITY: rows.inputs[ROW_IDENTITY]},
    ]
    for inputs in wrong:
        with pytest.raises(AnalyzerNotPossible):
            model.predict(inputs)


def test_rows_with_equal_inputs_keep_their_own_outputs(tmp_path: Path) -> None:
    pd.DataFrame({"age": [20, 20, 20], "y": ["no", "yes", "yes"], "score": [0.1, 0.5, 0.9]}).to_csv(
        tmp_path / "rows.csv", index=False
    )
    model, data = opened(tmp_path, DataTable(test="rows.csv", target="y", positive="yes"))
    assert model.predict(data.take(np.array([2, 0, 1])).inputs)[:, 0].tolist() == [0.9, 0.1, 0.5]


def test_rows_of_the_background_have_no_output(tmp_path: Path) -> None:
    tables(tmp_path)
    table = pd.read_csv(tmp_path / "rows.csv").assign(part=["test", "train"] * 3)
    table.to_csv(tmp_path / "rows.csv", index=False)
    model, data = opened(
        tmp_path, DataTable(test="rows.csv", target="y", positive="yes", split="part", classes=("no", "yes"))
    )
    assert model.predict(data.take(np.arange(3)).inputs)[:, 0].tolist() == SCORES[::2]
    with pytest.raises(AnalyzerNotPossible) as caught:
        model.predict(data.background(2, np.random.default_rng(0)).inputs)
    assert "2 of 2 rows are of the background" in caught.value.describe()


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_made_up_key_has_no_output(key: int) -> None:
    module = StoredOutputs(np.arange(1, 7), np.array(SCORES)[:, None])
    with pytest.raises(AnalyzerNotPossible):
        module(torch.tensor([[key]]))


def test_encoded_rows_that_were_changed_are_refused(tmp_path: Path) -> None:
    model, data = opened(tmp_path, tables(tmp_path))
    encoded = model.encode(data.take(np.arange(ROWS)).inputs)
    assert model.module(encoded.flip(0))[:, 0].tolist() == SCORES[::-1]
    for wrong in (encoded + 1, encoded * 0, encoded.double(), encoded[:, 0], encoded.repeat(1, 2), encoded // 2):
        with pytest.raises(AnalyzerNotPossible):
            model.module(wrong)


@given(
    st.lists(st.lists(st.floats(width=64), min_size=3, max_size=3), min_size=1, max_size=5),
    st.integers(0, 2),
    st.floats(width=64),
)
def test_fingerprints_tell_rows_by_their_bytes(rows: list[list[float]], column: int, value: float) -> None:
    array = np.array(rows)
    changed = array.copy()
    changed[0, column] = value
    same = array.tobytes() == changed.tobytes()
    before, after = (fingerprints({"features": item}, len(item)) for item in (array, changed))
    assert (before[0] == after[0]) == same
    assert before[1:].tolist() == after[1:].tolist()
    assert fingerprints({"others": array}, len(array))[0] != before[0]


def test_an_analyzer_that_says_nothing_of_its_needs_is_told_and_not_misled(tmp_path: Path) -> None:
    def without_age(context: AuditContext, params: Any) -> AnalysisResult:
        rows = context.data.take(np.arange(len(context.data)))
        features = rows.inputs[TABULAR_INPUT].copy()
        features[:, 0] = 0.0
        context.model.predict({**rows.inputs, TABULAR_INPUT: features})
        return AnalysisResult()

    def as_they_are(context: AuditContext, params: Any) -> AnalysisResult:
        rows = context.data.take(np.arange(len(context.data)))
        assert context.model.predict(rows.inputs).tolist() == context.outputs.tolist()
        return AnalysisResult()

    model, data = opened(tmp_path, tables(tmp_path))
    subject = make_subject(model, data, seed=0, cases=2, raw=False)
    for analyze, status in ((without_age, "not_applicable"), (as_they_are, "ok")):
        analyzer = Analyzer(name="toy", topic="t", summary="s", analyze=analyze)
        context = subject.context("toy", None, results={}, engine=LocalEngine(), host=QuietHost())
        provided = Provided(record=analyzer, origin=ORIGIN)
        outcome = run_analyzer(provided, context, Registry(), subject_changes=subject.changes, own_process=False)
        assert outcome.result.status == status
        assert not outcome.subject_changes
