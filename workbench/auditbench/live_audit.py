"""An audit of a live model in this process, from the plan to the record."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.config import AuditConfig
from auditbench.config_file import LoadedConfig, config_digest
from auditbench.deprecation import heard_uses
from auditbench.descriptions import batch_use
from auditbench.errors import AuditbenchError
from auditbench.findings import Message
from auditbench.listener import Listener
from auditbench.record import plain
from auditbench.run import AuditRun
from auditbench.run_file import decode_run, encode_run
from auditbench.supervisor.baseline import lost
from auditbench.supervisor.opening import refuse_another_model
from auditbench.supervisor.planning import without_result
from auditbench.supervisor.record import OpenedSubject, Timing, build_run, moment
from auditbench.supervisor.worker_process import sentence, words

if TYPE_CHECKING:
    from torch import nn

    from auditbench.context import AuditContext
    from auditbench.data import ModelInput
    from auditbench.results import AnalysisResult
    from auditbench.run import OutputScale
    from auditbench.store import RunFolder
    from auditbench.worker.subject_opening import Subject


class LiveAudit:
    """One audit, which a caller opens, lets analyze, and takes the record of.

    Args:
        gate_places: Where each gate stands, when some are from files.
        where: What to call the config in an error.

    Attributes:
        cancelled: Never: whoever called it interrupts it by KeyboardInterrupt.
    """

    cancelled = False

    def __init__(self, config: AuditConfig, gate_places: Sequence[str], listener: Listener, *, where: str) -> None:
        from auditbench.live_plan import plan_here
        from auditbench.registry import Registry

        self._config = config
        self._listener = listener
        self._registry = Registry()
        with heard_uses() as self._uses:
            self._plan = plan_here(config, self._registry, where=where, gate_places=gate_places)
        self._started = moment()
        self._results: dict[str, AnalysisResult] = {}
        self._warnings: tuple[Message, ...] = ()
        self._seconds: dict[str, float] = {}
        self._details: dict[str, str] = {}

    def open(
        self,
        model: nn.Module | Any,
        features: Any,
        y_true: Any,
        *,
        output: OutputScale,
        sensitive_features: Any,
        control_features: Any,
        weights: Any,
        background: Any,
        inputs: Mapping[str, ModelInput] | None,
        feature_names: tuple[str, ...],
        classes: tuple[str, ...],
        device: str,
    ) -> None:
        """Take copies of a module and of the data, and evaluate the model once on every row, where there is one."""
        from auditbench.data import from_arrays
        from auditbench.models.live import identified, table_of_black_box, wrap_any
        from auditbench.worker.subject_checks import refuse_parameters
        from auditbench.worker.subject_opening import make_subject, resolve_device

        config, started = self._config, time.monotonic()
        table = table_of_black_box(model, features, background, feature_names, inputs)
        if table is not None:
            features, background, inputs = table.features, table.background, table.inputs
        arrays = from_arrays(
            features,
            y_true,
            task=config.model.task,
            classes=classes,
            sensitive_features=sensitive_features,
            control_features=control_features,
            weights=weights,
            background=background,
            inputs=inputs,
            feature_names=() if table is not None else feature_names,
        )
        data = identified(model, arrays)

        def open_again() -> Subject:
            subject = wrap_any(
                model,
                table,
                data,
                task=config.model.task,
                output=output,
                device=resolve_device(device),
                name=config.audit.name,
                threshold=config.model.threshold,
                declared=bool(classes),
            )
            return make_subject(
                subject, data, seed=config.audit.seed, cases=config.report.cases, raw=config.report.raw_inputs
            )

        self._open_again, self._stale = open_again, False
        self.subject = open_again()
        names = [item.name for item in self._plan.analyzers]
        refuse_parameters(config, self._registry, names, model=self.subject.model, data=self.subject.data)
        self._stale = any(self._registry.analyzer(name).record.check for name in names) and self._is_changed()
        self._seconds["load"] = time.monotonic() - started

    def analyze(self, folder: RunFolder | None) -> None:
        """Run every analyzer; arrays of results go to the folder, if there is one."""
        from auditbench.engines.local import LocalEngine
        from auditbench.worker.analysis import run_analyzer
        from auditbench.worker.array_store import write_array
        from auditbench.worker.checking import parameters_in

        for item in self._plan.analyzers:
            started = time.monotonic()
            self._listener.stage_started(item.name)
            if (reason := self._not_ready()) is not None:
                self._results[item.name] = without_result(item, "failed", reason)
                self._listener.stage_finished(item.name, time.monotonic() - started, "failed", words(reason))
                continue
            provided = self._registry.analyzer(item.name)
            params, parameters = parameters_in(self._config, provided)
            earlier = {name: self._results[name] for name in provided.record.after if name in self._results}
            context = self.subject.context(item.name, params, results=earlier, engine=LocalEngine(), host=self)
            outcome = run_analyzer(
                provided,
                context,
                self._registry,
                required=item.required,
                parameters=parameters,
                store=None if folder is None else lambda name, array: write_array(folder.path, name, array),
                subject_changes=self.subject.changes,
                own_process=False,
            )
            self._results[item.name] = outcome.result
            if outcome.details:
                self._details[item.name] = outcome.details
            self._stale = bool(outcome.subject_changes) or outcome.unknown is not None
            use = batch_use(context.model.batch)
            self._warnings += outcome.warnings(own_process=False) + use.warnings(item.name)
            if folder is not None:
                folder.journal.add_batch(item.name, "", plain(use))
            self._seconds["guard"] = self._seconds.get("guard", 0.0) + outcome.guard_seconds
            spent = self._seconds[item.name] = time.monotonic() - started - outcome.guard_seconds
            self._listener.stage_finished(item.name, spent, outcome.result.status)

    def _is_changed(self) -> bool:
        """Whether looking at model and data left them otherwise than they were opened."""
        try:
            return bool(self.subject.changes())
        except Exception:  # noqa: BLE001 - a model that was changed may raise anything
            return True

    def _not_ready(self) -> Message | None:
        """Open model and data again where an analyzer may have changed them; why they cannot be, or are others."""
        if not self._stale:
            return None
        try:
            again = self._open_again()
            refuse_another_model(again.model.facts, self.subject.model.facts)
        except AuditbenchError as error:
            return Message(key="core.not_opened_again", values={"error": sentence(error)})
        self.subject, self._stale = again, False
        return None

    def progress(self, analyzer: str, step: str, done: int, total: int) -> None:
        """Pass on how far an analyzer is."""
        self._listener.stage_progress(analyzer, step, done, total)

    def rerun(self, analyzer: str, context: AuditContext) -> AnalysisResult:
        """Run another analyzer of this audit on a variant of the context."""
        from auditbench.worker.analysis import rerun
        from auditbench.worker.checking import parameters_in

        return rerun(analyzer, context, self._registry, functools.partial(parameters_in, self._config))

    def record(
        self, threads: int, flags: Mapping[str, str], *, folder: RunFolder | None, baseline: AuditRun | None
    ) -> AuditRun:
        """The finished run, compared with its baseline if there is one; where that fails, with a warning."""
        from auditbench.comparison import compare
        from auditbench.worker.array_store import read_only_array, write_array
        from auditbench.worker.cases import with_stored_inputs
        from auditbench.worker.row_arrays import row_arrays
        from auditbench.worker.subject_opening import device_kind

        store: Callable[[str, Any], Any] = (
            read_only_array if folder is None else functools.partial(write_array, folder.path)
        )
        stored = {name: store(name, array) for name, array in row_arrays(self.subject.data).items()}
        timing = Timing(
            started=self._started, finished=moment(), command="", seconds=self._seconds, details=self._details
        )
        opened = OpenedSubject(
            model=self.subject.model.facts,
            data=self.subject.data.facts,
            cases=with_stored_inputs(self.subject.chosen.cases, store),
            case_rule=self.subject.chosen.rule,
            device=device_kind(self.subject.model.device),
            threads=threads,
            flags=flags,
        )
        results = tuple(self._results.values())
        loaded = LoadedConfig(
            config=self._config, base=Path(), digest=config_digest(self._config), path=Path("audit.toml")
        )
        build = functools.partial(
            build_run, loaded, self._plan, opened, results, timing, **stored, warnings=self._warnings
        )
        run = build()
        if baseline is not None:
            try:
                run = build(comparison=compare(baseline, run))
            except (AuditbenchError, OSError) as error:
                run = build(uncompared=("error", lost(error)), warnings=(*self._warnings, lost(error)))
        return dataclasses.replace(run, config=_without_files(run.config))

    def tell(self, run: AuditRun) -> AuditRun:
        """Tell the observers; the run with a warning for each that raised, and for what plugins use that goes away."""
        from auditbench.worker.analysis import observer_raised

        with heard_uses() as uses:
            told = [observer_raised(plugin, error) for plugin, error in self._registry.audit_finished(run)]
        told += self._registry.deprecations([*self._uses, *uses])
        return dataclasses.replace(run, warnings=(*run.warnings, *(each for each in told if each not in run.warnings)))

    def write(self, run: AuditRun, folder: RunFolder) -> AuditRun:
        """Render the reports in workers, tell the observers, write the folder, and return the run as it is there.

        Where an observer raised, the reports are rendered once more, so that they show it.
        """
        from auditbench.store import LOGS
        from auditbench.supervisor.rendering import ReportWriter
        from auditbench.supervisor.worker_pool import WorkerPool

        pool = WorkerPool(folder.folder(LOGS), self._config.limits)
        writer = ReportWriter(
            pool,
            folder,
            self._plan.renderers,
            language=self._config.report.language,
            seconds=self._config.limits.render_seconds,
            listener=self._listener,
        )
        try:
            written = writer.write(run)
            run = self.tell(written)
            if run.warnings != written.warnings:
                run = writer.write(run)
        finally:
            pool.kill()
        folder.remove_empty_logs()
        folder.complete(encode_run(run))
        return decode_run(encode_run(run), folder=folder.path)


def _without_files(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config as the record shows it: model and data came from memory, and no file is claimed for them."""
    return {**config, "model": {**config["model"], "path": None}, "data": {**config["data"], "test": None}}
