"""How many decisions are close to the threshold, and how many flip when numbers move a little."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Finding, Message
from auditbench.results import AnalysisResult, Column, Interval, Metric, Note, Table
from auditbench.statistics import clusters_of, share_interval

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from ledger_audit import Params


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    outputs = context.finite_outputs()
    if len(context.data) == 0:
        raise AnalyzerNotPossible("there are no rows", where="analyzers.ledger")
    gap = np.abs(context.model.probabilities(outputs)[:, 1] - 0.5)
    close = gap < params.margin
    metrics = [_share(context, "close_decisions", close)]
    for feature, groups in context.data.sensitive_features.items():
        for group in np.unique(groups):
            rows = groups == group
            metrics.append(_share(context, "close_decisions", close, rows, {"feature": feature, "group": str(group)}))

    def flipped(rows: Rows, rng: np.random.Generator) -> dict[str, Any]:
        moved = {
            name: array + rng.normal(0.0, 0.01, array.shape).astype(array.dtype) if array.dtype.kind == "f" else array
            for name, array in rows.inputs.items()
        }
        before = context.model.decisions(context.model.predict(rows.inputs))
        return {"flipped": context.model.decisions(context.model.predict(moved)) != before}

    rows = context.explained_rows(20)
    found = context.map_rows(flipped, rows, step="moved", chunk_rows=8)
    flips = share_interval(found["flipped"].astype(bool), clusters_of(rows.clusters))
    metrics.append(
        Metric(name="flips", value=flips.estimate, interval=_interval(flips), no_interval="", n=len(rows))
        if flips.low is not None
        else Metric(name="flips", value=flips.estimate, no_interval="few_clusters", n=len(rows))
    )
    order = np.argsort(gap, kind="stable")[: params.shown]
    share = float(close.mean())
    finding = Finding(
        rule="ledger.close",
        severity="low",
        title=Message(key="ledger.found", values={"share": share, "margin": params.margin}),
        metrics=("ledger.close_decisions",),
    )
    return AnalysisResult(
        methods=(_method(),),
        metrics=tuple(metrics),
        tables=(
            Table(
                name="closest",
                title=Message(key="ledger.closest", values={"n": len(order)}),
                columns=(
                    Column(name="row", label=Message(key="ledger.row")),
                    Column(name="gap", label=Message(key="ledger.gap"), kind="number"),
                ),
                rows=tuple((context.data.row_ids[row], round(float(gap[row]), 6)) for row in order),
                n=len(context.data),
            ),
        ),
        notes=(
            Note(kind="method", text=Message(key="ledger.method", values={"margin": params.margin})),
            Note(kind="limit", text=Message(key="ledger.limit")),
        ),
        findings=(finding,) if share > params.line else (),
    )


def _share(context: AuditContext, name: str, hit: Any, rows: Any = None, where: dict[str, str] | None = None) -> Metric:
    chosen = np.ones(len(hit), dtype=bool) if rows is None else rows
    if not chosen.any():
        return Metric(name=name, value=None, n=0, where=where or {}, reason=Message(key="ledger.no_rows"))
    clusters = context.data.clusters
    found = share_interval(hit[chosen], clusters_of(None if clusters is None else clusters[chosen]))
    metric = Metric(
        name=name,
        value=found.estimate,
        higher_is_better=False,
        no_interval="few_clusters",
        n=int(chosen.sum()),
        where=where or {},
        method="share",
    )
    return metric if found.low is None else dataclasses.replace(metric, interval=_interval(found), no_interval="")


def _interval(found: Any) -> Interval:
    return Interval(low=found.low, high=found.high, method=found.method)


def _method() -> Any:
    from ledger_audit import SHARE

    return SHARE
