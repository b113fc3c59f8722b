"""Results of analyzers on an income model, made by code: every kind of block."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from auditbench.findings import Finding, Message
from auditbench.results import (
    AnalysisResult,
    Attribution,
    Axis,
    Change,
    Column,
    Curve,
    Interval,
    Matrix,
    MethodFacts,
    Metric,
    Note,
    PairedChange,
    PercentileRow,
    Percentiles,
    Point,
    Scatter,
    Series,
    Table,
    TokenAttribution,
)
from auditbench.run import Case

FEATURES = (
    "capital-gain", "marital-status", "education-num", "age", "hours-per-week", "occupation", "relationship",
    "capital-loss", "sex", "workclass", "education", "race", "native-country",
)  # fmt: skip
CATEGORIES = {"marital-status", "occupation", "relationship", "sex", "workclass", "education", "race", "native-country"}


def interval(low: float, high: float) -> Interval:
    """A bootstrap interval."""
    return Interval(low=low, high=high, method="bootstrap-percentile")


def wilson(p: float, n: int) -> Interval:
    """Wilson's interval of a share."""
    z = 1.96
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(
        low=max(0.0, (middle - half) / (1 + z * z / n)),
        high=min(1.0, (middle + half) / (1 + z * z / n)),
        method="wilson",
    )


def performance_result() -> AnalysisResult:
    def metric(name: str, value: float, low: float, high: float, better: bool = True) -> Metric:
        return Metric(name=name, value=value, interval=interval(low, high), n=16281, higher_is_better=better)

    bins = [(0.03, 0.021, 6900), (0.14, 0.128, 2510), (0.25, 0.262, 1620), (0.35, 0.371, 1190), (0.45, 0.462, 980),
            (0.55, 0.561, 840), (0.65, 0.633, 730), (0.75, 0.742, 620), (0.85, 0.829, 410), (0.97, 0.968, 481)]  # fmt: skip
    bounds = [wilson(y, n) for _, y, n in bins]
    grid = [index / 200 for index in range(201)]
    return AnalysisResult(
        analyzer="performance", topic="performance", version="0.1.0",
        parameters={"resamples": 1000, "bins": 10, "level": 0.95},
        metrics=(
            metric("auc", 0.9071, 0.9022, 0.9119), metric("accuracy", 0.8531, 0.8476, 0.8585),
            metric("precision", 0.7391, 0.7221, 0.7559), metric("recall", 0.6071, 0.5912, 0.6229),
            metric("f1", 0.6666, 0.6523, 0.6807), metric("brier", 0.1013, 0.0981, 0.1046, better=False),
            metric("calibration_error", 0.0121, 0.0104, 0.0139, better=False),
        ),
        curves=(
            Curve(name="reliability", title=Message(key="performance.reliability"), kind="reliability",
                  x=Axis(label=Message(key="performance.predicted_probability")), y=Axis(label=Message(key="performance.observed_share")),
                  series=(Series(label="model", x=tuple(b[0] for b in bins), y=tuple(b[1] for b in bins), low=tuple(b.low for b in bounds),
                                 high=tuple(b.high for b in bounds), n=tuple(b[2] for b in bins)),)),
            Curve(name="roc", title=Message(key="performance.roc"), kind="roc", x=Axis(label=Message(key="performance.fpr")),
                  y=Axis(label=Message(key="performance.tpr")),
                  series=(Series(label="model", x=tuple(grid), y=tuple(x ** 0.18 for x in grid)),)),
        ),
        matrices=(
            Matrix(name="confusion", kind="confusion", title=Message(key="performance.confusion", values={"wrong": 2392, "n": 16281}),
                   row_label=Message(key="performance.observed"), column_label=Message(key="performance.predicted"),
                   rows=("<=50K", ">50K"), columns=("<=50K", ">50K"), values=((11611.0, 824.0), (1511.0, 2335.0))),
        ),
        notes=(Note(kind="limit", text=Message(key="performance.limit_prevalence")),
               Note(kind="method", text=Message(key="performance.method_bootstrap", values={"n": 1000}))),
    )  # fmt: skip


