"""Trains in child processes that are killed at random steps, and goes on until the model is there.

Run as `killed_training.py FOLDER KILLS SEED`: each setting is killed so often while it trains. The parent imports what
training needs and computes no gradient, so that children can be forked from it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv  # noqa: F401 - imported once for all children
import safetensors.torch  # noqa: F401 - so too
import torch
from torch import nn

from auditbench.config import AuditConfig
from auditbench.data import encoded_size, open_source
from auditbench.models import Architecture
from auditbench.models.architectures import BUILT_IN
from auditbench.training import train_bundle
from auditbench.training.steps import Stepper

ROWS = 150
MOST_STEPS_BETWEEN_KILLS = 5


def normalised(params: Any, inputs: Any, outputs: int) -> nn.Module:
    """A network with statistics of its own, and dropout."""
    width = encoded_size(inputs)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(width, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, outputs)
    )


ARCHITECTURES = {item.name: item for item in BUILT_IN}
ARCHITECTURES["normalised"] = Architecture(
    name="normalised", summary="", build=normalised, modalities=("tabular", "image", "text", "series")
)
COMMON = {"architecture": "normalised", "epochs": 4, "batch_size": 15, "checkpoint_steps": 1, "patience": 4}
SETTINGS: dict[str, dict[str, Any]] = {
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "clip_norm": 0.5, "keep": "last"},
    "sgd": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "warmup_steps": 7, "accumulate": 3},
    "adam": {"precision": "bfloat16", "class_weights": "balanced", "label_smoothing": 0.1},
    "images": {"augment": ["flip", "shift", "rotate", "noise", "crop"], "schedule": "step", "decay_epochs": 2},
}


def write_data(folder: Path) -> None:
    """Files for `config`."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, rows in (("train", ROWS), ("test", 20)):
        label = rng.integers(0, 2, rows)
        x = rng.normal(size=(rows, 3)) + label[:, None]
        lines = ["a,b,c,label", *(f"{a},{b},{c},{y}" for (a, b, c), y in zip(x.tolist(), label, strict=True))]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        image = rng.integers(0, 200, (rows, 6, 5), dtype=np.uint8) + (55 * label[:, None, None]).astype(np.uint8)
        np.savez(folder / f"{name}.npz", image=image, label=label)


def config(setting: str) -> AuditConfig:
    """What is trained, by the name of a setting."""
    images = setting == "images"
    data: dict[str, Any] = {"target": "label", "positive": "1"}
    data |= {"test": "test.npz", "train": "train.npz"} if images else {"test": "test.csv", "train": "train.csv"}
    if images:
        data["inputs"] = {"image": {"modality": "image"}}
    return AuditConfig.model_validate(
        {
            "audit": {"name": "killed", "seed": 3},
            "model": {"task": "binary-classification"},
            "data": data,
            "train": {**COMMON, **SETTINGS[setting]},
        }
    )


def train(setting: str, folder: Path, model: str) -> None:
    """Train to the end, in this process."""
    loaded = config(setting)
    source = open_source(loaded.data, folder, {})
    told = {"device": "cpu", "architectures": ARCHITECTURES, "progress": lambda *_: None}
    train_bundle(loaded, source, folder / model, base=folder, **told)


def forked(setting: str, folder: Path, model: str) -> tuple[int, int]:
    """A child that trains, and a pipe that gets a byte after each of its steps."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    status = 1
    try:
        step = Stepper.step

        def told(self: Stepper, *arguments: Any) -> Any:
            found = step(self, *arguments)
            os.write(write, b".")
            return found

        Stepper.step = told  # type: ignore[method-assign]
        train(setting, folder, model)
        status = 0
    finally:
        os._exit(status)


def killed_once(setting: str, folder: Path, rng: np.random.Generator) -> bool:
    """Start or go on, and kill it after a random number of steps; whether it was running then."""
    child, pipe = forked(setting, folder, "killed")
    for _ in range(rng.integers(1, MOST_STEPS_BETWEEN_KILLS, endpoint=True)):
        if not os.read(pipe, 1):
            break
    time.sleep(rng.random() * 0.03)  # so that it is hit while it computes, and while it writes
    os.kill(child, signal.SIGKILL)
    os.close(pipe)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def finished(setting: str, folder: Path, model: str) -> None:
    """Train to the end, in a child."""
    child, pipe = forked(setting, folder, model)
    while os.read(pipe, 4096):
        pass
    os.close(pipe)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("training failed")


def main() -> None:
    """See above."""
    kills, rng = int(sys.argv[2]), np.random.default_rng(int(sys.argv[3]))
    torch.set_num_threads(1)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)]).step()  # imports what every child would import
    for setting in SETTINGS:
        folder = Path(sys.argv[1]) / setting
        write_data(folder)
        finished(setting, folder, "whole")
        left = kills
        while left:
            if killed_once(setting, folder, rng):
                left -= 1
            else:  # it was faster than the kill, so that there is a model
                shutil.rmtree(folder / "killed")
        finished(setting, folder, "killed")


if __name__ == "__main__":
    main()
