"""Rows of a language model against a naive cut of the same texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.config import DataTable, InputTable
from auditbench.config_file import load_config
from auditbench.data import build_evaluation, class_names, fit_inputs, next_tokens, open_source
from auditbench.data.inputs import PADDING, TextInput
from auditbench.data.next_tokens import token_rows
from auditbench.data.stored import stored
from auditbench.data.table import TablePart
from auditbench.errors import ConfigError
from auditbench.worker.read_only import read_only_data

LETTERS = "abc"


def part_of(texts: list[str], **keys: object) -> TablePart:
    return TablePart(
        file="texts.csv",
        columns={},
        row_numbers=np.arange(1, len(texts) + 1),
        inputs={"text": stored(np.asarray(texts, dtype=object))},
        **keys,  # type: ignore[arg-type]
    )


def naive(texts: list[str], length: int, *, overlapping: bool) -> list[tuple[str, str, int, int]]:
    """Context, what follows, the text it is from and the place of what follows, from 1."""
    rows = []
    for number, text in enumerate(texts):
        ends = (
            range(1, len(text))
            if overlapping
            else [min(s + length, len(text) - 1) for s in range(0, len(text) - 1, length)]
        )
        for place, end in enumerate(ends):
            start = max(0, end - length) if overlapping else place * length
            predicted = [end] if overlapping else range(start + 1, end + 1)
            known = [at for at in predicted if text[at] in LETTERS]
            if known:
                rows.append((text[start : known[-1]], text[known[-1]], number, known[-1] + 1))
    return rows


@given(
    texts=st.lists(st.text(alphabet=LETTERS + "x", max_size=9), min_size=1, max_size=5),
    length=st.integers(1, 4),
    overlapping=st.booleans(),
)
def test_rows_are_those_of_a_naive_cut(texts: list[str], length: int, overlapping: bool) -> None:
    item = TextInput(unit="characters", vocabulary=tuple(LETTERS), length=length)
    found = token_rows(part_of(texts), "text", item, overlapping=overlapping)
    expected = naive(texts, length, overlapping=overlapping)
    ids = found.inputs[:]
    assert ids.shape == (len(expected), length)
    spelled = ["".join("~?abc"[token] for token in row if token != PADDING) for row in ids.tolist()]
    assert spelled == [context.replace("x", "?") for context, *_ in expected]
    assert [LETTERS[label] for label in found.y_true] == [letter for _, letter, *_ in expected]
    names = [] if found.part.ids is None else found.part.ids.tolist()
    assert names == [f"{number + 1}, token {place}" for _, _, number, place in expected]
    assert found.texts.tolist() == [number + 1 for _, _, number, _ in expected]
    total = sum(max(0, len(text) - 1) for text in texts)
    assert not overlapping or len(expected) + found.unknown == total


def test_training_rows_lose_no_token_of_the_vocabulary() -> None:
    item = TextInput(unit="characters", vocabulary=tuple(LETTERS), length=3)
    found = token_rows(part_of(["abcxabxx", "axxx"]), "text", item, overlapping=False)
    assert found.inputs[:].tolist() == [[2, 3, 0], [1, 2, 0]]
    assert found.y_true.tolist() == [2, 1]
    assert found.unknown == 2


def test_texts_of_rows_are_made_when_rows_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    as_text = next_tokens._as_text

    def counted(ids: Any, **keys: Any) -> Any:
        made.append(len(ids))
        return as_text(ids, **keys)

    monkeypatch.setattr(next_tokens, "_as_text", counted)
    (tmp_path / "rows.csv").write_text("text\nthe cat sat on the mat\n")
    table = DataTable(test="rows.csv", target="text", inputs={"text": InputTable(modality="text", length=2)})
    source = open_source(table, tmp_path, {})
    inputs = fit_inputs(source)
    classes = class_names(source, inputs, "next-token")
    data = build_evaluation(source, inputs, task="next-token", classes=classes, seed=0)
    assert all(data.facts.outcomes.values())
    assert set(np.asarray(data.clusters).tolist()) == {1}
    data = read_only_data(data.subset(np.asarray([1, 2, 4])))
    assert made == []
    assert data.take(np.asarray([0, 2])).texts["text"].tolist() == ["the cat", "on the"]
    assert made == [2]


def test_shown_texts_are_what_the_model_sees() -> None:
    item = TextInput(unit="words", vocabulary=("the", "cat", "sat"), length=2)
    found = token_rows(part_of(["The cat sat", "the dog, the cat"]), "text", item, overlapping=True)
    assert found.part.inputs["text"][:].tolist() == ["the", "the cat", "the \ufffd", "\ufffd the"]
    assert found.y_true.tolist() == [1, 2, 0, 1]
    assert found.unknown == 1


@pytest.mark.parametrize(
    ("task", "target", "message"),
    [
        ("next-token", "label", "a next token is predicted from texts, and no text input has the column of the target"),
        ("binary-classification", "text", "the target is the text that the model takes, so it would see the answer"),
    ],
)
def test_target_and_task_have_to_meet(tmp_path: Path, task: str, target: str, message: str) -> None:
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    path = tmp_path / "audit.toml"
    path.write_text(
        f'[audit]\nname = "a"\n[model]\ntask = "{task}"\n[train]\n[data]\ntest = "rows.csv"\ntarget = "{target}"\n'
        '[data.inputs.text]\nmodality = "text"\n[analyzers.performance]\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert f"data.target: {message}" in caught.value.describe()


def test_a_language_model_takes_its_text_alone(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,other\na,b\n")
    path = tmp_path / "audit.toml"
    path.write_text(
        '[audit]\nname = "a"\n[model]\ntask = "next-token"\n[train]\n[data]\ntest = "rows.csv"\ntarget = "text"\n'
        '[data.inputs.text]\nmodality = "text"\n[data.inputs.other]\nmodality = "text"\n[analyzers.performance]\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    text = caught.value.describe()
    assert "data.inputs: a language model takes one text, and the data have further inputs" in text
    assert "found: 'other'" in text


def test_rows_know_their_text_wherever_they_are_taken(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text\nthe cat sat\n\nthe dog\nthe cat sat on the mat\n")
    table = DataTable(
        test="rows.csv", target="text", max_rows=6, inputs={"text": InputTable(modality="text", length=2)}
    )
    source = open_source(table, tmp_path, {})
    inputs = fit_inputs(source)
    data = build_evaluation(
        source, inputs, task="next-token", classes=class_names(source, inputs, "next-token"), seed=0
    )
    texts = [int(name.split(",")[0]) for name in data.row_ids]
    assert len(set(texts)) > 1
    assert np.asarray(data.clusters).tolist() == texts
    some = np.asarray([5, 0, 2])
    for chosen in (data.subset(some), read_only_data(data.subset(some))):
        assert np.asarray(chosen.clusters).tolist() == [texts[row] for row in some]
    assert np.asarray(data.take(some).clusters).tolist() == [texts[row] for row in some]
    assert not np.asarray(read_only_data(data).clusters).flags.writeable
