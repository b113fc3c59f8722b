"""Files of Keras: a network that describes itself, with its weights, in a zip archive (`.keras`) or in HDF5 (`.h5`).

Keras never sees the file. It sees one that is written here, from a configuration that was checked and arrays that were read,
in a folder that is removed again; and it builds the network without memory before it builds it with some.
"""

from __future__ import annotations

import io
import json
import math
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from auditbench.models.opening.archives import read_archive, read_member
from auditbench.models.opening.content import content_kind, refuse_other_kind
from auditbench.models.opening.files import Damage, read_file, refusing, sha256_of
from auditbench.models.opening.hdf5_files import Hdf5Contents, read_hdf5, write_hdf5
from auditbench.models.opening.json_text import parse_strictly
from auditbench.models.opening.keras_configs import NetworkConfig, check_config
from auditbench.models.opening.keras_former import has_hard_sigmoid, is_former, put_back_hard_sigmoid, renewed
from auditbench.models.opening.keras_library import imported_keras, layers_within, usual_settings
from auditbench.models.opening.limits import MAX_JSON_BYTES
from auditbench.models.opening.packages import require_for

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_ORDER = ("layer_names", "weight_names")
_VERSION = ("keras_version", "backend")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedKeras:
    """A network of Keras, in evaluation mode and frozen.

    Attributes:
        module: The network, which is an `nn.Module`; it computes on the device that it was opened on.
        library: `keras` itself.
        config: What it is made of.
        parameters: Learned numbers: no running means, no seeds.
        tokens: Rows of its largest table of embeddings; 0 without one.
    """

    module: Any
    library: ModuleType
    config: NetworkConfig
    sha256: str
    parameters: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """A file that was read.

    Attributes:
        archive: Whether Keras takes the two in a zip archive.
        former: Whether Keras 2 wrote it.
    """

    config: NetworkConfig
    weights: Hdf5Contents
    archive: bool
    former: bool


def open_keras(path: Path, *, device: str) -> OpenedKeras:
    """The network in a file of Keras 3 or Keras 2; the state of an optimizer and the compilation are never read.

    Raises:
        MissingDependencyError: keras or h5py is not installed.
        ModelError: It is no such file, is damaged, holds weights alone, has layers of one's own, or its weights are not those
            of the network; or Keras was imported before with another backend.
    """
    require_for("keras", where=str(path))
    content = read_file(path)
    with refusing(path):
        kind = content_kind(content)
        if kind != "hdf5":
            refuse_other_kind(path, kind, "keras")
        parts = _parts_of_archive(content) if kind == "keras" else _parts_of_hdf5(content)
    keras = imported_keras(str(path))
    with refusing(path), usual_settings(keras):
        module, parameters = _built(keras, parts, device)
        embeddings = [layer for layer in layers_within(keras, module) if isinstance(layer, keras.layers.Embedding)]
    return OpenedKeras(
        module=module,
        library=keras,
        config=parts.config,
        sha256=sha256_of(content),
        parameters=parameters,
        tokens=max((layer.input_dim for layer in embeddings), default=0),
    )


def _parts_of_archive(content: bytes) -> _Parts:
    members = read_archive(content, deflated=True)
    others = {name for name in members if not (name == "assets/" and not members[name].size)}
    if others != {_CONFIG, _METADATA, _WEIGHTS}:
        raise Damage(
            "has other members than a network needs",
            found=", ".join(sorted(repr(name[:80]) for name in others ^ {_CONFIG, _METADATA, _WEIGHTS})[:5]),
            allowed=f"{_CONFIG}, {_METADATA} and {_WEIGHTS}, and nothing that layers would open themselves",
        )
    config, metadata = (
        _json(read_member(content, members[name], most=MAX_JSON_BYTES), name) for name in (_CONFIG, _METADATA)
    )
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    weights = read_hdf5(read_member(content, members[_WEIGHTS]), names=("name",), without=("optimizer",))
    return _Parts(config=check_config(config), weights=weights, archive=True, former=is_former(str(version)))


def _parts_of_hdf5(content: bytes) -> _Parts:
    found = read_hdf5(content, names=("model_config", *_ORDER, *_VERSION), without=("optimizer_weights",))
    written = found.names[""].pop("model_config", None)
    if not isinstance(written, str) or "model_weights" not in found.names:
        raise Damage(
            "holds no network that describes itself",
            found="weights alone" if written is None else f"no group 'model_weights'; {len(found.arrays)} arrays",
            allowed="a file of model.save(), and not of model.save_weights()",
            fix='save the whole network: model.save("model.keras")',
        )
    version = found.names[""].get("keras_version") or found.names["model_weights"].get("keras_version")
    config = check_config(_json(written, "model_config"))
    return _Parts(config=config, weights=found, archive=False, former=is_former(str(version)))


def _json(text: str | bytes, what: str) -> Any:
    try:
        return parse_strictly(text)
    except ValueError as error:
        raise Damage(f"has a {what} that is no JSON", found=str(error)[:160], allowed="what Keras wrote") from error


def _built(keras: ModuleType, parts: _Parts, device: str) -> tuple[Any, int]:
    """The network with its weights, and the number of its parameters.

    The first of two goes is on a device without memory: shapes and numbers of weights are compared there, and what Keras
    cannot build is found before anything is allocated.
    """
    with tempfile.TemporaryDirectory(prefix="auditbench-") as folder:
        file = Path(folder) / ("model.keras" if parts.archive else "model.h5")
        config = renewed(parts.config.value, former=parts.former)
        file.write_bytes(_archive(config, parts.weights) if parts.archive else _hdf5(config, parts.weights))
        try:
            with keras.device("meta"):
                keras.saving.load_model(file, compile=False, safe_mode=True)
            with keras.device(device):
                module = keras.saving.load_model(file, compile=False, safe_mode=True)
        except MemoryError:
            raise
        except Exception as error:  # whatever the layers of Keras raise
            said = " ".join(str(error).replace(folder, "").split())
            raise Damage(
                "cannot be built by Keras, or its weights are not those of its layers",
                found=f"{type(error).__name__}: {said}"[:300],
                allowed="a file of model.save()",
                fix="save it again with the version of Keras that made it, or with Keras 3",
            ) from error
    if not module.built or not isinstance(module, keras.Model):
        raise Damage("holds a network that was never built", allowed="one that knows the shape of its input")
    if parts.former and has_hard_sigmoid(parts.config.value):
        put_back_hard_sigmoid(keras, layers_within(keras, module))
    module.trainable = True
    parameters = sum(math.prod(variable.shape) for variable in module.trainable_variables)
    module.trainable = False
    module.eval()
    for variable in module.variables:
        variable.value.requires_grad_(False)
    return module, parameters


def _archive(config: Any, weights: Hdf5Contents) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(_CONFIG, json.dumps(config))
        archive.writestr(_METADATA, json.dumps({"keras_version": "3", "date_saved": ""}))
        archive.writestr(_WEIGHTS, write_hdf5(weights))
    return buffer.getvalue()


def _hdf5(config: Any, weights: Hdf5Contents) -> bytes:
    root = {**weights.names[""], "model_config": json.dumps(config)}
    return write_hdf5(Hdf5Contents(names={**weights.names, "": root}, arrays=weights.arrays))
