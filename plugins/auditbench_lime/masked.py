"""`masked_lime_weights`: LIME over players that are hidden: superpixels, words, segments, groups of features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch

from auditbench.masking import (
    Coalitions,
    Evaluator,
    MaskedModel,
    Masker,
    Players,
    Target,
    Targets,
    all_finite,
    chosen_targets,
    generator,
    setting_of,
)
from auditbench_lime.fitting import LocalFits, fit_locally, kernel
from auditbench_lime.outputs import check_outputs
from auditbench_lime.weights import LimeWeights, as_prediction, check_samples, weights_of

if TYPE_CHECKING:
    from auditbench.masking.players import Groups
    from auditbench_lime.weights import Model, Rows

Removal: TypeAlias = Literal["half", "count"]

COSINE_WIDTH = 0.25
"""Kernel width on the cosine distance. lime's text explainer writes it as 25 on a hundred times the distance."""


def masked_lime_weights(
    model_or_predict: Model,
    rows: Rows,
    background: Rows | Masker,
    *,
    groups: Groups | Players | None = None,
    removal: Removal = "half",
    num_samples: int = 1000,
    independent: bool = False,
    target: Target = None,
    rng: np.random.Generator | None = None,
    kernel_width: float = COSINE_WIDTH,
) -> LimeWeights:
    """Fit lime's ridge regression on which players are kept, around each row.

    A sample counts by `exp(-d^2 / (2 kernel_width^2))` with the cosine distance `d = 1 - sqrt(kept / players)`; the row
    itself is the first. Where the masker has several replacements, the output of a sample is the mean over them.

    The model evaluates each sample for each row, so that samples in common save no model rows. They save time where the
    model is small.

    Args:
        model_or_predict: A module in evaluation mode, a function from an array of rows to outputs of shape
            `(rows,)` or `(rows, targets)`, or a `Prediction`.
        rows: Shape `(rows, ...)`: numbers, or token ids; a DataFrame gives players that are columns their names.
        background: Rows that stand in for what is hidden, shape `(background rows, ...)`, all of which are used; or a
            masker of `auditbench.masking`.
        groups: Players, as `auditbench.masking.players_of` takes them; each entry of a row when absent. A row that
            lacks the last players has weights of 0 for them.
        removal: `half` removes each player with probability 1/2, as lime does with superpixels; `count` removes a
            number of players that is uniform from 1 to all, as it does with words.
        num_samples: Samples of each fit, with the row itself; lime takes 1,000 for images and 5,000 for texts.
        independent: Whether each row has samples of its own, instead of sharing them with the rows of its block.
        target: None for all outputs, the index of one, `"predicted"` for each row's highest, or one index a row.
        rng: Seed 0 when absent.

    Raises:
        TypeError: `rng` is no generator.
        ValueError: A number or an output is NaN or infinite, groups or background do not fit the rows, a target or
            removal does not exist, the kernel width is not above 0, or there are fewer than 10 samples.

    References: arXiv:1602.04938, section 3.4; `LimeImageExplainer` and `LimeTextExplainer` of lime 0.2, with all
    players kept in the fit.
    """
    check_samples(num_samples, kernel_width)
    if removal not in ("half", "count"):
        raise ValueError(f"expected 'half' or 'count' as the removal, got {removal!r}")
    random, prediction = generator(rng), as_prediction(model_or_predict)
    before = prediction.rows
    setting = setting_of(prediction, rows, background, groups)
    given, players, masker = setting.rows, setting.players, setting.masker
    outputs = prediction.of_all(given)
    check_outputs(outputs, "row")
    targets = chosen_targets(target, outputs)
    model = MaskedModel(prediction, players, masker, given, targets=targets.count)
    game = _Game(model=model, rows=given, players=players, outputs=outputs, targets=targets)
    values = torch.zeros((len(given), targets.count, len(players)), dtype=torch.float64, device=given.device)
    intercept, r2, effective = torch.zeros_like(values[:, :, 0]), torch.zeros_like(values[:, :, 0]), values[:, 0, 0] * 0
    for part, present in _groups(players, len(given), 1 if independent else model.rows_together):
        kept = torch.from_numpy(drawn_masks(num_samples - 1, present, removal, random)).to(given.device)
        fits = game.fits(part.to(given.device), kept, kernel_width)
        values[part, :, :present], intercept[part], r2[part] = fits.coefficients, fits.intercept, fits.r2
        effective[part] = fits.effective_samples
    return weights_of(
        LocalFits(coefficients=values, intercept=intercept, r2=r2, effective_samples=effective),
        unseen=np.zeros((len(given), len(players)), dtype=bool),
        model_rows=prediction.rows - before,
        names=players.names,
    )


