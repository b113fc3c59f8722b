"""Pickle streams put together opcode by opcode, as no pickler would write them."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct

MARK, STOP, POP, DUP, NONE = pickle.MARK, pickle.STOP, pickle.POP, pickle.DUP, pickle.NONE
REDUCE, BUILD, TUPLE, EMPTY_TUPLE, EMPTY_DICT = (
    pickle.REDUCE,
    pickle.BUILD,
    pickle.TUPLE,
    pickle.EMPTY_TUPLE,
    pickle.EMPTY_DICT,
)


def stream(*body: bytes, protocol: int = 4) -> bytes:
    """A whole pickle of these opcodes."""
    return pickle.PROTO + bytes([protocol]) + b"".join(body) + STOP


def text(value: str) -> bytes:
    """Push a text."""
    content = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(content)) + content


def number(value: int) -> bytes:
    """Push an integer."""
    if 0 <= value < 2**31:
        return pickle.BININT + struct.pack("<i", value)
    content = pickle.encode_long(value)
    return pickle.LONG4 + struct.pack("<i", len(content)) + content


def octets(value: bytes) -> bytes:
    """Push bytes."""
    return pickle.BINBYTES + struct.pack("<I", len(value)) + value


def name(module: str, attribute: str) -> bytes:
    """Push what a module calls so, by the old opcode with the names in the clear."""
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()


def stacked_name(module: str, attribute: str) -> bytes:
    """Push what a module calls so, by the opcode that takes the names from the stack; dots go through attributes."""
    return text(module) + text(attribute) + pickle.STACK_GLOBAL


def several(*items: bytes) -> bytes:
    """Push a tuple."""
    return MARK + b"".join(items) + TUPLE


def call(function: bytes, *arguments: bytes) -> bytes:
    """Push the result of a call."""
    return function + several(*arguments) + REDUCE


def pairs(items: dict[str, bytes]) -> bytes:
    """Push a dict with texts as keys."""
    return EMPTY_DICT + MARK + b"".join(text(key) + value for key, value in items.items()) + pickle.SETITEMS


def storage(
    key: str = "0", count: bytes | int = 3, kind: str = "FloatStorage", *, location: str = "cpu", extra: bytes = b""
) -> bytes:
    """Push a storage as torch names it: kind, key of its file, location and number of elements.

    Args:
        extra: More opcodes inside the tuple.
    """
    elements = count if isinstance(count, bytes) else number(count)
    items = several(text("storage"), name("torch", kind), text(key), text(location), elements, extra)
    return items + pickle.BINPERSID


def tensor(source: bytes, *, offset: bytes | int = 0, size: tuple[bytes | int, ...], stride: tuple[int, ...]) -> bytes:
    """Push a tensor that views a storage."""
    sizes = [item if isinstance(item, bytes) else number(item) for item in size]
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        source,
        offset if isinstance(offset, bytes) else number(offset),
        several(*sizes),
        several(*(number(item) for item in stride)),
        pickle.NEWFALSE,
        call(name("collections", "OrderedDict")),
    )


def hidden(good: bytes, payload: bytes) -> bytes:
    """A good pickle that first runs a payload and drops its result, so that nothing looks amiss."""
    start = 2 if good[:1] == pickle.PROTO else 0
    return good[:start] + payload + POP + good[start:]


def split_pickles(content: bytes, count: int) -> list[bytes]:
    """The first pickles in a run of them, and what follows."""
    handle, parts, start = io.BytesIO(content), [], 0
    for _ in range(count):
        for _opcode, _argument, _position in pickletools.genops(handle):
            pass
        parts.append(content[start : handle.tell()])
        start = handle.tell()
    return [*parts, content[start:]]