def shap_result(rng: np.random.Generator) -> tuple[AnalysisResult, tuple[Case, ...]]:
    rows, strength = 100, np.array([0.9, 0.75, 0.62, 0.58, 0.36, 0.34, 0.3, 0.18, 0.16, 0.12, 0.09, 0.05, 0.03])
    ranks = rng.random((rows, len(FEATURES)))
    values = strength * ((ranks - 0.5) * 2.2 + rng.normal(0, 0.35, ranks.shape))
    values[:, 0] = np.where(ranks[:, 0] > 0.92, 2.6 + ranks[:, 0], -0.25)
    for index, name in enumerate(FEATURES):
        if name in CATEGORIES:
            ranks[:, index] = np.nan
    base = np.full((rows, 1), -1.61)
    outputs = base + values.sum(axis=1, keepdims=True)
    ids = tuple(str(1000 + 7 * index) for index in range(rows))
    block = Attribution(
        name="shap", method="shap.permutation", values=values[:, None, :], player_names=FEATURES, target_names=(">50K",),
        base_values=base, outputs=outputs, standard_error=None, player_values=ranks, row_ids=ids, unit="logit", model_rows=520_000,
    )  # fmt: skip
    cases = _cases(ids, outputs)
    counted = [place for place, row_id in enumerate(ids) if row_id not in {case.row_id for case in cases}]
    result = AnalysisResult(
        analyzer="shap", topic="explanation", version="0.1.0", parameters={"rows": 100, "background": 50, "rounds": 2},
        metrics=(
            *importance(values[counted], "logit", with_interval=True),
            Metric(name="additivity_error", value=2.1e-06, no_interval="exact", n=rows, higher_is_better=False),
        ),
        attributions=(block,), notes=(Note(kind="limit", text=Message(key="shap.limit_correlated")),),
        methods=(MethodFacts(name="shap.permutation", source=("doi:10.1016/j.cor.2008.04.004", "arXiv:2104.12199")),),
    )  # fmt: skip
    return result, cases


def importance(values: Any, unit: str, *, with_interval: bool, names: tuple[str, ...] = FEATURES) -> tuple[Metric, ...]:
    """Mean absolute attribution of each input."""
    means, half = np.abs(values).mean(axis=0), 1.96 * np.abs(values).std(axis=0) / math.sqrt(len(values))
    return tuple(
        Metric(
            name="mean_absolute_attribution", value=float(mean), unit=unit, n=len(values), where={"feature": name},
            interval=interval(float(max(0.0, mean - h)), float(mean + h)) if with_interval else None,
            no_interval="" if with_interval else "not_estimated",
        )
        for name, mean, h in zip(names, means, half, strict=True)
    )  # fmt: skip


def linear_result(
    name: str, method: str, shap: AnalysisResult, rng: np.random.Generator, unit: str, factor: float, *, additive: bool
) -> AnalysisResult:
    block = shap.attributions[0]
    values = np.asarray(block.values) * factor + rng.normal(0, 0.06 * factor, block.values.shape)
    outputs = np.asarray(block.base_values) + values.sum(axis=2) if additive else block.outputs
    other = Attribution(
        name=name, method=f"{name}.{method}", values=values, player_names=FEATURES, target_names=(">50K",), base_values=block.base_values,
        outputs=outputs, row_ids=block.row_ids, additive=additive, unit=unit, model_rows=500_000,
    )  # fmt: skip
    metrics = importance(values[:, 0, :], unit, with_interval=False)
    if additive:
        metrics = (
            *metrics,
            Metric(name="completeness_gap", value=0.0031, no_interval="exact", n=100, higher_is_better=False),
        )
    return AnalysisResult(
        analyzer=name,
        topic="explanation",
        version="0.1.0",
        parameters={"rows": 100},
        metrics=metrics,
        attributions=(other,),
    )


