"""One audit, from plan to finished folder, as the supervising process goes through it."""

from __future__ import annotations

import dataclasses
import datetime
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from auditbench import __version__
from auditbench.config_file import LoadedConfig
from auditbench.digests import digest_of
from auditbench.errors import EmptyDataError, ExitCode, RunFolderError, WorkerError
from auditbench.findings import Message
from auditbench.interruption import Terminated
from auditbench.listener import Listener
from auditbench.provenance import package_versions, product_digest
from auditbench.record import plain, validate
from auditbench.run import AuditRun
from auditbench.run_file import decode_run, encode_run
from auditbench.store import RECORD, RunFolder
from auditbench.supervisor.analyzer_runs import AnalyzerRuns
from auditbench.supervisor.opening import open_in
from auditbench.supervisor.planning import Plan, make_plan
from auditbench.supervisor.record import OpenedSubject, Timing, build_run, empty_subject, with_exit_code
from auditbench.supervisor.rendering import render_formats
from auditbench.supervisor.worker_pool import FIRST_PARTY, WorkerPool
from auditbench.supervisor.worker_process import WorkerFault, no_event

_FINISHED_SECONDS = 60.0


class AuditSession:
    """The state of one audit.

    Args:
        folder: Locked by this process.
        pool: Its workers are ended by the caller.
        device: `auto`, `cpu` or `cuda`.
    """

    def __init__(
        self, loaded: LoadedConfig, folder: RunFolder, pool: WorkerPool, listener: Listener, *, device: str
    ) -> None:
        self._loaded = loaded
        self._folder = folder
        self._pool = pool
        self._listener = listener
        self._device = device
        self._seconds: dict[str, float] = {}
        self._started = _now()
        self._command = ""

    def run(self, *, only: Sequence[str], skip: Sequence[str], formats: Sequence[str] | None, resume: bool) -> AuditRun:
        """Plan, open, analyze, decide, render, write; see `supervisor.audit`."""
        self._command = self._command_line(only, skip, formats)
        with self._stage("plan", self._loaded.path.name, key="start"):
            plan = make_plan(self._loaded, self._pool, only=only, skip=skip, formats=formats)
        try:
            subject = self._open()
        except EmptyDataError as error:
            self._record_nothing(plan, error)
            raise
        self._folder.begin(self._key(subject), resume=resume)
        runs = AnalyzerRuns(
            self._loaded, self._folder, self._pool, self._listener, device=self._device, subject=subject
        )
        train = subject.seconds.get("train", 0.0)
        self._seconds["load"] -= train
        if train:
            self._seconds["train"] = train
        try:
            for item in plan.analyzers:
                runs.run(item)
        except KeyboardInterrupt as interrupt:
            self._pool.kill()
            return self._interrupted(plan, subject, runs, interrupt)
        return self._finish(plan, subject, runs)

    def _open(self) -> OpenedSubject:
        """Open the subject in the first-party worker, which trains a missing model first."""
        loaded, listener = self._loaded, self._listener
        limits = loaded.config.limits

        def event(message: dict[str, Any]) -> float | None:
            name = str(message.get("name", ""))
            if message["event"] == "limit":
                return limits.train_seconds if name == "train" else limits.load_seconds
            if message["event"] == "started":
                listener.stage_started(name, loaded.config.model.path)
            elif message["event"] == "progress":
                listener.stage_progress(name, str(message["step"]), int(message["done"]), int(message["total"]))
            elif message["event"] == "finished":
                listener.stage_finished(name, float(message["seconds"]), "done")
            return None

        with self._stage("load", loaded.config.data.dataset or str(loaded.config.data.test), key="load"):
            try:
                return open_in(self._pool, FIRST_PARTY, loaded, device=self._device, may_train=True, event=event)
            except WorkerFault as fault:
                raise WorkerError("model and data were not opened", where="load", found=fault.text()) from None

    def _finish(self, plan: Plan, subject: OpenedSubject, runs: AnalyzerRuns) -> AuditRun:
        config = self._loaded.config
        results, warnings = runs.results, runs.warnings
        draft = build_run(self._loaded, plan, subject, results, self._timing(runs), warnings=warnings)
        started = time.monotonic()
        rendered = render_formats(
            self._pool,
            self._folder,
            plan.renderers,
            encode_run(draft),
            language=config.report.language,
            seconds=config.limits.render_seconds,
            listener=self._listener,
        )
        self._seconds["render"] = time.monotonic() - started
        warnings += tuple(rendered.failures.values())
        run = build_run(self._loaded, plan, subject, results, self._timing(runs), warnings=warnings)
        if rendered.failures:
            run = with_exit_code(run, ExitCode.INTERNAL_ERROR if rendered.ours else ExitCode.INCOMPLETE)
        self._folder.complete(encode_run(run))
        told = self._tell_observers(encode_run(run))
        self._pool.stop()
        run = dataclasses.replace(run, warnings=run.warnings + told)
        if self._folder.remove_empty_logs() or told:
            self._folder.complete(encode_run(run))
        return self._read(run)

    def _interrupted(
        self, plan: Plan, subject: OpenedSubject, runs: AnalyzerRuns, interrupt: KeyboardInterrupt
    ) -> AuditRun:
        stopped = ExitCode.TERMINATED if isinstance(interrupt, Terminated) else ExitCode.INTERRUPTED
        runs.fill(plan.analyzers, Message(key="core.interrupted"))
        run = build_run(
            self._loaded,
            plan,
            subject,
            runs.results,
            self._timing(runs),
            status="interrupted",
            stopped=stopped,
            warnings=runs.warnings,
        )
        self._folder.write(RECORD, encode_run(run))
        self._listener.note(f"To go on: {self._command}")
        return self._read(run)

    def _record_nothing(self, plan: Plan, error: EmptyDataError) -> None:
        """Write a run without rows, where the folder allows it."""
        subject = empty_subject(self._loaded.config)
        said = Message(key="core.nothing_evaluated", values={"error": str(error)})
        timing = Timing(
            started=self._started, finished=_now(), command=self._command, seconds=self._seconds, details={}
        )
        try:
            self._folder.begin(self._key(subject), resume=True)
        except RunFolderError:
            return
        run = build_run(self._loaded, plan, subject, (), timing, warnings=(said,))
        self._folder.complete(encode_run(run))

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
                told += answer["told"]
                warnings += [validate(Message, item, where="observer") for item in answer["warnings"]]
            except WorkerFault as fault:
                values = {"plugin": group.removeprefix("plugin-"), "type": "WorkerError", "error": fault.text()}
                warnings.append(Message(key="core.observer_raised", values=values))
        return tuple(warnings)

    def _key(self, subject: OpenedSubject) -> dict[str, str]:
        """What every result depends on, by name. Analyzers add their own part; see `AnalyzerRuns`."""
        config = self._loaded.config
        tables = {
            name: table.model_dump(mode="json") for name, table in (("model", config.model), ("data", config.data))
        }
        cases = {"cases": config.report.cases, "raw_inputs": config.report.raw_inputs}
        return {
            "product": f"{__version__} {product_digest()}",
            "seed": str(config.audit.seed),
            "model or data table": digest_of({**tables, **cases}),
            "model": subject.model.digest,
            "data": digest_of(plain(subject.data)),
            "device": subject.device,
            "set of packages or threads": digest_of([package_versions(), subject.threads, dict(subject.flags)]),
        }

    def _timing(self, runs: AnalyzerRuns) -> Timing:
        return Timing(
            started=self._started,
            finished=_now(),
            command=self._command,
            seconds={**self._seconds, **runs.seconds},
            details=runs.details,
        )

    def _read(self, run: AuditRun) -> AuditRun:
        return decode_run(encode_run(run), folder=self._folder.path)

    def _command_line(self, only: Sequence[str], skip: Sequence[str], formats: Sequence[str] | None) -> str:
        words = ["auditbench", "audit", str(self._loaded.path), "--out", str(self._folder.path)]
        for option, values in (("--only", only), ("--skip", skip), ("--format", formats or ())):
            words += [option, ",".join(values)] if values else []
        for override in self._loaded.overrides:
            words += ["--set", override]
        words += ["--device", self._device] if self._device != "auto" else []
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


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
