"""Shapley values that the errors are measured against, computed the plain way."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.cache import kept, key_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import nn

    from benchmarks.workloads import Table

    Numbers = npt.NDArray[np.float64]
    Game = Callable[[npt.NDArray[np.bool_], int], Numbers]

EXACT_UP_TO = 12
GOLD_ROWS = 16
_ROUNDS = 200
_BLOCK = 8192


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gold:
    """Reference values.

    Attributes:
        values: Shape `(rows, players)`, of the first rows of a workload.
        error: Their own relative error, estimated from two halves of the draws; 0 where exact.
    """

    values: Numbers
    error: float


def table_gold(workload: Table, rows: int = GOLD_ROWS) -> Gold:
    """Interventional Shapley values of a table's first rows, for its background and its one output.

    Up to 12 features they are exact, in double precision; else they are means over many antithetic permutations.
    """
    import numpy as np

    return gold_values(
        workload.name, workload.model, workload.rows[:rows], workload.background, np.arange(workload.features)
    )


def gold_values(
    name: str,
    model: nn.Module,
    rows: npt.NDArray[np.float32],
    background: npt.NDArray[np.float32],
    players: npt.NDArray[np.int64],
    *,
    targets: npt.NDArray[np.int64] | None = None,
    rounds: int = _ROUNDS,
) -> Gold:
    """The same of any module; kept on disk.

    Args:
        rows: Shape `(rows, *row shape)`.
        background: Shape `(background rows, *row shape)`.
        players: Which player each entry of a row belongs to; shape `(*row shape)`, or one that stretches to it.
        targets: Which output is explained, shape `(rows,)`; the first where absent.
        rounds: Antithetic pairs of permutations of each row and background row, where it is not exact.
    """
    import numpy as np

    weights = [values.detach().cpu().numpy() for values in model.state_dict().values()]
    chosen = np.zeros(len(rows), dtype=np.int64) if targets is None else targets
    count = int(players.max()) + 1
    key = key_of(rows, background, players, chosen, *weights, also=(rounds, EXACT_UP_TO))

    def make() -> dict[str, npt.NDArray[np.float64]]:
        exact = count <= EXACT_UP_TO
        module = copy.deepcopy(model).cpu()
        double = module.double() if exact else module.float()
        halves: list[list[Numbers]] = [[]] if exact else [[], []]
        for row, target in zip(rows, chosen, strict=True):
            game = _game(double, row, background, players, int(target))
            for half, values in enumerate(halves):
                found = _exact(game, count, len(background)) if exact else None
                values.append(found if found is not None else _permuted(game, count, len(background), rounds, half))
        return {f"half{index}": np.stack(values) for index, values in enumerate(halves)}

    parts = list(kept(f"gold-{name}", key, make).values())
    error = relative_error(parts[0], parts[1]) / 2 if len(parts) == 2 else 0.0
    return Gold(values=np.mean(parts, axis=0), error=error)


def relative_error(values: npt.NDArray[Any], gold: npt.NDArray[Any]) -> float:
    """Mean over rows of the length of the difference as a share of the length of the gold values."""
    return float(relative_errors(values, gold).mean())


def relative_errors(values: npt.NDArray[Any], gold: npt.NDArray[Any]) -> Numbers:
    """The same of each row, shape `(rows,)`."""
    import numpy as np

    return np.asarray(np.linalg.norm(values - gold, axis=1) / np.linalg.norm(gold, axis=1))


def _game(
    model: nn.Module,
    row: npt.NDArray[np.float32],
    background: npt.NDArray[np.float32],
    players: npt.NDArray[np.int64],
    target: int,
) -> Game:
    """Outputs of coalitions, shape `(coalitions, players)`, with one row of the background in place of the others."""
    import numpy as np
    import torch

    kind = next(model.parameters()).dtype
    given, hidden = (torch.from_numpy(part).to(kind) for part in (row, background))
    place = torch.from_numpy(np.broadcast_to(players, row.shape).copy())

    def outputs(coalitions: npt.NDArray[np.bool_], index: int) -> Numbers:
        values = np.empty(len(coalitions))
        with torch.inference_mode():
            for start in range(0, len(coalitions), _BLOCK):
                block = torch.from_numpy(coalitions[start : start + _BLOCK])
                masked = torch.where(block[:, place], given, hidden[index])
                values[start : start + _BLOCK] = model(masked)[:, target].numpy()
        return values

    return outputs


def _exact(game: Game, players: int, background: int) -> Numbers:
    """Every coalition on every background row, weighted as Shapley (1953) has it."""
    import numpy as np

    coalitions = ((np.arange(2**players)[:, None] >> np.arange(players)) & 1).astype(bool)
    worth = np.mean([game(coalitions, index) for index in range(background)], axis=0)
    sizes = coalitions.sum(axis=1)
    weight = np.array([1 / (players * math.comb(players - 1, size)) for size in range(players)])
    values = np.empty(players)
    for player in range(players):
        without = np.flatnonzero(~coalitions[:, player])
        values[player] = (weight[sizes[without]] * (worth[without | (1 << player)] - worth[without])).sum()
    return values


def _permuted(game: Game, players: int, background: int, rounds: int, half: int) -> Numbers:
    """Walks along random orders and back, as many on each background row; half of the rounds, drawn for this half."""
    import numpy as np

    rng = np.random.default_rng([7, half])
    total, walks = np.zeros(players), 0
    for start in range(0, rounds // 2, _ROUNDS):
        drawn = min(_ROUNDS, rounds // 2 - start)
        walks += 2 * drawn
        for index in range(background):
            forward = rng.permuted(np.tile(np.arange(players), (drawn, 1)), axis=1)
            places = np.argsort(np.concatenate([forward, forward[:, ::-1]]), axis=1)
            reached = places[:, None, :] < np.arange(players + 1)[:, None]
            worth = game(reached.reshape(-1, players), index).reshape(len(places), players + 1)
            total += np.take_along_axis(np.diff(worth, axis=1), places, axis=1).sum(axis=0)
    return total / (walks * background)
