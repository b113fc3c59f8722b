"""Rows as every part of this analysis takes them: outputs, losses, places in a space, and factors of the gradient."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from auditbench.data import encoded_size
from auditbench.errors import AnalyzerNotPossible
from auditbench.models.layer_outputs import layer_outputs
from auditbench.models.layers import Layer, model_layers, named_layers
from auditbench_training_rows.last_layer import LastLayer, LastLinear, last_layer, units_of
from auditbench_training_rows.losses import row_losses
from auditbench_training_rows.neighbours import NOT_THERE

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest

    Floats: TypeAlias = npt.NDArray[np.float32]
    Numbers: TypeAlias = npt.NDArray[np.float64]

_SPACE = "analyzers.training-rows.space"
MOST_SPACE_BYTES = 2 * 2**30
"""Of the places of all training rows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Studied:
    """Some labelled rows.

    Attributes:
        outputs: Of the model, shape `(rows, outputs)`, in the declared scale.
        decisions: Predicted class indices, or values, shape `(rows,)`; so `y_true`.
        answers: Labels that gradients are of, alike.
        losses: At the given labels, shape `(rows,)`; see `row_losses`.
        margins: Probability of the given label less that of the likeliest other, shape `(rows,)`; None in a regression.
        places: In the space of neighbours, shape `(rows, numbers)`.
        layer: Factors of the gradient; None where the network has no last linear layer.
    """

    row_ids: tuple[str, ...]
    y_true: npt.NDArray[Any]
    clusters: npt.NDArray[np.int64] | None
    outputs: Numbers
    decisions: npt.NDArray[Any]
    answers: npt.NDArray[Any]
    losses: Numbers
    margins: Numbers | None
    places: Floats
    layer: LastLayer | None

    def __len__(self) -> int:
        return len(self.row_ids)


def studied(model: ModelUnderTest, rows: Rows, linear: LastLinear, space: str, *, predicted: bool = False) -> Studied:
    """Evaluate rows.

    Args:
        predicted: Whether gradients are those of the loss at the predicted class, in place of the given label.
        space: `last` for what the last linear layer takes, `inputs` for the encoded inputs, or the name of a layer.
    """
    outputs = model.predict(rows.inputs)
    decisions = model.decisions(outputs)
    answers = decisions if predicted else rows.y_true
    layer = last_layer(model, linear.name, rows, answers) if linear.name else None
    losses = row_losses(
        torch.from_numpy(outputs), torch.from_numpy(rows.y_true), task=model.facts.task, output=model.facts.output
    )
    return Studied(
        row_ids=rows.row_ids,
        y_true=rows.y_true,
        clusters=rows.clusters,
        outputs=outputs,
        decisions=decisions,
        answers=answers,
        losses=losses.numpy(),
        margins=None if model.facts.task == "regression" else _margins(model.probabilities(outputs), rows.y_true),
        places=_finite(_places(model, rows, layer, linear, space)),
        layer=layer,
    )


def own_positions(rows: Rows, train: Rows) -> npt.NDArray[np.int64]:
    """Where each row stands among the training rows, shape `(rows,)`: one of its id with the very same input.

    An id alone does not tell: rows of two files are numbered from 1 each.
    """
    places: dict[str, list[int]] = {}
    for place, name in enumerate(train.row_ids):
        places.setdefault(name, []).append(place)

    def same(row: int, place: int) -> bool:
        return all(
            np.array_equal(array[row], train.inputs[name][place], equal_nan=array.dtype.kind == "f")
            for name, array in rows.inputs.items()
        )

    found = (
        next((place for place in places.get(name, ()) if same(row, place)), NOT_THERE)
        for row, name in enumerate(rows.row_ids)
    )
    return np.fromiter(found, dtype=np.int64, count=len(rows))


