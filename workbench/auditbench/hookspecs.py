"""Every hook a plugin can implement; `hookimpl` marks an implementation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.contracts import Analyzer, Architecture, DatasetLoader, ModelLoader, Renderer
    from auditbench.results import AnalysisResult
    from auditbench.run import AuditRun

PROJECT = "auditbench"
ENTRY_POINT_GROUP = "auditbench.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def auditbench_analyzers() -> Iterable[Analyzer]:  # type: ignore[empty-body]
    """Yield the analyzers this plugin provides.

    Called before any model or data is loaded: import nothing heavy here. Names are unique over all plugins; a clash is
    refused, naming both distributions.
    """


@hookspec
def auditbench_renderers() -> Iterable[Renderer]:  # type: ignore[empty-body]
    """Yield the renderers this plugin provides. A renderer sees the run and nothing else."""


@hookspec
def auditbench_model_loaders() -> Iterable[ModelLoader]:  # type: ignore[empty-body]
    """Yield loaders of model formats. A loader must not run code from the file it opens."""


@hookspec
def auditbench_dataset_loaders() -> Iterable[DatasetLoader]:  # type: ignore[empty-body]
    """Yield data sets that audit.toml can name in `data.dataset`."""


@hookspec
def auditbench_architectures() -> Iterable[Architecture]:  # type: ignore[empty-body]
    """Yield networks that `auditbench train` can build."""


@hookspec(firstresult=True)
def auditbench_run_analyzer(analyzer: Analyzer, context: AuditContext) -> AnalysisResult | None:
    """Run one analyzer and return its result; wrap it (`hookimpl(wrapper=True)`) to time or trace.

    The host's own implementation runs last; returning None leaves the work to it. `context.params` holds the parameters.
    Hooks do not cross processes. An implementation is called for the analyzers of its own worker: those of its own
    plugin. One that `[audit] plugins` names is loaded into every worker and is called for every analyzer, those of
    Auditbench included, each in the process that runs it: it shares no memory with its copies in the other workers.
    """


@hookspec
def auditbench_audit_finished(run: AuditRun) -> None:
    """Observe a finished run, once. What is raised here becomes a warning in the run, never a failure.

    Called in the worker of the plugin when the reports are written, before run.json is complete. A plugin that only
    observes is loaded when `[audit] plugins` names it; that it is then in several workers does not make it hear twice.
    """
