"""No model at all: its outputs stand in columns of the data, or in a file beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.building import labelled_rows
from auditbench.data.inputs import encoded_size
from auditbench.data.stored_outputs import has_own_file
from auditbench.data.table import TablePart
from auditbench.digests import digest_of
from auditbench.errors import ModelError
from auditbench.findings import Message
from auditbench.models.batching import batch_rows
from auditbench.models.declared import declared_interface
from auditbench.models.description import output_count, target_names
from auditbench.models.output_files import outputs_by_id
from auditbench.models.stored_numbers import StoredNumbers, checked_numbers, numbers_of_columns
from auditbench.models.stored_rows import StoredOutputs, StoredRowsEncoder
from auditbench.models.subject import ModelUnderTest
from auditbench.models.wrapping import check_output
from auditbench.run import ModelFacts

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import ModelTable
    from auditbench.models.formats import ModelRequest
    from auditbench.models.wrapping import Interface

_SHOWN_COLUMNS = 6


def load_predictions(request: ModelRequest) -> ModelUnderTest:
    """A model that gives the outputs that stand in columns, for the evaluated rows and no others.

    Raises:
        DataError: A column is not there, or the rows do not give features or classes.
        ModelError: There are other columns than the task has outputs, an output is missing, no finite number, or no
            probability where these are declared; in a file of its own, a row is missing or stands there twice.
    """
    table, source = request.table, request.source
    if table.task == "next-token":
        raise ModelError(
            "outputs of a language model cannot stand in columns, which would be one for each token",
            where="model.task",
            found=table.task,
            allowed="binary-classification, multiclass-classification, regression",
            fix="audit the model itself",
        )
    interface = declared_interface(request)
    _refuse_other_columns(table, interface, declared_classes=source.table.classes)
    part = labelled_rows(source, source.test, {}, interface.classes).part
    stored = (
        outputs_by_id(request, part)
        if has_own_file(table)
        else numbers_of_columns(part.columns, table.columns, row_numbers=part.row_numbers, shown=part.file)
    )
    return stored_model(
        checked_numbers(stored, output=interface.output),
        interface,
        numbers=part.row_numbers,
        name=table.name,
        device=request.device,
        limit=_limit(table, part),
    )


def stored_model(
    outputs: npt.NDArray[np.float64],
    interface: Interface,
    *,
    numbers: npt.NDArray[np.intp],
    name: str,
    device: str,
    limit: Message,
) -> ModelUnderTest:
    """A model under test of outputs alone; it has no capability.

    Args:
        outputs: Shape `(rows, outputs)`, in the declared scale; of a binary classifier one or one a class.
        numbers: Of the rows, as `auditbench.data.row_identity` counts them, shape `(rows,)`.
        limit: Where the outputs come from, in a sentence.
    """
    order = np.argsort(numbers)
    task, classes, limits = interface.task, interface.classes, [limit]
    if task == "binary-classification" and outputs.shape[1] == 2:
        outputs = _of_positive_class(outputs, interface)
        first, second = interface.numbered
        limits.append(Message(key="core.model_two_outputs", values={"first": first, "second": second}))
    return ModelUnderTest(
        facts=ModelFacts(
            name=name,
            format="predictions",
            architecture="none, stored outputs",
            task=task,
            classes=classes,
            output=interface.output,
            threshold=interface.threshold if task == "binary-classification" else None,
            parameters=None,
            digest=_digest(numbers[order], outputs[order], interface),
            limits=tuple(limits),
        ),
        module=StoredOutputs(numbers[order], outputs[order]).to(device).eval(),
        encoder=StoredRowsEncoder().eval(),
        inputs=interface.inputs,
        target_names=target_names(task, classes, interface.target),
        device=device,
        batch_rows=batch_rows(max(1, encoded_size(interface.inputs)), 0, device),
    )


class Predictions:
    """Outputs of a model that is not here, for `auditbench.audit` in place of a model.

    Args:
        outputs: One row of outputs for each row of the data, in their order: shape `(rows,)` or `(rows, 1)` for regression and
            for the positive class of a binary classification, `(rows, classes)` for any classification: in the declared order
            of the classes, without one the negative class first.

    Raises:
        ModelError: They are no numbers, or have another shape.
    """

    def __init__(self, outputs: Any) -> None:
        try:
            values = np.array(outputs.detach().cpu() if hasattr(outputs, "detach") else outputs, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ModelError(
                "the outputs are no numbers",
                where="outputs",
                found=str(error)[:160],
                allowed="an array of numbers",
                fix="pass what the model gave: logits, probabilities or values",
            ) from error
        self.outputs = values[:, None] if values.ndim == 1 else values
        if self.outputs.ndim != 2:
            raise ModelError(
                "the outputs have another shape than rows and outputs",
                where="outputs",
                found=f"shape {values.shape}",
                allowed="(rows,) or (rows, outputs)",
                fix="pass one row of outputs for each row of the data",
            )


def wrap_predictions(predictions: Predictions, interface: Interface, *, rows: int, name: str) -> ModelUnderTest:
    """A model under test of outputs in memory, for data that `EvaluationData.identified` numbered from 1 in their order.

    Args:
        rows: Of the data.

    Raises:
        ModelError: There are other rows or outputs than the data and the task have, or outputs that are not finite, or no
            probabilities where these are declared.
    """
    check_output(interface.task, interface.output)
    expected = (rows, output_count(interface.task, interface.classes))
    if predictions.outputs.shape != expected and predictions.outputs.shape != (rows, len(interface.classes)):
        raise ModelError(
            "there are other outputs than the data have rows and the task has outputs",
            where="outputs",
            found=f"shape {predictions.outputs.shape}",
            allowed=f"shape {expected}",
            fix="pass one row of outputs for each row: one of the positive class or the value, else one a class",
        )
    numbers = np.arange(1, rows + 1)
    stored = StoredNumbers(
        columns=("outputs",),
        values=predictions.outputs,
        row_numbers=numbers,
        shown="the array",
        where="outputs",
        scale="output",
    )
    return stored_model(
        checked_numbers(stored, output=interface.output),
        interface,
        numbers=numbers,
        name=name or "predictions",
        device="cpu",
        limit=Message(key="core.model_predictions_passed"),
    )


def _of_positive_class(outputs: npt.NDArray[np.float64], interface: Interface) -> npt.NDArray[np.float64]:
    """Of two outputs that of the positive class, shape `(rows, 1)`: of logits the difference to the other one."""
    positive = interface.numbered.index(interface.classes[1])
    own, other = outputs[:, [positive]], outputs[:, [1 - positive]]
    return own - other if interface.output == "logit" else own


def _refuse_other_columns(table: ModelTable, interface: Interface, *, declared_classes: Sequence[str]) -> None:
    expected = output_count(interface.task, interface.classes)
    if len(set(table.columns)) < len(table.columns):
        raise ModelError(
            "a column is named twice",
            where="model.columns",
            found=", ".join(map(repr, table.columns)),
            allowed="each column once",
            fix="name the column of each class",
        )
    several = interface.task == "multiclass-classification" or len(table.columns) == len(interface.classes) == 2
    if several and not declared_classes:
        raise ModelError(
            "which column belongs to which class follows from the order of the classes, which is not declared",
            where="data.classes",
            found="nothing",
            allowed="every class, in the order of model.columns",
            fix=f"set data.classes = {list(interface.classes)}, in the order of the columns; it is never guessed",
        )
    if len(table.columns) not in (expected, len(interface.classes)):
        raise ModelError(
            "there are other columns than the task has outputs",
            where="model.columns",
            found=f"{len(table.columns)}: {', '.join(map(repr, table.columns[:_SHOWN_COLUMNS]))}",
            allowed=f"{expected}, in the order of data.classes: {', '.join(interface.classes[:12])}"
            if expected > 1
            else "1" + (f", of the class {interface.classes[1]!r}; or one a class" if interface.classes else ""),
            fix="name one column a class"
            if expected > 1
            else "name the column of the positive class alone, or those of both classes with data.classes in their order"
            if interface.classes
            else "name the column of the predicted value",
        )


def _limit(table: ModelTable, part: TablePart) -> Message:
    file = table.path if has_own_file(table) else part.file
    more = ", …" if len(table.columns) > _SHOWN_COLUMNS else ""
    columns = ", ".join(table.columns[:_SHOWN_COLUMNS]) + more
    return Message(key="core.model_predictions_only", values={"columns": columns, "file": file})


def _digest(numbers: npt.NDArray[np.intp], outputs: npt.NDArray[np.float64], interface: Interface) -> str:
    content = hashlib.sha256(np.ascontiguousarray(numbers, dtype="<i8").tobytes())
    content.update(np.ascontiguousarray(outputs, dtype="<f8").tobytes())
    said = {"task": interface.task, "classes": list(interface.classes), "output": interface.output}
    return digest_of({"outputs": content.hexdigest(), **said})
