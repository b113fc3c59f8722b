"""Files of tokens: a tokenizer.json, checked before the library that runs it sees it, or a token in each line.

A tokenizer is data, and still a program of a kind: it replaces, repeats and searches. What it could make of a text is bounded
here, so that no short text becomes one that fills the memory.

Source: the format that `tokenizers` 0.23 writes (`Tokenizer.to_str`).
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auditbench.data.source_files import open_regular
from auditbench.errors import DataError
from auditbench.strict_json import parse_strictly

MAX_BYTES = 64 * 2**20
MOST_TOKENS = 1_000_000
_MOST_CONTAINERS = 2**20
_MOST_PARTS = 64
_MOST_GROWTH = 64
_MOST_SPECIAL = 64
_LONGEST_REPLACEMENT = 256  # bytes; the longest of Unicode's own compatibility forms has 54
_LONGEST_WORD = 10_000
_ALLOWED = "what Tokenizer.save writes, of `tokenizers`"
_FIX = "save it again: AutoTokenizer.from_pretrained(FOLDER).backend_tokenizer.save(FILE)"


def read_token_file(path: Path, *, where: str, shown: str) -> str:
    """The text of a tokenizer.json that was checked, or of a file with a token in each line.

    Args:
        where: Key path in audit.toml; `shown` the file as the config names it.

    Raises:
        DataError: It is no regular file, too large, not UTF-8, or not what it seems to be.
    """
    allowed = "a tokenizer.json, or a text file with a token in each line"
    fix = "name the file that came with the model; paths are relative to the configuration file"
    with open_regular(path, key=where, shown=shown, allowed=allowed, fix=fix) as handle:
        if os.fstat(handle.fileno()).st_size > MAX_BYTES:
            raise _too_large(shown, where, os.fstat(handle.fileno()).st_size)
        content = handle.read(MAX_BYTES + 1)
    if is_tokenizer(content):
        return check_tokenizer(content, where=where, shown=shown)
    return _decoded(content, where, shown)


def is_tokenizer(content: bytes | str) -> bool:
    """Whether a file of tokens is a tokenizer.json and no list of words."""
    head = content[:64].decode("utf-8", "replace") if isinstance(content, bytes) else content[:64]
    return head.lstrip("\ufeff \t\r\n").startswith("{")


def listed_tokens(text: str, *, where: str) -> tuple[str, ...]:
    """The tokens of a file with one in each line.

    Raises:
        DataError: There is none, there are too many, or one stands there twice or is empty.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    twice = len(set(lines)) != len(lines)
    if not lines or len(lines) > MOST_TOKENS or twice or not all(lines):
        raise DataError(
            "the file of tokens is no vocabulary",
            where=where,
            found=f"{len(lines):,} lines"
            + (", some of them twice" if twice else "")
            + ("" if all(lines) else ", some of them empty"),
            allowed=f"1 to {MOST_TOKENS:,} lines with a token each, every token once",
            fix="write the vocabulary in the order of its ids, from the token with id 2 on: 0 is padding, 1 unknown",
        )
    return tuple(lines)


def check_tokenizer(content: bytes, *, where: str, shown: str) -> str:
    """The text of a tokenizer.json, whose parts can neither draw at random nor make a text many times longer.

    Raises:
        DataError: It is too large, no strict JSON, or has such parts.
    """
    if len(content) > MAX_BYTES:
        raise _too_large(shown, where, len(content))
    text = _decoded(content, where, shown)
    try:
        document = parse_strictly(text, most_containers=_MOST_CONTAINERS)
    except ValueError as error:
        raise refused_tokenizer("is not valid JSON", str(error)[:160], where, shown) from error
    if not isinstance(document, dict) or not isinstance(document.get("model"), dict):
        raise refused_tokenizer("has no model", type(document).__name__, where, shown)
    try:
        fault = next(_faults(document), None)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise refused_tokenizer("has parts of another form", str(error)[:160], where, shown) from error
    if fault is not None:
        raise refused_tokenizer("has parts that no tokenizer has", fault, where, shown)
    return text


