"""Writing one export: the file of the network, and model.json beside it, once its outputs are those of the bundle."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from auditbench.config import ModelTable
from auditbench.errors import ModelError
from auditbench.models.bundle import COST, DESCRIPTION, WEIGHTS, load_bundle
from auditbench.models.differences import Difference, scaled_difference
from auditbench.models.exporting.kinds import FILES, MARKER, Export, ExportKind
from auditbench.models.exporting.programs import onnx_bytes, pt2_bytes
from auditbench.models.graphs import GraphNetwork
from auditbench.models.opening import MAX_JSON_BYTES, open_program, parse_json, read_file, sha256_of
from auditbench.models.opening.onnx import open_graph
from auditbench.models.packing import UnpackedNetwork
from auditbench.models.random_rows import packed, random_inputs

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram

    from auditbench.models.architecture import Architecture
    from auditbench.models.subject import ModelUnderTest

_OF_EXPORTS = frozenset({MARKER, DESCRIPTION, COST, *FILES.values()})
_RANDOM_BATCHES = (1, 2, 33)
"""Rows a batch: one, two, and more than the program was exported with."""


def write_export(
    model: ModelUnderTest,
    bundle: Path,
    kind: ExportKind,
    folder: Path,
    *,
    program: Callable[[], ExportedProgram],
    rows: Iterable[Tensor] = (),
    tolerance: float,
    architectures: Mapping[str, Architecture],
) -> Export:
    """Write the export of a bundle into a folder, where it replaces an earlier one, and nothing else.

    The folder appears complete or not at all. It is opened again first, and its outputs are compared with those of the bundle.

    Args:
        model: The bundle, opened on the CPU.
        program: Gives its `exported_program`; called where it is needed.
        rows: Encoded rows of data, in batches.
        tolerance: Largest scaled difference; see `Difference`.

    Raises:
        MissingDependencyError: The extra `onnx` is not installed.
        ModelError: The network cannot be exported, its outputs differ by more, the folder holds something else, or it
            cannot be written.
    """
    _refuse_foreign(folder, kind, bundle)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as place:
            written = Path(place) / folder.name
            written.mkdir()
            content = _write_files(model, bundle, kind, written, program)
            network = _opened_again(model, kind, written, sha256_of(content), architectures)
            random = difference(model, network, map(partial(_random_rows, model), _RANDOM_BATCHES))
            _refuse_other(random, kind, "random rows", tolerance)
            data = difference(model, network, rows)
            _refuse_other(data, kind, "rows of the data", tolerance)
            _put_in_place(written, folder)
    except OSError as error:
        raise ModelError(
            "the export cannot be written",
            where=str(folder),
            found=error.strerror or str(error),
            allowed="a folder in a writable place",
            fix="name another one with --out",
        ) from error
    return Export(
        kind=kind,
        folder=str(folder),
        file=FILES[kind],
        sha256=sha256_of(content),
        size=len(content),
        on_random_rows=random,
        on_data=data if data.rows else None,
    )


def difference(model: ModelUnderTest, network: nn.Module, batches: Iterable[Tensor]) -> Difference:
    """How far the outputs of another network are from those of a model, on encoded rows.

    Outputs that are not finite are equal where both are the same of NaN, infinity and its negative, and otherwise
    infinitely far away; they say nothing about the size of the outputs.
    """
    total, largest, size = 0, 0.0, 0.0
    for encoded in batches:
        with torch.inference_mode():
            expected = model.module(encoded.to(model.device)).double().cpu()
            found = network(encoded.cpu()).double().cpu().reshape(expected.shape)
        apart = torch.where(expected.isnan() & found.isnan() | (expected == found), 0.0, (expected - found).abs())
        total += len(encoded)
        largest = max(largest, float(apart.nan_to_num(nan=torch.inf, posinf=torch.inf).max()))
        size = max(size, float(torch.where(expected.isfinite(), expected.abs(), 0.0).max()))
    return Difference(rows=total, largest=largest, scaled=scaled_difference(largest, size, model.facts.output))


def _random_rows(model: ModelUnderTest, rows: int) -> Tensor:
    return packed(random_inputs(model.inputs, rows, seed=rows))


def _write_files(
    model: ModelUnderTest, bundle: Path, kind: ExportKind, folder: Path, program: Callable[[], ExportedProgram]
) -> bytes:
    """Write the files of an export; the content of that with the network."""
    shutil.copyfile(bundle / DESCRIPTION, folder / DESCRIPTION)
    if kind == "safetensors":
        content = read_file(bundle / WEIGHTS)
        if (bundle / COST).is_file():
            (folder / COST).write_bytes(read_file(bundle / COST, most=MAX_JSON_BYTES))
    else:
        content = pt2_bytes(program()) if kind == "pt2" else onnx_bytes(program(), model.inputs)
    (folder / FILES[kind]).write_bytes(content)
    marker = {"file": FILES[kind], "kind": kind, "sha256": sha256_of(content)}
    (folder / MARKER).write_text(json.dumps(marker, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return content


def _opened_again(
    model: ModelUnderTest, kind: ExportKind, folder: Path, sha256: str, architectures: Mapping[str, Architecture]
) -> nn.Module:
    """The network of an export as an audit opens it, from encoded rows as the bundle takes them."""
    if kind == "safetensors":
        return load_bundle(folder, ModelTable(task=model.facts.task), "cpu", architectures).module
    path = folder / FILES[kind]
    network: nn.Module
    if kind == "pt2":
        network = open_program(path, "exported", trust=(sha256,), device="cpu").module
    else:
        network = GraphNetwork(open_graph(path), model.inputs, where=str(path))
    return UnpackedNetwork(network, model.inputs) if len(model.inputs) > 1 else network


def _refuse_other(found: Difference, kind: ExportKind, what: str, tolerance: float) -> None:
    if found.rows and not found.scaled <= tolerance:
        raise ModelError(
            f"the {kind} export gives other outputs than the bundle",
            where=f"--to {kind}",
            found=f"a difference of {found.largest:.3g}, scaled {found.scaled:.3g}, on {found.rows:,} {what}",
            allowed=f"a scaled difference of at most {tolerance:g}",
            fix="use --to safetensors, or accept it with a larger --tolerance",
        )


def _refuse_foreign(folder: Path, kind: ExportKind, bundle: Path) -> None:
    """Refuse to write in the place of anything but an earlier export of this kind, which its marker tells."""
    found = "the bundle itself" if folder.resolve() == bundle.resolve() else _foreign(folder, kind)
    if found:
        raise ModelError(
            "something else than an export stands where this one would be written",
            where=str(folder),
            found=found,
            allowed=f"a folder that is new, empty, or holds an earlier {kind} export",
            fix="name another folder with --out",
        )


def _foreign(folder: Path, kind: ExportKind) -> str:
    """What stands in the folder, in words; nothing where an export may be written there."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        return folder.name
    names = sorted(item.name for item in folder.iterdir()) if folder.exists() else []
    if MARKER in names:
        path = folder / MARKER
        other = parse_json(read_file(path, most=MAX_JSON_BYTES), path).get("kind")
        return "" if other == kind else f"{MARKER} of kind {other!r}"[:80]
    return ", ".join(names[:5])


def _put_in_place(written: Path, folder: Path) -> None:
    """Exchange the whole folder, so that no file of one export stands beside that of another.

    What else lies in the earlier one, such as runs of its audit, is moved over. A crash on the way leaves the earlier
    one, or what was not moved yet, beside the folder.
    """
    old = None
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent)) / folder.name
        folder.rename(old)
    try:
        written.rename(folder)
    except OSError:
        if old is not None:
            old.rename(folder)
            old.parent.rmdir()
        raise
    if old is not None:
        for item in old.iterdir():
            if item.name not in _OF_EXPORTS:
                item.rename(folder / item.name)
        shutil.rmtree(old.parent, ignore_errors=True)
