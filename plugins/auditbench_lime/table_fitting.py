"""`TableFitting`: samples of a table, their outputs, and the local models fitted to them, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench_lime.fitting import LocalFits, fit_locally, joined, replaced, rescaled, standardised
from auditbench_lime.sampling import in_range
from auditbench_lime.shared_fitting import cheaper_directly, fit_directly, fit_shared, shared_samples

if TYPE_CHECKING:
    from auditbench.masking import Prediction, Targets
    from auditbench_lime.bins import Indices
    from auditbench_lime.sampling import Perturbations

_BLOCK_NUMBERS = {"cpu": 1 << 21, "cuda": 1 << 27}
"""Numbers that the samples of a block of rows have: on a CPU they stay in the last cache."""

_ROWS_OF_COLUMNS = 1024
"""Rows whose bins are written as columns at once, so that memory does not grow with the categories of all rows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableFitting:
    """What all blocks of rows need. Sample 0 of each fit is the row itself.

    Attributes:
        rows: Shape `(rows, features)`, as the model takes them.
        own: Bin of each of their values, of the same shape.
        outputs: Of the rows, shape `(rows, outputs)`.
        samples: Samples of each fit.
    """

    prediction: Prediction
    perturbations: Perturbations
    rows: torch.Tensor
    own: Indices
    outputs: torch.Tensor
    targets: Targets
    samples: int
    kernel_width: float

    def shared(self) -> LocalFits:
        """Local models on samples that all rows share."""
        drawn = self.perturbations.draw((self.rows.shape[1], self.samples))
        sampled = self.prediction.of_all(self.perturbations.values(drawn)[:, 1:].T.contiguous()).double()
        centre, scale = standardised(sampled.T)
        own_too = torch.cat([sampled[:1], sampled])  # at sample 0 each row's own outputs go
        numbers = ((own_too - centre) / scale).float()
        index = torch.arange(len(self.rows), device=self.rows.device)
        fits = joined(
            [self._on_columns(drawn, numbers, centre, scale, rows) for rows in torch.split(index, _ROWS_OF_COLUMNS)]
        )
        every = (self.targets.select(each.expand(len(index), -1)) for each in (centre, scale))
        return rescaled(fits, *every)

    def independent(self) -> LocalFits:
        """Local models on samples that each row has to itself."""
        features = self.rows.shape[1]
        low, many = self.perturbations.ranges(np.arange(features), self.own)
        fits = []
        for part in self._blocks(len(self.rows), self.samples * 3 * features):
            count = part.stop - part.start
            drawn = self.perturbations.draw((count, features, self.samples))
            perturbed = self.perturbations.values(drawn)[:, :, 1:].transpose(1, 2).reshape(-1, features)
            sampled = self.prediction.of_all(perturbed).view(count, self.samples - 1, -1)
            outputs = torch.cat([self.outputs[part].unsqueeze(1), sampled], dim=1).double()
            chosen = self.targets.of_rows(part).select(outputs).transpose(1, 2)
            centre, scale = standardised(chosen)
            same = torch.empty(drawn.shape, device=drawn.device)
            in_range(drawn, low[part].unsqueeze(2), many[part].unsqueeze(2), same)
            same[:, :, 0] = 1
            weights = (same.sum(dim=1) - features).mul_(1 / (2 * self.kernel_width**2)).exp_()
            numbers = ((chosen - centre.unsqueeze(2)) / scale.unsqueeze(2)).float()
            fits.append(rescaled(fit_locally(same, weights, numbers), centre, scale))
        return joined(fits)

    def _on_columns(
        self, drawn: torch.Tensor, numbers: torch.Tensor, centre: torch.Tensor, scale: torch.Tensor, rows: torch.Tensor
    ) -> LocalFits:
        """Local models of some rows, by index, of standardised outputs."""

        def outputs(part: torch.Tensor) -> torch.Tensor:
            """Of the samples of some rows, shape `(rows, targets, samples)`."""
            targets = self.targets.of_rows(part)
            chosen = targets.select(numbers.expand(len(part), *numbers.shape)).transpose(1, 2).contiguous()
            chosen[:, :, 0] = targets.select((self.outputs[part].double() - centre) / scale)
            return chosen

        columns, own = self._columns(drawn, self.own[rows.cpu().numpy()])
        need = self.samples * (1 + 2 * self.targets.count)
        places = [torch.arange(len(rows), device=rows.device)[part] for part in self._blocks(len(rows), need)]
        if cheaper_directly(len(columns), own.shape[1], self.targets.count):
            return joined([fit_directly(columns, own[at], outputs(rows[at]), self.kernel_width) for at in places])
        shared = shared_samples(columns)
        found = [fit_shared(shared, own[at], outputs(rows[at]), self.kernel_width) for at in places]
        fits = joined([fit for fit, _ in found])
        missed = (~torch.cat([accurate for _, accurate in found])).nonzero().squeeze(1)
        for part in self._blocks(len(missed), need):
            at = missed[part]
            fits = replaced(fits, at, fit_directly(columns, own[at], outputs(rows[at]), self.kernel_width))
        return fits

    def _columns(self, drawn: torch.Tensor, own: Indices) -> tuple[torch.Tensor, torch.Tensor]:
        """One-hot columns of the bins that rows are in, then one of ones; and the columns of each row's own bins."""
        features = own.shape[1]
        pairs = (own + 1) * features + np.arange(features)
        found, index = np.unique(pairs, return_inverse=True)
        owners = found % features
        low, many = self.perturbations.ranges(owners, found // features - 1)
        columns = torch.ones((len(found) + 1, self.samples), device=drawn.device)
        in_range(drawn[torch.from_numpy(owners).to(drawn.device)], low.unsqueeze(1), many.unsqueeze(1), columns[:-1])
        columns[:, 0] = 1
        return columns, torch.from_numpy(index.reshape(pairs.shape)).to(drawn.device)

    def _blocks(self, rows: int, numbers: int) -> Iterator[slice]:
        """Blocks of so many rows, where each needs so many numbers."""
        together = max(1, _BLOCK_NUMBERS.get(self.rows.device.type, _BLOCK_NUMBERS["cpu"]) // numbers)
        for start in range(0, rows, together):
            yield slice(start, min(start + together, rows))
