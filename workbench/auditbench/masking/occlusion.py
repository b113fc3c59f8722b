"""`occlusion`: what the output loses when one player is hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.masking.coalitions import Coalitions
from auditbench.masking.players import NOBODY, Players
from auditbench.masking.targets import Target, chosen_targets

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import nn

    from auditbench.masking.evaluator import Evaluator
    from auditbench.masking.players import Groups
    from auditbench.masking.prediction import Prediction


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Occlusion:
    """Differences that hiding one player makes, in the unit of the model's output.

    They add up to nothing in particular: two players that say the same are both worth little alone.

    Attributes:
        values: Output of the row minus the mean output with the player hidden; shape `(rows, targets, players)`,
            float64. 0 for a player that a row lacks.
        outputs: Of the whole rows, shape `(rows, targets)`, float64.
        model_rows: Rows that the model evaluated, in all.
        names: Of the players.
    """

    values: npt.NDArray[np.float64]
    outputs: npt.NDArray[np.float64]
    model_rows: int
    names: tuple[str, ...]


def occlusion(
    model_or_predict: nn.Module | Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | Prediction,
    rows: Any,
    background: Any,
    *,
    groups: Groups | Players | None = None,
    target: Target = None,
) -> Occlusion:
    """Hide each player alone, with each replacement: so many model rows a row, and one for the row itself.

    Replacements that all rows share are evaluated once as well, as the evaluator does for any explainer.

    Args:
        model_or_predict: A module in evaluation mode, or a function from numpy rows to outputs of shape `(rows,)` or
            `(rows, outputs)`.
        rows: Rows to explain, array, table or tensor of shape `(rows, ...)`, without NaN.
        background: Rows that stand in for what is hidden, all of which are used, or a masker of `auditbench.masking`.
        groups: Players, as `auditbench.masking.players_of` takes them; each entry of a row when absent.
        target: None for all outputs, the index of one, `"predicted"` for each row's highest, or one index a row.

    References: arXiv:1311.2901, section 4.2 (occlusion of parts of an image).
    """
    import torch

    from auditbench.masking.evaluator import Evaluator, MaskedModel
    from auditbench.masking.prediction import Prediction
    from auditbench.masking.setting import setting_of

    prediction = model_or_predict if isinstance(model_or_predict, Prediction) else Prediction(model_or_predict)
    before = prediction.rows
    setting = setting_of(prediction, rows, background, groups)
    tensor, players = setting.rows, setting.players
    outputs = prediction.of_all(tensor)
    targets = chosen_targets(target, outputs)
    model = MaskedModel(prediction, players, setting.masker, tensor, targets=targets.count)
    whole = targets.select(outputs).double()
    found = []
    for start in range(0, len(tensor), model.rows_together):
        part = slice(start, start + model.rows_together)
        evaluator = Evaluator(model, tensor[part], players.of_rows(part), targets.of_rows(part))
        found.append(_without_each(evaluator, tensor[part], targets.count, len(players)))
    values = (whole.unsqueeze(1) - torch.cat(found)).where(_present(players).unsqueeze(2).to(whole.device), 0.0)
    return Occlusion(
        values=values.transpose(1, 2).cpu().numpy(),
        outputs=whole.cpu().numpy(),
        model_rows=prediction.rows - before,
        names=players.names,
    )


def _without_each(evaluator: Evaluator, rows: torch.Tensor, targets: int, players: int) -> torch.Tensor:
    """Mean output with each player hidden, shape `(rows, players, targets)`, float64."""
    import torch

    kept = ~torch.eye(players, dtype=torch.bool, device=rows.device)
    replacements = torch.arange(evaluator.replacements, device=rows.device)
    together = max(1, evaluator.pairs_together() // players)
    sums = torch.zeros((len(rows), players, targets), dtype=torch.float64, device=rows.device)
    for start in range(0, len(replacements), together):
        some = replacements[start : start + together]
        outputs = evaluator.outputs(Coalitions(kept=kept.expand(len(some), -1, -1), replacements=some))
        sums.add_(outputs.double().sum(dim=1))
    return sums / evaluator.replacements


def _present(players: Players) -> torch.Tensor:
    """Which players have an entry, shape `(rows or 1, players)`."""
    import torch

    owners = players.groups.flatten(1) if players.per_row else players.groups.flatten().unsqueeze(0)
    present = torch.zeros((len(owners), len(players) + 1), dtype=torch.bool, device=owners.device)
    return present.scatter_(1, owners - NOBODY, value=True)[:, 1:]
