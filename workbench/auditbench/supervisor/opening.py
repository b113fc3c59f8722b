"""Asking a worker to open model and data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from auditbench.config_file import LoadedConfig
from auditbench.descriptions import TriedSubject
from auditbench.digests import digest_of
from auditbench.errors import DataError, ModelError, WorkerError
from auditbench.record import plain, validate
from auditbench.run import ModelFacts
from auditbench.supervisor.record import OpenedSubject
from auditbench.supervisor.worker_environment import credentials_of
from auditbench.supervisor.worker_events import WorkerEvent
from auditbench.supervisor.worker_pool import WorkerPool
from auditbench.supervisor.worker_process import WorkerFault, no_event

_LEAVE_ALONE = "leave the files of model and data alone while an audit runs, and run it again"


def open_in(
    pool: WorkerPool,
    group: str,
    loaded: LoadedConfig,
    *,
    device: str,
    may_train: bool,
    analyzers: Sequence[str] = (),
    event: Callable[[WorkerEvent], float | None],
) -> OpenedSubject:
    """Open the subject in the worker of a group.

    Args:
        analyzers: Of the group, whose parameters have to fit the subject.

    Raises:
        AuditbenchError: It cannot be opened, or parameters do not fit it.
        WorkerFault: The worker was lost over it.
    """
    answer = pool.worker(group).ask(
        "open",
        seconds=loaded.config.limits.load_seconds,
        event=event,
        credentials=credentials_of(loaded.config),
        config=loaded.config.model_dump_json(),
        base=str(loaded.base),
        device=device,
        train=may_train,
        analyzers=list(analyzers),
    )
    try:
        document = {**answer["subject"], **answer["environment"], "sent": answer["sent"]}
    except TypeError as error:
        raise WorkerError("what the worker said of model and data has not its parts", where=group) from error
    return validate(OpenedSubject, document, where="subject")


def try_in(
    pool: WorkerPool, group: str, loaded: LoadedConfig, *, device: str, analyzers: Sequence[str]
) -> TriedSubject:
    """Look at the subject in the worker of a group, and train nothing; `open_in` says what it is given and raises."""
    config = loaded.config
    try:
        answer = pool.worker(group).ask(
            "try",
            seconds=config.limits.load_seconds,
            event=no_event,
            credentials=credentials_of(config),
            config=config.model_dump_json(),
            base=str(loaded.base),
            device=device,
            analyzers=list(analyzers),
        )
    except WorkerFault as fault:
        message, limit = "data and model could not be looked at", "limits.load_seconds"
        raise lost_over(message, fault, where="load", limit=limit) from None
    return validate(TriedSubject, answer.get("tried"), where="tried")


def refuse_another(found: OpenedSubject, audited: OpenedSubject) -> None:
    """Refuse a subject that is not the one the audit began with.

    Raises:
        ModelError: The model is another; names both digests.
        DataError: The data are others; names the digests of what is known of them.
    """
    if other := next((name for name, digest in audited.others.items() if found.others.get(name) != digest), None):
        raise ModelError(
            "a further model is not the one that was opened first",
            where=f"models.{other}",
            found=f"digest {found.others.get(other)}",
            allowed=f"digest {audited.others[other]}",
            fix=_LEAVE_ALONE,
        )
    refuse_another_model(found.model, audited.model)
    if found.data != audited.data:
        raise DataError(
            "the data are not those that were opened first",
            where="data",
            found=f"digest {digest_of(plain(found.data))}",
            allowed=f"digest {digest_of(plain(audited.data))}",
            fix=_LEAVE_ALONE,
        )


def refuse_another_model(found: ModelFacts, audited: ModelFacts) -> None:
    """Refuse a model that is not the one the audit began with.

    Raises:
        ModelError: Names both digests.
    """
    if found.digest != audited.digest:
        raise ModelError(
            "the model is not the one that was opened first",
            where="model",
            found=f"digest {found.digest}",
            allowed=f"digest {audited.digest}",
            fix=_LEAVE_ALONE,
        )


def lost_over(message: str, fault: WorkerFault, *, where: str, limit: str) -> WorkerError:
    """The error of a stage whose worker was lost, with what to do about it and the end of the worker's log.

    Args:
        limit: Key path of the time limit that counted.
    """
    fix = "look at the end of the worker's log, which --debug shows"
    if fault.timed_out:
        fix = f"raise `{limit}`, or evaluate fewer rows with `data.max_rows`"
    elif fault.reason.key == "core.memory_limit":
        fix = "evaluate fewer rows with `data.max_rows`, or raise `limits.memory_gib`"
    elif fault.reason.key in ("core.worker_killed", "core.worker_out_of_memory"):
        fix = "evaluate fewer rows with `data.max_rows`, or give the machine more memory"
    return WorkerError(message, where=where, found=fault.text(), fix=fix, details=fault.details)
