"""Rows of a language model against a naive cut of the same texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.config_file import load_config
from auditbench.data.inputs import PADDING, TextInput
from auditbench.data.next_tokens import token_rows
from auditbench.data.stored import stored
from auditbench.data.table import TablePart
from auditbench.errors import ConfigError

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
            if text[end] in LETTERS:
                rows.append((text[start:end], text[end], number, end + 1))
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
    total = sum(max(0, len(text) - 1) for text in texts)
    assert not overlapping or len(expected) + found.unknown == total


def test_shown_texts_are_what_the_model_sees() -> None:
    item = TextInput(unit="words", vocabulary=("the", "cat", "sat"), length=2)
    found = token_rows(part_of(["The cat sat", "the dog, the cat"]), "text", item, overlapping=True)
    assert found.part.inputs["text"][:].tolist() == ["the", "the cat", "the \ufffd", "\ufffd the"]
    assert found.y_true.tolist() == [1, 2, 0, 1]
    assert found.unknown == 1


@pytest.mark.parametrize(
    ("task", "target", "message"),
    [
        ("next-token", "label", "a next token is predicted from texts, and the target is none"),
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
