"""`Prediction`: the outputs of a module or of any predict function, its rows counted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.masking.block_sizes import block_rows, widest_activation
from auditbench.masking.frames import column_names, frame_numbers
from auditbench.masking.kept_memory import keep_freed_memory
from auditbench.models.batching import BatchSize, fitting, in_batches
from auditbench.models.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    import numpy.typing as npt

    Predict: TypeAlias = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]

_ROWS_OF_PREDICT = 4096
_TRIED_ROWS = 4
_LARGE_ROW = 2048
"""Bytes of a row above which so many rows may not fit."""


class Prediction:
    """Outputs of shape `(rows, outputs)`, whatever gives them.

    A module takes tensors on its device: those of a user in their own dtype, numpy rows in the dtype of its parameters;
    with an embedding, whole numbers stay as they are. A predict function takes a numpy array of the rows' own dtype and
    gives an array of shape `(rows,)` or `(rows, outputs)`; the array that it gets is used again after the call, so that
    it must not be kept.

    Attributes:
        module: The module, or None for a predict function.
        device: Where rows are needed.
        rows: Rows evaluated so far.
        calls: Calls so far.
    """

    def __init__(self, model_or_predict: nn.Module | Predict, *, batch: BatchSize | None = None) -> None:
        """Raises TypeError for what is neither, ValueError for a module in training mode."""
        self.module = model_or_predict if isinstance(model_or_predict, nn.Module) else None
        if self.module is None and not callable(model_or_predict):
            raise TypeError(
                f"expected an nn.Module or a predict function, got {type(model_or_predict).__name__}"
                f"{_offered(model_or_predict)}"
            )
        if self.module is not None and _in_training(self.module):
            raise ValueError("expected a module in evaluation mode, got one in training mode; call module.eval() first")
        keep_freed_memory()
        self._predict = model_or_predict
        self._parameter = _first_floating(self.module)
        self._takes_tokens = self.module is not None and any(
            isinstance(layer, nn.Embedding | nn.EmbeddingBag) for layer in self.module.modules()
        )
        self.device = torch.device("cpu") if self._parameter is None else self._parameter.device
        self._batch = batch or BatchSize(_ROWS_OF_PREDICT)
        self._sized = batch is not None or self.module is None
        self.rows = 0
        self.calls = 0

    @property
    def batch(self) -> BatchSize:
        """Rows evaluated at a time by `of_all`; halved where memory runs out."""
        return self._batch

    @batch.setter
    def batch(self, batch: BatchSize) -> None:
        self._batch, self._sized = batch, True

    def widest(self, rows: torch.Tensor) -> int:
        """Bytes that a row has in the widest tensor that the model takes or makes.

        A module runs on a few of the rows.
        """
        tried, module = rows[:_TRIED_ROWS], self.module
        if module is None:
            return tried[0].numel() * tried.element_size()
        return fitting(lambda few: widest_activation(module, tried[:few], self.note), self.batch, most=len(tried))

    def as_rows(self, rows: Any, name: str = "rows") -> torch.Tensor:
        """Rows as a tensor that this prediction takes; numbers keep their dtype unless a module needs its own.

        Args:
            name: Of the argument, for messages.

        Raises:
            ValueError: There is no row, they are no real numbers, or a number is NaN or infinite.
        """
        tensor = rows if isinstance(rows, torch.Tensor) else _copied(rows, name)
        if tensor.ndim < 2 or not len(tensor):
            raise ValueError(
                f"expected `{name}` of shape (rows, ...) with at least one row, got shape {tuple(tensor.shape)}"
            )
        if tensor.is_complex():
            raise ValueError(f"expected real numbers in `{name}`, got {tensor.dtype}")
        if self.module is not None and not isinstance(rows, torch.Tensor) and not self._takes_tokens:
            tensor = tensor.to(torch.float32 if self._parameter is None else self._parameter.dtype)
        if tensor.is_floating_point():
            check_finite(tensor, name, column_names(rows))
            if self.module is None and tensor.dtype is torch.bfloat16:  # which numpy does not have
                tensor = tensor.to(torch.float32)
        return tensor.detach().to(self.device)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Outputs of rows that fit into memory at once, shape `(rows, outputs)`, without gradients."""
        outputs = self._given(rows.numpy()) if self.module is None else self._made(self.module, rows)
        return self.count(outputs, len(rows))

    def count(self, outputs: Any, rows: int) -> torch.Tensor:
        """Note that so many rows were evaluated, and check what came of them; whole numbers become float64.

        Raises:
            ValueError: The outputs are not of shape `(rows,)` or `(rows, outputs)`.
        """
        self.note(rows)
        if not isinstance(outputs, torch.Tensor) or outputs.ndim not in (1, 2) or len(outputs) != rows:
            found = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
            raise ValueError(f"expected outputs of shape ({rows},) or ({rows}, outputs), got {found}")
        numbers = outputs if outputs.is_floating_point() else outputs.double()
        shaped: torch.Tensor = numbers.unsqueeze(1) if numbers.ndim == 1 else numbers
        return shaped

    def note(self, rows: int) -> None:
        """Note that the module, or a part of it, was run on so many rows."""
        self.rows += rows
        self.calls += 1

    def of_all(self, rows: torch.Tensor) -> torch.Tensor:
        """Outputs of any number of rows, in batches; the rows stay as they are, whatever a model does to its input.

        A module of large rows, such as images, is looked at first, for how many of them go together.
        """
        if not self._sized and rows[0].numel() * rows.element_size() > _LARGE_ROW:
            self.batch = BatchSize(block_rows(self.widest(rows), str(self.device), whole=True))
        return torch.cat(in_batches(lambda part: self(rows[part].clone()), len(rows), self.batch))

    def _given(self, rows: npt.NDArray[Any]) -> torch.Tensor:
        """What the predict function gives."""
        given = np.asarray(self._predict(rows))
        if given.dtype.kind not in "biuf":
            found = f"{given.ravel()[:1].tolist()[0]!r} ({given.dtype})" if given.size else given.dtype
            raise ValueError(
                f"expected numbers from the predict function, got {found}; of a classifier pass predict_proba, which "
                "gives one number a class"
            )
        return torch.from_numpy(given.astype(np.float64))

    def _made(self, module: nn.Module, rows: torch.Tensor) -> Any:
        """What the module gives; raises ValueError where it takes no such rows."""
        try:
            with torch.no_grad():
                return module(rows)
        except (RuntimeError, TypeError, IndexError) as error:
            if self.calls or is_out_of_memory(error):
                raise
            raise ValueError(
                f"expected rows that the module takes, got shape {tuple(rows.shape)} of {rows.dtype}; it says: {error}"
            ) from error


