"""Numbers that a limit is read against agree, as shown, with the state of their gate: on the page and in the comment."""

from __future__ import annotations

import dataclasses
import re

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from auditbench.findings import GateDecision
from auditbench.messages import Catalogue, load_messages
from auditbench.results import AnalysisResult, Interval, Metric
from auditbench_html.render import render_report
from auditbench_html.view.numbers import Bound, estimate, limit_number, share
from auditbench_html.view.text import Words
from auditbench_markdown.comment import render_comment
from tests.html_fixture import gate, income_run
from tests.html_page import Element, parse
from tests.rendered_markdown import rendered

SAY = Words(catalogue=Catalogue(language="en", templates=load_messages("auditbench_html")["en"]))
RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
NUMBER = re.compile("[−+]?[0-9][0-9,]*(?:\\.[0-9]+)?(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?")
NEAR = st.sampled_from([1e-16, 1e-12, 1e-7, 4e-5, 0.004, 1.0])
LIMITS = st.sampled_from(
    [0.8, 0.99999, 1234.5, 1.25e-5, 1e-7, 0.0, 3145728.0, -0.8, 1e15, 1e16, 0.1 + 0.2]
) | st.floats(-1e7, 1e7)


def numbers_in(text: str) -> list[float]:
    """The numbers of a text, in order."""
    found = []
    for match in NUMBER.finditer(text):
        plain = match[0].partition(" × ")[0].replace(",", "").replace("−", "-")
        found.append(float(f"{plain}e{match[1].translate(RAISED)}" if match[1] else plain))
    return found


def state(judged: list[float], least: float | None, most: float | None) -> str:
    """Whether a range lies inside limits, outside of them, or across one."""
    floor, ceiling = -float("inf") if least is None else least, float("inf") if most is None else most
    if max(judged) < floor or min(judged) > ceiling:
        return "fail"
    return "pass" if floor <= min(judged) and max(judged) <= ceiling else "inconclusive"


@st.composite
def decisions(draw: st.DrawFn) -> GateDecision:
    """A gate with limits on the value or on the gain, which lies near one of them, by interval or by estimate."""
    first, second = sorted((draw(LIMITS), draw(LIMITS)))
    near, reach = draw(st.sampled_from([first, second])), draw(NEAR)
    step = reach * (abs(near) or 1.0)
    value = near + step * draw(st.integers(-9, 9)) / 3
    low, high = value - step * draw(st.integers(0, 4)) / 2, value + step * draw(st.integers(0, 4)) / 2
    ends = draw(st.sampled_from([(low, high), (None, None)]))
    decide = "estimate" if ends == (None, None) else draw(st.sampled_from(["estimate", "interval"]))
    judged = [value] if decide == "estimate" else [value, low, high]
    unit = draw(st.sampled_from(["1", "ms", "bytes"]))
    kind = draw(st.sampled_from(["least", "most", "both", "gain"]))
    if kind == "gain":
        name, limit = ("min_gain", near) if near > 0 else ("max_drop", -near)
        gains = dict(zip(("gain", "gain_low", "gain_high"), (value, *ends), strict=True))
        known = {"value": 0.5, **gains, name: limit}
        return gate("g", "performance.auc", state(judged, near, None), decide=decide, unit=unit, **known)
    least, most = first if kind == "both" else near, second if kind == "both" else near
    limits = {"least": {"minimum": least}, "most": {"maximum": most}, "both": {"minimum": least, "maximum": most}}[kind]
    found = state(judged, limits.get("minimum"), limits.get("maximum"))
    known = {"value": value, "low": ends[0], "high": ends[1], **limits}
    return gate("g", "performance.auc", found, decide=decide, unit=unit, **known)


@settings(max_examples=20, deadline=None)
@given(st.lists(decisions(), min_size=12, max_size=12))
def test_shown_numbers_and_shown_limits_give_the_state(drawn: list[GateDecision]) -> None:
    gates = tuple(dataclasses.replace(decision, id=f"g{index}") for index, decision in enumerate(drawn))
    run = dataclasses.replace(income_run(), results=(), cases=(), gates=gates, waivers=())
    page, comment = parse(render_report(run)), rendered(render_comment(run).decode())
    for decision in gates:
        observed, limit = page.one("tr", id=f"gate-{decision.id}").every("td")[1:3]
        shown = " ".join([observed.own_text, *(part.text for part in observed.every("small"))])
        assert shown_state(decision, numbers_in(shown), numbers_in(limit.text)) == decision.state
        numbers, limits = told(comment, decision)
        assert shown_state(decision, numbers, limits) == decision.state


