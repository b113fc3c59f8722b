"""Analyses and checks that break what a call promises: to repeat itself, to cost what it says, to leave things alone."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import os
import threading
import time
from typing import Any

from pydantic import Field

from auditbench.context import AnalysisCancelled, AuditContext
from auditbench.errors import ConfigError
from auditbench.results import AnalysisResult
from tests.zoo.bad import also, changed, checks, declares, does, one
from tests.zoo.good import Params, answer, check


@does("runs-where-it-applies")
def fails_on_three_features(context: AuditContext, result: AnalysisResult) -> Any:
    if len(context.model.features) == 3:
        raise KeyError("work")
    return result


@checks("check-agrees")
def check_refuses_what_the_analysis_does(model: Any, data: Any, params: Params) -> None:
    raise ConfigError("no such rows")


@checks("check-agrees")
def check_raises_anything(model: Any, data: Any, params: Params) -> None:
    raise ValueError("what is this?")


_calls = itertools.count()


@does("repeatable")
def counts_its_calls(context: AuditContext, result: AnalysisResult) -> Any:
    return also(result, one("mean", float(next(_calls))))


@does("repeatable")
def shows_the_time(context: AuditContext, result: AnalysisResult) -> Any:
    return also(result, one("mean", time.perf_counter()))


class ManyRows(Params):
    rows: int = Field(1000, ge=1, description="Rows to explain.")


@does("repeatable", Params=ManyRows)
def draws_rows_as_it_likes(context: AuditContext, result: AnalysisResult) -> Any:
    import numpy as np

    rows = context.data.sample(context.params.rows, np.random.default_rng())
    return also(result, one("drawn", float(context.model.predict(rows.inputs)[:, 0].mean())))


@does("seeded")
def draws_from_random(context: AuditContext, result: AnalysisResult) -> Any:
    import random

    return also(result, one("drawn", random.random()))  # noqa: S311


@does("seeded")
def draws_from_numpy(context: AuditContext, result: AnalysisResult) -> Any:
    import numpy as np

    return also(result, one("drawn", float(np.random.rand())))  # noqa: NPY002


@does("seeded")
def draws_from_torch(context: AuditContext, result: AnalysisResult) -> Any:
    import torch

    return also(result, one("drawn", float(torch.rand(()))))


@does("progress-counts-up")
def does_more_than_all(context: AuditContext, result: AnalysisResult) -> Any:
    context.progress(9, 8, step="bad")
    return result


@does("progress-counts-up")
def goes_back(context: AuditContext, result: AnalysisResult) -> Any:
    for done in (3, 1):
        context.progress(done, 8, step="bad")
    return result


def _goes_on(context: AuditContext, params: Params) -> AnalysisResult:
    try:
        return answer(context, params)
    except AnalysisCancelled:
        return AnalysisResult()


def _leaves_its_hook_when_stopped(context: AuditContext, params: Params) -> AnalysisResult:
    hook = context.model.module.register_forward_hook(lambda *_: None)
    for done in (0, 1):
        context.progress(done, 1, step="hooked")
    hook.remove()
    return answer(context, params)


declares("goes-on", "stops-when-told", analyze=_goes_on)
declares("leaves-its-hook-when-stopped", "stops-when-told", analyze=_leaves_its_hook_when_stopped)

declares("says-it-evaluates-nothing", "keeps-its-cost", cost="outputs")


@does("keeps-its-cost")
def passes_often(context: AuditContext, result: AnalysisResult) -> Any:
    for rows in itertools.chain.from_iterable(itertools.repeat(list(context.data.batches(64)), 25)):
        context.model.predict(rows.inputs)
    return dataclasses.replace(result, attributions=())


@does("keeps-its-cost")
def passes_often_over_a_copy(context: AuditContext, result: AnalysisResult) -> Any:
    copied = copy.deepcopy(context.model.module)
    for _ in range(25):
        copied(context.model.encode(next(context.data.batches(60)).inputs))
    return dataclasses.replace(result, attributions=())


@checks("keeps-its-cost")
def check_evaluates_all(model: Any, data: Any, params: Params) -> None:
    check(model, data, params)
    for rows in data.batches(20):
        model.predict(rows.inputs)
    model.predict(next(data.batches(40)).inputs)


@does("counts-model-rows")
def counts_too_much(context: AuditContext, result: AnalysisResult) -> Any:
    return changed(result, model_rows=10_000)


@does("counts-model-rows")
def counts_one_call(context: AuditContext, result: AnalysisResult) -> Any:
    for _ in range(4):
        context.model.predict(next(context.data.batches(60)).inputs)
    return result


@does("leaves-the-model")
def changes_weights(context: AuditContext, result: AnalysisResult) -> Any:
    next(iter(context.model.module.parameters())).data.mul_(1.5)
    return result


@does("leaves-the-model")
def leaves_training_mode(context: AuditContext, result: AnalysisResult) -> Any:
    context.model.module.train()
    return result


@does("leaves-the-model")
def leaves_a_hook(context: AuditContext, result: AnalysisResult) -> Any:
    context.model.module.register_forward_hook(lambda *_: None)
    return result


@does("leaves-the-data")
def sorts_outputs(context: AuditContext, result: AnalysisResult) -> Any:
    context.outputs[:] = context.outputs[::-1].copy()
    return result


@does("leaves-the-data")
def changes_labels(context: AuditContext, result: AnalysisResult) -> Any:
    context.data.y_true[:2] = 1 - context.data.y_true[:2]
    return result


@does("leaves-the-context")
def adds_a_result(context: AuditContext, result: AnalysisResult) -> Any:
    context.results["other"] = result  # type: ignore[index]
    return result


@does("leaves-the-process")
def changes_the_environment(context: AuditContext, result: AnalysisResult) -> Any:
    os.environ["BAD_PLUGIN"] = "1"
    return result


@does("leaves-the-process")
def changes_the_dtype(context: AuditContext, result: AnalysisResult) -> Any:
    import torch

    torch.set_default_dtype(torch.float64)
    return result


@does("leaves-the-process")
def replaces_a_function(context: AuditContext, result: AnalysisResult) -> Any:
    import json

    json.dumps = lambda *_, **__: "{}"  # type: ignore[assignment]
    return result


@does("leaves-the-process")
def leaves_a_thread(context: AuditContext, result: AnalysisResult) -> Any:
    threading.Thread(target=time.sleep, args=(1.0,), daemon=True).start()
    return result
