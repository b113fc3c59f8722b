"""Where a module can be cut behind its first layer, that nothing of it changes, and that the parts give what it gives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import fx, nn

from auditbench.masking import NOBODY, cut_first_layer, players_of
from auditbench.models.description import OutputScaling
from auditbench.models.network import ScaledOutput
from auditbench.models.wrapping import _ColumnOutput
from tests.naive_games import mlp, numbers, outputs_of, tokens


class Written(nn.Module):
    """A first layer and whatever comes of its output."""

    def __init__(self, tail: Callable[[torch.Tensor, nn.Module], torch.Tensor], *, head: Any = None) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.second = nn.Linear(3, 3)
        self.tail = tail
        self.head = head
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        given = rows if self.head is None else self.head(rows)
        return self.tail(self.first(given), self.second)


class Embedded(nn.Module):
    def __init__(self, pool: Callable[[torch.Tensor], torch.Tensor], width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 3)
        self.first = nn.Linear(width, 4)
        self.pool = pool
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.first(self.pool(self.embedding(rows))))


def without_bias() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2)).eval()


def scaled() -> nn.Module:
    return ScaledOutput(mlp(4), OutputScaling(mean=2.0, scale=3.0)).eval()


FOUND: dict[str, tuple[Callable[[], nn.Module], torch.Tensor]] = {
    "linear": (lambda: nn.Sequential(nn.Linear(4, 3)).eval(), numbers(4, 4)),
    "linear-sigmoid": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Sigmoid()).eval(), numbers(4, 4)),
    "no-bias": (without_bias, numbers(4, 4)),
    "mlp": (lambda: mlp(4, 3), numbers(4, 4)),
    "flatten": (lambda: nn.Sequential(nn.Flatten(), *mlp(6, 2)).eval(), numbers(4, 2, 3)),
    "torch-flatten": (lambda: Written(lambda h, _: h.relu(), head=lambda x: torch.flatten(x, 1)), numbers(4, 2, 2)),
    "dropout": (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3), nn.Dropout(0.5)).eval(), numbers(4, 4)),
    "embedding-flatten": (
        lambda: nn.Sequential(nn.Embedding(9, 3), nn.Flatten(), nn.Linear(15, 4), nn.Tanh(), nn.Linear(4, 2)).eval(),
        tokens(4, 5),
    ),
    "embedding-mean": (lambda: Embedded(lambda e: e.mean(dim=1), 3), tokens(4, 5)),
    "embedding-torch-mean": (lambda: Embedded(lambda e: torch.mean(e, 1), 3), tokens(4, 5)),
    "scaled-output": (scaled, numbers(4, 4)),
    "column-output": (lambda: _ColumnOutput(Written(lambda h, _: h.relu().sum(dim=1))).eval(), numbers(4, 4)),
    "flat-outputs": (lambda: Written(lambda h, _: h.relu().sum(dim=1)), numbers(4, 4)),
    "one-row": (lambda: mlp(4, 2), numbers(1, 4)),
    "whole-numbers": (lambda: Written(lambda h, _: h.tanh(), head=lambda x: x.float()), tokens(4, 4)),
    "constant": (lambda: Written(lambda h, _: torch.relu(h + torch.tensor([1.0, 2.0, 3.0]))), numbers(4, 4)),
    "double": (lambda: mlp(4, 2).double(), numbers(4, 4, dtype=torch.float64)),
    "batch-norm-behind": (lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU()).eval(), numbers(4, 4)),
    # Activations whose input is needed again, and tails that give views or overwrite.
    "residual-behind": (lambda: Written(lambda h, second: h + second(torch.relu(h))), numbers(4, 4)),
    "residual-of-activation": (lambda: Written(lambda h, second: (r := F.relu(h)) + torch.tanh(second(r))), numbers(4, 4)),
    "input-of-activation-used-later": (lambda: Written(lambda h, second: torch.sigmoid(g := second(h)) * g), numbers(4, 4)),
    "activation-twice": (lambda: Written(lambda h, _: torch.tanh(h) - torch.relu(h)), numbers(4, 4)),
    "activation-of-a-view": (lambda: Written(lambda h, _: torch.relu(h.view(-1, 3)[:, :2]) * h[:, 1:]), numbers(4, 4)),
    "activation-of-a-split": (lambda: Written(lambda h, _: torch.cat([h.relu(), h.tanh(), h.sigmoid()], 1)), numbers(4, 4)),
    "view": (lambda: Written(lambda h, _: h[:, ::2]), numbers(4, 4)),
    "transposed": (lambda: Written(lambda h, second: second(h).t().contiguous().t()), numbers(4, 4)),
    "in-place": (lambda: Written(lambda h, second: second(h.mul_(2.0).relu_())), numbers(4, 4)),
    "in-place-then-used": (lambda: Written(lambda h, second: second(F.relu(h, inplace=True)) + h), numbers(4, 4)),
}  # fmt: skip


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = rows + torch.relu(self.first(rows))
        return outputs


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.first(rows)
        return outputs if float(rows.sum()) > 0 else -outputs


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, rows: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        outputs: torch.Tensor = self.first(rows)
        return outputs


class Doubled(nn.Linear):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return 2.0 * super().forward(rows)


def hooked(*, pre: bool) -> nn.Module:
    module = mlp(4)
    if pre:
        module[2].register_forward_pre_hook(lambda layer, given: None)
    else:
        module[0].register_forward_hook(lambda layer, given, output: output + 1.0)
    return module


def hooked_backwards() -> nn.Module:
    module = mlp(4)
    module[0].register_full_backward_hook(lambda layer, given, output: None)
    return module


def with_a_forward_of_its_own() -> nn.Module:
    module = mlp(4)
    module.forward = lambda rows: rows[:, :1]  # type: ignore[method-assign]
    return module


def locked() -> nn.Module:
    module = Written(lambda h, _: h.relu())
    module.lock = threading.Lock()
    return module


REFUSED: dict[str, tuple[Callable[[], nn.Module], torch.Tensor]] = {
    "residual": (lambda: Residual().eval(), numbers(4, 4)),
    "branching": (lambda: Branching().eval(), numbers(4, 4)),
    "two-inputs": (lambda: TwoInputs().eval(), numbers(4, 4)),
    "convolution": (lambda: nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(4, 1)).eval(), numbers(4, 1, 4)),
    "activation-first": (lambda: nn.Sequential(nn.ReLU(), nn.Linear(4, 3)).eval(), numbers(4, 4)),
    "norm-first": (lambda: nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 3)).eval(), numbers(4, 4)),
    "hook": (lambda: hooked(pre=False), numbers(4, 4)),
    "pre-hook": (lambda: hooked(pre=True), numbers(4, 4)),
    "backward-hook": (hooked_backwards, numbers(4, 4)),
    "own-forward": (with_a_forward_of_its_own, numbers(4, 4)),
    "not-copied": (locked, numbers(4, 4)),
    "own-linear": (lambda: nn.Sequential(Doubled(4, 3), nn.ReLU()).eval(), numbers(4, 4)),
    "linear-by-position": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Flatten()).eval(), numbers(4, 2, 4)),
    "flatten-partly": (lambda: nn.Sequential(nn.Flatten(1, 2), nn.Linear(4, 3)).eval(), numbers(4, 2, 1, 4)),
    "flatten-rows": (lambda: Written(lambda h, _: h.sum(dim=0, keepdim=True), head=torch.flatten), numbers(1, 4)),
    "shuffled": (lambda: Written(lambda h, _: h, head=lambda x: x.flip(1)), numbers(4, 4)),
    "embedding-max": (lambda: Embedded(lambda e: e.amax(dim=1), 3), tokens(4, 5)),
    "embedding-mean-of-all": (lambda: Embedded(lambda e: e.mean(dim=(0, 1)).expand(4, 3), 3), tokens(4, 5)),
    "embedding-renormed": (
        lambda: nn.Sequential(nn.Embedding(9, 3, max_norm=0.1), nn.Flatten(), nn.Linear(15, 2)).eval(),
        tokens(4, 5),
    ),
    "weight-norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.ReLU()).eval(),
        numbers(4, 4),
    ),
    "recurrent": (lambda: nn.RNN(4, 3, batch_first=True).eval(), numbers(4, 2, 4)),
    "batch-statistics": (lambda: Written(lambda h, _: h - h.mean(dim=0), head=lambda x: x.cumsum(0)), numbers(4, 4)),
    "training": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Dropout(1e-9)), numbers(4, 4)),
    "scripted": (lambda: torch.jit.trace(mlp(4), numbers(4, 4)), numbers(4, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("in_place", [True, False])
def test_the_parts_give_what_the_module_gives_again_and_again(name: str, *, in_place: bool) -> None:
    torch.manual_seed(0)
    make, rows = FOUND[name]
    module = make()
    cut = cut_first_layer(module, rows, in_place=in_place)
    assert cut is not None
    more = torch.cat([rows, rows.flip(0)] * 3)[torch.randperm(6 * len(rows))]
    expected = outputs_of(module, more)
    with torch.no_grad():
        hidden = cut.entries(more).sum(dim=1) + cut.bias
        players = players_of(None, tuple(rows.shape[1:]))
        torch.testing.assert_close(cut.contributions(more, players).sum(dim=1) + cut.bias, hidden)
        for _ in range(2):
            found = cut.tail(hidden.clone())
            shaped = (found.unsqueeze(1) if found.ndim == 1 else found).double()
            torch.testing.assert_close(shaped, expected, atol=1e-6, rtol=1e-5)
    assert hidden.shape == (len(more), cut.hidden)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_what_does_not_begin_with_a_linear_layer_is_refused(name: str) -> None:
    torch.manual_seed(0)
    make, rows = REFUSED[name]
    assert cut_first_layer(make(), rows) is None


@pytest.mark.parametrize("name", [*FOUND, "residual", "hook", "branching", "embedding-max"])
def test_the_module_stays_as_it_was(name: str) -> None:
    make, rows = (FOUND | REFUSED)[name]
    module = make()
    before = state(module)
    outputs, given_rows = outputs_of(module, rows), rows.clone()
    cut_first_layer(module, rows)
    after = state(module)
    assert before.keys() == after.keys()
    for key, value in before.items():
        assert after[key] is value or after[key] == value, key
    assert torch.equal(outputs_of(module, rows), outputs)
    assert torch.equal(rows, given_rows)


def state(module: nn.Module) -> dict[str, Any]:
    """Everything that a module holds: types, flags, attributes, hooks, and the tensors themselves with their versions."""
    found: dict[str, Any] = {}
    for name, layer in module.named_modules():
        found[f"{name}:type"] = type(layer)
        for key, value in vars(layer).items():
            plain = isinstance(value, dict)
            found[f"{name}:{key}"] = list(value) if plain else value
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        found[f"{name}:tensor"] = (id(tensor), tensor._version, tensor.requires_grad, tensor.grad)
    return found


class Keeping(nn.Module):
    """Stores and collects what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.register_buffer("seen", torch.zeros(3))
        self.last: Any = None
        self.all: list[Any] = []
        self.during: Callable[[Any], None] = lambda rows: None
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        self.during(rows)
        self.last = self.first(rows)
        self.newest = torch.relu(self.last)
        self.all.append(self.last)
        self.seen = self.last
        return self.newest


