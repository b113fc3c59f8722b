"""Which tensor of a server takes which input or column of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from auditbench.data.inputs import TableInput, TextInput
from auditbench.errors import ModelError
from auditbench.models.endpoint.protocol import Port
from auditbench.models.wrapping import inputs_in_words

if TYPE_CHECKING:
    from auditbench.data.features import FeatureSpec
    from auditbench.data.inputs import ModelInput
    from auditbench.models.endpoint.params import EndpointParams

WHOLE_NUMBERS = ("INT8", "INT16", "INT32", "INT64")
_FLOATS = ("FP32", "FP64")
_TEXT = "BYTES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A tensor of a request, and what fills it.

    Attributes:
        port: As the server describes it, or as it is taken to be.
        source: Name of the input.
        column: Index of the feature, where the tensor holds one; None where it holds the encoded input.
        feature: That feature.
    """

    port: Port
    source: str
    column: int | None = None
    feature: FeatureSpec | None = None


def match(
    ports: tuple[Port, ...], inputs: Mapping[str, ModelInput], params: EndpointParams, *, where: str
) -> tuple[Slot, ...]:
    """The tensors of a request for rows of these inputs.

    A table goes as one tensor of encoded numbers, or as one tensor a feature where `params.input` says so, or where it is
    silent and the server has more than one input. A server that does not describe its inputs gets what `params` says.

    Args:
        ports: Inputs that the server describes.
        where: Key path of the model's table.

    Raises:
        ModelError: The server takes other inputs, or of another type or shape.
    """
    table = next(iter(inputs.values())) if len(inputs) == 1 else None
    if isinstance(table, TableInput) and (params.input or ("columns" if len(ports) > 1 else "encoded")) == "columns":
        (source,) = inputs
        return _by_column(ports, source, table, params, where)
    if params.input == "columns":
        _refuse(
            "takes one tensor a feature of a table alone", inputs_in_words(inputs), "a table and nothing else", where
        )
    return _by_input(ports, inputs, params, where)


def rows_at_a_time(slots: tuple[Slot, ...], most: int, *, where: str) -> int:
    """Rows of a request: those that are asked for, or one where the server takes one at a time.

    Raises:
        ModelError: It takes another fixed number.
    """
    fixed = {slot.port.shape[0] for slot in slots} - {-1}
    if fixed - {1}:
        shown = "; ".join(str(slot.port) for slot in slots if slot.port.shape[0] not in (-1, 1))[:200]
        _refuse("takes a fixed number of rows", shown, "any number of rows (-1), or one", where)
    return 1 if fixed else most


def _by_input(
    ports: tuple[Port, ...], inputs: Mapping[str, ModelInput], params: EndpointParams, where: str
) -> tuple[Slot, ...]:
    names = {name: params.names.get(name, name) for name in inputs}
    _refuse_other_names(params, inputs, where)
    if len(ports) == len(inputs) == 1 and not params.names:
        (source,) = inputs
        found = {source: ports[0]}
    elif ports:
        found = _found(ports, names, where)
    else:
        found = {
            name: Port(
                name=names[name],
                datatype="INT64" if isinstance(item, TextInput) else params.datatype,
                shape=(-1, *item.shape),
            )
            for name, item in inputs.items()
        }
    for name, port in found.items():
        _check_encoded(port, inputs[name], inputs, where)
    return tuple(Slot(port=port, source=name) for name, port in found.items())


def _by_column(
    ports: tuple[Port, ...], source: str, table: TableInput, params: EndpointParams, where: str
) -> tuple[Slot, ...]:
    names = {feature.name: params.names.get(feature.name, feature.name) for feature in table.features}
    _refuse_other_names(params, names, where)
    found = _found(ports, names, where) if ports else {}
    slots = []
    for index, feature in enumerate(table.features):
        assumed = params.datatype if feature.kind == "number" else _TEXT
        port = found.get(feature.name, Port(name=names[feature.name], datatype=assumed, shape=(-1, 1)))
        allowed = (*_FLOATS, *WHOLE_NUMBERS) if feature.kind == "number" else (_TEXT,)
        if port.datatype not in allowed or port.shape[1:] not in ((), (1,), (-1,)) or not port.shape:
            _refuse(
                f"takes another kind of tensor than the {feature.kind} {feature.name!r}",
                str(port),
                f"{', '.join(allowed)} of shape (-1,) or (-1, 1)",
                where,
            )
        slots.append(Slot(port=port, source=source, column=index, feature=feature))
    return tuple(slots)


def _found(ports: tuple[Port, ...], names: Mapping[str, str], where: str) -> dict[str, Port]:
    """The tensor of each name of ours."""
    by_name = {port.name: port for port in ports}
    if set(by_name) != set(names.values()):
        absent = [name for name in names.values() if name not in by_name]
        _refuse(
            "takes other inputs than the data have",
            "; ".join(map(str, ports))[:300],
            f"tensors of these names: {', '.join(names.values())[:200]}",
            where,
            fix=(f"no tensor is named {absent[0]!r}; say in" if absent else "leave no input of the server out; say in")
            + " model.parameters.names how the server calls it, or correct data.features",
        )
    return {name: by_name[called] for name, called in names.items()}


def _check_encoded(port: Port, item: ModelInput, inputs: Mapping[str, ModelInput], where: str) -> None:
    allowed = ("INT64", "INT32") if isinstance(item, TextInput) else _FLOATS
    if port.datatype not in allowed:
        _refuse("takes numbers of a type that the rows are not encoded in", str(port), ", ".join(allowed), where)
    fits = len(port.shape) == len(item.shape) + 1 and all(
        given in (-1, size) for given, size in zip(port.shape[1:], item.shape, strict=True)
    )
    if not fits:
        _refuse(
            "takes rows of another shape than the data have",
            str(port),
            f"rows of shape {item.shape}; {inputs_in_words(inputs)}",
            where,
        )


def _refuse_other_names(params: EndpointParams, known: Mapping[str, object], where: str) -> None:
    if other := [name for name in params.names if name not in known]:
        raise ModelError(
            "a tensor is named for an input that the data do not have",
            where=f"{where}.parameters.names",
            found=", ".join(map(repr, other[:6])),
            allowed=", ".join(map(repr, known))[:300],
            fix="correct or remove it",
        )


def _refuse(
    what: str,
    found: str,
    allowed: str,
    where: str,
    *,
    fix: str = "pass the columns that the model was trained on; model.parameters.input says whether they go as one tensor of "
    'encoded numbers ("encoded") or as one a feature ("columns")',
) -> NoReturn:
    raise ModelError(f"the server {what}", where=f"{where}.path", found=found, allowed=allowed, fix=fix)
