"""Which evaluated rows two runs have in common: those of the same data with the same id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.digests import digest_of
from auditbench.errors import ResultError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.arrays import IntegerArray
    from auditbench.results import Metric
    from auditbench.run import DataFacts

ENOUGH = 0.95
"""Share of the rows of either run that has to be common for the two to be compared pair by pair."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # comparing arrays with == gives no truth value
class RowPairs:
    """Evaluated rows that two runs share.

    Attributes:
        baseline: Positions of the common rows in the baseline, `candidate` in the candidate, in one order.
        baseline_rows: Evaluated rows of the baseline; `candidate_rows` of the candidate.
        baseline_clusters: Cluster of each evaluated row of the baseline, `candidate_clusters` of the candidate; a cluster
            has one number in both. None where rows are independent, or a record does not say.
    """

    baseline: npt.NDArray[np.intp]
    candidate: npt.NDArray[np.intp]
    baseline_rows: int
    candidate_rows: int
    baseline_clusters: npt.NDArray[np.uint64] | None = None
    candidate_clusters: npt.NDArray[np.uint64] | None = None

    @property
    def n(self) -> int:
        """Common rows."""
        return len(self.baseline)

    @property
    def baseline_only(self) -> int:
        """Rows that the baseline alone has."""
        return self.baseline_rows - self.n

    @property
    def candidate_only(self) -> int:
        """Rows that the candidate alone has."""
        return self.candidate_rows - self.n

    @property
    def are_same(self) -> bool:
        """Whether the two runs evaluated the same rows, and no others."""
        return self.n == self.baseline_rows == self.candidate_rows

    @property
    def one_says_clusters(self) -> bool:
        """Whether one run says which rows depend on each other and the other does not."""
        return (self.baseline_clusters is None) != (self.candidate_clusters is None)

    @property
    def are_enough(self) -> bool:
        """Whether so many rows are common that the others may be left out."""
        return self.n > 0 and self.n >= ENOUGH * max(self.baseline_rows, self.candidate_rows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Common:
    """What two runs have in common.

    Attributes:
        model: Whether they audited one model at one threshold, so that equal values on the same rows are no chance.
        seed: Whether they drew the same sample where an analyzer looks at some of the rows.
    """

    rows: RowPairs
    model: bool
    seed: bool

    def is_exact(self, before: Metric, after: Metric) -> bool:
        """Whether two values without sampling error are of the same rows, or of none."""
        if all(metric.no_interval == "count" and metric.n == 1 for metric in (before, after)):
            return True
        return self.rows.are_same and (self.seed or min(before.n, after.n) >= self.rows.candidate_rows)

    def is_unchanged(self, before: Metric, after: Metric) -> bool:
        """Whether one model gave one value on the same rows."""
        return self.model and self.rows.are_same and before.value == after.value


def row_keys(row_ids: Iterable[str], data: DataFacts, *, file: str = "") -> npt.NDArray[np.uint64]:
    """A number a row by which another run finds it, shape `(rows,)`: 64 bits of a hash of data, target and row id.

    The number says nothing about the row to whoever does not know the data. The same id in another file, or of
    another target, gives another number.

    Args:
        file: Of the evaluated rows, as `data.digests` names it; where it does not, all of them count.
    """
    import hashlib

    import numpy as np

    digests = {file: data.digests[file]}.values() if file in data.digests else data.digests.values()
    base = hashlib.blake2b(digest_of([sorted(digests), data.target]).encode(), digest_size=8)

    def key(row_id: str) -> bytes:
        hashed = base.copy()
        hashed.update(row_id.encode("utf-8", "surrogatepass"))
        return hashed.digest()

    keys = np.frombuffer(b"".join(map(key, row_ids)), dtype="<u8").astype(np.uint64)
    keys.setflags(write=False)
    return keys


def cluster_keys(clusters: IntegerArray, data: DataFacts, *, file: str = "") -> npt.NDArray[np.uint64]:
    """A number a row for its cluster, shape `(rows,)`, which is the same in another run of the same data.

    Args:
        clusters: As `EvaluationData` has them; other arguments as for `row_keys`.
    """
    import numpy as np

    names, of_row = np.unique(np.asarray(clusters), return_inverse=True)
    keys = row_keys((f"cluster {name}" for name in names.tolist()), data, file=file)[of_row]
    keys.setflags(write=False)
    return keys


def pair_rows(
    baseline: IntegerArray | None,
    candidate: IntegerArray | None,
    *,
    baseline_rows: int,
    candidate_rows: int,
    baseline_clusters: IntegerArray | None = None,
    candidate_clusters: IntegerArray | None = None,
) -> RowPairs:
    """The rows that two runs share, by their keys; a key that stands twice in a run names no row.

    Args:
        baseline: Keys of the evaluated rows; None where a record has none, and then no row is common.
        baseline_rows: Evaluated rows of the baseline; `candidate_rows` of the candidate.
        baseline_clusters: Keys of the clusters of its rows, where these depend on each other; `candidate_clusters` alike.
    """
    import numpy as np

    first, second = _once(baseline, baseline_rows), _once(candidate, candidate_rows)
    _, at_first, at_second = np.intersect1d(first[0], second[0], assume_unique=True, return_indices=True)
    mine, other = first[1][at_first], second[1][at_second]
    order = np.argsort(mine, kind="stable")
    return RowPairs(
        baseline=mine[order],
        candidate=other[order],
        baseline_rows=baseline_rows,
        candidate_rows=candidate_rows,
        baseline_clusters=_of_rows(baseline_clusters, baseline_rows),
        candidate_clusters=_of_rows(candidate_clusters, candidate_rows),
    )


def _of_rows(keys: IntegerArray | None, rows: int) -> npt.NDArray[np.uint64] | None:
    """The keys, one a row; None where there are none.

    Raises:
        ResultError: There are more or fewer of them than rows.
    """
    import numpy as np

    if keys is None:
        return None
    numbers = np.asarray(keys, dtype=np.uint64)
    if numbers.shape != (rows,):
        raise ResultError("expected a cluster for each row", found=f"shape {numbers.shape}", allowed=f"({rows},)")
    return numbers


def _once(keys: IntegerArray | None, rows: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """The keys that stand once, and where."""
    import numpy as np

    numbers = np.asarray([] if keys is None else keys, dtype=np.uint64)
    if numbers.shape != (rows,):
        numbers = np.empty(0, dtype=np.uint64)
    unique, places, counts = np.unique(numbers, return_index=True, return_counts=True)
    return unique[counts == 1], places[counts == 1].astype(np.intp)
