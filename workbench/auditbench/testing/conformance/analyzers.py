"""`check_analyzer`: whether an analyzer keeps what its contract promises, on toy subjects of every modality and task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from auditbench.contracts import Analyzer
from auditbench.errors import Problem
from auditbench.testing.conformance.promises import Conformance, Outcome, broken, demand

if TYPE_CHECKING:
    from auditbench.testing.conformance.analyzer_tryout import Tryout
    from auditbench.testing.conformance.trying import Check

KIND = "analyzer"
_RUNS = "runs-where-it-applies"


def check_analyzer(analyzer: Analyzer, *, params: Mapping[str, Any] | None = None) -> Conformance:
    """Pass when an analyzer keeps every promise that could be tried.

    It runs behind the host's guards on every toy subject that its needs admit, twice on some, and on odd ones.

    ```python
    def test_gap_keeps_its_promises():
        check_analyzer(next(iter(auditbench_analyzers())), params={"rows": 20})
    ```

    Args:
        params: Parameters to try it with, as a config would give them; defaults stand for the others, but for `rows`, of which
            at most 20 are asked for, so that what is drawn from the data is drawn. Take small ones.

    Raises:
        BrokenPromisesError: With every promise that is broken: what was found, what is allowed, and how to mend it. Also
            where the analyzer could not be called on a single toy subject, so that next to nothing is known of it.
    """
    __tracebackhide__ = True
    return demand(_called(demand(analyzer_conformance(analyzer, params=params))))


def analyzer_conformance(analyzer: Analyzer, *, params: Mapping[str, Any] | None = None) -> Conformance:
    """Which promises an analyzer keeps; raises nothing."""
    from auditbench.testing.conformance.analyzer_tryout import Tryout  # torch enters here
    from auditbench.testing.conformance.trying import conformance_of

    tryout = Tryout(analyzer=analyzer, given=params or {})
    return conformance_of(KIND, str(getattr(analyzer, "name", "")), tryout, all_checks())


def all_checks() -> tuple[Check[Tryout], ...]:
    """Every promise of an analyzer with what tries it."""
    from auditbench.testing.conformance import (
        analyzer_costs,
        analyzer_declarations,
        analyzer_parameters,
        analyzer_record,
        analyzer_results,
        analyzer_running,
        analyzer_survival,
        analyzer_traces,
    )

    families = (
        analyzer_record,
        analyzer_parameters,
        analyzer_running,
        analyzer_costs,
        analyzer_traces,
        analyzer_results,
        analyzer_declarations,
        analyzer_survival,
    )
    return tuple(check for family in families for check in family.CHECKS)


def _called(conformance: Conformance) -> Conformance:
    """The conformance; that it runs is broken where it was never called, as where something is missing that it needs."""

    def judged(outcome: Outcome) -> Outcome:
        if outcome.promise.key != _RUNS or outcome.state != "not_tried":
            return outcome
        problem = Problem(
            message="the analyzer was called on no toy subject, so that next to nothing of it was tried",
            found=outcome.reason,
            allowed="a call on one toy subject or more",
            fix="install what it needs, name less in Needs(...), or give the check `params`; without any of them, mark the "
            "test as skipped, or look at `analyzer_conformance`, which raises nothing",
        )
        return broken(outcome.promise, problem)

    return replace(conformance, outcomes=tuple(map(judged, conformance.outcomes)))
