"""The run that an audit is compared with: refused before anything is evaluated, compared by a worker at the end.

Hours may lie between the two. What is compared is the run that was named, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auditbench.comparison.record import Comparison
from auditbench.errors import AuditbenchError, ComparisonError, RecordError
from auditbench.findings import Message
from auditbench.finished_run import read_finished
from auditbench.manifest import RECORD, digest_of_file
from auditbench.record import validate
from auditbench.run import AuditRun
from auditbench.supervisor.opening import lost_over
from auditbench.supervisor.worker_pool import FIRST_PARTY, WorkerPool
from auditbench.supervisor.worker_process import WorkerFault, no_event, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A finished run and where it is.

    Attributes:
        digest: sha256 of its run.json.
    """

    path: Path
    run: AuditRun
    digest: str


def read_baseline(path: Path, *, out: Path | None) -> Baseline:
    """Read the run that an audit is to be compared with.

    Args:
        out: Run folder of the audit, where its record replaces another; None for an audit that writes none.

    Raises:
        RecordError: There is no readable run.
        ComparisonError: It stands in the folder that the audit writes to.
    """
    folder = path if path.is_dir() else path.parent
    if out is not None and folder.resolve() == out.resolve():
        raise ComparisonError(
            "the baseline stands in the folder that this audit writes to",
            where="--baseline",
            found=str(path),
            fix="write to another folder with --out, or keep a copy of the baseline and name that",
        )
    digest = _digest_of_record(path)
    return Baseline(path=path, run=read_finished(path), digest=digest)


def compare_in(pool: WorkerPool, baseline: Baseline, folder: Path, record: bytes, *, seconds: float) -> Comparison:
    """Let a worker compare a record with its baseline; numpy stays out of this process.

    Args:
        folder: Where the arrays of the record are.
        seconds: Wall-clock limit.

    Raises:
        WorkerError: The worker was lost over it.
        AuditbenchError: A record or an array cannot be read, or the baseline is not the run that it was.
    """
    _refuse_another(baseline)
    try:
        answer = pool.worker(FIRST_PARTY).ask(
            "compare",
            seconds=seconds,
            event=no_event,
            folder=str(folder),
            record=record.decode(),
            baseline=str(baseline.path.absolute()),
        )
    except WorkerFault as fault:
        message = "the run was not compared with its baseline"
        raise lost_over(message, fault, where="baseline", limit="limits.analyzer_seconds") from None
    _refuse_another(baseline)
    return validate(Comparison, answer["comparison"], where="comparison")


def lost(error: AuditbenchError | OSError) -> Message:
    """What a record says of a comparison that could not be made."""
    said = sentence(error) if isinstance(error, AuditbenchError) else str(error)
    return Message(key="core.baseline_lost", values={"error": said})


def _digest_of_record(path: Path) -> str:
    """The sha256 of a run.json, by it or its folder; empty where none can be read."""
    try:
        return digest_of_file(path / RECORD if path.is_dir() else path)
    except OSError:
        return ""


def _refuse_another(baseline: Baseline) -> None:
    """Refuse a baseline whose record is not the one that was read when the audit began.

    Raises:
        RecordError: It was replaced, changed or removed.
    """
    if _digest_of_record(baseline.path) != baseline.digest:
        raise RecordError(
            "the baseline was replaced, changed or removed during the audit",
            where=str(baseline.path),
            fix="compare the finished run with `auditbench compare`, or run the audit again",
        )
