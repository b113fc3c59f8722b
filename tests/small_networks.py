"""Small inputs of every modality, the networks that take them, and how to build one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.models.architectures import BUILT_IN
from auditbench.models.network import build_network, check_parameters
from auditbench.models.packing import UnpackedNetwork

ARCHITECTURES = {item.name: item for item in BUILT_IN}
TABLE = TableInput(features=tuple(FeatureSpec(name=f"f{i}", kind="number", start=i, stop=i + 1) for i in range(3)))
IMAGE = ImageInput(channels=2, height=9, width=11, mean=(0.0, 0.0), scale=(1.0, 1.0))
TEXT = TextInput(unit="characters", vocabulary=tuple("abcdefgh"), length=7)
SERIES = SeriesInput(channels=("x", "y", "z"), steps=13, mean=(0.0,) * 3, scale=(1.0,) * 3)
MIXED: Mapping[str, ModelInput] = {"type": TABLE, "photo.front": IMAGE, "note": TEXT, "pulse": SERIES}
TRANSFORMER = {"width": 8, "heads": 2, "layers": 2, "feedforward": 12, "dropout": 0.0}

# Name of a case: architecture, parameters, inputs.
NETWORKS: dict[str, tuple[str, dict[str, Any], Mapping[str, ModelInput]]] = {
    "linear-image": ("linear", {}, {"i": IMAGE}),
    "mlp-series": ("mlp", {"hidden": [5]}, {"s": SERIES}),
    "cnn": ("cnn", {"channels": [4, 6], "hidden": [5]}, {"i": IMAGE}),
    "cnn-average-norm": ("cnn", {"channels": [4], "batch_norm": True, "head": "average", "hidden": []}, {"i": IMAGE}),
    "cnn1d": ("cnn1d", {"channels": [4, 5], "kernel": 3, "hidden": [6]}, {"s": SERIES}),
    "rnn": ("rnn", {"cell": "rnn", "embedding": 4, "hidden": 5, "pooling": "mean"}, {"t": TEXT}),
    "lstm": ("rnn", {"embedding": 4, "hidden": 5}, {"t": TEXT}),
    "gru-both-ways": (
        "rnn",
        {"cell": "gru", "embedding": 4, "hidden": 5, "layers": 2, "bidirectional": True, "pooling": "max"},
        {"t": TEXT},
    ),
    "lstm-series": ("rnn", {"hidden": 5, "layers": 2, "bidirectional": True}, {"s": SERIES}),
    "encoder-mean": ("encoder", TRANSFORMER, {"t": TEXT}),
    "encoder-first": ("encoder", {**TRANSFORMER, "pooling": "first"}, {"t": TEXT}),
    "encoder-series": ("encoder", {**TRANSFORMER, "patch": 4}, {"s": SERIES}),
    "decoder": ("decoder", TRANSFORMER, {"t": TEXT}),
    "decoder-tied": ("decoder", {**TRANSFORMER, "tied": True}, {"t": TEXT}),
    "joined": (
        "joined",
        {
            "table_hidden": [4],
            "image_channels": [3, 4],
            "series_channels": [5],
            "kernel": 3,
            "embedding": 6,
            "hidden": [7],
        },
        MIXED,
    ),
}
OUTPUTS = len(TEXT.vocabulary)


def made(name: str, outputs: int = OUTPUTS, seed: int = 0, **parameters: Any) -> nn.Module:
    """The network of a case, in evaluation mode; further parameters replace those of the case."""
    architecture, own, inputs = NETWORKS[name]
    return built(architecture, inputs, outputs, seed, **{**own, **parameters})


def built(
    name: str, inputs: Mapping[str, ModelInput], outputs: int = OUTPUTS, seed: int = 0, **parameters: Any
) -> nn.Module:
    """A network that takes one tensor, in evaluation mode."""
    architecture = ARCHITECTURES[name]
    params = check_parameters(architecture, parameters, where="parameters")
    network = build_network(architecture, params, inputs=inputs, outputs=outputs, seed=seed)
    return (UnpackedNetwork(network, inputs) if len(inputs) > 1 else network).eval()


def encoded(inputs: Mapping[str, ModelInput], rows: int, seed: int = 1) -> torch.Tensor:
    """Random encoded rows; texts of random lengths, the first one empty."""
    generator = torch.Generator().manual_seed(seed)
    parts = [_encoded(item, rows, generator) for item in inputs.values()]
    return parts[0] if len(parts) == 1 else torch.cat([part.flatten(1).float() for part in parts], dim=1)


def _encoded(item: ModelInput, rows: int, generator: torch.Generator) -> torch.Tensor:
    if not isinstance(item, TextInput):
        return torch.randn(rows, *item.shape, generator=generator)
    ids = torch.randint(1, item.tokens, (rows, item.length), generator=generator)
    lengths = torch.randint(1, item.length + 1, (rows, 1), generator=generator)
    lengths[0] = 0
    return torch.where(torch.arange(item.length) < lengths, ids, 0)
