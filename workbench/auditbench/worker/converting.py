"""Converting the model of a config to a bundle, compared with it on the data of the config."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.config import AuditConfig
from auditbench.models.exporting import Conversion
from auditbench.models.exporting.converting import refuse_unconvertible, write_conversion
from auditbench.worker.subject_opening import audited_table, named_architectures, open_subject

if TYPE_CHECKING:
    from auditbench.data.evaluation import Inputs
    from auditbench.registry import Registry


def convert_model(
    config: AuditConfig, folder: Path, *, base: Path, tolerance: float, replace: bool, registry: Registry
) -> Conversion:
    """Write the model of a config as a bundle.

    Args:
        base: Folder that the paths of the config start from.

    Raises:
        AuditbenchError: The model or the data cannot be opened, or no bundle is the same model.
    """
    table = audited_table(config)
    refuse_unconvertible(table)
    alone = config.model_copy(update={"models": {}})
    subject = open_subject(alone, base, registry, device="cpu", stage=_unheard, may_train=False)

    def batches() -> Iterator[Inputs]:
        return (rows.inputs for rows in subject.data.batches(subject.model.batch_rows))

    return write_conversion(
        subject.model,
        table,
        batches,
        folder,
        target=subject.data.facts.target,
        tolerance=tolerance,
        replace=replace,
        architectures=named_architectures(config, registry),
    )


def _unheard(state: str, name: str, **content: Any) -> None:
    """Opening has no listener here."""
