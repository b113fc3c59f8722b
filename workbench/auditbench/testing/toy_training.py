"""`ToyTrainer`: what trains copies of a toy model, for analyzers that call `AuditContext.refit`."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.models import ModelUnderTest
from auditbench.testing.subjects import ToySubject

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

STEPS = 30
_RATE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyTrainer:
    """Fits copies of the model of a subject to its background rows: some steps of Adam on all of them at once.

    It begins with the weights that the model has, so that a copy fitted to the same labels is near it but not equal, other
    than what trains the network of an audit.
    """

    subject: ToySubject

    def train(
        self,
        *,
        name: str,
        labels: npt.NDArray[Any] | None,
        weights: npt.NDArray[np.float64] | None,
        reweigh: tuple[str, ...],
        progress: Callable[[int, int], None],
        look: Callable[[], None],
    ) -> ModelUnderTest:
        """Fit one; see `AuditContext.refit`."""
        import numpy as np
        import torch

        model, data = self.subject.model, self.subject.data
        rows = data.background(data.background_rows, np.random.default_rng(0))
        y_true = rows.y_true if labels is None else labels
        counted = _factors(rows.sensitive_features, y_true, reweigh) if reweigh else weights
        each = torch.ones(len(rows), dtype=torch.float64) if counted is None else torch.tensor(counted)
        module = copy.deepcopy(model.module).requires_grad_(True)
        encoded, target = model.encode(rows.inputs), torch.tensor(y_true)
        adam = torch.optim.Adam(module.parameters(), lr=_RATE)
        for step in range(1, STEPS + 1):
            look()
            with torch.enable_grad():
                losses = _losses(model, module(encoded).double(), target)
                adam.zero_grad()
                torch.autograd.backward((losses * each).sum() / each.sum())
            adam.step()
            progress(step, STEPS)
        facts = dataclasses.replace(model.facts, name=name, digest="")
        return dataclasses.replace(model, facts=facts, module=module.eval().requires_grad_(False))


def _losses(model: ModelUnderTest, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    if model.facts.task == "regression":
        return (outputs[:, 0] - target) ** 2
    if model.facts.output == "probability":
        outputs = outputs.clamp(1e-6, 1 - 1e-6)
        outputs = outputs.logit() if outputs.shape[1] == 1 else outputs.log()
    if outputs.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(outputs[:, 0], target.double(), reduction="none")
    return functional.cross_entropy(outputs, target, reduction="none")


def _factors(groups: Any, labels: npt.NDArray[Any], reweigh: tuple[str, ...]) -> npt.NDArray[np.float64] | None:
    """The weights of rows that `train.reweigh` gives."""
    import numpy as np

    from auditbench.config_training import TrainTable
    from auditbench.training.reweighing import reweighed_groups

    found = reweighed_groups(TrainTable(reweigh=reweigh), groups)
    return None if found is None else found.factors(labels, None, np.arange(len(labels)))
