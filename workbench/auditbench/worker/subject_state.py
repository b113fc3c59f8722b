"""The state of all that analyzers share: the model, the data, and what the model gives for a few rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.stored import StoredArray
from auditbench.worker.state_guard import ModelState, model_state

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData, Rows
    from auditbench.models import ModelUnderTest

OUTPUTS = "outputs"
"""The model computes other numbers, and nothing else that is looked at tells why."""
_PROBED_ROWS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectState:
    """State of a subject at one moment.

    Attributes:
        data: Digest of rows, labels, groups, outputs, and of what is known of the model.
        probe: What the model gives for the first rows; None where it does not give the same bits twice.
        unsteady: Kinds of state that evaluating alone changes, as in a model that counts or keeps what it computed; they
            say nothing about an analyzer.
    """

    model: ModelState
    data: str
    probe: bytes | None
    unsteady: tuple[str, ...]

    def changes(self, model: ModelUnderTest, data: EvaluationData, outputs: npt.NDArray[Any]) -> tuple[str, ...]:
        """Kinds of state that are other now.

        Raises:
            Exception: Whatever a model that was changed raises when it is looked at.
        """
        now = model_state(model.module, model.encoder)
        changes = tuple(kind for kind in self.model.changes(now) if kind not in self.unsteady)
        if self.data != _digest(model, data, outputs):
            changes += ("data",)
        if not changes and self.probe is not None and self.probe != _probe(model, data):
            return (OUTPUTS,)
        return changes


def subject_state(model: ModelUnderTest, data: EvaluationData, outputs: npt.NDArray[Any]) -> SubjectState:
    """The state of a subject now."""
    before = model_state(model.module, model.encoder)
    probe = _probe(model, data)
    again = _probe(model, data)
    now = model_state(model.module, model.encoder)
    return SubjectState(
        model=now,
        data=_digest(model, data, outputs),
        probe=probe if probe == again else None,
        unsteady=before.changes(now),
    )


def _probe(model: ModelUnderTest, data: EvaluationData) -> bytes:
    """Outputs for the first rows, few enough to cost less than the digest of the weights."""
    rows = data.take(np.arange(min(_PROBED_ROWS, len(data))))
    return model.predict(rows.inputs).tobytes()


def _digest(model: ModelUnderTest, data: EvaluationData, outputs: npt.NDArray[Any]) -> str:
    known = (model.facts, model.inputs, model.target_names, model.device, data.facts, data.task, data.classes)
    digest = hashlib.sha256(repr((known, data.inputs)).encode())
    for name, array in _arrays(data):
        _add(digest, name, array)
    _add(digest, "outputs", outputs)
    return digest.hexdigest()


def _arrays(data: EvaluationData) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """What is in memory; an array that is stored in a file gives new rows each time, which nobody can change."""
    rows: Rows
    for part in ("_evaluated", "_background"):
        rows = getattr(data, part)
        inputs: Mapping[str, Any] = rows.inputs
        yield from ((f"{part} {name}", array) for name, array in inputs.items() if not isinstance(array, StoredArray))
        yield f"{part} y_true", rows.y_true
        yield from ((f"{part} groups {name}", array) for name, array in rows.sensitive_features.items())


def _add(digest: Any, name: str, array: npt.NDArray[Any]) -> None:
    digest.update(f"{name} {array.dtype} {array.shape}".encode())
    if array.nbytes:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
