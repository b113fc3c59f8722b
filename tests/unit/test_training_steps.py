"""Steps: in parts, in other precisions, where memory runs out, and with statistics over the rows of a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.config_training import TrainTable
from auditbench.data.inputs import ImageInput
from auditbench.errors import ModelMemoryError, TrainingError
from auditbench.training.augmentation import Augmentation
from auditbench.training.batch_statistics import needs_two_rows
from auditbench.training.examples import Batch, Examples
from auditbench.training.loop import fit
from auditbench.training.losses import Loss, LossValue
from auditbench.training.precision import Precision
from auditbench.training.steps import Stepper
from tests.small_training import LOSS, ROWS, distance, examples, fitted, network, quiet


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("parts", [2, 5, 32])
def test_accumulation_comes_to_the_step_of_the_whole_batch(parts: int, weighted: bool) -> None:
    weights = torch.rand(ROWS, generator=torch.Generator().manual_seed(5)) + 0.1 if weighted else None
    plain = fitted(network(), {}, examples(weights))
    accumulated = fitted(network(), {"accumulate": parts}, examples(weights))
    assert accumulated.part_rows == -(-32 // parts)
    assert distance(plain, accumulated) < 2e-6
    np.testing.assert_allclose(plain.losses, accumulated.losses, rtol=1e-5)


def test_full_batch_gradient_descent_does_not_depend_on_the_seed() -> None:
    keys = {"optimizer": "gradient-descent", "batch_size": 256}
    one, other = fitted(network(), keys), fitted(network(), keys, seed=7)
    assert one.steps == 4
    assert distance(one, other) < 1e-6


def test_bfloat16_comes_near_and_is_not_the_same() -> None:
    plain, mixed = fitted(network(), {}), fitted(network(), {"precision": "bfloat16"})
    assert 0 < distance(plain, mixed) < 0.02
    np.testing.assert_allclose(plain.losses, mixed.losses, rtol=0.02)
    assert all(tensor.dtype == torch.float32 for tensor in mixed.weights.values())


def test_float16_on_a_cpu_is_refused() -> None:
    with pytest.raises(TrainingError) as caught:
        fitted(network(), {"precision": "float16"})
    text = caught.value.describe()
    assert "train.precision: half precision needs a GPU" in text
    assert 'fix: set train.precision = "bfloat16"' in text


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_mixed_precision_on_a_gpu_comes_near(precision: str) -> None:
    plain = fitted(network(), {})
    given = examples()
    rows = given.rows(given.positions).cuda()
    moved = Examples(
        rows=lambda positions: rows[positions.cuda()], targets=given.targets.cuda(), positions=given.positions
    )
    mixed = fitted(network().cuda(), {"precision": precision}, moved)
    np.testing.assert_allclose(plain.losses, mixed.losses, rtol=0.02)


def short_of_memory(most: int) -> Callable[[nn.Module, Batch], LossValue]:
    """A loss that more than so many rows have no memory for."""

    def loss(module: nn.Module, batch: Batch) -> LossValue:
        if len(batch) > most:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return LOSS(module, batch)

    return loss


def test_memory_that_runs_out_halves_the_parts_and_keeps_the_step() -> None:
    said: list[str] = []
    plain = fitted(network(), {})
    halved = fitted(network(), {}, loss=short_of_memory(9), tell=said.append)
    assert (halved.part_rows, halved.halvings) == (8, 2)
    assert distance(plain, halved) < 2e-6
    assert halved.told == ("memory ran out: steps are computed in parts of 8 rows",)
    assert tuple(said) == halved.told


def test_one_row_without_memory_is_an_error() -> None:
    with pytest.raises(ModelMemoryError, match="memory ran out with one row a batch"):
        fitted(network(), {}, loss=short_of_memory(0))


def normalised() -> nn.Sequential:
    """A network that standardises over the rows of a batch, and needs two of them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = (nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 1))
        return nn.Sequential(nn.Flatten(), *layers)


def images() -> Examples:
    given = examples()
    return replace(given, rows=lambda positions: given.rows(positions).reshape(-1, 1, 2, 2))


