"""A live `nn.Module` as a model under test, for the Python interface."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING

import torch
from torch import nn

from auditbench.errors import ModelError
from auditbench.models.subject import ModelUnderTest
from auditbench.models.wrapping import Interface, Origin, check_output, wrap_network
from auditbench.run import OutputScale, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditbench.data.inputs import ModelInput


def wrap_module(
    module: nn.Module,
    *,
    task: Task,
    classes: tuple[str, ...],
    output: OutputScale,
    inputs: Mapping[str, ModelInput],
    device: str,
    name: str = "",
    threshold: float = 0.5,
    target: str = "target",
) -> ModelUnderTest:
    """A model under test around a copy of the module, in float32 and evaluation mode, parameters frozen.

    It is a copy because analyzers add hooks, freeze parameters and move between devices: whatever one of them leaves
    behind, or an interrupt cuts short, the module that was passed stays as it was.

    Args:
        classes: By index, the negative class first; empty for regression.
        output: Declared scale of what the module gives.
        inputs: What the module takes, by name; of several inputs it takes a mapping of tensors.

    Raises:
        ModelError: The module cannot be copied, does not take rows of this width, or gives another number of outputs.
    """
    check_output(task, output)
    if not isinstance(module, nn.Module):  # callers may have no type checker
        raise ModelError(
            "the model is no PyTorch module",
            where="model",
            found=type(module).__name__,
            allowed="a torch.nn.Module",
            fix="write its weights into one, as README shows; shapley_values and lime_weights explain predict functions",
        )
    try:
        copied = copy.deepcopy(module).to(device=device, dtype=torch.float32).eval().requires_grad_(False)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ModelError(
            "the module cannot be copied",
            where=type(module).__name__,
            found=str(error).splitlines()[0][:160],
            allowed="a module that copy.deepcopy copies",
            fix="detach tensors that are kept as attributes, or make them parameters or buffers",
        ) from error
    return wrap_network(
        copied,
        Interface(task=task, classes=classes, output=output, inputs=inputs, threshold=threshold, target=target),
        Origin(
            name=name or type(module).__name__,
            format="module",
            architecture=type(module).__name__,
            digest=_digest(copied),
        ),
        device=device,
        capabilities=("gradients", "hooks", "layers", "black_box"),
    )


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256(repr(module).encode())
    for name, tensor in sorted(module.state_dict().items()):
        content = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(content.shape)} {content.dtype}\n".encode())
        digest.update(content.flatten().view(torch.uint8).numpy().tobytes() if content.numel() else b"")
    return digest.hexdigest()
