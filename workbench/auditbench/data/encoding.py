"""From raw rows to what a network takes, in torch, on the network's device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from auditbench.data.encoder import TabularEncoder
from auditbench.data.inputs import ImageInput, ModelInput, SeriesInput, TableInput, TextInput, encoded_size
from auditbench.errors import DataError


def make_encoder(inputs: Mapping[str, ModelInput]) -> nn.Module:
    """The encoder of these inputs: maps tensors of raw rows by name to one tensor of encoded rows.

    One input gives its own shape. Several are packed into rows of float32, one after the other, which `UnpackedNetwork`
    takes apart again; token ids are whole numbers there.
    """
    encoders = {name: _encoder(name, item) for name, item in inputs.items()}
    return next(iter(encoders.values())) if len(encoders) == 1 else PackedEncoder(encoders)


def pack(encoded: Iterable[torch.Tensor]) -> torch.Tensor:
    """Encoded rows of several inputs as one matrix of float32, shape `(rows, numbers of all inputs)`, one input behind the
    other."""
    return torch.cat([tensor.flatten(1).to(torch.float32) for tensor in encoded], dim=1)


def encoded_zeros(inputs: Mapping[str, ModelInput], rows: int, device: str) -> torch.Tensor:
    """Encoded rows of zeros, to try a network with."""
    if len(inputs) > 1:
        return torch.zeros((rows, encoded_size(inputs)), device=device)
    (item,) = inputs.values()
    return torch.zeros((rows, *item.shape), dtype=torch.int64 if isinstance(item, TextInput) else None, device=device)


class ImageEncoder(nn.Module):
    """Standardises images: `(value / largest - mean) / scale`, channel by channel."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, name: str, item: ImageInput) -> None:
        super().__init__()
        self.name, self.shape, self.largest = name, item.shape, item.largest
        self.register_buffer("mean", torch.tensor(item.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(item.scale).view(-1, 1, 1), persistent=False)

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Encode raw images of shape `(rows, channels, height, width)`; float32 of that shape.

        Raises:
            DataError: The images have another shape.
        """
        images = _of_shape(inputs[self.name], self.shape, "images")
        return (images.to(torch.float32) / self.largest - self.mean) / self.scale


class TextEncoder(nn.Module):
    """Hands token ids on."""

    def __init__(self, name: str, item: TextInput) -> None:
        super().__init__()
        self.name, self.shape = name, item.shape

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Token ids of shape `(rows, length)`, int64.

        Raises:
            DataError: The texts have another length.
        """
        return _of_shape(inputs[self.name], self.shape, "token ids").to(torch.int64)


class SeriesEncoder(nn.Module):
    """Standardises series, channel by channel; what is missing becomes 0, the mean."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, name: str, item: SeriesInput) -> None:
        super().__init__()
        self.name, self.shape = name, item.shape
        self.register_buffer("mean", torch.tensor(item.mean, dtype=torch.float64).view(-1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(item.scale, dtype=torch.float64).view(-1, 1), persistent=False)

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Encode raw series of shape `(rows, channels, steps)`; float32 of that shape.

        Raises:
            DataError: The series have another shape.
        """
        series = _of_shape(inputs[self.name], self.shape, "series").to(torch.float64)
        return torch.nan_to_num((series - self.mean) / self.scale, nan=0.0).to(torch.float32)


class PackedEncoder(nn.Module):
    """Encodes several inputs into one matrix, in the order of their names here."""

    def __init__(self, encoders: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders.values())

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Encoded rows, shape `(rows, numbers of all inputs)`, float32."""
        return pack(encoder(inputs) for encoder in self.encoders)


def _encoder(name: str, item: ModelInput) -> nn.Module:
    if isinstance(item, TableInput):
        return TabularEncoder(item.features, name=name)
    if isinstance(item, ImageInput):
        return ImageEncoder(name, item)
    if isinstance(item, TextInput):
        return TextEncoder(name, item)
    return SeriesEncoder(name, item)


def _of_shape(raw: torch.Tensor, shape: tuple[int, ...], what: str) -> torch.Tensor:
    if tuple(raw.shape[1:]) != shape:
        raise DataError(f"expected {what} of shape (rows, {', '.join(map(str, shape))}), got {tuple(raw.shape)}")
    return raw.detach()
