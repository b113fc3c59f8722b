"""What the server says of a model, and its answers to requests, read strictly. Open Inference Protocol v2, REST."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.models.opening.json_text import parse_strictly

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.models.endpoint.client import Client

FLOATS: Mapping[str, type[np.floating[Any]]] = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
_MOST_PORTS = 10_000
_HEAD, _NUMBER = 2**20, 64
"""Bytes that an answer may have beside its numbers, and for each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A tensor that a model takes or gives.

    Attributes:
        datatype: Such as `FP32`, `INT64`, `BYTES`.
        shape: -1 where any size goes.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """`features FP32 (-1, 4)`."""
        return f"{self.name} {self.datatype} ({', '.join(map(str, self.shape))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a server says of a model.

    Attributes:
        inputs: Empty where it does not say, as `outputs`.
    """

    name: str
    platform: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a model gave for some rows.

    Attributes:
        values: Shape `(rows,)` or `(rows, outputs)`, float64.
        version: Of the model that answered; empty where the server does not say.
    """

    name: str
    values: npt.NDArray[np.float64]
    version: str


def describe(client: Client) -> Description:
    """Ask for the description of the model, and whether it is ready.

    Raises:
        ModelError: It is not, or its description is none.
    """
    found = _parsed(client, client.description(), "the description of the model")
    if found.get("name") != client.address.model:
        client.refuse(
            "the server describes another model", found=f"name {found.get('name')!r}", allowed=client.address.model
        )
    return Description(
        name=client.address.model,
        platform=client.credential.safe(_text(client, found, "platform")),
        inputs=_ports(client, found, "inputs"),
        outputs=_ports(client, found, "outputs"),
    )


def request_body(tensors: Sequence[Mapping[str, Any]], output: str | None, identity: str) -> bytes:
    """The body of a request; numbers are written so that they are read back with every bit.

    Raises:
        ValueError: A number is not finite.
    """
    document: dict[str, Any] = {"id": identity, "inputs": list(tensors)}
    if output is not None:
        document["outputs"] = [{"name": output}]
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


def most_bytes(rows: int, outputs: int) -> int:
    """Bytes that the answer for so many rows may have."""
    return _HEAD + _NUMBER * rows * max(2, outputs)


