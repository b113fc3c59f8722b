"""The networks that come with the product. Importing this package does not import torch."""

from __future__ import annotations

from collections.abc import Mapping

from auditbench.errors import Problem
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.cnn import CNN
from auditbench.models.architectures.cnn1d import CNN1D
from auditbench.models.architectures.decoder import DECODER
from auditbench.models.architectures.encoder import ENCODER
from auditbench.models.architectures.joined import JOINED
from auditbench.models.architectures.linear import LINEAR
from auditbench.models.architectures.mlp import MLP
from auditbench.models.architectures.rnn import RNN
from auditbench.run import Modality

BUILT_IN: tuple[Architecture, ...] = (LINEAR, MLP, CNN, CNN1D, RNN, ENCODER, DECODER, JOINED)

_KINDS: Mapping[Modality, str] = {
    "tabular": "a table",
    "image": "images",
    "text": "texts",
    "series": "series",
    "mixed": "several inputs",
}


_CALLED: Mapping[str, str] = {
    "lstm": '`rnn` with `cell = "lstm"` among its parameters',
    "gru": '`rnn` with `cell = "gru"` among its parameters',
    "bilstm": "`rnn` with `bidirectional = true` among its parameters",
    "transformer": "`encoder`, or `decoder` to predict the next token",
    "bert": "`encoder`",
    "gpt": "`decoder`",
    "logistic": "`linear`, which is logistic regression where the task is a classification",
    "logistic-regression": "`linear`, which is logistic regression where the task is a classification",
    "softmax": "`linear`, which is softmax regression where the task is a classification",
    "regression": "`linear`",
    "perceptron": "`mlp`",
    "dense": "`mlp`",
    "dnn": "`mlp`",
    "convnet": "`cnn`, or `cnn1d` for series",
    "conv1d": "`cnn1d`",
    "conv2d": "`cnn`",
    "multimodal": "`joined`",
}


def usually_called(name: str) -> str:
    """A suggestion for what is usually called so and has another name here; empty for anything else."""
    meant = _CALLED.get(name.lower())
    return f"name {meant}" if meant else ""


def modality_problem(architecture: Architecture, modalities: Mapping[str, Modality], *, where: str) -> Problem | None:
    """What is wrong with an architecture that does not take inputs of these modalities, by name; None where it does.

    Args:
        modalities: Of at least one input.
    """
    modality: Modality = next(iter(modalities.values())) if len(modalities) == 1 else "mixed"
    if modality in architecture.modalities:
        return None
    fitting = [item.name for item in BUILT_IN if modality in item.modalities]
    return Problem(
        message=f"the architecture {architecture.name!r} does not take {_KINDS[modality]}",
        where=where,
        found=", ".join(f"{name} ({item})" for name, item in modalities.items()),
        allowed=", ".join(_KINDS[item] for item in architecture.modalities),
        fix=f"name an architecture that takes {_KINDS[modality]}, such as {', '.join(map(repr, fitting))}",
    )


__all__ = ["BUILT_IN", "modality_problem", "usually_called"]
