"""`TableFitting`: samples of a table, their outputs, and the local models fitted to them, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench_lime.fitting import LocalFits, fit_locally, joined, kernel, replaced
from auditbench_lime.outputs import check_outputs
from auditbench_lime.sampling import in_range
from auditbench_lime.shared_fitting import cheaper_directly, fit_directly, fit_shared, shared_samples
from auditbench_lime.shared_outputs import SharedOutputs

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
        check_outputs(sampled, "perturbed row")
        outputs = SharedOutputs.of(sampled, self.outputs.double(), self.targets)
        index = torch.arange(len(self.rows), device=self.rows.device)
        return joined([self._on_columns(drawn, outputs, rows) for rows in torch.split(index, _ROWS_OF_COLUMNS)])

    def independent(self) -> LocalFits:
        """Local models on samples that each row has to itself."""
        features = self.rows.shape[1]
        low, many = self.perturbations.ranges(np.arange(features), self.own)
        fits = []
        for part in self._blocks(len(self.rows), self.samples * 3 * features):
            count = part.stop - part.start
            drawn = self.perturbations.draw((count, features, self.samples))
            perturbed = self.perturbations.values(drawn)[:, :, 1:].transpose(1, 2).reshape(-1, features)
            sampled = self.prediction.of_all(perturbed)
            check_outputs(sampled, "perturbed row")
            outputs = torch.cat([self.outputs[part].unsqueeze(1), sampled.view(count, self.samples - 1, -1)], dim=1)
            chosen = self.targets.of_rows(part).select(outputs).transpose(1, 2).double().contiguous()
            same = torch.empty(drawn.shape, device=drawn.device)
            in_range(drawn, low[part].unsqueeze(2), many[part].unsqueeze(2), same)
            same[:, :, 0] = 1
            weights = kernel((same.sum(dim=1) - features).double(), self.kernel_width)
            fits.append(fit_locally(same, weights, chosen))
        return joined(fits)

    def _on_columns(self, drawn: torch.Tensor, outputs: SharedOutputs, rows: torch.Tensor) -> LocalFits:
        """Local models of some rows, by index."""
        columns, own = self._columns(drawn, self.own[rows.cpu().numpy()])

        def directly(at: torch.Tensor) -> LocalFits:
            return fit_directly(columns, own[at], outputs.exact(rows[at]), self.kernel_width)

        need = self.samples * (1 + 2 * self.targets.count)
        index = torch.arange(len(rows), device=rows.device)
        places = [index[part] for part in self._blocks(len(rows), need)]
        if cheaper_directly(len(columns), own.shape[1], self.targets.count):
            return joined([directly(at) for at in places])
        samples = shared_samples(columns)

        def iterated(at: torch.Tensor) -> tuple[LocalFits, torch.Tensor]:
            fits, solved = fit_shared(samples, own[at], outputs.standardised(rows[at]), self.kernel_width)
            return outputs.rescaled(fits, rows[at]), solved

        found = [iterated(places[0])]
        mostly = len(places) > 1 and 2 * int(found[0][1].sum()) > len(places[0])
        found += [iterated(at) for at in places[1:]] if mostly else []
        missed = (~torch.cat([solved for _, solved in found])).nonzero().squeeze(1)
        fits = joined([fit for fit, _ in found])
        for part in self._blocks(len(missed), need):
            fits = replaced(fits, missed[part], directly(missed[part]))
        return joined([fits, *(directly(at) for at in places[len(found) :])])

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
