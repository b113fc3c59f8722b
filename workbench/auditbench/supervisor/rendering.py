"""Writing reports: a worker renders, the supervisor writes the files."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass

from auditbench.errors import AuditbenchError
from auditbench.findings import Message
from auditbench.listener import Listener
from auditbench.store import RunFolder, is_report_name
from auditbench.supervisor.worker_pool import FIRST_PARTY, WorkerPool
from auditbench.supervisor.worker_process import WorkerFault, no_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What came of the renderers.

    Attributes:
        files: Names of the files that were written.
        failures: Why a format was not, by format.
        ours: Whether a renderer of ours is among the failed.
    """

    files: tuple[str, ...]
    failures: Mapping[str, Message]
    ours: bool


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
    """Render each format in its worker; one that fails does not keep the others.

    Args:
        groups: The worker of each format.
        record: Bytes of run.json.
        seconds: Wall-clock limit of one format.
    """
    files: list[str] = []
    failures: dict[str, Message] = {}
    for name, group in groups.items():
        started = time.monotonic()
        listener.stage_started(f"render:{name}")
        reason = _render_one(pool, folder, name, group, record, language, seconds, files)
        if reason is not None:
            failures[name] = reason
        spent = time.monotonic() - started
        listener.stage_finished(f"render:{name}", spent, "failed" if reason else "done", _said(reason))
    ours = any(groups[name] == FIRST_PARTY for name in failures)
    return Rendered(files=tuple(files), failures=failures, ours=ours)


def _render_one(
    pool: WorkerPool,
    folder: RunFolder,
    name: str,
    group: str,
    record: bytes,
    language: str,
    seconds: float,
    files: list[str],
) -> Message | None:
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
        return _failure(name, fault.text())
    except AuditbenchError as error:
        return _failure(name, "; ".join(part for part in (str(error), error.problems[0].found) if part))
    for file, text in answer["files"].items():
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError, TypeError):
            return _failure(name, "what it sent is no file")
        if not is_report_name(file):
            return _failure(name, f"{file!r} is no name for a report")
        folder.journal.add_rendered(file)
        folder.write(file, content)
        files.append(file)
    return None


def _failure(name: str, text: str) -> Message:
    return Message(key="core.renderer_failed", values={"format": name, "error": " ".join(text.split())[:300]})


def _said(reason: Message | None) -> str:
    return str(reason.values["error"]) if reason else ""
