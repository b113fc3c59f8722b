"""Architectures that break one promise each, and one that keeps them all."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import BaseModel, Field
from torch import nn

from auditbench.contracts import Architecture
from auditbench.data.inputs import ModelInput, encoded_size
from auditbench.errors import ConfigError
from auditbench.run import Modality

_calls = itertools.count(1)


class Params(BaseModel):
    units: int = Field(4, description="Hidden units.")


class NoDefault(BaseModel):
    units: int = Field(description="Hidden units.")


class NoHelp(BaseModel):
    units: int = 4


def good(params: Any, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    width = encoded_size(inputs)
    return nn.Sequential(nn.Flatten(), nn.Linear(width, params.units), nn.Tanh(), nn.Linear(params.units, outputs))


def raises(params: Any, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    raise IndexError("no such layer")


def refuses(params: Any, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    raise ConfigError("the image is too small", where="units", fix="take larger images")


def gives_no_network(params: Any, inputs: Mapping[str, ModelInput], outputs: int) -> Any:
    network = good(params, inputs, outputs)

    class Function:
        def to(self, *_: Any) -> Any:
            return network.forward

    return Function()


def has_one_output(params: Any, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    return good(params, inputs, 1)


def seeds_itself(params: Any, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    torch.manual_seed(next(_calls))
    return good(params, inputs, outputs)


class Detached(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.first, self.last = nn.Sequential(*list(network)[:2]), nn.Sequential(*list(network)[2:])  # type: ignore[call-overload]

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.last(self.first(encoded).detach())
        return outputs


class Drawn(nn.Module):
    """Keeps a number outside of its state."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.drawn = network, float(torch.rand(1))

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.network(encoded) + self.drawn
        return outputs


def detaches(params: Any, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    return Detached(good(params, inputs, outputs))


def keeps_a_number(params: Any, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    return Drawn(good(params, inputs, outputs))


def architecture(
    build: Any, params: Any = Params, modalities: tuple[Modality, ...] = ("tabular", "image")
) -> Architecture:
    return Architecture(name="probe", summary="A probe", build=build, Params=params, modalities=modalities)


BAD: Mapping[str, tuple[Architecture, str]] = {
    "no default": (architecture(good, NoDefault), "defaults-are-valid"),
    "no help": (architecture(good, NoHelp), "parameters-have-help"),
    "raises": (architecture(raises), "builds"),
    "no network": (architecture(gives_no_network), "builds"),
    "one output": (architecture(has_one_output), "gives-its-outputs"),
    "own seed": (architecture(seeds_itself), "seeded"),
    "detached": (architecture(detaches), "learns"),
    "a number": (architecture(keeps_a_number), "is-restored"),
}
"""What each does, and the promise that it breaks."""
