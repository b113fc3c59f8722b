"""`check_architecture` and `check_dataset_loader` name the promise that is broken, and pass what keeps them all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditbench.contracts import Architecture, DatasetLoader, DatasetSource
from auditbench.testing import BrokenPromisesError, Conformance, check_architecture, check_dataset_loader
from auditbench.testing.conformance import architectures, datasets
from tests.zoo.architectures import BAD, architecture, good, refuses

TABLE = '[data]\ndataset = "probe"\ntarget = "bought"\n'


def broken(conformance: Conformance) -> list[str]:
    return [outcome.promise.key for outcome in conformance.broken]


def test_a_good_architecture_keeps_every_promise() -> None:
    conformance = check_architecture(architecture(good))
    assert [outcome.state for outcome in conformance.outcomes] == ["kept"] * len(architectures.CHECKS)


@pytest.mark.parametrize(("bad", "promise"), BAD.values(), ids=BAD)
def test_the_promise_of_an_architecture_that_is_broken_is_named(bad: Architecture, promise: str) -> None:
    with pytest.raises(BrokenPromisesError) as raised:
        check_architecture(bad)
    assert promise in broken(raised.value.conformance)
    assert all(outcome.problem and outcome.problem.fix for outcome in raised.value.conformance.broken)


def test_every_promise_of_an_architecture_is_broken_by_one() -> None:
    assert {promise for _, promise in BAD.values()} == {promise.key for promise, _ in architectures.CHECKS}


def test_one_that_says_why_it_builds_nothing_is_not_tried() -> None:
    conformance = check_architecture(architecture(refuses))
    assert {outcome.promise.key for outcome in conformance.outcomes if outcome.state == "kept"} == {
        "defaults-are-valid",
        "parameters-have-help",
    }
    assert "the image is too small" in conformance.not_tried[0].reason


def data_set(folder: Path, load: Callable[[Any], Any] | None = None) -> tuple[DatasetLoader, Path]:
    """A data set of three rows, and the table that names it."""
    (folder / "rows.csv").write_text("age,bought\n1.0,no\n2.0,yes\n3.0,no\n")
    (folder / "sample.toml").write_text(TABLE)
    usual = DatasetSource(test=folder / "rows.csv", licence="made up for this test, CC0")
    return DatasetLoader(name="probe", summary="A probe", load=load or (lambda _: usual)), folder / "sample.toml"


def test_a_good_data_set_keeps_every_promise(tmp_path: Path) -> None:
    conformance = check_dataset_loader(*data_set(tmp_path))
    assert [outcome.state for outcome in conformance.outcomes] == ["kept"] * len(datasets.CHECKS)


def test_the_promise_of_a_data_set_that_is_broken_is_named(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"

    def absent(_: Any) -> DatasetSource:
        return DatasetSource(test=tmp_path / "absent.csv", licence="x")

    def unreadable(_: Any) -> DatasetSource:
        (tmp_path / "noise.parquet").write_bytes(b"no table")
        return DatasetSource(test=tmp_path / "noise.parquet", licence="x")

    def growing(_: Any) -> DatasetSource:
        rows.write_text(rows.read_text() + "4.0,no\n")
        return DatasetSource(test=rows, licence="x")

    def unlicensed(_: Any) -> DatasetSource:
        return DatasetSource(test=rows)

    cases = {
        "names-its-files": absent,
        "is-read": unreadable,
        "same-rows": growing,
        "tells-its-licence": unlicensed,
    }
    assert set(cases) == {promise.key for promise, _ in datasets.CHECKS}
    for promise, load in cases.items():
        assert promise in broken(datasets.dataset_conformance(*data_set(tmp_path, load))), promise


def test_a_table_of_another_data_set_is_told(tmp_path: Path) -> None:
    loader, path = data_set(tmp_path)
    path.write_text(TABLE.replace("probe", "adult"))
    assert "is-read" in broken(datasets.dataset_conformance(loader, path))
