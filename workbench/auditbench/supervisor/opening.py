"""Asking a worker to open model and data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auditbench.config_file import LoadedConfig
from auditbench.record import validate
from auditbench.supervisor.record import OpenedSubject
from auditbench.supervisor.worker_pool import WorkerPool


def open_in(
    pool: WorkerPool,
    group: str,
    loaded: LoadedConfig,
    *,
    device: str,
    may_train: bool,
    event: Callable[[dict[str, Any]], float | None],
) -> OpenedSubject:
    """Open the subject in the worker of a group.

    Raises:
        AuditbenchError: It cannot be opened.
        WorkerFault: The worker was lost over it.
    """
    answer = pool.worker(group).ask(
        "open",
        seconds=loaded.config.limits.load_seconds,
        event=event,
        config=loaded.config.model_dump_json(),
        base=str(loaded.base),
        device=device,
        train=may_train,
    )
    return validate(OpenedSubject, {**answer["subject"], **answer["environment"]}, where="subject")
