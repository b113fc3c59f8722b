"""What Keras 2 wrote otherwise than Keras 3 reads it: keys that Keras 3 does not take, and settings that it would take for others.

Silently, Keras 3 computes another `hard_sigmoid`, which was the usual gate of recurrent layers up to Keras 2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from auditbench.models.opening.files import Damage

_RECURRENT = ("time_major", "implementation")
_SIZED = ("1D", "2D", "3D")
_DROPPED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("GRU", "LSTM", "RNN", "SimpleRNN"), _RECURRENT),
    **dict.fromkeys((f"ConvLSTM{size}" for size in _SIZED), _RECURRENT),
    **dict.fromkeys((f"DepthwiseConv{size}" for size in _SIZED), ("groups",)),
    **dict.fromkeys(
        (f"SeparableConv{size}" for size in _SIZED),
        ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    ),
    **dict.fromkeys((f"Conv{size}Transpose" for size in _SIZED), ("groups",)),
    **dict.fromkeys((f"SpatialDropout{size}" for size in _SIZED), ("trainable", "noise_shape")),
    **dict.fromkeys(
        (f"Random{name}" for name in ("Brightness", "Contrast", "Flip", "Rotation", "Translation", "Zoom")),
        ("rng_type",),
    ),
    "Attention": ("score_mode",),
    "MultiHeadAttention": ("query_shape", "key_shape", "value_shape", "softmax_robust_masking"),
}
# The only values of dropped keys that say what Keras 3 does anyway; of the others any value does.
_USUAL: dict[str, tuple[Any, ...]] = {
    "time_major": (False, None),
    "groups": (1,),
    "score_mode": ("dot", None),
    "softmax_robust_masking": (False, None),
}
_HARD_SIGMOID = "hard_sigmoid"


def is_former(version: str) -> bool:
    """Whether a version is of Keras 2, or before there were any."""
    found = re.match(r"\d+", version)
    return found is None or int(found[0]) < 3


def renewed(value: Any, *, former: bool) -> Any:
    """The configuration as Keras 3 reads it.

    Args:
        former: Whether Keras 2 wrote it.

    Raises:
        Damage: A key that Keras 3 does not take says something unusual.
    """
    if isinstance(value, list):
        return [renewed(one, former=former) for one in value]
    if not isinstance(value, dict):
        return value
    copied = {key: renewed(one, former=former) for key, one in value.items()}
    name, config = copied.get("class_name"), copied.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        return copied
    for key in _DROPPED.get(name, ()):
        if (given := config.pop(key, None)) not in (*_USUAL.get(key, (given,)), None):
            raise Damage(
                f"has a layer with a setting of Keras 2 that Keras 3 does not have: {key}",
                found=f"{name}: {key} = {given!r}"[:160],
                allowed=f"{key} = {_USUAL[key][0]!r}",
                fix="export the network to ONNX with the version of Keras that made it",
            )
    if former and name == "GRU":
        config.setdefault("reset_after", False)
    if former and name == "Functional":
        sequences = {layer.get("name") for layer in config.get("layers", ()) if layer.get("class_name") == "Sequential"}
        for key in ("input_layers", "output_layers"):
            config[key] = _counted(config.get(key), sequences)
        for layer in config.get("layers", ()):
            layer["inbound_nodes"] = _counted(layer.get("inbound_nodes", []), sequences)
    return copied


def has_hard_sigmoid(value: Any) -> bool:
    """Whether a layer has this activation."""
    if isinstance(value, list):
        return any(map(has_hard_sigmoid, value))
    if isinstance(value, dict):
        return any(
            (key.endswith("activation") and one == _HARD_SIGMOID) or has_hard_sigmoid(one) for key, one in value.items()
        )
    return False


def put_back_hard_sigmoid(keras: Any, layers: Iterable[Any]) -> None:
    """Let the layers compute `hard_sigmoid` as Keras 2 did: `0.2 x + 0.5` between 0 and 1.

    Keras 3 has `x / 6 + 0.5`. Source: Keras 2.0.5, `keras/backend/tensorflow_backend.py`.
    """

    def hard_sigmoid(inputs: Any) -> Any:
        return keras.ops.clip(0.2 * inputs + 0.5, 0.0, 1.0)

    for layer in layers:
        for name in ("activation", "recurrent_activation"):
            if vars(layer).get(name) is keras.activations.hard_sigmoid:
                setattr(layer, name, hard_sigmoid)


def _counted(nodes: Any, sequences: set[Any]) -> Any:
    """References to the uses of layers; those of a Sequential began with 1 in Keras 2, and begin with 0 in Keras 3."""
    if not isinstance(nodes, list):
        return nodes
    if len(nodes) >= 3 and nodes[0] in sequences and isinstance(nodes[1], int) and nodes[1] > 0:
        return [nodes[0], nodes[1] - 1, *(_counted(one, sequences) for one in nodes[2:])]
    return [_counted(one, sequences) for one in nodes]
