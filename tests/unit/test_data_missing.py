"""What evaluated rows lack is counted by input, in blocks, and told in the record."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from auditbench.data.inputs import ImageInput, SeriesInput, TextInput
from auditbench.data.missing import counted_inputs
from auditbench.data.stored import StoredArray, stored
from auditbench.run import DataFacts, InputFacts
from auditbench.supervisor.data_warnings import data_warnings

NAN = np.nan


def series(rows: Any) -> InputFacts:
    array = np.asarray(rows, dtype=np.float64)
    names = tuple(f"channel {index}" for index in range(array.shape[1]))
    ones = (1.0,) * len(names)
    item = SeriesInput(channels=names, steps=array.shape[2], mean=ones, scale=ones)
    (facts,) = counted_inputs({"pulse": item}, {"pulse": stored(array)})
    return facts


@pytest.mark.parametrize(
    ("row", "incomplete", "empty"),
    [
        pytest.param([[1, 2, 3], [4, 5, 6]], 0, 0, id="whole"),
        pytest.param([[1, 2, NAN], [4, 5, NAN]], 0, 0, id="shorter"),
        pytest.param([[1, 2, NAN], [4, 5, 6]], 0, 0, id="one-channel-shorter"),
        pytest.param([[1, NAN, 3], [4, 5, 6]], 1, 0, id="inside"),
        pytest.param([[NAN, 2, NAN], [4, 5, 6]], 1, 0, id="begin"),
        pytest.param([[NAN, NAN, NAN], [4, 5, 6]], 1, 0, id="channel"),
        pytest.param([[NAN, NAN, NAN], [NAN, NAN, NAN]], 0, 1, id="nothing"),
    ],
)
def test_what_a_series_lacks(row: Any, incomplete: int, empty: int) -> None:
    facts = series([[[1, 2, 3], [4, 5, 6]], row])
    assert (facts.incomplete, facts.empty) == (incomplete, empty)


def lacks(row: npt.NDArray[Any]) -> str:
    """Word by word: the end of a channel is behind its last number."""
    if all(np.isnan(step) for channel in row for step in channel):
        return "empty"
    for channel in row:
        steps = channel.tolist()
        while steps and np.isnan(steps[-1]):
            steps.pop()
        if not steps or any(np.isnan(step) for step in steps):
            return "incomplete"
    return ""


@given(hnp.arrays(np.float64, (5, 2, 4), elements=st.sampled_from([1.0, NAN])))
def test_counts_are_those_of_a_slow_count(rows: npt.NDArray[Any]) -> None:
    found = [lacks(row) for row in rows]
    facts = series(rows)
    assert (facts.incomplete, facts.empty) == (found.count("incomplete"), found.count("empty"))


def test_rows_are_counted_in_blocks_and_images_are_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench.data.stored._BLOCK_ROWS", 2)
    sizes: list[int] = []
    ids = np.asarray([[2, 0], [0, 0], [1, 0], [0, 0], [0, 0]])

    def read(rows: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        sizes.append(len(rows))
        return ids[rows]

    def refuse(rows: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        raise AssertionError("an image was read")

    def array(function: Any) -> StoredArray:
        return StoredArray(read=function, positions=np.arange(5), row_shape=(2,), dtype=np.dtype(np.int64))

    inputs = {
        "note": TextInput(unit="words", vocabulary=("a",), length=2),
        "photo": ImageInput(channels=1, height=1, width=2, mean=(0.0,), scale=(1.0,)),
    }
    note, photo = counted_inputs(inputs, {"note": array(read), "photo": array(refuse)})
    assert (note.empty, note.incomplete) == (3, None)
    assert (photo.empty, photo.incomplete) == (None, None)
    assert sizes == [2, 2, 1]


def test_each_input_with_rows_of_nothing_gives_a_warning() -> None:
    facts = DataFacts(name="d", digests={}, rows=9, train_rows=0, target="y")
    note = InputFacts(name="note", modality="text", shape=(4,), empty=2)
    pulse = InputFacts(name="pulse", modality="series", shape=(1, 4), incomplete=3, empty=0)
    (warning,) = data_warnings(dataclasses.replace(facts, inputs=(note, pulse)))
    assert warning.key == "core.empty_text"
    assert warning.values == {"input": "note", "n": 2, "rows": 9}
    assert data_warnings(facts) == ()
