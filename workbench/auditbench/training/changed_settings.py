"""Which settings a bundle was made with that the configuration gives otherwise, in words with both values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from auditbench.config import AuditConfig
from auditbench.config_problems import shown
from auditbench.config_training import TrainTable
from auditbench.data.inputs import ImageInput, ModelInput, TextInput, features_of
from auditbench.data.subwords import tokens_digest
from auditbench.data.texts import fit_texts
from auditbench.models.architecture import Architecture
from auditbench.models.description import BundleDescription
from auditbench.models.network import check_parameters, find_architecture

if TYPE_CHECKING:
    from auditbench.data.table import TableSource

_Compared: TypeAlias = Iterator[tuple[str, Any, Any]]
_MOST_SHOWN = 4


def changed_settings(
    description: BundleDescription,
    config: AuditConfig,
    table: TrainTable,
    source: TableSource,
    architectures: Mapping[str, Architecture],
) -> str:
    """The first settings that differ; where none does, what else makes other weights.

    Args:
        description: Of a bundle whose training key is not that of the configuration.

    Raises:
        ModelError: The architecture of the configuration is unknown or does not take its parameters.
    """
    compared = [*_compared(description, config, table, architectures), *_compared_data(description, config, source)]
    differ = [
        f"{where} = {_told(there)} in the model, {_told(here)} here" for where, there, here in compared if there != here
    ]
    if not differ:
        return (
            "equal settings; other training rows, other [data] keys that say how they are read, or a training of an earlier "
            "version of Auditbench"
        )
    more = f"; and {len(differ) - _MOST_SHOWN} more" if len(differ) > _MOST_SHOWN else ""
    return "; ".join(differ[:_MOST_SHOWN]) + more


def _told(value: Any) -> str:
    return "nothing" if value is None else shown(value)


def _compared(
    description: BundleDescription, config: AuditConfig, table: TrainTable, architectures: Mapping[str, Architecture]
) -> _Compared:
    yield "model.task", description.task, config.model.task
    facts = description.training
    if facts is None:
        return
    yield "audit.seed", facts.settings.get("seed", config.audit.seed), config.audit.seed
    yield "train.architecture", facts.architecture, table.architecture
    if facts.architecture == table.architecture:
        architecture = find_architecture(table.architecture, architectures, where="train.architecture")
        params = check_parameters(architecture, table.parameters, where="train.parameters")
        here = {} if params is None else params.model_dump(mode="json")
        for name in sorted({*here, *facts.parameters}):
            yield f"train.parameters.{name}", facts.parameters.get(name), here.get(name)
    usual = TrainTable().model_dump(mode="json")
    settings = table.model_dump(mode="json", exclude={"architecture", "parameters", "checkpoint_steps"})
    for name, value in settings.items():
        yield f"train.{name}", facts.settings.get(name, usual[name]), value


def _compared_data(description: BundleDescription, config: AuditConfig, source: TableSource) -> _Compared:
    data = config.data
    held = None if description.training is None else description.training.held_out
    yield "data.held_out", None if held is None else held.share, data.held_out
    yield "data.target", description.target, data.target
    if description.task == "binary-classification" and data.positive is not None:
        yield "data.positive", description.classes[1], data.positive
    if data.classes:
        yield "data.classes", sorted(description.classes), sorted(data.classes)
    if features := features_of(description.inputs):
        yield "data.features", [feature.name for feature in features], list(source.feature_names)
    for name, there in description.inputs.items():
        if (here := data.inputs.get(name)) is not None:
            yield f"data.inputs.{name}.modality", there.modality, here.modality
            yield from _compared_input(f"data.inputs.{name}", there, here.model_dump(exclude_defaults=True))
            if isinstance(there, TextInput) and name in source.tokens:
                fitted = fit_texts(
                    source.test.inputs[name], here, where=f"data.inputs.{name}", tokens=source.tokens[name]
                )
                yield f"data.inputs.{name}.tokenizer", tokens_digest(there), tokens_digest(fitted)


def _compared_input(where: str, there: ModelInput, here: Mapping[str, Any]) -> _Compared:
    """The keys of an input that stand in the configuration and that a bundle keeps as they are."""
    if isinstance(there, TextInput):
        kept: dict[str, Any] = {"unit": there.unit, "length": there.length, "kept": there.kept}
    else:
        kept = {"size": (there.height, there.width)} if isinstance(there, ImageInput) else {}
    for name, value in kept.items():
        if name in here:
            yield f"{where}.{name}", value, here[name]