def noise() -> Augmentation:
    image = ImageInput(channels=1, height=2, width=2, mean=(0.0,), scale=(1.0,))
    return Augmentation(TrainTable(augment=("noise",)), {"image": image}, seed=3)


def out_of_memory_later(most: int, call: int) -> Callable[[nn.Module, Batch], LossValue]:
    """A loss that runs out of memory when the network has computed: for more than so many rows, and in one later call."""
    calls = [0]

    def loss(module: nn.Module, batch: Batch) -> LossValue:
        value = LOSS(module, batch)
        calls[0] += module.training
        if module.training and (len(batch) > most or calls[0] == call):
            raise MemoryError
        return value

    return loss


@pytest.mark.parametrize(("call", "parts"), [(99, 2), (3, 4)])
def test_a_step_begun_again_is_as_if_it_had_been_in_its_parts_from_the_first(call: int, parts: int) -> None:
    """The first step runs out of memory at once, and in call 3 once more, in the second of its two parts."""
    halved = fitted(normalised(), {}, images(), augmentation=noise(), loss=out_of_memory_later(16, call))
    from_the_first = fitted(normalised(), {"accumulate": parts}, images(), augmentation=noise())
    assert halved.halvings == parts // 2
    assert halved.part_rows == from_the_first.part_rows == 32 // parts
    assert {"2.running_mean", "2.running_var", "2.num_batches_tracked"} <= set(halved.weights)
    assert distance(halved, from_the_first) == 0
    assert halved.losses == from_the_first.losses


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_later_step_begun_again_goes_on_from_where_the_one_before_ended(device: str) -> None:
    given = images()
    moved = replace(given, rows=lambda at: given.rows(at).to(device), targets=given.targets.to(device))

    def two_steps(loss: Loss, part_rows: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        with torch.random.fork_rng():
            torch.manual_seed(7)
            module = normalised().to(device)
            stepper = Stepper(module, loss, TrainTable(batch_size=32), moved, noise())
            stepper.step(torch.arange(32), 0.01)
            stepper.batch.rows = part_rows
            stepper.step(torch.arange(32, 64), 0.01)
            assert stepper.part_rows == 16
            return module.state_dict(), torch.rand(3, device=device)

    (again, drawn), (expected, expected_drawn) = two_steps(out_of_memory_later(32, 2), 32), two_steps(LOSS, 16)
    assert torch.equal(drawn, expected_drawn)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.items())


def test_statistics_over_a_batch_are_those_of_its_parts() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    keys = {"epochs": 1, "optimizer": "gradient-descent", "batch_size": 256}
    whole, parts = (fitted(deepcopy(module), {**keys, "accumulate": count}) for count in (1, 2))
    assert (int(whole.weights["1.num_batches_tracked"]), int(parts.weights["1.num_batches_tracked"])) == (1, 2)
    assert distance(whole, parts) > 1e-4


def heard(sizes: list[int]) -> Callable[[nn.Module, Batch], LossValue]:
    """A loss that tells how many rows the network computes at once in training, with gradients."""

    def loss(module: nn.Module, batch: Batch) -> LossValue:
        if module.training and torch.is_grad_enabled():
            sizes.append(len(batch))
        return LOSS(module, batch)

    return loss


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"batch_size": 23}, [23, 23, 24]),
        ({"batch_size": 69}, [70]),
        ({"batch_size": 24}, [24, 24, 22]),
        ({"optimizer": "gradient-descent", "batch_size": 256, "accumulate": 24}, [3] * 22 + [4]),
    ],
)
def test_a_last_row_alone_is_joined_with_those_before_it(keys: dict[str, Any], expected: list[int]) -> None:
    sizes: list[int] = []
    found = fitted(normalised(), {"epochs": 2, **keys}, loss=heard(sizes))
    assert sizes == expected * 2
    assert found.steps == 2 * (1 if "optimizer" in keys else len(expected))


def test_a_joined_batch_is_weighted_by_ratios() -> None:
    weights = torch.rand(ROWS, generator=torch.Generator().manual_seed(5)) + 0.1
    keys = {"batch_size": 23, "optimizer": "sgd", "learning_rate": 0.1}
    one, other = (fitted(normalised(), keys, examples(each)) for each in (weights, 4 * weights))
    assert distance(one, other) == 0


