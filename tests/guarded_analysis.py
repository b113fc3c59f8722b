"""Running a piece of code as an analyzer, behind the guards that every analyzer runs behind."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import torch
from torch import nn

from auditbench.contracts import Analyzer
from auditbench.engines.local import LocalEngine
from auditbench.plugin_entries import PluginEntry
from auditbench.registry import Provided, Registry
from auditbench.results import AnalysisResult
from auditbench.testing import QuietHost, toy_subject
from auditbench.worker.analysis import Outcome, run_analyzer
from auditbench.worker.subject_opening import Subject, make_subject

ORIGIN = PluginEntry(name="toy", module="toy", distribution="toys", version="1.0")


def small_subject() -> Subject:
    """A subject of 60 rows, whose model has two linear layers and a dropout layer between them."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(9, 4), nn.ReLU(), nn.Dropout(0.1), nn.Linear(4, 1)).eval().requires_grad_(False)
    toy = toy_subject()
    return make_subject(dataclasses.replace(toy.model, module=module), toy.data, seed=0, cases=0, raw=False)


@cache
def shared_subject() -> Subject:
    """A small subject for code that leaves the model alone."""
    return small_subject()


def run_code(
    code: str, subject: Subject | None = None, names: dict[str, Any] | None = None, *, memory: int | None = None
) -> Outcome:
    """Run code with `context` as the body of an analyzer, within so many bytes of memory."""
    subject = subject or shared_subject()

    def analyze(context: Any, params: Any) -> AnalysisResult:
        exec(compile(code, "corruption", "exec"), {"context": context, **(names or {})})  # noqa: S102 - the test's own text
        return AnalysisResult()

    analyzer = Analyzer(name="toy", topic="probe", summary="", analyze=analyze)
    context = subject.context("toy", None, results={}, engine=LocalEngine(), host=QuietHost())
    provided = Provided(record=analyzer, origin=ORIGIN)
    return run_analyzer(provided, context, Registry(), subject_changes=subject.changes, memory=memory)
