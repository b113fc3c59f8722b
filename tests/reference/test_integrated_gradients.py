"""Integrated gradients against closed forms, captum and a plain sum, with what they cost and what they leave untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from auditbench.masking import Prediction, cut_first_layer
from auditbench.models import BatchSize
from auditbench.testing import count_operations
from auditbench_captum import integrated_gradients
from auditbench_captum.slopes import Slopes


class Whole(nn.Module):
    """The same module, which cannot be cut behind its first layer; counts the rows it evaluates."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.sizes: list[int] = []
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(rows))
        outputs: torch.Tensor = self.module(rows)
        return outputs


class Formula(nn.Module):
    """A function of the rows as a module."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.function(rows)


class Encoder(nn.Module):
    """A transformer encoder of embedded tokens."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 2)

    def forward(self, embedded: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.layers(embedded).mean(dim=1))
        return outputs


def perceptron(inputs: int = 30, outputs: int = 1, activation: type[nn.Module] = nn.Tanh) -> nn.Module:
    layers = nn.Linear(inputs, 64), activation(), nn.Linear(64, 64), activation(), nn.Linear(64, outputs)
    return nn.Sequential(*layers).eval()


def convolutional() -> nn.Module:
    before = nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()
    return nn.Sequential(*before, nn.Linear(4 * 36, 16), nn.Tanh(), nn.Linear(16, 3)).eval()


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def relative(found: Any, expected: Any) -> float:
    """Largest difference as a share of the largest expected number."""
    wanted = np.asarray(expected)
    return float(np.abs(np.asarray(found) - wanted).max() / np.abs(wanted).max())


def test_a_linear_model_gets_weight_times_difference_with_one_step() -> None:
    layer, rows, baseline = nn.Linear(5, 3).double().eval(), torch.randn(7, 5).double(), torch.randn(5).double()
    found = integrated_gradients(layer, rows, baseline=baseline, steps=1)
    expected = layer.weight * (rows - baseline).unsqueeze(1)
    np.testing.assert_allclose(found.values, expected.detach().numpy(), atol=1e-14)
    np.testing.assert_allclose(found.completeness_gap, np.zeros((7, 3)), atol=1e-14)
    np.testing.assert_allclose(found.base_value, np.tile(layer(baseline).detach().numpy(), (7, 1)), atol=1e-14)


def test_a_cubic_is_exact_with_two_nodes_but_not_with_one() -> None:
    """Along the path the slope of x^3 is a parabola, which two Gauss nodes integrate exactly."""
    cubic = Formula(lambda rows: (rows**3).sum(dim=1))
    rows, baseline = torch.randn(6, 4).double(), torch.randn(6, 4).double()
    exact = (rows**3 - baseline**3).numpy()
    one, two = (integrated_gradients(cubic, rows.numpy(), baseline=baseline, steps=steps) for steps in (1, 2))
    assert relative(two.values[:, 0], exact) < 1e-6
    assert relative(one.values[:, 0], exact) > 1e-2


