"""The header of a safetensors file, compared with the file before a tensor is made.

Source: the format's description in the README of safetensors, section "Format".
"""

from __future__ import annotations

import re
import reprlib
import struct
from typing import Any

from auditbench.models.opening.archives import has_directory
from auditbench.models.opening.files import Damage
from auditbench.models.opening.json_text import parse_strictly
from auditbench.models.opening.limits import MAX_DIMENSIONS, MAX_HEADER_BYTES, MAX_HEADER_DEPTH, MAX_TENSORS

# Bits of one element; a row of the two smallest kinds fills whole bytes.
_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def check_header(content: bytes) -> None:
    """Check that a file is one complete set of tensors: every byte belongs to one of them, and none to two.

    Raises:
        Damage: The header does not fit the file.
    """
    header, start = _header(content)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise Damage("has metadata that are no texts", found=reprlib.repr(metadata), allowed="texts by name")
    if len(header) > MAX_TENSORS:
        raise Damage("holds too many tensors", found=f"{len(header):,}", allowed=f"at most {MAX_TENSORS:,}")
    position = 0
    for begin, end, name in sorted(_range(name, entry) for name, entry in header.items()):
        if begin != position:
            raise Damage(
                "has tensors that overlap, or bytes between them",
                found=f"{name[:80]!r} at byte {begin:,}",
                allowed=f"byte {position:,}",
            )
        position = end
    if start + position != len(content):
        raise Damage(
            "has another length than its header tells",
            found=f"{len(content):,} bytes",
            allowed=f"{start + position:,} bytes",
        )
    if has_directory(content):
        raise Damage("is two files in one", found="a zip archive at its end", allowed="tensors alone")


def header_shapes(content: bytes) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by its name.

    Raises:
        Damage: The header does not fit the file.
    """
    check_header(content)
    header, _ = _header(content)
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    size = struct.unpack_from("<Q", content)[0] if len(content) >= 8 else 0
    if not 2 <= size <= min(MAX_HEADER_BYTES, len(content) - 8):
        raise Damage(
            "is not a complete safetensors file",
            found=f"{len(content):,} bytes, of which {size:,} would be the header",
            allowed=f"a header of 2 to {max(2, min(MAX_HEADER_BYTES, len(content) - 8)):,} bytes",
        )
    text = content[8 : 8 + size]
    _check_depth(text)
    try:
        header = parse_strictly(text.decode("utf-8"))
    except ValueError as error:
        raise Damage("has a header that is not valid JSON", found=str(error)[:160], allowed="a JSON object") from error
    if not isinstance(header, dict):
        raise Damage("has a header that is no object", found=type(header).__name__, allowed="a JSON object")
    return header, 8 + size


def _check_depth(text: bytes) -> None:
    depth = 0
    for sign in re.findall(rb"[\[\]{}]", _QUOTED.sub(b"", text)):
        depth += 1 if sign in b"[{" else -1
        if depth > MAX_HEADER_DEPTH:
            raise Damage(
                "has a header that is nested too deep", found=f"{depth} levels", allowed=f"{MAX_HEADER_DEPTH} levels"
            )


def _range(name: str, entry: Any) -> tuple[int, int, str]:
    """Where the bytes of a tensor begin and end."""
    if isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"}:
        kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        bits = _BITS.get(kind, 0) if isinstance(kind, str) else 0
        if bits and _are_counts(shape) and len(shape) <= MAX_DIMENSIONS and _are_counts(offsets) and len(offsets) == 2:
            for length in shape:
                bits *= length
            begin, end = offsets
            if begin <= end and bits == 8 * (end - begin):
                return begin, end, name
    raise Damage(
        "has a tensor whose shape and bytes do not fit",
        found=f"{name[:80]!r}: {reprlib.repr(entry)}",
        allowed="a known dtype, a shape, and as many bytes as they need",
    )


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**62 for item in value)
