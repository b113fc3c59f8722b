"""The Python interface: audit a live model in this process, or an audit.toml as the command line does."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.comparison.questions import refuse_incomparable
from auditbench.config import AuditConfig, GateTable
from auditbench.config_file import LoadedConfig, config_digest, config_from, load_config
from auditbench.descriptions import batch_use
from auditbench.errors import AuditbenchError
from auditbench.findings import Message
from auditbench.gate_file import GateSource, read_gates
from auditbench.listener import Listener, SilentListener
from auditbench.provenance import check_platform
from auditbench.record import plain
from auditbench.run import ROW_KEYS, AuditRun
from auditbench.run_file import decode_run, encode_run
from auditbench.supervisor.baseline import lost, read_baseline
from auditbench.supervisor.record import OpenedSubject, Timing, build_run, moment

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from auditbench.context import AuditContext
    from auditbench.data import ModelInput
    from auditbench.data.array_inputs import Features
    from auditbench.results import AnalysisResult
    from auditbench.run import OutputScale, Task
    from auditbench.store import RunFolder
    from auditbench.worker.subject_opening import Subject

_NO_FILE = "-"
_ARGUMENTS = "the call of audit()"


def audit(
    model: nn.Module,
    X: Features,  # noqa: N803 - the field's name of the inputs
    y: Any,
    *,
    task: Task,
    output: OutputScale,
    analyzers: Mapping[str, Mapping[str, Any]],
    sensitive_features: Mapping[str, Any] | pd.DataFrame | None = None,
    background: Features | None = None,
    inputs: Mapping[str, ModelInput] | None = None,
    feature_names: Sequence[str] = (),
    class_names: Sequence[str] = (),
    gates: Sequence[Mapping[str, Any] | GateTable] = (),
    gate_files: Sequence[str] = (),
    name: str = "audit",
    seed: int = 0,
    threshold: float = 0.5,
    out: Path | str | None = None,
    formats: Sequence[str] = ("html",),
    plugins: Sequence[str] = (),
    device: str = "cpu",
    baseline: AuditRun | Path | str | None = None,
    listener: Listener | None = None,
) -> AuditRun:
    """Audit a live model in this process; the model, torch's flags and every global generator are left as found.

    Analyzers run one after the other. One that raises has a `failed` result and the others go on; there are no time
    limits here, and a crash of the process is not survived. For both, audit a bundle through an audit.toml.

    Args:
        model: Maps float32 rows of `X` to outputs of shape `(rows, outputs)`; of several inputs a mapping of them.
        X: Evaluated rows, as the model takes them: a table of numbers, images, series, with `inputs` token ids, or several
            of these by name; see `auditbench.data.from_arrays`.
        y: Labels, class indices or values, shape `(rows,)`.
        output: Declared scale of the outputs.
        analyzers: Parameters by name, as in the `[analyzers.NAME]` tables; `{"shap": {}}` takes the defaults.
        sensitive_features: Groups of the evaluated rows by name, shape `(rows,)` each.
        background: Rows to compare with; `X` when absent.
        inputs: What an array is, where its shape does not say so: `{"text": TextInput(...)}` of `auditbench.data`.
        class_names: By class index, the negative class first; the sorted labels when empty.
        gates: As the `[[gates]]` tables.
        gate_files: Files of further gates and waivers, relative to the working directory, or `preset:NAME`.
        out: Run folder to write, where `formats` go; a run that is there is replaced. Without one arrays stay in memory.
        plugins: Further plugins to load, as in `[audit] plugins`.
        baseline: Run that this one is compared with.

    Raises:
        ConfigError: With everything wrong with analyzers, parameters and gates.
        ComparisonError: The baseline answers another question, or stands in the folder `out`.
        DataError: The arrays do not fit each other.
        ModelError: The model does not take these rows or gives another number of outputs.
    """
    from auditbench.store import RunFolder
    from auditbench.worker.determinism import borrowed_process

    check_platform()
    document = {
        "audit": {"name": name, "seed": seed, "plugins": list(plugins)},
        "model": {"format": "module", "path": _NO_FILE, "task": task, "threshold": threshold},
        "data": {"test": _NO_FILE, "target": "target", "sensitive": _names(sensitive_features)},
        "analyzers": {analyzer: dict(table) for analyzer, table in analyzers.items()},
        "gates": [_gate_table(gate) for gate in gates],
        "report": {"formats": [] if out is None else list(formats)},
    }
    sources = [GateSource(text=file, base=Path.cwd()) for file in gate_files]
    given = read_gates(sources, task=task, sensitive=_names(sensitive_features))
    config = config_from(document, name=_ARGUMENTS, given=given)
    places = (*(f"gates[{index}]" for index in range(len(gates))), *given.gates)
    live = _LiveAudit(config, places, listener or SilentListener())
    compared = _baseline(baseline, out)
    folder = None if out is None else RunFolder(Path(out))
    try:
        with borrowed_process() as environment:
            live.open(
                model,
                X,
                y,
                output=output,
                sensitive_features=sensitive_features,
                background=background,
                inputs=inputs,
                feature_names=tuple(feature_names),
                classes=tuple(class_names),
                device=device,
            )
            if compared is not None:
                refuse_incomparable(compared, live.subject.model.facts)
            if folder is not None:
                folder.begin({"module": live.subject.model.facts.digest}, resume=False)
            live.analyze(folder)
            run = live.record(environment.threads, environment.flags, folder=folder, baseline=compared)
            return live.tell(run) if folder is None else live.write(run, folder)
    finally:
        if folder is not None:
            folder.abandon()


def audit_config(
    path: Path | str,
    *,
    out: Path | str,
    overrides: Sequence[str] = (),
    trusted: Sequence[str] = (),
    gate_files: Sequence[str] = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    device: str = "auto",
    formats: Sequence[str] | None = None,
    resume: bool = True,
    replace: bool = False,
    baseline: Path | str | None = None,
    listener: Listener | None = None,
) -> AuditRun:
    """Audit what an audit.toml describes, in worker processes, as `auditbench audit` does.

    Args:
        out: Run folder; one that holds an unfinished or finished run of the same key is gone on with.
        overrides: `table.key=value`, as with `--set`.
        trusted: sha256 of files whose code may run to open the model, as with `--trust-model`.
        gate_files: Files of further gates, or `preset:NAME`, as with `--gates`.
        only: Run these analyzers alone; the others count as skipped.
        skip: Leave these analyzers out.
        device: `auto`, `cpu` or `cuda`.
        formats: Instead of `report.formats`.
        resume: Whether to go on with a run of the same key; otherwise it is replaced.
        replace: Whether a run of another key is replaced; otherwise it is refused.
        baseline: Run that this one is compared with.

    Raises:
        AuditbenchError: The audit was refused.
    """
    from auditbench import supervisor

    return supervisor.audit(
        load_config(Path(path), overrides, trusted, gate_files),
        out=Path(out),
        only=only,
        skip=skip,
        device=device,
        formats=formats,
        resume=resume,
        replace=replace,
        baseline=None if baseline is None else Path(baseline),
        listener=listener,
    )


class _LiveAudit:
    """An audit in this process, from the plan to the record."""

    def __init__(self, config: AuditConfig, gate_places: Sequence[str], listener: Listener) -> None:
        from auditbench.live_plan import plan_here
        from auditbench.registry import Registry

        self._config = config
        self._listener = listener
        self._registry = Registry()
        self._plan = plan_here(config, self._registry, where=_ARGUMENTS, gate_places=gate_places)
        self._started = moment()
        self._results: dict[str, AnalysisResult] = {}
        self._warnings: tuple[Message, ...] = ()
        self._seconds: dict[str, float] = {}
        self._details: dict[str, str] = {}

    def open(
        self,
        model: nn.Module,
        features: Any,
        y_true: Any,
        *,
        output: OutputScale,
        sensitive_features: Any,
        background: Any,
        inputs: Mapping[str, ModelInput] | None,
        feature_names: tuple[str, ...],
        classes: tuple[str, ...],
        device: str,
    ) -> None:
        """Take copies of model and data, and evaluate the model once on every row."""
        from auditbench.data import from_arrays
        from auditbench.models import wrap_module
        from auditbench.worker.subject_opening import make_subject, resolve_device

        config, started = self._config, time.monotonic()
        data = from_arrays(
            features,
            y_true,
            task=config.model.task,
            classes=classes,
            sensitive_features=sensitive_features,
            background=background,
            inputs=inputs,
            feature_names=feature_names,
        )

        def open_again() -> Subject:
            subject = wrap_module(
                model,
                task=config.model.task,
                classes=data.classes,
                output=output,
                inputs=data.inputs,
                device=resolve_device(device),
                name=config.audit.name,
                threshold=config.model.threshold,
            )
            return make_subject(subject, data, seed=config.audit.seed, cases=config.report.cases, raw=False)

        self._open_again = open_again
        self.subject = open_again()
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
            if outcome.subject_changes:
                self.subject = self._open_again()
            use = batch_use(context.model.batch)
            self._warnings += outcome.warnings(own_process=False) + use.warnings(item.name)
            if folder is not None:
                folder.journal.add_batch(item.name, "", plain(use))
            self._seconds["guard"] = self._seconds.get("guard", 0.0) + outcome.guard_seconds
            spent = self._seconds[item.name] = time.monotonic() - started - outcome.guard_seconds
            self._listener.stage_finished(item.name, spent, outcome.result.status)

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
        from auditbench.comparison import compare, row_keys
        from auditbench.worker.array_store import read_only_array, write_array
        from auditbench.worker.cases import with_stored_inputs
        from auditbench.worker.subject_opening import device_kind

        data = self.subject.data
        keys = row_keys(data.row_ids, data.facts)
        store: Callable[[str, Any], Any] = (
            read_only_array if folder is None else functools.partial(write_array, folder.path)
        )
        stored = store(ROW_KEYS, keys)

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
            build_run, loaded, self._plan, opened, results, timing, row_keys=stored, warnings=self._warnings
        )
        run = build()
        if baseline is not None:
            try:
                run = build(comparison=compare(baseline, run))
            except (AuditbenchError, OSError) as error:
                run = build(uncompared=("error", lost(error)), warnings=(*self._warnings, lost(error)))
        return dataclasses.replace(run, config=_without_files(run.config))

    def tell(self, run: AuditRun) -> AuditRun:
        """Tell the observers; the run with a warning for each that raised."""
        from auditbench.worker.analysis import observer_raised

        told = tuple(observer_raised(plugin, error) for plugin, error in self._registry.audit_finished(run))
        return dataclasses.replace(run, warnings=run.warnings + told)

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


def _baseline(baseline: AuditRun | Path | str | None, out: Path | str | None) -> AuditRun | None:
    if baseline is None or isinstance(baseline, AuditRun):
        return baseline
    return read_baseline(Path(baseline), out=None if out is None else Path(out)).run


def _names(sensitive_features: Any) -> list[str]:
    return [] if sensitive_features is None else [str(column) for column in sensitive_features]


def _gate_table(gate: Mapping[str, Any] | GateTable) -> dict[str, Any]:
    return gate.model_dump(exclude_none=True) if isinstance(gate, GateTable) else dict(gate)


def _without_files(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config as the record shows it: model and data came from memory, and no file is claimed for them."""
    return {**config, "model": {**config["model"], "path": None}, "data": {**config["data"], "test": None}}
