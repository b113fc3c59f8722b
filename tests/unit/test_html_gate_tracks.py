"""On the track of every gate, mark and interval lie on the side of the limit that its state says."""

from __future__ import annotations

import dataclasses

import hypothesis.strategies as st
from hypothesis import given, settings

from auditbench.findings import GateDecision
from auditbench_html.render import render_report
from tests.html_fixture import gate, income_run
from tests.html_page import Element, parse

LIMITS = st.sampled_from([0.0, 0.8, -0.8, 1e-4, 5.0, -20.0, 1e6])


@st.composite
def decisions(draw: st.DrawFn, name: str = "gate") -> GateDecision:
    """A gate with one limit or two, decided on its interval as the sides of the limits say."""
    first, second = sorted((draw(LIMITS), draw(LIMITS)))
    minimum, maximum = draw(st.sampled_from([(first, None), (None, second), (first, second)]))
    near = draw(st.sampled_from([first, second]))
    reach = draw(st.sampled_from([1e-5, 0.3, 4.0])) * (abs(near) or 1.0)
    value = near + reach * draw(st.integers(-9, 9)) / 3
    low, high = value - reach * draw(st.integers(0, 4)) / 2, value + reach * draw(st.integers(0, 4)) / 2
    floor, ceiling = -float("inf") if minimum is None else minimum, float("inf") if maximum is None else maximum
    state = "pass" if floor <= low and high <= ceiling else "fail" if high < floor or low > ceiling else "inconclusive"
    return gate(name, "performance.auc", state, minimum=minimum, maximum=maximum, value=value, low=low, high=high)


@settings(max_examples=20)
@given(st.lists(decisions(), min_size=10, max_size=10))
def test_marks_and_intervals_lie_on_the_side_of_the_state(drawn: list[GateDecision]) -> None:
    gates = tuple(dataclasses.replace(decision, id=f"g{index}") for index, decision in enumerate(drawn))
    run = dataclasses.replace(income_run(), results=(), cases=(), gates=gates, waivers=())
    page = parse(render_report(run))
    for decision in gates:
        row = page.one("tr", id=f"gate-{decision.id}")
        low, high, mark = _places(row)
        assert low <= mark <= high or mark in (1.25, 98.75)  # where an arrow stands for what lies further away
        if decision.state == "pass":
            assert min(low, mark) >= 50
        elif decision.state == "fail":
            assert max(high, mark) <= 50
        else:
            assert low <= 50 <= high


def test_a_gate_without_a_value_stands_on_neither_side() -> None:
    run = income_run()
    page = parse(render_report(run))
    valued = {decision.id: decision.value is not None for decision in run.gates}
    assert set(valued.values()) == {True, False}
    for name, has_value in valued.items():
        cells = page.one("tr", id=f"gate-{name}").every("td", lambda cell: "zones" in cell.classes)
        assert len(cells) == has_value, name


def _places(row: Element) -> tuple[float, float, float]:
    """Ends of the interval and place of the mark on the track of a row, in per cent."""
    line, mark = row.every("line")[0].attributes, row.every("use", lambda use: "mark" in use.classes)[0].attributes
    low, high, place = (float(text.rstrip("%")) for text in (line["x1"], line["x2"], mark["x"]))
    return low, high, place