def test_networks_that_take_one_row_keep_it_alone() -> None:
    sizes: list[int] = []
    fitted(network(), {"epochs": 1, "batch_size": 23}, loss=heard(sizes))
    over_pixels = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(4, 1))
    fitted(over_pixels, {"epochs": 1, "batch_size": 23}, images(), loss=heard(sizes))
    frozen = normalised()
    for parameter in frozen[2].parameters():
        parameter.requires_grad_(False)
    fitted(frozen, {"epochs": 1, "batch_size": 23}, loss=heard(sizes))
    assert sizes == [23, 23, 23, 1] * 3


@pytest.mark.parametrize(
    ("keys", "rows", "said"),
    [
        ({"batch_size": 1}, 70, ("train.batch_size", "found: 1", "fix: set train.batch_size = 2")),
        ({"batch_size": 8, "accumulate": 8}, 70, ("train.accumulate", "8 rows", "fix: set train.accumulate = 4")),
        ({"optimizer": "gradient-descent"}, 1, ("data.train", "found: 1 row")),
    ],
)
def test_single_rows_are_refused_where_the_network_needs_two(
    keys: dict[str, Any], rows: int, said: tuple[str, ...]
) -> None:
    given = examples()
    table = TrainTable.model_validate(keys)
    with pytest.raises(TrainingError, match="one row alone has no spread") as caught:
        fit(normalised(), given.at(np.arange(rows)), given, LOSS, table, seed=0, progress=quiet)
    for part in said:
        assert part in caught.value.describe()


def test_trying_one_row_leaves_the_network_and_the_generators_as_they_were() -> None:
    module, given = normalised(), examples()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    torch.manual_seed(5)
    assert needs_two_rows(module, LOSS, given)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_memory_for_two_rows_is_enough_and_for_one_is_not() -> None:
    assert fitted(normalised(), {"epochs": 1}, loss=short_of_memory(3)).halvings == 4
    with pytest.raises(ModelMemoryError):
        fitted(normalised(), {"epochs": 1}, loss=short_of_memory(1))


class Overflow(torch.autograd.Function):
    """Gives what it takes, and gradients that are infinite."""

    @staticmethod
    def forward(ctx: Any, given: torch.Tensor) -> torch.Tensor:
        return given.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return gradients[0] * math.inf


def overflowing(steps: int) -> Callable[[nn.Module, Batch], LossValue]:
    """A loss whose gradients overflow in the first steps."""
    left = [steps]

    def loss(module: nn.Module, batch: Batch) -> LossValue:
        value = LOSS(module, batch)
        left[0] -= module.training
        infinite = module.training and left[0] >= 0
        return replace(value, mean=Overflow.apply(value.mean)) if infinite else value  # type: ignore[no-untyped-call]

    return loss


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half precision's scale of the loss, on a CPU and in float32."""

    class Scaled(Precision):
        def __init__(self, table: TrainTable, device: torch.device) -> None:
            super().__init__(TrainTable(), device)
            self._scaler = torch.amp.GradScaler("cpu")

    monkeypatch.setattr("auditbench.training.steps.Precision", Scaled)


@pytest.mark.usefixtures("scaled")
def test_epochs_whose_gradients_overflowed_are_told() -> None:
    found = fitted(network(), {}, loss=overflowing(7))
    said = "moved no weights: in float16, gradients overflowed in each of its 3 steps"
    assert found.told == (f"epoch 1 {said}", f"epoch 2 {said}")
    assert found.losses[0][1] == found.losses[1][1] > found.losses[2][1]


@pytest.mark.usefixtures("scaled")
def test_a_training_that_moved_nothing_is_an_error() -> None:
    with pytest.raises(TrainingError) as caught:
        fitted(network(), {}, loss=overflowing(99))
    text = caught.value.describe()
    assert "train.precision: no step moved the weights" in text
    assert 'fix: set train.precision = "bfloat16"' in text