def _cases(ids: tuple[str, ...], outputs: Any) -> tuple[Case, ...]:
    order = np.argsort(np.abs(outputs[:, 0]))
    shown = {"age": "40 to 49", "hours-per-week": "40 to 49", "capital-gain": "0", "education-num": "9 to 10", "sex": "Female",
             "race": "White", "marital-status": "Married-civ-spouse", "occupation": "Prof-specialty", "capital-loss": "0"}  # fmt: skip
    picks = (
        (order[0], "threshold", {}),
        (order[-1], "worst_error", {}),
        (order[50], "typical", {}),
        (order[20], "group", {"feature": "sex", "group": "Female"}),
    )
    cases = []
    for index, rule, where in picks:
        output = float(outputs[index, 0])
        predicted = ">50K" if output >= 0 else "<=50K"
        observed = ("<=50K" if predicted == ">50K" else ">50K") if rule == "worst_error" else predicted
        cases.append(
            Case(
                row_id=ids[index],
                rule=rule,
                where=where,
                output=(output,),
                predicted=predicted,
                observed=observed,
                inputs=tuple(shown.items()),
            )
        )
    return tuple(cases)


def fairness_result() -> AnalysisResult:
    groups = {
        "sex": {"Male": (10860, 0.256), "Female": (5421, 0.080)},
        "race": {"White": (13946, 0.209), "Black": (1561, 0.091), "Asian-Pac-Islander": (480, 0.235), "Amer-Indian-Eskimo": (159, 0.082), "Other": (24, None)},
        "sex × race": {"Male × White": (9506, 0.266), "Female × White": (4440, 0.086), "Male × Black": (795, 0.131), "Female × Black": (766, 0.049),
                       "Male × Asian-Pac-Islander": (315, 0.278), "Female × Asian-Pac-Islander": (165, 0.152), "Female × Other": (7, None)},
    }  # fmt: skip
    metrics: list[Metric] = []
    for feature, members in groups.items():
        for group, (n, rate) in members.items():
            for index, name in enumerate(
                ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")
            ):
                metrics.append(
                    group_metric(
                        name,
                        feature,
                        group,
                        n,
                        None if rate is None else (rate, 0.35 + rate, 0.02 + rate / 4, 0.74, 0.95 - rate / 2)[index],
                        denominator=(n, n // 5, n - n // 5, n // 6, n)[index],
                    )
                )
    sex, race = {"feature": "sex"}, {"feature": "race"}
    few = Message(key="fairness.too_few", values={"n": 24, "minimum": 30})
    metrics += [
        Metric(
            name="demographic_parity_ratio",
            value=0.3119,
            interval=interval(0.2871, 0.3377),
            n=16281,
            where=sex,
            higher_is_better=True,
        ),
        Metric(
            name="demographic_parity_difference",
            value=0.1763,
            interval=interval(0.1649, 0.1877),
            n=16281,
            where=sex,
            higher_is_better=False,
        ),
        Metric(
            name="equal_opportunity_difference",
            value=0.0892,
            interval=interval(0.0471, 0.1313),
            n=3846,
            where=sex,
            higher_is_better=False,
        ),
        Metric(name="demographic_parity_ratio", value=None, reason=few, n=16281, where=race, higher_is_better=True),
        Metric(
            name="demographic_parity_difference",
            value=0.1441,
            interval=interval(0.1011, 0.1871),
            n=16257,
            where=race,
            higher_is_better=False,
        ),
    ]
    return AnalysisResult(
        analyzer="fairness", topic="fairness", version="0.1.0", parameters={"minimum_rows": 30, "intersections": True}, metrics=tuple(metrics),
        notes=(Note(kind="limit", text=Message(key="fairness.limit_base_rates")),),
        findings=(Finding(rule="fairness.ratio", severity="high", title=Message(key="fairness.finding_ratio"),
                          action=Message(key="fairness.action_ratio", values={"feature": "sex"}),
                          metrics=("fairness.demographic_parity_ratio",), where=sex),),
    )  # fmt: skip


def group_metric(
    name: str, feature: str, group: str, n: int, value: float | None, denominator: int | None = None
) -> Metric:
    """A rate of one group."""
    where = {"feature": feature, "group": group}
    if value is None:
        return Metric(
            name=name,
            value=None,
            reason=Message(key="fairness.too_few", values={"n": n, "minimum": 30}),
            n=n,
            where=where,
        )
    return Metric(
        name=name, value=value, interval=wilson(value, denominator or n), n=n, denominator=denominator, where=where
    )


def resources_result() -> AnalysisResult:
    def count(name: str, value: float, unit: str) -> Metric:
        return Metric(name=name, value=value, unit=unit, no_interval="count", n=1)

    columns = (
        Column(name="layer", label=Message(key="resources.layer")),
        Column(name="n", label=Message(key="resources.parameters"), kind="count"),
    )
    return AnalysisResult(
        analyzer="resources", topic="resources", version="0.1.0", parameters={"batch_sizes": [1, 32, 1024], "repeats": 200},
        metrics=(
            count("parameters", 8833.0, "parameters"), count("macs", 8704.0, "MACs"), count("model_size", 36.2, "KiB"),
            Metric(name="peak_memory", value=312.4, unit="MiB", no_interval="not_estimated", n=1, repeatable=False),
            Metric(name="latency_p95", value=0.412, unit="ms", no_interval="not_estimated", n=200, repeatable=False),
        ),
        percentiles=(
            Percentiles(name="latency", title=Message(key="resources.latency", values={"p95": 0.412}), unit="ms", rows=(
                PercentileRow(label="batch 1", p50=0.231, p95=0.412, p99=0.71, n=200),
                PercentileRow(label="batch 32", p50=0.31, p95=0.52, p99=0.93, n=200),
                PercentileRow(label="batch 1024", p50=2.1, p95=2.9, p99=4.4, n=200),
            )),
        ),
        tables=(Table(name="by_layer", title=Message(key="resources.by_layer"), columns=columns,
                      rows=(("0.weight", 6656), ("0.bias", 64), ("2.weight", 2048), ("2.bias", 32), ("4.weight", 32), ("4.bias", 1))),),
    )  # fmt: skip


def robustness_result() -> AnalysisResult:
    """The blocks that the income audit itself does not use."""
    levels = (0.0, 0.05, 0.1, 0.2, 0.3)
    y = (0.853, 0.851, 0.846, 0.829, 0.804)
    ms, accuracy = Axis(label=Message(key="robustness.ms"), unit="ms"), Axis(label=Message(key="robustness.accuracy"))
    return AnalysisResult(
        analyzer="robustness", topic="robustness", version="1.0",
        curves=(Curve(name="dose", title=Message(key="robustness.dose"), kind="dose", x=Axis(label=Message(key="robustness.noise")), y=accuracy,
                      series=tuple(Series(label=f"seed {k}", x=levels, y=tuple(v - 0.01 * k for v in y), low=tuple(v - 0.01 * k - 0.006 for v in y),
                                          high=tuple(v - 0.01 * k + 0.006 for v in y)) for k in range(2))),),
        scatters=(Scatter(name="variants", title=Message(key="robustness.variants"), x=ms, y=accuracy, frontier=("int8", "bf16"), points=(
            Point(label="audited, fp32", x=0.41, y=0.853, highlighted=True), Point(label="bf16", x=0.31, y=0.853), Point(label="int8", x=0.2, y=0.849))),),
        paired_changes=(PairedChange(name="change", title=Message(key="robustness.change"), method="bootstrap", rows=(
            Change(label="accuracy", before=0.85, after=0.853, low=-0.002, high=0.008, higher_is_better=True, n=16281),
            Change(label="latency", before=0.52, after=0.41, low=-0.15, high=-0.07, higher_is_better=False, n=200, unit="ms"),
            Change(label="parity ratio", before=0.36, after=0.31, low=-0.08, high=-0.02, higher_is_better=True, n=16281))),),
        token_attributions=(TokenAttribution(name="tokens", title=Message(key="robustness.tokens"), row_id="1", unit="logit",
                                             tokens=("I ", "lost ", "my ", "steady ", "job"), values=(0.01, 0.8, 0.0, -0.4, 0.5)),),
    )  # fmt: skip


def status_result(name: str, topic: str, status: Any, reason: Message) -> AnalysisResult:
    return AnalysisResult(
        analyzer=name, topic=topic, status=status, reason=reason, version="0.1.0", required=status != "skipped"
    )
