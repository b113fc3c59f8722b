"""Writing reports: a worker renders, the supervisor writes the files."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from auditbench.errors import AuditbenchError, RunFolderError, RunWriteError
from auditbench.findings import Message
from auditbench.listener import Listener
from auditbench.run import AuditRun
from auditbench.run_file import encode_run
from auditbench.store import RunFolder, is_report_name
from auditbench.supervisor.record import with_failed_formats
from auditbench.supervisor.worker_pool import FIRST_PARTY, WorkerPool
from auditbench.supervisor.worker_process import WorkerFault, no_event, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What came of the renderers.

    Attributes:
        files: Names of the files that were written.
        failures: Why a format was not, by format.
        details: Trace, or the end of the worker's log, of each format that was not.
        ours: Whether a renderer of ours is among the failed.
    """

    files: tuple[str, ...]
    failures: Mapping[str, Message]
    details: Mapping[str, str] = field(default_factory=dict)
    ours: bool


class ReportWriter:
    """Writes the reports of a run so that each says what the run's record says.

    Args:
        groups: The worker of each format.
        seconds: Wall-clock limit of one format.
    """

    def __init__(
        self,
        pool: WorkerPool,
        folder: RunFolder,
        groups: Mapping[str, str],
        *,
        language: str,
        seconds: float,
        listener: Listener,
    ) -> None:
        self._pool = pool
        self._folder = folder
        self._groups = dict(groups)
        self._language = language
        self._seconds = seconds
        self._listener = listener

    def write(self, run: AuditRun) -> AuditRun:
        """Render a run, and give it back as its reports show it; reports that an earlier call wrote are removed.

        A format that fails becomes part of the record (a warning, the exit code, the verdict). The others are then
        rendered again from that record, and the one that failed is not tried again.
        """
        while True:
            self._folder.withdraw()
            rendered = render_formats(
                self._pool,
                self._folder,
                self._groups,
                encode_run(run),
                language=self._language,
                seconds=self._seconds,
                listener=self._listener,
            )
            if not rendered.failures:
                return run
            run = with_failed_formats(run, rendered.failures, rendered.details, ours=rendered.ours)
            self._groups = {name: group for name, group in self._groups.items() if name not in rendered.failures}


def render_formats(
    pool: WorkerPool,
    folder: RunFolder,
    groups: Mapping[str, str],
    record: bytes,
    *,
    language: str,
    seconds: float,
    listener: Listener,
) -> Rendered:
    """Render each format in its worker; one that fails does not keep the others and writes nothing.

    Args:
        groups: The worker of each format.
        record: Bytes of run.json.
        seconds: Wall-clock limit of one format.

    Raises:
        RunWriteError: A report cannot be written.
    """
    files: list[str] = []
    failures: dict[str, Message] = {}
    details: dict[str, str] = {}
    for name, group in groups.items():
        started = time.monotonic()
        listener.stage_started(f"render:{name}")
        try:
            files += _render_one(pool, folder, name, group, record, language, seconds)
        except _NotRendered as failure:
            failures[name] = Message(key="core.renderer_failed", values={"format": name, "error": str(failure)})
            details[name] = failure.details
        spent = time.monotonic() - started
        said = str(failures[name].values["error"]) if name in failures else ""
        listener.stage_finished(f"render:{name}", spent, "failed" if name in failures else "done", said)
    ours = any(groups[name] == FIRST_PARTY for name in failures)
    kept = {name: text for name, text in details.items() if text}
    return Rendered(files=tuple(files), failures=failures, details=kept, ours=ours)


class _NotRendered(Exception):  # noqa: N818 - no error of the product: it becomes a warning in the record
    """Why a format was not written, in one line, and a trace."""

    def __init__(self, text: str, details: str = "") -> None:
        super().__init__(" ".join(text.split())[:300])
        self.details = details


def _render_one(
    pool: WorkerPool, folder: RunFolder, name: str, group: str, record: bytes, language: str, seconds: float
) -> list[str]:
    """Render one format and write its files; gives their names."""
    try:
        answer = pool.worker(group).ask(
            "render",
            seconds=seconds,
            event=no_event,
            renderer=name,
            folder=str(folder.path),
            language=language,
            record=record.decode(),
        )
    except WorkerFault as fault:
        pool.drop(group)
        raise _NotRendered(fault.text(), fault.details) from fault
    except (RunFolderError, RunWriteError):
        raise
    except AuditbenchError as error:
        way_on = error.problems[0].fix
        raise _NotRendered(f"{sentence(error)}; {way_on}" if way_on else sentence(error), error.details) from error
    contents = _contents(answer.get("files"))
    _refuse_taken(contents, name, folder.journal.rendered())
    for file, content in contents.items():
        folder.journal.add_rendered(file, name)
        folder.write(file, content)
    return list(contents)


def _contents(files: object) -> dict[str, bytes]:
    """The files that a worker sent, by name."""
    if not isinstance(files, dict):
        raise _NotRendered("what it sent are no files")
    try:
        return {str(file): base64.b64decode(text, validate=True) for file, text in files.items()}
    except (binascii.Error, ValueError, TypeError) as error:
        raise _NotRendered("what it sent is no file") from error


def _refuse_taken(names: Iterable[str], renderer: str, rendered: Mapping[str, str]) -> None:
    """Refuse names that no report may have, that differ in case alone, or that another renderer has used.

    A file whose renderer is not known may be replaced.
    """
    taken = {file.casefold(): owner for file, owner in rendered.items() if owner not in ("", renderer)}
    for name in names:
        if not is_report_name(name):
            raise _NotRendered(f"{name[:80]!r} is no name for a report")
        if name.casefold() in taken:
            raise _NotRendered(f"{name!r} is the name of a file of the format {taken[name.casefold()]!r}")
        taken[name.casefold()] = renderer
