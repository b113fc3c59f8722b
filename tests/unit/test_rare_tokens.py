"""A record of a language model does not name its vocabulary: a word of one text may point at a person."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditbench.comparison import refuse_incomparable
from auditbench.config import DataTable, InputTable
from auditbench.data import EvaluationData, build_evaluation, class_names, fit_inputs, open_source
from auditbench.data.banding import RARE_ROWS
from auditbench.errors import ComparisonError
from auditbench.record import plain, validate
from auditbench.run import Case, ModelFacts
from auditbench.supervisor.record import without_vocabulary
from auditbench.worker.cases import choose_cases
from auditbench.worker.class_names import OTHER_RARE_TOKEN, RARE_TOKEN, ClassNames
from tests.finished_run import a_run
from tests.unit.test_cases import subject

COMMON = " ".join(["the cat sat on the mat"] * RARE_ROWS)


def evaluation(folder: Path, *, train: bool = True) -> EvaluationData:
    """Evaluated and training texts in which `rumpelstilzkin` and `lindenbaum` stand once."""
    (folder / "train.csv").write_text(f"text\n{COMMON} rumpelstilzkin the lindenbaum\n")
    (folder / "test.csv").write_text("text\n" + "the rumpelstilzkin sat on the lindenbaum the cat\n" * 3)
    table = DataTable(
        test="test.csv",
        train="train.csv" if train else None,
        target="text",
        inputs={"text": InputTable(modality="text", unit="words", length=4)},
    )
    source = open_source(table, folder, {})
    inputs = fit_inputs(source)
    return build_evaluation(
        source, inputs, task="next-token", classes=class_names(source, inputs, "next-token"), seed=0
    )


@pytest.mark.parametrize("times", [RARE_ROWS // 2 + 1, RARE_ROWS - 1, RARE_ROWS])
def test_a_token_at_the_edge_of_two_rows_is_counted_once(tmp_path: Path, times: int) -> None:
    (tmp_path / "train.csv").write_text("text\n" + "the cat sat on klara " * times + "the end\n")
    (tmp_path / "test.csv").write_text("text\nthe cat sat on klara the cat\n")
    words = {"text": InputTable(modality="text", unit="words", length=4)}
    table = DataTable(test="test.csv", train="train.csv", target="text", inputs=words)
    source = open_source(table, tmp_path, {})
    inputs = fit_inputs(source)
    classes = class_names(source, inputs, "next-token")
    data = build_evaluation(source, inputs, task="next-token", classes=classes, seed=0)
    assert (ClassNames(data, raw=False).of(classes.index("klara")) == RARE_TOKEN) == (times < RARE_ROWS)


def test_tokens_are_counted_once_each_in_the_training_rows(tmp_path: Path) -> None:
    data = evaluation(tmp_path)
    names, shown = ClassNames(data, raw=False), {}
    for index, token in enumerate(data.classes):
        shown[token] = names.of(index)
    rare = {"rumpelstilzkin": RARE_TOKEN, "lindenbaum": RARE_TOKEN}
    assert shown == {token: rare.get(token, token) for token in data.classes}
    assert len(shown) == 7
    assert [ClassNames(data, raw=True).of(index) for index in range(7)] == list(data.classes)


def test_without_training_rows_labels_are_counted(tmp_path: Path) -> None:
    data = evaluation(tmp_path, train=False)
    names = ClassNames(data, raw=False)
    assert {names.of(index) for index in range(len(data.classes))} == {RARE_TOKEN}


@pytest.mark.parametrize("raw", [False, True])
def test_cases_name_no_rare_token_and_still_tell_right_from_wrong(tmp_path: Path, raw: bool) -> None:
    data = evaluation(tmp_path)
    model = dataclasses.replace(subject("multiclass-classification", data.classes, "probability"), inputs=data.inputs)
    places = {token: index for index, token in enumerate(data.classes)}
    outputs = np.full((len(data), len(data.classes)), 0.01)
    answers = np.where(data.y_true == places["rumpelstilzkin"], places["lindenbaum"], data.y_true)
    outputs[np.arange(len(data)), answers] = 0.94
    cases = choose_cases(model, data, outputs, count=12, raw_inputs=raw).cases
    text = json.dumps(plain(cases))
    assert ("rumpelstilzkin" in text) == ("lindenbaum" in text) == raw
    decided = {(case.predicted, case.observed) for case in cases}
    if not raw:
        assert {(RARE_TOKEN, RARE_TOKEN), (OTHER_RARE_TOKEN, RARE_TOKEN)} <= decided
        assert any(RARE_TOKEN in dict(case.most_probable) for case in cases)


def language_model(*tokens: str) -> ModelFacts:
    return ModelFacts(
        name="m", format="bundle", architecture="decoder", task="next-token", classes=tokens, output="logit",
        parameters=3, digest="d",
    )  # fmt: skip


def test_a_record_has_the_number_of_tokens_and_a_digest(tmp_path: Path) -> None:
    data = evaluation(tmp_path)
    model, facts = without_vocabulary(language_model(*data.classes), data.facts)
    assert (model.classes, model.n_classes, len(model.classes_digest)) == ((), len(data.classes), 64)
    assert facts.outcomes == {}
    assert "rumpelstilzkin" not in json.dumps([plain(model), plain(facts)])
    other = dataclasses.replace(model, task="multiclass-classification", classes=("a", "b"))
    assert without_vocabulary(other, data.facts) == (other, data.facts)


def test_models_of_another_vocabulary_are_not_compared_and_older_records_are() -> None:
    facts = a_run().data
    stripped, _ = without_vocabulary(language_model("a", "b"), facts)
    for baseline in (stripped, language_model("a", "b")):
        run = a_run(model=baseline)
        refuse_incomparable(run, language_model("a", "b"))
        refuse_incomparable(run, stripped)
        with pytest.raises(ComparisonError, match="other classes"):
            refuse_incomparable(run, language_model("a", "c"))


def test_a_case_of_an_earlier_record_is_read() -> None:
    earlier: dict[str, Any] = {
        "row_id": "1", "rule": "margin", "output": [0.1, 0.9], "predicted": "b", "observed": "a", "inputs": []
    }  # fmt: skip
    case = validate(Case, earlier, where="case")
    assert (case.output, case.predicted_probability, case.most_probable) == ((0.1, 0.9), None, ())
