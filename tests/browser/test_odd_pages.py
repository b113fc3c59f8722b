"""Reports of runs that are empty, huge or broken, in real browsers: they fit, are silent, small and accessible."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from auditbench.run import AuditRun
from tests.browser.driven import Driven
from tests.format_runs import many_gates, nothing_finished
from tests.hostile_run import hostile_run
from tests.hostile_texts import PAGE, packed
from tests.html_fixture import gate, income_run, render_to
from tests.html_inputs import noise_run
from tests.unit.test_html_odd_runs import many_features, many_groups

pytestmark = pytest.mark.browser


def long_class() -> AuditRun:
    run, name = income_run(), "c" * 300
    return dataclasses.replace(
        run,
        model=dataclasses.replace(run.model, classes=("b", name)),
        data=dataclasses.replace(run.data, positive=name, outcomes={"b": 12435, name: 3846}),
        cases=tuple(dataclasses.replace(case, predicted=name, observed=name) for case in run.cases),
    )


ODD: dict[str, Callable[[], AuditRun]] = {
    "no-gates": lambda: many_gates(0),
    "one-gate": lambda: many_gates(1),
    "200-gates": lambda: many_gates(200),
    "nothing-finished": nothing_finished,
    "500-features": lambda: many_features(500),
    "60-groups": lambda: many_groups(60),
    "long-group": lambda: many_groups(4, "g" * 300),
    "long-class": long_class,
    "pictures-texts-series": noise_run,
    "long-names": lambda: hostile_run("W" * 300, told=False),
}
HOSTILE = packed(text for text in PAGE if len(text) < 1000)[::8]
MOST_ELEMENTS = {"200-gates": 12_000}


@pytest.mark.parametrize("odd", ODD)
def test_odd_page_fits_and_is_silent(driven: Driven, tmp_path: Path, odd: str) -> None:
    file = render_to(tmp_path, ODD[odd]())
    for width in (320, 1280):
        driven.open(file, width=width)
        driven.ask("checks.unfold()")
        assert (width, driven.ask("checks.overflow()")) == (width, [False, []])
    assert driven.ask("checks.elements()") <= MOST_ELEMENTS.get(odd, 8000)
    assert driven.said() == []


@pytest.mark.nightly
@pytest.mark.parametrize("odd", ODD)
def test_odd_page_is_accessible(driven: Driven, tmp_path: Path, odd: str) -> None:
    driven.open(render_to(tmp_path, ODD[odd]()), width=390)
    driven.ask("checks.unfold()")
    assert driven.accessibility()["problems"] == []


@pytest.mark.parametrize("unit", ["parameters", "MAC/row", "units of the target"])
def test_numbers_of_gates_stay_in_their_columns(driven: Driven, tmp_path: Path, unit: str) -> None:
    decision = gate(
        "size", "resources.parameters", "pass", topic="resources", maximum=1e8, value=12_345_678.0, unit=unit
    )
    driven.open(render_to(tmp_path, dataclasses.replace(income_run(), gates=(decision,), waivers=())))
    spilled = (
        "[...document.querySelectorAll('#gate-table td.n')].filter((cell) => cell.scrollWidth > cell.clientWidth + 1)"
    )
    assert driven.ask(f"{spilled}.length") == 0


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_do_nothing(driven: Driven, tmp_path: Path, text: str) -> None:
    driven.open(render_to(tmp_path, hostile_run(text)))
    driven.ask("checks.unfold()")
    assert driven.ask("checks.acting()") == []
    assert driven.said() == []
