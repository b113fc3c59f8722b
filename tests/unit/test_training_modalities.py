"""Training on images, texts, series, several inputs and next tokens: through the configuration, to a bundle that learned."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from auditbench.config import AuditConfig
from auditbench.data import EvaluationData, build_evaluation, open_source
from auditbench.errors import TrainingError
from auditbench.models import ModelUnderTest, load_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.training import examples as examples_module
from auditbench.training import train_bundle

ARCHITECTURES = {item.name: item for item in BUILT_IN}
ROWS = {"train": 240, "test": 60}
WORDS = ("red", "green", "blue", "cold", "warm", "old")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows whose label is the place of the bright spot, the first of two words, and the sign of a wave."""
    base = tmp_path_factory.mktemp("modalities")
    rng = np.random.default_rng(0)
    for part, rows in ROWS.items():
        label = rng.integers(0, 2, rows)
        image = rng.integers(0, 120, (rows, 8, 8), dtype=np.uint8)
        image[np.arange(rows), 4, np.where(label == 1, 6, 1)] = 255
        steps = np.linspace(0, 6, 16)
        series = np.where(label == 1, 1, -1)[:, None, None] * np.sin(steps) + rng.normal(scale=0.5, size=(rows, 1, 16))
        extra = rng.normal(size=rows)
        np.savez(base / f"{part}.npz", label=label, image=image, series=series, extra=extra)
        texts = [" ".join([("yes", "no")[one], *rng.permutation(WORDS)[: rng.integers(1, 5)]]) for one in label]
        pd.DataFrame({"text": texts, "label": label}).to_parquet(base / f"{part}.parquet")
        turning = ["".join("abcd"[(start + place) % 4] for place in range(30)) for start in rng.integers(0, 4, 20)]
        pd.DataFrame({"text": turning, "number": range(20)}).to_csv(base / f"{part}.csv", index=False)
    return base


def config(kind: str, inputs: dict[str, Any], train: dict[str, Any], **keys: Any) -> AuditConfig:
    return AuditConfig.model_validate(
        {
            "audit": {"name": "a"},
            "model": {"task": keys.pop("task", "binary-classification")},
            "data": {
                "test": f"test.{kind}",
                "train": f"train.{kind}",
                "target": "label",
                "positive": "1",
                "inputs": inputs,
                **keys,
            },
            "train": {"learning_rate": 0.01, "batch_size": 32, "epochs": 8, "patience": 8, **train},
        }
    )


def trained(settings: AuditConfig, folder: Path, out: Path) -> tuple[ModelUnderTest, EvaluationData]:
    source = open_source(settings.data, folder, {})
    train_bundle(settings, source, out, device="cpu", architectures=ARCHITECTURES, progress=lambda *_: None)
    model = load_bundle(out, settings.model, "cpu", ARCHITECTURES)
    return model, build_evaluation(source, model.inputs, task=settings.model.task, classes=model.facts.classes, seed=0)


IMAGE, SERIES, TEXT = ({"modality": name} for name in ("image", "series", "text"))
CASES = {
    "image": config("npz", {"image": IMAGE}, {"architecture": "cnn", "augment": ["shift", "noise"]}),
    "series": config("npz", {"series": SERIES}, {"architecture": "cnn1d", "optimizer": "adamw", "clip_norm": 1.0}),
    "text": config("parquet", {"text": TEXT}, {"architecture": "rnn", "schedule": "cosine", "warmup_epochs": 1.0}),
    "encoder": config("parquet", {"text": TEXT}, {"architecture": "encoder", "checkpointing": True}),
    "several": config(
        "npz",
        {"image": IMAGE, "series": SERIES, "table": {"modality": "tabular"}},
        {"architecture": "joined", "accumulate": 2, "augment": ["noise"]},
        features=["extra"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_modality_is_learned(folder: Path, tmp_path: Path, case: str) -> None:
    model, data = trained(CASES[case], folder, tmp_path / "model")
    outputs = np.concatenate([model.predict(rows.inputs) for rows in data.batches(64)])
    assert (model.decisions(outputs) == data.y_true).mean() > 0.9


@pytest.mark.parametrize("case", ["image", "text", "several"])
def test_rows_that_stay_in_their_files_give_the_same_model(
    folder: Path, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = CASES[case].model_copy(update={"train": CASES[case].train.model_copy(update={"epochs": 2})})  # type: ignore[union-attr]
    kept, _ = trained(settings, folder, tmp_path / "kept")
    monkeypatch.setattr(examples_module, "KEPT_BYTES", 0)
    stored, _ = trained(settings, folder, tmp_path / "stored")
    for name, tensor in kept.module.state_dict().items():
        assert torch.equal(tensor, stored.module.state_dict()[name])


def test_a_decoder_learns_what_follows_every_token(folder: Path, tmp_path: Path) -> None:
    text = {"modality": "text", "unit": "characters", "length": 8}
    train = {"architecture": "decoder", "parameters": {"width": 16, "heads": 2, "layers": 1}, "epochs": 12}
    settings = config("csv", {"text": text}, train, task="next-token", target="text", positive=None)
    model, data = trained(settings, folder, tmp_path / "model")
    assert set(model.facts.classes) == set("abcd")
    facts = model.facts.training
    assert facts is not None
    assert facts.losses[0][0] > math.log(4) / 2
    assert facts.losses[-1][1] < 0.2
    outputs = np.concatenate([model.predict(rows.inputs) for rows in data.batches(64)])
    assert (outputs.argmax(axis=1) == data.y_true).mean() > 0.95


@pytest.mark.parametrize("more", [" new new", " old old old"])
def test_weights_of_a_bundle_with_another_vocabulary_are_refused(folder: Path, tmp_path: Path, more: str) -> None:
    """Other words, or the same words in another order since others are frequent: token 2 then means another word."""
    trained(CASES["text"], folder, tmp_path / "first")
    frame = pd.read_parquet(folder / "train.parquet")
    frame["text"] = frame["text"] + more
    frame.to_parquet(tmp_path / "train.parquet")
    pd.read_parquet(folder / "test.parquet").to_parquet(tmp_path / "test.parquet")
    keys = {"architecture": "rnn", "init_from": "first", "epochs": 1}
    settings = config("parquet", {"text": TEXT}, keys)
    source = open_source(settings.data, tmp_path, {})
    arguments: dict[str, Any] = {"base": tmp_path, "device": "cpu", "architectures": ARCHITECTURES}
    with pytest.raises(TrainingError) as caught:
        train_bundle(settings, source, tmp_path / "model", progress=lambda *_: None, **arguments)
    assert "the tokens of the vocabulary of the input 'text' of the bundle differ" in caught.value.describe()
