"""Exporting a bundle: alone, or with the data of a config to compare its outputs on."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.config import AuditConfig, ModelTable
from auditbench.models.architectures import BUILT_IN
from auditbench.models.bundle import load_bundle, read_bundle_description
from auditbench.models.exporting import Export, ExportKind
from auditbench.models.exporting.folders import write_export
from auditbench.models.exporting.programs import exported_program
from auditbench.worker.subject_opening import open_subject

if TYPE_CHECKING:
    import torch

    from auditbench.models import Architecture, ModelUnderTest
    from auditbench.registry import Registry
    from auditbench.worker.subject_opening import Subject


def export_bundle(
    config: AuditConfig | None,
    bundle: Path,
    folders: Sequence[tuple[ExportKind, Path]],
    *,
    base: Path,
    tolerance: float,
    registry: Registry,
) -> list[Export]:
    """Write exports of a bundle, one a folder.

    Args:
        config: Says which data the outputs are compared on; without it they are compared on random rows alone.
        base: Folder that the paths of the config start from.

    Raises:
        AuditbenchError: The bundle or the data cannot be opened, or an export cannot be made or differs.
    """
    architectures = _architectures(bundle, registry)
    subject = (
        None if config is None else open_subject(config, base, registry, device="cpu", stage=_unheard, may_train=False)
    )
    model = _alone(bundle, architectures) if subject is None else subject.model
    program = functools.cache(lambda: exported_program(model))
    return [
        write_export(
            model,
            bundle,
            kind,
            folder,
            program=program,
            rows=() if subject is None else _encoded(subject),
            tolerance=tolerance,
            architectures=architectures,
        )
        for kind, folder in folders
    ]


def _architectures(bundle: Path, registry: Registry) -> dict[str, Architecture]:
    """Those that come with the product, and that of the bundle where a plugin provides it."""
    found = {item.name: item for item in BUILT_IN}
    name = read_bundle_description(bundle).architecture
    if name not in found:
        found[name] = registry.architecture(name, where="model.json: architecture").record
    return found


def _alone(bundle: Path, architectures: dict[str, Architecture]) -> ModelUnderTest:
    table = ModelTable(task=read_bundle_description(bundle).task, name=bundle.name)
    return load_bundle(bundle, table, "cpu", architectures)


def _encoded(subject: Subject) -> Iterator[torch.Tensor]:
    batches: Iterable[Any] = subject.data.batches(subject.model.batch_rows)
    return (subject.model.encode(rows.inputs) for rows in batches)


def _unheard(state: str, name: str, **content: Any) -> None:
    """Opening has no listener here."""
