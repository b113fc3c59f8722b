"""Trying promises one after another: a check finds what is wrong, says that it cannot try, or raises."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from auditbench.errors import AuditbenchError, Problem
from auditbench.safe_text import LONGEST_TEXT, safe_text
from auditbench.testing.conformance.promises import FITS, Conformance, Outcome, Promise, broken, kept, not_tried

_Subject = TypeVar("_Subject")
Check: TypeAlias = "tuple[Promise, Callable[[_Subject], Problem | None]]"
"""A promise, and what finds the problem that breaks it; None where it is kept."""


about_to_try: ContextVar[Callable[[Promise], None]] = ContextVar("about_to_try", default=lambda _: None)
"""Hears of each promise before it is tried, so that somebody knows which one a process was lost over."""


just_tried: ContextVar[Callable[[Outcome], None]] = ContextVar("just_tried", default=lambda _: None)
"""Hears of each outcome at once, so that it is known if the process is lost over a later promise."""


class NotTried(Exception):  # noqa: N818 - no fault: the promise is left open, with this reason
    """A check cannot be made here; the message is a clause that says why."""


def conformance_of(kind: str, name: str, subject: _Subject, checks: Sequence[Check[_Subject]]) -> Conformance:
    """The outcome of every check; what a check raises breaks its promise, so that nothing is raised here."""
    return Conformance(kind=kind, name=name, outcomes=tuple(_tried(promise, subject, find) for promise, find in checks))


def conformance_of_record(
    kind: str, record: Any, wanted: tuple[type[Any], str], subject: _Subject, checks: Sequence[Check[_Subject]]
) -> Conformance:
    """The outcome of every check of a record; where it is none, that is what is broken, and nothing else is tried.

    Args:
        wanted: What the record is an object of, and the hook that yields such records.
    """
    if isinstance(record, wanted[0]):
        return conformance_of(kind, str(record.name), subject, checks)
    problem = no_record(record, *wanted)
    others = (not_tried(promise, problem.message) for promise, _ in checks)
    return Conformance(kind=kind, name="", outcomes=(broken(FITS, problem), *others))


def no_record(found: object, wanted: type[Any], hook: str) -> Problem:
    """The problem that something else stands where a record should."""
    name = wanted.__name__
    return Problem(
        message=f"this is no record of type {name}",
        found=type(found).__name__,
        allowed=f"{name}(...)",
        fix=f"give what `{hook}` yields: one `auditbench.{name}`, neither the list of them nor a class or function",
    )


def raised(error: BaseException, *, where: str = "", fix: str = "") -> Problem:
    """The problem that something raised where it should not, with the line of code that did."""
    told = error.describe() if isinstance(error, AuditbenchError) else f"{type(error).__name__}: {error}"
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return Problem(
        message="it raised an exception",
        where=where,
        found="; ".join(
            [safe_text(told, LONGEST_TEXT), *(f"{Path(at.filename).name}, line {at.lineno}" for at in last)]
        ),
        allowed="no exception here",
        fix=fix or "correct it at that line",
    )


def _tried(promise: Promise, subject: _Subject, find: Callable[[_Subject], Problem | None]) -> Outcome:
    about_to_try.get()(promise)
    outcome = _outcome(promise, subject, find)
    just_tried.get()(outcome)
    return outcome


def _outcome(promise: Promise, subject: _Subject, find: Callable[[_Subject], Problem | None]) -> Outcome:
    try:
        problem = find(subject)
    except NotTried as reason:
        return not_tried(promise, str(reason))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - code of a plugin ran; whatever it raises is told, SystemExit too
        return broken(promise, raised(error))
    return kept(promise) if problem is None else broken(promise, problem)
