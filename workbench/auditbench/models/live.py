"""A live model under test, for the Python interface: a module, a black box, or outputs alone."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from auditbench.errors import ModelError
from auditbench.models.live_black_box import LiveTable, is_black_box, live_table, wrap_live
from auditbench.models.predictions import Predictions, wrap_predictions
from auditbench.models.subject import ModelUnderTest
from auditbench.models.wrapping import Interface, Origin, check_output, wrap_network
from auditbench.run import OutputScale, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditbench.data import EvaluationData
    from auditbench.data.inputs import ModelInput


def wrap_any(
    model: Any,
    table: LiveTable | None,
    data: EvaluationData,
    *,
    task: Task,
    output: OutputScale,
    device: str,
    name: str,
    threshold: float,
    declared: bool,
) -> ModelUnderTest:
    """A model under test around whatever was passed: a copy of a module; an estimator, a function or outputs themselves.

    Args:
        table: As `table_of_black_box` gave it.
        data: As `identified` gave them.
        declared: Whether the classes were named in their order.

    Raises:
        ModelError: It is none of these, or does not fit the rows and the task.
    """
    if isinstance(model, nn.Module):
        return wrap_module(
            model,
            task=task,
            classes=data.classes,
            output=output,
            inputs=data.inputs,
            device=device,
            name=name,
            threshold=threshold,
        )
    interface = Interface(task=task, classes=data.classes, output=output, inputs=data.inputs, threshold=threshold)
    if isinstance(model, Predictions):
        return wrap_predictions(model, interface, rows=len(data), name=name)
    return wrap_live(model, table, data, interface, name=name, declared=declared)


def identified(model: Any, data: EvaluationData) -> EvaluationData:
    """The data as `wrap_any` takes them: for outputs alone, rows that say which they are."""
    return data.identified(np.arange(1, len(data) + 1)) if isinstance(model, Predictions) else data


def table_of_black_box(
    model: Any,
    features: Any,
    background: Any,
    feature_names: tuple[str, ...],
    inputs: Mapping[str, ModelInput] | None,
) -> LiveTable | None:
    """The table that an estimator or a function gets back; None for a module, other arrays, and what `inputs` declares.

    Raises:
        ModelError: The model is neither a module, nor an estimator, nor a function, nor outputs.
        DataError: Two columns have one name, or the background has other columns.
    """
    if isinstance(model, nn.Module):
        return None
    if not isinstance(model, Predictions) and not is_black_box(model):
        raise ModelError(
            "the model can neither be called nor does it predict",
            where="model",
            found=type(model).__name__,
            allowed="a torch.nn.Module, an estimator with predict or predict_proba, a function of the rows, or its outputs "
            "as auditbench.models.Predictions",
            fix="pass the fitted model itself, or a function that gives its outputs for rows like X",
        )
    return None if inputs else live_table(features, background, feature_names)


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
            fix="pass estimators and functions to auditbench.audit, which audits them as black boxes",
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
