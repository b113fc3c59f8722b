"""Outputs of samples: refused where they are not finite, and standardised so that float32 serves for their sums."""

from __future__ import annotations

import torch

from auditbench.masking import all_finite


def check_outputs(outputs: torch.Tensor, of: str) -> None:
    """Refuse NaN and infinity.

    Args:
        outputs: Shape `(any, outputs)`.
        of: What they belong to, such as `row`.

    Raises:
        ValueError: One is not finite.
    """
    if all_finite(outputs):
        return
    place, output = (~torch.isfinite(outputs)).nonzero()[0].tolist()
    raise ValueError(
        f"expected finite outputs of the model, got {outputs[place, output].item()} (NaN or infinity) for {of} {place},"
        f" output {output}"
    )


def standardised(outputs: torch.Tensor, mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Centre and scale of outputs over their last axis, and whether they differ; 1 is the scale of those that do not.

    The scale is the range, which does not overflow as squares do.

    Args:
        outputs: float64, shape `(..., samples)`.
        mean: The centre where outputs differ, shape `(...)`.
    """
    lowest, highest = torch.aminmax(outputs, dim=-1)
    varied = highest > lowest
    return torch.where(varied, mean, lowest), torch.where(varied, highest - lowest, 1.0), varied