def test_a_product_is_shared_by_its_factors_and_a_square_is_not() -> None:
    """f = x y + z^2 from 0: half of the product each, and all of the square."""
    module = Formula(lambda rows: (rows[:, 0] * rows[:, 1] + rows[:, 2] ** 2).unsqueeze(1))
    rows = torch.randn(5, 3)
    found = integrated_gradients(module, rows, baseline=torch.zeros(3), steps=1).values[:, 0]
    half = (rows[:, 0] * rows[:, 1] / 2).numpy()
    np.testing.assert_allclose(found, np.stack([half, half, (rows[:, 2] ** 2).numpy()], axis=1), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        pytest.param(lambda: perceptron(12), (12,), id="perceptron"),
        pytest.param(lambda: perceptron(100, 3), (100,), id="several-outputs"),
        pytest.param(lambda: perceptron(30, activation=nn.ReLU).double(), (30,), id="kinks"),
        pytest.param(convolutional, (1, 12, 12), id="convolutional"),
        pytest.param(lambda: Encoder().eval(), (8, 16), id="transformer"),
    ],
)
def test_values_equal_those_of_captum(module: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    built = module()
    dtype = next(built.parameters()).dtype
    rows, baseline = torch.randn(9, *shape, dtype=dtype), torch.randn(1, *shape, dtype=dtype)
    found = integrated_gradients(built, rows, baseline=baseline, steps=20)
    assert found.values.shape == (9, built(rows).shape[1], *shape)
    for target in range(found.values.shape[1]):
        theirs = attr.IntegratedGradients(built).attribute(rows, baselines=baseline, target=target, n_steps=20)
        assert relative(found.values[:, target], theirs.detach().numpy()) < 1e-5


@pytest.mark.parametrize("target", [1, "predicted", [0, 1, 2, 2, 1, 0]])
def test_targets_are_columns_of_all_targets(target: Any) -> None:
    module, rows, baseline = perceptron(8, 3), torch.randn(6, 8), torch.randn(6, 8)
    every = integrated_gradients(module, rows, baseline=baseline)
    found = integrated_gradients(module, rows, baseline=baseline, target=target)
    index = module(rows).argmax(dim=1).numpy() if target == "predicted" else np.broadcast_to(target, 6)
    assert found.values.shape == (6, 1, 8)
    assert relative(found.values[:, 0], every.values[np.arange(6), index]) < 1e-5
    np.testing.assert_allclose(found.completeness_gap[:, 0], every.completeness_gap[np.arange(6), index], atol=1e-6)


def test_outputs_without_a_column_are_one_target() -> None:
    module, rows = perceptron(6), torch.randn(3, 6)
    flat = Formula(lambda given: module(given)[:, 0])
    one, other = (integrated_gradients(each, rows, baseline=torch.zeros(6)) for each in (module, flat))
    assert one.values.shape == other.values.shape == (3, 1, 6)
    assert relative(other.values, one.values) < 1e-5


def test_values_near_a_riemann_sum_along_paths_of_their_own() -> None:
    module, rows, baselines = perceptron(6).double(), torch.randn(4, 6).double(), torch.randn(4, 6).double()
    found = integrated_gradients(module, rows, baseline=baselines)
    total, points = torch.zeros_like(rows), 1000
    for point in range(points):
        place = (baselines + (point + 0.5) / points * (rows - baselines)).requires_grad_()
        total += torch.autograd.grad(module(place).sum(), place)[0] / points
    assert relative(found.values[:, 0], (total * (rows - baselines)).numpy()) < 1e-6


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_first_layer_applied_once_changes_nothing(outputs: int) -> None:
    module, rows, baseline = perceptron(30, outputs).double(), torch.randn(11, 30).double(), torch.randn(30)
    assert cut_first_layer(module, rows[:1], in_place=False) is not None
    factored = integrated_gradients(module, rows, baseline=baseline, tolerance=0.01, steps=2)
    plain = integrated_gradients(Whole(module), rows, baseline=baseline, tolerance=0.01, steps=2)
    assert relative(factored.values, plain.values) < 1e-12
    np.testing.assert_array_equal(factored.steps, plain.steps)
    assert factored.model_rows == plain.model_rows + 2  # the module and its parts were compared


@pytest.mark.parametrize("built", [lambda: perceptron(6, 2), convolutional], ids=["factored", "plain"])
def test_every_row_is_counted(built: Callable[[], nn.Module]) -> None:
    module, seen = built(), list[int]()
    last = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]

    def note(layer: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if isinstance(layer, nn.Linear) and layer.weight.data_ptr() == last.weight.data_ptr():
            seen.append(len(output))

    rows = torch.randn(5, 6) if isinstance(module[0], nn.Linear) else torch.randn(5, 1, 12, 12)
    hook = nn.modules.module.register_module_forward_hook(note)
    try:
        found = integrated_gradients(module, rows, baseline=torch.zeros_like(rows[0]), tolerance=1e-7, max_steps=100)
    finally:
        hook.remove()
    assert found.model_rows == sum(seen)


def test_the_gap_is_what_the_values_miss() -> None:
    module, rows, baseline = perceptron(10, 2), torch.randn(8, 10), torch.randn(10)
    found = integrated_gradients(module, rows, baseline=baseline, steps=2)
    with torch.no_grad():
        change = (module(rows) - module(baseline)).numpy()
    np.testing.assert_allclose(found.completeness_gap, found.values.sum(axis=2) - change, atol=1e-6)
    assert np.abs(found.completeness_gap).max() > 1e-4
    finer = integrated_gradients(module, rows, baseline=baseline, steps=64)
    assert np.abs(finer.completeness_gap).max() < 1e-5


def test_only_rows_above_the_tolerance_take_more_steps_and_each_is_counted() -> None:
    """sin(20 x) needs many nodes over a long path and few over a short one."""
    module = Whole(Formula(lambda rows: torch.sin(20 * rows[:, :1]) + rows[:, 1:]))
    rows = torch.tensor([[0.01, 0.3], [1.0, 0.0], [0.02, 0.1], [2.0, 0.0], [0.0, 0.0]])
    found = integrated_gradients(module, rows, baseline=torch.zeros(2), steps=4, tolerance=1e-4, max_steps=64)
    assert found.steps.tolist()[0::2] == [4, 4, 4]
    assert 4 < found.steps[1] < found.steps[3] <= 64
    assert np.abs(found.completeness_gap).max() <= 1e-4 * 2.0
    passes = [sum(4 * 2**k for k in range(round(np.log2(taken / 4)) + 1)) for taken in found.steps]
    assert found.model_rows == sum(passes) + len(rows) + 1 + 1
    assert found.model_rows == sum(module.sizes)
    fewer = integrated_gradients(module, rows, baseline=torch.zeros(2), steps=4, tolerance=1e-4, max_steps=8)
    assert fewer.steps.tolist() == [4, 8, 4, 8, 4]


def test_the_tolerance_is_a_share_of_the_output_range() -> None:
    module, rows = perceptron(5), 3 * torch.randn(20, 5)
    given: dict[str, Any] = {"baseline": torch.zeros(5), "steps": 2, "tolerance": 0.002}
    default = integrated_gradients(module, rows, **given)
    with torch.no_grad():
        outputs = torch.cat([module(rows), module(torch.zeros(1, 5))])
    own = float(outputs.max() - outputs.min())
    assert (integrated_gradients(module, rows, output_range=own, **given).steps == default.steps).all()
    assert len(set(default.steps.tolist())) > 1
    assert (integrated_gradients(module, rows, output_range=[1e6], **given).steps == 2).all()
    assert (integrated_gradients(module, rows, output_range=own / 1000, **given).steps >= default.steps).all()


def test_a_constant_output_asks_for_no_more_steps() -> None:
    found = integrated_gradients(
        Formula(lambda rows: (rows * 0).sum(dim=1) + 3), torch.randn(4, 5), baseline=torch.zeros(5), tolerance=0.1
    )
    assert (found.steps == 50).all()
    np.testing.assert_array_equal(found.values, 0)


def test_rounding_asks_for_no_more_steps() -> None:
    found = integrated_gradients(
        nn.Linear(300, 1).eval(), torch.randn(50, 300), baseline=torch.zeros(300), tolerance=1e-12, max_steps=200
    )
    assert np.abs(found.completeness_gap).max() > 0
    assert (found.steps == 50).all()


def test_at_most_one_operation_a_row_and_no_reading_back_in_the_loop() -> None:
    module, counts = perceptron(30, activation=nn.ReLU), []
    for size in (200, 1000):
        with count_operations() as count:
            integrated_gradients(module, torch.randn(size, 30), baseline=torch.zeros(30))
        assert count.operations <= size
        counts.append(count)
    assert counts[0].operations < counts[1].operations
    assert counts[0].host_reads == counts[1].host_reads


@pytest.mark.parametrize("outputs", [1, 100])
@pytest.mark.parametrize("wrapped", [False, True], ids=["factored", "plain"])
def test_memory_follows_the_block_and_not_rows_or_steps_or_targets(wrapped: bool, outputs: int) -> None:
    class Largest(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.numbers = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.untyped_storage().nbytes() > 0:
                self.numbers = max(self.numbers, result.untyped_storage().nbytes() // result.element_size())
            return result

    module = Whole(perceptron(16, outputs)) if wrapped else perceptron(16, outputs)
    block = Slopes(Prediction(module), module, torch.randn(1, 16)).block
    for rows, steps in ((100, 50), (1000, 50), (1000, 100), (20, 500)):
        with Largest() as largest:
            integrated_gradients(module, torch.randn(rows, 16), baseline=torch.zeros(16), steps=steps)
        whole = rows * outputs * 16  # what is returned
        assert largest.numbers <= max(min(block, rows * max(steps, outputs)) * max(64, outputs), whole)


@pytest.mark.parametrize("most", [1, 7, 64])
def test_no_batch_is_larger_than_that_of_a_prediction_whatever_the_steps(most: int) -> None:
    module, rows, baseline = Whole(perceptron(6, 2)), torch.randn(10, 6), torch.zeros(6)
    whole = integrated_gradients(module.module, rows, baseline=baseline, steps=20)
    prediction = Prediction(module, batch=BatchSize(most))
    found = integrated_gradients(prediction, rows, baseline=baseline, steps=20)
    assert max(module.sizes) <= most
    assert relative(found.values, whole.values) < 1e-5
    assert found.model_rows == prediction.rows == sum(module.sizes) == 10 * 20 + 10 + 1 + 1


class InDouble(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.double()
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.module(rows.double())
        return outputs


@pytest.mark.parametrize("wrap", [lambda module: module, Whole], ids=["factored", "plain"])
def test_a_module_may_compute_in_another_precision_than_its_rows(wrap: Callable[[nn.Module], nn.Module]) -> None:
    module, rows, baseline = perceptron(6), torch.randn(5, 6), np.zeros(6)
    expected = integrated_gradients(module, rows, baseline=baseline).values
    found = integrated_gradients(wrap(InDouble(module)), rows, baseline=baseline)
    assert relative(found.values, expected) < 1e-5
    given = integrated_gradients(module, rows.double(), baseline=baseline)
    assert relative(given.values, expected) < 1e-5
    assert np.abs(given.completeness_gap).max() < 1e-10


def test_a_module_that_overwrites_its_input_does_not_overwrite_the_rows() -> None:
    module = nn.Sequential(nn.LeakyReLU(0.5, inplace=True), nn.Linear(4, 1)).eval()
    rows, baseline = torch.randn(5, 4), torch.randn(4)
    copies = rows.clone(), baseline.clone()
    found = integrated_gradients(module, rows, baseline=baseline, steps=200)
    assert torch.equal(rows, copies[0])
    assert torch.equal(baseline, copies[1])
    assert np.abs(found.completeness_gap).max() < 0.01


@pytest.mark.parametrize("factored", [True, False])
def test_the_model_and_the_rows_are_left_as_they_were(factored: bool) -> None:
    module = perceptron(7)
    module[2].weight.requires_grad_(False)
    module(torch.randn(3, 7)).sum().backward()
    learning = [parameter.requires_grad for parameter in module.parameters()]
    before = [None if parameter.grad is None else parameter.grad.clone() for parameter in module.parameters()]
    rows, baseline = torch.randn(5, 7, requires_grad=True), torch.zeros(7, requires_grad=True)
    copies = rows.detach().clone()
    integrated_gradients(module if factored else Whole(module), rows, baseline=baseline)
    assert (
        [parameter.requires_grad for parameter in module.parameters()] == learning == [True] * 2 + [False] + [True] * 3
    )
    for parameter, gradient in zip(module.parameters(), before, strict=True):
        assert (parameter.grad is None) == (gradient is None)
        assert gradient is None or torch.equal(parameter.grad, gradient)
    assert rows.grad is None
    assert torch.equal(rows, copies)


def test_nothing_of_the_model_is_changed_while_it_runs() -> None:
    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 1)
            self.as_made = list[bool]()
            self.eval()

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            learning = all(parameter.requires_grad for parameter in self.parameters())
            hooked = any(layer._forward_hooks or layer._forward_pre_hooks for layer in self.modules())
            self.as_made.append(learning and not hooked and nn.Module.__call__ is called)
            if float(rows.detach().max()) > 1e5:
                raise KeyError("broken")
            outputs: torch.Tensor = self.layer(rows)
            return outputs

    module, called = Looking(), nn.Module.__call__
    integrated_gradients(module, torch.randn(2, 3), baseline=torch.zeros(3))
    with pytest.raises(KeyError, match="broken"):
        integrated_gradients(module, torch.full((2, 3), 1e6), baseline=torch.zeros(3))
    assert len(module.as_made) > 4
    assert all(module.as_made)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_taken_where_the_caller_switched_them_off(mode: Any) -> None:
    module = perceptron(4)
    expected = integrated_gradients(module, torch.ones(2, 4), baseline=torch.zeros(4))
    with mode():
        found = integrated_gradients(module, torch.ones(2, 4), baseline=torch.zeros(4))
    np.testing.assert_array_equal(found.values, expected.values)


def test_equal_calls_give_equal_bits() -> None:
    module, rows = perceptron(9, 2, nn.ReLU), torch.randn(300, 9)
    one, other = (integrated_gradients(module, rows, baseline=torch.zeros(9), tolerance=1e-3) for _ in range(2))
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target": 2}, "expected targets from 0 to 1, got 2"),
        ({"target": "best"}, "'predicted' as the target"),
        ({"baseline": torch.zeros(3)}, r"expected a baseline of shape \(4,\) or \(6, 4\), got \(3,\)"),
        ({"baseline": torch.zeros(2, 4)}, "the mean of several rows is one baseline"),
        ({"baseline": np.zeros(4, dtype=np.int64)}, "expected a baseline of floating numbers, got int64"),
        ({"baseline": torch.full((4,), torch.nan)}, "expected finite numbers in `(rows|baseline)`, got nan"),
        ({"rows": torch.full((6, 4), torch.nan)}, "expected finite numbers in `(rows|baseline)`, got nan"),
        ({"rows": torch.zeros((6, 4), dtype=torch.int64)}, "a token has no gradient: explain what the embedding gives"),
        ({"rows": np.zeros((0, 4))}, "at least one row"),
        ({"rows": np.zeros(4)}, "expected `rows` of shape"),
        ({"model": perceptron(4, 2).train()}, "call module.eval"),
        ({"model": Formula(lambda rows: rows.round().detach())}, "depend on the rows by a gradient"),
        ({"model": Formula(lambda rows: rows.argmax(dim=1, keepdim=True))}, "depend on the rows by a gradient"),
        ({"model": Formula(lambda rows: rows.unsqueeze(1))}, "expected outputs of shape"),
        ({"steps": 0}, "expected at least 1 step, got 0"),
        ({"tolerance": 0.0}, "expected a tolerance between 0 and 1"),
        ({"tolerance": 0.1, "max_steps": 8}, "expected steps <= max_steps, got 50 and 8"),
        ({"tolerance": 0.1, "output_range": [1.0, 2.0, 3.0]}, "expected output_range as one number or 2"),
        ({"tolerance": 0.1, "output_range": -1.0}, "none below 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(change: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"model": perceptron(4, 2), "rows": torch.randn(6, 4), "baseline": torch.zeros(4)}
    given |= change
    with pytest.raises(ValueError, match=said):
        integrated_gradients(given.pop("model"), given.pop("rows"), **given)


@pytest.mark.parametrize("model", [lambda rows: rows, Prediction(lambda rows: rows)], ids=["function", "prediction"])
def test_a_predict_function_is_sent_to_what_explains_it(model: Any) -> None:
    with pytest.raises(TypeError, match="explain it with shapley_values or lime_weights"):
        integrated_gradients(model, torch.randn(2, 3), baseline=torch.zeros(3))
