"""An analyzer that keeps every promise. Light to import, as a plugin is."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from auditbench.context import AuditContext
from auditbench.contracts import Analyzer, Needs
from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.results import AnalysisResult, Attribution, Column, Interval, MethodFacts, Metric, Note, Table

WORDS = {
    "good.mean": "Mean output",
    "good.mean.help": "Mean of the outputs.",
    "good.mean.formula": "sum of outputs / rows",
    "good.high": "High outputs",
    "good.high.help": "Share of rows whose output is above 0.",
    "good.high.formula": "rows above 0 / rows",
    "good.gap": "Gap",
    "good.gap.help": "Largest difference of the mean output between groups.",
    "good.gap.formula": "largest − smallest mean of a group",
    "good.drawn": "Drawn output",
    "good.drawn.help": "Mean of some outputs, drawn with the seed.",
    "good.drawn.formula": "sum of drawn outputs / drawn rows",
    "good.one_group": "There is one group, {group}.",
    "good.table": "Groups",
    "good.table.group": "Group",
    "good.table.mean": "Mean",
    "good.table.note": "Note",
    "good.table.empty": "no row",
    "good.note": "Means of {n} rows.",
    "good.facts.whole.title": "Output above its mean",
    "good.facts.whole.formula": "output − mean",
    "good.facts.whole.assumes": "Nothing.",
    "good.facts.whole.needs": "Outputs.",
    "good.facts.whole.fails": "Never.",
}
METRICS = ("mean", "high", "gap", "drawn")
WHOLE = MethodFacts(name="good.whole", source=("arXiv:1705.07874, eq. 5",))


class Params(BaseModel):
    """Parameters of the good analyzer."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: int = Field(20, ge=1, description="Rows to explain.")


def check(model: Any, data: Any, params: Params) -> None:
    """It looks at tables of at least three features."""
    if len(model.features) < 3:
        raise AnalyzerNotPossible("there are too few features", found=str(len(model.features)), allowed="3")


def answer(context: AuditContext, params: Params) -> AnalysisResult:
    """Means of outputs by group, and one contribution a row; each row is evaluated once."""
    import numpy as np

    check(context.model, context.data, params)
    context.progress(0, params.rows)
    outputs = context.finite_outputs()[:, 0]
    unit, n = context.model.facts.output, len(outputs)
    rows = context.explained_rows(params.rows)
    explained = context.model.predict(rows.inputs)
    context.progress(params.rows, params.rows)
    error = 2.0 * float(outputs.std()) / n**0.5
    means, table = by_group(context)
    mean, high = float(outputs.mean()), float((outputs > 0).mean())
    drawn = float(context.rng("drawn").choice(outputs, size=n).mean())
    told = Message(key="good.one_group", values={"group": next(iter(means), "")})
    gap = max(means.values()) - min(means.values()) if len(means) > 1 else None
    interval = Interval(low=mean - error, high=mean + error, method="normal")
    base = np.full((len(rows), 1), mean)
    return AnalysisResult(
        metrics=(
            Metric(name="mean", value=mean, unit=unit, n=n, interval=interval),
            Metric(name="high", value=high, n=n, no_interval="exact"),
            Metric(name="gap", value=gap, unit=unit, n=n, no_interval="exact", reason=None if len(means) > 1 else told),
            Metric(name="drawn", value=drawn, unit=unit, n=n, no_interval="not_estimated"),
        ),
        tables=(table,),
        attributions=(
            Attribution(
                name="whole",
                method="good.whole",
                values=(explained[:, :1] - base)[:, :, np.newaxis],
                player_names=("all",),
                target_names=context.model.target_names[:1],
                base_values=base,
                outputs=explained[:, :1],
                row_ids=rows.row_ids,
                unit=unit,
                model_rows=len(rows),
            ),
        ),
        notes=(Note(kind="method", text=Message(key="good.note", values={"n": n})),),
    )


def by_group(context: AuditContext) -> tuple[dict[str, float], Table]:
    """Mean output of each group that has rows, and all groups."""
    means, lines = {}, []
    for feature, found in context.data.sensitive_features.items():
        for group in context.data.groups(feature):
            inside = context.outputs[found == group, 0]
            mean = float(inside.mean()) if len(inside) else None
            lines.append((group, mean, "" if len(inside) else Message(key="good.table.empty")))
            means |= {} if mean is None else {group: mean}
    columns = (
        Column(name="group", label=Message(key="good.table.group"), kind="text"),
        Column(name="mean", label=Message(key="good.table.mean"), kind="number"),
        Column(name="note", label=Message(key="good.table.note"), kind="text"),
    )
    return means, Table(name="groups", title=Message(key="good.table"), columns=columns, rows=tuple(lines))


GOOD = Analyzer(
    name="good",
    topic="probe",
    summary="Means of outputs",
    analyze=answer,
    Params=Params,
    check=check,
    needs=Needs(modalities=("tabular",), tasks=("binary-classification",)),
    cost="passes",
    metrics=METRICS,
    shares=("high",),
    methods=(WHOLE,),
    messages={"en": WORDS, "zh-CN": WORDS},
)
