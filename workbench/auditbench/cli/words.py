"""The terminal's words for verdicts, states, numbers and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from auditbench.cli.terminal import Tone, safe_line
from auditbench.safe_text import LONGEST_NAME, safe_text

if TYPE_CHECKING:
    from auditbench.findings import GateDecision, Message
    from auditbench.messages import Catalogue
    from auditbench.run import AuditRun

VERDICTS: dict[str, tuple[str, Tone]] = {
    "not_ready": ("Not ready for release", "bad"),
    "evidence_incomplete": ("Evidence incomplete", "caution"),
    "no_decision": ("No decision possible", "caution"),
    "ready_for_review": ("Ready for review", "good"),
    "no_gates": ("No gates: the audit decided nothing", "strong"),
    "nothing_evaluated": ("Nothing was evaluated", "bad"),
}

GATE_STATES: dict[str, tuple[str, Tone]] = {
    "fail": ("failed", "bad"),
    "error": ("undefined", "bad"),
    "not_run": ("not run", "caution"),
    "inconclusive": ("inconclusive", "caution"),
    "pass": ("passed", "good"),
}


def number(value: float | None, unit: str = "1") -> str:
    """A value with its unit, to four significant digits; a dash when it is undefined."""
    if value is None:
        return "—"
    text = f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return text if unit in {"", "1"} else f"{text} {safe_text(unit)}"


def limit(decision: GateDecision) -> str:
    """What a gate allows."""
    low, high = decision.minimum, decision.maximum
    if low is not None and high is not None:
        parts = [f"{number(low, decision.unit)} to {number(high, decision.unit)}"]
    elif low is not None:
        parts = [f"at least {number(low, decision.unit)}"]
    else:
        parts = [f"at most {number(high, decision.unit)}"] if high is not None else []
    if decision.max_drop is not None:
        parts.append(f"worse than the baseline by at most {number(decision.max_drop, decision.unit)}")
    if decision.min_gain is not None:
        parts.append(f"better than the baseline by at least {number(decision.min_gain, decision.unit)}")
    return " and ".join(parts)


def labels(where: Mapping[str, str]) -> str:
    """Labels that tell metrics of one name apart, in brackets; empty without any."""
    return f" ({', '.join(f'{safe_text(key)} = {safe_text(value)}' for key, value in where.items())})" if where else ""


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 0.42 s, 12.3 s, 2 min 5 s, 1 h 4 min."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def stage_words(state: str) -> str:
    """How a stage ended, as words."""
    return safe_line(state.replace("_", " "), LONGEST_NAME)


def counted(count: int, singular: str, plural: str = "") -> str:
    """A number and its noun."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def spoken(run: AuditRun, message: Message | None) -> str:
    """A message of the record as an English sentence; empty for none."""
    return "" if message is None else english(run).text(message)


def english(run: AuditRun) -> Catalogue:
    """The English sentences of the host and of the analyzers of a run."""
    from auditbench.messages import load_messages, merge_catalogues

    return merge_catalogues("en", load_messages("auditbench").get("en", {}), run.messages.get("en", {}))
