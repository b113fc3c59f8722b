"""Which output of a classifier is which class of the data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from auditbench.data.building import class_names
from auditbench.errors import ModelError

if TYPE_CHECKING:
    from auditbench.models.formats import ModelRequest

_NAMELESS = re.compile(r"LABEL_\d+")


def ordered_classes(config: Any, request: ModelRequest) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes as the product names them, and the output of the model that each of them is.

    The model's own labels decide; where it has none but LABEL_0, LABEL_1, ..., `data.classes` does.

    Raises:
        DataError: The labels of the data do not make classes.
        ModelError: The model's labels are not those of the data, or it has several labels a row.
    """
    source, task, where = request.source, request.table.task, str(request.path)
    own = _own_labels(config, where)
    if config.problem_type == "multi_label_classification":
        raise ModelError(
            "the model gives any number of labels to a text",
            where=f"{where}: problem_type",
            found="multi_label_classification",
            allowed="one class a text, or a regression",
            fix="audit one label at a time: export the model with the output of that label",
        )
    if task == "regression":
        if len(own) != 1 or config.problem_type == "single_label_classification":
            raise _other_outputs(own, "one output, and no classes", where)
        return (), (0,)
    if len(own) < 2 or config.problem_type == "regression":
        raise _other_outputs(own, "one output a class, two or more", where)
    nameless = all(_NAMELESS.fullmatch(name) for name in own)
    if nameless and not source.table.classes:
        raise ModelError(
            "which output is which class is not said",
            where=f"{where}: id2label",
            found=_quoted(own),
            allowed="the labels of the data, or data.classes in the order of the outputs",
            fix=f"set data.classes to the {len(own)} labels in the order of the outputs",
        )
    classes = class_names(source, {}, task)
    positive = source.table.positive
    if task == "binary-classification" and len(own) == 2 and positive in own:
        classes = own if own[1] == positive else own[::-1]
    if nameless:
        own = tuple(source.table.classes)
        if len(own) != _count(config):
            raise _no_match(tuple(config.id2label.values()), own, where)
    missing = [name for name in classes if name not in own]
    if missing or len(set(own)) != len(own) or (task == "binary-classification" and len(own) != 2):
        raise _no_match(own, classes, where)
    if task != "binary-classification" and not source.table.classes:
        classes = own
    elif len(classes) != len(own):
        raise _no_match(own, classes, where)
    return classes, tuple(own.index(name) for name in classes)


def _own_labels(config: Any, where: str) -> tuple[str, ...]:
    labels = config.id2label
    if not isinstance(labels, Mapping) or sorted(labels) != list(range(len(labels))):
        raise ModelError(
            "id2label does not name each output once",
            where=f"{where}: id2label",
            found=str(labels)[:160],
            allowed="a name for each output, from 0 on",
            fix="correct id2label in config.json",
        )
    return tuple(str(labels[index]) for index in range(len(labels)))


def _count(config: Any) -> int:
    return len(config.id2label)


def _other_outputs(own: tuple[str, ...], allowed: str, where: str) -> ModelError:
    return ModelError(
        "the model gives other outputs than the task has",
        where=f"{where}: id2label",
        found=f"{len(own)}: {_quoted(own)}",
        allowed=allowed,
        fix="correct model.task",
    )


def _no_match(own: tuple[str, ...], classes: tuple[str, ...], where: str) -> ModelError:
    return ModelError(
        "the labels of the model are not those of the data",
        where=f"{where}: id2label",
        found=f"the model has {_quoted(own)}",
        allowed=f"the data have {_quoted(classes)}",
        fix="write the labels in the data as the model does, or correct id2label in config.json, and data.classes",
    )


def _quoted(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 8:,} more" if len(names) > 8 else ""
    return (", ".join(repr(name[:40]) for name in names[:8]) + more)[:300]
