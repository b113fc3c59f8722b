"""A run with every block that a result can hold, a baseline, and words of its own in two languages."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from auditbench.comparison import compare
from auditbench.findings import Message
from auditbench.results import (
    AnalysisResult,
    Axis,
    Column,
    Curve,
    CustomBlock,
    ImageOverlay,
    Matrix,
    Metric,
    PercentileRow,
    Percentiles,
    Series,
    SeriesAttribution,
    Table,
    TokenAttribution,
)
from auditbench.run import AuditRun
from tests.html_fixture import MESSAGES, gate, income_run
from tests.html_results import robustness_result

WORDS = {
    "blocks.image": "Pixels that matter",
    "blocks.correlation": "Correlation of inputs",
    "blocks.large": "Correlation of many inputs",
    "blocks.input": "Input",
    "blocks.other": "Other input",
    "blocks.noise": "Accuracy under noise",
    "blocks.strength": "Strength",
    "blocks.share": "Share",
    "blocks.latency": "Time of a call",
    "blocks.text": "A text with a line end",
    "blocks.series": "A series with a channel of nothing",
    "blocks.flow": "From outcome to decision",
    "blocks.outcome": "Outcome",
    "blocks.decided": "Share decided alike",
    "blocks.noise_accuracy": "Accuracy under noise",
    "blocks.latency_p95": "Latency",
}
LEVELS = (0.0, 0.1, 0.2, 0.4)


def every_block_run(*, raw_inputs: bool = True) -> AuditRun:
    """The income audit with the blocks that it does not use itself, gates on some of them, and a baseline."""
    run = income_run()
    english = {**MESSAGES, **WORDS}
    messages = {"en": english, "zh-CN": {key: in_han(template) for key, template in english.items()}}
    gates = (
        *run.gates,
        gate("noise", "blocks.noise_accuracy", "pass", topic="blocks", where={"strength": "0.2"}, minimum=0.7, value=0.8, low=0.75, high=0.85),
        gate("call", "blocks.latency_p95", "pass", topic="blocks", where={"batch": "32"}, maximum=9.0, value=4.0, unit="ms", decide="estimate"),
        gate("drop", "performance.accuracy", "pass", topic="performance", max_drop=0.02, value=0.8532, low=0.8477, high=0.8586,
             gain=-0.004, gain_low=-0.009, gain_high=0.001, explanation="A drop that users would notice."),
    )  # fmt: skip
    run = dataclasses.replace(
        run,
        results=(*run.results, robustness_result(), block_result()),
        gates=gates,
        messages=messages,
        config={**run.config, "report": {"raw_inputs": raw_inputs}},
    )
    return dataclasses.replace(run, baseline=compare(earlier(run), run))


def block_result() -> AnalysisResult:
    """Images, matrices below and above every bound, two lines with bands, percentiles, a text of two lines."""
    rng = np.random.default_rng(5)
    grid, picture = np.linspace(-1, 1, 24), rng.random((24, 24, 3))
    values = np.outer(grid, grid)
    correlation = np.corrcoef(rng.normal(size=(20, 60)))
    title = {
        name: Message(key=f"blocks.{name}")
        for name in ("image", "correlation", "large", "text", "series", "noise", "latency", "flow")
    }
    row, column = Message(key="blocks.input"), Message(key="blocks.other")
    lines = tuple(
        Series(label=name, x=LEVELS, y=tuple(0.9 - drop * x for x in LEVELS), low=tuple(0.88 - drop * x for x in LEVELS),
               high=tuple(0.92 - drop * x for x in LEVELS), n=(100,) * len(LEVELS))
        for name, drop in (("gaussian", 0.3), ("salt", 0.31))
    )  # fmt: skip
    return AnalysisResult(
        analyzer="blocks", topic="blocks", version="1",
        metrics=(Metric(name="noise_accuracy", value=0.8, n=100, no_interval="exact", where={"strength": "0.2"}),),
        image_overlays=(ImageOverlay(name="image", title=title["image"], row_id="1", image=picture, values=values, unit="logit"),),
        matrices=(
            Matrix(name="correlation", title=title["correlation"], row_label=row, column_label=column, rows=("a", "b"), columns=("a", "b"), values=((1.0, -0.8), (-0.8, 1.0))),
            Matrix(name="large", title=title["large"], row_label=row, column_label=column, rows=_names(20), columns=_names(20), values=tuple(map(tuple, correlation.tolist()))),
        ),
        curves=(Curve(name="noise_accuracy", title=title["noise"], kind="dose", x=Axis(label=Message(key="blocks.strength")), y=Axis(label=Message(key="blocks.share")), series=lines),),
        percentiles=(Percentiles(name="latency", title=title["latency"], unit="ms", rows=(
            PercentileRow(label="1", p50=1.0, p95=2.0, p99=3.0, n=100), PercentileRow(label="32", p50=3.0, p95=4.0, p99=6.0, n=100))),),
        token_attributions=(TokenAttribution(name="text", title=title["text"], row_id="1", unit="logit",
                                             tokens=("Fine ", "day\n", "ba\u202ed", " end"), values=(0.5, -1.0, 0.2, 0.01)),),
        series_attributions=(SeriesAttribution(name="series", title=title["series"], row_id="1", channels=("x", "y<b>"), unit="logit",
                                               series=np.stack([np.sin(np.arange(300) / 9), np.full(300, np.nan)]),
                                               values=np.repeat(np.array([[0.4, -0.2, 0.0], [-0.6, 0.1, 0.05]]), 100, axis=1)),),
        custom_blocks=(CustomBlock(name="flow", kind="blocks.flow", data={"links": [["no", "yes", 12]], "width": 0.4}, table=Table(
            name="flow", title=title["flow"], n=100, rows=(("no", 0.8), ("yes <b>", 0.9)), columns=(
                Column(name="outcome", label=Message(key="blocks.outcome")),
                Column(name="decided", label=Message(key="blocks.decided"), kind="number", unit="1")))),),
    )  # fmt: skip


def earlier(run: AuditRun) -> AuditRun:
    """The same audit with a better accuracy, one finding fewer and other settings."""

    def moved(metric: Metric) -> Metric:
        if metric.name != "accuracy" or metric.where or metric.interval is None or metric.value is None:
            return metric
        bounds = dataclasses.replace(metric.interval, low=metric.interval.low + 0.05, high=metric.interval.high + 0.05)
        return dataclasses.replace(metric, value=metric.value + 0.05, interval=bounds)

    results = tuple(
        dataclasses.replace(result, metrics=tuple(map(moved, result.metrics)), findings=()) for result in run.results
    )
    return dataclasses.replace(
        run, results=results, audit=dataclasses.replace(run.audit, version="0.9"), config={**run.config, "seed": 3}
    )


def in_han(template: Any) -> Any:
    """A made-up translation: no Latin letter but the placeholders, so that English on a Chinese page is seen."""
    if isinstance(template, Mapping):
        return {form: in_han(text) for form, text in template.items()}
    kept = "、".join(match.group(0) for match in re.finditer(r"\{[^}]*\}|[0-9]+", template))
    return f"译文{kept}。" if template.endswith(".") else f"译文{kept}"


def _names(n: int) -> tuple[str, ...]:
    return tuple(f"input {index}" for index in range(n))
