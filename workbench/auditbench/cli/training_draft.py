"""The tables of a first audit.toml that say how the model is made, by what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditbench.run import Modality, Task

_TRAINED: Mapping[Modality, Sequence[str]] = {
    "tabular": (
        'architecture = "mlp"          # or "linear"',
        "epochs = 30",
        "[train.parameters]",
        'hidden = [64, 32]             # widths of the hidden layers; leave this table out for "linear"',
    ),
    "image": (
        'architecture = "cnn"          # or "linear", "mlp"',
        "batch_size = 32",
        "epochs = 10",
        'augment = []                  # how images are varied: "flip", "shift", "rotate", "noise", "crop"',
        "[train.parameters]",
        "channels = [16, 32]           # of each block, which halves height and width",
    ),
    "text": (
        'architecture = "rnn"          # or "encoder", a transformer',
        "batch_size = 32",
        "epochs = 8",
        "learning_rate = 0.002",
        "clip_norm = 1.0",
        "[train.parameters]",
        'cell = "gru"                  # or "lstm", "rnn"',
        'pooling = "max"',
        "bidirectional = true",
    ),
    "series": (
        'architecture = "cnn1d"        # or "rnn", "encoder", "mlp"',
        "batch_size = 32",
        "epochs = 40",
    ),
    "mixed": (
        'architecture = "joined"       # a branch for each input, joined before the last layers',
        "batch_size = 32",
        "epochs = 10",
    ),
}


_LANGUAGE = (
    'architecture = "decoder"      # as GPT',
    "batch_size = 32",
    "epochs = 10",
    "learning_rate = 0.002",
    'schedule = "cosine"',
    "clip_norm = 1.0",
    "[train.parameters]",
    "width = 64                    # numbers that stand for a token",
    "layers = 2",
    "heads = 4",
)


def draft_training(modality: Modality, task: Task) -> list[str]:
    """The `[train]` table for a model that takes this and answers that, ended by an empty line."""
    return [
        "[train]                       # how the model is made when there is none at that path",
        *(_LANGUAGE if task == "next-token" else _TRAINED[modality]),
        "",
    ]
