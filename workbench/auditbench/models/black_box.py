"""A model that gives outputs and nothing else, as a network: checked, and tried on rows before it is audited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from auditbench.data.inputs import encoded_size
from auditbench.errors import ModelError
from auditbench.models.batching import batch_rows
from auditbench.models.description import target_names
from auditbench.models.packing import UnpackedNetwork
from auditbench.models.subject import ModelUnderTest
from auditbench.run import ModelFacts

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.findings import Message
    from auditbench.models.wrapping import Interface, Origin

_TRIED_ROWS = 16
_TRY_IT = "try it on these rows where it was made; README says what a model of this format gets"
_EQUAL = 1e-6
"""Largest difference of an output of a row that stands among other rows, as a share of the largest output."""


class BlackBoxNetwork(nn.Module):
    """Computes encoded rows by a function of numpy arrays; it has no gradients, layers or parameters."""

    def __init__(
        self,
        compute: Callable[[Any], npt.NDArray[Any]],
        *,
        outputs: int,
        where: str,
        logits: bool | None = None,
        fix: str = "",
    ) -> None:
        """Wrap a function.

        Args:
            compute: Gives shape `(rows,)` or `(rows, outputs)` for an array of encoded rows, or for several by name.
            outputs: Numbers that a row has.
            where: The file or object, for errors.
            logits: Of a binary classifier that may give both classes, whether these are logits, whose difference is taken, or
                probabilities, of which the second is.
            fix: What to do where the function raises, if more is known of that.
        """
        super().__init__()
        self._compute = compute
        self._outputs = outputs
        self._where = where
        self._logits = logits
        self._fix = fix or _TRY_IT
        self.eval()

    def forward(self, encoded: torch.Tensor | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Outputs of shape `(rows, outputs)`, float64.

        Raises:
            ModelError: The function raised, or gave another shape, no numbers, or some that are not finite.
        """
        given = (
            {name: _array(one) for name, one in encoded.items()} if isinstance(encoded, Mapping) else _array(encoded)
        )
        rows = len(next(iter(encoded.values())) if isinstance(encoded, Mapping) else encoded)
        try:
            found = self._compute(given)
        except (ModelError, MemoryError):  # fewer rows may fit
            raise
        except (Exception, SystemExit) as error:  # whatever the code of a model raises
            raise ModelError(
                "the model raised on these rows",
                where=self._where,
                found=f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"[:300],
                allowed="outputs for any rows of the columns of the data",
                fix=self._fix,
            ) from error
        return torch.from_numpy(self._checked(found, rows))

    def __deepcopy__(self, memo: dict[int, Any]) -> BlackBoxNetwork:
        """The network itself: it keeps nothing from call to call."""
        return self

    def _checked(self, found: Any, rows: int) -> npt.NDArray[np.float64]:
        try:
            outputs = np.asarray(found)
        except (TypeError, ValueError):
            outputs = np.asarray(None)
        shaped = outputs[:, np.newaxis] if outputs.ndim == 1 else outputs
        if self._logits is not None and shaped.shape == (rows, 2) and outputs.dtype.kind in "iuf":
            shaped = shaped[:, 1:] - shaped[:, :1] if self._logits else shaped[:, 1:]
        if outputs.dtype.kind not in "biuf" or shaped.shape != (rows, self._outputs):
            flat = f"({rows},) or " if self._outputs == 1 else ""
            raise ModelError(
                "the model gives other outputs than the task has",
                where=self._where,
                found=f"{type(found).__name__}, {outputs.dtype} of shape {outputs.shape}, for {rows} rows",
                allowed=f"numbers of shape {flat}({rows}, {self._outputs})",
                fix="give one number a row for binary classification (of the positive class) and regression, and one a class "
                "otherwise",
            )
        numbers = shaped.astype(np.float64)
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
            raise ModelError(
                "the model gives outputs that are not finite",
                where=self._where,
                found=f"{numbers[row].tolist()} for row {row + 1} of {rows}",
                allowed="finite numbers",
                fix="find the row that it fails on; missing numbers reach it as NaN",
            )
        return numbers


def wrap_black_box(
    network: BlackBoxNetwork,
    interface: Interface,
    origin: Origin,
    encoder: nn.Module,
    rows: Mapping[str, npt.NDArray[Any]],
    *,
    limits: tuple[Message, ...] = (),
    where: str,
) -> ModelUnderTest:
    """A model under test that computes on the CPU, tried on rows of the data instead of zeros, which it may never have seen.

    Args:
        encoder: From raw rows to what the network takes.
        rows: A few raw rows by name of the input.
        limits: What a reader must know of how the model was opened.

    Raises:
        ModelError: It does not take the rows, gives other outputs than the task has, or depends on other rows.
    """
    module = UnpackedNetwork(network, interface.inputs).eval() if len(interface.inputs) > 1 else network
    if len(next(iter(rows.values()))):
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in rows.items()}
        refuse_dependent_rows(module, encoder(tensors), where=where)
    return ModelUnderTest(
        facts=ModelFacts(
            name=origin.name,
            format=origin.format,
            architecture=origin.architecture,
            task=interface.task,
            classes=interface.classes,
            output=interface.output,
            threshold=interface.threshold if interface.task == "binary-classification" else None,
            parameters=None,
            capabilities=("black_box",),
            digest=origin.digest,
            programs=origin.programs,
            limits=limits,
        ),
        module=module,
        encoder=encoder.eval(),
        inputs=interface.inputs,
        target_names=target_names(interface.task, interface.classes, interface.target),
        device="cpu",
        batch_rows=batch_rows(encoded_size(interface.inputs), 0, "cpu"),
    )


def refuse_dependent_rows(network: nn.Module, encoded: torch.Tensor, *, where: str) -> None:
    """Refuse a model whose output for a row depends on the other rows of the call, on their order, or on chance.

    Args:
        encoded: Rows of the data; a few of them are evaluated.

    Raises:
        ModelError: Outputs differ by more than 1e-6 of the largest.
    """
    rows = encoded[:_TRIED_ROWS]
    together = network(rows)
    ways = {
        "in another order": network(rows.flip(0)).flip(0),
        "alone": torch.cat([network(rows[row : row + 1]) for row in range(min(len(rows), 3))]),
        "again": network(rows),
    }
    allowed = _EQUAL * max(1e-12, float(together.abs().max()))
    for way, found in ways.items():
        gap = float((found - together[: len(found)]).abs().max())
        if gap > allowed:
            raise ModelError(
                f"the model gives other outputs for a row when it is evaluated {way}",
                where=where,
                found=f"outputs that differ by {gap:.3g}",
                allowed="the same output for a row, whatever rows are beside it, each time",
                fix="compute each row by itself, with what was learned at training, and fix the seed of what is random",
            )


def _array(encoded: torch.Tensor) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = encoded.detach().cpu().numpy()
    return found
