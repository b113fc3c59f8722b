"""Encoder and decoder against attention in plain numpy; padding, causality and sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from torch.utils._python_dispatch import TorchDispatchMode

from auditbench.data.inputs import PADDING, UNKNOWN, TextInput
from auditbench.errors import ModelError
from tests.small_networks import NETWORKS, SERIES, TEXT, TRANSFORMER, built, encoded, made

Numbers = npt.NDArray[Any]


def livelier(network: torch.nn.Module) -> torch.nn.Module:
    """Larger weights than networks start with, so that a difference would be seen."""
    generator = torch.Generator().manual_seed(5)
    for name, tensor in network.state_dict().items():
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.5 + ("norm" in name and "weight" in name))
    return network


def weights_of(network: torch.nn.Module) -> dict[str, Numbers]:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def normed(states: Numbers, weights: dict[str, Numbers], name: str) -> Numbers:
    spread = np.sqrt(states.var(-1, keepdims=True) + 1e-5)
    return (states - states.mean(-1, keepdims=True)) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attended(states: Numbers, weights: dict[str, Numbers], name: str, heads: int, seen: Numbers) -> Numbers:
    """Every token asks each other one that it sees; shape `(tokens, width)` in and out."""
    width = states.shape[1] // heads
    asked, keys, values = np.split(states @ weights[f"{name}.in_proj_weight"].T + weights[f"{name}.in_proj_bias"], 3, 1)
    given = np.zeros_like(states)
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        for token in range(len(states)):
            fit = np.asarray([asked[token, part] @ keys[other, part] / np.sqrt(width) for other in range(len(states))])
            share = special.softmax(np.where(seen[token], fit, -np.inf))
            given[token, part] = share @ values[:, part]
    return given @ weights[f"{name}.out_proj.weight"].T + weights[f"{name}.out_proj.bias"]


def layered(states: Numbers, weights: dict[str, Numbers], seen: Numbers, heads: int = 2, layers: int = 2) -> Numbers:
    for layer in range(layers):
        name = f"layers.{layer}"
        states = states + attended(normed(states, weights, f"{name}.norm1"), weights, f"{name}.self_attn", heads, seen)
        hidden = normed(states, weights, f"{name}.norm2") @ weights[f"{name}.linear1.weight"].T
        hidden = hidden + weights[f"{name}.linear1.bias"]
        hidden = hidden * stats.norm.cdf(hidden)
        states = states + hidden @ weights[f"{name}.linear2.weight"].T + weights[f"{name}.linear2.bias"]
    return normed(states, weights, "norm")


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_texts_are_encoded_as_by_hand(pooling: str) -> None:
    network = livelier(built("encoder", {"t": TEXT}, **TRANSFORMER, pooling=pooling))
    weights, batch = weights_of(network), encoded({"t": TEXT}, 5)
    batch[4] = torch.tensor([3, 0, 4, 0, 0, 5, 0])  # padding in between is not seen either
    found = network(batch).detach().numpy()
    for ids, outputs in zip(batch.numpy(), found, strict=True):
        states, counted = weights["embedding.weight"][ids], ids != PADDING
        if pooling == "first":
            states, counted = np.vstack([weights["start"], states]), np.concatenate([[True], counted])
        counted[0] |= not counted.any()
        states = layered(states + weights["position_embedding.weight"], weights, np.tile(counted, (len(counted), 1)))
        pooled = states[0] if pooling == "first" else states[counted].mean(0)
        expected = weights["output.weight"] @ pooled + weights["output.bias"]
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


def test_series_are_encoded_patch_by_patch() -> None:
    network = livelier(built("encoder", {"s": SERIES}, **TRANSFORMER, patch=4))
    weights, batch = weights_of(network), encoded({"s": SERIES}, 2)
    found = network(batch).detach().numpy()
    for series, outputs in zip(batch.double().numpy(), found, strict=True):
        padded = np.concatenate([series, np.zeros((3, 3))], axis=1)
        patches = np.asarray([padded[:, start : start + 4].ravel() for start in (0, 4, 8, 12)])
        states = patches @ weights["embedding.projection.weight"].T + weights["embedding.projection.bias"]
        states = layered(states + weights["position_embedding.weight"], weights, np.ones((4, 4), dtype=bool))
        expected = weights["output.weight"] @ states.mean(0) + weights["output.bias"]
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tied", [False, True])
def test_each_position_of_the_decoder_is_as_by_hand(tied: bool) -> None:
    network = livelier(built("decoder", {"t": TEXT}, **TRANSFORMER, tied=tied))
    weights, batch = weights_of(network), encoded({"t": TEXT}, 4)
    everywhere, found = network.positions(batch).detach().numpy(), network(batch).detach().numpy()
    assert everywhere.shape == (4, 7, 8)
    for ids, positions, outputs in zip(batch.numpy(), everywhere, found, strict=True):
        states = weights["embedding.weight"][ids] + weights["position_embedding.weight"]
        states = layered(states, weights, np.tri(7, dtype=bool))
        last = weights["embedding.weight"][2:] if tied else weights["output.weight"]
        expected = states @ last.T + (0 if tied else weights["output.bias"])
        np.testing.assert_allclose(positions, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(outputs, positions[max((ids != PADDING).sum(), 1) - 1], rtol=1e-5, atol=1e-5)


class OperationNames(TorchDispatchMode):
    """Writes down the name of each operation."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found.add(func.__name__.partition(".")[0])
        return func(*args, **(kwargs or {}))


