"""Hostile files of Keras: code in the configuration, names of what is elsewhere, links, bombs and lies."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.hostile.keras_files import (
    code,
    config,
    good_file,
    layer,
    members,
    with_arrays,
    with_config,
    with_hdf5,
    with_key,
    with_layer,
    with_setting,
    zipped,
)
from tests.hostile.opcodes import stream
from tests.hostile.payloads import os_system

DENSE = "model_weights/dense"
ARRAY = "layers/dense/vars/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileKeras:
    """A file that pretends to be a network of Keras.

    Attributes:
        content: The bytes, from the path of the marker that a payload would write.
        says: Words that the refusal must hold, in any case of letters.
        live: Whether Keras itself, without its safe mode, writes the marker.
    """

    name: str
    content: Callable[[Path], bytes]
    says: tuple[str, ...]
    live: bool = False
    ending: str = ".keras"


def _lambda(marker: Path) -> dict[str, Any]:
    return layer("Lambda", {"name": "l", "function": code(marker), "output_shape": [3], "arguments": {}})


def _nested_lambda(marker: Path) -> bytes:
    inner = layer("Sequential", {"name": "inner", "layers": [_lambda(marker)]}, module="keras")
    return with_layer(inner)


def _timed_lambda(marker: Path) -> bytes:
    changed = config()
    layers = changed["config"]["layers"]
    layers[0]["config"]["batch_shape"] = [None, 3, 4]
    layers[1] = layer("TimeDistributed", {"name": "t", "layer": _lambda(marker)})
    del layers[2], changed["build_config"], changed["config"]["build_input_shape"]
    return with_config(changed)


def _lambda_in_hdf5(marker: Path) -> bytes:
    def change(file: h5py.File) -> None:
        found = json.loads(file.attrs["model_config"])
        settings = {"name": "l", "function": code(marker), "output_shape": [1]}
        found["config"]["layers"].append({"class_name": "Lambda", "config": settings})
        file.attrs["model_config"] = json.dumps(found)

    return with_hdf5(change)


def _pickled_module(marker: Path) -> bytes:
    pickled = base64.b64encode(stream(os_system(marker))).decode()
    return with_layer(layer("TorchModuleWrapper", {"name": "t", "module": pickled, "output_shape": [None, 3]}), at=1)


def _laughs(_marker: Path) -> bytes:
    """Networks in networks, each of which uses the one within it twice."""
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "dtype": "float32"}}

    def at(name: str, use: int) -> dict[str, Any]:
        history = {"keras_history": [name, use, 0]}
        return {"args": [{**tensor, "config": {**tensor["config"], **history}}], "kwargs": {}}

    start = {**layer("InputLayer", {"batch_shape": [None, 4], "name": "i"}), "name": "i", "inbound_nodes": []}
    inner: dict[str, Any] = layer("Activation", {"name": "a", "activation": "relu"})
    for depth in range(40):
        name = f"m{depth}"
        uses = {**inner, "name": f"u{depth}", "inbound_nodes": [at("i", 0), at(f"u{depth}", 0)]}
        settings = {
            "name": name, "layers": [start, uses], "input_layers": [["i", 0, 0]], "output_layers": [[f"u{depth}", 1, 0]],
        }  # fmt: skip
        inner = layer("Functional", settings, module="keras.src.models.functional")
    return with_config(inner)


def _wide(_marker: Path) -> bytes:
    """A network in three networks, each of which uses it a hundred times."""
    inner = layer("Activation", {"name": "a", "activation": "relu"})
    for depth in range(3):
        uses = {**inner, "name": "u", "inbound_nodes": [{"args": [], "kwargs": {}}] * 100}
        inner = layer("Functional", {"name": f"m{depth}", "layers": [uses], "input_layers": [], "output_layers": []})
        inner["module"] = "keras.src.models.functional"
    return with_config(inner)


def _many_layers(_marker: Path) -> bytes:
    changed = config()
    changed["config"]["layers"][1:] = [
        layer("Activation", {"name": f"a{i}", "activation": "relu"}) for i in range(9000)
    ]
    return with_config(changed)


def _replaced(path: str, make: Callable[[h5py.File], object]) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[path]
        make(file)

    return change


def _packed(file: h5py.File, **how: Any) -> None:
    """An array of 8 TB that takes a few bytes, or one of ones in a way that is not known."""
    file.create_dataset(ARRAY, shape=(10**6, 10**6), dtype="f8", **how)


def _gzipped(file: h5py.File) -> None:
    file.create_dataset(ARRAY, data=np.zeros((4096, 8192)), chunks=(4096, 8192), compression="gzip")


def _loop(file: h5py.File) -> None:
    file[f"{DENSE}/again"] = file["model_weights"]


def _long_names(file: h5py.File) -> None:
    """As many names as fit, each of which is one long text that the file has once."""
    group = file.create_group("long")
    group.attrs["x"] = "x" * 2**20
    file["model_weights"].attrs["layer_names"] = ["y"] * 4000


def _one_name(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = np.array(["x" * 5000], dtype=object)


def _deep_groups(file: h5py.File) -> None:
    file.create_group("/".join("a" * 300))


def _external(file: h5py.File) -> None:
    file.create_dataset(ARRAY, shape=(4, 3), dtype="f4", external=[("/etc/passwd", 0, 48)])


def _virtual(file: h5py.File) -> None:
    laid = h5py.VirtualLayout(shape=(4, 3), dtype="f4")
    laid[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(4, 3))
    file.create_virtual_dataset(ARRAY, laid)


def _twice(_marker: Path) -> bytes:
    """Two members of one name, which zipfile itself does not write."""
    parts = members()
    return zipped({**parts, "config.jsoN": parts["config.json"]})


def _bomb(_marker: Path) -> bytes:
    parts = {**members(), "config.json": b" " * 2**28}
    return zipped(parts, method=zipfile.ZIP_DEFLATED)


def _keeping(content: Callable[[], bytes]) -> Callable[[Path], bytes]:
    return lambda _marker: content()


def _renamed(key: str, value: Any) -> Callable[[Path], bytes]:
    return lambda _marker: with_key(key, value)


_OTHER = ("which is not opened",)
_CODE = [
    ("lambda", lambda m: with_layer(_lambda(m)), ("lambda", "python code")),
    ("lambda-in-a-network", _nested_lambda, ("lambda",)),
    ("lambda-for-each-step", _timed_lambda, ("lambda",)),
    ("code-as-activation", lambda m: with_setting("activation", code(m)), ("__lambda__", "python code")),
    ("pickled-module", _pickled_module, ("torchmodulewrapper", "pickle")),
]
_NAMES: list[tuple[str, Any, tuple[str, ...]]] = [
    ("function", layer("function", "eval", module="builtins"), ("'function'", "instead of a layer")),  # type: ignore[arg-type]
    ("function-of-keras", layer("function", "get_file", module="keras.utils"), ("'function'",)),  # type: ignore[arg-type]
    ("module-os", layer("system", {"command": "id"}, module="os"), ("'system'", "'os'")),
    ("known-name-elsewhere", layer("Dense", {"units": 3}, module="evil"), ("'Dense'", "'evil'")),
    ("keras-like-module", layer("Dense", {"units": 3}, module="kerasx.layers"), _OTHER),
    ("helper-of-keras", layer("Progbar", {"target": 3}, module="keras.utils"), _OTHER),
    ("own-class", layer("MyLayer", {}, module="my.package"), ("'MyLayer'",)),
    ("saved-model", layer("TFSMLayer", {"filepath": "/etc", "name": "t"}), ("tensorflow",)),
    ("jax", layer("JaxLayer", {"name": "j"}), ("jax",)),
    ("vocabulary-file", layer("StringLookup", {"vocabulary": "/etc/passwd"}), ("from a file",)),
    ("text-vocabulary", layer("TextVectorization", {"vocabulary": "/etc/passwd"}), ("from a file",)),
    ("type-of-tensorflow", {"class_name": "__typespec__", "spec_name": "x", "config": []}, ("tensorflow",)),
    ("quantized", layer("Dense", {"units": 3, "dtype": {"class_name": "QuantizedDTypePolicy", "config": {}}}), _OTHER),
]
_ARRAYS: list[tuple[str, Callable[[h5py.File], None], tuple[str, ...]]] = [
    ("link-to-a-file", _replaced(ARRAY, lambda f: f.__setitem__(ARRAY, h5py.ExternalLink("/etc/passwd", "x"))), ("link",)),
    ("soft-link", _replaced(ARRAY, lambda f: f.__setitem__(ARRAY, h5py.SoftLink("/layers"))), ("link",)),
    ("soft-link-to-itself", _replaced(ARRAY, lambda f: f.__setitem__(ARRAY, h5py.SoftLink(f"/{ARRAY}"))), ("link",)),
    ("array-in-a-file", _replaced(ARRAY, _external), ("lies elsewhere",)),
    ("array-of-arrays", _replaced(ARRAY, _virtual), ("lies elsewhere",)),
    ("array-that-is-not-there", _replaced(ARRAY, _packed), ("larger than the file",)),
    ("array-of-empty-chunks", _replaced(ARRAY, lambda f: _packed(f, chunks=(1, 2))), ("unpacks to more",)),
    ("array-of-zeros-packed", _replaced(ARRAY, _gzipped), ("unpacks to more",)),
    ("unknown-filter", _replaced(ARRAY, lambda f: f.create_dataset(ARRAY, data=np.ones((4, 3)), compression="lzf")),
     ("packed in an unknown way",)),
    ("references", _replaced(ARRAY, lambda f: f.create_dataset(ARRAY, data=np.array([f.ref], dtype=h5py.ref_dtype))),
     ("no numbers",)),
    ("texts", _replaced(ARRAY, lambda f: f.create_dataset(ARRAY, data=["x"])), ("no numbers",)),
    ("named-type", _replaced(ARRAY, lambda f: f.__setitem__(ARRAY, np.dtype("f4"))), ("no array",)),
    ("wrong-shape", _replaced(ARRAY, lambda f: f.create_dataset(ARRAY, data=np.zeros((3, 4), "f4"))), ("not those of",)),
    ("missing-weights", lambda f: f.__delitem__(ARRAY), ("not those of",)),
]  # fmt: skip
_HDF5: list[tuple[str, Callable[[h5py.File], None], tuple[str, ...]]] = [
    ("groups-in-a-loop", _loop, ("twice",)),
    ("deep-groups", _deep_groups, ("nested too deep",)),
    ("long-names", _long_names, ("more names",)),
    ("one-long-name", _one_name, ("too long",)),
    ("weights-alone", lambda f: f.attrs.__delitem__("model_config"), ("weights alone",)),
    ("names-that-are-numbers", lambda f: f["model_weights"].attrs.__setitem__("layer_names", [1, 2]), ("no text",)),
    ("missing-layer", lambda f: f[DENSE].attrs.__setitem__("weight_names", ["x/y"]), ("not those of",)),
]
_TEXTS: list[tuple[str, Callable[[], Any], tuple[str, ...]]] = [
    ("name-twice", lambda: json.dumps(config())[:-1] + ',"class_name":"Lambda"}', ("twice",)),
    ("deep-lists", lambda: '{"class_name":"Sequential","config":' + "[" * 100_000 + "]" * 100_000 + "}", ("deep",)),
    ("deep-objects", lambda: '{"class_name":"Sequential","config":' + '{"a":' * 200 + "1" + "}" * 201, ("deep",)),
    ("no-json", lambda: "{", ("no json",)),
    ("no-network", lambda: layer("Dense", {"units": 3}), ("describes itself",)),
    ("own-network", lambda: layer("MyModel", {}, module="mine"), ("describes itself",)),
    ("a-list", lambda: [config()], ("describes itself",)),
]


def _record(name: str, content: Callable[[Path], bytes], says: tuple[str, ...], **more: Any) -> HostileKeras:
    return HostileKeras(name=name, content=content, says=says, **more)


HOSTILE_KERAS = (
    *(_record(name, content, says, live=True) for name, content, says in _CODE),
    _record("lambda-in-hdf5", _lambda_in_hdf5, ("lambda",), live=True, ending=".h5"),
    *(_record(name, lambda _m, it=value: with_layer(it, at=1), says) for name, value, says in _NAMES),
    _record("code-as-initializer", lambda m: with_setting("kernel_initializer", code(m)), ("__lambda__",)),
    _record("code-as-dtype", lambda m: with_setting("dtype", code(m)), ("__lambda__",)),
    _record("registered-name", _renamed("registered_name", "evil>Dense"), ("registered as 'evil>dense'",)),
    _record("module-is-a-list", _renamed("module", ["os"]), ("not one of keras",)),
    _record("code-as-shape", lambda m: with_key("build_config", {"input_shape": code(m)}), ("shapes that are none",)),
    _record("private-shape", _renamed("build_config", {"_x": [1]}), ("shapes that are none",)),
    _record("call-as-in-training", _renamed("inbound_nodes", [{"kwargs": {"training": True}}]), ("as in training",)),
    _record("activation-of-others", _keeping(lambda: with_setting("activation", "os.system")), ("activation",)),
    _record("nan-size", _keeping(lambda: with_setting("batch_shape", [None, float("nan")], at=0)), ("nan", "no json")),
    _record("half-a-size", _keeping(lambda: with_setting("batch_shape", [None, 2.5], at=0)), ("no shape",)),
    _record("negative-size", _keeping(lambda: with_setting("batch_shape", [None, -4], at=0)), ("no shape",)),
    _record("huge-layer", _keeping(lambda: with_setting("units", 10**10)), ("not those of",)),
    _record("more-than-a-number", _keeping(lambda: with_setting("units", 10**400)), ("setting that is none",)),
    _record("complex-numbers", _keeping(lambda: with_setting("dtype", "complex64")), ("cannot be audited",)),
    _record("networks-in-networks", _laughs, ("networks in networks",)),
    _record("networks-side-by-side", _wide, ("more layers",)),
    _record("many-layers", _many_layers, ("too many layers",)),
    *(_record(name, lambda _m, it=value: with_config(it()), says) for name, value, says in _TEXTS),
    *(_record(name, lambda _m, it=change: with_arrays(it), says) for name, change, says in _ARRAYS),
    *(_record(name, lambda _m, it=change: with_hdf5(it), says, ending=".h5") for name, change, says in _HDF5),
    _record("member-of-a-layer", _keeping(lambda: zipped({**members(), "assets/vocabulary.txt": b"x"})), ("assets",)),
    _record("two-members-of-one-name", _twice, ("zip",)),
    _record("member-elsewhere", _keeping(lambda: zipped({**members(), "../x": b"x"})), ("zip",)),
    _record("packed-bomb", _bomb, ("zip",)),
    _record("half-an-archive", _keeping(lambda: good_file(".keras")[:-300]), ("cut off",)),
    _record("half-an-hdf5", _keeping(lambda: good_file(".h5")[:-300]), ("no complete hdf5",), ending=".h5"),
    _record("beginning-alone", _keeping(lambda: b"\x89HDF\r\n\x1a\n" + bytes(range(256))), ("no complete hdf5",),
            ending=".h5"),
)  # fmt: skip
