"""Mixed precision: what a step computes in, while weights and their updates stay float32."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch

from auditbench.config_training import TrainTable
from auditbench.errors import TrainingError


class Precision:
    """Computes in `train.precision` on one device.

    With float16, the loss is scaled so that small gradients are not lost; a step whose gradients became infinite by it is
    left out and the scale halved, as `torch.amp.GradScaler` does.

    Raises:
        TrainingError: float16 is asked for on a device that is no GPU.
    """

    def __init__(self, table: TrainTable, device: torch.device) -> None:
        if table.precision == "float16" and device.type != "cuda":
            raise TrainingError(
                "half precision needs a GPU",
                where="train.precision",
                found=f"'float16' on {device.type}",
                allowed="'float32', 'bfloat16'",
                fix='set train.precision = "bfloat16", or train with --device cuda',
            )
        self._device = device
        self._dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(table.precision)
        self._scaler = torch.amp.GradScaler("cuda") if table.precision == "float16" else None

    def computing(self) -> AbstractContextManager[object]:
        """In it, networks compute in this precision where that is safe."""
        if self._dtype is None:
            return nullcontext()
        return torch.autocast(self._device.type, self._dtype)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of a loss, scaled where that is needed."""
        scaled = loss if self._scaler is None else self._scaler.scale(loss)
        scaled.backward()  # type: ignore[no-untyped-call]

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring gradients to their own size, once before a step."""
        if self._scaler is not None:
            self._scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        """Move the weights; whether they were, since a step of overflown gradients is left out."""
        if self._scaler is None:
            optimizer.step()
            return True
        scale = self._scaler.get_scale()
        self._scaler.step(optimizer)
        self._scaler.update()
        return self._scaler.get_scale() >= scale

    def state(self) -> dict[str, int | float]:
        """Numbers that a later run needs to go on as this one would."""
        return {} if self._scaler is None else dict(self._scaler.state_dict())

    def restore(self, state: Mapping[str, int | float]) -> None:
        """Go on from the state of an earlier run."""
        if self._scaler is not None:
            self._scaler.load_state_dict(dict(state))
