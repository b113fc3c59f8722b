"""The networks that come with the product. Importing this package does not import torch."""

from __future__ import annotations

from auditbench.models.architecture import Architecture
from auditbench.models.architectures.cnn import CNN
from auditbench.models.architectures.cnn1d import CNN1D
from auditbench.models.architectures.decoder import DECODER
from auditbench.models.architectures.encoder import ENCODER
from auditbench.models.architectures.joined import JOINED
from auditbench.models.architectures.linear import LINEAR
from auditbench.models.architectures.mlp import MLP
from auditbench.models.architectures.rnn import RNN

BUILT_IN: tuple[Architecture, ...] = (LINEAR, MLP, CNN, CNN1D, RNN, ENCODER, DECODER, JOINED)

__all__ = ["BUILT_IN"]
