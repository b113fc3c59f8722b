"""The tables of a run: the run itself, gates, metrics, findings, and every block that is a table or a list of points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.results import AnalysisResult, Metric
from auditbench.run import AuditRun
from auditbench.safe_text import LONGEST_TEXT, safe_text
from auditbench_html.view.outline import GateLine, Outline, one_line, outline
from auditbench_html.view.text import words
from auditbench_tables.blocks import block_sheets, group_size, heads
from auditbench_tables.sheet import Sheet, Value, uniquely_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditbench.comparison.record import Comparison, MetricChange


def sheets(run: AuditRun, *, language: str = "en") -> tuple[Sheet, ...]:
    """Every table of a run, those on the whole run first."""
    told = outline(run, "auditbench_tables", language)
    found = [_run(told), _gates(told), _metrics(told), _findings(told)]
    if run.baseline is not None:
        found.append(_changes(told, run.baseline))
    for result in run.results:
        found += block_sheets(told, result)
    return tuple(uniquely_named(found))


def _run(told: Outline) -> Sheet:
    """What was audited, when, and what came of it."""
    run, say = told.run, told.say
    rows: list[tuple[Value, ...]] = [
        (one_line(say.say("tables.model")), one_line(told.model)),
        (one_line(say.say("tables.verdict")), one_line(told.screen.verdict)),
        (one_line(say.say("tables.exit_code")), run.exit_code),
        (one_line(say.say("tables.date")), one_line(told.date) or None),
        (one_line(say.say("tables.data")), safe_text(run.data.name)),
        (one_line(say.say("tables.rows")), run.data.rows),
        (one_line(say.say("tables.model_digest")), safe_text(run.model.digest)),
        (one_line(say.say("tables.config_digest")), safe_text(run.provenance.config_sha256) or None),
        (one_line(say.say("tables.product")), f"Auditbench {told.version}".strip()),
    ]
    return Sheet(name="run", columns=heads(told, "entry", "value"), rows=tuple(rows))


def _gates(told: Outline) -> Sheet:
    columns = heads(
        told, "gate", "state", "kind", "stops", "metric", "title", "labels", "value", "low", "high", "minimum",
        "maximum", "max_drop", "min_gain", "gain", "gain_low", "gain_high", "unit", "n", "sentence", "waiver",
        "waived_until", "waiver_holds",
    )  # fmt: skip
    return Sheet(name="gates", columns=columns, rows=tuple(_gate(told, line) for line in told.gates))


def _gate(told: Outline, line: GateLine) -> tuple[Value, ...]:
    row, decision = line.row, line.decision
    return (
        safe_text(row.gate),
        one_line(row.state),
        one_line(row.kind),
        one_line(told.say.say("cell.yes" if decision.stops_release else "cell.no")),
        safe_text(decision.metric),
        one_line(row.title),
        one_line(told.say.labels(decision.where)) or None,
        decision.value,
        decision.low,
        decision.high,
        decision.minimum,
        decision.maximum,
        decision.max_drop,
        decision.min_gain,
        decision.gain,
        decision.gain_low,
        decision.gain_high,
        safe_text(decision.unit) or None,
        _size(told, decision.n, told.draft.gated_labels(decision)),
        one_line(line.sentence),
        one_line(row.waiver) or None,
        safe_text(decision.waived_until) if decision.waived_until else None,
        one_line(told.say.say("cell.yes" if decision.waiver_holds else "cell.no")) if decision.waived_until else None,
    )


def _metrics(told: Outline) -> Sheet:
    columns = heads(
        told, "metric", "title", "labels", "value", "low", "high", "level", "interval_method", "unit", "n",
        "denominator", "reason",
    )  # fmt: skip
    rows = (_metric(told, result, metric) for result in told.run.results for metric in result.metrics)
    return Sheet(name="metrics", columns=columns, rows=tuple(rows))


def _metric(told: Outline, result: AnalysisResult, metric: Metric) -> tuple[Value, ...]:
    name, bounds = f"{result.analyzer}.{metric.name}", metric.interval
    return (
        safe_text(name, LONGEST_TEXT),
        one_line(told.draft.metric_title(name, metric.where)),
        one_line(told.say.labels(metric.where)) or None,
        metric.value,
        bounds.low if bounds else None,
        bounds.high if bounds else None,
        bounds.level if bounds else None,
        safe_text(bounds.method if bounds else metric.no_interval) or None,
        safe_text(metric.unit) or None,
        _size(told, metric.n, metric.where),
        _size(told, metric.denominator, metric.where),
        one_line(told.say.tell(metric.reason)) if metric.reason else None,
    )


def _findings(told: Outline) -> Sheet:
    """Findings as the report numbers them: those of analyzers, and what gates ask for."""
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (
            row.number,
            one_line(row.chip.label),
            one_line(row.title),
            one_line(row.detail) or None,
            one_line(row.action) or None,
            one_line(told.say.series(words(gate) for gate in map(safe_text, row.gates))) or None,
        )
        for row in told.findings
    )
    return Sheet(
        name="findings", columns=heads(told, "number", "state", "title", "detail", "action", "gates"), rows=rows
    )


def _changes(told: Outline, comparison: Comparison) -> Sheet:
    """What became of each metric since the baseline, with the interval that its verdict rests on."""
    columns = heads(
        told, "metric", "title", "labels", "before", "after", "change", "change_low", "change_high", "verdict", "unit",
        "n", "reason",
    )  # fmt: skip
    return Sheet(name="changes", columns=columns, rows=tuple(_change(told, change) for change in comparison.metrics))


def _change(told: Outline, change: MetricChange) -> tuple[Value, ...]:
    bounds = change.decided or change.interval
    return (
        safe_text(change.metric, LONGEST_TEXT),
        one_line(told.draft.metric_title(change.metric, change.where)),
        one_line(told.say.labels(change.where)) or None,
        change.before,
        change.after,
        change.difference,
        bounds.low if bounds else None,
        bounds.high if bounds else None,
        one_line(told.say.say(f"change.{change.verdict}")),
        safe_text(change.unit) or None,
        _size(told, change.n, change.where),
        one_line(told.say.tell(change.reason)) if change.reason else None,
    )


def _size(told: Outline, size: int | None, where: Mapping[str, str]) -> Value:
    """Rows that a metric rests on; those of one group alone are not counted out where they are few."""
    return group_size(told, size) if "group" in where else size
