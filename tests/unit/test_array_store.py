"""Arrays on disk, as results hold them."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditbench.arrays import StoredArray
from auditbench.errors import ResultError
from auditbench.findings import Message
from auditbench.record import bind_arrays, plain, validate
from auditbench.results import AnalysisResult, Metric
from auditbench.worker.array_store import checked, with_stored, write_array

INFLUENCE = np.where(np.arange(3000) % 3 == 0, 1.5, -0.75).astype(np.float32)


def metric(influence: Any, **fields: Any) -> Metric:
    return Metric(**({"name": "rate", "value": 0.5, "n": 3, "no_interval": "exact", "influence": influence} | fields))


def stored_in(folder: Path, *metrics: Metric) -> AnalysisResult:
    result = AnalysisResult(analyzer="toy", metrics=metrics)
    return with_stored(checked(result), lambda name, array: write_array(folder, name, array))


def test_a_stored_array_is_read_from_any_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    stored = write_array(Path("run"), "a", np.arange(3.0))
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_array_equal(np.asarray(stored), [0.0, 1.0, 2.0])


def test_what_rows_do_to_metrics_is_a_small_file_of_each_metric(tmp_path: Path) -> None:
    """Metrics of one name are told apart by their place; what a record says of them finds them again."""
    result = stored_in(tmp_path, metric(INFLUENCE), metric(None), metric(-INFLUENCE), metric(INFLUENCE, name="../x"))
    document = json.loads(json.dumps(plain(result)))
    read = bind_arrays(validate(AnalysisResult, document, where="result"), tmp_path)
    assert [found.influence is None for found in read.metrics] == [False, True, False, False]
    for found, expected in zip((read.metrics[0], read.metrics[2], read.metrics[3]), (1, -1, 1), strict=True):
        assert isinstance(found.influence, StoredArray)
        assert found.influence.shape == INFLUENCE.shape
        np.testing.assert_array_equal(np.asarray(found.influence), expected * INFLUENCE)
        assert np.asarray(found.influence).dtype == np.float32
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files[0] == "arrays/toy/metrics/0000-rate/influence.npy.gz"
    assert len(files) == 3
    assert sum((tmp_path / file).stat().st_size for file in files) < INFLUENCE.nbytes / 4


def test_equal_arrays_are_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the time: gzip would write it down."""
    first = stored_in(tmp_path / "a", metric(INFLUENCE))
    monkeypatch.setattr("time.time", lambda: 1e9)
    second = stored_in(tmp_path / "b", metric(INFLUENCE))
    assert plain(first) == plain(second)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda whole: gzip.compress(gzip.decompress(whole) + bytes(1 << 24)), id="more-than-recorded"),
        pytest.param(lambda whole: whole[:-20], id="cut-short"),
        pytest.param(lambda whole: b"other", id="not-gzip"),
    ],
)
def test_a_compressed_array_is_read_up_to_its_shape(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    (kept,) = stored_in(tmp_path, metric(INFLUENCE)).metrics
    assert isinstance(kept.influence, StoredArray)
    path = tmp_path / kept.influence.path
    content = change(path.read_bytes())
    path.write_bytes(content)
    other = dataclasses.replace(kept.influence, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ResultError, match="not a gzip file of the recorded shape"):
        np.asarray(other)


@pytest.mark.parametrize(
    ("influence", "words"),
    [
        pytest.param(np.array([np.nan, 1.0]), "rate.influence", id="nan"),
        pytest.param(np.array([np.inf, 1.0]), "finite", id="inf"),
        pytest.param(np.array(["a"]), "numbers", id="text"),
    ],
)
def test_what_rows_do_to_a_metric_is_finite(influence: Any, words: str) -> None:
    with pytest.raises(ResultError, match=words):
        checked(AnalysisResult(analyzer="toy", metrics=(metric(influence),)))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"influence": np.zeros((2, 2))}, id="two-axes"),
        pytest.param({"influence": [1.0, -1.0]}, id="list"),
        pytest.param({"value": None, "reason": Message(key="toy.undefined")}, id="no-value"),
    ],
)
def test_what_rows_do_to_a_metric_has_one_number_a_row(fields: dict[str, Any]) -> None:
    with pytest.raises(ResultError, match=r"shape \(rows,\)"):
        metric(**({"influence": INFLUENCE} | fields))


def test_metrics_are_equal_whatever_rows_do_to_them() -> None:
    assert metric(INFLUENCE) == metric(-INFLUENCE)
    assert metric(INFLUENCE) != metric(INFLUENCE, value=0.25)
