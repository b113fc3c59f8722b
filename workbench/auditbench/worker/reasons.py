"""What was raised, as the reason of a result that is not there: in the words of a record."""

from __future__ import annotations

import re

from auditbench.errors import AnalyzerNotPossible, AuditbenchError, ConfigError
from auditbench.findings import Message
from auditbench.safe_text import safe_text
from auditbench.worker.raised import text_of

_TEXT = 300
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/'\"]+/)+")


def not_possible(error: AnalyzerNotPossible) -> Message:
    """What an analyzer says that does not apply here."""
    return _with_problem("core.not_possible", error)


def settings_refused(error: ConfigError) -> Message:
    """What an analyzer says of parameters that do not fit the model and the data."""
    return _with_problem("core.settings_refused", error)


def said(key: str, error: BaseException) -> Message:
    """The sentence of this key, with the type and the text of an exception."""
    return Message(key=key, values={"type": presentable(type(error).__name__), "error": presentable(text_of(error))})


def presentable(text: str) -> str:
    """Text of an exception as a record may hold it: one line, short, without addresses or folders of this machine."""
    line = _FOLDERS.sub("…/", _ADDRESS.sub("0x…", " ".join(text.split())))
    return safe_text(line, _TEXT)


def _with_problem(key: str, error: AuditbenchError) -> Message:
    """With what was found and where, what is allowed, and the way on, as far as the error names them."""
    problem = error.problems[0]
    found = ": ".join(part for part in (problem.where, problem.found) if part) if problem.found else ""
    parts = {"found": found, "allowed": problem.allowed, "fix": problem.fix}
    told = {name: presentable(text) for name, text in parts.items() if text}
    return Message(key="_".join((key, *told)), values={**said(key, error).values, **told})