def test_what_a_forward_stores_is_no_trace() -> None:
    module = Keeping()
    before = dict(vars(module))
    assert cut_first_layer(module, numbers(4, 4)) is not None
    for kept in (module.last, module.newest, module.seen, *module.all):
        assert isinstance(kept, torch.Tensor)
    assert len(module.all) == 1
    assert vars(module).keys() - before.keys() == {"newest"}


def test_other_threads_run_modules_while_one_is_traced() -> None:
    module, other, rows = Keeping(), mlp(4, 2), numbers(4, 4)
    expected, found = (torch.relu(module.first(rows)), other(rows)), list[torch.Tensor]()

    def run_both(given: Any) -> None:
        if isinstance(given, fx.Proxy):
            thread = threading.Thread(target=lambda: found.extend([module(rows), other(rows)]))
            thread.start()
            thread.join()

    module.during = run_both
    assert cut_first_layer(module, rows) is not None
    assert len(found) == 2
    for one, outputs in zip(found, expected, strict=True):
        assert torch.equal(one, outputs)


def test_an_interrupt_leaves_everything_as_it_was() -> None:
    def interrupt(given: Any) -> None:
        if isinstance(given, fx.Proxy):
            raise KeyboardInterrupt

    module, called = Keeping(), nn.Module.__call__
    module.during = interrupt
    before = state(module)
    with pytest.raises(KeyboardInterrupt):
        cut_first_layer(module, numbers(4, 4))
    assert state(module) == before
    assert nn.Module.__call__ is called
    module.during = lambda rows: None
    assert cut_first_layer(module, numbers(4, 4)) is not None


