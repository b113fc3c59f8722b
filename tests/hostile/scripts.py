"""Modules that TorchScript compiles, and that write a file.

TorchScript reads annotations as they are, so this file has no `from __future__ import annotations`.
"""

import torch
from torch import nn


class WritesInForward(nn.Module):
    path: str

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.path)
        return x


class MapsAFile(nn.Module):
    path: str

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file(self.path, True, 4).sum()


class WritesWhenOpened(nn.Module):
    path: str

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    @torch.jit.export
    def __getstate__(self) -> str:
        return self.path

    @torch.jit.export
    def __setstate__(self, state: str) -> None:
        self.training = False
        self.path = state
        torch.save(torch.ones(1), state)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Loops(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while bool(x.sum() < 10**9):
            x = x - 1
        return x
