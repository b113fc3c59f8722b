"""`auditbench init` with weights names the architecture that has them, and leaves a factory to fill in where none does."""

from __future__ import annotations

import re
import tomllib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from torch import nn

from auditbench.cli.boundary import guarded
from auditbench.models.opening import sha256_of
from tests.in_process_worker import workers_in_this_process

ROWS = 120
FACTORY = """
from torch import nn


def build(width):
    layers = [nn.Conv1d(1, width, 2), nn.ReLU(), nn.Flatten(), nn.Linear(2 * width, 1)]
    return nn.Sequential(nn.Unflatten(1, (1, 3)), *layers)
"""


def people(folder: Path, target: list[Any]) -> Path:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({name: rng.normal(size=ROWS).round(3) for name in ("income", "debt", "height")})
    rows.assign(label=[target[index % len(target)] for index in range(ROWS)]).to_csv(folder / "people.csv", index=False)
    return folder / "people.csv"


def written(folder: Path, model: Path, target: list[Any]) -> tuple[Path, dict[str, Any]]:
    command = ["init", str(folder), "--data", str(people(folder, target)), "--target", "label", "--model", str(model)]
    assert guarded(command) == 0
    document = tomllib.loads((folder / "audit.toml").read_text())
    return folder / "audit.toml", dict(document["model"])


@pytest.mark.parametrize(
    ("layers", "target", "expected"),
    [
        (
            [nn.Linear(3, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 1)],
            ["no", "yes"],
            ("mlp", {"hidden": [7, 5], "activation": "relu"}),
        ),
        (
            [nn.Linear(3, 7), nn.GELU(), nn.Dropout(), nn.Linear(7, 7), nn.GELU(), nn.Dropout(), nn.Linear(7, 3)],
            ["a", "b", "c"],
            ("mlp", {"hidden": [7, 7], "activation": "relu", "dropout": 0.1}),
        ),
        ([nn.Linear(3, 1)], ["no", "yes"], ("linear", None)),
        (
            [nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2)],
            ["no", "yes"],
            ("mlp", {"hidden": [16], "activation": "relu"}),
        ),
    ],
)
def test_an_architecture_that_has_the_weights_is_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    layers: list[nn.Module],
    target: list[Any],
    expected: tuple[str, dict[str, Any] | None],
) -> None:
    weights = OrderedDict((f"model.{name}", tensor) for name, tensor in nn.Sequential(*layers).state_dict().items())
    torch.save({"epoch": 3, "state_dict": weights, "hyper_parameters": {"width": 7}}, tmp_path / "last.ckpt")
    with workers_in_this_process():
        config, model = written(tmp_path, tmp_path / "last.ckpt", target)
        assert (model["architecture"], model.get("parameters")) == expected
        assert ("check `activation`" in capsys.readouterr().out) == (expected[0] == "mlp")
        assert guarded(["check", str(config)]) == 0, capsys.readouterr().err


def test_how_numbers_reach_the_network_is_asked_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(nn.Sequential(nn.Linear(3, 1)).state_dict(), tmp_path / "net.pt")
    with workers_in_this_process():
        config, _ = written(tmp_path, tmp_path / "net.pt", ["no", "yes"])
        assert "say how the network wants its numbers: `inputs` of [model]" in " ".join(capsys.readouterr().out.split())
        assert guarded(["check", str(config)]) == 0
        assert "numbers as they are (model.inputs), such as" in capsys.readouterr().out
        config.write_text(config.read_text().replace("# inputs = ", "inputs = "))
        assert guarded(["check", str(config)]) == 0
        assert "numbers standardized by the training rows (model.inputs), such as" in capsys.readouterr().out


def test_several_sets_of_weights_are_a_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = {f"net.{name}": tensor for name, tensor in nn.Sequential(nn.Linear(3, 1)).state_dict().items()}
    torch.save(
        {"epoch": 3, "state_dict": weights, "ema": {name: 2 * tensor for name, tensor in weights.items()}},
        tmp_path / "last.ckpt",
    )
    with workers_in_this_process():
        config, _ = written(tmp_path, tmp_path / "last.ckpt", ["no", "yes"])
        assert "say which weights are meant" in capsys.readouterr().out
        text = config.read_text()
        assert 'or "ema.net"' in text
        config.write_text(text.replace("# weights_in = ", "weights_in = "))
        assert guarded(["check", str(config)]) == 0, capsys.readouterr().err


def test_no_architecture_is_named_where_none_has_the_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "network.py").write_text(FACTORY)
    namespace: dict[str, Any] = {}
    exec(FACTORY, namespace)  # noqa: S102 - the source above
    safetensors.torch.save_file(namespace["build"](4).state_dict(), tmp_path / "cnn.safetensors")
    with workers_in_this_process():
        config, model = written(tmp_path, tmp_path / "cnn.safetensors", ["no", "yes"])
        assert {"architecture", "parameters", "factory"}.isdisjoint(model)
        assert "name the network of these weights: `factory`" in capsys.readouterr().out
        text = config.read_text()
        assert "1.weight [4, 1, 2]" in text
        text = text.replace("# factory", "factory").replace("SHA256", sha256_of(FACTORY.encode()))
        text = re.sub("# parameters = {}", "parameters = { width = 4 }", text).replace("# trust", "trust")
        config.write_text(text)
        assert guarded(["check", str(config)]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "tensors",
    [
        {"weight": torch.zeros(1, 3), "bias": torch.zeros(1)},
        {"0.weight": torch.zeros(1, 3), "0.bias": torch.zeros(1), "1.running_mean": torch.zeros(3)},
        {"0.weight": torch.zeros(4, 3), "0.bias": torch.zeros(4), "2.weight": torch.zeros(1, 5), "2.bias": torch.zeros(1)},
        {"0.weight": torch.zeros(3, 3), "0.bias": torch.zeros(3)},
        {"0.weight": torch.zeros(1, 3)},
        {"w": torch.zeros(3)},
    ],
    ids=["names", "norm", "chain", "outputs", "bias", "one-dimension"],
)  # fmt: skip
def test_other_tensors_are_of_no_architecture(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    safetensors.torch.save_file(tensors, tmp_path / "model.safetensors")
    with workers_in_this_process():
        _, model = written(tmp_path, tmp_path / "model.safetensors", ["no", "yes"])
    assert "architecture" not in model
