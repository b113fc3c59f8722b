"""Exact tails of the hypergeometric distribution, for many tables at once: Fisher's one-sided test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

_NEGLIGIBLE = 1e-17


def hypergeometric_tail(hits: Numbers, rows: Numbers, all_hits: Numbers, all_rows: Numbers) -> Numbers:
    """Chance of at least `hits` hits among `rows` rows that are drawn without replacement, shape `(tables,)`.

    Terms are added from the observed count outwards, each from the one before it, until they no longer count; below the
    mean it is the lower tail that is added up, and taken from 1. All arguments have shape `(tables,)` and are whole.

    Args:
        all_hits: Hits among all rows that are drawn from; `all_rows` how many these are.

    Source: Fisher (1935), J. Royal Statistical Society 98:39 (the exact test).
    """
    above = hits > rows * all_hits / np.maximum(all_rows, 1)
    tail = np.empty(len(hits))
    tail[above] = _outward(hits[above], rows[above], all_hits[above], all_rows[above], 1)
    below = ~above
    tail[below] = 1.0 - _outward(hits[below] - 1, rows[below], all_hits[below], all_rows[below], -1)
    return np.clip(tail, 0.0, 1.0)


def _outward(start: Numbers, rows: Numbers, all_hits: Numbers, all_rows: Numbers, step: int) -> Numbers:
    """Sum of probabilities from `start` on, upwards or downwards; 0 where there cannot be so few or so many hits."""
    failures, most = all_rows - all_hits, np.minimum(rows, all_hits)
    left = (start >= np.maximum(0, rows - failures)) & (start <= most)
    at = np.where(left, start, most)
    first = np.where(left, np.exp(_log_probability(at, rows, all_hits, all_rows)), 0.0)
    total, term = np.zeros(len(at)), np.ones(len(at))
    while left.any():
        total[left] += term[left]
        k = at[left] if step > 0 else at[left] - 1
        with np.errstate(divide="ignore"):
            ratio = (all_hits[left] - k) * (rows[left] - k) / ((k + 1) * (failures[left] - rows[left] + k + 1))
            term[left] = term[left] * ratio if step > 0 else np.where(k < 0, 0.0, term[left] / ratio)
        at[left] += step
        left &= term > _NEGLIGIBLE * total
    return first * total


def _log_probability(hits: Numbers, rows: Numbers, all_hits: Numbers, all_rows: Numbers) -> Numbers:
    log_chosen = _log_choose(all_hits, hits) + _log_choose(all_rows - all_hits, rows - hits)
    return np.asarray(log_chosen - _log_choose(all_rows, rows), dtype=np.float64)


def _log_choose(n: Numbers, k: Numbers) -> Numbers:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1), dtype=np.float64)
