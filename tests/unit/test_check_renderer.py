"""`check_renderer` names the promise that a bad renderer breaks, and passes a good one."""

from __future__ import annotations

import functools

import pytest

from auditbench.contracts import Needs, Program, Renderer
from auditbench.testing import BrokenPromisesError, check_renderer
from auditbench.testing.conformance.renderers import CHECKS, renderer_conformance
from tests.zoo.renderers import BAD, Render, good

APART = ("writes-nothing", "loads-no-torch")


def here(render: Render) -> Render:
    """A function that no fresh process finds."""
    return functools.partial(render)


def renderer(render: Render, needs: Needs | None = None) -> Renderer:
    return Renderer(name="probe", summary="A probe", render=render, needs=needs or Needs())


def test_a_good_one_keeps_every_promise() -> None:
    conformance = check_renderer(renderer(good))
    assert [outcome.state for outcome in conformance.outcomes] == ["kept"] * len(CHECKS)


@pytest.mark.parametrize(("render", "promise"), BAD.values(), ids=BAD)
def test_the_promise_that_is_broken_is_named(render: Render, promise: str) -> None:
    with pytest.raises(BrokenPromisesError) as raised:
        check_renderer(renderer(render if promise in APART else here(render)))
    outcomes = {outcome.promise.key: outcome for outcome in raised.value.conformance.broken}
    problem = outcomes[promise].problem
    assert problem is not None
    assert problem.allowed
    assert problem.fix
    assert problem.message in str(raised.value)


def test_every_promise_is_broken_by_one() -> None:
    keys = {promise.key for promise, _ in CHECKS}
    assert {promise for _, promise in BAD.values()} | {"needs-can-be-missing"} == keys


@pytest.mark.parametrize(
    "name", ["markup", "calls", "changes", "writes", "torch", "no verdict", "no failures", "no crash"]
)
def test_most_break_one_promise_alone(name: str) -> None:
    render, promise = BAD[name]
    conformance = renderer_conformance(renderer(render if promise in APART else here(render)))
    assert [one.promise.key for one in conformance.broken] == [promise]


def test_a_missing_program_leaves_promises_open() -> None:
    needs = Needs(programs=(Program(title="Nothing", names=("no-such-program-here",)),))
    conformance = renderer_conformance(renderer(good, needs))
    assert not conformance.broken
    reasons = {outcome.reason for outcome in conformance.not_tried}
    assert reasons == {
        "it needs Nothing, which this machine does not have",
        "a fresh process cannot draw: something that it needs is missing",
    }
    assert {outcome.promise.key for outcome in conformance.outcomes if outcome.state == "kept"} == {
        "needs-can-be-missing"
    }


def test_what_is_needed_may_not_be_needed_at_import() -> None:
    pytest.importorskip("xlsxwriter")
    from auditbench_tables.xlsx import auditbench_renderers

    (workbook,) = auditbench_renderers()
    assert workbook.needs.packages == ("xlsxwriter",)
    assert not renderer_conformance(workbook).broken
    from tests.zoo import needing_at_import

    broken = renderer_conformance(renderer(needing_at_import.draw, workbook.needs)).broken
    assert [outcome.promise.key for outcome in broken] == ["needs-can-be-missing"]


def test_a_function_without_a_name_is_tried_here_alone() -> None:
    conformance = renderer_conformance(renderer(here(good)))
    assert not conformance.broken
    assert {outcome.promise.key for outcome in conformance.not_tried} == {"loads-no-torch", "needs-can-be-missing"}
