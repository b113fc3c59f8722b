"""Small networks of each kind and the ONNX graphs that torch's two exporters write of them."""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import nn

Exporter: TypeAlias = Literal["dynamo", "torchscript"]
EXPORTERS: tuple[Exporter, ...] = ("dynamo", "torchscript")


@dataclass(frozen=True, kw_only=True)
class Original:
    """A network in evaluation mode, the shape of one of its rows, and the module of it whose output layers explain."""

    network: nn.Module
    shape: tuple[int, ...]
    layer: str


class _LastStep(nn.Module):
    def __init__(self, recurrent: nn.RNNBase, width: int) -> None:
        super().__init__()
        self.recurrent, self.head = recurrent, nn.Linear(width, 3)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.recurrent(series)[0][:, -1])
        return outputs


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 3)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.encoder(series).mean(dim=1))
        return outputs


def originals() -> Mapping[str, Original]:
    """The networks, drawn from one seed."""
    torch.manual_seed(0)
    mlp = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
    cnn = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.SiLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)),
    )
    lstm = nn.LSTM(4, 6, num_layers=2, batch_first=True, bidirectional=True)
    found = {
        "mlp": Original(network=mlp, shape=(5,), layer="1"),
        "cnn": Original(network=cnn, shape=(1, 12, 12), layer="4"),
        "lstm": Original(network=_LastStep(lstm, 12), shape=(7, 4), layer="head"),
        "gru": Original(network=_LastStep(nn.GRU(4, 6, batch_first=True), 6), shape=(7, 4), layer="head"),
        "transformer": Original(network=_Encoder(), shape=(6, 8), layer="head"),
    }
    for original in found.values():
        original.network.eval()
    return found


def export(network: nn.Module, example: torch.Tensor, path: Path, exporter: Exporter, *, rows: bool = True) -> Path:
    """Write the graph of a network whose input is `x`.

    Args:
        rows: Whether it takes any number of rows, and not as many as the example has.
    """
    network = copy.deepcopy(network)
    logged = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():  # the exporters speak of torch's own code, and that one of them is older
            warnings.simplefilter("ignore")
            if exporter == "torchscript":
                axes = {"x": {0: "rows"}} if rows else None
                buffer = io.BytesIO()
                torch.onnx.export(network, (example,), buffer, dynamo=False, input_names=["x"], dynamic_axes=axes)
                path.write_bytes(buffer.getvalue())
                return path
            shapes = ({0: torch.export.Dim("rows")},) if rows else None
            written = torch.onnx.export(
                network, (example,), dynamo=True, input_names=["x"], dynamic_shapes=shapes, verbose=False
            )
    finally:
        logging.getLogger("torch.onnx").setLevel(logged)
    if written is None:
        raise RuntimeError("torch.onnx.export gave no program")
    path.write_bytes(written.model_proto.SerializeToString())
    return path
