"""Runs for the formats beside the page: many gates or none, nothing that finished, a baseline; and hostile texts."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from auditbench.comparison.record import BaselineFacts, Comparison, FindingChange, MetricChange, OtherChange
from auditbench.findings import GateDecision, Message
from auditbench.results import Interval
from auditbench.run import AuditRun
from auditbench.safe_text import LONGEST_NAME
from tests.hostile_texts import FORMATS, PAGE, TERMINAL, packed
from tests.html_fixture import gate, income_run
from tests.html_results import robustness_result, status_result

RUNS = ("no-gate", "one-gate", "200-gates", "nothing-finished", "baseline", "every-block")
STATES = ("fail", "pass", "inconclusive", "error", "not_run")

_USUAL = packed(text for text in (*FORMATS, *TERMINAL, *PAGE[::4]) if len(text) <= LONGEST_NAME)
# What only a page could obey differs little for these formats: by night.
HOSTILE = [*_USUAL, *(pytest.param(text, marks=pytest.mark.nightly) for text in packed(PAGE))]


def many_gates(n: int) -> AuditRun:
    """The income model with so many gates, a fifth of them in each state, every third of them advisory."""
    gates = tuple(_gate(index) for index in range(n))
    stops = any(decision.stops_release for decision in gates)
    verdict: Any = "not_ready" if stops else "ready_for_review" if n else "no_gates"
    results = tuple(result for result in income_run().results if result.status == "ok")
    return dataclasses.replace(
        income_run(), results=results, gates=gates, waivers=(), verdict=verdict, exit_code=1 if stops else 0
    )


def nothing_finished() -> AuditRun:
    """A run without a single result, and without gates."""
    failed = Message(key="host.failed", values={"error": "RuntimeError: no room"})
    results = (
        status_result("shap", "explanation", "failed", failed),
        status_result("lime", "explanation", "skipped", failed),
    )
    return dataclasses.replace(
        income_run(), results=results, gates=(), waivers=(), cases=(), verdict="nothing_evaluated", exit_code=4
    )


def with_baseline() -> AuditRun:
    """The income model beside an earlier version of it: one metric worse, one within noise, one finding new."""
    facts = BaselineFacts(
        name="Adult income model", version="0.9", model="adult-mlp", model_digest="ab" * 32, rows=16281,
        verdict="ready_for_review", exit_code=0, gates={"parity-sex": "pass", "auc": "pass"},
    )  # fmt: skip
    bounds = Interval(low=-0.017, high=-0.009, method="paired")
    metrics = (
        MetricChange(
            metric="performance.auc", before=0.92, after=0.9071, difference=-0.0129, interval=bounds, decided=bounds,
            higher_is_better=True, verdict="worse", design="paired", n=16281,
        ),
        MetricChange(metric="performance.recall", before=0.6, after=0.6071, difference=0.0071, verdict="within_noise"),
        MetricChange(metric="resources.parameters", before=8000.0, after=8833.0, difference=833.0, verdict="changed"),
    )  # fmt: skip
    finding = FindingChange(
        rule="fairness.ratio", title=Message(key="fairness.finding_ratio"), after="high", state="new"
    )
    other = OtherChange(kind="packages", name="torch", before="2.12.0", after="2.13.0")
    comparison = Comparison(
        baseline=facts, rows=16281, pairs=16281, baseline_only=0, candidate_only=0, paired=True, tested=2,
        metrics=metrics, findings=(finding,), others=(other,),
    )  # fmt: skip
    return dataclasses.replace(income_run(), baseline=comparison)


def every_run() -> tuple[AuditRun, ...]:
    """The runs that every format has to stand."""
    whole = dataclasses.replace(income_run(), results=(*income_run().results, robustness_result()))
    return (*(many_gates(n) for n in (0, 1, 200)), nothing_finished(), with_baseline(), whole)


def _gate(index: int) -> GateDecision:
    state = STATES[index % len(STATES)]
    rest: dict[str, Any] = {"value": 0.7, "low": 0.65, "high": 0.75}
    if state in ("error", "not_run"):
        rest = {"reason": Message(key="host.not_reached")}
    name = f"a-gate-with-a-rather-long-name-as-teams-give-them-{index:03d}"
    return gate(
        name,
        "performance.auc",
        state,
        topic="performance",
        minimum=0.8,
        blocking=index % 3 > 0,
        where={"fold": str(index)},
        **rest,
    )
