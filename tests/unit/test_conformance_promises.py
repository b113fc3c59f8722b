"""Outcomes of promises: what is broken is told first and in full, and what was not tried never counts as kept."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from auditbench.contracts import Architecture, DatasetLoader, ModelLoader, Renderer
from auditbench.errors import Problem
from auditbench.testing import BrokenPromisesError, Conformance
from auditbench.testing.conformance import architectures, datasets, loaders, renderers
from auditbench.testing.conformance.analyzers import analyzer_conformance
from auditbench.testing.conformance.architectures import architecture_conformance
from auditbench.testing.conformance.datasets import dataset_conformance
from auditbench.testing.conformance.loaders import loader_conformance
from auditbench.testing.conformance.promises import FITS, Promise, broken, demand, kept, not_tried
from auditbench.testing.conformance.renderers import renderer_conformance
from tests.zoo.analyzers import GOOD

SEEDED = Promise(key="seeded", sentence="It draws from the seed.")
TOLD = Promise(key="told", sentence="It tells progress.")
LIGHT = Promise(key="light", sentence="It loads lightly.")
PROBLEM = Problem(message="it draws", where="a table", found="0.1, then 0.2", allowed="equal bits", fix="use rng")
OF_RECORDS = (
    (architecture_conformance, Architecture, architectures.CHECKS),
    (renderer_conformance, Renderer, renderers.CHECKS),
    (lambda found: loader_conformance(found, "sample.toml"), ModelLoader, loaders.CHECKS),
    (lambda found: dataset_conformance(found, None), DatasetLoader, datasets.CHECKS),
)
ALL = (kept(LIGHT), not_tried(TOLD, "it tells none"), broken(SEEDED, PROBLEM))


def conformance(*outcomes: Any) -> Conformance:
    return Conformance(kind="analyzer", name="gap", outcomes=outcomes)


def test_everything_is_told_and_what_is_broken_comes_first() -> None:
    assert conformance(*ALL).describe().splitlines() == [
        "analyzer 'gap': 1 broken, 1 not tried, 1 kept",
        "  broken     seeded: It draws from the seed.",
        "             a table: it draws",
        "               found: 0.1, then 0.2",
        "               allowed: equal bits",
        "               fix: use rng",
        "  not tried  told: It tells progress.",
        "             it tells none",
        "  kept       light: It loads lightly.",
    ]


def test_an_error_names_what_is_broken_and_what_was_not_tried() -> None:
    with pytest.raises(BrokenPromisesError) as caught:
        demand(conformance(*ALL))
    text = str(caught.value)
    assert "seeded" in text
    assert "told" in text
    assert "light" not in text
    assert caught.value.conformance.broken == (ALL[2],)
    assert isinstance(caught.value, AssertionError)


def test_what_was_not_tried_does_not_raise_and_is_not_kept() -> None:
    found = demand(conformance(*ALL[:2]))
    assert found.not_tried == (ALL[1],)
    assert found.describe().startswith("analyzer 'gap': 0 broken, 1 not tried, 1 kept")


def test_a_schema_that_nobody_can_judge_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    (outcome,) = [
        each for each in analyzer_conformance(GOOD).outcomes if each.promise.key == "parameters-have-a-schema"
    ]
    assert outcome.state == "not_tried"
    assert "jsonschema" in outcome.reason


@pytest.mark.parametrize("found", [None, "gap", Promise, [GOOD]], ids=lambda found: type(found).__name__)
@pytest.mark.parametrize(("function", "record", "others"), OF_RECORDS, ids=lambda one: getattr(one, "__name__", ""))
def test_what_is_no_record_is_said_and_nothing_else_is_tried(
    function: Any, record: type[Any], others: tuple[Any, ...], found: Any
) -> None:
    first, *rest = function(found).outcomes
    assert (first.promise, first.state) == (FITS, "broken")
    assert (first.problem.found, first.problem.allowed) == (type(found).__name__, f"{record.__name__}(...)")
    assert first.problem.fix
    assert [one.promise for one in rest] == [promise for promise, _ in others]
    assert {one.state for one in rest} == {"not_tried"}
