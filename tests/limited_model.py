"""A model that runs out of memory above so many rows, in a toy subject."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from auditbench.models import BatchSize
from auditbench.testing import ToySubject

CPU_TEXT = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4000000000 bytes. Error code 12 (Cannot allocate memory)"
)


class Limited(nn.Module):
    """Runs out of memory above `most` rows."""

    def __init__(self, module: nn.Module, most: int, error: Callable[[], Exception] = MemoryError) -> None:
        super().__init__()
        self.module = module
        self.most = most
        self.error = error
        self.tried: list[int] = []
        self.eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        self.tried.append(len(encoded))
        if len(encoded) > self.most:
            raise self.error()
        outputs: torch.Tensor = self.module(encoded)
        return outputs


def network(inputs: int = 9, outputs: int = 1) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, outputs))
    return layers.eval().requires_grad_(False)


def with_module(subject: ToySubject, module: nn.Module, rows: int = 1024) -> ToySubject:
    model = dataclasses.replace(subject.model, module=module, batch_rows=rows, batch=BatchSize(rows))
    return dataclasses.replace(subject, model=model)


def raw_rows(count: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    table = [rng.normal(40, 10, count), rng.normal(36, 8, count), rng.integers(0, 3, count), rng.integers(0, 2, count)]
    return {"features": np.column_stack(table)}
