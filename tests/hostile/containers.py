"""Every kind of file that can carry a pickle, around one payload."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.hostile.opcodes import call, hidden, name, pairs, split_pickles, stream, tensor
from tests.hostile.payloads import PAYLOADS, Payload, command, os_system, storage_with_a_call_in_it
from tests.hostile.record import Builder, Carelessness, HostileModel, Pretence, good_legacy, good_safetensors, good_zip


def rebuilt_zip(edit: Callable[[str, bytes], bytes], content: bytes | None = None) -> bytes:
    """An archive with each member edited; the good one of `torch.save` unless another is given."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content or good_zip())) as source,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target,
    ):
        for item in source.infolist():
            target.writestr(item.filename, edit(item.filename, source.read(item)))
    return buffer.getvalue()


def with_pickle(pickled: bytes) -> bytes:
    """The good archive with another `data.pkl`."""
    return rebuilt_zip(lambda name, content: pickled if name.endswith("/data.pkl") else content)


def archived(payload: bytes) -> bytes:
    """The good archive, which runs a payload on the way to its tensors."""
    return rebuilt_zip(lambda name, content: hidden(content, payload) if name.endswith("/data.pkl") else content)


def legacy(payload: bytes, *, part: int = 3) -> bytes:
    """The good old file, with a payload in one of its pickles: 2 describes the machine, 3 the object, 4 the keys."""
    parts = split_pickles(good_legacy(), 5)
    parts[part] = hidden(parts[part], payload)
    return b"".join(parts)