def fused(network: torch.nn.Module, batch: torch.Tensor) -> set[str]:
    """The operations that stand for a whole layer or a whole attention with its projections."""
    with torch.inference_mode(), OperationNames() as names:
        network(batch)
    return names.found & {"_transformer_encoder_layer_fwd", "_native_multi_head_attention"}


@pytest.mark.parametrize("name", ["encoder-mean", "encoder-first", "encoder-series", "decoder"])
def test_no_fused_layer_hides_the_inner_modules(name: str) -> None:
    network = made(name).requires_grad_(False)
    assert fused(network, encoded(NETWORKS[name][2], 3)) == set()


def test_torch_would_fuse_a_layer_that_it_knows() -> None:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 12, activation="gelu", batch_first=True, norm_first=True).eval()
    assert fused(layer.requires_grad_(False), torch.zeros(2, 3, 8))


def grown(network: torch.nn.Module, longer: torch.nn.Module) -> torch.nn.Module:
    """The longer network with the weights of the shorter, and positions of its own behind them."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            longer.state_dict()[name][: len(tensor)] = tensor
    return longer


@settings(deadline=None, max_examples=20)
@given(
    texts=st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=4),
    behind=st.integers(1, 6),
    kind=st.sampled_from([("encoder", {"pooling": "mean"}), ("encoder", {"pooling": "first"}), ("decoder", {})]),
)
def test_more_padding_behind_a_text_changes_nothing(
    texts: list[list[int]], behind: int, kind: tuple[str, dict[str, Any]]
) -> None:
    name, keys = kind
    network = livelier(built(name, {"t": TEXT}, **TRANSFORMER, **keys))
    longer = grown(network, built(name, {"t": replace(TEXT, length=7 + behind)}, **TRANSFORMER, **keys))
    rows = torch.tensor([text + [PADDING] * (7 - len(text)) for text in texts])
    found = longer(torch.nn.functional.pad(rows, (0, behind)))
    assert found.isfinite().all()
    torch.testing.assert_close(found, network(rows), rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(ids=st.lists(st.integers(1, 9), min_size=7, max_size=7), place=st.integers(0, 6), other=st.integers(1, 9))
def test_a_token_changes_nothing_that_stands_before_it(ids: list[int], place: int, other: int) -> None:
    network = livelier(made("decoder"))
    changed = [*ids[:place], other, *ids[place + 1 :]]
    before, after = network.positions(torch.tensor([ids, changed])).detach()
    torch.testing.assert_close(before[:place], after[:place], rtol=0, atol=1e-6)
    if other != ids[place]:
        assert (before[place] - after[place]).abs().max() > 1e-3


def continued(network: torch.nn.Module, text: list[int], count: int) -> list[int]:
    """The most probable token, again and again, of one text alone."""
    for _ in range(count):
        window = text[-7:] or [PADDING]
        text = [*text, int(network(torch.tensor([window])).argmax()) + 2]
    return text[-count:]


@pytest.mark.parametrize("tied", [False, True])
def test_greedy_sampling_is_the_argmax_repeated(tied: bool) -> None:
    network = livelier(made("decoder", tied=tied))
    texts = [[], [3], [4, 5, 2], [2, 3, 4, 5, 6, 7, 8], [9, 8, 7, 6, 5, 4, 3, 2, 9, 2]]
    ids = torch.tensor([text + [PADDING] * (10 - len(text)) for text in texts])
    found = network.sample(ids, 9, temperature=0.0)
    assert found.tolist() == [continued(network, text, 9) for text in texts]
    assert len({tuple(row) for row in found.tolist()}) > 1
    assert network.sample(ids, 9, temperature=3.0, top_k=1).tolist() == found.tolist()
    assert network.sample(ids, 9, temperature=1e-320).tolist() == found.tolist()


LOGITS = torch.tensor([2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -2.0, -3.0])


def of_fixed_logits() -> torch.nn.Module:
    network = made("decoder")
    with torch.no_grad():
        network.get_parameter("output.weight").zero_()
        network.get_parameter("output.bias").copy_(LOGITS)
    return network


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("top_k", [None, 3])
def test_tokens_are_drawn_from_the_tempered_distribution(temperature: float, top_k: int | None) -> None:
    draws = 4_000
    generator = torch.Generator().manual_seed(0)
    found = of_fixed_logits().sample(
        torch.full((draws, 1), 3), 2, temperature=temperature, top_k=top_k, generator=generator
    )
    assert found.shape == (draws, 2)
    scaled = LOGITS.double().numpy() / temperature
    expected = special.softmax(np.where(np.arange(8) < (top_k or 8), scaled, -np.inf))
    counts = np.bincount(found.numpy().ravel() - 2, minlength=8)
    possible = expected > 0
    assert counts[~possible].sum() == 0
    assert stats.chisquare(counts[possible], 2 * draws * expected[possible]).pvalue > 1e-4
    flat = stats.chisquare(counts[possible], np.full(possible.sum(), 2 * draws / possible.sum())).pvalue
    assert flat < 1e-9  # an even draw would be seen


def test_draws_follow_the_generator_and_no_class_is_padding_or_unknown() -> None:
    network = livelier(made("decoder"))
    ids = encoded({"t": TEXT}, 6)
    first, second, third = (
        network.sample(ids, 12, temperature=5.0, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert first.min() > max(PADDING, UNKNOWN)
    assert first.max() < TEXT.tokens
    assert not first.requires_grad


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"count": 0}, "count=0"),
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_k": 9}, "from 1 to 8"),
    ],
)
def test_sampling_refuses_what_it_cannot_do(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError) as caught:
        made("decoder").sample(torch.tensor([[2]]), **{"count": 1, **keys})
    assert said in caught.value.describe()


def test_a_classifier_of_texts_does_not_continue_them() -> None:
    network = built("decoder", {"t": TEXT}, outputs=2, **TRANSFORMER)
    assert network(encoded({"t": TEXT}, 3)).shape == (3, 2)
    with pytest.raises(ModelError, match="only a network that predicts the next token can continue a text"):
        network.sample(torch.tensor([[2]]), 1)


def test_a_decoder_learns_what_follows() -> None:
    """The alphabet in a circle: each token decides the next one, and the continuation goes round."""
    circle = TextInput(unit="characters", vocabulary=tuple("abcde"), length=6)
    network = built("decoder", {"t": circle}, outputs=5, **{**TRANSFORMER, "width": 16}, tied=True).train()
    starts = torch.arange(5).unsqueeze(1)
    classes = (starts + torch.arange(7)) % 5
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(40):
        logits = network.positions(classes[:, :6] + 2)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), classes[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = network.eval().sample(torch.tensor([[2, 3], [5, 6]]), 8, temperature=0.0)
    assert found.tolist() == [[4, 5, 6, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6, 2, 3, 4]]
