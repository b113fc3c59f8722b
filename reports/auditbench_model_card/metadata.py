"""The metadata block of a model card, in the YAML that the Hugging Face hub reads.

Strings are written as JSON strings, which YAML 1.2 reads as they are; what is in them is safe to show, so that no
character needs an escape that readers of YAML 1.1 take otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from auditbench.results import Metric
from auditbench.run import AuditRun
from auditbench.safe_text import safe_text
from auditbench_html.view.outline import Outline, one_line

# What the hub calls metrics that go by another name here.
_METRICS = {"auc": "roc_auc", "brier": "brier_score", "r2": "r_squared", "macro_f1": "f1_macro"}
# The hub's names of tasks by what the model takes and whether it tells classes apart.
_TASKS = {
    ("tabular", True): "tabular-classification",
    ("tabular", False): "tabular-regression",
    ("image", True): "image-classification",
    ("text", True): "text-classification",
}
PERFORMANCE = "performance"


def metadata(told: Outline) -> str:
    """The block between its two lines of dashes; fields that only people can fill stand in it as comments."""
    run, open_fields = told.run, ("license", "language", "datasets", "base_model")
    hint = one_line(told.say.say("model_card.to_fill_bare"))
    lines = ["---", *(f"# {name}: {hint}" for name in open_fields), "library_name: pytorch"]
    if (tag := _hub_task(run)) is not None:
        lines.append(f"pipeline_tag: {tag}")
    lines += ['tags: ["auditbench", "model-audit"]', *_index(told), "---"]
    return "\n".join(lines) + "\n"


def headline_metrics(run: AuditRun) -> tuple[tuple[str, Metric], ...]:
    """Performance on all rows: defined metrics without labels, under their full names."""
    return tuple(
        (f"{result.analyzer}.{metric.name}", metric)
        for result in run.results
        if result.topic == PERFORMANCE
        for metric in result.metrics
        if metric.value is not None and not metric.where
    )


def _hub_task(run: AuditRun) -> str | None:
    """What the hub calls such a model; None where it has no name for it."""
    if run.model.task == "next-token":
        return "text-generation"
    inputs = [item.modality for item in run.data.inputs] or (["tabular"] if run.data.features else [])
    return _TASKS.get((inputs[0], run.model.task != "regression")) if len(inputs) == 1 else None


def _index(told: Outline) -> Iterator[str]:
    """The `model-index`: one result, of the evaluated rows."""
    run, metrics = told.run, headline_metrics(told.run)
    if not metrics:
        return
    task = _hub_task(run) or run.model.task
    yield "model-index:"
    yield f"- name: {_text(one_line(told.model))}"
    yield "  results:"
    yield f"  - task: {{type: {_text(task)}}}"
    yield f"    dataset: {{type: {_text(safe_text(run.data.name))}, name: {_text(safe_text(run.data.name))}}}"
    yield "    metrics:"
    for name, metric in metrics:
        yield f"    - type: {_text(_METRICS.get(metric.name, safe_text(metric.name)))}"
        yield f"      name: {_text(one_line(told.draft.metric_title(name, metric.where)))}"
        yield f"      value: {_number(metric.value)}"
        yield from _arguments(metric)


def _arguments(metric: Metric) -> Iterator[str]:
    entries: Sequence[str] = [f"rows: {metric.n}"]
    if (bounds := metric.interval) is not None:
        entries = [
            *entries,
            f"low: {_number(bounds.low)}",
            f"high: {_number(bounds.high)}",
            f"level: {_number(bounds.level)}",
        ]
    yield f"      args: {{{', '.join(entries)}}}"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(value: float | None) -> str:
    """A number with a point before its exponent, without which YAML 1.1 takes it for text."""
    if value is None:
        return "null"
    mantissa, mark, power = repr(value).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{int(power):+d}" if mark else mantissa
