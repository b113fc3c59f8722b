"""Reading a finished run that something is compared with: whole, as it was written, and the last of its folder."""

from __future__ import annotations

from pathlib import Path

from auditbench.errors import RecordError
from auditbench.folder_lock import unfinished
from auditbench.manifest import refuse_altered
from auditbench.run import AuditRun
from auditbench.run_file import read_run


def read_finished(path: Path) -> AuditRun:
    """Read a run folder, or its run.json.

    Raises:
        RecordError: There is no readable record, its files are not those that its manifest lists, or a later audit in
            the folder did not come to its end.
    """
    run = read_run(path)
    folder = path if path.is_dir() else path.parent
    refuse_altered(folder, status=run.status)
    if process := unfinished(folder):
        raise RecordError(
            "the last audit in this folder has not come to its end; the record is of the one before",
            where=str(folder),
            found=process,
            fix="wait for it, run the audit again, or name another run",
        )
    return run
