"""The nearest training rows in a space of numbers: exact, in blocks, so that memory does not grow with all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float32]
    Numbers: TypeAlias = npt.NDArray[np.float64]
    Positions: TypeAlias = npt.NDArray[np.int64]

Distance: TypeAlias = Literal["cosine", "euclidean"]

NOT_THERE = -1
"""Position of a row that is no training row."""
_ROWS_AT_ONCE = 256
_TRAIN_ROWS_AT_ONCE = 16_384
_SPARE = 16
_NUMBERS_AT_ONCE = 2**23
"""Of the candidates of the rows that are looked for at once, in float64."""
_HALF_UNIT = 2.0**-24
"""Largest relative error of a rounding to float32; an inner product of n numbers takes n of them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbours:
    """The nearest training rows of each row.

    Attributes:
        positions: Shape `(rows, count)`, the nearest first.
        distances: Alike. Cosine: 1 - cosine of the angle, from 0 to 2, and 1 from or to a row of zeros.
    """

    positions: Positions
    distances: Numbers


def nearest(
    rows: Floats,
    train: Floats,
    count: int,
    *,
    own: Positions | None = None,
    distance: Distance,
    device: str = "cpu",
) -> Neighbours:
    """The `count` nearest training rows of each row but for itself, of all pairs, as float64 tells them apart.

    Of rows at one distance any may be taken.

    Args:
        rows: Shape `(rows, units)`; `train` `(training rows, units)`, at least `count` of them beside the row itself.
        own: Position of each row among the training rows, shape `(rows,)`, `NOT_THERE` where it is none of them; None where
            all are others.
    """
    places = np.full(len(rows), NOT_THERE) if own is None else own
    return _search(rows, places, _Space.of(train, distance, device), count)


def nearest_others(train: Floats, count: int, *, distance: Distance, device: str = "cpu") -> Neighbours:
    """The `count` nearest training rows of each training row but for itself, see `nearest`."""
    return nearest(train, train, count, own=np.arange(len(train)), distance=distance, device=device)


def of_own_cluster(
    clusters: Positions | None, train_clusters: Positions | None, near: Neighbours
) -> npt.NDArray[np.bool_] | None:
    """Which neighbours are of the cluster of the row, shape `(rows, count)`; None where clusters are not known.

    Args:
        clusters: Of the rows, shape `(rows,)`, below 0 where it is missing; `train_clusters` of the training rows.
    """
    if clusters is None or train_clusters is None:
        return None
    return np.asarray((train_clusters[near.positions] == clusters[:, np.newaxis]) & (clusters >= 0)[:, np.newaxis])


def distance_percentile(distances: Numbers, usual: Numbers) -> Numbers:
    """Share of the usual distances, shape `(training rows,)`, that are smaller than each distance, shape `(rows,)`."""
    return np.asarray(np.searchsorted(np.sort(usual), distances, side="left") / len(usual))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Space:
    """The training rows as points.

    Attributes:
        middle: Taken off every row, which keeps the digits of Euclidean distances; 0 for the cosine.
        quick: The points in float32, shape `(training rows, units)`.
        longest: Length of the longest point.
    """

    train: Floats
    distance: Distance
    middle: torch.Tensor
    quick: torch.Tensor
    longest: float

    @classmethod
    def of(cls, train: Floats, distance: Distance, device: str) -> _Space:
        centre = train.mean(axis=0, dtype=np.float64) if distance == "euclidean" else np.zeros(train.shape[1])
        middle = torch.from_numpy(centre).to(device)
        quick = torch.empty(train.shape, dtype=torch.float32, device=device)
        longest = 0.0
        for part in _parts(len(train), _TRAIN_ROWS_AT_ONCE):
            points = _points(train[part], distance, middle)
            quick[part] = points.float()
            longest = max(longest, float(torch.linalg.vector_norm(points, dim=1).max()))
        return cls(train=train, distance=distance, middle=middle, quick=quick, longest=longest)

    def points(self, rows: Floats) -> torch.Tensor:
        """Rows as points, in float64."""
        return _points(rows, self.distance, self.middle)


