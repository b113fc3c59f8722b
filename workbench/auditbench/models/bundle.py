"""Bundles: a folder with `model.safetensors`, `model.json` and `training.json`.

The digest of a bundle is the sha256 over the bytes of the weights and of the canonical model.json. What training cost
stands in training.json, which is no part of it, so that equal models have equal digests.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from auditbench.data.inputs import encoded_size
from auditbench.errors import ModelError
from auditbench.models.architecture import Architecture
from auditbench.models.batching import batch_rows
from auditbench.models.description import (
    BundleDescription,
    OutputScaling,
    canonical,
    output_count,
    read_description,
    target_names,
)
from auditbench.models.opening import MAX_JSON_BYTES, parse_json, parse_tensors, read_file
from auditbench.models.subject import ModelUnderTest
from auditbench.models.tensors import tensor_problems
from auditbench.paths import is_there
from auditbench.run import ModelFacts

if TYPE_CHECKING:
    import torch
    from torch import nn

    from auditbench.config import ModelTable

WEIGHTS, DESCRIPTION, COST = "model.safetensors", "model.json", "training.json"
_HEADER_BYTES = 64 * 1024
_HEADER_BYTES_A_TENSOR = 1024


def save_bundle(
    folder: Path,
    description: BundleDescription,
    weights: Mapping[str, torch.Tensor],
    cost: Mapping[str, Any] | None = None,
) -> None:
    """Write a bundle; the folder appears complete or not at all, and an earlier bundle there is replaced.

    Args:
        weights: State of the network, without output scaling.
        cost: What training cost; see `read_cost`.

    Raises:
        ModelError: The folder holds something else than a bundle, or cannot be written.
    """
    import safetensors.torch

    refuse_foreign(folder)
    files = {WEIGHTS: safetensors.torch.save(_stored(weights)), DESCRIPTION: canonical(description)}
    if cost is not None:
        files[COST] = json.dumps(dict(cost), indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        written = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            for name, content in files.items():
                _write(written / name, content)
            written.chmod(0o755)
            _swap(written, folder)
        finally:
            shutil.rmtree(written, ignore_errors=True)
    except OSError as error:
        raise ModelError(
            "the model cannot be written",
            where=str(folder),
            found=error.strerror or str(error),
            allowed="a folder in a writable place",
            fix="set model.path to another folder",
        ) from error


def load_bundle(
    path: Path, table: ModelTable, device: str, architectures: Mapping[str, Architecture]
) -> ModelUnderTest:
    """Open a bundle.

    Args:
        table: The `[model]` table: name, task and threshold.
        architectures: By the name in model.json.

    Raises:
        ModelError: A file is missing, damaged or of a later schema, the weights do not have the size and the shapes of
            the architecture, or the task is another one.
    """
    description = read_bundle_description(path)
    if description.task != table.task:
        raise other_task(table, description)
    architecture, params, expected = _expected(description, architectures, path)
    weights = read_file(path / WEIGHTS, most=_most_bytes(expected))
    tensors = parse_tensors(weights, path / WEIGHTS)
    fix = "train the model again: auditbench train CONFIG"
    if problems := tensor_problems(expected, tensors, where=str(path / WEIGHTS), cast=False, fix=fix):
        raise ModelError(f"{path} has weights that do not fit its description", problems=tuple(problems))
    network = _restore(description, architecture, params, tensors)
    digest, cost = _digest(weights, description), read_cost(path)
    return described_model(description, network, table, device, digest=digest, cost=cost)


def unwritten_bundle(
    description: BundleDescription,
    weights: Mapping[str, torch.Tensor],
    table: ModelTable,
    device: str,
    architectures: Mapping[str, Architecture],
    cost: Mapping[str, float] = MappingProxyType({}),
) -> ModelUnderTest:
    """The model that `load_bundle` would open if these parts were written: with the same digest.

    Args:
        weights: State of the network, without output scaling.
    """
    import safetensors.torch

    tensors = _stored(weights)
    architecture, params, _ = _expected(description, architectures, Path(table.path))
    network = _restore(description, architecture, params, tensors)
    digest = _digest(safetensors.torch.save(tensors), description)
    return described_model(description, network, table, device, digest=digest, cost=cost)


def described_model(
    description: BundleDescription,
    network: nn.Module,
    table: ModelTable,
    device: str,
    *,
    digest: str = "",
    cost: Mapping[str, float] = MappingProxyType({}),
) -> ModelUnderTest:
    """A network of this description as a bundle of it is opened, in evaluation mode and frozen.

    Args:
        network: As its architecture builds it.
    """
    from auditbench.data.encoding import make_encoder

    module = _of_rows(description, network)
    parameters = sum(tensor.numel() for tensor in module.parameters())
    width = encoded_size(description.inputs)
    classes = description.classes
    return ModelUnderTest(
        facts=ModelFacts(
            name=table.name,
            format="bundle",
            architecture=description.architecture,
            task=description.task,
            classes=classes,
            output=description.output,
            threshold=table.threshold if description.task == "binary-classification" else None,
            parameters=parameters,
            capabilities=("gradients", "hooks", "layers", "black_box"),
            digest=digest,
            training=description.training,
        ),
        module=module.to(device),
        encoder=make_encoder(description.inputs).to(device).eval(),
        inputs=description.inputs,
        target_names=target_names(description.task, classes, description.target),
        device=device,
        batch_rows=batch_rows(width, parameters, device),
        training_cost=cost,
    )


def bundle_exists(path: Path) -> bool:
    """Whether there is anything at the path of a bundle; an empty folder counts as nothing."""
    return path.is_symlink() or (is_there(path) and not (path.is_dir() and not any(path.iterdir())))


def other_task(table: ModelTable, description: BundleDescription) -> ModelError:
    """The refusal of a model that was made for another task than `[model]` says."""
    return ModelError(
        "the model was made for another task",
        where="model.task",
        found=repr(table.task),
        allowed=repr(description.task),
        fix=f'set model.task = "{description.task}", or name another model in model.path',
    )


def read_training_key(path: Path) -> str | None:
    """The key of the settings and data that a bundle was trained with; None when it does not say.

    Raises:
        ModelError: model.json cannot be read.
    """
    training = read_bundle_description(path).training
    return None if training is None else training.key


def read_cost(path: Path) -> dict[str, float]:
    """What training cost: `seconds`, `rows_per_second`, `peak_memory_bytes`, `rows_at_once`, `halved_for_memory`, on a GPU
    `peak_device_memory_bytes`, and `epoch.1.seconds`, ...; empty when the bundle does not say.

    Raises:
        ModelError: training.json is there and cannot be read.
    """
    if not (path / COST).exists():
        return {}
    document = parse_json(read_file(path / COST, most=MAX_JSON_BYTES), path / COST)
    epochs = document.get("epochs")
    each = {
        f"epoch.{number}.seconds": epoch.get("seconds")
        for number, epoch in enumerate(epochs if isinstance(epochs, list) else (), start=1)
        if isinstance(epoch, dict)
    }
    try:
        return {name: float(value) for name, value in {**document, **each}.items() if type(value) in (int, float)}
    except OverflowError as error:
        raise ModelError(
            f"{COST} has a number that is too large",
            where=str(path / COST),
            found=str(error),
            allowed="numbers that are finite as floats",
            fix=f"remove {COST}; a bundle is complete without it",
        ) from error


def read_bundle_description(path: Path) -> BundleDescription:
    """What the model.json in a folder says.

    Raises:
        ModelError: There is none, it cannot be read, or it contradicts itself.
    """
    content = read_file(path / DESCRIPTION, most=MAX_JSON_BYTES)
    return read_description(parse_json(content, path / DESCRIPTION), path / DESCRIPTION)


def _stored(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}


def _digest(weights: bytes, description: BundleDescription) -> str:
    digest = hashlib.sha256(weights)
    digest.update(canonical(description))
    return digest.hexdigest()


def _expected(
    description: BundleDescription, architectures: Mapping[str, Architecture], path: Path
) -> tuple[Architecture, Any, Mapping[str, torch.Tensor]]:
    """The architecture, its parameters, and the tensors it has, on a device without memory.

    That way a description that lies costs nothing, and the size of the weights is known before they are read.
    """
    from auditbench.models.network import check_parameters, expected_tensors, find_architecture

    where = f"{path / DESCRIPTION}: architecture"
    architecture = find_architecture(description.architecture, architectures, where=where)
    params = check_parameters(architecture, description.parameters, where=f"{path / DESCRIPTION}: parameters")
    outputs = output_count(description.task, description.classes)
    expected = expected_tensors(architecture, params, inputs=description.inputs, outputs=outputs)
    return architecture, params, expected


def _most_bytes(expected: Mapping[str, torch.Tensor]) -> int:
    """Largest size of a file with these tensors: their bytes, and what its header may take."""
    return _HEADER_BYTES + sum(
        tensor.numel() * tensor.element_size() + _HEADER_BYTES_A_TENSOR for tensor in expected.values()
    )


def _restore(
    description: BundleDescription, architecture: Architecture, params: Any, tensors: dict[str, torch.Tensor]
) -> nn.Module:
    from auditbench.models.network import build_network

    outputs = output_count(description.task, description.classes)
    module = build_network(architecture, params, inputs=description.inputs, outputs=outputs)
    module.load_state_dict(tensors)
    return module


def _of_rows(description: BundleDescription, network: nn.Module) -> nn.Module:
    """The network as it takes encoded rows, and gives outputs in the unit of the target."""
    from auditbench.models.network import ScaledOutput
    from auditbench.models.packing import UnpackedNetwork

    module = UnpackedNetwork(network, description.inputs) if len(description.inputs) > 1 else network
    if description.scaling != OutputScaling():
        module = ScaledOutput(module, description.scaling)
    return module.eval().requires_grad_(False)


def refuse_foreign(folder: Path) -> None:
    """Refuse to write a bundle in the place of something else.

    Raises:
        ModelError: Something else stands there.
    """
    if not bundle_exists(folder):
        return
    names = {item.name for item in folder.iterdir()} if folder.is_dir() and not folder.is_symlink() else {folder.name}
    if folder.is_symlink() or DESCRIPTION not in names or names - {WEIGHTS, DESCRIPTION, COST}:
        raise ModelError(
            "something else than a model stands where the model would be written",
            where="model.path",
            found=f"{folder} with {', '.join(sorted(names)[:5])}",
            allowed="a folder that is new, empty, or holds a bundle only",
            fix="set model.path to a folder of its own",
        )


def _write(file: Path, content: bytes) -> None:
    with file.open("xb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _swap(written: Path, folder: Path) -> None:
    """Put the new folder in place; a crash between the two renames leaves the old one beside it."""
    old = None
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent)) / folder.name
        folder.rename(old)
    try:
        written.rename(folder)
    except OSError:
        if old is not None:
            old.rename(folder)
        raise
    finally:
        if old is not None:
            shutil.rmtree(old.parent, ignore_errors=True)
    descriptor = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
