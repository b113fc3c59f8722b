"""What a network begins with: weights from a file, parameters that stay as they are, activations computed again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import nn

from auditbench.config_training import TrainTable
from auditbench.errors import Problem, TrainingError
from auditbench.models.bundle import DESCRIPTION, WEIGHTS, read_bundle_description
from auditbench.models.description import BundleDescription, OutputScaling
from auditbench.models.opening import OpenedWeights, read_weights
from auditbench.paths import is_there
from auditbench.run import InitialWeights


def open_initial(table: TrainTable, base: Path) -> OpenedWeights | None:
    """The weights of `train.init_from`; None where nothing is named.

    Args:
        base: Folder that the path is relative to.

    Raises:
        TrainingError: There is no such file or bundle.
        ModelError: It is neither a bundle nor a file of weights, or it is damaged.
    """
    if table.init_from is None:
        return None
    path = base / table.init_from
    if not is_there(path):
        raise TrainingError(
            "there are no weights to begin with",
            where="train.init_from",
            found=f"nothing at {path}",
            allowed="a bundle, or a file of safetensors or of a state dict",
            fix="correct the path, or remove train.init_from to begin with random weights",
        )
    return read_weights(path / WEIGHTS if path.is_dir() else path)


def initial_description(table: TrainTable, base: Path) -> BundleDescription | None:
    """What the bundle of `train.init_from` says about its weights; None for a file of weights alone.

    Raises:
        ModelError: The description cannot be read.
    """
    path = None if table.init_from is None else base / table.init_from
    if path is not None and path.name == WEIGHTS and (path.parent / DESCRIPTION).exists():
        path = path.parent
    return read_bundle_description(path) if path is not None and path.is_dir() else None


def begin_with(network: nn.Module, opened: OpenedWeights, name: str) -> InitialWeights:
    """Put the tensors of a file into a network, by name; what the file does not have stays as it is.

    Args:
        name: Of the file, as the configuration has it.

    Raises:
        TrainingError: No name fits, or a tensor has another shape or kind than that of the network.
    """
    there = network.state_dict()
    taken = {key: tensor for key, tensor in opened.tensors.items() if key in there}
    if not taken:
        raise TrainingError(
            "no tensor has a name that the network has",
            where="train.init_from",
            found=", ".join(sorted(opened.tensors)[:6]),
            allowed=", ".join(list(there)[:6]),
            fix="name weights that this architecture was trained to, with the same train.parameters",
        )
    problems = [
        Problem(
            message=f"{key} has another shape or kind of number than in the network",
            where="train.init_from",
            found=f"{tuple(tensor.shape)} of {tensor.dtype}",
            allowed=f"{tuple(there[key].shape)} of {there[key].dtype}",
            fix="name weights of the same architecture, parameters, inputs and classes, or remove this tensor from the file",
        )
        for key, tensor in taken.items()
        if tensor.shape != there[key].shape or tensor.is_floating_point() != there[key].is_floating_point()
    ]
    if problems:
        raise TrainingError("the weights to begin with do not fit the network", problems=tuple(problems[:20]))
    network.load_state_dict(taken, strict=False)
    return InitialWeights(
        file=name,
        sha256=opened.sha256,
        loaded=tuple(sorted(taken)),
        new=tuple(sorted(set(there) - set(taken))),
        unused=tuple(sorted(set(opened.tensors) - set(taken))),
    )


def freeze(network: nn.Module, beginnings: tuple[str, ...]) -> None:
    """Keep the parameters whose names begin with one of these from being trained, as well as those that never are.

    A name begins with whole parts of it: `encoder` and `encoder.` freeze `encoder.weight`, and not `encoder2.weight`.

    Raises:
        TrainingError: A beginning fits no parameter, or none is left to train.
    """
    named: Mapping[str, nn.Parameter] = dict(network.named_parameters())
    for beginning in beginnings:
        if not any(_begins(name, beginning) for name in named):
            raise TrainingError(
                f"no parameter has a name that begins with {beginning!r}",
                where="train.freeze",
                found=repr(beginning),
                allowed=", ".join(_nearest_beginnings(beginning, named)[:12]),
                fix="take one of these, or a name below it",
            )
    for name, parameter in named.items():
        if any(_begins(name, beginning) for beginning in beginnings):
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in named.values()):
        raise TrainingError(
            "every parameter is frozen, so that there is nothing to train",
            where="train.freeze",
            found=", ".join(repr(beginning) for beginning in beginnings),
            fix="leave out the beginning that fits the parameters to train, such as those of the last layer",
        )


def _begins(name: str, beginning: str) -> bool:
    return f"{name}.".startswith(f"{beginning.removesuffix('.')}.")


def _nearest_beginnings(wanted: str, names: Iterable[str]) -> list[str]:
    """The names one part longer than as much of a beginning as there is."""
    parts = wanted.split(".")
    while parts and not any(_begins(name, ".".join(parts)) for name in names):
        parts.pop()
    below = [name for name in names if not parts or _begins(name, ".".join(parts))]
    return list(dict.fromkeys(".".join(name.split(".")[: len(parts) + 1]) for name in below))


def compute_again(network: nn.Module, architecture: str) -> None:
    """Let a network compute activations again in the backward pass instead of keeping them.

    Raises:
        TrainingError: The architecture has no `set_checkpointing(bool)`.
    """
    set_checkpointing = getattr(network, "set_checkpointing", None)
    if set_checkpointing is None:
        raise TrainingError(
            f"the architecture {architecture!r} keeps its activations",
            where="train.checkpointing",
            found="true",
            allowed="false, or an architecture whose network has `set_checkpointing`",
            fix="remove train.checkpointing; train.accumulate needs less memory with any architecture",
        )
    set_checkpointing(True)


def trained_parameters(network: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def in_standard_units(network: nn.Module, initial: InitialWeights, scaling: OutputScaling) -> None:
    """Bring a last layer that was loaded, which gives the unit of the target, to the standardised values of training."""
    name = last_linear(network)
    if name is None or {f"{name}.weight", f"{name}.bias"} - set(initial.loaded):
        return
    last = network.get_submodule(name)
    with torch.no_grad():
        weight, bias = dict(last.named_parameters()).values()
        weight.copy_((weight.double() / scaling.scale).float())
        bias.copy_(((bias.double() - scaling.mean) / scaling.scale).float())


def in_target_units(network: nn.Module, weights: dict[str, torch.Tensor], scaling: OutputScaling) -> OutputScaling:
    """Fold the scale of the target into a last linear layer; what is left of it, where there is none, stays a scaling.

    Args:
        weights: State of the network; changed in place.
    """
    name = last_linear(network)
    if name is None:
        return scaling
    weight, bias = f"{name}.weight", f"{name}.bias"
    weights[weight] = (weights[weight].double() * scaling.scale).float()
    weights[bias] = (weights[bias].double() * scaling.scale + scaling.mean).float()
    return OutputScaling()


def last_linear(network: nn.Module) -> str | None:
    """Name of the layer that a sequence ends with, where that is linear with a bias."""
    if not isinstance(network, nn.Sequential):
        return None
    name, last = list(network.named_children())[-1]
    return name if isinstance(last, nn.Linear) and last.bias is not None else None
