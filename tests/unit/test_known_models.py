"""Known models give the answers that they are known for, computed here in another way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import erf

from auditbench.data.inputs import PADDING
from auditbench.data.next_tokens import FIRST_TOKEN
from auditbench.models import ModelUnderTest
from auditbench.testing import (
    KnownModel,
    additive_model,
    constant_model,
    linear_model,
    tiny_cnn,
    tiny_gpt,
    toy_context,
    xor_model,
)

WITH_SHAPLEY = (linear_model, xor_model, additive_model, constant_model)


def by_coalitions(model: ModelUnderTest, rows: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley values by their definition: every order in which features are revealed, on every background row."""
    features = rows.shape[1]
    values = np.zeros((len(rows), 1, features))
    orders = list(itertools.permutations(range(features)))
    for row, order in itertools.product(range(len(rows)), orders):
        hidden = background.copy()
        before = model.predict({"features": hidden}).mean()
        for feature in order:
            hidden[:, feature] = rows[row, feature]
            after = model.predict({"features": hidden}).mean()
            values[row, 0, feature] += (after - before) / len(orders)
            before = after
    return values


@pytest.mark.parametrize("make", WITH_SHAPLEY, ids=lambda make: make.__name__)
def test_shapley_values_are_those_of_the_definition(make: Callable[[], KnownModel]) -> None:
    known = make()
    data, model = known.subject.data, known.subject.model
    rows, background = data.take(np.arange(4)), data.background(12, np.random.default_rng(0))
    assert known.shapley is not None
    found = known.shapley(rows, background)
    expected = by_coalitions(model, rows.inputs["features"], background.inputs["features"])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (np.abs(found).max() > 0.1) == (make is not constant_model)


def test_left_and_right_share_the_logit_equally_where_the_background_is_the_four_corners() -> None:
    known = xor_model()
    corners = known.subject.data.take(np.arange(4))
    assert known.shapley is not None
    found = known.shapley(corners, corners)[:, 0]
    logits = known.subject.model.predict(corners.inputs)[:, 0]
    assert logits.tolist() == [-2.0, 2.0, 2.0, -2.0]
    np.testing.assert_array_equal(found, np.stack([logits / 2, logits / 2, 0 * logits], axis=1))


def test_the_terms_of_the_additive_model_are_not_linear_and_do_not_interact() -> None:
    model = additive_model().subject.model
    raw = np.asarray([[1.0, 2.0, -3.0, 9.0], [0.0, -2.0, 0.5, 0.0]])
    assert model.predict({"features": raw})[:, 0].tolist() == [9.0, 4.5]


def weights_of(known: KnownModel) -> dict[str, np.ndarray]:
    state = known.subject.model.module.state_dict()
    return {name: tensor.double().numpy() for name, tensor in state.items()}


def test_the_small_convolution_is_what_plain_loops_compute() -> None:
    known = tiny_cnn()
    pixels = known.subject.data.take(np.arange(5)).inputs["image"]
    (item,) = known.subject.model.inputs.values()
    weights = list(weights_of(known).values())
    kernels, kernel_bias, hidden, hidden_bias, last, last_bias = weights
    assert [array.shape for array in weights] == [(4, 1, 3, 3), (4,), (6, 24), (6,), (3, 6), (3,)]
    expected = []
    for image in (pixels[:, 0] / 255.0 - item.mean[0]) / item.scale[0]:  # type: ignore[union-attr]
        padded = np.pad(image, 1)
        maps = np.zeros((4, 6, 5))
        for channel, down, across in np.ndindex(4, 6, 5):
            window = padded[down : down + 3, across : across + 3]
            maps[channel, down, across] = max(0.0, (window * kernels[channel, 0]).sum() + kernel_bias[channel])
        pooled = [maps[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max() for c, i, j in np.ndindex(4, 3, 2)]
        inner = np.maximum(0.0, hidden @ np.asarray(pooled) + hidden_bias)
        expected.append(last @ inner + last_bias)
    np.testing.assert_allclose(known.subject.model.predict({"image": pixels}), expected, atol=1e-5)


def normed(states: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    centred = states - states.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * scale + shift


def attended(states: np.ndarray, weights: dict[str, np.ndarray], heads: int) -> np.ndarray:
    """Causal attention of one text, head by head and token by token."""
    projected = states @ weights["self_attn.in_proj_weight"].T + weights["self_attn.in_proj_bias"]
    queries, keys, values = np.split(projected, 3, axis=1)
    size = states.shape[1] // heads
    joined = np.zeros_like(states)
    for head, place in np.ndindex(heads, len(states)):
        part = slice(head * size, (head + 1) * size)
        scores = keys[: place + 1, part] @ queries[place, part] / math.sqrt(size)
        shares = np.exp(scores - scores.max())
        joined[place, part] = shares @ values[: place + 1, part] / shares.sum()
    return joined @ weights["self_attn.out_proj.weight"].T + weights["self_attn.out_proj.bias"]


def decoded(ids: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Logits of what follows the last token of one text."""
    states = weights["embedding.weight"][ids] + weights["position_embedding.weight"][: len(ids)]
    for layer in range(2):
        own = {name.removeprefix(f"layers.{layer}."): array for name, array in weights.items()}
        states = states + attended(normed(states, own["norm1.weight"], own["norm1.bias"]), own, heads=2)
        inner = normed(states, own["norm2.weight"], own["norm2.bias"]) @ own["linear1.weight"].T + own["linear1.bias"]
        gelu = inner * 0.5 * (1.0 + erf(inner / math.sqrt(2.0)))
        states = states + gelu @ own["linear2.weight"].T + own["linear2.bias"]
    last = normed(states, weights["norm.weight"], weights["norm.bias"])[-1]
    return weights["output.weight"] @ last + weights["output.bias"]


def test_the_small_decoder_is_what_a_plain_transformer_computes() -> None:
    known = tiny_gpt()
    texts = known.subject.data.take(np.arange(6)).inputs["text"]
    weights = weights_of(known)
    expected = [decoded(ids[ids != PADDING], weights) for ids in texts]
    np.testing.assert_allclose(known.subject.model.predict({"text": texts}), expected, atol=1e-5)
    assert len({int((ids != PADDING).sum()) for ids in texts}) > 2


def test_the_small_decoder_is_a_language_model_of_the_words() -> None:
    subject = tiny_gpt().subject
    (item,) = subject.model.inputs.values()
    assert subject.data.task == subject.model.facts.task == "next-token"
    assert subject.model.target_names == subject.data.classes == item.vocabulary  # type: ignore[union-attr]
    assert len(item.vocabulary) + FIRST_TOKEN == item.tokens  # type: ignore[union-attr]
    assert subject.data.clusters is not None
    assert len(set(subject.data.clusters)) == 12


@pytest.mark.parametrize("make", [*WITH_SHAPLEY, tiny_cnn, tiny_gpt], ids=lambda make: make.__name__)
def test_a_known_model_is_the_same_each_time_and_whatever_was_drawn_before(make: Callable[[], Any]) -> None:
    torch.manual_seed(3)
    one = make().subject
    torch.manual_seed(4)
    other = make().subject
    np.testing.assert_array_equal(toy_context(one).outputs, toy_context(other).outputs)
    np.testing.assert_array_equal(one.data.y_true, other.data.y_true)
    assert toy_context(one).outputs.shape == (60, len(one.model.target_names))