@pytest.mark.parametrize("name", ["mlp", "no-bias", "flatten", "dropout", "embedding-flatten", "scaled-output"])
def test_layers_in_a_row_are_not_traced(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("traced")

    monkeypatch.setattr(fx.Tracer, "trace", refuse)
    make, rows = FOUND[name]
    assert cut_first_layer(make(), rows) is not None


def test_what_cannot_be_copied_is_no_matter_for_layers_in_a_row() -> None:
    module = mlp(4)
    module.lock = threading.Lock()
    assert cut_first_layer(module, numbers(4, 4)) is not None


@pytest.mark.parametrize(
    ("name", "passes"), [("mlp", 2), ("column-output", 2), ("residual", 0), ("linear-by-position", 0), ("training", 0)]
)
def test_rows_that_the_module_or_its_parts_ran_on_are_told(name: str, passes: int) -> None:
    make, rows = (FOUND | REFUSED)[name]
    told: list[int] = []
    cut_first_layer(make(), rows, ran=told.append)
    assert told == [len(rows)] * passes


@pytest.mark.parametrize("name", ["mlp", "embedding-flatten", "embedding-mean"])
def test_contributions_to_players_of_each_row(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, rows = FOUND[name]
    cut = cut_first_layer(make(), rows)
    assert cut is not None
    padded = torch.tensor([0, 1, 2, 0, 1])[: rows.shape[1]].repeat(len(rows), 1)
    for row in range(len(rows)):
        padded[row, rows.shape[1] - row :] = NOBODY
    players = players_of(padded, tuple(rows.shape[1:]))
    with torch.no_grad():
        found, entries = cut.contributions(rows, players), cut.entries(rows)
        monkeypatch.setattr("auditbench.masking.first_layer._MOST_NUMBERS", 2 * entries[0].numel())
        torch.testing.assert_close(cut.contributions(rows, players), found)
    for row, groups in enumerate(padded.tolist()):
        for slot, player in enumerate([*range(len(players)), NOBODY]):
            own = [entry for entry, owner in enumerate(groups) if owner == player]
            torch.testing.assert_close(found[row, slot], entries[row, own].sum(dim=0))


def test_the_parts_share_the_parameters_and_gradients_reach_them() -> None:
    module = mlp(4, 2)
    cut = cut_first_layer(module, numbers(4, 4), in_place=False)
    assert cut is not None
    shared = {id(parameter) for parameter in module.parameters()}
    assert {id(parameter) for parameter in cut.tail.parameters()} <= shared
    hidden = (cut.entries(numbers(4, 4)).sum(dim=1) + cut.bias).requires_grad_()
    (slope,) = torch.autograd.grad(cut.tail(hidden).sum(), hidden)
    rows = numbers(4, 4).requires_grad_()
    (expected,) = torch.autograd.grad(module(rows).sum(), rows)
    torch.testing.assert_close(slope @ cut.weight.T, expected)


@settings(max_examples=25)
@given(entries=st.integers(1, 6), hidden=st.integers(1, 6), outputs=st.integers(1, 3), seed=st.integers(0, 99))
def test_any_shape(entries: int, hidden: int, outputs: int, seed: int) -> None:
    module, rows = mlp(entries, outputs, hidden=hidden, seed=seed), numbers(3, entries, seed=seed)
    cut = cut_first_layer(module, rows)
    assert cut is not None
    with torch.no_grad():
        torch.testing.assert_close(cut.tail(cut.entries(rows).sum(dim=1) + cut.bias), module(rows))
