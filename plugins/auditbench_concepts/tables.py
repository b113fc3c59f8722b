"""The tables of concepts: every test, what every vector rests on, and effects at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.results import Column, Matrix, Table
from auditbench_concepts.measuring import Answer
from auditbench_concepts.significance import ALPHA

if TYPE_CHECKING:
    from auditbench.results import Interval, Sample
    from auditbench.results.figures import Cell
    from auditbench_concepts.changes import Change
    from auditbench_concepts.measuring import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One concept, layer and output.

    Attributes:
        p_value: Of the score, not adjusted; None where it was not tested.
        adjusted: The p-value, adjusted over all tests of the analysis.
        reason: Why the score is undefined; None where it is defined.
        change: What planting the concept changes; None for one that is not planted.
    """

    measured: Measured
    output: str
    answer: Answer
    p_value: float | None
    adjusted: float | None
    reason: Message | None
    change: Change | None

    @property
    def significant(self) -> bool:
        """Whether the score is farther from a half than chance explains, allowing for the number of tests."""
        return self.reason is None and self.adjusted is not None and self.adjusted <= ALPHA

    @property
    def size(self) -> float:
        """How large the effect is, whatever its sign."""
        return abs(self.answer.effect or 0.0)

    @property
    def contradicted(self) -> bool:
        """Whether planting the concept changes the output the other way than its effect, and neither interval holds 0."""
        change = None if self.change is None else self.change.interval
        return _sign(change) * _sign(self.answer.effect_interval) < 0


def largest(tests: Iterable[Tested]) -> tuple[Tested, ...]:
    """Of each concept and layer with significant tests the one with the largest effect."""
    found: dict[tuple[str, str], Tested] = {}
    for test in sorted((test for test in tests if test.significant), key=lambda test: -test.size):
        found.setdefault((test.measured.concept, test.measured.layer), test)
    return tuple(found.values())


def tests_table(tests: tuple[Tested, ...], unit: str, *, layers: int, undecided: bool, n: int) -> Table:
    """A row for each test that has a score or a measured change; its layer where there are several.

    Those with the largest effect of their concept come first, then by adjusted p-value and by size of the effect.

    Args:
        undecided: Whether random concepts are too few for any test to be significant.
        n: Rows whose derivatives were taken.
    """
    first = largest(tests)
    shown = sorted(
        (test for test in tests if test.reason is None or _changed(test) is not None),
        key=lambda test: (test not in first, 2.0 if test.adjusted is None else test.adjusted, -test.size),
    )
    planted = any(_changed(test) is not None for test in shown)
    columns = [
        _column("concept", "text"),
        *([_column("layer", "text")] if layers > 1 else []),
        _column("output", "text"),
        _column("effect", "number", unit),
        *([_column("planted_change", "number", unit)] if planted else []),
        _column("score", "number"),
        _column("random_low", "number"),
        _column("random_high", "number"),
        _column("p_value", "number"),
        _column("adjusted", "number"),
        _column("verdict", "text"),
    ]
    return Table(
        name="tests",
        title=Message(key="concepts.tests"),
        columns=tuple(columns),
        rows=tuple(_test_row(test, layers=layers, planted=planted, undecided=undecided) for test in shown),
        n=n,
    )


def vectors_table(results: tuple[Measured, ...], rules: Mapping[str, Message], *, n: int, sample: Sample) -> Table:
    """A row for each concept and layer, whose examples are among `n` rows.

    Args:
        rules: Which rows are examples of each concept, by its name.
    """
    names = ("concept", "layer", "rule")
    counts = ("examples", "others", "size")
    numbers = ("accuracy", "accuracy_at_random", "agreement")
    rows = tuple(
        (
            each.concept,
            each.layer,
            rules[each.concept],
            each.examples,
            each.others,
            each.size,
            each.accuracy,
            each.accuracy_at_random,
            each.agreement,
        )
        for each in results
    )
    return Table(
        name="vectors",
        title=Message(key="concepts.vectors"),
        columns=(
            *(_column(name, "text") for name in names),
            *(_column(name, "count") for name in counts),
            *(_column(name, "number") for name in numbers),
        ),
        rows=rows,
        n=n,
        sample=sample,
    )


def effects_matrices(tests: tuple[Tested, ...], outputs: tuple[str, ...], unit: str, *, n: int) -> tuple[Matrix, ...]:
    """Effects of concepts by output, one matrix a layer; none where there is one output alone."""
    layers = dict.fromkeys(test.measured.layer for test in tests) if len(outputs) > 1 else {}
    return tuple(_matrix(layer, tests, outputs, unit, n) for layer in layers)


def _matrix(layer: str, tests: tuple[Tested, ...], outputs: tuple[str, ...], unit: str, n: int) -> Matrix:
    cells = {
        (test.measured.concept, test.output): test.answer.effect if test.reason is None else None
        for test in tests
        if test.measured.layer == layer
    }
    concepts = tuple(dict.fromkeys(concept for concept, _ in cells))
    return Matrix(
        name="effects",
        title=Message(key="concepts.effects", values={"layer": layer}),
        row_label=Message(key="concepts.column.concept"),
        column_label=Message(key="concepts.column.output"),
        rows=concepts,
        columns=outputs,
        values=tuple(tuple(cells[concept, output] for output in outputs) for concept in concepts),
        unit=unit,
        n=n,
    )


def _sign(interval: Interval | None) -> int:
    """1 where all of an interval lies above 0, -1 where it lies below; 0 where neither is sure."""
    return 0 if interval is None else int(interval.low > 0) - int(interval.high < 0)


def _changed(test: Tested) -> float | None:
    return None if test.change is None else test.change.value


def _verdict(test: Tested, *, undecided: bool) -> Message | None:
    if test.reason is not None:
        few = test.reason.key in ("concepts.few_examples", "concepts.few_rows")
        return Message(key=f"concepts.verdict.{'not_measured' if few else 'no_direction'}")
    if test.adjusted is None:
        return None
    key = "undecided" if undecided else "significant" if test.significant else "not_found"
    return Message(key=f"concepts.verdict.{key}")


def _test_row(test: Tested, *, layers: int, planted: bool, undecided: bool) -> tuple[Cell, ...]:
    answer = Answer(rows=test.answer.rows) if test.reason is not None else test.answer
    low, high = answer.at_random or (None, None)
    return (
        test.measured.concept,
        *((test.measured.layer,) if layers > 1 else ()),
        test.output,
        answer.effect,
        *((_changed(test),) if planted else ()),
        answer.score,
        low,
        high,
        *((test.p_value, test.adjusted) if test.reason is None else (None, None)),
        _verdict(test, undecided=undecided),
    )


def _column(name: str, kind: str, unit: str = "") -> Column:
    return Column(name=name, label=Message(key=f"concepts.column.{name}"), kind=kind, unit=unit)  # type: ignore[arg-type]
