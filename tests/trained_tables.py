"""A small table, configurations that train on it, and how to train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditbench.config import AuditConfig
from auditbench.data import BUILT_IN as DATASETS
from auditbench.data import TableSource, open_source
from auditbench.errors import ModelError
from auditbench.models.architectures import BUILT_IN
from auditbench.training import train_bundle

ARCHITECTURES = {item.name: item for item in BUILT_IN}


def quiet(done: int, total: int, text: str) -> None:
    """Hear of nothing."""


def make_table(rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, city = rng.normal(size=rows), rng.choice(["Oslo", "Rome"], size=rows)
    score = x + (city == "Rome") + rng.normal(scale=0.3, size=rows)
    return pd.DataFrame(
        {
            "x": x,
            "city": city,
            "label": np.where(score > 0.5, "yes", "no"),
            "level": np.digitize(score, [0.0, 1.0]).astype(str),
            "value": 1000 + 50 * score,
            "part": np.where(np.arange(rows) % 4 == 0, "test", "train"),
        }
    )


TARGETS = {"binary-classification": "label", "multiclass-classification": "level", "regression": "value"}


def config(
    task: str = "binary-classification", seed: int = 0, data: dict[str, Any] | None = None, **train: Any
) -> AuditConfig:
    target = TARGETS[task]
    keys = {
        "test": "rows.parquet",
        "split": "part",
        "target": target,
        "features": ("x", "city"),
        "positive": "yes" if target == "label" else None,
        **(data or {}),
    }
    settings = {"epochs": 4, "batch_size": 32, "learning_rate": 0.01, "parameters": {"hidden": [8]}, **train}
    if settings.get("architecture") == "linear":
        settings["parameters"] = {}
    return AuditConfig.model_validate(
        {"audit": {"name": "a", "seed": seed}, "model": {"task": task}, "data": keys, "train": settings}
    )


def source_of(settings: AuditConfig, folder: Path) -> TableSource:
    return open_source(settings.data, folder, {item.name: item for item in DATASETS}, settings.train)


def train(settings: AuditConfig, folder: Path, name: str = "model", progress: Any = quiet, **keys: Any) -> Path:
    source = source_of(settings, folder)
    arguments = {"device": "cpu", "architectures": ARCHITECTURES, "progress": progress, **keys}
    train_bundle(settings, source, folder / name, **arguments)
    return folder / name


def refused(settings: AuditConfig, folder: Path, **keys: Any) -> str:
    with pytest.raises(ModelError) as caught:
        train(settings, folder, **keys)
    return caught.value.describe()
