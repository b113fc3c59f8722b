"""`ModelUnderTest`: the audited model, behind one interface for every format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from auditbench.data import FeatureSpec
from auditbench.run import ModelFacts

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch
    from torch import nn

    from auditbench.data.evaluation import Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUnderTest:
    """The audited model.

    Attributes:
        facts: What the record says about it; `facts.output` is the declared scale of the outputs.
        module: Maps encoded inputs to outputs of shape `(rows, outputs)`: one for binary classification and
            regression, one a class otherwise. In evaluation mode, parameters frozen.
        encoder: Maps the arrays of `Rows.inputs`, as tensors by name, to the tensor that `module` takes.
        features: Features of a table with their encoded columns; empty for other inputs.
        target_names: One name an output: the positive class, the classes, or the target's name.
        batch_rows: Rows evaluated at a time; from shapes and memory, never from the clock.
        training_cost: What training cost, where it is known: `seconds`, `rows_per_second`, `peak_memory_bytes`.
    """

    facts: ModelFacts
    module: nn.Module
    encoder: nn.Module
    features: tuple[FeatureSpec, ...]
    target_names: tuple[str, ...]
    device: str = "cpu"
    batch_rows: int = 1024
    training_cost: Mapping[str, float] = field(default_factory=dict)

    def predict(self, inputs: Inputs) -> npt.NDArray[Any]:
        """Outputs in the declared scale, shape `(rows, outputs)`, float64, without gradients."""
        import numpy as np
        import torch

        total = len(next(iter(inputs.values())))
        outputs = np.empty((total, len(self.target_names)))
        with torch.inference_mode():
            for start in range(0, total, self.batch_rows):
                part = {name: array[start : start + self.batch_rows] for name, array in inputs.items()}
                outputs[start : start + self.batch_rows] = self.module(self.encode(part)).double().cpu().numpy()
        return outputs

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
