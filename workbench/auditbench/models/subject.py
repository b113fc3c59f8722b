"""`ModelUnderTest`: the audited model, behind one interface for every format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import ModelInput, features_of
from auditbench.errors import ModelError
from auditbench.models.batching import BatchSize, Part, in_batches
from auditbench.run import ModelFacts

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch
    from torch import nn

    from auditbench.data.evaluation import Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUnderTest:
    """The audited model.

    `predict` needs no thought of memory. What calls `module` itself, for gradients or hooks, goes through `in_batches`:
    where memory runs out, it is called again with half of the rows, and what did fit is kept for the whole audit to see.

    Attributes:
        facts: What the record says about it; `facts.output` is the declared scale of the outputs.
        module: Maps encoded inputs to outputs of shape `(rows, outputs)`: one for binary classification and
            regression, one a class otherwise. In evaluation mode, parameters frozen.
        encoder: Maps the arrays of `Rows.inputs`, as tensors by name, to the tensor that `module` takes.
        inputs: What the encoder takes, by name of the input.
        target_names: One name an output: the positive class, the classes, or the target's name.
        batch_rows: Rows that evaluation begins with; from shapes and memory, never from the clock. It stays when memory
            runs out, so that results may depend on it.
        batch: Rows evaluated at a time now; the same object in every variant of this model with equal `batch_rows`.
        training_cost: What training cost, where it is known: `seconds`, `rows_per_second`, `peak_memory_bytes`.
    """

    facts: ModelFacts
    module: nn.Module
    encoder: nn.Module
    inputs: Mapping[str, ModelInput]
    target_names: tuple[str, ...]
    device: str = "cpu"
    batch_rows: int = 1024
    batch: BatchSize = field(default_factory=lambda: BatchSize(1024), repr=False, compare=False)
    training_cost: Mapping[str, float] = field(default_factory=dict)

    @property
    def features(self) -> tuple[FeatureSpec, ...]:
        """Features of a table with their encoded columns; empty for other inputs."""
        return features_of(self.inputs)

    def __post_init__(self) -> None:
        if self.batch.began_with != self.batch_rows:
            object.__setattr__(self, "batch", BatchSize(self.batch_rows))

    def predict(self, inputs: Inputs) -> npt.NDArray[Any]:
        """Outputs in the declared scale, shape `(rows, outputs)`, float64, without gradients.

        Raises:
            ModelMemoryError: One row does not fit into memory.
            ModelError: The module gives another shape.
        """
        import numpy as np
        import torch

        def evaluate(rows: slice) -> npt.NDArray[Any]:
            part = {name: array[rows] for name, array in inputs.items()}
            with torch.inference_mode():
                outputs: npt.NDArray[Any] = self.module(self.encode(part)).double().cpu().numpy()
            return outputs

        total, width = len(next(iter(inputs.values()))), len(self.target_names)
        outputs = np.concatenate([np.empty((0, width)), *self.in_batches(evaluate, total)])
        if outputs.shape != (total, width):
            raise ModelError(
                "the model gives another shape than it should",
                found=f"{outputs.shape} for {total} rows",
                allowed=f"{(total, width)}",
                fix="give one row of outputs for each row of inputs",
            )
        return outputs

    def in_batches(self, work: Callable[[slice], Part], total: int, *, rows_each: int = 1) -> list[Part]:
        """Work on `total` items in parts that fit into memory, and give what came of each part, in order.

        `work` is called with a slice of the items, again with half of them where memory runs out, so it must be able to
        begin again: draw random numbers before, and count after. An example is the gradient of one output::

            def gradient(rows: slice) -> torch.Tensor:
                inputs = encoded[rows].clone().requires_grad_()
                return torch.autograd.grad(context.model.module(inputs)[:, 0].sum(), inputs)[0]

            gradients = torch.cat(context.model.in_batches(gradient, len(encoded)))

        Args:
            work: Gives a tensor or array that begins with one entry for each item of its slice.
            rows_each: Rows that the module sees at once for one item.

        Raises:
            ModelMemoryError: One row does not fit into memory.
        """
        return in_batches(work, total, self.batch, rows_each=rows_each)

    def encode(self, inputs: Inputs) -> torch.Tensor:
        """Encoded inputs on the model's device, shape `(rows, *encoded shape)`; all rows at once."""
        import numpy as np
        import torch

        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(array)).to(self.device) for name, array in inputs.items()
        }
        encoded: torch.Tensor = self.encoder(tensors)
        return encoded

    def probabilities(self, outputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Class probabilities, shape `(rows, classes)`, of outputs in the declared scale.

        Raises:
            ValueError: The task is regression.
        """
        import numpy as np

        if self.facts.task == "regression":
            raise ValueError("expected a classification task, got regression")
        binary = outputs.shape[1] == 1
        if self.facts.output == "logit":
            if not binary:
                shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
                return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
            positive = 1.0 / (1.0 + np.exp(-np.clip(outputs, -700, 700)))
        else:
            positive = outputs
        return np.concatenate([1.0 - positive, positive], axis=1) if binary else positive

    def decisions(self, outputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Predicted class indices, shape `(rows,)`; for regression the predicted values."""
        import numpy as np

        if self.facts.task == "regression":
            return outputs[:, 0]
        probabilities = self.probabilities(outputs)
        if self.facts.threshold is not None and probabilities.shape[1] == 2:
            return (probabilities[:, 1] >= self.facts.threshold).astype("int64")
        return np.asarray(probabilities.argmax(axis=1))
