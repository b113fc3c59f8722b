"""What each kind of thing that a plugin provides promises, and the check of one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from auditbench.contracts import Analyzer, Architecture, DatasetLoader, ModelLoader, Renderer
from auditbench.testing.conformance import analyzers, architectures, datasets, loaders, renderers
from auditbench.testing.conformance.promises import Conformance, Promise
from auditbench.testing.conformance.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One kind: its word, its promises, and what tries them."""

    word: str
    promises: Callable[[], tuple[Promise, ...]]
    conformance: Callable[[Any, Settings], Conformance]


def kind_of(record: Any) -> str:
    """The word for what a record is: `analyzer`, `renderer`, `loader`, `architecture` or `dataset loader`."""
    return _KINDS[type(record)].word


def promises_of(record: Any) -> tuple[Promise, ...]:
    """What a record promises, in the order in which it is tried."""
    return _KINDS[type(record)].promises()


def record_conformance(record: Any, settings: Settings) -> Conformance:
    """Which promises a record keeps, tried with what its author gives; raises nothing."""
    return _KINDS[type(record)].conformance(record, settings)


def _promises(checks: tuple[tuple[Promise, Any], ...]) -> tuple[Promise, ...]:
    return tuple(promise for promise, _ in checks)


_KINDS: Mapping[type[Any], _Kind] = {
    Analyzer: _Kind(
        word=analyzers.KIND,
        promises=lambda: _promises(analyzers.all_checks()),
        conformance=lambda record, given: analyzers.analyzer_conformance(
            record, params=given.parameters.get(record.name)
        ),
    ),
    Renderer: _Kind(
        word=renderers.KIND,
        promises=lambda: _promises(renderers.CHECKS),
        conformance=lambda record, _: renderers.renderer_conformance(record),
    ),
    ModelLoader: _Kind(
        word=loaders.KIND,
        promises=lambda: _promises(loaders.CHECKS),
        conformance=lambda record, given: loaders.loader_conformance(record, given.samples.get(record.name)),
    ),
    Architecture: _Kind(
        word=architectures.KIND,
        promises=lambda: _promises(architectures.CHECKS),
        conformance=lambda record, _: architectures.architecture_conformance(record),
    ),
    DatasetLoader: _Kind(
        word=datasets.KIND,
        promises=lambda: _promises(datasets.CHECKS),
        conformance=lambda record, given: datasets.dataset_conformance(record, given.samples.get(record.name)),
    ),
}
