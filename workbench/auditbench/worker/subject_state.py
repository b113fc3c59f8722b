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
class ModelWatch:
    """State of one model at one moment.

    Attributes:
        known: What is known of it, in words.
        probe: What the model gives for the first rows; None where it does not give the same bits twice.
        unsteady: Kinds of state that evaluating alone changes, as in a model that counts or keeps what it computed; they
            say nothing about an analyzer.
    """

    state: ModelState
    known: str
    probe: bytes | None
    unsteady: tuple[str, ...]

    def changes(self, model: ModelUnderTest, data: EvaluationData) -> tuple[str, ...]:
        """Kinds of state that are other now.

        Raises:
            Exception: Whatever a model that was changed raises when it is looked at.
        """
        changes = self.looked_at(model)
        return changes or self.computed(model, data)

    def looked_at(self, model: ModelUnderTest) -> tuple[str, ...]:
        """Kinds of state that are other now, without computing anything."""
        now = model_state(model.module, model.encoder)
        changes = tuple(kind for kind in self.state.changes(now) if kind not in self.unsteady)
        return changes if self.known == _known(model) else (*changes, "data")

    def computed(self, model: ModelUnderTest, data: EvaluationData) -> tuple[str, ...]:
        """`OUTPUTS` where the model gives other numbers now."""
        return (OUTPUTS,) if self.probe is not None and self.probe != _probe(model, data) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectState:
    """State of a subject at one moment.

    Attributes:
        data: Digest of rows, labels, groups and outputs.
    """

    model: ModelWatch
    data: str

    def changes(self, model: ModelUnderTest, data: EvaluationData, outputs: npt.NDArray[Any]) -> tuple[str, ...]:
        """Kinds of state that are other now.

        Raises:
            Exception: Whatever a model that was changed raises when it is looked at.
        """
        changes = self.model.looked_at(model)
        if "data" not in changes and self.data != _digest(data, outputs):
            changes += ("data",)
        return changes or self.model.computed(model, data)


def subject_state(model: ModelUnderTest, data: EvaluationData, outputs: npt.NDArray[Any]) -> SubjectState:
    """The state of a subject now."""
    return SubjectState(model=model_watch(model, data), data=_digest(data, outputs))


def model_watch(model: ModelUnderTest, data: EvaluationData) -> ModelWatch:
    """The state of a model now; it computes a few rows."""
    before = model_state(model.module, model.encoder)
    probe = _probe(model, data)
    again = _probe(model, data)
    now = model_state(model.module, model.encoder)
    return ModelWatch(
        state=now,
        known=_known(model),
        probe=probe if probe == again else None,
        unsteady=before.changes(now),
    )


def other_watch(model: ModelUnderTest, data: EvaluationData) -> ModelWatch:
    """The state of a further model now, which may take other rows than the audited one: then it computes none."""
    try:
        return model_watch(model, data)
    except Exception:  # noqa: BLE001 - whatever a model raises on rows that are none for it
        return ModelWatch(state=model_state(model.module, model.encoder), known=_known(model), probe=None, unsteady=())


def _probe(model: ModelUnderTest, data: EvaluationData) -> bytes:
    """Outputs for the first rows, few enough to cost less than the digest of the weights."""
    rows = data.take(np.arange(min(_PROBED_ROWS, len(data))))
    return model.predict(rows.inputs).tobytes()


def _known(model: ModelUnderTest) -> str:
    return repr((model.facts, model.inputs, model.target_names, model.device))


def _digest(data: EvaluationData, outputs: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256(repr((data.facts, data.task, data.classes, data.inputs)).encode())
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
        if rows.clusters is not None:
            yield f"{part} clusters", rows.clusters
        if rows.weights is not None:
            yield f"{part} weights", rows.weights
        yield from ((f"{part} groups {name}", array) for name, array in rows.sensitive_features.items())
        yield from ((f"{part} control {name}", array) for name, array in rows.control_features.items())


def _add(digest: Any, name: str, array: npt.NDArray[Any]) -> None:
    digest.update(f"{name} {array.dtype} {array.shape}".encode())
    if array.nbytes:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
