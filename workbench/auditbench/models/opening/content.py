"""What a file is, by its bytes alone; its name says nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auditbench.errors import ModelError
from auditbench.models.opening.allowed import is_plain
from auditbench.models.opening.archives import Member, below_root, has_directory, read_archive, read_member
from auditbench.models.opening.files import Damage
from auditbench.models.opening.incomplete import incomplete_archive
from auditbench.models.opening.json_text import parse_strictly
from auditbench.models.opening.limits import MAX_INSTRUCTIONS, MAX_JSON_BYTES, MAX_PICKLE_BYTES
from auditbench.models.opening.pickles import Walk, is_surely_pickle, looks_like_pickle, walk

TORCH_MAGIC, TORCH_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
LEGACY_PICKLES = 5  # number, protocol, machine, object, keys of the storages
COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"ZF0x": "zlib",  # joblib before 0.10
}
_OPENED = ("safetensors", "state-dict", "torchscript", "exported", "pickle", "onnx")
ESTIMATORS = ("skops", "xgboost", "lightgbm")
"""Kinds of files of estimators, all of them of `model.format = "estimator"`."""
PICKLED = ("pickle", "state-dict", "compressed")
"""Kinds that a pickle of any object, plain or as joblib compresses it, is taken for."""
_BOOSTERS = {
    "xgboost": re.compile(rb'\s{0,64}\{\s{0,64}"learner"\s{0,64}:|\{L\0{7}\x07learner'),
    "lightgbm": re.compile(rb"tree\nversion="),
}
_MAGIC = {
    b"\x93NUMPY": "numpy",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"GGUF": "gguf",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x7fELF": "native-program",
    b"MZ": "native-program",
    **dict.fromkeys(COMPRESSED, "compressed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the bytes of a file are.

    Attributes:
        walks: Through its pickles, where torch.save may have written it.
        damage: Why it is no complete file of any kind, where its kind is `damaged`.
    """

    kind: str
    walks: tuple[Walk, ...] = ()
    damage: Damage | None = None


def content_kind(content: bytes) -> str:
    """What the bytes of a file are.

    `safetensors`, `state-dict` (what torch.save wrote, with nothing in it but tensors and plain values),
    `pickle`, `torchscript`, `exported`, `numpy`, `numpy-archive`, `keras`, `hdf5`, `gguf`, `onnx`, `compressed`,
    `skops`, `xgboost`, `lightgbm`, `zip`, `tar`, `7z`, `rar`, `native-program`, `json`, `html`, `text`, `empty`,
    `unknown`; `polyglot` where two readers would see two different files.

    Raises:
        Damage: It is an archive that was cut off.
    """
    return look_into_whole(content).kind


def look_into_whole(content: bytes) -> Content:
    """As `content_kind`, with the walks that it took to know.

    Raises:
        Damage: It is an archive that was cut off.
    """
    found = look_into(content)
    if found.damage is not None:
        raise found.damage
    return found


