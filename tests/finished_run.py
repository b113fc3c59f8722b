"""A finished run with a bit of everything that commands tell, for the tests of the command line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from auditbench.findings import GateDecision, Message
from auditbench.results import AnalysisResult
from auditbench.run import AuditFacts, AuditRun, DataFacts, ModelFacts, Provenance, Volatile
from auditbench.run_file import encode_run
from auditbench.store import RunFolder

FAILED = GateDecision(
    id="parity",
    metric="fairness.demographic_parity_ratio",
    where={"feature": "sex"},
    state="fail",
    blocking=True,
    decide="interval",
    minimum=0.8,
    value=0.314159,
    low=0.28,
    high=0.34,
    n=16281,
)
PASSED = GateDecision(
    id="acc", metric="performance.accuracy", state="pass", blocking=True, decide="interval", minimum=0.8
)
NO_VALUE = dataclasses.replace(
    FAILED,
    id="gap",
    state="error",
    blocking=False,
    value=None,
    low=None,
    high=None,
    minimum=None,
    maximum=0.1,
    n=None,
    reason=Message(key="toy.reason", values={"who": "x\x1b[31m"}),
)


def a_run(**changes: Any) -> AuditRun:
    """The run with some of its fields changed."""
    parts: dict[str, Any] = {
        "status": "complete",
        "verdict": "not_ready",
        "exit_code": 1,
        "audit": AuditFacts(name="Loan Model 2"),
        "config": {"report": {"formats": ["html"], "language": "zh-CN"}},
        "model": ModelFacts(
            name="m",
            format="bundle",
            architecture="mlp",
            task="binary-classification",
            output="logit",
            parameters=3,
            digest="d",
        ),
        "data": DataFacts(name="people", digests={}, rows=16281, train_rows=0, target="approved"),
        "results": (
            AnalysisResult(analyzer="performance", topic="performance"),
            AnalysisResult(
                analyzer="shap",
                topic="explanation",
                status="failed",
                reason=Message(key="toy.reason", values={"who": "lens"}),
            ),
            AnalysisResult(
                analyzer="lime",
                topic="explanation",
                status="not_applicable",
                reason=Message(key="core.not_applicable_sensitive"),
            ),
        ),
        "gates": (PASSED, NO_VALUE, FAILED),
        "messages": {"en": {"toy.reason": "Because of {who}."}},
        "warnings": (Message(key="toy.reason", values={"who": "rain"}),),
        "provenance": Provenance(product="0", python="3", packages={}, plugins=(), seed=0, device="cpu", threads=1),
        "volatile": Volatile(seconds={"load": 2.0, "shap": 30.5}, details={"shap": "Traceback\nValueError: lens cap"}),
    }
    return AuditRun(**{**parts, **changes})


def finish(folder: Path, run: AuditRun) -> None:
    """Write a run folder as an audit leaves it."""
    home = RunFolder(folder)
    home.begin({"model": "m"}, resume=True)
    home.complete(encode_run(run))
    home.close()
