"""Files that are programs: exported ones by every road to a pickle, TorchScript that writes, Python that writes."""

from __future__ import annotations

import functools
import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from tests.hostile.containers import archived, rebuilt_zip
from tests.hostile.opcodes import stream
from tests.hostile.payloads import code, os_system
from tests.hostile.record import Builder, HostileModel
from tests.hostile.scripts import Loops, MapsAFile, WritesInForward, WritesWhenOpened


@functools.cache
def good_exported() -> bytes:
    """What `torch.export.save` writes for a linear model."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter warns of its own parts
        program = torch.export.export(nn.Linear(3, 1).eval(), (torch.ones(2, 3),))
        torch.export.save(program, buffer)
    return buffer.getvalue()


def scripted(module: nn.Module) -> bytes:
    """What `torch.jit.save` writes for a module."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting is deprecated, its files are not gone
        torch.jit.save(torch.jit.script(module), buffer)
    return buffer.getvalue()


def _scripted(kind: Callable[[str], nn.Module]) -> Builder:
    def build(folder: Path, marker: Path) -> Path:
        path = folder / "model.pt"
        path.write_bytes(scripted(kind(str(marker))))
        marker.unlink(missing_ok=True)  # saving calls `__setstate__` too
        return path

    return build


def _exported(edit: Callable[[str, bytes, bytes], bytes], file: str = "model.pt2") -> Builder:
    """The good program with members edited: from name, content and a `torch.save` archive that runs a payload."""

    def build(folder: Path, marker: Path) -> Path:
        evil = archived(os_system(marker))
        path = folder / file
        path.write_bytes(rebuilt_zip(lambda name, content: edit(name, content, evil), good_exported()))
        return path

    return build


def _sample_inputs(name: str, content: bytes, evil: bytes) -> bytes:
    return evil if "/sample_inputs/" in name else content


def _pickled_weight(name: str, content: bytes, evil: bytes) -> bytes:
    if name.endswith("/weight_0"):
        return evil
    if not name.endswith("/model_weights_config.json"):
        return content
    document = json.loads(content)
    for entry in document["config"].values():
        entry["use_pickle"] = entry["path_name"] == "weight_0"
    return json.dumps(document).encode()


def _more_members(members: Callable[[bytes], dict[str, bytes]], dropped: str) -> Builder:
    """The good program with members added, and one left out in their favour."""

    def build(folder: Path, marker: Path) -> Path:
        buffer = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(good_exported())) as source,
            zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target,
        ):
            prefix = source.namelist()[0].partition("/")[0]
            for item in source.infolist():
                if not item.filename.endswith(dropped):
                    target.writestr(item.filename, source.read(item))
            for name, content in members(os_system(marker)).items():
                target.writestr(f"{prefix}/{name}", content)
        path = folder / "model.pt2"
        path.write_bytes(buffer.getvalue())
        return path

    return build


def _old_weights(payload: bytes) -> dict[str, bytes]:
    return {"data/weights/model.pt": archived(payload)}


def _opaque_constant(payload: bytes) -> dict[str, bytes]:
    entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    config = json.dumps({"config": {"constant": entry}}).encode()
    return {"data/constants/model_constants_config.json": config, "data/constants/opaque_obj_0": stream(payload)}


def _pickled_constant(payload: bytes) -> dict[str, bytes]:
    entry = {"path_name": "tensor_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    config = json.dumps({"config": {"constant": entry}}).encode()
    return {"data/constants/model_constants_config.json": config, "data/constants/tensor_0": archived(payload)}


def _factory(source: Callable[[Path], str]) -> Builder:
    def build(folder: Path, marker: Path) -> Path:
        path = folder / "factory.py"
        path.write_text(source(marker))
        return path

    return build


def _keras_with_a_lambda(folder: Path, _marker: Path) -> Path:
    path = folder / "model.keras"
    layer = {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}}))
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")
    return path


_CODE_IN_STRINGS = "def build():\n    return None\n\nif True:\n    getattr(__import__('builtins'), 'ex' + 'ec')({!r})\n"

PROGRAMS: tuple[HostileModel, ...] = (
    HostileModel(
        name="exported-sample-inputs",
        pretends="exported",
        build=_exported(_sample_inputs),
        says=("program", "dangerous calls"),
        runs="exported",
    ),
    HostileModel(
        name="exported-pickled-weight",
        pretends="exported",
        build=_exported(_pickled_weight),
        says=("program", "dangerous calls"),
        runs="exported",
    ),
    HostileModel(
        name="exported-old-weights",
        pretends="exported",
        build=_more_members(_old_weights, "/model_weights_config.json"),
        says=("program", "dangerous calls"),
        runs="exported",
    ),
    HostileModel(
        name="exported-opaque-constant",
        pretends="exported",
        build=_more_members(_opaque_constant, "/model_constants_config.json"),
        says=("program", "dangerous calls"),
        runs="exported",
    ),
    HostileModel(
        name="exported-pickled-constant",
        pretends="exported",
        build=_more_members(_pickled_constant, "/model_constants_config.json"),
        says=("program", "dangerous calls"),
        runs="exported",
    ),
    HostileModel(
        name="exported-named-pt",
        pretends="state-dict",
        build=_exported(_sample_inputs, "model.pt"),
        says=("program",),
        runs="exported",
    ),
    HostileModel(
        name="torchscript-writes-in-forward",
        pretends="torchscript",
        build=_scripted(WritesInForward),
        says=("program", "trust"),
        runs="torchscript",
    ),
    HostileModel(
        name="torchscript-maps-a-file",
        pretends="torchscript",
        build=_scripted(MapsAFile),
        says=("program", "trust"),
        runs="torchscript",
    ),
    HostileModel(
        name="torchscript-writes-when-opened",
        pretends="torchscript",
        build=_scripted(WritesWhenOpened),
        says=("program", "trust"),
        runs="torchscript",
    ),
    HostileModel(
        name="torchscript-given-as-state-dict",
        pretends="state-dict",
        build=_scripted(WritesWhenOpened),
        says=("program",),
        runs="torchscript",
    ),
    HostileModel(
        name="torchscript-that-loops",
        pretends="torchscript",
        build=_scripted(lambda _path: Loops()),
        says=("program", "trust"),
    ),
    HostileModel(
        name="factory-writes-at-import",
        pretends="factory",
        build=_factory(lambda marker: f"{code(marker)}\ndef build():\n    return None\n"),
        says=("program", "trust"),
        runs="import",
    ),
    HostileModel(
        name="factory-hides-its-call",
        pretends="factory",
        build=_factory(lambda marker: _CODE_IN_STRINGS.format(code(marker))),
        says=("program", "trust"),
        runs="import",
    ),
    HostileModel(
        name="keras-with-a-lambda", pretends="state-dict", build=_keras_with_a_lambda, says=("keras",), runs=None
    ),
)
