"""The kit names the promise that an analyzer breaks, and no other; it is proven on a zoo of bad ones."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, computed_field

from auditbench.contracts import Needs
from auditbench.testing import BrokenPromisesError, Conformance, check_analyzer
from auditbench.testing.conformance.analyzers import analyzer_conformance
from tests.zoo.analyzers import GOOD, ZOO, Bad
from tests.zoo.good import Params
from tests.zoo.retraining import RETRAINING

NEVER = dict.fromkeys(("good.never", "good.never.help", "good.never.formula"), "Never")
WITH_NEVER = {language: {**words, **NEVER} for language, words in GOOD.messages.items()}


class LayerParams(Params):
    """With a tuple, which TOML writes as a list, and a value that is computed."""

    layers: tuple[int, ...] = Field((1, 2), description="Widths.")

    @computed_field
    def width(self) -> int:
        """Of all layers together."""
        return sum(self.layers)


@functools.cache
def of_good() -> Conformance:
    return analyzer_conformance(GOOD)


def keys(conformance: Conformance, state: str) -> list[str]:
    return [outcome.promise.key for outcome in conformance.outcomes if outcome.state == state]


def test_the_good_analyzer_keeps_every_promise() -> None:
    assert keys(of_good(), "broken") == []
    assert keys(of_good(), "not_tried") == []


def test_one_that_trains_copies_of_the_model_is_tried_with_what_trains_them() -> None:
    conformance = analyzer_conformance(RETRAINING)
    assert keys(conformance, "broken") == []
    assert keys(conformance, "not_tried") == ["keeps-its-cost"]
    undeclared = analyzer_conformance(dataclasses.replace(RETRAINING, needs=GOOD.needs))
    assert "repeatable" in keys(undeclared, "not_tried")  # it says everywhere that it does not apply


@pytest.mark.parametrize("bad", ZOO, ids=lambda bad: bad.name)
def test_a_bad_analyzer_breaks_the_promise_that_it_is_bad_at(bad: Bad) -> None:
    conformance = analyzer_conformance(bad.analyzer)
    assert keys(conformance, "broken") == [bad.breaks], conformance.describe("broken")
    (outcome,) = conformance.broken
    assert outcome.problem is not None
    assert all((outcome.problem.found, outcome.problem.allowed, outcome.problem.fix))


def test_the_zoo_breaks_every_promise() -> None:
    never_broken = {"gives-every-metric"}  # whether no data at all have it is not known here
    assert {bad.breaks for bad in ZOO} | {"loads-lightly"} | never_broken == {
        outcome.promise.key for outcome in of_good().outcomes
    }
    assert len({bad.name for bad in ZOO}) == len(ZOO) >= 25


def test_a_module_that_brings_in_numpy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_plugin.py").write_text("import numpy\n\n\ndef analyze(context, params): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import heavy_plugin  # type: ignore[import-not-found]

    conformance = analyzer_conformance(dataclasses.replace(GOOD, analyze=heavy_plugin.analyze))
    (problem,) = [each.problem for each in conformance.broken if each.promise.key == "loads-lightly"]
    assert problem is not None
    assert (problem.where, problem.found) == ("heavy_plugin", "numpy")


def test_what_is_broken_is_raised_at_once_with_what_was_found_allowed_and_the_way_on() -> None:
    bad = dataclasses.replace(GOOD, cost=None, summary="", messages={"en": GOOD.messages["en"]})
    with pytest.raises(BrokenPromisesError) as caught:
        check_analyzer(bad)
    assert keys(caught.value.conformance, "broken") == ["says-what-it-is", "states-its-cost", "says-it-in-chinese"]
    text = str(caught.value)
    for part in ("states-its-cost", 'cost="passes"', "found: None", "allowed: a template for each key", "zh-CN.toml"):
        assert part in text


def test_parameters_are_taken_as_a_config_gives_them() -> None:
    seen: list[Any] = []

    def analyze(context: Any, params: Any) -> Any:
        seen.append(params.rows)
        return GOOD.analyze(context, params)

    check_analyzer(dataclasses.replace(GOOD, analyze=analyze), params={"rows": 4})
    assert set(seen) == {4}


def test_parameters_that_are_refused_leave_the_rest_untried() -> None:
    conformance = analyzer_conformance(GOOD, params={"rows": 0})
    assert keys(conformance, "broken") == ["defaults-are-valid"]
    assert "its parameters are refused" in conformance.describe("not_tried")


def test_needs_that_no_toy_subject_meets_are_said_and_nothing_counts_as_kept() -> None:
    needs = Needs(modalities=("tabular",), packages=("no_such_package",))
    conformance = analyzer_conformance(dataclasses.replace(GOOD, needs=needs))
    assert keys(conformance, "broken") == []
    assert "runs-where-it-applies" in keys(conformance, "not_tried")
    assert "no_such_package" in conformance.describe("not_tried")
    assert keys(conformance, "kept")


def test_an_analyzer_that_was_never_called_passes_no_check() -> None:
    needs = Needs(packages=("no_such_package",))
    with pytest.raises(BrokenPromisesError) as caught:
        check_analyzer(dataclasses.replace(GOOD, needs=needs))
    (outcome,) = caught.value.conformance.broken
    assert outcome.promise.key == "runs-where-it-applies"
    assert outcome.problem is not None
    assert "no_such_package" in outcome.problem.found
    assert "install what it needs" in outcome.problem.fix


def test_a_declared_metric_that_no_subject_gives_is_named() -> None:
    never = dataclasses.replace(GOOD, metrics=(*GOOD.metrics, "never"), messages=WITH_NEVER)
    (outcome,) = [one for one in analyzer_conformance(never).outcomes if one.promise.key == "gives-every-metric"]
    assert outcome.reason.startswith("no toy subject gives never:")


def test_an_undeclared_metric_close_to_a_declared_one_is_a_slip() -> None:
    slip = dataclasses.replace(GOOD, metrics=(f"{GOOD.metrics[0]}s", *GOOD.metrics[1:]))
    words = {language: _renamed(texts, GOOD.metrics[0]) for language, texts in GOOD.messages.items()}
    conformance = analyzer_conformance(dataclasses.replace(slip, messages=words))
    (problem,) = [one.problem for one in conformance.broken if one.promise.key == "gives-declared-metrics"]
    assert problem is not None
    assert f"did you mean `{GOOD.metrics[0]}s`?" in problem.fix


def _renamed(texts: Any, metric: str) -> dict[str, Any]:
    more = {key.replace(f".{metric}", f".{metric}s", 1): text for key, text in texts.items() if f".{metric}" in key}
    return {**texts, **more}


@pytest.mark.parametrize("thing", [None, "good", Needs()], ids=lambda thing: type(thing).__name__)
def test_what_is_no_analyzer_is_said(thing: Any) -> None:
    conformance = analyzer_conformance(thing)
    assert keys(conformance, "broken") == ["fits-the-contract"]
    assert "kept" not in {outcome.state for outcome in conformance.outcomes}


def test_a_name_that_is_no_text_is_said() -> None:
    conformance = analyzer_conformance(dataclasses.replace(GOOD, name=3, methods=()))  # type: ignore[arg-type]
    assert keys(conformance, "broken") == ["says-what-it-is"]
    assert "runs-where-it-applies" in keys(conformance, "not_tried")


def test_a_function_that_no_other_process_finds_leaves_one_promise_untried() -> None:
    def analyze(context: Any, params: Any) -> Any:
        return GOOD.analyze(context, params)

    analyze.__module__ = "no_such_module"
    conformance = analyzer_conformance(dataclasses.replace(GOOD, analyze=analyze))
    assert keys(conformance, "not_tried") == ["loads-lightly"]
    assert keys(conformance, "broken") == []


def test_parameters_in_the_types_of_toml_and_computed_ones_are_no_fault() -> None:
    conformance = analyzer_conformance(dataclasses.replace(GOOD, Params=LayerParams), params={"layers": [3, 4]})
    assert keys(conformance, "broken") == []


def test_another_analyzer_can_be_run_again() -> None:
    def analyze(context: Any, params: Any) -> Any:
        assert context.rerun("performance", data=context.data).analyzer == "performance"
        return dataclasses.replace(GOOD.analyze(context, params), attributions=())

    assert keys(analyzer_conformance(dataclasses.replace(GOOD, analyze=analyze)), "broken") == []


@pytest.mark.parametrize(
    ("fields", "promise"),
    [
        ({"cost": "samples", "check": None}, "keeps-its-cost"),
        ({"shares": ("never",), "metrics": (*GOOD.metrics, "never"), "messages": WITH_NEVER}, "shares-are-shares"),
        ({"metrics": (*GOOD.metrics, "never"), "messages": WITH_NEVER}, "gives-every-metric"),
    ],
    ids=["no-limit", "no-such-share", "no-such-metric"],
)
def test_what_there_is_nothing_to_try_on_is_not_kept(fields: dict[str, Any], promise: str) -> None:
    conformance = analyzer_conformance(dataclasses.replace(GOOD, **fields))
    assert keys(conformance, "broken") == []
    assert promise in keys(conformance, "not_tried")


def test_an_interruption_passes() -> None:
    def analyze(context: Any, params: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyzer_conformance(dataclasses.replace(GOOD, analyze=analyze))


@pytest.mark.parametrize("end", [SystemExit(3), GeneratorExit(), MemoryError()], ids=lambda end: type(end).__name__)
def test_whatever_else_is_raised_is_told(end: BaseException) -> None:
    def analyze(context: Any, params: Any) -> Any:
        raise end

    conformance = analyzer_conformance(dataclasses.replace(GOOD, analyze=analyze))
    assert keys(conformance, "broken") == ["runs-where-it-applies"]
    assert type(end).__name__ in conformance.describe("broken")
