"""Small networks of Keras, made and saved by Keras, and files that Keras 2 wrote."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.models import Interface, ModelUnderTest, Origin, wrap_network
from auditbench.models.keras import KerasNetwork
from auditbench.models.opening.keras_files import open_keras
from auditbench.models.opening.keras_library import imported_keras
from auditbench.run import OutputScale, Task

KERAS2 = Path(__file__).parent / "data" / "keras2"
OF_KERAS = "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
"""What Keras itself does with numpy 2 where a test asks it for weights or predictions."""

EVERY = ("cnn", "lstm", "gru", "two", "mlp")


def keras() -> Any:
    """Keras on torch, as the product imports it."""
    return imported_keras("a test")


def table(width: int) -> TableInput:
    """Numbers that reach the network as they are."""
    return TableInput(
        features=tuple(FeatureSpec(name=f"x{i}", kind="number", start=i, stop=i + 1) for i in range(width))
    )


def image(channels: int, height: int, width: int) -> ImageInput:
    """Images whose numbers reach the network as they are."""
    zeros, ones = (0.0,) * channels, (1.0,) * channels
    return ImageInput(channels=channels, height=height, width=width, largest=1.0, mean=zeros, scale=ones)


def series(channels: int, steps: int) -> SeriesInput:
    """Series whose numbers reach the network as they are."""
    names = tuple(f"c{i}" for i in range(channels))
    return SeriesInput(channels=names, steps=steps, mean=(0.0,) * channels, scale=(1.0,) * channels)


def words(tokens: int, length: int) -> TextInput:
    """Texts of so many different token ids."""
    return TextInput(unit="words", vocabulary=tuple(f"w{i}" for i in range(tokens - 2)), length=length)


INPUTS: Mapping[str, Mapping[str, ModelInput]] = {
    "cnn": {"image": image(2, 12, 10)},
    "lstm": {"text": words(30, 9)},
    "gru": {"series": series(3, 15)},
    "two": {"signal": series(2, 12), "features": table(4)},
    "mlp": {"features": table(5)},
}
"""What the networks of `made` take; of `two` the inputs in another order than in the network."""


@cache
def made(name: str) -> Any:
    """A network with random weights, and running moments that are not 0 and 1."""
    k = keras()
    k.utils.set_random_seed(1)
    network = _MAKERS[name](k)
    rng = np.random.default_rng(2)
    network.set_weights([values + rng.uniform(0.05, 0.3, values.shape) for values in network.get_weights()])
    return network


def saved(network: Any, path: Path) -> Path:
    """The path, with the network in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of .h5, which Keras calls legacy
        network.save(path)
    return path


def opened(
    path: Path,
    inputs: Mapping[str, ModelInput],
    *,
    task: Task = "regression",
    outputs: int = 1,
    output: OutputScale = "value",
) -> ModelUnderTest:
    """The model under test of a file."""
    found = open_keras(path, device="cpu")
    classes = tuple(f"class {i}" for i in range(2 if task == "binary-classification" else outputs))
    return wrap_network(
        KerasNetwork(found, inputs, device="cpu", where=str(path)),
        Interface(task=task, classes=() if task == "regression" else classes, output=output, inputs=inputs),
        Origin(name="keras", format="keras", architecture="Keras", digest=found.sha256),
        device="cpu",
        capabilities=("gradients", "black_box"),
    )


def raw_rows(inputs: Mapping[str, ModelInput], rows: int = 7, seed: int = 0) -> dict[str, Any]:
    """Random raw rows of these inputs."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, Any] = {}
    for name, item in inputs.items():
        if isinstance(item, TextInput):
            ends = rng.integers(2, item.length + 1, (rows, 1))
            ids = rng.integers(1, item.tokens, (rows, item.length))
            drawn[name] = np.where(np.arange(item.length) < ends, ids, 0)
        else:
            drawn[name] = rng.normal(size=(rows, *item.shape)).astype(np.float32)
    return drawn


def channels_last(rows: Any) -> Any:
    """Images or series with their channels behind the other axes; other rows as they are."""
    return np.moveaxis(rows, 1, -1) if rows.ndim > 2 else rows


def computed(network: Any, rows: Mapping[str, Any]) -> Any:
    """What `network.predict` of Keras itself gives for raw rows."""
    given = {name: channels_last(array) for name, array in rows.items()}
    taken = [given[tensor.name] for tensor in network.inputs] if len(given) > 1 else next(iter(given.values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(network.predict(taken, verbose=0, batch_size=3))


def gradients(module: torch.nn.Module, rows: torch.Tensor) -> torch.Tensor:
    """Gradient of the sum of the first output with respect to some rows."""
    rows = rows.clone().requires_grad_()
    (found,) = torch.autograd.grad(module(rows)[:, 0].sum(), rows)
    return found


def _cnn(k: Any) -> Any:
    layers = k.layers
    return k.Sequential(
        [
            k.Input((12, 10, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def _lstm(k: Any) -> Any:
    layers = k.layers
    return k.Sequential(
        [k.Input((9,)), layers.Embedding(30, 6, mask_zero=True), layers.LSTM(5, dropout=0.2), layers.Dense(1)]
    )


def _gru(k: Any) -> Any:
    layers = k.layers
    return k.Sequential(
        [k.Input((15, 3)), layers.Bidirectional(layers.GRU(4)), layers.LayerNormalization(), layers.Dense(1, "tanh")]
    )


def _two(k: Any) -> Any:
    layers = k.layers
    one, other = k.Input((4,), name="features"), k.Input((12, 2), name="signal")
    joined = layers.Concatenate()([one * 2 + 1.0, layers.LSTM(5)(other)])
    return k.Model([one, other], layers.Dense(1)(k.ops.relu(joined)))


def _mlp(k: Any) -> Any:
    layers = k.layers
    hidden = [layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dense(6, activation="gelu")]
    return k.Sequential([k.Input((5,)), *hidden, layers.Dense(1, activation="sigmoid")])


_MAKERS: Mapping[str, Callable[[Any], Any]] = {"cnn": _cnn, "lstm": _lstm, "gru": _gru, "two": _two, "mlp": _mlp}
