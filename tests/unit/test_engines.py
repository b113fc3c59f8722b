"""The local engine: chunks in order, each with the form it must have, and no step twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditbench.engines.local import LocalEngine
from auditbench.errors import ResultError
from auditbench.testing import QuietHost, toy_context, toy_subject
from auditbench.worker.array_store import FileChunks


def mapped(function: Callable[..., Any], *, chunk_rows: int = 4, engine: LocalEngine | None = None) -> Any:
    context = toy_context(toy_subject(rows=10), engine=engine)
    return context.map_rows(function, context.data.take(np.arange(10)), step="work", chunk_rows=chunk_rows)


def test_chunks_join_in_order_whatever_their_size() -> None:
    def work(rows: Any, rng: Any) -> dict[str, Any]:
        return {"y": rows.y_true, "x": rows.inputs["features"]}

    whole = mapped(work, chunk_rows=10)
    for chunk_rows in (1, 3, 4):
        for name, array in mapped(work, chunk_rows=chunk_rows).items():
            np.testing.assert_array_equal(array, whole[name])


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        pytest.param(lambda rows: {"a": np.zeros(3)}, "begin with 4 rows", id="too-few-rows"),
        pytest.param(lambda rows: {"a": np.zeros(())}, "begin with 4 rows", id="no-rows"),
        pytest.param(lambda rows: np.zeros(len(rows)), "arrays by name", id="no-names"),
        pytest.param(lambda rows: {"a": [0.0] * len(rows)}, "list under 'a'", id="list"),
        pytest.param(lambda rows: {1: np.zeros(len(rows))}, "under 1", id="number-as-name"),
        pytest.param(lambda rows: {"a": np.full(len(rows), None)}, "object", id="objects"),
    ],
)
def test_what_is_no_work_over_rows_is_named(returned: Callable[..., Any], words: str) -> None:
    with pytest.raises(ResultError) as caught:
        mapped(lambda rows, rng: returned(rows))
    assert caught.value.problems[0].where == "step work, chunk 0"
    assert words in caught.value.describe()


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(lambda rows: {"b": np.zeros(len(rows))}, id="another-name"),
        pytest.param(lambda rows: {"a": np.zeros(len(rows)), "b": np.zeros(len(rows))}, id="one-more-name"),
        pytest.param(lambda rows: {"a": np.zeros((len(rows), 2))}, id="another-shape"),
        pytest.param(lambda rows: {}, id="nothing"),
    ],
)
def test_every_chunk_has_the_form_of_the_first(last: Callable[..., Any], tmp_path: Path) -> None:
    saved: list[dict[str, Any]] = []
    engine = LocalEngine(FileChunks(tmp_path, [], saved.append))
    with pytest.raises(ResultError) as caught:
        mapped(lambda rows, rng: {"a": np.zeros(len(rows))} if len(rows) == 4 else last(rows), engine=engine)
    assert caught.value.problems[0].where == "step work, chunk 2"
    assert [record["chunk"] for record in saved] == [0, 1]


def test_a_step_name_used_twice_is_refused() -> None:
    engine = LocalEngine()
    mapped(lambda rows, rng: {}, engine=engine)
    with pytest.raises(ResultError, match="different step") as caught:
        mapped(lambda rows, rng: {}, engine=engine)
    assert caught.value.problems[0].found == "work"


def test_chunks_of_two_analyzers_and_steps_share_no_file(tmp_path: Path) -> None:
    saved: list[dict[str, Any]] = []
    store = FileChunks(tmp_path, [], saved.append)
    for analyzer, step in (("a", "b-c"), ("a-b", "c"), ("a", "B-C")):
        store.save(analyzer, step, 0, {"x": np.zeros(1)})
    assert len({record["file"] for record in saved}) == 3
    assert saved[0]["file"] == "chunks/a/b-c/000000.npz"


def test_progress_is_plain_numbers() -> None:
    host = QuietHost()
    toy_context(host=host).progress(np.int64(1), np.float64(2.0), step="rows")  # type: ignore[arg-type]
    assert [(type(done), type(total)) for _, _, done, total in host.steps] == [(int, int)]


@pytest.mark.parametrize(("done", "total"), [(None, 1), (1, None), (float("nan"), 1), (1, float("inf")), ("x", 1)])
def test_progress_that_is_no_number_is_the_analyzers_mistake(done: Any, total: Any) -> None:
    host = QuietHost()
    with pytest.raises(ResultError, match="numbers as progress"):
        toy_context(host=host).progress(done, total)
    with pytest.raises(ResultError, match="text as the step"):
        toy_context(host=host).progress(1, 2, step=3)  # type: ignore[arg-type]
    assert host.steps == []