def look_into(content: bytes) -> Content:
    """As `look_into_whole`; an archive that was cut off is `damaged`."""
    if not content:
        return Content(kind="empty")
    if content[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _look_into_zip(content)
    found = _look_at_start(content)
    pickled = found.kind in ("tar", "safetensors") and is_surely_pickle(content)
    if pickled or has_directory(content) or (found.kind != "tar" and is_tar(content)):
        return Content(kind="polyglot")
    return found


def refuse_other_kind(path: Path, found: str, wanted: str) -> None:
    """Refuse a file whose content is not what `model.format` says.

    Raises:
        ModelError: With the format that its content is of.
    """
    if found != wanted:
        raise ModelError(
            f"{path.name} is of another kind than model.format says",
            where=str(path),
            found=f"{found}, by its content",
            allowed=wanted,
            fix=f'set model.format = "{format_of(found)}"' if format_of(found) else "check model.path and model.format",
        )


def format_of(kind: str) -> str:
    """The `model.format` that opens content of this kind; empty where none does."""
    if kind in ESTIMATORS:
        return "estimator"
    if kind in ("keras", "hdf5"):
        return "keras"
    return kind if kind in _OPENED else ""


def compression(content: bytes) -> str:
    """How the bytes are compressed: `gzip`, `bzip2`, `xz`, `lz4`, `zstd`, `zlib`; empty if they are not."""
    named = next((name for magic, name in COMPRESSED.items() if content.startswith(magic)), "")
    return named or ("zlib" if _is_zlib(content) else "")


def is_tar(content: bytes) -> bool:
    """Whether the bytes begin with the header of a tar archive, told by its checksum."""
    header = content[:512]
    if len(header) < 512 or not header.strip(b"\0"):
        return False
    try:
        told = int(header[148:156].strip(b" \0") or b"-1", 8)
    except ValueError:
        return False
    return told == sum(header) - sum(header[148:156]) + 8 * 32


def legacy_walks(content: bytes) -> tuple[Walk, ...]:
    """The five pickles of what torch.save wrote before version 1.6, or none if it is no such file."""
    first = walk(content, most=8)
    if first.fault or first.value != TORCH_MAGIC:
        return ()
    walks, left = [first], MAX_INSTRUCTIONS
    while len(walks) < LEGACY_PICKLES and not walks[-1].fault:
        walks.append(walk(content, walks[-1].end, most=left))
        left -= walks[-1].instructions
    return tuple(walks)


def walk_member(content: bytes, member: Member) -> Walk:
    """The walk through the pickle that torch.save puts beside the storages.

    Raises:
        Damage: It is too large for a state dict, or damaged.
    """
    return walk(read_member(content, member, most=MAX_PICKLE_BYTES))


def _look_at_start(content: bytes) -> Content:
    named = next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), "")
    if named:
        return Content(kind=named)
    if is_tar(content):
        return Content(kind="tar")
    if _is_safetensors(content):
        return Content(kind="safetensors")
    if looks_like_pickle(content):
        walks = legacy_walks(content) or (walk(content),)
        plain = len(walks) == LEGACY_PICKLES and all(map(is_plain, walks))
        return Content(kind="state-dict" if plain else "pickle", walks=walks)
    if _is_zlib(content):
        return Content(kind="compressed")
    if _is_onnx(content):
        return Content(kind="onnx")
    booster = next((kind for kind, begins in _BOOSTERS.items() if begins.match(content)), "")
    return Content(kind=booster or _text_kind(content))


def _look_into_zip(content: bytes) -> Content:
    try:
        members = read_archive(content, deflated=True)
    except Damage:
        damage = incomplete_archive(content)
        return Content(kind="zip" if damage is None else "damaged", damage=damage)
    names = set(members)
    if {"config.json", "metadata.json"} <= names and any(name.endswith(".weights.h5") for name in names):
        return Content(kind="keras")
    if "schema.json" in names and all(name.endswith((".npy", ".npz", ".bin")) for name in names - {"schema.json"}):
        return Content(kind="skops")
    if all(name.endswith(".npy") for name in names):
        return Content(kind="numpy-archive")
    try:
        return _look_into_torch_zip(content, below_root(members))
    except Damage:
        return Content(kind="exported" if _is_exported(names) else "zip")


def _is_exported(names: set[str]) -> bool:
    return bool({"archive_format", "serialized_exported_program.json"} & names)


def _look_into_torch_zip(content: bytes, members: Mapping[str, Member]) -> Content:
    names = set(members)
    if _is_exported(names) or any(name.startswith("models/") for name in names):
        return Content(kind="exported")
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return Content(kind="torchscript")
    if "data.pkl" not in names:
        return Content(kind="zip")
    if members["data.pkl"].size > MAX_PICKLE_BYTES:
        return Content(kind="pickle")
    found = walk_member(content, members["data.pkl"])
    return Content(kind="state-dict" if is_plain(found) else "pickle", walks=(found,))


def _is_safetensors(content: bytes) -> bool:
    """Whether a header seems to begin behind its length, whatever that length says."""
    return content[8:10] in (b'{"', b"{}", b"{ ", b"{\n")


def _is_zlib(content: bytes) -> bool:
    head = content[:2]
    return len(head) == 2 and head[0] == 0x78 and int.from_bytes(head, "big") % 31 == 0


def _is_onnx(content: bytes) -> bool:
    """Whether the bytes begin as the message of a model does: a version of its format, then a producer or a graph."""
    if len(content) < 4 or content[0] != 0x08 or not 1 <= content[1] <= 31:
        return False
    return content[2] in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)


def _text_kind(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return "unknown"
    if any(sign < " " and sign not in "\t\n\r\f\v" for sign in text[:4096]):
        return "unknown"
    head = text[:1024].lstrip("\ufeff \t\r\n").lower()
    if head.startswith(("<!doctype html", "<html")):
        return "html"
    if head.startswith(("{", "[")) and len(content) <= MAX_JSON_BYTES:
        try:
            parse_strictly(text)
        except ValueError:
            return "text"
        return "json"
    return "text"
