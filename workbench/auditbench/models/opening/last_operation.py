"""What a model gives, as far as the operation that it ends with tells; read without any library of its format.

Source: onnx.proto of ONNX 1.20 (numbers of fields), and the encoding of Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from auditbench.models.opening.archives import read_archive, read_member
from auditbench.models.opening.files import Damage
from auditbench.models.opening.json_text import parse_strictly
from auditbench.models.opening.limits import MAX_JSON_BYTES, MAX_OBJECTS

Scale: TypeAlias = Literal["probability", "logit", ""]

_BY_OPERATION: Mapping[str, Scale] = {
    **dict.fromkeys(("Sigmoid", "Softmax"), "probability"),
    **dict.fromkeys(("Gemm", "MatMul", "Add"), "logit"),
}
_SHAPING = ("Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Cast")
_BY_ACTIVATION: Mapping[str, Scale] = {"sigmoid": "probability", "softmax": "probability", "linear": "logit"}
# Numbers of fields: of a model its graph; of a graph its nodes and outputs; of a node what it takes and gives.
_GRAPH, _NODE, _OUTPUT = 7, 1, 12
_TAKES, _GIVES, _OPERATION, _DOMAIN = 1, 2, 4, 7


def scale_by_last_operation(content: bytes, kind: str) -> Scale:
    """The scale of the outputs of a classifier; empty where its last operation does not tell it or is not found.

    Args:
        kind: Of the content: `onnx`, `keras`, or one of which nothing is told.
    """
    try:
        if kind == "onnx":
            return _of_graph(memoryview(content))
        return _of_keras(content) if kind == "keras" else ""
    except ValueError:  # damage, or an encoding of something else; whoever opens the model says so
        return ""


def _of_graph(content: memoryview) -> Scale:
    graph = next((value for number, value in _fields(content) if number == _GRAPH), memoryview(b""))
    makers: dict[str, Mapping[int, list[str]]] = {}
    outputs = []
    for number, value in _fields(graph):
        if number == _OUTPUT:
            outputs += _texts(value).get(1, [])[:1]
        if number == _NODE:
            node = _texts(value)
            makers |= dict.fromkeys(node.get(_GIVES, []), node)
    if len(outputs) != 1:
        return ""
    name = outputs[0]
    while (made := makers.pop(name, None)) is not None:
        operation = "".join(made.get(_OPERATION, []))
        if any(made.get(_DOMAIN, [])) or operation not in _SHAPING:
            return "" if any(made.get(_DOMAIN, [])) else _BY_OPERATION.get(operation, "")
        name = next(iter(made.get(_TAKES, [])), "")
    return ""


def _texts(message: memoryview) -> dict[int, list[str]]:
    """The short texts of a message by the numbers of their fields."""
    texts: dict[int, list[str]] = {}
    for number, value in _fields(message):
        if number in (_TAKES, _GIVES, _OPERATION, _DOMAIN):
            texts.setdefault(number, []).append(bytes(value[:200]).decode("utf-8", "replace"))
    return texts


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message that have a length, each with its number.

    Raises:
        Damage: It ends within a field, or has more of them than a graph has parts.
    """
    at = 0
    for _ in range(MAX_OBJECTS):
        if at == len(message):
            return
        key, at = _number(message, at)
        way = key & 7
        if way == 0:
            _, at = _number(message, at)
            continue
        length, at = _number(message, at) if way == 2 else ({1: 8, 5: 4}.get(way, len(message) + 1), at)
        if length > len(message) - at:
            break
        if way == 2:
            yield key >> 3, message[at : at + length]
        at += length
    raise Damage("is no message that can be read")


def _number(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise Damage("ends within a number")


def _of_keras(content: bytes) -> Scale:
    members = read_archive(content, deflated=True)
    document = parse_strictly(read_member(content, members["config.json"], most=MAX_JSON_BYTES))
    layer = _last_layer(document)
    if layer.get("class_name") == "Softmax":
        return "probability"
    config = layer.get("config")
    activation = config.get("activation") if isinstance(config, dict) else None
    return _BY_ACTIVATION.get(activation, "") if isinstance(activation, str) else ""


def _last_layer(document: Any) -> Mapping[str, Any]:
    """The layer that gives the only output of a network of layers; nothing for any other."""
    config = document.get("config") if isinstance(document, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(layers, list) or not all(isinstance(one, dict) for one in layers):
        return {}
    if document.get("class_name") == "Sequential":
        return layers[-1] if layers else {}
    given = config.get("output_layers")
    while isinstance(given, list) and given and isinstance(given[0], list) and len(given) == 1:
        given = given[0]
    name = given[0] if isinstance(given, list) and given else None
    return next((one for one in layers if isinstance(name, str) and one.get("name") == name), {})
