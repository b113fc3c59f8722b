"""Trying promises one after another: a check finds what is wrong, says that it cannot try, or raises."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TypeAlias, TypeVar

from auditbench.errors import AuditbenchError, Problem
from auditbench.safe_text import LONGEST_TEXT, safe_text
from auditbench.testing.conformance.promises import Conformance, Outcome, Promise, broken, kept, not_tried

_Subject = TypeVar("_Subject")
Check: TypeAlias = "tuple[Promise, Callable[[_Subject], Problem | None]]"
"""A promise, and what finds the problem that breaks it; None where it is kept."""


about_to_try: ContextVar[Callable[[Promise], None]] = ContextVar("about_to_try", default=lambda _: None)
"""Hears of each promise before it is tried, so that somebody knows which one a process was lost over."""


class NotTried(Exception):  # noqa: N818 - no fault: the promise is left open, with this reason
    """A check cannot be made here; the message is a clause that says why."""


def conformance_of(kind: str, name: str, subject: _Subject, checks: Sequence[Check[_Subject]]) -> Conformance:
    """The outcome of every check; what a check raises breaks its promise, so that nothing is raised here."""
    return Conformance(kind=kind, name=name, outcomes=tuple(_tried(promise, subject, find) for promise, find in checks))


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
    try:
        problem = find(subject)
    except NotTried as reason:
        return not_tried(promise, str(reason))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - code of a plugin ran; whatever it raises is told, SystemExit too
        return broken(promise, raised(error))
    return kept(promise) if problem is None else broken(promise, problem)
