"""Estimators fitted on small tables, their files, and the models that the product makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from auditbench.config import DataTable, ModelTable
from auditbench.data import EvaluationData, build_evaluation, open_source
from auditbench.models import ModelUnderTest
from auditbench.models.formats import ModelRequest
from auditbench.models.loading import load_model
from auditbench.run import Task

FEATURES = ("age", "hours", "sex", "job")
NUMBERS = ("age", "hours", "pay")

Tables = tuple[Path, pd.DataFrame, pd.DataFrame]
"""A folder, and the tables of its train.csv and test.csv."""


def people(rows: int, seed: int) -> pd.DataFrame:
    """A table of two numbers and two categories, with missing cells, and a label that follows from them."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 80, rows),
            "hours": np.round(rng.normal(40, 9, rows), 1),
            "sex": rng.choice(["female", "male"], rows),
            "job": rng.choice(["clerk", "cook", "driver"], rows),
        }
    )
    score = table.age + table.hours + 10 * (table.job == "clerk") + rng.normal(0, 8, rows)
    table["y"] = np.where(score > 95, "yes", "no")
    table.loc[rng.random(rows) < 0.06, "hours"] = np.nan
    table.loc[rng.random(rows) < 0.06, "job"] = None
    return table


def numbers(rows: int, seed: int) -> pd.DataFrame:
    """A table of three numbers, and a label of three classes."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: np.round(rng.normal(0, 1, rows), 3) for name in NUMBERS})
    score = table.age * table.hours + table.pay + rng.normal(0, 0.2, rows)
    table["label"] = np.select([score < -0.5, score < 0.5], ["low", "middle"], "high")
    table["yes"] = np.where(score > 0, "yes", "no")
    table["value"] = np.round(score, 3)
    return table


def write(folder: Path, train: pd.DataFrame, test: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both as files in a folder, and as pandas reads them again."""
    for name, table in (("train.csv", train), ("test.csv", test)):
        table.to_csv(folder / name, index=False)
    return pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "test.csv")


def prepared(last: Any) -> Pipeline:
    """A pipeline that codes a DataFrame of names and texts, and has rules of its own for what is missing."""
    return Pipeline(
        [
            (
                "columns",
                ColumnTransformer(
                    [
                        ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["job", "sex"]),
                        ("numbers", make_pipeline(SimpleImputer(strategy="mean"), StandardScaler()), ["hours", "age"]),
                    ]
                ),
            ),
            ("last", last),
        ]
    )


def saved(estimator: Any, path: Path) -> Path:
    skops.io.dump(estimator, path)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def opened(
    path: Path, *, task: Task = "binary-classification", model: Mapping[str, Any] | None = None, **data: Any
) -> tuple[ModelUnderTest, EvaluationData]:
    """The model in a file beside train.csv and test.csv, and the data as it takes them."""
    table = ModelTable(**{"format": "estimator", "path": path.name, "task": task, **(model or {})})
    given = {"test": "test.csv", "train": "train.csv", "target": "y", "positive": "yes", **data}
    source = open_source(DataTable(**given), path.parent, {}, None)
    request = ModelRequest(path=path, base=path.parent, table=table, source=source, device="cpu", architectures={})
    found = load_model(request)
    return found, build_evaluation(source, found.inputs, task=task, classes=found.facts.classes, seed=0)


def predicted(model: ModelUnderTest, data: EvaluationData) -> Any:
    """Outputs of all evaluated rows."""
    return model.predict(data.take(np.arange(len(data))).inputs)
