"""Recurrent networks against loops over steps; padding changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auditbench.data.inputs import PADDING
from tests.small_networks import SERIES, TEXT, built, encoded

Numbers = npt.NDArray[Any]


def sigmoid(values: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-values))


def read(cell: str, steps: Numbers, weights: dict[str, Numbers], name: str) -> Numbers:
    """States after each step, one step after another; shape `(steps, hidden)`."""
    w_in, w_state, b_in, b_state = (
        weights[f"{name}.{part}"] for part in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )
    state = memory = np.zeros(w_state.shape[1])
    states = []
    for step in steps:
        taken, kept = w_in @ step + b_in, w_state @ state + b_state
        if cell == "rnn":
            state = np.tanh(taken + kept)
        elif cell == "lstm":
            put, forget, new, out = np.split(taken + kept, 4)
            memory = sigmoid(forget) * memory + sigmoid(put) * np.tanh(new)
            state = sigmoid(out) * np.tanh(memory)
        else:
            (r_in, z_in, n_in), (r_state, z_state, n_state) = np.split(taken, 3), np.split(kept, 3)
            update = sigmoid(z_in + z_state)
            state = (1 - update) * np.tanh(n_in + sigmoid(r_in + r_state) * n_state) + update * state
        states.append(state)
    return np.asarray(states)


def naive(network: torch.nn.Module, steps: Numbers, cell: str, pooling: str) -> Numbers:
    """Outputs for one row, of the steps before its padding."""
    weights = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("layers."))
    both = any("backwards" in name for name in weights)
    for layer in range(layers):
        onwards = read(cell, steps, weights, f"layers.{layer}.onwards")
        backwards = read(cell, steps[::-1], weights, f"layers.{layer}.backwards") if both else onwards[:, :0]
        steps = np.concatenate([onwards, backwards[::-1]], axis=1)
    last = np.concatenate([onwards[-1], backwards[-1]] if both else [onwards[-1]])
    taken = {"last": last, "mean": steps.mean(0), "max": steps.max(0)}[pooling]
    return weights["output.weight"] @ taken + weights["output.bias"]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, False), (2, True)])
def test_texts_are_read_to_their_end_and_no_further(cell: str, pooling: str, layers: int, bidirectional: bool) -> None:
    network = built(
        "rnn",
        {"t": TEXT},
        cell=cell,
        pooling=pooling,
        layers=layers,
        bidirectional=bidirectional,
        embedding=4,
        hidden=5,
    )
    batch = encoded({"t": TEXT}, 6)
    table = network.get_submodule("embedding").weight.detach().double().numpy()
    found = network(batch).detach().numpy()
    for ids, outputs in zip(batch.numpy(), found, strict=True):
        length = max(int((ids != PADDING).sum()), 1)
        np.testing.assert_allclose(outputs, naive(network, table[ids[:length]], cell, pooling), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_series_are_read_step_by_step(pooling: str) -> None:
    network = built("rnn", {"s": SERIES}, hidden=4, layers=2, bidirectional=True, pooling=pooling)
    batch = encoded({"s": SERIES}, 3)
    expected = [naive(network, row.T, "lstm", pooling) for row in batch.double().numpy()]
    np.testing.assert_allclose(network(batch).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(
    texts=st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=4),
    behind=st.integers(1, 6),
    cell=st.sampled_from(["rnn", "lstm", "gru"]),
    pooling=st.sampled_from(["last", "mean", "max"]),
    bidirectional=st.booleans(),
)
def test_more_padding_behind_a_text_changes_nothing(
    texts: list[list[int]], behind: int, cell: str, pooling: str, bidirectional: bool
) -> None:
    keys: dict[str, Any] = {
        "cell": cell,
        "pooling": pooling,
        "bidirectional": bidirectional,
        "embedding": 3,
        "hidden": 4,
    }
    short = built("rnn", {"t": TEXT}, layers=2, **keys)
    longer = built("rnn", {"t": replace(TEXT, length=7 + behind)}, layers=2, **keys)
    rows = torch.tensor([text + [PADDING] * (7 - len(text)) for text in texts])
    padded = torch.nn.functional.pad(rows, (0, behind))
    found = longer(padded)
    assert found.isfinite().all()
    torch.testing.assert_close(found, short(rows), rtol=1e-5, atol=1e-6)


def test_padding_takes_no_part_in_training() -> None:
    network = built("rnn", {"t": TEXT}, embedding=4, hidden=5, bidirectional=True, pooling="mean").train()
    network(torch.tensor([[2, 3, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]])).square().sum().backward()
    (gradient,) = (tensor.grad for name, tensor in network.named_parameters() if name == "embedding.weight")
    assert gradient is not None
    assert gradient[[0, 1, 4]].abs().max() == 0
    assert gradient[[2, 3]].abs().min() > 0
