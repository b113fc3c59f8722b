"""Promises of an analyzer that runs: it answers where it applies, the same each time, and tells how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from auditbench.context import AnalysisCancelled
from auditbench.errors import AnalyzerNotPossible, ConfigError, Problem, ResultError
from auditbench.testing.conformance.analyzer_trials import Trial, stable_record
from auditbench.testing.conformance.analyzer_tryout import Tryout
from auditbench.testing.conformance.promises import Promise
from auditbench.testing.conformance.trying import Check, NotTried, raised


def _runs(tryout: Tryout) -> Problem | None:
    for trial in tryout.usual:
        error = trial.error
        if error is None or isinstance(error, AnalyzerNotPossible | ResultError):
            continue
        return raised(
            error,
            where=trial.scene.name,
            fix="mend it, name in Needs(...) what it works on, or raise AnalyzerNotPossible with the reason",
        )
    return None


def _check_agrees(tryout: Tryout) -> Problem | None:
    if tryout.record.check is None:
        raise NotTried("it has no `check`")
    for trial in tryout.usual:
        refused = trial.checked
        if refused is not None and not isinstance(refused, AnalyzerNotPossible | ConfigError):
            fix = "raise ConfigError or AnalyzerNotPossible there, and nothing else"
            return raised(refused, where=trial.scene.name, fix=fix)
        if (refused is None) == (not isinstance(trial.error, AnalyzerNotPossible | ConfigError)):
            continue
        said = "nothing" if refused is None else type(refused).__name__
        gave = trial.result.status if trial.error is None else type(trial.error).__name__
        return Problem(
            message="`check` says something else than the analysis of the same model and data",
            where=trial.scene.name,
            found=f"`check` raised {said}, the analysis gave {gave}",
            allowed="what refuses in one refuses in the other",
            fix="let `check` and the analysis call the same function",
        )
    return None


def _is_repeatable(tryout: Tryout) -> Problem | None:
    for first, second in _called_twice(tryout):
        if stable_record(first) == stable_record(second):
            continue
        third = tryout.tried_again(first)
        if stable_record(first) != stable_record(third):
            return _differs(
                first,
                third,
                message="the same call gives another result",
                allowed="equal bits, but for what is marked `repeatable=False`",
                fix="draw from context.rng(purpose), keep nothing between calls, and mark what a clock gave",
            )
    return None


def _is_seeded(tryout: Tryout) -> Problem | None:
    for first, second in _called_twice(tryout):
        if stable_record(first) == stable_record(second):
            continue
        if stable_record(first) != stable_record(tryout.tried_again(first)):
            raise NotTried("the same call gives another result whatever the seeds are")
        return _differs(
            first,
            second,
            message="its result follows the global seeds of random, numpy or torch",
            allowed="what follows from the seed of the audit alone",
            fix="draw from context.rng(purpose), and seed generators of libraries from it",
        )
    return None


def _counts_up(tryout: Tryout) -> Problem | None:
    told = [trial for trial in tryout.every if trial.steps]
    if not told:
        raise NotTried("it tells no progress")
    for trial in told:
        last: dict[str, int] = {}
        for step, done, total in trial.steps:
            if not 0 <= done <= total or done < last.get(step, 0):
                return Problem(
                    message="its progress does not count up",
                    where=f"{trial.scene.name}, step {step!r}",
                    found=f"{done} of {total}" + (f", after {last[step]}" if step in last else ""),
                    allowed="0 <= done <= total, never less than before in the same step",
                    fix="give each part of the work a step of its own",
                )
            last[step] = done
    return None


def _called_twice(tryout: Tryout) -> tuple[tuple[Trial, Trial], ...]:
    if not tryout.again:
        raise NotTried("it gives no result on any toy subject")
    return tryout.again


def _stops(tryout: Tryout) -> Problem | None:
    trial = tryout.cancelled
    left = [what for kinds in trial.left.values() for what in kinds]
    if isinstance(trial.error, AnalysisCancelled) and not left:
        return None
    stopped = f"it left changed: {', '.join(left)}"
    went_on = f"it raised {type(trial.error).__name__}" if trial.error else "it went on to its end"
    return Problem(
        message="it does not stop as it is told to",
        where=trial.scene.name,
        found=stopped if isinstance(trial.error, AnalysisCancelled) else went_on,
        allowed="AnalysisCancelled, which `progress` and `map_rows` raise, and everything as it was",
        fix="let it pass, catch `Exception` and never `BaseException`, and put things back in `finally`",
    )


def _differs(one: Trial, other: Trial, *, message: str, allowed: str, fix: str) -> Problem:
    place, first, second = next(_differences(stable_record(one), stable_record(other), ""))
    return Problem(
        message=message,
        where=f"{one.scene.name}, {place}",
        found=f"{first!r}"[:80] + ", then " + f"{second!r}"[:80],
        allowed=allowed,
        fix=fix,
    )


def _differences(one: Any, other: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Places where two documents are not equal, with what stands there."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _differences(one.get(key), other.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _differences(first, second, f"{where}[{place}]")
    elif one != other:
        yield where, one, other


CHECKS: tuple[Check[Tryout], ...] = (
    (
        Promise(
            key="runs-where-it-applies",
            sentence="Runs on every toy subject that its needs admit, or says why it does not apply.",
        ),
        _runs,
    ),
    (Promise(key="check-agrees", sentence="Refuses the same in `check` and in its analysis."), _check_agrees),
    (Promise(key="repeatable", sentence="Gives the same result for the same call."), _is_repeatable),
    (Promise(key="seeded", sentence="Draws by the seed of the audit, and by nothing else."), _is_seeded),
    (Promise(key="progress-counts-up", sentence="Counts up within each step of its progress."), _counts_up),
    (Promise(key="stops-when-told", sentence="Stops when it is told to, and cleans up."), _stops),
)
