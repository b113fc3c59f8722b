"""Errors of methods on all rows that have gold values, over several seeds, apart from the clock.

A slow method is timed on a few rows, but its error is of the same rows as everybody's. What other libraries found for a
seed is kept on disk, since neither their code nor their seeds change.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.cache import kept, key_of
from benchmarks.gold import Gold, relative_errors
from benchmarks.methods import Answer, Method

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """From how many seeds errors are means.

    Attributes:
        peers: Of other libraries.
        own: Of ours, which explains rows with shared draws, so that its error differs more between seeds.
    """

    peers: int = 1
    own: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Relative errors of a method.

    Attributes:
        errors: One a seed, each a mean over all rows with gold values; at least one.
        reported: Reported standard errors over true errors, as root mean squares over rows, players and seeds; None
            where none are reported.
    """

    errors: tuple[float, ...]
    reported: float | None = None

    @property
    def error(self) -> float:
        """Mean over seeds."""
        return fmean(self.errors)

    @property
    def spread(self) -> float | None:
        """Standard deviation between seeds; None for a single one."""
        return stdev(self.errors) if len(self.errors) > 1 else None


class WithRows(Protocol):
    """What has rows to explain."""

    @property
    def name(self) -> str:
        """In file names."""

    @property
    def rows(self) -> npt.NDArray[np.float32]:
        """To explain; gold values are of the first ones."""


def accuracy(workload: WithRows, method: Method[Any], gold: Gold, seeds: Seeds) -> Accuracy | None:
    """Explain every row that has gold values, from each seed; None where the method gives no values."""
    import numpy as np

    own = method.library.startswith("auditbench")
    errors, reported, true = [], [], []
    for seed in range(seeds.own if own else seeds.peers):
        answer = _explained(workload, method, len(gold.values), seed) if own else _kept(workload, method, gold, seed)
        if answer.values is None:
            return None
        errors.append(float(relative_errors(answer.values, gold.values).mean()))
        if answer.standard_error is not None:
            reported.append(np.square(answer.standard_error).mean())
            true.append(np.square(answer.values - gold.values).mean())
    ratio = float(np.sqrt(np.mean(reported) / np.mean(true))) if reported else None
    return Accuracy(errors=tuple(errors), reported=ratio)


def _explained(workload: WithRows, method: Method[Any], rows: int, seed: int) -> Answer:
    """As many rows a call as the method takes; each call of a seed has draws of its own."""
    import numpy as np

    answers = [
        method.explain(workload, workload.rows[start : min(start + method.rows, rows)], 1000 * seed + start)
        for start in range(0, rows, method.rows)
    ]
    values, errors = ([getattr(answer, name) for answer in answers] for name in ("values", "standard_error"))
    return Answer(
        values=None if any(part is None for part in values) else np.concatenate(values),
        standard_error=None if any(part is None for part in errors) else np.concatenate(errors),
    )


def _kept(workload: WithRows, method: Method[Any], gold: Gold, seed: int) -> Answer:
    """The same, made anew where gold values, the library's version or the code that calls it differ."""
    also = (method.name, method.rows, seed, library_version(method.library), _code(method))
    key = key_of(gold.values, also=also)

    def make() -> dict[str, npt.NDArray[Any]]:
        values = _explained(workload, method, len(gold.values), seed).values
        return {} if values is None else {"values": values}

    return Answer(values=kept(f"peer-{workload.name}", key, make).get("values"))


def _code(method: Method[Any]) -> str:
    """The source of the function that calls the library, and of all beside it."""
    import inspect

    function = getattr(method.explain, "func", method.explain)
    return Path(inspect.getfile(function)).read_text(encoding="utf-8")


def library_version(library: str) -> str:
    """The installed version; `absent` where there is none."""
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"
