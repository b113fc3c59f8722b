"""Safetensors whose headers lie, and files that only look like weights."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Callable
from typing import Any

from tests.hostile.record import HostileModel, good_safetensors, writes, writes_lazily

WEIGHT = {"dtype": "F32", "shape": [1, 3], "data_offsets": [0, 12]}
BIAS = {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}


def framed(header: bytes, data: bytes = b"\0" * 16, *, length: int | None = None) -> bytes:
    """A file with this header; its length may be another than the true one."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def described(entries: dict[str, Any], data: bytes = b"\0" * 16) -> bytes:
    """A file with these entries in its header."""
    return framed(json.dumps(entries).encode(), data)


def _with(data: bytes = b"\0" * 16, **changes: Any) -> bytes:
    """The good header with another entry for the weight."""
    return described({"0.weight": {**WEIGHT, **changes}, "0.bias": BIAS}, data)


def _nested_header() -> bytes:
    return framed(b'{"a":' + b"[" * 99_000_000)


def _long_header() -> bytes:
    return framed(b'{"__metadata__":{"a":"' + b"x" * 100_000_000 + b'"}}')


def _million_tensors() -> bytes:
    entry = '"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return framed(("{" + ",".join(entry % i for i in range(1_000_000)) + "}").encode(), b"")


def _bit(content: Callable[[], bytes], position: int, bit: int) -> bytes:
    changed = bytearray(content())
    changed[position] ^= 1 << bit
    return bytes(changed)


def _named(name: str, content: Callable[[], bytes], *says: str) -> HostileModel:
    return HostileModel(
        name=name,
        pretends="safetensors",
        build=writes_lazily("model.safetensors", content),
        says=("model.safetensors", *says),
        harmless_pickle=True,
    )


def _look_alike(name: str, file: str, content: bytes, *says: str) -> HostileModel:
    return HostileModel(name=name, pretends="state-dict", build=writes(file, content), says=says, harmless_pickle=True)


_GOOD_HEADER = json.dumps({"0.weight": WEIGHT, "0.bias": BIAS}).encode()

HEADERS: tuple[HostileModel, ...] = (
    _named("header-length-2-to-the-62", lambda: framed(_GOOD_HEADER, length=2**62), "header"),
    _named("header-length-all-ones", lambda: framed(_GOOD_HEADER, length=2**64 - 1), "header"),
    _named("header-beyond-the-file", lambda: framed(_GOOD_HEADER, length=len(_GOOD_HEADER) + 17), "header"),
    _named("header-of-no-bytes", lambda: framed(b"", b"")),
    _named("header-cut-inside-json", lambda: framed(_GOOD_HEADER, length=40)),
    _named("header-of-100-mb-nested", _nested_header),
    _named("header-of-100-mb-text", _long_header),
    _named("header-nested-a-thousand-deep", lambda: framed(b'{"a":' * 1000 + b"1" + b"}" * 1000)),
    _named("header-not-utf-8", lambda: framed(_GOOD_HEADER.replace(b"0.bias", b"\xff\xfe.ia"))),
    _named("header-with-a-lone-surrogate", lambda: framed(_GOOD_HEADER.replace(b"0.bias", b"\\ud800"))),
    _named("header-is-a-list", lambda: framed(b"[1, 2, 3]")),
    _named("header-with-nan", lambda: framed(_GOOD_HEADER.replace(b"[1, 3]", b"[NaN]"))),
    _named(
        "header-with-a-number-of-100000-digits",
        lambda: framed(_GOOD_HEADER.replace(b"[1, 3]", b"[" + b"9" * 10**5 + b"]")),
    ),
    _named(
        "header-with-a-key-twice",
        lambda: framed(_GOOD_HEADER[:-1] + b',"0.bias":' + json.dumps(BIAS).encode() + b"}"),
        "0.bias",
    ),
    _named("metadata-is-a-list", lambda: described({"__metadata__": ["a"], "0.weight": WEIGHT, "0.bias": BIAS})),
    _named("metadata-holds-a-list", lambda: described({"__metadata__": {"a": []}, "0.weight": WEIGHT, "0.bias": BIAS})),
    _named("offsets-negative", lambda: _with(data_offsets=[-12, 0])),
    _named("offsets-backwards", lambda: _with(data_offsets=[12, 0])),
    _named("offsets-overlap", lambda: _with(data_offsets=[4, 16])),
    _named("offsets-shared", lambda: described({"a": WEIGHT, "b": WEIGHT, "c": BIAS})),
    _named("offsets-with-a-gap", lambda: described({"a": WEIGHT, "b": {**BIAS, "data_offsets": [16, 20]}}, b"\0" * 20)),
    _named("offsets-beyond-the-file", lambda: _with(data_offsets=[16, 28])),
    _named("offsets-of-2-to-the-63", lambda: _with(shape=[2**61], data_offsets=[0, 2**63])),
    _named("offsets-are-fractions", lambda: _with(data_offsets=[0.5, 12.5])),
    _named("offsets-are-three", lambda: _with(data_offsets=[0, 12, 12])),
    _named("data-behind-the-last-tensor", lambda: framed(_GOOD_HEADER, b"\0" * 16 + b"MZ" * 64)),
    _named("kind-unknown", lambda: _with(dtype="F33")),
    _named("kind-is-a-number", lambda: _with(dtype=7)),
    _named("kind-of-another-size", lambda: _with(dtype="F64"), "0.weight"),
    _named("shape-huge-with-tiny-data", lambda: _with(shape=[10**6, 10**6]), "0.weight"),
    _named("shape-product-wraps", lambda: _with(shape=[2**62, 4, 3]), "0.weight"),
    _named("shape-product-wraps-to-size", lambda: _with(shape=[2**64 + 3]), "0.weight"),
    _named("shape-negative", lambda: _with(shape=[-1, -3])),
    _named("shape-is-a-text", lambda: _with(shape="1, 3")),
    _named("shape-of-a-million-dimensions", lambda: _with(shape=[1] * 1_000_000)),
    _named("shape-with-a-zero-and-2-to-the-63", lambda: _with(shape=[0, 2**63], data_offsets=[0, 0]), "0"),
    _named("entry-with-more-keys", lambda: _with(evil=True)),
    _named("entry-is-null", lambda: described({"0.weight": None, "0.bias": BIAS})),
    _named("million-tensors-of-nothing", _million_tensors),
    _named("flipped-bit-in-the-length", functools.partial(_bit, good_safetensors, 5, 3), "header"),
    _named("flipped-bit-in-the-brace", functools.partial(_bit, good_safetensors, 8, 0)),
    _look_alike("hdf5", "model.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 512, "hdf5"),
    _look_alike("gguf", "model.gguf", b"GGUF\x03\0\0\0" + b"\xff" * 64, "gguf"),
    _look_alike("elf", "model.bin", b"\x7fELF\x02\x01\x01" + b"\0" * 57, "model.bin"),
    _look_alike("web-page", "model.safetensors", b"<!DOCTYPE html><html><title>Sign in</title></html>", "model"),
    _look_alike(
        "pointer-to-a-large-file",
        "model.pt",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12\n",
        "text",
    ),
    _look_alike("noise", "model.pt", bytes(i * i * 7 % 251 for i in range(4096)), "model.pt"),
    _look_alike("empty-archive", "model.pt", b"PK\x05\x06" + b"\0" * 18, "model.pt"),
    _look_alike("zeros", "model.pt", b"\0" * 4096, "model.pt"),
)
