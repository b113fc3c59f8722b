"""Runs that every renderer has to stand: all blocks at once, one that came to no end, one of hostile texts.

None was measured; they are made by code, and equal each time. What the types of a run allow is found by walking them, so
a new block stands in these runs the day it is added.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from auditbench.findings import GateDecision, Message
from auditbench.results import (
    AnalysisResult,
    Attribution,
    Axis,
    Cell,
    Column,
    Curve,
    ImageOverlay,
    Interval,
    Matrix,
    Metric,
    Note,
    Series,
    SeriesAttribution,
    Table,
    TokenAttribution,
)
from auditbench.run import AuditRun
from auditbench.testing.filled_records import filled

if TYPE_CHECKING:
    import numpy as np

FAILED, TIMED_OUT = "crashed-analyzer", "endless-analyzer"
"""The analyzers of `incomplete_run` that gave no result."""

HOSTILE_TEXTS = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><!-- ]]> &amp; {{7*7}} {name}",
    "| a | b |\n|---|---|\n# heading\n```\n[link](javascript:alert(1)) ![i](//evil.example/x.png) <b>*_~",
    "bell \x07 null \x00 escape \x1b[31m\x1b]0;title\x07 carriage\rreturn bidi \u202e\u2066 surrogate \ud800 \ufffe",
    '=cmd|"/c calc"!A1\t+1\t-1\t@SUM(1)',
    "../../etc/passwd\\..\\con " + "very long name " * 400,
)
"""Texts that try to be more than text: in a page, in Markdown, on a terminal, in a spreadsheet, as a path; and a long one."""


def every_block_run() -> AuditRun:
    """A finished audit with every block that a result can hold, at sizes as they occur, and one of each other record."""
    words, translated = "Known words", "已知文字"
    run: AuditRun = filled(AuditRun, words)
    return dataclasses.replace(
        run,
        status="complete",
        verdict="ready_for_review",
        exit_code=0,
        config={"report": {"raw_inputs": True}},
        results=(_usual_result(), *(result for result in run.results if result.status == "ok")),
        gates=(_gate("accuracy", "pass"),),
        messages={"en": _templates(words), "zh-CN": _templates(translated)},
        warnings=(),
    )


def incomplete_run() -> AuditRun:
    """An audit that is not ready: an analyzer crashed, one was ended, a metric is undefined, one gate failed and one has
    no number.
    """
    reason = Message(key="known.words", values={"name": "no rows of one class"})
    undefined = Metric(name="recall", value=None, n=0, reason=reason)
    results = (
        dataclasses.replace(_usual_result(), metrics=(*_usual_result().metrics, undefined)),
        AnalysisResult(analyzer=FAILED, topic="explanation", status="failed", reason=reason, version="1"),
        AnalysisResult(analyzer=TIMED_OUT, topic="robustness", status="timed_out", reason=reason, version="1"),
        AnalysisResult(analyzer="skipped-analyzer", topic="privacy", status="skipped", reason=reason, version="1"),
        AnalysisResult(
            analyzer="other-analyzer", topic="fairness", status="not_applicable", reason=reason, version="1"
        ),
    )
    undecided = dataclasses.replace(_gate("recall", "error"), value=None, low=None, high=None, reason=reason)
    return dataclasses.replace(
        every_block_run(),
        verdict="not_ready",
        exit_code=3,
        results=results,
        gates=(_gate("accuracy", "fail"), undecided),
        cases=(),
        waivers=(),
        baseline=None,
        warnings=(reason,),
    )


def without_failure(run: AuditRun) -> AuditRun:
    """The run as if `FAILED` had come to its end without anything to say."""
    whole = tuple(
        dataclasses.replace(result, status="ok", reason=None) if result.analyzer == FAILED else result
        for result in run.results
    )
    return dataclasses.replace(run, results=whole)


def hostile_run(text: str) -> AuditRun:
    """A run whose texts are all `text`, keys of its messages and their templates among them."""
    run: AuditRun = filled(AuditRun, text)
    templates = {text: f"{text} {{name}}"}
    return dataclasses.replace(run, messages=dict.fromkeys(("en", "zh-CN", text), templates))


def _usual_result() -> AnalysisResult:
    """Blocks of more than one number each: several rows, players, points and pixels."""
    import numpy as np

    title = Message(key="known.words", values={"name": "A known result"})
    rng = np.random.default_rng(0)
    accuracy = Metric(
        name="accuracy",
        value=0.8,
        higher_is_better=True,
        interval=Interval(low=0.7, high=0.9, method="wilson"),
        n=100,
    )
    return AnalysisResult(
        analyzer="known",
        topic="performance",
        version="1",
        metrics=(accuracy, dataclasses.replace(accuracy, where={"feature": "sex", "group": "Female"}, n=50)),
        tables=(_table(title),),
        curves=(_curve(title),),
        matrices=(
            Matrix(
                name="confusion",
                title=title,
                kind="confusion",
                row_label=title,
                column_label=title,
                rows=("no", "yes"),
                columns=("no", "yes"),
                values=((50.0, 10.0), (10.0, None)),
            ),
        ),
        attributions=(_attribution(rng),),
        **_drawn(title, rng),
        notes=(Note(kind="limit", text=title),),
    )


def _table(title: Message) -> Table:
    columns = (
        Column(name="group", label=title),
        Column(name="rows", label=title, kind="count"),
        Column(name="rate", label=title, kind="percent"),
    )
    rows: tuple[tuple[Cell, ...], ...] = (("Female", 50, 0.25), ("Male", 49, None), ("unknown", 1, 0.0))
    return Table(name="groups", title=title, columns=columns, rows=rows, n=100)


def _curve(title: Message) -> Curve:
    x = tuple(index / 10 for index in range(11))
    line = Series(label="model", x=x, y=tuple(value**0.5 for value in x), low=(0.0,) * 11, high=(1.0,) * 11)
    broken = Series(label="other", x=x, y=(None, *x[1:]))
    return Curve(name="roc", title=title, kind="roc", x=Axis(label=title), y=Axis(label=title), series=(line, broken))


def _attribution(rng: np.random.Generator) -> Attribution:
    import numpy as np

    values = rng.normal(size=(3, 1, 4))
    return Attribution(
        name="tabular",
        method="known.exact",
        values=values,
        player_names=("age", "hours", "work", "sex"),
        target_names=("yes",),
        base_values=np.zeros((3, 1)),
        outputs=values.sum(axis=2),
        player_values=rng.random((3, 4)),
        row_ids=("1", "2", "3"),
        unit="logit",
        model_rows=48,
    )


def _drawn(title: Message, rng: np.random.Generator) -> dict[str, Any]:
    """What is drawn on an input: an image, a text, a series that ends early."""
    import numpy as np

    series = np.concatenate([rng.normal(size=(2, 40)), np.full((2, 10), np.nan)], axis=1)
    text = TokenAttribution(
        name="text", title=title, row_id="1", tokens=("not ", "very\n", "good"), values=(-0.5, 0.1, 0.4), unit="logit"
    )
    return {
        "image_overlays": (
            ImageOverlay(
                name="image",
                title=title,
                row_id="1",
                image=rng.random((12, 10, 3)),
                values=rng.normal(size=(12, 10)),
                unit="logit",
            ),
        ),
        "token_attributions": (text,),
        "series_attributions": (
            SeriesAttribution(
                name="series",
                title=title,
                row_id="1",
                channels=("x", "y"),
                series=series,
                values=np.where(np.isnan(series), 0.0, 0.1),
                unit="logit",
            ),
        ),
    }


def _gate(name: str, state: Any) -> GateDecision:
    return GateDecision(
        id=name,
        metric=f"known.{name}",
        topic="performance",
        state=state,
        blocking=True,
        decide="interval",
        minimum=0.95 if state == "fail" else 0.6,
        value=0.8,
        low=0.7,
        high=0.9,
        unit="1",
        n=100,
    )


def _templates(words: str) -> dict[str, str]:
    """Templates of every key in these runs: that of their own records, and the one that `filled` writes."""
    names = ("known.accuracy", "known.accuracy.help", "known.recall", "known.recall.help", "Known words")
    return {**dict.fromkeys(names, words), "known.words": f"{words}: {{name}}"}
