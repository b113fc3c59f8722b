"""`check_dataset_loader`: whether a data set keeps what its contract promises, read as an audit would read it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auditbench.contracts import DatasetLoader, DatasetSource
from auditbench.errors import Problem
from auditbench.testing.conformance.promises import Conformance, Promise, demand
from auditbench.testing.conformance.samples import Sample, read_sample
from auditbench.testing.conformance.traces import fingerprint
from auditbench.testing.conformance.trying import Check, NotTried, conformance_of_record

if TYPE_CHECKING:
    from auditbench.data import TableSource

KIND = "dataset loader"


def check_dataset_loader(loader: DatasetLoader, path: Path | str) -> Conformance:
    """Pass when a data set keeps every promise that could be tried.

    Args:
        path: The sample: a TOML file with the table `[data]` of an audit.toml, whose `dataset` is the name of the loader.

    Raises:
        BrokenPromisesError: With every promise that is broken.
    """
    __tracebackhide__ = True
    return demand(dataset_conformance(loader, path))


def dataset_conformance(loader: DatasetLoader, path: Path | str | None) -> Conformance:
    """Which promises a data set keeps; raises nothing.

    Args:
        path: As of `check_dataset_loader`; without one, no promise is tried.
    """
    return conformance_of_record(
        KIND,
        loader,
        (DatasetLoader, "auditbench_dataset_loaders"),
        _Trial(loader=loader, path=None if path is None else Path(path)),
        CHECKS,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Trial:
    """A data set and the table that names it."""

    loader: DatasetLoader
    path: Path | None

    @functools.cached_property
    def sample(self) -> Sample:
        """The sample; raises NotTried without one."""
        if self.path is None:
            raise NotTried(
                f'no sample is named: write `samples."{self.loader.name}" = "FILE"` into [tool.auditbench.conformance] of '
                "pyproject.toml"
            )
        return read_sample(self.path)

    def place(self) -> DatasetSource:
        """Where the data set says that its files are."""
        return self.loader.load(self.sample.data)

    def read(self) -> TableSource:
        """Its rows; raises NotTried where they cannot be read, which a promise of its own tells."""
        try:
            return self.sample.source(self.loader)
        except NotTried:
            raise
        except (Exception, SystemExit) as error:
            raise NotTried("its rows cannot be read") from error


def _names_its_files(trial: _Trial) -> Problem | None:
    place: object = trial.place()
    if not isinstance(place, DatasetSource):
        return Problem(
            message="what it gave says no place",
            found=type(place).__name__,
            allowed="DatasetSource",
            fix="return DatasetSource(test=...)",
        )
    for name, path in _files(place):
        if not isinstance(path, Path) or not path.is_absolute() or not path.exists():
            return Problem(
                message="a file of it is not there",
                where=name,
                found=str(path),
                allowed="an absolute path of a file or folder that is there",
                fix="start from the folder of the module: `Path(__file__).parent`",
            )
    return None


def _is_read(trial: _Trial) -> Problem | None:
    if trial.sample.data.dataset != trial.loader.name:
        return Problem(
            message="the sample names another data set",
            where="data.dataset",
            found=str(trial.sample.data.dataset),
            allowed=trial.loader.name,
            fix=f'set data.dataset = "{trial.loader.name}"',
        )
    if len(trial.sample.source(trial.loader).test):
        return None
    return Problem(message="it has no row to evaluate", found="0 rows", allowed="one row or more", fix="add rows")


def _gives_the_same_rows(trial: _Trial) -> Problem | None:
    first, second = trial.read(), trial.read()
    same = fingerprint(first.digests) == fingerprint(second.digests) and len(first.test) == len(second.test)
    if same and trial.place() == trial.place():
        return None
    return Problem(
        message="two readings give other rows",
        found="another file, or a file with another content",
        allowed="the same rows each time: an audit that goes on reads them again",
        fix="carry the file along, or keep what was fetched and check its digest",
    )


def _tells_its_licence(trial: _Trial) -> Problem | None:
    place = trial.place()
    if place.licence.strip():
        return None
    return Problem(
        message="nothing says under which licence the data may be used",
        where="licence",
        found=repr(place.licence),
        allowed="one line for the report: name, origin, licence",
        fix='DatasetSource(..., licence="Adult (Census Income), UCI, CC BY 4.0")',
    )


def _files(place: DatasetSource) -> Iterator[tuple[str, object]]:
    yield "test", place.test
    if place.train is not None:
        yield "train", place.train


CHECKS: tuple[Check[_Trial], ...] = (
    (Promise(key="names-its-files", sentence="Names files that are there."), _names_its_files),
    (Promise(key="is-read", sentence="Has rows that an audit can read."), _is_read),
    (Promise(key="same-rows", sentence="Gives the same rows each time."), _gives_the_same_rows),
    (Promise(key="tells-its-licence", sentence="Says under which licence its rows may be used."), _tells_its_licence),
)
"""Every promise of a data set with what tries it."""
