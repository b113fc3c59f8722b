"""Building a network from an architecture and its parameters."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from auditbench.errors import ModelError, Problem
from auditbench.models.architecture import Architecture
from auditbench.models.architectures import modality_problem, usually_called

if TYPE_CHECKING:
    from auditbench.data.inputs import ModelInput
    from auditbench.models.description import OutputScaling


class ScaledOutput(nn.Module):
    """A network whose outputs are brought to the unit of the target: `network(x) * scale + mean`."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, network: nn.Module, scaling: OutputScaling) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(scaling.mean, dtype=torch.float32), persistent=False)
        self.register_buffer("scale", torch.tensor(scaling.scale, dtype=torch.float32), persistent=False)

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Outputs in the unit of the target, shape `(rows, outputs)`."""
        outputs: torch.Tensor = self.network(encoded) * self.scale + self.mean
        return outputs


def find_architecture(name: str, architectures: Mapping[str, Architecture], *, where: str) -> Architecture:
    """The architecture of that name.

    Raises:
        ModelError: Nothing that is installed provides it.
    """
    found = architectures.get(name)
    if found is None:
        close = difflib.get_close_matches(name, list(architectures), n=1)
        nearest = f"did you mean {close[0]!r}?" if close else "install the plugin that provides it"
        raise ModelError(
            f"there is no architecture {name!r}",
            where=where,
            found=repr(name),
            allowed=", ".join(sorted(architectures)),
            fix=usually_called(name) or nearest,
        )
    return found


def check_parameters(architecture: Architecture, parameters: Mapping[str, Any], *, where: str) -> Any:
    """Parameters as the architecture's own model of them; None when it has none.

    Raises:
        ModelError: With every parameter that does not fit.
    """
    from pydantic import ValidationError

    if architecture.Params is None:
        if parameters:
            raise ModelError(
                f"the architecture {architecture.name!r} takes no parameters",
                where=where,
                found=", ".join(sorted(parameters)),
                fix="remove them",
            )
        return None
    try:
        return architecture.Params.model_validate(dict(parameters))
    except ValidationError as error:
        problems = tuple(_parameter_problem(architecture, item, where) for item in error.errors()[:20])
        raise ModelError(f"parameters that {architecture.name!r} does not take", problems=problems) from error


def build_network(
    architecture: Architecture, params: Any, *, inputs: Mapping[str, ModelInput], outputs: int, seed: int = 0
) -> nn.Module:
    """A network in float32 on the CPU, initialised from the seed; torch's own generator is left as found.

    One of several inputs takes a mapping; `UnpackedNetwork` in front of it takes the matrix of a `PackedEncoder`.

    Raises:
        ModelError: The architecture does not take such inputs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _built(architecture, params, inputs, outputs)


def expected_tensors(
    architecture: Architecture, params: Any, *, inputs: Mapping[str, ModelInput], outputs: int
) -> dict[str, torch.Tensor]:
    """The state of a network in float32, by name and on a device without memory.

    Raises:
        ModelError: The architecture does not take such inputs.
    """
    with torch.device("meta"):
        return _built(architecture, params, inputs, outputs).state_dict()


def _built(architecture: Architecture, params: Any, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    modalities = {name: item.modality for name, item in inputs.items()}
    problem = modality_problem(architecture, modalities, where="architecture")
    if problem is not None:
        raise ModelError(problem.message, problems=(problem,))
    return architecture.build(params, inputs, outputs).to(torch.float32)


def _parameter_problem(architecture: Architecture, item: Any, where: str) -> Problem:
    known = list(architecture.Params.model_fields) if architecture.Params is not None else []
    names = known if item["type"] == "extra_forbidden" else []
    close = difflib.get_close_matches(str(item["loc"][0]), names, n=1) if names else []
    return Problem(
        message=item["msg"],
        where=".".join([where, *(str(part) for part in item["loc"])]),
        found=repr(item["input"])[:80],
        allowed=", ".join(names),
        fix=f"did you mean {close[0]!r}?" if close else "correct it, or train the model again: auditbench train CONFIG",
    )
