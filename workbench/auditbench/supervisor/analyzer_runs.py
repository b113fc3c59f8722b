"""Running the analyzers of an audit, one after the other: reuse, limits, lost workers, results."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from auditbench.config_file import LoadedConfig
from auditbench.contracts import NAMES_A_FILE
from auditbench.descriptions import AnalyzerDescription, BatchUse
from auditbench.digests import digest_of
from auditbench.errors import AuditbenchError, RecordError, RunFolderError, RunWriteError
from auditbench.findings import Message
from auditbench.listener import Listener
from auditbench.paths import is_file_there
from auditbench.provenance import host_facts
from auditbench.record import plain, validate
from auditbench.results import AnalysisResult
from auditbench.run_file import is_repeatable
from auditbench.store import LOGS, RunFolder, arrays_are_whole
from auditbench.supervisor.opening import open_in, refuse_another
from auditbench.supervisor.planning import PlannedAnalyzer, without_result
from auditbench.supervisor.record import OpenedSubject
from auditbench.supervisor.worker_events import ChunkFinished, Progress, WorkerEvent
from auditbench.supervisor.worker_pool import FIRST_PARTY, MAX_STARTS, WorkerPool
from auditbench.supervisor.worker_process import WorkerFault, no_event, sentence, words

GUARD = "guard"
_KEPT = ("ok", "not_applicable")
_GRACE_SECONDS = 2.0
_STEP = 80


class AnalyzerRuns:
    """The analyzers that ran so far, and what came of each.

    Attributes:
        seconds: Wall-clock seconds, by analyzer; of a result that was reused, those of its own run. Beside them,
            as `guard`, those of the state guard.
        details: Trace, or the end of the worker's log, of each that failed.
        sent: What opening the subject and the analyzers sent to servers of models, see `Volatile`.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        folder: RunFolder,
        pool: WorkerPool,
        listener: Listener,
        *,
        device: str,
        subject: OpenedSubject,
    ) -> None:
        self._loaded = loaded
        self._folder = folder
        self._pool = pool
        self._listener = listener
        self._device = device
        self._subject = subject
        self._host = digest_of(host_facts())
        self._opened = {FIRST_PARTY: pool.worker(FIRST_PARTY)} if pool.has(FIRST_PARTY) else {}
        self._results: dict[str, AnalysisResult] = {}
        self._warnings: list[Message] = []
        self._again: list[Message] = []
        self.seconds: dict[str, float] = {}
        self.details: dict[str, str] = {}
        self.sent = Counter(subject.sent)

    @property
    def results(self) -> tuple[AnalysisResult, ...]:
        """What came of each analyzer, in the order of running."""
        return tuple(self._results.values())

    @property
    def warnings(self) -> tuple[Message, ...]:
        """What went wrong without changing a result; at the end what a result that is used again says again."""
        return (*self._warnings, *self._again)

    def run(self, item: PlannedAnalyzer) -> None:
        """Run one analyzer, or take the result that an earlier run of the same key left."""
        if item.reason is not None:
            foreseen = self._results[item.name] = _foreseen(item, item.reason)
            self._listener.stage_finished(item.name, 0.0, foreseen.status)
            return
        key = self._key(item)
        started = time.monotonic()
        self._listener.stage_started(item.name, item.description.topic if item.description else "")
        reused = self._reused(item, key)
        if reused is not None:
            self._results[item.name], self.seconds[item.name] = reused
            if (use := self._folder.journal.batch(item.name, key)) is not None:
                self._again += validate(BatchUse, use, where="journal").warnings(item.name)
            self._again += validate(tuple[Message, ...], self._folder.journal.logged(item.name, key), where="journal")
            self._listener.stage_finished(item.name, 0.0, "reused")
            return
        warned, guarded = len(self._warnings), self.seconds.get(GUARD, 0.0)
        result = self._analyze(item, key)
        self._results[item.name] = result
        spent = self.seconds[item.name] = time.monotonic() - started - (self.seconds.get(GUARD, 0.0) - guarded)
        if result.status in _KEPT and len(self._warnings) == warned:  # a reused result brings no warnings
            host = None if is_repeatable(result) else self._host
            self._folder.journal.add_result(item.name, key, plain(result), spent, host=host)
            self._folder.forget_chunks(item.name)
        detail = words(result.reason) if result.reason else ""
        self._listener.stage_finished(item.name, spent, result.status, detail)

    def fill(self, items: Iterable[PlannedAnalyzer], reason: Message) -> None:
        """Give every analyzer that has no result yet a skipped one: for its own reason, if it has one, or for this."""
        for item in items:
            missing = _foreseen(item, item.reason) if item.reason else without_result(item, "skipped", reason)
            self._results.setdefault(item.name, missing)

    def _analyze(self, item: PlannedAnalyzer, key: str) -> AnalysisResult:
        if not self._pool.may_start(item.group):
            return without_result(item, "failed", _too_many_starts())
        try:
            self._ready(item.group)
        except WorkerFault as fault:
            return self._lost(item, fault, reason=_not_started(fault.text()))
        except AuditbenchError as error:
            return self._refused(item, error, _not_started(sentence(error)))
        try:
            answer = self._pool.worker(item.group).ask(
                "analyze",
                seconds=item.time_limit,
                memory=item.memory,
                grace=_GRACE_SECONDS,
                event=lambda event: self._heard(item, key, event),
                analyzer=item.name,
                folder=str(self._folder.path),
                required=item.required,
                results=self._earlier(item),
                chunks=self._folder.journal.chunks(item.name, key),
            )
            return self._answered(item, key, answer)
        except WorkerFault as fault:
            return self._lost(item, fault, reason=fault.reason)
        except (RunFolderError, RunWriteError):
            raise
        except AuditbenchError as error:  # nothing is known of what the analyzer left changed
            self._pool.drop(item.group)
            reason = Message(key="core.analyzer_raised", values={"type": error.code, "error": sentence(error)})
            return self._refused(item, error, reason)
        finally:
            self._end_what_it_left(item)

    def _end_what_it_left(self, item: PlannedAnalyzer) -> None:
        """End processes that an analyzer left running, and with them its worker: they may have shared its line."""
        if self._pool.has(item.group) and (left := self._pool.worker(item.group).end_others()):
            self._pool.replace(item.group)
            self._warnings.append(Message(key="core.processes_left", values={"analyzer": item.name, "n": left}))

    def _answered(self, item: PlannedAnalyzer, key: str, answer: Mapping[str, Any]) -> AnalysisResult:
        try:
            result = validate(AnalysisResult, answer["result"], where=f"result of {item.name}")
            warnings = validate(tuple[Message, ...], answer["warnings"], where="warnings")
            use = validate(BatchUse, answer["batch"], where="batch")
            guarded = validate(float, answer["guard_seconds"], where="guard_seconds")
            sent = validate(dict[str, int], answer["sent"], where="sent")
            again = (*_kept_with(warnings), *self._logged(item, validate(int, answer["logged"], where="logged")))
        except AuditbenchError as error:
            self._pool.drop(item.group)
            return without_result(item, "failed", Message(key="core.worker_garbled", values={"error": sentence(error)}))
        if answer.get("details"):
            self.details[item.name] = str(answer["details"])
        self.sent.update(sent)
        self._warnings += [warning for warning in warnings if warning not in again]
        self._folder.journal.add_batch(item.name, key, plain(use))
        self._folder.journal.add_logged(item.name, key, plain(again))
        self._again += use.warnings(item.name) + again
        self.seconds[GUARD] = self.seconds.get(GUARD, 0.0) + guarded
        if answer.get("restart"):
            self._pool.replace(item.group)
        if any(warning.key == "core.model_changed" for warning in warnings):
            self._opened.pop(item.group, None)
        return dataclasses.replace(result, analyzer=item.name, required=item.required)

    def _logged(self, item: PlannedAnalyzer, count: int) -> tuple[Message, ...]:
        """What the run says where the analyzer logged warnings."""
        if not count:
            return ()
        log = f"{LOGS}/{self._pool.log(item.group).name}"
        return (Message(key="core.logged_warnings", values={"analyzer": item.name, "n": count, "log": log}),)

    def _ready(self, group: str) -> None:
        """Make sure that the group has a worker in which the subject is open, the same that the audit began with.

        It is opened again where an analyzer changed it.
        """
        worker = self._pool.worker(group)
        if self._opened.get(group) is worker:
            return
        subject = open_in(self._pool, group, self._loaded, device=self._device, may_train=False, event=no_event)
        self.sent.update(subject.sent)
        try:
            refuse_another(subject, self._subject)
        except AuditbenchError:
            self._pool.drop(group)
            raise
        self._opened[group] = worker

    def _heard(self, item: PlannedAnalyzer, key: str, event: WorkerEvent) -> None:
        if isinstance(event, Progress):
            self._listener.stage_progress(item.name, event.step[:_STEP], event.done, event.total)
        elif isinstance(event, ChunkFinished):
            self._folder.journal.add_chunk(item.name, key, plain(event))

    def _lost(self, item: PlannedAnalyzer, fault: WorkerFault, *, reason: Message) -> AnalysisResult:
        self._pool.drop(item.group)
        if fault.details:
            self.details[item.name] = fault.details
        return without_result(item, "timed_out" if fault.timed_out else "failed", reason)

    def _refused(self, item: PlannedAnalyzer, error: AuditbenchError, reason: Message) -> AnalysisResult:
        if error.details:
            self.details[item.name] = error.details
        return without_result(item, "failed", reason)

    def _reused(self, item: PlannedAnalyzer, key: str) -> tuple[AnalysisResult, float] | None:
        found = self._folder.journal.result(item.name, key, host=self._host)
        if found is None or not arrays_are_whole(found[0], self._folder.path):
            return None
        try:
            result = validate(AnalysisResult, found[0], where="journal")
        except RecordError:
            return None
        return dataclasses.replace(result, required=item.required), found[1]

    def _earlier(self, item: PlannedAnalyzer) -> dict[str, Any]:
        """Results of the analyzers that this one comes after, as JSON types."""
        after = item.description.after if item.description else ()
        return {name: plain(self._results[name]) for name in after if name in self._results}

    def _key(self, item: PlannedAnalyzer) -> str:
        """What this result depends on beside the key of the run."""
        description = item.description
        return digest_of(
            {
                "plugin": plain(description.plugin) if description else None,
                "code": description.code if description else "",
                "parameters": dict(description.parameters) if description else {},
                "files": _named_files(description, self._loaded.base) if description else {},
                "results": self._earlier(item),
            }
        )


def _kept_with(warnings: Iterable[Message]) -> Iterator[Message]:
    """Those that say nothing against a result: it is used again, and they are said again with it."""
    return (warning for warning in warnings if warning.key == "core.deprecated")


def _foreseen(item: PlannedAnalyzer, reason: Message) -> AnalysisResult:
    """The result of an analyzer that the plan says will not run."""
    skipped = reason.key == "core.skipped_by_command"
    return without_result(item, "skipped" if skipped else "not_applicable", reason)


def _named_files(description: AnalyzerDescription, base: Path) -> dict[str, str]:
    """Digest of each file that a parameter names; empty where it cannot be read, of which the analyzer itself speaks."""
    fields = description.schema.get("properties", {})
    named = {name: description.parameters.get(name) for name in fields if fields[name].get(NAMES_A_FILE)}
    return {name: _digest(base / str(path)) for name, path in named.items() if path}


def _digest(path: Path) -> str:
    if not is_file_there(path):
        return ""
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""


def _too_many_starts() -> Message:
    return Message(key="core.too_many_restarts", values={"n": MAX_STARTS})


def _not_started(text: str) -> Message:
    return Message(key="core.worker_not_started", values={"error": text})
