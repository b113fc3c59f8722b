"""Functional networks of many kinds: masks, operations between layers, shared and nested parts, states, constants."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditbench.models.opening.keras_files import open_keras
from tests.keras_networks import OF_KERAS, keras

pytestmark = pytest.mark.filterwarnings(OF_KERAS)

IDS = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 0]], np.int32)
SERIES = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)


def embedded(k: Any, ids: Any) -> Any:
    return k.layers.Embedding(12, 4, mask_zero=True)(ids)


def _masked(k: Any, ids: Any, _series: Any) -> Any:
    return k.layers.Bidirectional(k.layers.LSTM(3))(embedded(k, ids))


def _masks_joined(k: Any, ids: Any, series: Any) -> Any:
    joined = k.layers.Concatenate()([embedded(k, ids), k.layers.Masking()(series)])
    return k.layers.GRU(3)(joined)


def _mask_of_a_mean(k: Any, ids: Any, _series: Any) -> Any:
    return k.layers.GlobalAveragePooling1D()(k.layers.TimeDistributed(k.layers.Dense(3))(embedded(k, ids)))


def _attention(k: Any, ids: Any, _series: Any) -> Any:
    tokens = embedded(k, ids)
    seen = k.layers.LayerNormalization()(tokens + k.layers.MultiHeadAttention(2, 3)(tokens, tokens))
    return k.layers.GlobalMaxPooling1D()(k.layers.Attention()([seen, seen]))


def _constant(k: Any, ids: Any, _series: Any) -> Any:
    return k.layers.Flatten()(embedded(k, ids) + k.layers.Embedding(6, 4)(k.ops.arange(6)))


def _places(k: Any, _ids: Any, series: Any) -> Any:
    return series[:, -1] * 2 - series[:, 0] / 3


def _operations(k: Any, _ids: Any, series: Any) -> Any:
    ops = k.ops
    parts = [ops.mean(series, axis=1), ops.std(series, axis=1), ops.softmax(ops.max(series, axis=1))]
    chosen = ops.where(series > 0, series, ops.zeros_like(series))
    return ops.concatenate([*parts, ops.einsum("bst,bsu->bt", chosen, ops.exp(ops.tanh(series)))], axis=-1)


def _shared(k: Any, _ids: Any, series: Any) -> Any:
    layer = k.layers.Dense(4, activation="relu")
    return k.layers.Flatten()(k.layers.Add()([layer(series), layer(layer(series))]))


def _nested(k: Any, _ids: Any, series: Any) -> Any:
    layers = k.layers
    inner = k.Sequential([k.Input((6, 4)), layers.Conv1D(3, 2, activation="relu"), layers.BatchNormalization()])
    start = k.Input((6, 4))
    other = k.Model(start, layers.Dense(3)(layers.LSTM(4)(start)))
    return layers.GlobalMaxPooling1D()(layers.Add()([inner(series), inner(series * 2)])) + other(series)


def _states(k: Any, _ids: Any, series: Any) -> Any:
    _, *state = k.layers.LSTM(3, return_state=True)(series)
    stacked = k.layers.RNN([k.layers.LSTMCell(3), k.layers.GRUCell(2)])(series)
    return k.layers.Concatenate()([k.layers.LSTM(3)(series, initial_state=state), stacked])


KINDS = (
    *(_masked, _masks_joined, _mask_of_a_mean, _attention, _constant),
    *(_places, _operations, _shared, _nested, _states),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.strip("_"))
def test_outputs_are_those_of_keras(kind: Callable[..., Any], tmp_path: Path) -> None:
    k = keras()
    k.utils.set_random_seed(0)
    ids, series = k.Input((6,), dtype="int32", name="ids"), k.Input((6, 4), name="series")
    network = k.Model([ids, series], k.layers.Dense(2)(kind(k, ids, series)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of inputs that a kind leaves out
        network.save(tmp_path / "model.keras")
    given = [torch.tensor(IDS), torch.tensor(SERIES)]
    opened = open_keras(tmp_path / "model.keras", device="cpu")
    with torch.no_grad():
        found, expected = opened.module(given, training=False), network(given, training=False)
    assert float((expected[0] - expected[1]).abs().max()) > 1e-4
    assert torch.allclose(found, expected, atol=1e-6)