def _search(rows: Floats, own: Positions, space: _Space, count: int) -> Neighbours:
    parts = []
    for part in _parts(len(rows), max(1, min(_ROWS_AT_ONCE, _NUMBERS_AT_ONCE // ((count + _SPARE) * rows.shape[1])))):
        points = space.points(rows[part])
        parts.append(_nearest(space, points, torch.from_numpy(own[part]).to(points.device), count))
    return Neighbours(
        positions=np.concatenate([positions for positions, _ in parts]),
        distances=np.concatenate([distances for _, distances in parts]),
    )


def _nearest(space: _Space, points: torch.Tensor, own: torch.Tensor, count: int) -> tuple[Positions, Numbers]:
    """Candidates in float32, a few more than are asked for; in float64 for rows where its error could have lost one."""
    others = len(space.train) - (own >= 0).long()
    wanted = min(count + _SPARE, int(others.min()))
    found, worst = _candidates(space, points, own, wanted, torch.float32)
    positions, distances = _closest(space, points, found, count)
    last = torch.from_numpy(distances[:, -1]).to(points.device)
    lengths = torch.linalg.vector_norm(points, dim=1)
    nearness = 1 - last if space.distance == "cosine" else (lengths**2 - last**2) / 2
    error = (points.shape[1] + 4) * _HALF_UNIT * (lengths * space.longest + space.longest**2)
    unsure = (others > wanted) & (nearness <= worst + error)
    if unsure.any():
        found, _ = _candidates(space, points[unsure], own[unsure], count, torch.float64)
        rows = unsure.cpu().numpy()
        positions[rows], distances[rows] = _closest(space, points[unsure], found, count)
    return positions, distances


def _candidates(
    space: _Space, points: torch.Tensor, own: torch.Tensor, count: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions of the nearest rows by inner products of this type, and the nearness of the last of them.

    Nearness is the cosine, or half of (squared length of the point - squared distance).
    """
    asked = points.to(dtype)
    best = torch.empty((len(points), 0), dtype=dtype, device=points.device)
    found = torch.empty((len(points), 0), dtype=torch.int64, device=points.device)
    for part in _parts(len(space.train), _TRAIN_ROWS_AT_ONCE):
        block = space.quick[part] if dtype == torch.float32 else space.points(space.train[part])
        nearness = asked @ block.T
        if space.distance == "euclidean":
            nearness -= block.square().sum(dim=1) / 2
        inside = (own >= part.start) & (own < part.start + len(block))
        nearness[inside, own[inside] - part.start] = -torch.inf
        top = nearness.topk(min(count, len(block)), dim=1)
        best = torch.cat([best, top.values], dim=1)
        found = torch.cat([found, top.indices + part.start], dim=1)
        if best.shape[1] > count:
            kept = best.topk(count, dim=1)
            best, found = kept.values, found.gather(1, kept.indices)
    return found, best.double().min(dim=1).values


def _closest(space: _Space, points: torch.Tensor, found: torch.Tensor, count: int) -> tuple[Positions, Numbers]:
    """The nearest of the candidates, shape `(rows, candidates)`, by their distances in float64."""
    positions = found.cpu().numpy()
    near = space.points(space.train[positions.ravel()]).reshape(*positions.shape, points.shape[1])
    if space.distance == "euclidean":
        sizes = torch.linalg.vector_norm(points[:, None] - near, dim=2)
    else:
        sizes = 1 - torch.einsum("rd,rkd->rk", points, near).clamp(-1, 1)
    distances = sizes.cpu().numpy()
    order = np.lexsort((positions, distances), axis=1)[:, :count]
    return np.take_along_axis(positions, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _points(rows: Floats, distance: Distance, middle: torch.Tensor) -> torch.Tensor:
    """Rows in float64: around the middle, or scaled to length 1."""
    points = torch.from_numpy(np.ascontiguousarray(rows)).to(middle.device).double() - middle
    if distance == "euclidean":
        return points
    lengths = torch.linalg.vector_norm(points, dim=1, keepdim=True)
    return points / torch.where(lengths > 0, lengths, 1)


def _parts(total: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]
