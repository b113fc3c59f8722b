"""`SharedOutputs`: outputs of samples that rows share, with each row's own in place of the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from auditbench_lime.fitting import LocalFits, rescaled
from auditbench_lime.outputs import standardised

if TYPE_CHECKING:
    from auditbench.masking import Targets


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedOutputs:
    """Outputs of samples that all rows share; sample 0 is each row itself.

    Attributes:
        outputs: Of the samples, float64, shape `(samples, outputs)`; those of sample 0 mean nothing.
        numbers: The same, standardised, float32.
        own: Of the rows, float64, shape `(rows, outputs)`.
        centre: Of each output, shape `(outputs,)`; `scale` alike.
        varied: Whether the outputs of a row and of the samples differ, shape `(rows, outputs)`.
        targets: Of the rows.
    """

    outputs: torch.Tensor
    numbers: torch.Tensor
    own: torch.Tensor
    centre: torch.Tensor
    scale: torch.Tensor
    varied: torch.Tensor
    targets: Targets

    @classmethod
    def of(cls, sampled: torch.Tensor, own: torch.Tensor, targets: Targets) -> SharedOutputs:
        """Outputs of all samples but the first, and of the rows; both float64."""
        centre, scale, varied = standardised(sampled.T, sampled.mean(dim=0))
        outputs = torch.cat([sampled[:1], sampled])
        return cls(
            outputs=outputs,
            numbers=((outputs - centre) / scale).float(),
            own=own,
            centre=centre,
            scale=scale,
            varied=varied | (own != centre),
            targets=targets,
        )

    def exact(self, rows: torch.Tensor) -> torch.Tensor:
        """Outputs of the samples of some rows, float64, shape `(rows, targets, samples)`."""
        return self._chosen(self.outputs, self.own[rows], rows)

    def standardised(self, rows: torch.Tensor) -> torch.Tensor:
        """The same, standardised, float32."""
        return self._chosen(self.numbers, (self.own[rows] - self.centre) / self.scale, rows)

    def rescaled(self, fits: LocalFits, rows: torch.Tensor) -> LocalFits:
        """Fits of standardised outputs of some rows as fits of the outputs."""
        targets = self.targets.of_rows(rows)
        centre, scale = (targets.select(each.expand(len(rows), -1)) for each in (self.centre, self.scale))
        return rescaled(fits, centre, scale, targets.select(self.varied[rows]))

    def _chosen(self, sampled: torch.Tensor, own: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        targets = self.targets.of_rows(rows)
        chosen = targets.select(sampled.expand(len(rows), *sampled.shape)).transpose(1, 2).contiguous()
        chosen[:, :, 0] = targets.select(own)
        return chosen
