"""Train income.onnx again: a residual network of plain torch on the Adult census data that Auditbench carries, exported by
`torch.onnx`.

Run as `python examples/07-onnx/build_onnx.py` after `pip install 'auditbench[onnx]'`; it takes about ten seconds.
Nothing here is of Auditbench but the table: this is what anyone has who trained a network with torch and deploys it as ONNX.

`encode` makes the matrix that the network takes, and so says what an audit has to give it: the columns in the order of the
table; numbers as they are, since the network standardizes them itself; categories one-hot in the order of their names, and
behind them a column for a category that is missing or that training did not have. The network gives two scores, one a class, as
a network does that was trained with cross-entropy.
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import nn

import auditbench.data

TABLE = Path(auditbench.data.__file__).parent / "adult.parquet"
TARGET = Path(__file__).parent / "income.onnx"
NOT_TAKEN = ("income", "split", "fnlwgt", "education")
"""The answer, the part, a sampling weight, and what education_num says as a number."""
ROWS = {"train": 32_561, "test": 16_281}
EPOCHS, BATCH, RATE = 8, 256, 0.002


class Standardized(nn.Module):
    """Columns less their mean, by their standard deviation."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, columns: torch.Tensor) -> torch.Tensor:
        """Shape as given."""
        return (columns - self.mean) / self.scale


class Block(nn.Module):
    """A hidden layer beside which its input goes on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(0.2))

    def forward(self, columns: torch.Tensor) -> torch.Tensor:
        """Shape as given."""
        return columns + self.inner(columns)


def main() -> None:
    """Encode, train, evaluate, and write the file that `--out` names."""
    parser = argparse.ArgumentParser(description="Train income.onnx again.")
    parser.add_argument("--out", type=Path, default=TARGET, help="file to write (default: the one beside this script)")
    out: Path = parser.parse_args().out
    columns = {name: np.array(values, dtype=object) for name, values in pq.read_table(TABLE).to_pydict().items()}
    train = torch.from_numpy(columns["split"] == "train")
    if (int(train.sum()), int((~train).sum())) != tuple(ROWS.values()):
        raise SystemExit(f"{TABLE}: expected {ROWS} rows")
    encoded, scaled = encode(columns)
    rich = torch.from_numpy((columns["income"] == ">50K").astype(np.int64))
    torch.manual_seed(0)
    network = build(encoded[train], scaled)
    fit(network, encoded[train], rich[train])
    with torch.inference_mode():
        accuracy = float((network(encoded[~train]).argmax(dim=1) == rich[~train]).float().mean())
    write(network, encoded[:2], out)
    weights = sum(parameter.numel() for parameter in network.parameters())
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {weights:,} weights, accuracy {accuracy:.4f}, {out.stat().st_size:,} bytes, sha256 {digest}")


def encode(columns: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrix that the network takes, and which of its columns are numbers."""
    train = columns["split"] == "train"
    parts, scaled = [], []
    for name, values in columns.items():
        if name in NOT_TAKEN:
            continue
        if not any(isinstance(value, str) for value in values):
            parts.append(values.astype(np.float32)[:, np.newaxis])
            scaled.append(True)
            continue
        known = sorted({value for value in values[train] if value is not None})
        place = {value: index for index, value in enumerate(known)}
        one_hot = np.zeros((len(values), len(known) + 1), np.float32)
        one_hot[np.arange(len(values)), [place.get(value, len(known)) for value in values]] = 1.0
        parts.append(one_hot)
        scaled += [False] * (len(known) + 1)
    return torch.from_numpy(np.concatenate(parts, axis=1)), torch.tensor(scaled)


def build(encoded: torch.Tensor, scaled: torch.Tensor) -> nn.Sequential:
    """Two residual blocks between two linear layers."""
    mean = torch.where(scaled, encoded.mean(dim=0), 0.0)
    scale = torch.where(scaled, encoded.std(dim=0), 1.0)
    first = nn.Linear(encoded.shape[1], 48)
    return nn.Sequential(Standardized(mean, scale), first, Block(48), Block(48), nn.LayerNorm(48), nn.Linear(48, 2))


def fit(network: nn.Module, encoded: torch.Tensor, rich: torch.Tensor) -> None:
    """Train in place, and leave the network in evaluation mode."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    steps = EPOCHS * -(-len(encoded) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for rows in torch.randperm(len(encoded)).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(encoded[rows]), rich[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss) * len(rows)
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {total / len(encoded):.4f}")
    network.eval()


def write(network: nn.Module, example: torch.Tensor, out: Path) -> None:
    """Export the network for any number of rows, weights and all in one file."""
    with warnings.catch_warnings():  # of torch about its own exporter
        warnings.simplefilter("ignore", FutureWarning)
        written = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=["census"],
            output_names=["scores"],
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            verbose=False,
        )
    if written is None:
        raise SystemExit("torch.onnx.export gave no graph")
    graph = written.model_proto
    for node in graph.graph.node:
        del node.metadata_props[:]  # places in the code of this machine
    out.write_bytes(graph.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
