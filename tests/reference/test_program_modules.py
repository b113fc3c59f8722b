"""Modules that are programs, scripted or exported, get the values of the module that they were made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench_captum import integrated_gradients
from auditbench_shap import shapley_values
from tests.naive_games import mlp, numbers

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


class Holding(nn.Module):
    """A module, a part of which is a program."""

    def __init__(self, part: Any) -> None:
        super().__init__()
        self.part = part
        self.scale = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.scale.weight)
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.part(rows)
        return torch.cat([self.scale(outputs[:, :1]), outputs[:, 1:]], dim=1)


def scripted(module: nn.Module, folder: Path) -> Any:
    return torch.jit.script(module)


def loaded(module: nn.Module, folder: Path) -> Any:
    path = str(folder / "module.pt")
    torch.jit.save(torch.jit.script(module), path)
    return torch.jit.load(path)  # noqa: TID251 - written above


def traced(module: nn.Module, folder: Path) -> Any:
    return torch.jit.trace(module, numbers(2, 5))


def holding(module: nn.Module, folder: Path) -> Any:
    return Holding(torch.jit.script(module))


def exported(module: nn.Module, folder: Path) -> Any:
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    path = folder / "module.pt2"
    torch.export.save(torch.export.export(module, (numbers(3, 5),), dynamic_shapes=dynamic), path)
    return torch.export.load(path).module()  # noqa: TID251 - written above


@pytest.mark.parametrize("program", [scripted, loaded, traced, holding, exported], ids=lambda make: make.__name__)
def test_programs_are_explained_as_the_module(program: Callable[[nn.Module, Path], Any], tmp_path: Path) -> None:
    module, rows, background = mlp(5, 2), numbers(6, 5), numbers(4, 5, seed=1)
    made = program(module, tmp_path)
    for explain in (
        lambda model: shapley_values(model, rows, background).values,
        lambda model: integrated_gradients(model, rows, baseline=background[0]).values,
    ):
        np.testing.assert_allclose(explain(made), explain(module), atol=1e-6)