def drawn_masks(
    count: int, players: int, removal: Removal, rng: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which players each sample keeps, shape `(count, players)`."""
    if removal == "half" or not players:
        return rng.integers(0, 2, (count, players)).astype(np.bool_)
    removed = rng.integers(1, players + 1, (count, 1))
    places = rng.random((count, players)).argsort(axis=1)
    kept: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = places >= removed
    return kept


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Game:
    """All rows with their players and outputs."""

    model: MaskedModel
    rows: torch.Tensor
    players: Players
    outputs: torch.Tensor
    targets: Targets

    def fits(self, part: torch.Tensor, kept: torch.Tensor, kernel_width: float) -> LocalFits:
        """Local models of some rows, by index, that have as many players as the masks and share them."""
        rows, targets = self.rows[part], self.targets.of_rows(part)
        players = self.players.of_rows(part)
        evaluator = Evaluator(self.model, rows, players, targets)
        every = torch.ones((len(kept), len(players)), dtype=torch.bool, device=kept.device)
        every[:, : kept.shape[1]] = kept
        own = targets.select(self.outputs[part]).double().unsqueeze(1)
        means = _means(evaluator, every, own.new_zeros((len(part), len(every), targets.count)))
        outputs = torch.cat([own, means], dim=1).transpose(1, 2).flatten(0, 1).contiguous()
        same = torch.cat([kept.new_ones((1, kept.shape[1])), kept]).T.double()
        near = (same.sum(dim=0) / max(1, len(same))).sqrt()
        weights = kernel(-((1 - near) ** 2), kernel_width)
        fit = fit_locally(same.unsqueeze(0), weights.unsqueeze(0), outputs.unsqueeze(0))
        shape = (len(part), targets.count)
        return LocalFits(
            coefficients=fit.coefficients.view(*shape, -1),
            intercept=fit.intercept.view(shape),
            r2=fit.r2.view(shape),
            effective_samples=fit.effective_samples.expand(len(part)),
        )


def _means(evaluator: Evaluator, kept: torch.Tensor, sums: torch.Tensor) -> torch.Tensor:
    """Mean outputs over the replacements, some at a time; `sums` are zeros, shape `(rows, samples, targets)`."""
    replacements = torch.arange(evaluator.replacements, device=kept.device)
    together = max(1, evaluator.pairs_together() // len(kept))
    for start in range(0, len(replacements), together):
        some = replacements[start : start + together]
        outputs = evaluator.outputs(Coalitions(kept=kept.expand(len(some), *kept.shape), replacements=some))
        sums += outputs.double().sum(dim=1)
    if not all_finite(sums):
        raise ValueError("expected finite outputs of the model for rows with hidden players, got NaN or infinity")
    return sums / evaluator.replacements


def _groups(players: Players, rows: int, together: int) -> Iterator[tuple[torch.Tensor, int]]:
    """Rows that may share masks, by index, and the number of players that each of them has."""
    present = torch.full((rows,), len(players))
    if players.per_row:
        present = players.groups.flatten(1).amax(dim=1).cpu() + 1
    for count in torch.unique(present).tolist():
        for part in (present == count).nonzero().squeeze(1).split(together):
            yield part, int(count)