def check_finite(tensor: torch.Tensor, name: str, columns: tuple[str, ...] = ()) -> None:
    """Raise ValueError for a number that is NaN or infinite, and say where it is.

    Args:
        tensor: Floating numbers, shape `(rows, ...)`.
        name: Of the argument.
        columns: Names of the entries of a row, where they have any.
    """
    if all_finite(tensor):
        return
    row, *place = (~torch.isfinite(tensor)).nonzero()[0].tolist()
    entry = repr(columns[place[0]]) if columns else str(place[0] if len(place) == 1 else tuple(place))
    raise ValueError(
        f"expected finite numbers in `{name}`, got {float(tensor[(row, *place)])} in row {row}, feature {entry}; "
        "fill missing numbers first"
    )


def all_finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers are finite: their sum says so, unless it overflows."""
    numbers = tensor.detach()
    return math.isfinite(float(numbers.sum())) or bool(torch.isfinite(numbers).all())


def _offered(model: object) -> str:
    """The method of an estimator that predicts."""
    methods = ("predict_proba", "decision_function", "predict")
    found = next((name for name in methods if callable(getattr(model, name, None))), None)
    return "" if found is None else f"; pass its method {found}"


def _copied(rows: Any, name: str) -> torch.Tensor:
    array = np.array(rows)
    if array.dtype.kind == "O" and column_names(rows):
        array = frame_numbers(rows, name)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected numbers in `{name}`, got dtype {array.dtype}")
    return torch.from_numpy(array)


def _in_training(module: nn.Module) -> bool:
    """Whether a layer is in training mode; an exported program keeps that of its export, whatever it says."""
    layers = list(module.modules())
    return any(layer.training for layer in layers) and not any("eval" in vars(layer) for layer in layers)


def _first_floating(module: nn.Module | None) -> torch.Tensor | None:
    if module is None:
        return None
    tensors = [*module.parameters(), *module.buffers()]
    return next((tensor for tensor in tensors if tensor.is_floating_point()), None)
