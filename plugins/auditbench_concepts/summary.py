"""What is said of the concepts: metrics, tables, findings and notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Finding, Message, Scalar, Severity
from auditbench.results import AnalysisResult, Metric, Note
from auditbench.statistics import holm
from auditbench_concepts.changes import Change
from auditbench_concepts.examples import FEWEST
from auditbench_concepts.explained import FEWEST_ROWS
from auditbench_concepts.measuring import Answer, Measured
from auditbench_concepts.params import TCAV
from auditbench_concepts.significance import ALPHA, random_needed
from auditbench_concepts.tables import Tested, effects_matrices, largest, tests_table, vectors_table

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import Interval, Sample
    from auditbench_concepts.params import Params

_NAMED = 8
"""Concepts that the line on inputs names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the analysis was made from, and what it took.

    Attributes:
        rules: Which rows are examples of each concept, by its name.
        random: Random concepts that each concept is ranked among.
        pool: Rows that examples are found among; `sample` says which.
        explained: Rows whose derivatives were taken.
        model_rows: Rows that the model evaluated.
        classifiers: That were made.
    """

    rules: Mapping[str, Message]
    random: int
    pool: int
    sample: Sample
    explained: int
    model_rows: int
    classifiers: int


def summary(
    context: AuditContext,
    params: Params,
    results: tuple[Measured, ...],
    outputs: tuple[str, ...],
    inputs: Inputs,
    *,
    changes: Mapping[str, tuple[Change, ...]],
    sensitive: frozenset[str],
    dependent: bool,
) -> AnalysisResult:
    """The result of the analyzer.

    Args:
        results: Of every concept at every layer.
        outputs: Names of the tested outputs.
        changes: What planting a concept changes, for each of these outputs, by the name of the concept.
        sensitive: Concepts that are groups of a sensitive feature.
        dependent: Whether rows depend on each other, so that there are neither intervals nor tests.
    """
    tests = _tests(results, outputs, changes, dependent=dependent)
    undecided = _undecided(tests, inputs.random)
    unit = context.model.facts.output
    metrics = [metric for test in tests for metric in _of_output(test, unit, dependent=dependent)]
    metrics += [metric for each in results for metric in _of_vectors(each, inputs.sample, dependent=dependent)]
    metrics += [
        _of_planting(name, output, change, unit)
        for name, own in changes.items()
        for output, change in zip(outputs, own, strict=True)
    ]
    layers = len({each.layer for each in results})
    tables = (
        tests_table(tests, unit, layers=layers, undecided=undecided is not None, n=inputs.explained),
        vectors_table(results, inputs.rules, n=inputs.pool, sample=inputs.sample),
    )
    return AnalysisResult(
        methods=(TCAV,),
        metrics=tuple(metrics),
        tables=tuple(table for table in tables if table.rows),
        matrices=effects_matrices(tests, outputs, unit, n=inputs.explained),
        notes=tuple(
            _notes(context, params, results, tests, inputs, undecided, planted=bool(changes), dependent=dependent)
        ),
        findings=(
            *(() if undecided is None else (undecided,)),
            *_not_measured(results),
            *_findings(tests, sensitive, unit),
        ),
    )


def _tests(
    results: tuple[Measured, ...],
    outputs: tuple[str, ...],
    changes: Mapping[str, tuple[Change, ...]],
    *,
    dependent: bool,
) -> tuple[Tested, ...]:
    """Every concept, layer and output, with p-values that are adjusted over all of them.

    Those whose vectors do not tell examples apart count in the adjustment too, as their number was found out on the way.
    Outputs of one model go against each other, so the adjustment has to hold however tests depend on each other; and a
    finding is about a concept, so the chance of any false rejection is what counts: a share of false ones among many true
    ones of another concept would be no comfort.

    References: Holm (1979), Scandinavian Journal of Statistics 6:65.
    """
    count = len(outputs)
    pairs = [
        (each, *own)
        for each in results
        for own in zip(
            outputs,
            each.answers or (Answer(rows=0),) * count,
            changes.get(each.concept, (None,) * count),
            strict=True,
        )
    ]
    p_values = [np.nan if answer.p_value is None or dependent else answer.p_value for _, _, answer, _ in pairs]
    adjusted = holm(p_values)
    return tuple(
        Tested(
            measured=each,
            output=output,
            answer=answer,
            p_value=None if np.isnan(p) else p,
            adjusted=None if np.isnan(q) else float(q),
            reason=_reason(each, answer),
            change=change,
        )
        for (each, output, answer, change), p, q in zip(pairs, p_values, adjusted, strict=True)
    )


def _reason(each: Measured, answer: Answer) -> Message | None:
    """Why a score is undefined."""
    if not each.size:
        return Message(key="concepts.few_examples", values=_counts(each))
    if not each.separates:
        values: dict[str, Scalar] = {"accuracy": each.accuracy, "at_random": each.accuracy_at_random}
        return Message(key="concepts.not_separated", values=values)
    if answer.rows < FEWEST_ROWS:
        return Message(key="concepts.few_rows", values={"n": answer.rows, "fewest": FEWEST_ROWS})
    return Message(key="concepts.flat") if answer.score is None else None


def _counts(each: Measured) -> dict[str, Scalar]:
    return {"examples": each.examples, "others": each.others, "fewest": FEWEST}


def _of_output(test: Tested, unit: str, *, dependent: bool) -> Iterator[Metric]:
    labels = {"concept": test.measured.concept, "layer": test.measured.layer, "output": test.output}
    answer = test.answer
    for name, value, interval, own in (
        ("score", answer.score, answer.score_interval, "1"),
        ("effect", answer.effect, answer.effect_interval, unit),
    ):
        shown = None if test.reason is not None or dependent else interval
        yield Metric(
            name=name,
            value=None if test.reason is not None else value,
            unit=own,
            interval=shown,
            no_interval="" if shown is not None else _without_interval(dependent),
            n=answer.rows,
            where=labels,
            method=f"concepts.{name}.formula",
            reason=test.reason,
        )


def _of_vectors(each: Measured, sample: Sample, *, dependent: bool) -> Iterator[Metric]:
    labels = {"concept": each.concept, "layer": each.layer}
    reason = None if each.size else Message(key="concepts.few_examples", values=_counts(each))
    found: Interval | None = None if dependent else each.accuracy_interval
    for name, value, interval in (("accuracy", each.accuracy, found), ("agreement", each.agreement, None)):
        yield Metric(
            name=name,
            value=value,
            higher_is_better=True,
            interval=interval,
            no_interval="" if interval is not None else _without_interval(dependent),
            n=each.held_out if name == "accuracy" else 2 * each.size,
            sample=sample,
            where=labels,
            method=f"concepts.{name}.formula",
            reason=reason,
        )


def _of_planting(name: str, output: str, change: Change, unit: str) -> Metric:
    return Metric(
        name="planted_change",
        value=change.value,
        unit=unit,
        interval=change.interval,
        no_interval="" if change.interval is not None else "not_estimated" if change.value is None else "few_clusters",
        n=change.rows,
        clusters=change.clusters,
        where={"concept": name, "output": output},
        method="concepts.planted_change.formula",
        reason=Message(key="concepts.few_changed", values={"n": change.rows, "fewest": FEWEST_ROWS})
        if change.value is None
        else None,
    )


def _without_interval(dependent: bool) -> str:
    return "dependent_rows" if dependent else "not_estimated"


def _undecided(tests: tuple[Tested, ...], random: int) -> Finding | None:
    """That no test could have been significant; None where one could, or where there is nothing to decide."""
    tested = sum(test.p_value is not None for test in tests)
    smallest = 1 / (1 + random)
    if smallest * tested <= ALPHA or not any(test.reason is None for test in tests):
        return None
    values: dict[str, Scalar] = {
        "random": random,
        "tested": tested,
        "smallest": smallest,
        "alone": min(1.0, smallest * tested),
        "alpha": ALPHA,
        "needed": random_needed(tested),
    }
    return Finding(
        rule="concepts.undecided",
        severity="low",
        title=Message(key="concepts.undecided", values=values),
        action=Message(key="concepts.undecided.action", values=values),
        metrics=("concepts.score", "concepts.effect"),
    )


def _not_measured(results: tuple[Measured, ...]) -> Iterator[Finding]:
    """That a concept has too few examples or other rows, once for all layers."""
    for each in {each.concept: each for each in results if not each.size}.values():
        values: dict[str, Scalar] = {"concept": each.concept, **_counts(each)}
        yield Finding(
            rule="concepts.not_measured",
            severity="low",
            title=Message(key="concepts.not_measured", values=values),
            action=Message(key="concepts.not_measured.action", values=values),
            metrics=("concepts.score", "concepts.effect"),
            where={"concept": each.concept},
        )


def _findings(tests: tuple[Tested, ...], sensitive: frozenset[str], unit: str) -> Iterator[Finding]:
    """One for each concept and layer with a significant output, about the one with the largest effect.

    Another one where planting the concept surely changes significant outputs the other way, about the one with the largest
    effect.
    """
    for most in largest(tests):
        own = [test for test in tests if test.measured is most.measured and test.reason is None]
        found = [test for test in own if test.significant]
        severity: Severity = "medium" if most.measured.concept in sensitive else "info"
        planted = most.change is not None and most.change.value is not None
        yield _finding("depends_on_planted" if planted else "depends_on", severity, most, len(found), len(own), unit)
        if against := [test for test in found if test.contradicted]:
            worst = max(against, key=lambda test: test.size)
            yield _finding("contradicted", "low", worst, len(against), len(found), unit)


def _finding(rule: str, severity: Severity, about: Tested, n: int, of: int, unit: str) -> Finding:
    values: dict[str, Scalar] = {
        "concept": about.measured.concept,
        "layer": about.measured.layer,
        "n": n,
        "tested": of,
        "output": about.output,
        "score": about.answer.score,
        "effect": about.answer.effect,
        "unit": unit,
        "adjusted": about.adjusted,
    }
    if about.change is not None and about.change.value is not None:
        values["change"] = about.change.value
    action = "depends_on" if rule == "depends_on_planted" else rule
    planted = ("concepts.planted_change",) if "change" in values else ()
    return Finding(
        rule=f"concepts.{action}",
        severity=severity,
        title=Message(key=f"concepts.{rule}", values=values),
        action=Message(key=f"concepts.{action}.action", values=values),
        metrics=("concepts.score", "concepts.effect", *planted),
        where={"concept": about.measured.concept, "layer": about.measured.layer, "output": about.output},
    )


def _notes(
    context: AuditContext,
    params: Params,
    results: tuple[Measured, ...],
    tests: tuple[Tested, ...],
    inputs: Inputs,
    undecided: Finding | None,
    *,
    planted: bool,
    dependent: bool,
) -> Iterator[Note]:
    names = list(inputs.rules)
    values: dict[str, Scalar] = {
        "runs": params.runs,
        "size": max((each.size for each in results), default=0),
        "random": inputs.random,
        "concepts": ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else ""),
        "layers": ", ".join(dict.fromkeys(each.layer for each in results)),
        "pool": inputs.pool,
        "explained": inputs.explained,
        "rows": params.rows,
        "model_rows": inputs.model_rows,
        "classifiers": inputs.classifiers,
        "tested": sum(test.p_value is not None for test in tests),
        "alpha": ALPHA,
        "unit": context.model.facts.output,
    }

    def note(kind: str, key: str) -> Note:
        return Note(kind=kind, text=Message(key=f"concepts.{key}", values=values))  # type: ignore[arg-type]

    yield note("method", f"inputs_{inputs.sample}")
    yield note("method", "method")
    yield note("method", f"vector_{params.vector}")
    yield note("method", "effects_are")
    if planted:
        yield note("method", "planting")
    yield note("assumption", "pooled")
    if dependent:
        yield note("limit", "dependent_rows")
    else:
        yield note("method", "test")
        yield note("assumption", "intervals")
        if undecided is not None:
            yield Note(kind="limit", text=Message(key="concepts.too_few_random", values=undecided.title.values))
    yield note("how_to_read", "how_to_read")
    yield note("limit", "entangled")
    yield note("limit", "first_order")
    if context.model.facts.output == "probability":
        yield note("limit", "saturated")
    if inputs.sample == "evaluated":
        yield note("limit", "same_rows")
