"""Promises of an analyzer on odd models and data: it gives a result, or says why there is none."""

from __future__ import annotations

from auditbench.errors import AnalyzerNotPossible, AuditbenchError, ConfigError, Problem, ResultError
from auditbench.testing.conformance.analyzer_trials import Trial, stable_record
from auditbench.testing.conformance.analyzer_tryout import Tryout
from auditbench.testing.conformance.odd_subjects import NOT_FINITE, ODD
from auditbench.testing.conformance.promises import Promise
from auditbench.testing.conformance.trying import Check, NotTried, raised


def _survives(key: str) -> Check[Tryout]:
    def find(tryout: Tryout) -> Problem | None:
        trials = [(usual, odd) for usual, odd in tryout.odd if odd.scene.odd == key]
        if not trials:
            raise NotTried("no toy subject that it gives a result for can be made so")
        look = _passed_on if key == NOT_FINITE else _ended
        return next((problem for usual, odd in trials if (problem := look(usual, odd))), None)

    return Promise(key=key, sentence=ODD[key].sentence), find


def _ended(_: Trial, odd: Trial) -> Problem | None:
    """What ended the analysis; results that the host refuses are another promise."""
    if odd.error is None or isinstance(odd.error, AnalyzerNotPossible | ConfigError | ResultError):
        return None
    return raised(
        odd.error,
        where=odd.scene.name,
        fix="give None with a reason, or raise AnalyzerNotPossible with what was found",
    )


def _passed_on(usual: Trial, odd: Trial) -> Problem | None:
    """A result that follows outputs which are NaN, or anything but a clear refusal of them."""
    fix = "take context.finite_outputs() instead of context.outputs"
    if odd.error is not None:
        if isinstance(odd.error, AuditbenchError) and not isinstance(odd.error, ResultError):
            return None
        return raised(odd.error, where=odd.scene.name, fix=fix)
    if odd.result.status == "not_applicable" or (odd.ok and stable_record(odd) == stable_record(usual)):
        return None
    return Problem(
        message="it computed something from outputs that are NaN",
        where=odd.scene.name,
        found="a result, and another one than for finite outputs" if odd.ok else "a result that holds NaN",
        allowed="ModelError, which says how many outputs are no numbers",
        fix=fix,
    )


CHECKS: tuple[Check[Tryout], ...] = tuple(_survives(key) for key in ODD)
