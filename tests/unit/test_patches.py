"""Functions and classes that an analyzer replaces are put back, and named."""

from __future__ import annotations

import functools
import importlib
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from auditbench.worker.patches import Patches
from tests.guarded_analysis import run_code, shared_subject
from tests.state_corruptions import PATCHES

# What an expression gives has to be the same object afterwards; with the name that is told.
WATCHED: dict[str, tuple[str, str]] = {
    "forward-of-class": ("torch.nn.Sequential.__dict__['forward']", "Sequential.forward"),
    "forward-of-encoder-class": ("type(model.encoder).__dict__['forward']", "TabularEncoder.forward"),
    "call-of-linear": ("torch.nn.Linear.__dict__.get('__call__')", "Linear.__call__"),
    "call-of-module": ("torch.nn.Module.__dict__['__call__']", "Module.__call__"),
    "functional-linear": ("torch.nn.functional.linear", "torch.nn.functional.linear"),
    "functional-relu-removed": ("vars(torch.nn.functional).get('relu')", "torch.nn.functional.relu"),
    "linear-class": ("torch.nn.Linear", "torch.nn.Linear"),
    "torch-sigmoid": ("torch.sigmoid", "torch.sigmoid"),
    "torch-manual-seed": ("torch.manual_seed", "torch.manual_seed"),
    "tensor-method": ("torch.Tensor.__dict__.get('double')", "Tensor.double"),
    "numpy-mean": ("numpy.mean", "numpy.mean"),
    "numpy-generator": ("numpy.random.default_rng", "numpy.random.default_rng"),
    "builtin-round": ("builtins.__dict__.get('round')", "builtins.round"),
    "builtin-added": ("builtins.__dict__.get('left')", "builtins.left"),
    "random-random": ("random.random", "random.random"),
    "math-exp": ("math.exp", "math.exp"),
    "time-monotonic": ("time.monotonic", "time.monotonic"),
    "json-dumps": ("json.dumps", "json.dumps"),
    "hashlib-sha256": ("hashlib.sha256", "hashlib.sha256"),
    "predict-of-model-class": ("type(model).__dict__['predict']", "ModelUnderTest.predict"),
    "rng-of-context-class": ("auditbench.context.AuditContext.__dict__['rng']", "AuditContext.rng"),
    "take-of-data-class": ("auditbench.data.EvaluationData.__dict__['take']", "EvaluationData.take"),
    "host-statistics": ("getattr(auditbench.statistics, auditbench.statistics.__all__[0])", "auditbench.statistics."),
    "host-result-class": ("auditbench.results.Metric", "auditbench.results.Metric"),
    "host-result-constructor": ("auditbench.results.Metric.__dict__['__init__']", "Metric.__init__"),
    "module-replaced": ("sys.modules['json']", "module json"),
    "module-removed": ("sys.modules.get('auditbench.statistics')", "module auditbench.statistics"),
}


MODULES = (
    "auditbench.context", "auditbench.data", "auditbench.results", "auditbench.statistics", "builtins", "hashlib", "json",
    "math", "numpy", "random", "sys", "time", "torch",
)  # fmt: skip


def names() -> dict[str, Any]:
    loaded = {name.partition(".")[0]: importlib.import_module(name.partition(".")[0]) for name in MODULES}
    for name in MODULES:
        importlib.import_module(name)
    return {**loaded, "model": shared_subject().model}


def test_every_patch_of_the_catalogue_is_watched_here() -> None:
    assert WATCHED.keys() == PATCHES.keys()


@pytest.mark.parametrize("name", PATCHES)
def test_what_is_patched_is_named_and_put_back(name: str) -> None:
    expression, told = WATCHED[name]
    known = names()
    before = eval(expression, known)  # noqa: S307 - the test's own text
    seen: list[Any] = []
    ending = f"\nseen.append({expression})"
    outcome = run_code(PATCHES[name] + ending, names={**known, "seen": seen})
    assert seen[0] is not before
    assert eval(expression, known) is before  # noqa: S307 - as above
    assert any(told in changed for changed in outcome.changed), outcome
    assert (outcome.result.status, outcome.stuck, outcome.subject_changes) == ("ok", (), ())


def test_code_and_defaults_of_a_function_are_put_back() -> None:
    code = """
import auditbench.context
function = auditbench.context.AuditContext.rng
function.__code__ = (lambda self, purpose="", chunk=0: None).__code__
function.__defaults__ = ("other", 1)
"""
    outcome = run_code(code)
    assert outcome.changed == ("auditbench.context.AuditContext.rng",)
    assert outcome.stuck == ()
    context = shared_subject().context("a", None, results={}, engine=None, host=None)  # type: ignore[arg-type]
    assert context.rng().random() == context.rng("", 0).random()


def test_what_a_module_loads_when_first_asked_is_no_fault() -> None:
    outcome = run_code("import numpy, json\nnumpy.left_behind = 1\njson.left_behind = 2")
    assert (outcome.changed, outcome.stuck) == ((), ())


def test_what_torch_wraps_when_it_loads_its_compiler_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "manual_seed", torch.manual_seed)  # puts back whatever this test leaves
    before = Patches()
    torch.manual_seed = torch._disable_dynamo(torch.manual_seed)
    assert before.put_back() == ([], [])
    original = torch.manual_seed.__wrapped__

    @functools.wraps(original)
    def other(seed: int) -> torch.Generator:
        return original(0)

    torch.manual_seed = other
    assert before.put_back() == (["torch.manual_seed"], [])
    assert torch.manual_seed is original


def test_a_class_that_refuses_is_told_as_stuck() -> None:
    class Refusing(type):
        def __setattr__(cls, name: str, value: Any) -> None:
            raise TypeError("no")

    class Layer(nn.Module, metaclass=Refusing):
        def forward(self) -> None:
            """Do nothing."""

    patches = Patches([Layer()])
    kept = Layer.__dict__["forward"]
    type.__setattr__(Layer, "forward", None)
    changed, stuck = patches.put_back()
    assert ([name.rpartition(".")[2] for name in changed], stuck) == (["forward"], [])
    assert Layer.__dict__["forward"] is kept


def test_nothing_is_found_where_nothing_was_changed() -> None:
    patches = Patches([nn.Linear(1, 1)])
    assert patches.put_back() == ([], [])


def test_a_module_that_is_no_longer_itself_is_put_back() -> None:
    patches = Patches()
    kept = sys.modules["json"]
    sys.modules["json"] = ModuleType("json")
    assert patches.put_back() == (["module json"], [])
    assert sys.modules["json"] is kept
