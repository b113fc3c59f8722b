"""`check_loader` names the promise that a bad loader breaks, and passes a good one."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import pytest
from torch import nn

from auditbench.contracts import ModelLoader
from auditbench.errors import ConfigError
from auditbench.testing import BrokenPromisesError, check_loader, read_sample, toy_subject
from auditbench.testing.conformance.loaders import CHECKS, loader_conformance
from auditbench.testing.conformance.model_outputs import wrong_gradients
from tests.zoo.loaders import BAD, NAME, SAMPLE, Load, Rounded, good, write_sample

APART = ("runs-nothing", "refuses-broken-files")
ALONE = (
    "no digest",
    "another scale",
    "training mode",
    "mixed rows",
    "wrong gradients",
    "dead hooks",
    "eval",
    "eval elsewhere",
    "a crash",
)

SLOW = ("a crash", "eval elsewhere", "other errors", "no way on")
"""Bad at a promise that another one is bad at too, and seconds each: copies of a file are opened in processes of their own."""


def loader(load: Load) -> ModelLoader:
    return ModelLoader(name=NAME, summary="Lines of weights", load=load)


def test_a_good_one_keeps_every_promise(tmp_path: Path) -> None:
    conformance = check_loader(loader(good), write_sample(tmp_path))
    assert [outcome.state for outcome in conformance.outcomes] == ["kept"] * len(CHECKS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.nightly) if name in SLOW else name for name in BAD]
)
def test_the_promise_that_is_broken_is_named(tmp_path: Path, name: str) -> None:
    load, promise = BAD[name]
    function = load if promise in APART else functools.partial(load)  # which no fresh process finds, or has to
    with pytest.raises(BrokenPromisesError) as raised:
        check_loader(loader(function), write_sample(tmp_path))
    outcomes = {outcome.promise.key: outcome for outcome in raised.value.conformance.broken}
    problem = outcomes[promise].problem
    assert problem is not None
    assert problem.allowed
    assert problem.fix
    if name in ALONE:
        assert list(outcomes) == [promise]


def test_every_promise_is_broken_by_one() -> None:
    assert {promise for _, promise in BAD.values()} == {promise.key for promise, _ in CHECKS}


def test_wrong_gradients_of_probabilities_are_told_although_they_add_up_to_one() -> None:
    subject = toy_subject("multiclass")
    probabilities = nn.Sequential(subject.model.module, nn.Softmax(dim=1))
    inputs = next(subject.data.batches(4)).inputs
    assert wrong_gradients(dataclasses.replace(subject.model, module=probabilities), inputs) is None
    assert wrong_gradients(dataclasses.replace(subject.model, module=Rounded(probabilities)), inputs) is not None


def test_code_that_a_broken_copy_runs_is_told_as_such(tmp_path: Path) -> None:
    broken = loader_conformance(loader(BAD["pickles"][0]), write_sample(tmp_path)).broken
    found = {outcome.promise.key: outcome.problem for outcome in broken}
    problem = found["refuses-broken-files"]
    assert problem is not None
    assert problem.message == "something was run or reached when a copy that is a pickle was opened"


def test_without_a_sample_nothing_counts_as_kept() -> None:
    conformance = loader_conformance(loader(good), None)
    assert {outcome.state for outcome in conformance.outcomes} == {"not_tried"}
    assert "[tool.auditbench.conformance]" in conformance.outcomes[0].reason


def test_a_sample_of_another_format_is_told(tmp_path: Path) -> None:
    path = write_sample(tmp_path, SAMPLE.replace(NAME, "pickle"))
    (first, *_) = loader_conformance(loader(good), path).broken
    assert first.problem is not None
    assert (first.problem.where, first.problem.found) == ("model.format", "pickle")


def test_a_sample_says_all_that_is_wrong_with_it(tmp_path: Path) -> None:
    path = write_sample(tmp_path, SAMPLE.replace("task", "tasks").replace("target", "goal"))
    with pytest.raises(ConfigError) as raised:
        read_sample(path)
    assert {problem.where for problem in raised.value.problems} >= {"model.task", "data.target"}
