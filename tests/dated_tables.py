"""Tables of persons, days and weights, configurations that train on them, and what stands in the bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from auditbench.config import AuditConfig
from auditbench.data import encoded_size, open_source
from auditbench.errors import AuditbenchError
from auditbench.models import Architecture, load_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.models.opening import read_weights
from auditbench.run import TrainingFacts
from auditbench.training import train_bundle
from auditbench.training.preparing import Prepared, prepare
from auditbench.training.starting import initial_description, open_initial


def write_tables(folder: Path) -> None:
    """`train.parquet` and `test.parquet`; only the former has what training needs beside features and target."""
    rng = np.random.default_rng(0)
    rows = 160
    x = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "x": x,
            "noise": rng.normal(size=rows),
            "person": rng.integers(0, 12, rows),
            "day": np.sort(rng.integers(0, 40, rows)),
            "weight": rng.random(rows) + 0.1,
            "label": np.where(x + rng.normal(scale=0.5, size=rows) > 0.4, "yes", "no"),
            "value": 500 + 90 * x + rng.normal(size=rows),
        }
    )
    frame.iloc[:120].to_parquet(folder / "train.parquet")
    frame.iloc[120:].drop(columns=["weight", "person", "day"]).to_parquet(folder / "test.parquet")


class Switching(nn.Module):
    """A network whose activations can be computed again."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, 5), nn.Linear(5, outputs)
        self.checkpointed = False

    def set_checkpointing(self, on: bool) -> None:
        self.checkpointed = on

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.checkpointed:
            rows = torch.utils.checkpoint.checkpoint(self.first, rows, use_reentrant=False)  # type: ignore[no-untyped-call]
        else:
            rows = self.first(rows)
        return self.last(torch.tanh(rows))


SWITCHING = Architecture(
    name="switching", summary="", build=lambda params, inputs, outputs: Switching(encoded_size(inputs), outputs)
)


ARCHITECTURES = {item.name: item for item in (*BUILT_IN, SWITCHING)}


def config(task: str = "binary-classification", **train: Any) -> AuditConfig:
    target = "value" if task == "regression" else "label"
    return AuditConfig.model_validate(
        {
            "audit": {"name": "a"},
            "model": {"task": task},
            "data": {
                "test": "test.parquet",
                "train": "train.parquet",
                "target": target,
                "features": ["x", "noise"],
                "positive": None if task == "regression" else "yes",
            },
            "train": {"epochs": 3, "batch_size": 32, "parameters": {"hidden": [4]}, **train},
        }
    )


def train(settings: AuditConfig, folder: Path, name: str = "model", told: list[str] | None = None) -> Path:
    source = open_source(settings.data, folder, {}, settings.train)
    heard: list[str] = [] if told is None else told
    arguments: dict[str, Any] = {"device": "cpu", "architectures": ARCHITECTURES, "base": folder}
    train_bundle(settings, source, folder / name, progress=lambda *_: None, tell=heard.append, **arguments)
    return folder / name


def prepared(settings: AuditConfig, folder: Path) -> Prepared:
    """What training begins with."""
    assert settings.train is not None
    source = open_source(settings.data, folder, {}, settings.train)
    opened, described = open_initial(settings.train, folder), initial_description(settings.train, folder)
    return prepare(settings, source, opened, described=described, device="cpu", architectures=ARCHITECTURES)


def facts(settings: AuditConfig, path: Path) -> TrainingFacts:
    found = load_bundle(path, settings.model, "cpu", ARCHITECTURES).facts.training
    assert found is not None
    return found


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_weights(path / "model.safetensors").tensors


def refused(settings: AuditConfig, folder: Path) -> str:
    with pytest.raises(AuditbenchError) as caught:
        train(settings, folder)
    return caught.value.describe()
