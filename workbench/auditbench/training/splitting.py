"""Which training rows are held out for validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.errors import TrainingError

if TYPE_CHECKING:
    import numpy.typing as npt


def held_out(
    labels: npt.NDArray[np.int64] | None, rows: int, share: float, seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions of the rows to train on and of those held out, each in the order of the data.

    Args:
        labels: Class of each row, shape `(rows,)`: the share is held out of every class, rounded; None for regression.
        share: Between 0 and 1; at least one row is held out and one is kept.

    Raises:
        TrainingError: There are fewer than two rows.
    """
    if rows < 2:
        raise TrainingError(
            "there are too few rows to train on",
            where="data.train",
            found=f"{rows} row{'' if rows == 1 else 's'} with a label",
            allowed="at least 2, of which one is held out",
            fix="name a file with more training rows",
        )
    rng = np.random.default_rng([seed, rows])
    groups = [np.arange(rows)] if labels is None else [np.flatnonzero(labels == label) for label in np.unique(labels)]
    parts = []
    for group in groups:
        count = min(round(share * len(group)), len(group) - 1)
        parts.append(rng.permutation(group)[:count])
    validation = np.sort(np.concatenate(parts))
    if not len(validation):
        largest = max(groups, key=len)
        validation = rng.choice(largest if len(largest) > 1 else np.arange(rows), size=1)
    train = np.setdiff1d(np.arange(rows), validation)
    return train, validation
