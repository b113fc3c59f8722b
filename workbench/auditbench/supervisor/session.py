"""One audit, from plan to finished folder, as the supervising process goes through it."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from auditbench import __version__
from auditbench.arrays import StoredArray
from auditbench.comparison.questions import refuse_incomparable
from auditbench.comparison.record import Comparison
from auditbench.config_file import LoadedConfig
from auditbench.digests import digest_of
from auditbench.errors import AuditbenchError, EmptyDataError, ExitCode, RunWriteError
from auditbench.findings import Message
from auditbench.gates import NO_BASELINE, Judgement
from auditbench.interruption import Terminated
from auditbench.listener import Listener
from auditbench.manifest import RECORD
from auditbench.provenance import format_packages, package_versions, product_digest
from auditbench.record import plain, validate
from auditbench.run import ROW_CLUSTERS, ROW_KEYS, AuditRun, Case
from auditbench.run_file import decode_run, encode_run
from auditbench.store import RunFolder
from auditbench.supervisor.analyzer_runs import AnalyzerRuns
from auditbench.supervisor.baseline import Baseline, compare_in, lost
from auditbench.supervisor.opening import lost_over, open_in
from auditbench.supervisor.planning import Plan, make_plan
from auditbench.supervisor.record import OpenedSubject, Timing, build_run, empty_subject, model_formats, moment
from auditbench.supervisor.rendering import ReportWriter
from auditbench.supervisor.worker_events import (
    LimitChanged,
    Progress,
    StageFinished,
    StageStarted,
    Told,
    WorkerEvent,
)
from auditbench.supervisor.worker_pool import FIRST_PARTY, WorkerPool
from auditbench.supervisor.worker_process import WorkerFault, no_event, sentence

_FINISHED_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _BegunRun:
    """A run whose subject is open."""

    plan: Plan
    subject: OpenedSubject
    runs: AnalyzerRuns
    row_arrays: Mapping[str, StoredArray]


class AuditSession:
    """The state of one audit.

    Args:
        folder: Locked by this process.
        pool: Its workers are ended by the caller.
        device: `auto`, `cpu` or `cuda`.
        baseline: What the run is compared with.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        folder: RunFolder,
        pool: WorkerPool,
        listener: Listener,
        *,
        device: str,
        baseline: Baseline | None = None,
    ) -> None:
        self._loaded = loaded
        self._folder = folder
        self._pool = pool
        self._listener = listener
        self._device = device
        self._baseline = baseline
        self._seconds: dict[str, float] = {}
        self._started = moment()
        self._command = ""

    def run(
        self,
        *,
        only: Sequence[str],
        skip: Sequence[str],
        formats: Sequence[str] | None,
        resume: bool,
        replace: bool = False,
    ) -> AuditRun:
        """Plan, open, analyze, decide, render, write; see `supervisor.audit`."""
        self._command = self._command_line(only, skip, formats)
        begun: _BegunRun | None = None
        try:
            with self._stage("plan", self._loaded.path.name, key="start"):
                plan = make_plan(self._loaded, self._pool, only=only, skip=skip, formats=formats)
            begun = self._begin(plan, resume=resume, replace=replace)
            for item in plan.analyzers:
                begun.runs.run(item)
            run = self._finish(begun)
        except KeyboardInterrupt as interrupt:
            self._pool.kill()
            self._say_how_to_go_on(resume=resume)
            if begun is None:
                raise
            return self._interrupted(begun, interrupt)
        except RunWriteError:
            self._say_how_to_go_on(resume=resume)
            raise
        return self._completed(run, resume=resume)

    def _begin(self, plan: Plan, *, resume: bool, replace: bool) -> _BegunRun:
        """Open the subject and begin the run."""
        try:
            subject = self._open(plan.of_group(FIRST_PARTY))
        except EmptyDataError as error:
            self._record_nothing(plan, error, resume=resume)
            raise
        if self._baseline is not None:
            refuse_incomparable(self._baseline.run, subject.model)
        train = subject.seconds.get("train", 0.0)
        self._seconds["load"] -= train
        if train:
            self._seconds["train"] = train
        runs = AnalyzerRuns(
            self._loaded, self._folder, self._pool, self._listener, device=self._device, subject=subject
        )
        self._folder.begin(self._key(subject), resume=resume, replace=replace)
        row_arrays, cases = self._rows()
        subject = dataclasses.replace(subject, cases=cases)
        return _BegunRun(plan=plan, subject=subject, runs=runs, row_arrays=row_arrays)

    def _open(self, analyzers: Sequence[str]) -> OpenedSubject:
        """Open the subject in the first-party worker, which trains a missing model first and lets analyzers look at it."""
        loaded, listener = self._loaded, self._listener
        limits = loaded.config.limits
        counting = "load"

        def event(said: WorkerEvent) -> float | None:
            nonlocal counting
            if isinstance(said, LimitChanged):
                counting = "train" if said.name == "train" else "load"
                return limits.train_seconds if counting == "train" else limits.load_seconds
            if isinstance(said, StageStarted):
                listener.stage_started(said.name, loaded.config.model.path)
            elif isinstance(said, Progress):
                listener.stage_progress(said.name, said.step, said.done, said.total)
            elif isinstance(said, StageFinished):
                listener.stage_finished(said.name, said.seconds, "done")
            elif isinstance(said, Told):
                listener.note(said.sentence)
            return None

        with self._stage("load", loaded.config.data.dataset or str(loaded.config.data.test), key="load"):
            try:
                return open_in(
                    self._pool,
                    FIRST_PARTY,
                    loaded,
                    device=self._device,
                    may_train=True,
                    analyzers=analyzers,
                    event=event,
                )
            except WorkerFault as fault:
                message = "model and data were not opened" if counting == "load" else "the model was not trained"
                raise lost_over(message, fault, where=counting, limit=f"limits.{counting}_seconds") from None

    def _rows(self) -> tuple[dict[str, StoredArray], tuple[Case, ...]]:
        """What the rows are found by in another run, and the cases; arrays are written by the worker that opened them."""
        seconds = self._loaded.config.limits.load_seconds
        try:
            answer = self._pool.worker(FIRST_PARTY).ask(
                "rows", seconds=seconds, event=no_event, folder=str(self._folder.path)
            )
        except WorkerFault as fault:
            message = "the ids of the evaluated rows were not written"
            raise lost_over(message, fault, where="load", limit="limits.load_seconds") from None
        cases = tuple(validate(Case, case, where="cases") for case in answer["cases"])
        arrays = {
            name: validate(StoredArray, answer["arrays"][name], where=name)
            for name in (ROW_KEYS, ROW_CLUSTERS)
            if name == ROW_KEYS or name in answer["arrays"]
        }
        return arrays, cases

    def _finish(self, begun: _BegunRun) -> AuditRun:
        """Decide, write the reports, tell the observers, and give back the record that the reports were made from.

        Observers hear of the run when its reports are written, so that they see its last verdict. What they raise is a
        warning in the record, and the reports are then rendered once more, so that they show it.
        """
        config = self._loaded.config
        record = self._record(begun)
        if self._baseline is not None:
            record = self._compared(begun, record, self._baseline)
        writer = ReportWriter(
            self._pool,
            self._folder,
            begun.plan.renderers,
            language=config.report.language,
            seconds=config.limits.render_seconds,
            listener=self._listener,
        )
        started = time.monotonic()
        run = writer.write(record)
        said = self._tell_observers(encode_run(run))
        if told := tuple(each for at, each in enumerate(said) if each not in (*run.warnings, *said[:at])):
            run = writer.write(dataclasses.replace(run, warnings=run.warnings + told))
        self._seconds["render"] = time.monotonic() - started
        seconds = {**run.volatile.seconds, "render": self._seconds["render"]}
        run = dataclasses.replace(run, volatile=dataclasses.replace(run.volatile, finished=moment(), seconds=seconds))
        self._pool.stop()
        self._folder.remove_empty_logs()
        return run

    def _compared(self, begun: _BegunRun, record: AuditRun, baseline: Baseline) -> AuditRun:
        """The record with its comparison; where that fails, with a warning instead, and no gate passes by it."""
        seconds = self._loaded.config.limits.analyzer_seconds
        try:
            with self._stage("compare", baseline.run.audit.name, key="compare"):
                found = compare_in(self._pool, baseline, self._folder.path, encode_run(record), seconds=seconds)
        except AuditbenchError as error:
            return self._record(begun, uncompared=("error", lost(error)), warnings=(lost(error),))
        return self._record(begun, comparison=found)

    def _completed(self, run: AuditRun, *, resume: bool) -> AuditRun:
        """Make the run complete; an interrupt from here on leaves it so."""
        try:
            self._folder.complete(encode_run(run))
        except RunWriteError:
            self._say_how_to_go_on(resume=resume)
            raise
        return self._read(run)

    def _interrupted(self, begun: _BegunRun, interrupt: KeyboardInterrupt) -> AuditRun:
        """Write what had finished; reports that were rendered meanwhile are removed."""
        stopped = ExitCode.TERMINATED if isinstance(interrupt, Terminated) else ExitCode.INTERRUPTED
        begun.runs.fill(begun.plan.analyzers, Message(key="core.interrupted"))
        early: Judgement = ("not_run", Message(key="core.interrupted_before_comparison"))
        uncompared = NO_BASELINE if self._baseline is None else early
        run = self._record(begun, status="interrupted", stopped=stopped, uncompared=uncompared)
        self._folder.withdraw()
        self._folder.remove_empty_logs()
        self._folder.write(RECORD, encode_run(run))
        return self._read(run)

    def _record(
        self,
        begun: _BegunRun,
        *,
        status: Literal["complete", "interrupted"] = "complete",
        stopped: ExitCode | None = None,
        comparison: Comparison | None = None,
        uncompared: Judgement = NO_BASELINE,
        warnings: tuple[Message, ...] = (),
    ) -> AuditRun:
        return build_run(
            self._loaded,
            begun.plan,
            begun.subject,
            begun.runs.results,
            self._timing(begun.runs),
            status=status,
            stopped=stopped,
            **begun.row_arrays,
            comparison=comparison,
            uncompared=uncompared,
            warnings=begun.runs.warnings + warnings,
        )

    def _record_nothing(self, plan: Plan, error: EmptyDataError, *, resume: bool) -> None:
        """Write a run without rows in the place of the last record.

        Raises:
            RunFolderError: The folder does not allow it.
        """
        subject = empty_subject(self._loaded.config)
        said = Message(key="core.nothing_evaluated", values={"error": str(error)})
        timing = Timing(
            started=self._started, finished=moment(), command=self._command, seconds=self._seconds, details={}
        )
        self._folder.begin_nothing(resume=resume)
        run = build_run(self._loaded, plan, subject, (), timing, warnings=(said,))
        self._pool.stop()
        self._folder.remove_empty_logs()
        self._folder.complete(encode_run(run))

    def _say_how_to_go_on(self, *, resume: bool) -> None:
        """Tell the command that goes on; a run that had not begun still has the last one to replace."""
        again = "" if resume or self._folder.begun else " --no-resume"
        self._listener.note(f"To go on: {self._command}{again}")

    def _tell_observers(self, record: bytes) -> tuple[Message, ...]:
        """Tell the observers in every worker; one that several workers have loaded hears of the run once."""
        warnings: list[Message] = []
        told: list[str] = []
        further = list(self._loaded.config.audit.plugins)
        for group in dict.fromkeys([*self._pool.groups(), *([FIRST_PARTY] if further else [])]):
            try:
                answer = self._pool.worker(group).ask(
                    "finished",
                    seconds=_FINISHED_SECONDS,
                    event=no_event,
                    folder=str(self._folder.path),
                    record=record.decode(),
                    plugins=further,
                    told=told,
                )
                told += validate(tuple[str, ...], answer["told"], where="told")
                warnings += validate(tuple[Message, ...], answer["warnings"], where="observer")
            except WorkerFault as fault:
                warnings.append(_unheard(group, "WorkerError", fault.text()))
            except AuditbenchError as error:
                warnings.append(_unheard(group, type(error).__name__, sentence(error)))
            warnings += self._left_by(group)
        return tuple(warnings)

    def _left_by(self, group: str) -> list[Message]:
        """End the processes that renderers and observers of a group left running; what the record says of them."""
        left = self._pool.worker(group).end_others() if self._pool.has(group) else 0
        name = group.removeprefix("plugin-")
        return [Message(key="core.processes_left", values={"analyzer": name, "n": left})] if left else []

    def _key(self, subject: OpenedSubject) -> dict[str, str]:
        """What every result depends on, by name. Analyzers add their own part; see `AnalyzerRuns`."""
        config = self._loaded.config
        tables = {
            "model": config.model.model_dump(mode="json", exclude={"trust"}),
            "models": {name: table.model_dump(mode="json", exclude={"trust"}) for name, table in config.models.items()},
            "data": config.data.model_dump(mode="json"),
        }
        packages = package_versions(format_packages(model_formats(config)))
        cases = {"cases": config.report.cases, "raw_inputs": config.report.raw_inputs}
        return {
            "product": f"{__version__} {product_digest()}",
            "seed": str(config.audit.seed),
            "model or data table": digest_of({**tables, **cases}),
            "model": subject.model.digest,
            "further models": digest_of(dict(subject.others)),
            "plugin of model or data": subject.code,
            "data": digest_of(plain(subject.data)),
            "device": subject.device,
            "set of packages or threads": digest_of([packages, subject.threads, dict(subject.flags)]),
        }

    def _timing(self, runs: AnalyzerRuns) -> Timing:
        return Timing(
            started=self._started,
            finished=moment(),
            command=self._command,
            seconds={**self._seconds, **runs.seconds},
            details=runs.details,
            sent=dict(runs.sent),
        )

    def _read(self, run: AuditRun) -> AuditRun:
        return decode_run(encode_run(run), folder=self._folder.path)

    def _command_line(self, only: Sequence[str], skip: Sequence[str], formats: Sequence[str] | None) -> str:
        words = ["auditbench", "audit", str(self._loaded.path), "--out", str(self._folder.path)]
        for option, values in (("--only", only), ("--skip", skip), ("--format", formats or ())):
            words += [option, ",".join(values)] if values else []
        for file in self._loaded.gate_files:
            words += ["--gates", file]
        for override in self._loaded.overrides:
            words += ["--set", override]
        for digest in self._loaded.trusted:
            words += ["--trust-model", digest]
        words += ["--device", self._device] if self._device != "auto" else []
        words += ["--baseline", str(self._baseline.path)] if self._baseline is not None else []
        return shlex.join(words)

    @contextmanager
    def _stage(self, name: str, detail: str, *, key: str) -> Iterator[None]:
        started = time.monotonic()
        self._listener.stage_started(name, detail)
        state = "failed"
        try:
            yield
            state = "done"
        finally:
            spent = time.monotonic() - started
            self._seconds[key] = spent
            self._listener.stage_finished(name, spent, state)


def _unheard(group: str, kind: str, text: str) -> Message:
    values = {"plugin": group.removeprefix("plugin-"), "type": kind, "error": text}
    return Message(key="core.observer_raised", values=values)