def refused_tokenizer(what: str, found: str, where: str, shown: str) -> DataError:
    """The error for a file that is no usable tokenizer."""
    return DataError(f"{shown} {what}", where=where, found=found, allowed=_ALLOWED, fix=_FIX)


def _faults(document: Mapping[str, Any]) -> Iterator[str]:
    model = document["model"]
    if model.get("dropout"):
        yield "a `dropout`, by which the same text has other tokens each time"
    if int(model.get("max_input_chars_per_word") or 0) > _LONGEST_WORD:
        yield f"words of {model['max_input_chars_per_word']:,} characters, more than {_LONGEST_WORD:,}"
    parts = [
        part
        for key in ("normalizer", "pre_tokenizer", "post_processor", "decoder")
        for part in _parts(document.get(key))
    ]
    if len(parts) > _MOST_PARTS:
        yield f"{len(parts)} parts, more than {_MOST_PARTS}"
        return
    growth, special = 1.0, 0
    for part in parts:
        growth *= _growth(part)
        special += _special(part)
        if part["type"] == "Precompiled" and (fault := _charsmap_fault(part["precompiled_charsmap"])):
            yield fault
        if part["type"] == "TemplateProcessing" and sum("Sequence" in entry for entry in part["single"]) != 1:
            yield "a template that has the text not exactly once"
    if growth > _MOST_GROWTH:
        yield f"replacements that make a text {growth:,.0f} times as long, more than {_MOST_GROWTH}"
    if special > _MOST_SPECIAL:
        yield f"{special:,} special tokens around each text, more than {_MOST_SPECIAL}"


def _parts(part: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """A part and those within it, few more than are allowed."""
    if part is None:
        return
    if depth > _MOST_PARTS or not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise ValueError("a part without a type, or nested too deep")
    yield part
    for key in ("normalizers", "pretokenizers", "processors", "decoders"):
        for within in part.get(key) or ():
            yield from _parts(within, depth + 1)


def _growth(part: Mapping[str, Any]) -> float:
    """How many times longer a part can make a text."""
    if part["type"] == "Prepend":
        return 1.0 + len(part["prepend"])
    if part["type"] != "Replace":
        return 1.0
    pattern, content = part["pattern"], len(part["content"])
    literal = pattern.get("String")
    return max(1.0, content / len(literal)) if literal else content + 1.0


def _special(part: Mapping[str, Any]) -> int:
    """Tokens that a part puts around a text."""
    if part["type"] != "TemplateProcessing":
        return 2 if part["type"] in ("BertProcessing", "RobertaProcessing") else 0
    known = part["special_tokens"]
    named = [entry["SpecialToken"]["id"] for entry in part["single"] if "SpecialToken" in entry]
    return sum(len(known[name]["ids"]) for name in named)


def _charsmap_fault(encoded: Any) -> str:
    """What is wrong with the table of a `Precompiled` normalizer: the size of a trie, the trie, and texts that end in zeros."""
    try:
        table = base64.b64decode(encoded or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        return "a table of characters that is no base64"
    size = int.from_bytes(table[:4], "little")
    if len(table) < 4 or 4 + size > len(table) or size % 4:
        return "a table of characters that is shorter than it says"
    longest = max(map(len, table[4 + size :].split(b"\0")))
    return f"a character that becomes {longest:,} bytes" if longest > _LONGEST_REPLACEMENT else ""


def _decoded(content: bytes, where: str, shown: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused_tokenizer("is not in UTF-8", str(error)[:160], where, shown) from error


def _too_large(shown: str, where: str, size: int) -> DataError:
    return DataError(
        f"{shown} is too large for a file of tokens",
        where=where,
        found=f"{size:,} bytes",
        allowed=f"at most {MAX_BYTES:,} bytes",
        fix="check that this is the file you meant",
    )
