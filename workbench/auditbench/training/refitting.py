"""`Refitting`: what trains copies of the audited network for an analyzer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.config import AuditConfig
from auditbench.digests import digest_of
from auditbench.errors import TrainingError
from auditbench.models.architecture import Architecture
from auditbench.models.bundle import unwritten_bundle
from auditbench.models.subject import ModelUnderTest
from auditbench.training.bundles import training_key
from auditbench.training.preparing import Replaced, prepare, train_table
from auditbench.training.starting import initial_description, open_initial
from auditbench.training.trained import train_prepared

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import nn

    from auditbench.data import EvaluationData
    from auditbench.data.table import TableSource
    from auditbench.training.examples import Batch
    from auditbench.training.losses import Loss, LossValue


def trainer_of(
    config: AuditConfig,
    base: Path,
    *,
    read: Callable[[], TableSource],
    model: ModelUnderTest,
    data: EvaluationData,
    architectures: Mapping[str, Architecture],
) -> Refitting | None:
    """What trains a model again; None where `[train]` did not make it, or of no rows that are the background of the data."""
    if config.train is None or data.background_source != "train":
        return None
    return Refitting(config=config, base=base, read=read, model=model, architectures=architectures)


@dataclass(frozen=True, kw_only=True, eq=False)
class Refitting:
    """Trains copies of a network that was trained by `[train]`; a `Trainer` of the context.

    The training rows are read again when the first copy is trained, and kept for the next ones: an audit in which nothing
    is trained again holds them once. They are the background rows, in their order: both are all rows of the same part of
    the data, without those whose label is missing.

    Attributes:
        base: Folder that the paths of the config start from.
        read: Reads the data that the config names.
        model: The audited model.
    """

    config: AuditConfig
    base: Path
    read: Callable[[], TableSource]
    model: ModelUnderTest
    architectures: Mapping[str, Architecture]

    def train(
        self,
        *,
        name: str,
        labels: npt.NDArray[Any] | None,
        weights: npt.NDArray[np.float64] | None,
        reweigh: tuple[str, ...],
        progress: Callable[[int, int], None],
        look: Callable[[], None],
    ) -> ModelUnderTest:
        """Train one; see `AuditContext.refit`.

        Raises:
            TrainingError: The rows are others than the model was trained on, or do not have a feature of `reweigh`, or a
                loss became infinite or undefined.
        """
        table = train_table(self.config)
        config = self.config
        if reweigh:
            config = config.model_copy(update={"train": table.model_copy(update={"reweigh": reweigh})})
        opened, described = open_initial(table, self.base), initial_description(table, self.base)
        prepared = prepare(
            config,
            self._source,
            opened,
            described=described,
            device=self.model.device,
            architectures=self.architectures,
            replaced=Replaced(labels=labels, weights=weights),
        )
        key = training_key(config, self._source, opened, described)
        given = [None if each is None else each.tolist() for each in (labels, weights)]
        trained = train_prepared(
            config,
            self._source,
            replace(prepared, loss=_Looking(prepared.loss, look)),
            key=key if given == [None, None] else digest_of([key, *given]),
            device=self.model.device,
            progress=lambda done, total, _: progress(done, total),
        )
        named = config.model.model_copy(update={"name": name})
        return unwritten_bundle(
            trained.description, trained.weights, named, self.model.device, self.architectures, trained.cost
        )

    @functools.cached_property
    def _source(self) -> TableSource:
        source, table = self.read(), train_table(self.config)
        facts = self.model.facts.training
        key = training_key(self.config, source, open_initial(table, self.base), initial_description(table, self.base))
        if facts is None or facts.key != key:
            raise TrainingError(
                "the training rows are others than the model was trained on",
                where="data.train",
                found="a file, or weights to begin with, that changed since the audit began",
                allowed="the files that the model was made from",
                fix="run the audit again, and leave its files as they are while it runs",
            )
        return source


@dataclass(frozen=True, slots=True)
class _Looking:
    """A loss that looks first whether it is still wanted."""

    loss: Loss
    look: Callable[[], None]

    def __call__(self, network: nn.Module, batch: Batch) -> LossValue:
        self.look()
        return self.loss(network, batch)