def _tar(payload: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in ("sys_info", "storages", "tensors", "pickle"):
            content = stream(payload, protocol=2)
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _array(payload: bytes, kind: bytes = b"'|O'") -> bytes:
    header = b"{'descr': " + kind + b", 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + stream(payload)


def _arrays(payload: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("weight.npy", _array(payload))
    return buffer.getvalue()


def _twice(payload: bytes, *, first: bool) -> bytes:
    """Two members called `data.pkl`; readers differ in which one they take."""
    with zipfile.ZipFile(io.BytesIO(good_zip())) as source:
        member = next(item.filename for item in source.infolist() if item.filename.endswith("/data.pkl"))
        good = source.read(member)
    evil = hidden(good, payload)
    buffer = io.BytesIO(rebuilt_zip(lambda name, content: evil if first and name == member else content))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the name that is written twice, which is the attack
        with zipfile.ZipFile(buffer, "a") as target:
            target.writestr(member, good if first else evil)
    return buffer.getvalue()


def _second_folder(payload: bytes) -> bytes:
    """A good model in one folder of the archive, and a pickle in another."""
    buffer = io.BytesIO(good_zip())
    with zipfile.ZipFile(buffer, "a") as target:
        target.writestr("other/data.pkl", stream(payload))
    return buffer.getvalue()


def _other_name_in_the_directory(payload: bytes) -> bytes:
    """The directory calls the pickle `data.pkl`, its own header something else: readers of either see another file."""
    content = archived(payload)
    start = content.index(b"/data.pkl")
    return content[:start] + b"/data.txt" + content[start + 9 :]


def _behind_an_archive(payload: bytes) -> bytes:
    return archived(payload) + stream(payload)


def _before_an_archive(payload: bytes) -> bytes:
    """A pickle that a reader from the front loads, and an archive that a reader from the back opens."""
    return stream(payload) + good_zip()


def _before_safetensors(payload: bytes) -> bytes:
    """The first eight bytes are opcodes and a length; no reader of safetensors looks further than that."""
    pickled = stream(payload)
    return pickled + b" " * (4096 - len(pickled)) + good_safetensors()


def _behind_safetensors(payload: bytes) -> bytes:
    return good_safetensors() + archived(payload)


def _broken_behind_the_payload(payload: bytes) -> bytes:
    """It raises, but only after the call; a scanner that stops at the error has seen nothing of it."""
    return b"\x80\x04" + payload + b"\xff\xff\xff"


def _persistent(payload: bytes) -> bytes:
    return with_pickle(stream(pairs({"0.weight": tensor(payload, size=(3,), stride=(1,))}), protocol=2))


def _padded(payload: bytes) -> bytes:
    """An archive whose pickle pushes and drops many times before it calls, and is plain text throughout."""
    return with_pickle(b"N0" * 3000 + payload + b".")


def _name_of_a_tar_member(payload: bytes) -> bytes:
    """A tar archive of one text file, whose name is a whole pickle."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo((payload + b".").decode())
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    return buffer.getvalue()


def _inside_safetensors(payload: bytes) -> bytes:
    """Whole safetensors, and a whole pickle: bytes over the first key, a text over the header, then opcodes as numbers."""
    opcodes = b"0" + payload + b"."
    entry = b'"data_offsets":[0,%d]}}' % len(opcodes)
    head = b'{"' + b"a" * 251 + b'V":{"dtype":"U8","shape":[%d],' % len(opcodes) + entry
    length = struct.pack("<Q", 0x42 | 256 << 8)  # opcode B, then 256 bytes from byte 5 to the letter V at byte 261
    header = head + b" " * (0x42 + (256 << 8) - len(head) - 1) + b"\n"
    return length + header + opcodes


def _served(folder: Path, marker: Path) -> Path:
    """An archive of TorchServe: good weights, and Python source that handles requests."""
    path = folder / "model.mar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", '{"model": {"handler": "handler.py", "serializedFile": "model.pt"}}')
        archive.writestr("model.pt", good_zip())
        archive.writestr("handler.py", f"open({str(marker)!r}, 'w').write('ran')")
    return path


def _whole_module(payload: bytes) -> bytes:
    """A module pickled whole, as many are handed around; what its class does is in the file that runs."""
    linear = call(name("torch.nn.modules.linear", "Linear"), b"K\x03", b"K\x01")
    return with_pickle(stream(payload, b"0", linear, protocol=2))


def _short_protocol_0(marker: Path) -> bytes:
    """A call in at most 98 bytes: the command stands in a file beside the marker."""
    script = marker.with_name("s")
    script.write_text(command(marker))
    return b"cos\nsystem\n(V. " + str(script).encode() + b"\ntR"


def _file(container: Callable[[bytes], bytes], file: str, payload: Payload = os_system) -> Builder:
    def build(folder: Path, marker: Path) -> Path:
        path = folder / file
        path.write_bytes(container(payload(marker)))
        return path

    return build


def _record(
    name: str,
    container: Callable[[bytes], bytes],
    file: str,
    runs: Carelessness | None,
    *says: str,
    pretends: Pretence = "state-dict",
    payload: Payload = os_system,
) -> HostileModel:
    return HostileModel(name=name, pretends=pretends, build=_file(container, file, payload), says=says, runs=runs)


def _payloads() -> list[HostileModel]:
    """Every payload in an archive of `torch.save`, hidden before good weights."""
    return [
        _record(f"archive-{name}", archived, "model.pt", "torch", says, payload=payload)
        for name, (payload, says) in PAYLOADS.items()
    ]


CONTAINERS: tuple[HostileModel, ...] = (
    *_payloads(),
    _record("raw-pickle", stream, "model.pkl", "pickle", "program", "dangerous calls", pretends="pickle"),
    _record("raw-pickle-named-pt", stream, "model.pt", "torch", "os.system"),
    _record("raw-pickle-named-bin", stream, "pytorch_model.bin", "torch", "os.system"),
    _record("raw-pickle-named-safetensors", stream, "model.safetensors", "pickle", "os.system", pretends="safetensors"),
    _record(
        "protocol-0-named-safetensors",
        lambda payload: payload + b".",
        "model.safetensors",
        "pickle",
        "pickle",
        pretends="safetensors",
        payload=PAYLOADS["protocol-0"][0],
    ),
    _record("archive-named-safetensors", archived, "model.safetensors", None, "os.system", pretends="safetensors"),
    _record("broken-behind-the-payload", _broken_behind_the_payload, "model.pt", "torch", "os.system"),
    _record("legacy-in-the-object", legacy, "model.pt", "torch", "os.system"),
    _record("legacy-in-the-machine", lambda payload: legacy(payload, part=2), "model.pt", "torch", "os.system"),
    _record("legacy-in-the-keys", lambda payload: legacy(payload, part=4), "model.pt", "torch", "os.system"),
    _record("legacy-tar", _tar, "model.pt", "torch", "tar"),
    _record("gzip", lambda payload: gzip.compress(stream(payload), mtime=0), "model.pkl.gz", "joblib", "gzip"),
    _record("bz2", lambda payload: bz2.compress(stream(payload)), "model.pkl.bz2", "joblib", "bzip2"),
    _record("xz", lambda payload: lzma.compress(stream(payload)), "model.pkl.xz", "joblib", "xz"),
    _record("zlib", lambda payload: zlib.compress(stream(payload)), "model.pkl.z", "joblib", "zlib"),
    _record("joblib", stream, "model.joblib", "joblib", "os.system"),
    _record("numpy-objects", _array, "weights.npy", "numpy", "numpy"),
    _record("numpy-archive-of-objects", _arrays, "weights.npz", "numpy", "numpy"),
    _record("data-pkl-twice-last-is-evil", lambda p: _twice(p, first=False), "model.pt", None, "data.pkl"),
    _record("data-pkl-twice-first-is-evil", lambda p: _twice(p, first=True), "model.pt", None, "data.pkl"),
    _record("data-pkl-in-a-second-folder", _second_folder, "model.pt", None, "data.pkl"),
    _record("other-name-in-the-directory", _other_name_in_the_directory, "model.pt", None, "data"),
    _record("pickle-behind-an-archive", _behind_an_archive, "model.pt", None, "bytes"),
    _record("pickle-before-an-archive", _before_an_archive, "model.pt", "pickle", "os.system"),
    _record("pickle-before-safetensors", _before_safetensors, "model.safetensors", "pickle", "os.system"),
    _record(
        "archive-behind-safetensors", _behind_safetensors, "model.safetensors", None, "bytes", pretends="safetensors"
    ),
    _record(
        "call-in-a-persistent-id", _persistent, "model.pt", "torch", "os.system", payload=storage_with_a_call_in_it
    ),
    _record("padding-before-the-payload", _padded, "model.pt", "torch", "os.system", payload=PAYLOADS["protocol-0"][0]),
    _record("name-of-a-tar-member", _name_of_a_tar_member, "model.pt", "pickle", "pickle", payload=_short_protocol_0),
    _record(
        "pickle-inside-safetensors",
        _inside_safetensors,
        "model.safetensors",
        "pickle",
        "two files in one",
        pretends="safetensors",
        payload=PAYLOADS["protocol-0"][0],
    ),
    _record("numpy-objects-in-other-quotes", lambda p: _array(p, b'"O"'), "weights.npy", "numpy", "numpy"),
    _record("numpy-objects-by-another-name", lambda p: _array(p, b"'object'"), "weights.npy", "numpy", "numpy"),
    HostileModel(name="archive-of-a-server", pretends="state-dict", build=_served, says=("zip",)),
    _record("whole-module", _whole_module, "model.pt", "torch", "program", "dangerous calls", pretends="pickle"),
)
