"""What a step changes before it moves the weights, kept so that a step can be begun again."""

from __future__ import annotations

import torch
from torch import nn

from auditbench.training.augmentation import Augmentation


class StepStart:
    """Random numbers and buffers of a network as they were when `keep` was last called.

    Buffers of parts in evaluation mode are left out: a forward pass leaves them as they are.
    """

    def __init__(self, network: nn.Module, augmentation: Augmentation | None, device: torch.device) -> None:
        self._with_buffers = [
            module for module in network.modules() if any(True for _ in module.buffers(recurse=False))
        ]
        self._varying = None if augmentation is None else augmentation.generator
        self._device = device
        self.keep()

    def keep(self) -> None:
        """Remember what is there now."""
        self._cpu = torch.get_rng_state()
        self._gpu = torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None
        self._varied = None if self._varying is None else self._varying.get_state()
        self._buffers = [
            (module, name, buffer, buffer.clone())
            for module in self._with_buffers
            if module.training
            for name, buffer in module.named_buffers(recurse=False)
        ]

    def put_back(self) -> None:
        """Make random numbers and buffers again what was kept."""
        torch.set_rng_state(self._cpu)
        if self._gpu is not None:
            torch.cuda.set_rng_state(self._gpu, self._device)
        if self._varying is not None and self._varied is not None:
            self._varying.set_state(self._varied)
        with torch.no_grad():
            for module, name, buffer, values in self._buffers:
                setattr(module, name, buffer.copy_(values))
