"""What stands where a file should: pipes, devices, links, folders, and files that change or were cut."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from tests.hostile.opcodes import split_pickles
from tests.hostile.record import (
    Builder,
    HostileModel,
    Pretence,
    good_legacy,
    good_safetensors,
    good_zip,
    writes,
    writes_lazily,
)


def _pipe(folder: Path, _marker: Path) -> Path:
    path = folder / "model.safetensors"
    os.mkfifo(path)
    return path


def _socket(folder: Path, _marker: Path) -> Path:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket may have 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("model.pt")
    finally:
        os.chdir(here)
    return folder / "model.pt"


def _folder(folder: Path, _marker: Path) -> Path:
    path = folder / "model.safetensors"
    path.mkdir()
    return path


def _link(folder: Path, _marker: Path) -> Path:
    (folder / "good.safetensors").write_bytes(good_safetensors())
    path = folder / "model.safetensors"
    path.symlink_to(folder / "good.safetensors")
    return path


def _link_to_a_device(folder: Path, _marker: Path) -> Path:
    path = folder / "model.pt"
    path.symlink_to("/dev/zero")
    return path


def _links_in_a_circle(folder: Path, _marker: Path) -> Path:
    path = folder / "model.pt"
    (folder / "other.pt").symlink_to(path)
    path.symlink_to(folder / "other.pt")
    return path


def _unreadable(folder: Path, _marker: Path) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(good_safetensors())
    path.chmod(0)
    return path


def _missing(folder: Path, _marker: Path) -> Path:
    return folder / "model.safetensors"


def _missing_with_a_long_name(folder: Path, _marker: Path) -> Path:
    return folder / ("m" * 300)


def _name_with_a_zero(folder: Path, _marker: Path) -> Path:
    return folder / "model\0.safetensors"


def _name_that_acts(folder: Path, _marker: Path) -> Path:
    path = folder / "\x1b[2J\u202emodel\r\n::error::.safetensors"
    path.write_bytes(good_safetensors()[:-1])
    return path


def _sparse(size: int, head: bytes) -> Builder:
    """A file of holes: it takes no room, and is as long as it says."""

    def build(folder: Path, _marker: Path) -> Path:
        path = folder / "model.safetensors"
        with path.open("wb") as handle:
            handle.write(head)
            handle.truncate(size)
        return path

    return build


def _growing(folder: Path, _marker: Path) -> Path:
    """A good file that somebody keeps appending to, up to 64 MiB."""
    path = folder / "model.safetensors"
    path.write_bytes(good_safetensors() + b"\0")

    def grow() -> None:
        with path.open("ab", buffering=0) as handle:
            for _ in range(1024):
                handle.write(b"\0" * 65536)
                pause.wait(0.001)

    pause = threading.Event()
    threading.Thread(target=grow, daemon=True).start()
    return path


def _device(path: str) -> Builder:
    return lambda _folder, _marker: Path(path)


def _terabyte_header() -> bytes:
    entry = b'{"0.weight":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}'
    return struct.pack("<Q", len(entry)) + entry


def _record(name: str, build: Builder, *says: str, pretends: Pretence = "safetensors") -> HostileModel:
    return HostileModel(name=name, pretends=pretends, build=build, says=says, harmless_pickle=True)


def _cut(content: Callable[[], bytes], keep: float) -> Callable[[], bytes]:
    """The first part of a file: a share of it, or all but some bytes from its end where negative."""
    return lambda: content()[: int(keep) if keep < 0 else int(keep * len(content()))]


def _truncations() -> list[HostileModel]:
    kinds: tuple[tuple[str, Pretence, str, Callable[[], bytes]], ...] = (
        ("safetensors", "safetensors", "model.safetensors", good_safetensors),
        ("archive", "state-dict", "model.pt", good_zip),
        ("legacy", "state-dict", "model.pt", good_legacy),
        ("pickle", "state-dict", "model.pt", lambda: split_pickles(good_legacy(), 4)[3]),
    )
    return [
        HostileModel(
            name=f"cut-{kind}-{label}",
            pretends=pretends,
            build=writes_lazily(file, _cut(content, keep)),
            says=(file,),
            harmless_pickle=True,
        )
        for kind, pretends, file, content in kinds
        for label, keep in (
            ("at-a-hundredth", 0.01),
            ("in-the-header", 0.1),
            ("in-the-middle", 0.5),
            ("at-the-end", -1),
        )
    ]


PLACES: tuple[HostileModel, ...] = (
    *_truncations(),
    _record("pipe", _pipe, "a pipe"),
    _record("socket", _socket, "a socket", pretends="state-dict"),
    _record("device-of-zeros", _device("/dev/zero"), "a device"),
    _record("device-of-noise", _device("/dev/urandom"), "a device"),
    _record("standard-input", _device("/dev/stdin"), "link"),
    _record("terminal", _device("/dev/tty"), "model.path"),
    _record("memory-of-the-process", _device("/proc/self/mem"), "mem"),
    _record("file-that-waits", _device("/proc/kmsg"), "kmsg"),
    _record("file-without-a-size", _device("/proc/self/maps"), "maps"),
    _record("folder", _folder, "a folder"),
    _record("link-to-a-good-file", _link, "a symbolic link"),
    _record("link-to-a-device", _link_to_a_device, "a symbolic link", pretends="state-dict"),
    _record("links-in-a-circle", _links_in_a_circle, "a symbolic link", pretends="state-dict"),
    HostileModel(
        name="unreadable",
        pretends="safetensors",
        build=_unreadable,
        says=("Permission denied",),
        harmless_pickle=True,
        unprivileged=True,
    ),
    _record("missing", _missing, "No such file"),
    _record("missing-with-a-long-name", _missing_with_a_long_name, "name too long"),
    _record("name-with-a-zero", _name_with_a_zero, "null"),
    _record("name-that-acts", _name_that_acts, "safetensors"),
    _record("empty", writes("model.safetensors", b""), "0 bytes"),
    _record("one-byte", writes("model.pt", b"\x80"), "model.pt", pretends="state-dict"),
    _record("holes-of-10-gib", _sparse(10 * 2**30, b""), "model.safetensors"),
    _record("holes-of-a-terabyte-as-said", _sparse(2**40 + len(_terabyte_header()), _terabyte_header()), "bytes"),
    _record("growing", _growing, "bytes"),
)
