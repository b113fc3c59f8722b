"""Opening a model of the test server: requests for it, a clock that nobody waits for, and rows to predict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from auditbench.config import DataTable, ModelTable
from auditbench.data import build_evaluation, open_source
from auditbench.data.evaluation import Rows
from auditbench.models import ModelUnderTest
from auditbench.models.endpoint.loading import load_endpoint
from auditbench.models.endpoint.pace import Clock
from auditbench.models.formats import ModelRequest
from tests.integration.small_audit import write_rows

WIDTH = 5  # age, hours, and the sexes with one column for missing or unseen
DATA = DataTable(test="rows.csv", split="split", target="bought", positive="yes", sensitive=("sex",))


class Passed:
    """A clock that goes on by what was slept, and by a little each time it is looked at.

    Attributes:
        slept: Every wait, in seconds.
    """

    def __init__(self, *, step: float = 0.0, date: float = 1_795_165_200.0) -> None:  # Fri, 20 Nov 2026 09:00:00 GMT
        self.slept: list[float] = []
        self._now = 1000.0
        self._step = step
        self._date = date

    def clock(self) -> Clock:
        return Clock(now=self._look, date=self._today, sleep=self._sleep)

    def pass_by(self, seconds: float) -> None:
        """Let time pass that nobody slept."""
        self._now += seconds

    def _look(self) -> float:
        self._now += self._step
        return self._now

    def _today(self) -> float:
        return self._date

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += seconds


def small_network(outputs: int = 1, width: int = WIDTH) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, outputs)).eval().requires_grad_(False)


def request(
    folder: Path,
    address: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    data: DataTable = DATA,
    task: str = "binary-classification",
    **keys: Any,
) -> ModelRequest:
    if data is DATA and not (folder / "rows.csv").exists():
        write_rows(folder)
    table = ModelTable.model_validate(
        {"output": "logit", **keys, "format": "endpoint", "path": address, "name": "small", "task": task,
         "parameters": dict(parameters or {})}
    )  # fmt: skip
    source = open_source(data, folder, {})
    return ModelRequest(path=folder, base=folder, table=table, source=source, device="cpu", architectures={})


def opened(
    folder: Path, address: str, parameters: Mapping[str, Any] | None = None, *, clock: Clock | None = None, **keys: Any
) -> ModelUnderTest:
    return load_endpoint(request(folder, address, parameters, **keys), clock=clock or Passed().clock())


def evaluated(asked: ModelRequest, model: ModelUnderTest) -> Rows:
    data = build_evaluation(asked.source, model.inputs, task=model.facts.task, classes=model.facts.classes, seed=0)
    return next(iter(data.batches(10_000)))