def read_outputs(client: Client, body: bytes, *, identity: str, rows: int, output: str | None, most: int) -> Outputs:
    """The outputs in an answer.

    Args:
        identity: Id of the request.
        output: Name of the output to take; the only one when None.
        most: Outputs of a row at most.

    Raises:
        ModelError: The answer is to another request or of another model, has another shape, or a number is not finite.
    """
    found = _parsed(client, body, "the answer")
    _same(client, found, "id", identity)
    _same(client, found, "model_name", client.address.model)
    if client.address.version and found.get("model_version"):
        _same(client, found, "model_version", client.address.version)
    version = client.credential.safe(_text(client, found, "model_version"))
    given = found.get("outputs")
    named = [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
    chosen = [item for item in named if output is None or item.get("name") == output]
    if len(chosen) != 1 or not isinstance(given, list) or len(named) != len(given):
        client.refuse(
            "the answer has another set of outputs",
            found=", ".join(str(item.get("name"))[:40] for item in named[:8]) or "no outputs",
            allowed="one output" if output is None else f"one output named {output}",
            fix="name the output to take in model.parameters.output",
        )
    port = _port(client, chosen[0], "outputs")
    return Outputs(name=port.name, values=_values(client, port, chosen[0].get("data"), rows, most), version=version)


def _values(client: Client, port: Port, data: Any, rows: int, most: int) -> npt.NDArray[np.float64]:
    kind = FLOATS.get(port.datatype)
    if kind is None:
        client.refuse(
            "the output is of another type than a model's scores",
            found=str(port),
            allowed=", ".join(FLOATS),
            fix='take the output with scores instead of labels, such as model.parameters.output = "predict_proba"',
        )
    fits = 1 <= len(port.shape) <= 2 and port.shape[0] == rows and 1 <= math.prod(port.shape[1:]) <= most
    if not fits:
        client.refuse(
            "the answer has another shape than the rows ask for",
            found=str(port),
            allowed=f"({rows},) or ({rows}, outputs), with at most {most} outputs",
            fix="look into the server's log: it lost or added rows, or gives another number of outputs",
        )
    items = _flat(data, port.shape)
    if items is None:
        client.refuse(
            "the answer has another number of values than its shape says",
            found=f"{port}, and data that do not fit",
            allowed=f"{math.prod(port.shape):,} numbers",
        )
    numbers = [float(item) for item in items if type(item) is float or (type(item) is int and abs(item) < 2**63)]
    if len(numbers) < len(items):
        client.refuse(
            "the answer has values that are no numbers",
            found=f"{port}, and {len(items) - len(numbers):,} values such as null, texts, or whole numbers of more than 64 bits",
            allowed=f"{math.prod(port.shape):,} finite numbers",
            fix="look into the server's log: many servers write what is not a number as null",
        )
    with np.errstate(over="ignore"):
        values = np.array(numbers, dtype=np.float64).astype(kind).astype(np.float64)
    if not np.isfinite(values).all():
        client.refuse("the answer has values that are no finite numbers", found=str(port), allowed=port.datatype)
    return values.reshape(port.shape)


def _flat(data: Any, shape: tuple[int, ...]) -> list[Any] | None:
    """Values in order, given flat or nested; None where their count is another."""
    if isinstance(data, list) and len(shape) == 2 and all(isinstance(row, list) for row in data):
        if len(data) != shape[0] or any(len(row) != shape[1] for row in data):
            return None
        data = [number for row in data for number in row]
    return data if isinstance(data, list) and len(data) == math.prod(shape) else None


def _parsed(client: Client, body: bytes, what: str) -> dict[str, Any]:
    try:
        found = parse_strictly(body)
    except ValueError as error:
        client.refuse(f"{what} is no JSON that can be read", found=str(error), allowed="a JSON object")
    if not isinstance(found, dict):
        client.refuse(f"{what} is no object", found=type(found).__name__, allowed="a JSON object")
    return found


def _ports(client: Client, found: Mapping[str, Any], key: str) -> tuple[Port, ...]:
    given = found.get(key, [])
    if not isinstance(given, list) or len(given) > _MOST_PORTS:
        client.refuse("the description of the model cannot be read", found=f"{key} that are no list", allowed="a list")
    ports = tuple(_port(client, item, key) for item in given)
    if len({port.name for port in ports}) != len(ports):
        client.refuse(
            "the description of the model cannot be read", found=f"two {key} of one name", allowed="one a name"
        )
    return ports


def _port(client: Client, item: Any, key: str) -> Port:
    """A tensor's name, type and shape."""
    name, datatype, shape = (
        item.get(part) if isinstance(item, dict) else None for part in ("name", "datatype", "shape")
    )
    if not (
        isinstance(name, str)
        and isinstance(datatype, str)
        and isinstance(shape, list)
        and all(type(size) is int and -1 <= size < 2**40 for size in shape)
    ):
        client.refuse(
            f"one of the {key} is not described as it should be",
            found=str(item)[:160],
            allowed="name, datatype and shape",
        )
    return Port(name=name, datatype=datatype, shape=tuple(shape))


def _same(client: Client, found: Mapping[str, Any], key: str, expected: str) -> None:
    if found.get(key) != expected:
        client.refuse(
            "the answer is to another request" if key == "id" else "another model answered",
            found=f"{key} {found.get(key)!r}",
            allowed=f"{key} {expected!r}",
            fix="ask the server itself, without what stands in front of it and mixes or keeps answers",
        )


def _text(client: Client, found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if value is not None and not isinstance(value, str):
        client.refuse(f"{key} is no text", found=type(value).__name__, allowed="a text")
    return value or ""