def check_space(model: ModelUnderTest, linear: LastLinear, space: str, rows: Rows, count: int) -> str:
    """The space that is asked for, `auto` resolved.

    Args:
        rows: Some training rows.
        count: How many are looked at.

    Raises:
        ConfigError: The model has no layer of this name.
        AnalyzerNotPossible: The model has no such space, or its numbers of all rows would take too much memory.
    """
    chosen = ("last" if linear.name else "inputs") if space == "auto" else space
    if chosen == "last" and not linear.name:
        raise _no_space("a network whose last linear layer can be used", found="none", fix='set space = "inputs"')
    if chosen not in ("last", "inputs"):
        if "layers" not in model.facts.capabilities:
            raise _no_space("a model with layers", found=chosen, fix='set space = "inputs"')
        _layer(model, rows, chosen)
    if chosen == "inputs":
        without_order = [name for name, item in model.inputs.items() if item.modality == "text"]
        if without_order:
            raise _no_space(
                "numbers, which token ids are not", found=f"texts: {', '.join(without_order)}", fix="name a layer"
            )
        if count * encoded_size(model.inputs) * 4 > MOST_SPACE_BYTES:
            raise _no_space(
                f"{MOST_SPACE_BYTES >> 30} GiB at most",
                found=f"{count:,} rows of {encoded_size(model.inputs):,} numbers",
                fix="set fewer train_rows, or name a layer",
            )
    return chosen


def check_outputs(model: ModelUnderTest, rows: int) -> None:
    """Refuse training rows whose outputs would not fit beside each other.

    Raises:
        AnalyzerNotPossible: They would take more than `MOST_SPACE_BYTES`.
    """
    outputs = len(model.target_names)
    if rows * outputs * 8 > MOST_SPACE_BYTES:
        raise AnalyzerNotPossible(
            "outputs of all training rows are held at once, and these would take too much memory",
            where="analyzers.training-rows.train_rows",
            found=f"{rows:,} rows of {outputs:,} outputs",
            allowed=f"{MOST_SPACE_BYTES >> 30} GiB at most",
            fix=f"set train_rows to {MOST_SPACE_BYTES // (8 * outputs)} at most",
        )


def standardized(train: Studied, rows: Studied) -> tuple[Studied, Studied]:
    """Both with places that have mean 0 and standard deviation 1 over the training rows, but for what is constant."""
    middle = train.places.mean(axis=0, dtype=np.float64)
    scale = train.places.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1.0
    one, other = (
        dataclasses.replace(part, places=((part.places - middle) / scale).astype(np.float32)) for part in (train, rows)
    )
    return one, other


def _no_space(allowed: str, *, found: str, fix: str) -> AnalyzerNotPossible:
    return AnalyzerNotPossible(
        "neighbours cannot be found there",
        where=_SPACE,
        found=found,
        allowed=allowed,
        fix=fix,
    )


def _margins(probabilities: Numbers, labels: npt.NDArray[np.int64]) -> Numbers:
    own = np.take_along_axis(probabilities, labels[:, np.newaxis], axis=1)
    others = probabilities.copy()
    np.put_along_axis(others, labels[:, np.newaxis], -np.inf, axis=1)
    return np.asarray(own[:, 0] - others.max(axis=1))


def _places(model: ModelUnderTest, rows: Rows, layer: LastLayer | None, linear: LastLinear, space: str) -> Floats:
    if space == "last" and layer is not None:
        return layer.activations[:, : units_of(model, linear.name)]
    if space == "inputs":
        return _encoded(model, rows)
    named = _layer(model, rows, space)
    return layer_outputs(model, rows.inputs, [named])[named.name]


def _layer(model: ModelUnderTest, rows: Rows, name: str) -> Layer:
    """The layer of a name; `rows` may be any."""
    layers = model_layers(model, rows.take(np.arange(min(2, len(rows)))).inputs)
    return named_layers(layers, [name], where=_SPACE, besides=("auto", "last", "inputs"))[0]


def _encoded(model: ModelUnderTest, rows: Rows) -> Floats:
    def part(where: slice) -> torch.Tensor:
        return model.encode({name: array[where] for name, array in rows.inputs.items()}).float().flatten(1).cpu()

    return torch.cat(model.in_batches(part, len(rows))).numpy()


def _finite(places: Floats) -> Floats:
    if np.isfinite(places).all():
        return places
    raise AnalyzerNotPossible(
        "rows have no place to find neighbours by",
        where=_SPACE,
        found="numbers that are missing or infinite",
        allowed="finite numbers",
        fix="name a layer of the model, or fill what is missing",
    )
