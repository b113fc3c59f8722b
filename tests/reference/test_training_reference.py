"""Trained models against closed forms and scikit-learn, and the accuracy that Adult must reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression

from auditbench.config import AuditConfig, TrainTable
from auditbench.data import BUILT_IN as DATASETS
from auditbench.data import EvaluationData, build_evaluation, open_source
from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import TableInput
from auditbench.data.splitting import held_out
from auditbench.models import ModelUnderTest, load_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.models.architectures.linear import build_linear
from auditbench.training import train_bundle
from auditbench.training.examples import Examples
from auditbench.training.loop import fit
from auditbench.training.losses import RowFunction, RowLoss, binary_cross_entropy, cross_entropy

ARCHITECTURES = {item.name: item for item in BUILT_IN}


def train(folder: Path, document: dict[str, Any]) -> tuple[ModelUnderTest, EvaluationData, Any]:
    config = AuditConfig.model_validate({"audit": {"name": "reference"}, **document})
    source = open_source(config.data, folder, {item.name: item for item in DATASETS})
    train_bundle(config, source, folder / "model", device="cpu", architectures=ARCHITECTURES, progress=lambda *_: None)
    model = load_bundle(folder / "model", config.model, "cpu", ARCHITECTURES)
    data = build_evaluation(
        source, model.inputs, task=config.model.task, classes=model.facts.classes, seed=config.audit.seed
    )
    outputs = np.concatenate([model.predict(rows.inputs) for rows in data.batches(model.batch_rows)])
    return model, data, outputs


def raw_matrix(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    return np.column_stack([frame["age"], frame["hours"], frame["city"] == "Rome", frame["city"] == "Bonn"]).astype(
        float
    )


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = 3000
    frame = pd.DataFrame(
        {
            "age": rng.integers(17, 90, rows),
            "hours": np.clip(rng.normal(40, 12, rows), 1, 99),
            "city": rng.choice(["Oslo", "Rome", "Bonn"], rows, p=[0.6, 0.3, 0.1]),
        }
    )
    score = 0.03 * frame["age"] - 0.05 * frame["hours"] + 0.8 * (frame["city"] == "Rome") + 0.4
    frame["income"] = 20_000 + 9_000 * score + rng.normal(0, 500, rows)
    frame["granted"] = np.where(rng.random(rows) < 1 / (1 + np.exp(-1.5 * score)), "yes", "no")
    frame["grade"] = np.digitize(score + rng.normal(0, 0.8, rows), [-0.5, 0.5]).astype(str)
    frame.to_parquet(tmp_path / "rows.parquet")
    # The exact solution is that of the training rows, so they are evaluated too, from a file of another content.
    frame.assign(number=range(rows)).to_parquet(tmp_path / "train.parquet")
    return frame


@pytest.mark.parametrize(
    "optimizer",
    [{"optimizer": "adam", "learning_rate": 0.02}, {"optimizer": "sgd", "momentum": 0.5, "learning_rate": 0.1}],
)
def test_linear_regression_reaches_the_closed_form(
    tmp_path: Path, table: pd.DataFrame, optimizer: dict[str, Any]
) -> None:
    model, _, outputs = train(
        tmp_path,
        {
            "model": {"task": "regression"},
            "data": {
                "test": "rows.parquet",
                "train": "train.parquet",
                "target": "income",
                "features": ["age", "hours", "city"],
            },
            "train": {
                "architecture": "linear",
                "batch_size": 3000,
                "epochs": 400,
                "patience": 400,
                "validation": 0.3,
                **optimizer,
            },
        },
    )
    matrix = raw_matrix(table)
    exact = LinearRegression().fit(matrix, table["income"])
    expected = exact.predict(matrix)
    assert np.abs(outputs[:, 0] - expected).max() < 0.01 * (expected.max() - expected.min())
    weights = model.module[0].weight[0].double().numpy()  # type: ignore[index, union-attr, operator]
    slopes = weights / [feature_scale(model, column) for column in range(len(weights))]
    np.testing.assert_allclose(slopes[:2], exact.coef_[:2], rtol=0.01)
    # Oslo is the base of the exact solution; the network has a weight for each city.
    bonn, oslo, rome = slopes[2:5]
    np.testing.assert_allclose([rome - oslo, bonn - oslo], exact.coef_[2:], atol=0.01 * np.abs(exact.coef_[2:]).max())


def feature_scale(model: ModelUnderTest, column: int) -> float:
    """Standard deviation that an encoded column was divided by."""
    return next(feature.scale for feature in model.features if feature.start <= column < feature.stop)


@pytest.mark.parametrize(
    ("target", "loss", "dtype"),
    [("granted", binary_cross_entropy, torch.float32), ("grade", cross_entropy, torch.int64)],
    ids=["logistic", "softmax"],
)
def test_classification_reaches_the_unregularised_solution(
    table: pd.DataFrame, target: str, loss: RowFunction, dtype: torch.dtype
) -> None:
    """Validated on the rows it is trained on, the loop ends at the optimum of its loss."""
    matrix = raw_matrix(table)
    classes, labels = np.unique(table[target].to_numpy(str), return_inverse=True)
    scaled = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    encoded = torch.tensor(scaled, dtype=torch.float32)
    examples = Examples(
        rows=encoded.__getitem__, targets=torch.from_numpy(labels).to(dtype), positions=torch.arange(len(labels))
    )
    columns = tuple(
        FeatureSpec(name=f"column {index}", kind="number", start=index, stop=index + 1)
        for index in range(matrix.shape[1])
    )
    inputs = {"features": TableInput(features=columns)}
    network = build_linear(None, inputs, 1 if len(classes) == 2 else len(classes))
    settings = TrainTable(learning_rate=0.05, batch_size=3000, epochs=400, patience=400)
    fitted = fit(network, examples, examples, RowLoss(function=loss), settings, seed=0, progress=lambda *_: None)
    network.load_state_dict(fitted.weights)
    with torch.no_grad():
        logits = network(encoded)
    given = torch.softmax(torch.cat([torch.zeros_like(logits), logits], 1) if len(classes) == 2 else logits, dim=1)
    exact = LogisticRegression(C=np.inf, max_iter=5000, tol=1e-10).fit(matrix, labels)
    assert np.abs(given.numpy() - exact.predict_proba(matrix)).max() < 0.002


def test_sgd_on_a_real_table_reaches_the_closed_form(tmp_path: Path) -> None:
    """442 patients with diabetes (Efron et al. 2004): two of the columns are nearly the same, so that it takes a while."""
    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.assign(number=range(len(frame))).to_csv(tmp_path / "rows.csv", index=False)
    columns = [name for name in frame if name != "target"]
    _, _, outputs = train(
        tmp_path,
        {
            "model": {"task": "regression"},
            "data": {"test": "rows.csv", "train": "train.csv", "target": "target", "features": columns},
            "train": {
                "architecture": "linear",
                "loss": "mse",
                "optimizer": "sgd",
                "momentum": 0.9,
                "learning_rate": 0.02,
                "schedule": "cosine",
                "batch_size": 32,
                "epochs": 120,
                "patience": 120,
                "keep": "last",
            },
        },
    )
    matrix, values = frame[columns].to_numpy(float), frame["target"].to_numpy(float)
    kept, _ = held_out(None, len(values), 0.1, 0)
    expected = LinearRegression().fit(matrix[kept], values[kept]).predict(matrix)
    assert np.abs(outputs[:, 0] - expected).max() < 0.01 * (expected.max() - expected.min())
    least = ((expected - values)[kept] ** 2).mean()
    assert least <= ((outputs[:, 0] - values)[kept] ** 2).mean() < 1.01 * least


def test_adult_reaches_its_accuracy(tmp_path: Path) -> None:
    document = {
        "model": {"task": "binary-classification"},
        "data": {"dataset": "adult", "target": "income", "positive": ">50K", "exclude": ["fnlwgt", "education"]},
        "train": {"architecture": "mlp", "parameters": {"hidden": [64, 32]}},
    }
    model, data, outputs = train(tmp_path, document)
    assert len(outputs) == 16_281
    assert (model.decisions(outputs) == data.y_true).mean() >= 0.845
