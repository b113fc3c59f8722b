"""An audit of an income model, made by code: every state of a gate, small groups, failed analyzers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from auditbench.findings import GateDecision, Message, Waiver
from auditbench.run import (
    AuditFacts,
    AuditRun,
    DataFacts,
    FeatureFacts,
    ModelFacts,
    PluginFacts,
    Provenance,
    TrainingFacts,
    Volatile,
)
from tests.html_results import (
    CATEGORIES,
    FEATURES,
    fairness_result,
    linear_result,
    performance_result,
    resources_result,
    shap_result,
    status_result,
)

MESSAGES: dict[str, Any] = {
    "performance.auc": "Area under the ROC curve",
    "performance.auc.help": "How well people above the line are ranked before those below it",
    "performance.accuracy": "Accuracy",
    "performance.accuracy.help": "Share of rows predicted rightly",
    "performance.precision": "Precision",
    "performance.precision.help": "Of those predicted above, the share that is",
    "performance.recall": "Recall",
    "performance.recall.help": "Of those above, the share that is found",
    "performance.f1": "F1 score",
    "performance.brier": "Brier score",
    "performance.brier.help": "Mean squared error of the probability",
    "performance.calibration_error": "Calibration error",
    "performance.calibration_error.help": "Stated probability against what happened",
    "performance.roc": "The ROC curve bends well away from the diagonal",
    "performance.reliability": "Predicted probability against observed share",
    "performance.confusion": "{wrong:count} of {n:count} rows are predicted wrongly",
    "performance.observed": "Observed",
    "performance.predicted": "Predicted",
    "performance.fpr": "False positive rate",
    "performance.tpr": "True positive rate",
    "performance.predicted_probability": "Predicted probability",
    "performance.observed_share": "Observed share",
    "performance.limit_prevalence": "Precision depends on the share of positives, which moves with the labour market.",
    "performance.method_bootstrap": "Intervals by bootstrap over rows, {n:count} resamples, percentile method.",
    "shap.name": "SHAP",
    "shap.facts.permutation.title": "Shapley values from random orders",
    "shap.facts.permutation.formula": "value of i = mean over random orders of v(i and all before it) − v(all before it)",
    "shap.facts.permutation.assumes": "A hidden input takes its values from the background rows.",
    "shap.facts.permutation.needs": "Outputs alone, and background rows.",
    "shap.facts.permutation.fails": "Rows that are made by hiding may not occur in reality (arXiv:1911.02508).",
    "lime.name": "LIME",
    "captum.name": "Captum",
    "shap.additivity_error": "Additivity error",
    "shap.additivity_error.help": "Largest gap between contributions and output, as a share of the output range",
    "shap.limit_correlated": "Correlated inputs share credit; marital status and relationship are nearly the same thing here.",
    "captum.completeness_gap": "Completeness gap",
    "fairness.demographic_parity_ratio": "Demographic parity ratio",
    "fairness.demographic_parity_ratio.help": "Lowest selection rate of a group divided by the highest",
    "fairness.demographic_parity_difference": "Demographic parity difference",
    "fairness.equal_opportunity_difference": "Equal opportunity difference",
    "fairness.equal_opportunity_difference.help": "Largest gap between groups in the share of positives that is found",
    "fairness.equalized_odds_difference": "Equalized odds difference",
    "fairness.selection_rate": "Selection rate",
    "fairness.true_positive_rate": "True positive rate",
    "fairness.false_positive_rate": "False positive rate",
    "fairness.precision": "Precision",
    "fairness.accuracy": "Accuracy",
    "fairness.too_few": "{n} rows, fewer than {minimum}: not estimated",
    "fairness.finding_ratio": "Women are predicted above the line far less often than men",
    "fairness.action_ratio": "Reweight or constrain by `{feature}`, retrain and audit again; check whether it may be an input at all.",
    "fairness.limit_base_rates": "Equal rates and equal error rates cannot all hold when base rates differ.",
    "resources.latency_p95": "p95 latency, batch 1",
    "resources.latency_p95.help": "19 of 20 answers arrive within this time",
    "resources.parameters": "Parameters",
    "resources.macs": "Multiply-accumulates a row",
    "resources.model_size": "Model file",
    "resources.peak_memory": "Peak memory",
    "resources.latency": "19 of 20 single answers arrive within {p95:.3g} ms",
    "resources.by_layer": "Where the parameters are",
    "resources.layer": "Layer",
    "host.timed_out": "The time limit of {limit} s was reached after {done} of {total} rows.",
    "host.failed": "{error}",
    "drift.population_stability": "Drift against production",
    "counterfactual.validity": "Counterfactual validity",
    "host.no_metric": "{analyzer} gave no value.",
    "host.not_reached": "No production sample was given.",
    "robustness.dose": "Accuracy falls slowly as noise grows",
    "robustness.noise": "Noise, share of the range",
    "robustness.accuracy": "Accuracy",
    "robustness.variants": "Half precision costs nothing measurable",
    "robustness.ms": "p95 latency",
    "robustness.change": "Two measures moved, one did not",
    "robustness.tokens": "Words of one text",
}


def income_run() -> AuditRun:
    """The whole audit: eight analyzers, nine gates."""
    rng = np.random.default_rng(3)
    shap, cases = shap_result(rng)
    results = (
        performance_result(),
        shap,
        linear_result("lime", "tabular", shap, rng, "probability", 0.11, additive=False),
        linear_result("captum", "integrated_gradients", shap, rng, "logit", 0.93, additive=True),
        fairness_result(),
        resources_result(),
        status_result(
            "counterfactual",
            "explanation",
            "timed_out",
            Message(key="host.timed_out", values={"limit": 600, "done": 212, "total": 500}),
        ),
        status_result("drift", "robustness", "skipped", Message(key="host.not_reached")),
        status_result(
            "lrp",
            "explanation",
            "failed",
            Message(key="host.failed", values={"error": "RuntimeError: no rule for layer Softsign"}),
        ),
    )
    return AuditRun(
        status="complete",
        verdict="not_ready",
        exit_code=3,
        audit=AuditFacts(
            name="Adult income model", version="1.0", policy="responsible lending", seed=7,
            intended_use="Show how an audit reads; never to decide about people",
            not_for="Any decision about a person",
        ),
        config={"analyzers": {"counterfactual": {"time_limit": 600.0}}, "report": {"raw_inputs": False}},
        model=_model(),
        data=_data(),
        cases=cases,
        results=results,
        gates=_gates(),
        waivers=(Waiver(gate="calibration", until="2027-01-31", by="A. Reviewer", reason="accepted for the pilot"),),
        messages={"en": MESSAGES},
        provenance=_provenance(),
        volatile=_volatile(),
    )  # fmt: skip


def gate(name: str, metric: str, state: Any, **rest: Any) -> GateDecision:
    """A gate decision with defaults."""
    defaults: dict[str, Any] = {"blocking": True, "decide": "interval", "unit": "1", "n": 16281}
    return GateDecision(id=name, metric=metric, state=state, **{**defaults, **rest})


def _gates() -> tuple[GateDecision, ...]:
    sex, race = {"feature": "sex"}, {"feature": "race"}
    missing = Message(key="host.no_metric", values={"analyzer": "counterfactual"})
    return (
        gate("auc", "performance.auc", "pass", topic="performance", minimum=0.85, value=0.9071, low=0.9022, high=0.9119),
        gate("recall", "performance.recall", "inconclusive", topic="performance", minimum=0.6, value=0.6071, low=0.5912, high=0.6229, n=3846),
        gate("calibration", "performance.calibration_error", "fail", topic="performance", maximum=0.01, value=0.0121, low=0.0104, high=0.0139, blocking=False, waived_until="2027-01-31", waiver_holds=True),
        gate("shap-additivity", "shap.additivity_error", "pass", topic="explanation", maximum=0.0001, value=2.1e-06, decide="estimate", blocking=False, n=100),
        gate("parity-sex", "fairness.demographic_parity_ratio", "fail", where=sex, topic="fairness", minimum=0.8, value=0.3119, low=0.2871, high=0.3377),
        gate("opportunity-sex", "fairness.equal_opportunity_difference", "inconclusive", where=sex, topic="fairness", maximum=0.1, value=0.0892, low=0.0471, high=0.1313, blocking=False),
        gate("parity-race", "fairness.demographic_parity_ratio", "error", where=race, topic="fairness", minimum=0.8, reason=Message(key="fairness.too_few", values={"n": 24, "minimum": 30})),
        gate("latency", "resources.latency_p95", "pass", topic="resources", maximum=5.0, value=0.412, unit="ms", decide="estimate", repeatable=False),
        gate("validity", "counterfactual.validity", "not_run", topic="explanation", minimum=0.9, blocking=False, reason=missing),
    )  # fmt: skip


def _model() -> ModelFacts:
    losses = tuple((0.62 * math.exp(-0.3 * k) + 0.29, 0.6 * math.exp(-0.3 * k) + 0.315 + 0.0009 * k) for k in range(24))
    return ModelFacts(
        name="adult-mlp", format="bundle", architecture="mlp", task="binary-classification", classes=("<=50K", ">50K"), output="logit",
        threshold=0.5, parameters=8833, digest="8c41d20f6b7a93e4c5d80f1122334455667788990011aabbccddeeff00119e02",
        training=TrainingFacts(architecture="mlp", parameters={"hidden": [64, 32], "dropout": 0.1}, settings={"optimizer": "adam", "learning_rate": 0.001, "batch_size": 256, "patience": 5},
                               train_rows=29305, validation_rows=3256, epochs=24, best_epoch=19, losses=losses, key="k"),
    )  # fmt: skip


def _data() -> DataFacts:
    missing = {"workclass": 963, "occupation": 966, "native-country": 274}
    features = tuple(
        FeatureFacts(name=name, kind="category" if name in CATEGORIES else "number", levels=8 if name in CATEGORIES else None,
                     missing_test=missing.get(name, 0), missing_train=2 * missing.get(name, 0),
                     missing_rule="own-category" if name in CATEGORIES else "median", sensitive=name in ("sex", "race"))
        for name in FEATURES
    )  # fmt: skip
    return DataFacts(
        name="adult", digests={"adult.parquet": "b07e" + "0123456789abcdef" * 3 + "0123456789ab"}, rows=16281, train_rows=32561, target="income", positive=">50K",
        outcomes={"<=50K": 12435, ">50K": 3846}, features=features, sensitive=("sex", "race"),
        licence="Adult (Census Income), UCI Machine Learning Repository, doi 10.24432/C5XW20, CC BY 4.0",
    )  # fmt: skip


def _provenance() -> Provenance:
    return Provenance(
        product="0.1.0", python="3.11.9", packages={"torch": "2.13.0", "captum": "0.9.0", "shap": "0.51.0", "numpy": "2.3.1"},
        plugins=tuple(PluginFacts(name=n, distribution="auditbench", version="0.1.0") for n in ("performance", "shap", "lime", "captum", "fairness", "resources")),
        seed=7, device="cpu", threads=2, determinism={"deterministic_algorithms": "True", "mkldnn": "on"}, config_sha256="a913" + "70bb" * 15,
    )  # fmt: skip


def _volatile() -> Volatile:
    return Volatile(
        started="2026-11-20T09:14:02+00:00", finished="2026-11-20T09:15:52+00:00", command="auditbench audit examples/01-adult/audit.toml",
        seconds={"start": 2.1, "load": 1.4, "train": 21.3, "performance": 4.2, "shap": 31.8, "lime": 24.2, "captum": 3.1, "fairness": 5.2, "resources": 9.7, "render": 0.6},
        host={"system": "Linux", "processor": "x86-64, 2 cores", "memory": "8 GiB"}, training={"seconds": 21.3, "rows_per_second": 33000.0},
        details={"lrp": "Traceback (most recent call last): ..."},
    )  # fmt: skip


def render_to(folder: Path, run: AuditRun, name: str = "report.html") -> Path:
    """Write the report of a run and return its path."""
    from auditbench_html.render import render_report

    path = folder / name
    path.write_bytes(render_report(run))
    return path
