"""A live `nn.Module` as a model under test, for the Python interface."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING

import torch
from torch import nn

from auditbench.data.encoder import TabularEncoder
from auditbench.data.features import encoded_width
from auditbench.errors import ModelError
from auditbench.models.batching import batch_rows
from auditbench.models.description import output_count
from auditbench.models.subject import ModelUnderTest
from auditbench.run import ModelFacts, OutputScale, Task

if TYPE_CHECKING:
    from auditbench.data.features import FeatureSpec


class _ColumnOutput(nn.Module):
    """A module that gives shape `(rows,)`, as one that gives `(rows, 1)`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, 1)`."""
        outputs: torch.Tensor = self.module(encoded).unsqueeze(-1)
        return outputs


def wrap_module(
    module: nn.Module,
    *,
    task: Task,
    classes: tuple[str, ...],
    output: OutputScale,
    features: tuple[FeatureSpec, ...],
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
        features: One number a column of the matrix that the module takes.

    Raises:
        ModelError: The module cannot be copied, does not take rows of this width, or gives another number of outputs.
    """
    _check_output(task, output)
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
    width = encoded_width(features)
    copied = _fit_output(copied, width, output_count(task, classes), device)
    parameters = sum(tensor.numel() for tensor in copied.parameters())
    names = {"binary-classification": classes[1:], "multiclass-classification": classes}
    return ModelUnderTest(
        facts=ModelFacts(
            name=name or type(module).__name__,
            format="module",
            architecture=type(module).__name__,
            task=task,
            classes=classes,
            output=output,
            threshold=threshold if task == "binary-classification" else None,
            parameters=parameters,
            capabilities=("gradients", "hooks", "layers"),
            digest=_digest(copied),
        ),
        module=copied,
        encoder=TabularEncoder(features).to(device),
        features=features,
        target_names=names.get(task, (target,)),
        device=device,
        batch_rows=batch_rows(width, parameters, device),
    )


def _check_output(task: Task, output: OutputScale) -> None:
    allowed = ("value",) if task == "regression" else ("logit", "probability")
    if output not in allowed:
        raise ModelError(
            f"the declared output does not fit {task}",
            where="output",
            found=repr(output),
            allowed=", ".join(allowed),
            fix="declare what the module gives; it is never guessed",
        )


def _fit_output(module: nn.Module, width: int, outputs: int, device: str) -> nn.Module:
    """The module, giving shape `(rows, outputs)`; tried on two rows of zeros."""
    try:
        with torch.inference_mode():
            given = module(torch.zeros((2, width), dtype=torch.float32, device=device))
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise _width_error(module, width, error) from error
    shape = tuple(given.shape) if isinstance(given, torch.Tensor) else None
    if shape == (2,) and outputs == 1:
        return _ColumnOutput(module).eval()
    if shape != (2, outputs):
        raise ModelError(
            "the module gives another number of outputs than the task has",
            where=type(module).__name__,
            found=f"shape {shape} for 2 rows" if shape else type(given).__name__,
            allowed=f"shape (2, {outputs}) for 2 rows",
            fix="give one column for binary classification (the logit or probability of the positive class) and "
            "regression, and one a class otherwise",
        )
    return module


def _width_error(module: nn.Module, width: int, error: Exception) -> ModelError:
    expected = next((layer.in_features for layer in module.modules() if isinstance(layer, nn.Linear)), None)
    said = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
    if expected is None or expected == width:
        return ModelError(
            "the module does not take these rows",
            where=type(module).__name__,
            found=f"rows of {width} columns: {said}",
            allowed="a module that takes float32 of shape (rows, columns)",
            fix="wrap the module so that it takes the matrix that is passed",
        )
    return ModelError(
        "the module takes rows of another width than the data have",
        where=type(module).__name__,
        found=f"{width} columns in the data",
        allowed=f"{expected} columns, by its first linear layer",
        fix="pass the columns that the module was trained on",
    )


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256(repr(module).encode())
    for name, tensor in sorted(module.state_dict().items()):
        content = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(content.shape)} {content.dtype}\n".encode())
        digest.update(content.flatten().view(torch.uint8).numpy().tobytes() if content.numel() else b"")
    return digest.hexdigest()
