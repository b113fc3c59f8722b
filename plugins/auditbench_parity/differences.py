"""How far two models are apart, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from auditbench.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.models import ModelUnderTest

    Numbers: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Differences:
    """Differences of the evaluated rows; of a row with several outputs the largest and the mean of their differences.

    Attributes:
        output: Shape `(rows,)`, absolute, in the declared scale; None where the two models have different scales or numbers
            of outputs.
        output_mean: The same, averaged over the outputs of a row.
        reference_size: Largest absolute output of the reference.
        any_unit: Whether the outputs are predicted values, whose unit may be any, so that small ones are scaled up.
        probability: Shape `(rows,)`, absolute, of class probabilities; None for regression.
        probability_mean: The same, averaged over the classes.
        decision: Shape `(rows,)`: what the audited model decides, as class index or value.
        reference_decision: What the reference decides.
    """

    output: Numbers | None
    output_mean: Numbers | None
    reference_size: float
    any_unit: bool
    probability: Numbers | None
    probability_mean: Numbers | None
    decision: Numbers
    reference_decision: Numbers

    @property
    def scaled(self) -> float | None:
        """Largest difference of an output, divided by `reference_size`; of logits and probabilities where that is above 1.

        None where there is no difference of outputs, and where only the reference gives 0 for every row.
        """
        if self.output is None or self.only_reference_is_zero:
            return None
        return float(self.output.max()) / (self._size or 1.0)

    @property
    def only_reference_is_zero(self) -> bool:
        """Whether values differ from those of a reference that gives 0 for every row: by more than any tolerance."""
        return self.output is not None and not self._size and bool(self.output.any())

    @property
    def _size(self) -> float:
        return self.reference_size if self.any_unit else max(1.0, self.reference_size)


def measure_differences(context: AuditContext, reference: ModelUnderTest) -> Differences:
    """Evaluate the reference on every row, batch by batch, against the outputs that the audit has.

    Raises:
        ModelError: An output of either model is not finite.
    """
    outputs = context.finite_outputs()
    same_scale = context.model.facts.output == reference.facts.output
    classes = bool(context.data.classes)
    parts: dict[str, list[Numbers]] = {name: [] for name in ("output", "probability", "decision")}
    size, start = 0.0, 0
    for rows in context.data.batches(reference.batch_rows):
        found = outputs[start : start + len(rows)]
        expected = _finite(reference.predict(rows.inputs))
        start += len(rows)
        size = max(size, float(np.abs(expected).max()))
        if same_scale and found.shape == expected.shape:
            parts["output"].append(_apart(found, expected))
        if classes:
            parts["probability"].append(_apart(context.model.probabilities(found), reference.probabilities(expected)))
        parts["decision"].append(np.stack([context.model.decisions(found), reference.decisions(expected)]))
        context.progress(start, len(context.data))
    output, probability = (
        np.concatenate(parts[name], axis=1) if parts[name] else None for name in ("output", "probability")
    )
    decision = np.concatenate(parts["decision"], axis=1)
    return Differences(
        output=None if output is None else output[0],
        output_mean=None if output is None else output[1],
        reference_size=size,
        any_unit=reference.facts.output == "value",
        probability=None if probability is None else probability[0],
        probability_mean=None if probability is None else probability[1],
        decision=decision[0],
        reference_decision=decision[1],
    )


def _apart(found: Numbers, expected: Numbers) -> Numbers:
    """Largest and mean absolute difference of each row, shape `(2, rows)`."""
    apart = np.abs(found - expected)
    return np.stack([apart.max(axis=1), apart.mean(axis=1)])


def _finite(outputs: Numbers) -> Numbers:
    wrong = int(np.count_nonzero(~np.isfinite(outputs)))
    if wrong:
        raise ModelError(
            "the model to compare with gives outputs that are not numbers",
            found=f"{wrong} of {outputs.size} outputs NaN or infinite",
            allowed="finite outputs",
            fix="look for damaged weights, or for an operation that its runtime computes otherwise",
        )
    return outputs