def shown_state(decision: GateDecision, numbers: list[float], limits: list[float]) -> str:
    """The state that a reader comes to who has only what is shown."""
    judged = numbers[:1] if decision.decide == "estimate" else numbers
    least = most = None
    if decision.max_drop is not None:
        (drop,) = limits
        least = -drop
    elif decision.minimum is None and decision.min_gain is None:
        (most,) = limits
    else:
        least, *rest = limits
        most = rest[0] if rest else None
    return state(judged, least, most)


def told(comment: Element, decision: GateDecision) -> tuple[list[float], list[float]]:
    """Numbers and limits of a gate in the comment: a row of its table, or a sentence."""
    for row in comment.every("tr"):
        cells = row.every("td")
        if cells and cells[0].text == decision.id:
            return numbers_in(f"{cells[2].text} {cells[3].text}"), numbers_in(cells[4].text)
    (line,) = [item.text for item in comment.every("li") if f" {decision.id}:" in item.text]
    about, _, limits = line.partition(f"{decision.id}:")[2].partition("limit of")
    numbers = numbers_in(about)
    return numbers[1:] if decision.gain is not None else numbers, numbers_in(limits)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.99999, "1", "0.99999"),
        (1234.5, "ms", "1,234.5"),
        (1.25e-5, "1", "1.25 × 10⁻⁵"),
        (3145728.0, "bytes", "3,145,728"),
        (-0.8, "1", "−0.80"),
        (1e16, "1", "1 × 10¹⁶"),
    ],
)
def test_limits_are_shown_digit_by_digit(value: float, unit: str, text: str) -> None:
    assert limit_number(value, unit) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["1", "ms", "bytes"]))
def test_no_limit_is_rounded(value: float, unit: str) -> None:
    assert numbers_in(limit_number(value, unit)) == [value]


@pytest.mark.parametrize(
    ("numbers", "bounds", "unit", "text"),
    [
        pytest.param((0.79996, None, None), ((0.8, 1.0),), "1", "0.79996", id="below"),
        pytest.param((0.81, 0.7996, 0.8304), ((0.8, 1.0),), "1", "0.8100 (0.7996 to 0.8304)", id="end-below"),
        pytest.param((0.80004, 0.79, 0.81), ((0.8, 1.0),), "1", "0.800 (0.790 to 0.810)", id="not-needed"),
        pytest.param((3145728.0 + 5000, None, None), ((3145728.0, -1.0),), "bytes", "3,150,728 bytes", id="bytes"),
        pytest.param((1048576000.0, None, None), (), "bytes", "1,000 MiB", id="many-mebibytes"),
        pytest.param(
            (3.2e-7, 2.9e-7, 3.6e-7), ((1e-7, -1.0),), "1", "3.20 × 10⁻⁷ (2.90 × 10⁻⁷ to 3.60 × 10⁻⁷)", id="tiny"
        ),
    ],
)
def test_digits_follow_the_limits(
    numbers: tuple[float, float | None, float | None], bounds: tuple[Bound, ...], unit: str, text: str
) -> None:
    value, low, high = numbers
    shown = estimate(SAY, value, low=low, high=high, unit=unit, bounds=bounds)
    assert f"{shown.text} ({shown.interval})".removesuffix(" ()") == text


def test_figure_shows_a_gated_measure_as_the_gate_does() -> None:
    interval = Interval(low=0.7996, high=0.8304, level=0.999, method="bootstrap")
    metrics = tuple(Metric(name=name, value=0.81, n=50, interval=interval) for name in ("auc", "f1"))
    result = AnalysisResult(analyzer="performance", topic="performance", version="1", metrics=metrics)
    crossing = gate("auc", "performance.auc", "inconclusive", minimum=0.8, value=0.81, low=0.7996, high=0.8304)
    run = dataclasses.replace(income_run(), results=(result,), cases=(), gates=(crossing,), waivers=())
    text = parse(render_report(run)).one("section", id="performance").text
    assert "0.81000.7996 to 0.8304" in text
    assert "99.9% interval" in text


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_nearly_none_and_nearly_all_are_not_shown_as_none_and_all(first: float, second: float, third: float) -> None:
    low, value, high = sorted((first, second, third))
    for shown in (share(SAY, value), share(SAY, value, low=low, high=high)):
        parts = numbers_in(f"{shown.text} {shown.interval}")
        for raw, part in zip((value, low, high), parts, strict=False):
            assert [part == 0, part == 100] == [raw == 0, raw == 1]
