"""The shap library's explainers against their definitions, written out plainly, and what they leave behind."""

from __future__ import annotations

import copy
import itertools
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor
from torch import nn

from auditbench.masking import Prediction, players_of
from auditbench_shap.explanation import to_shap
from auditbench_shap.library import EXPLAINERS, LibraryValues, explain

mpl.use("Agg")

Numbers = npt.NDArray[np.float64]
TABLE_EXPLAINERS = ["shap.kernel", "shap.permutation", "shap.sampling", "shap.exact", "shap.partition"]
ROWS = np.random.default_rng(1).normal(size=(3, 5))
BACKGROUND = np.random.default_rng(2).normal(size=(6, 5))


def curved(table: Numbers) -> Numbers:
    """Two outputs with interactions of two and three columns."""
    a, b, c, d, e = table.T
    return np.stack([np.tanh(a * b) + c * d * e, np.exp(a / 2) * c - d], axis=1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def mean_output(predict: Callable[[Numbers], Numbers], row: Numbers, background: Numbers, kept: list[int]) -> Numbers:
    mixed = background.copy()
    mixed[:, kept] = row[kept]
    return predict(mixed).mean(axis=0)


def naive_shapley(
    predict: Callable[[Numbers], Numbers], row: Numbers, background: Numbers, groups: list[list[int]] | None = None
) -> Numbers:
    """Each player's marginal contribution, weighted over all coalitions; shape (targets, players)."""
    groups = groups or [[column] for column in range(len(row))]
    players = range(len(groups))
    columns = []
    for player in players:
        others = [other for other in players if other != player]
        total: Any = 0.0
        for size in range(len(others) + 1):
            weight = math.factorial(size) * math.factorial(len(groups) - size - 1) / math.factorial(len(groups))
            for coalition in itertools.combinations(others, size):
                kept = [column for other in coalition for column in groups[other]]
                after = mean_output(predict, row, background, kept + groups[player])
                total = total + weight * (after - mean_output(predict, row, background, kept))
        columns.append(total)
    return np.stack(columns, axis=1)


def naive_of_rows(predict: Callable[[Numbers], Numbers], groups: list[list[int]] | None = None) -> Numbers:
    return np.stack([naive_shapley(predict, row, BACKGROUND, groups) for row in ROWS])


def assert_adds_up(found: LibraryValues, outputs: Numbers, background_outputs: Numbers, atol: float = 1e-9) -> None:
    np.testing.assert_allclose(found.base_value, np.tile(background_outputs.mean(axis=0), (len(outputs), 1)), atol=atol)
    np.testing.assert_allclose(found.base_value + found.values.sum(axis=2), outputs, atol=atol)


@pytest.mark.parametrize("name", ["shap.kernel", "shap.exact"])
def test_enumerating_explainers_equal_the_definition(name: str) -> None:
    found = explain(name, curved, ROWS, BACKGROUND, rng=rng())
    np.testing.assert_allclose(found.values, naive_of_rows(curved), atol=1e-9)
    assert_adds_up(found, curved(ROWS), curved(BACKGROUND))


@pytest.mark.parametrize("name", TABLE_EXPLAINERS)
@pytest.mark.parametrize(("unit", "offset"), [(1e-10, 0.0), (1.0, 2.0**31)])
def test_small_units_and_large_offsets_count_as_any(name: str, unit: float, offset: float) -> None:
    weights = np.array([1.0, -2.0, 0.5, 3.0, 0.25])
    rows, background = (np.round(64 * table) * unit + offset for table in (ROWS, BACKGROUND))
    found = explain(name, lambda table: (table - offset) @ weights / unit, rows, background, rng=rng())
    expected = (rows - background.mean(axis=0)) / unit * weights
    np.testing.assert_allclose(found.values[:, 0], expected, atol=30 if name == "shap.sampling" else 1e-6)
    assert np.abs(expected).max() > 100


def test_kernel_takes_groups() -> None:
    groups = [[0, 3], [1], [2, 4]]
    expected = naive_of_rows(curved, groups)
    for given in (groups, np.array([0, 1, 2, 0, 2])):
        found = explain("shap.kernel", curved, ROWS, BACKGROUND, groups=players_of(given, (5,)), rng=rng())
        np.testing.assert_allclose(found.values, expected, atol=1e-9)


def test_kernel_keeps_more_than_ten_features() -> None:
    weights = np.arange(1.0, 15.0)
    rows, background = rng(1).normal(size=(2, 14)), rng(2).normal(size=(3, 14))
    found = explain("shap.kernel", lambda table: table @ weights, rows, background, budget=900, rng=rng())
    np.testing.assert_allclose(found.values[:, 0], (rows - background.mean(axis=0)) * weights, atol=1e-6)


def test_permutations_err_as_their_standard_error_says() -> None:
    found = explain("shap.permutation", curved, ROWS, BACKGROUND, budget=60 * 11 * 6, rng=rng())
    assert found.standard_error is not None
    error = np.abs(found.values - naive_of_rows(curved))
    assert error.max() > 1e-6
    assert (error <= 4 * found.standard_error + 1e-9).all()
    assert found.standard_error.max() < 0.2
    assert_adds_up(found, curved(ROWS), curved(BACKGROUND))


def test_one_round_of_permutations_has_no_standard_error() -> None:
    assert explain("shap.permutation", curved, ROWS, BACKGROUND, budget=11 * 6, rng=rng()).standard_error is None


def test_samples_come_near_the_definition() -> None:
    found = explain("shap.sampling", curved, ROWS, BACKGROUND, budget=12_001, rng=rng())
    np.testing.assert_allclose(found.values, naive_of_rows(curved), atol=0.15)
    assert_adds_up(found, curved(ROWS), curved(BACKGROUND), atol=1e-5)


def orders_of(cluster: Any) -> Iterator[list[int]]:
    """All orders of a nested pair's members in which members of each pair stand together."""
    if isinstance(cluster, int):
        yield [cluster]
        return
    first, second = cluster
    for left, right in itertools.product(orders_of(first), orders_of(second)):
        yield left + right
        yield right + left


@pytest.mark.parametrize("unit", [1.0, 1e-10])
def test_partition_equals_the_mean_over_orders_of_the_hierarchy(unit: float) -> None:
    first = rng(3).normal(size=(40, 3))
    background = np.column_stack([first, first[:, 0] + 0.01 * rng(4).normal(size=40), np.full(40, 7.0)])
    background[:, 2] += 1.5 * first[:, 1]

    def three_together(table: Numbers) -> Numbers:
        """Where no more than two columns meet, all hierarchies give the same."""
        a, b, c, d, e = table.T / unit
        return np.stack([a * b * c + np.tanh(d) * e, a * np.sin(c) * d - a], axis=1)

    rows = ROWS.copy()
    rows[:, 4] = 7.0
    rows, background = rows * unit, background * unit
    expected = np.zeros((len(rows), 2, 5))
    # 0 and 3 are almost equal, 1 and 2 go together; what is left, the constant column, joins by rounding noise alone.
    both = ((0, 3), (1, 2))
    for row, total in zip(rows, expected, strict=True):
        orders = list(orders_of(both))
        for order in orders:
            for place, column in enumerate(order):
                after = mean_output(three_together, row, background, order[: place + 1])
                total[:, column] += (after - mean_output(three_together, row, background, order[:place])) / len(orders)
    found = explain("shap.partition", three_together, rows, background, rng=rng())
    np.testing.assert_allclose(found.values, expected, atol=1e-9)
    assert_adds_up(found, three_together(rows), three_together(background))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_partition_clusters_equal_and_constant_columns_of_any_scale(scale: float) -> None:
    background = scale * np.column_stack([BACKGROUND[:, 0], BACKGROUND[:, 0], np.ones(6), BACKGROUND[:, 1:3]])
    found = explain("shap.partition", lambda table: table[:, 0] ** 2 * table[:, 3], ROWS * scale, background, rng=rng())
    np.testing.assert_allclose(found.values[:, 0, [1, 2, 4]], 0.0, atol=1e-9 * scale**3)
    assert np.abs(found.values[:, 0, 0]).min() > 0


@pytest.mark.parametrize("name", TABLE_EXPLAINERS)
def test_one_row_one_output_and_a_row_like_the_background(name: str) -> None:
    background = np.tile(BACKGROUND[:1], (3, 1)) + np.array([[0.0], [0.0], [1.0]]) * np.array([1.0, 1.0, 0, 0, 0])
    found = explain(name, lambda table: table[:, 0] * table[:, 1], background[:1], background, rng=rng())
    assert found.values.shape == (1, 1, 5)
    assert found.base_value.shape == (1, 1)
    np.testing.assert_allclose(found.values[0, 0, 2:], 0.0, atol=1e-12)


@pytest.mark.parametrize("name", TABLE_EXPLAINERS)
def test_the_whole_background_is_used_and_nothing_is_said(
    name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    background = rng(5).normal(size=(130, 5))
    weights = np.array([1.0, -2.0, 0.5, 3.0, 0.0])
    found = explain(name, lambda table: table @ weights, ROWS, background, rng=rng())
    atol = 0.3 if name == "shap.sampling" else 1e-9
    np.testing.assert_allclose(found.values[:, 0], (ROWS - background.mean(axis=0)) * weights, atol=atol)
    np.testing.assert_allclose(found.base_value, (background @ weights).mean(), atol=1e-12)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("shap").level == logging.NOTSET


@pytest.mark.parametrize("name", TABLE_EXPLAINERS)
def test_model_rows_are_those_that_the_model_got(name: str) -> None:
    got = []

    def counting(table: Numbers) -> Numbers:
        got.append(len(table))
        return curved(table)

    found = explain(name, counting, ROWS, BACKGROUND, rng=rng())
    assert found.model_rows == sum(got) > 0


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("shap.kernel", 6 * 15 + 1),
        ("shap.permutation", 11 * 6 * 2),
        ("shap.sampling", 1235),
        ("shap.exact", 32 * 6),
        ("shap.partition", 10 * 6),
    ],
)
def test_a_budget_is_kept_and_used(name: str, budget: int) -> None:
    found = explain(name, curved, ROWS, BACKGROUND, budget=budget, rng=rng())
    assert found.model_rows is not None
    once_for_all = len(BACKGROUND)
    assert 0.8 * budget <= found.model_rows / len(ROWS) <= budget + once_for_all / len(ROWS)


def test_a_prediction_goes_on_counting_and_the_explainer_counts_its_own() -> None:
    prediction = Prediction(curved)
    prediction.of_all(torch.from_numpy(ROWS))
    found = explain("shap.exact", prediction, ROWS, BACKGROUND, rng=rng())
    assert prediction.rows == (found.model_rows or 0) + len(ROWS)


def small_network(outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, outputs)).eval()


def outputs_of(module: nn.Module, rows: Numbers) -> Numbers:
    with torch.no_grad():
        return module(torch.tensor(rows, dtype=torch.float32)).double().numpy().reshape(len(rows), -1)


@pytest.mark.parametrize("name", ["shap.kernel", "shap.exact"])
def test_a_module_is_explained_as_its_predict_function(name: str) -> None:
    module = small_network()
    found = explain(name, module, torch.tensor(ROWS), BACKGROUND, rng=rng())
    np.testing.assert_allclose(found.values, naive_of_rows(lambda table: outputs_of(module, table)), atol=1e-5)


def test_integer_rows_reach_the_model_as_integers() -> None:
    module = nn.Sequential(nn.Embedding(4, 2), nn.Flatten(), nn.Linear(6, 2)).eval()
    rows, background = np.array([[1, 2, 3], [0, 3, 1]]), np.array([[0, 0, 0], [3, 1, 2]])
    found = explain("shap.exact", module, rows, background, rng=rng())
    with torch.no_grad():
        np.testing.assert_allclose(
            found.base_value + found.values.sum(axis=2), module(torch.tensor(rows)).numpy(), atol=1e-5
        )


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["shap.deep", "shap.gradient"])
def test_linear_modules_have_the_closed_form(name: str, dtype: torch.dtype, outputs: int) -> None:
    module = nn.Sequential(nn.Linear(5, 4), nn.Identity(), nn.Linear(4, outputs)).to(dtype).eval()
    rows = BACKGROUND.mean(axis=0) + np.eye(5)[:3] if name == "shap.deep" else ROWS
    background = BACKGROUND if name == "shap.deep" else np.tile(BACKGROUND[:1], (4, 1))
    found = explain(name, module, rows, background, rng=rng())
    weights = (module[2].weight @ module[0].weight).detach().double().numpy()
    expected = (rows - background.mean(axis=0))[:, np.newaxis] * weights
    np.testing.assert_allclose(found.values, expected, atol=2e-6)
    assert_adds_up(found, outputs_of(module.float(), rows), outputs_of(module.float(), background), atol=2e-6)


def test_deep_equals_the_definition_where_columns_meet_in_no_layer() -> None:
    """One nonlinearity a column, so that DeepLIFT's rule is exact."""
    module = nn.Sequential(nn.Tanh(), nn.Linear(5, 2)).eval()
    found = explain("shap.deep", module, ROWS, BACKGROUND, rng=rng())
    np.testing.assert_allclose(found.values, naive_of_rows(lambda table: outputs_of(module, table)), atol=1e-5)


def test_deep_adds_up_in_units_of_any_size() -> None:
    for factor in (1e-4, 1.0, 1e4):
        module = small_network()
        module[4].weight.data *= factor
        module[4].bias.data *= factor
        found = explain("shap.deep", module, ROWS, BACKGROUND, rng=rng())
        assert_adds_up(found, outputs_of(module, ROWS), outputs_of(module, BACKGROUND), atol=1e-5 * factor)
        assert np.abs(found.values).max() > 0.01 * factor


def test_gradient_errs_as_its_standard_error_says() -> None:
    module = small_network()
    found = explain("shap.gradient", module, ROWS, BACKGROUND, budget=3 * 150, rng=rng())
    finer = explain("shap.gradient", module, ROWS, BACKGROUND, budget=3 * 600, rng=rng(1))
    assert found.standard_error is not None
    assert finer.standard_error is not None
    error = np.abs(found.values - finer.values) / np.hypot(found.standard_error, finer.standard_error)
    assert 0.5 < np.sqrt((error**2).mean()) < 1.6
    np.testing.assert_allclose(found.base_value[0], outputs_of(module, BACKGROUND).mean(axis=0), atol=1e-6)


class OneOutput(nn.Module):
    """An output of shape `(rows,)`, from images."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 1)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)[:, 0]


@pytest.mark.parametrize("name", ["shap.deep", "shap.gradient"])
def test_images_and_a_single_axis_of_outputs(name: str) -> None:
    torch.manual_seed(0)
    module = OneOutput().eval()
    images = torch.randn(6, 2, 6, 6)
    found = explain(name, module, images[:2], images[2:], rng=rng())
    assert found.values.shape == (2, 1, 72)
    with torch.no_grad():
        output = module(images).numpy()
    gap = found.base_value[:, 0] + found.values[:, 0].sum(axis=1) - output[:2]
    assert np.abs(gap).max() < (1e-5 if name == "shap.deep" else 0.5)


class Reused(nn.Module):
    """One in-place activation in three places, inside a block that is no container of torch's."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU(inplace=True)
        self.first, self.second = nn.Linear(5, 6), nn.Linear(6, 6)
        self.tail = nn.Sequential(self.act, nn.Dropout(0.5), nn.Linear(6, 2))
        self.register_buffer("seen", torch.zeros(1))
        self.unrolled = self.first.weight * 2.0

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.tail(self.second(self.act(self.first(rows))) + self.act(self.second(self.act(self.first(rows)))))


def test_deep_explains_a_layer_used_in_several_places_as_its_copies() -> None:
    torch.manual_seed(0)
    module = Reused().eval()

    class Unrolled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.acts = nn.ModuleList(nn.ReLU() for _ in range(4))
            self.first, self.second, self.last = module.first, module.second, module.tail[2]

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            short = self.second(self.acts[0](self.first(rows)))
            long = self.acts[2](self.second(self.acts[1](self.first(rows))))
            return self.last(self.acts[3](short + long))

    found = explain("shap.deep", module, ROWS, BACKGROUND, rng=rng())
    plain = explain("shap.deep", Unrolled().eval(), ROWS, BACKGROUND, rng=rng())
    np.testing.assert_allclose(found.values, plain.values, atol=1e-6)
    assert_adds_up(found, outputs_of(module, ROWS), outputs_of(module, BACKGROUND), atol=1e-5)


def described(module: nn.Module) -> list[Any]:
    """What could be changed on a module."""
    hooks = ["_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"]
    return [
        (
            path,
            id(layer),
            layer.training,
            getattr(layer, "inplace", None),
            {key: id(value) for key, value in vars(layer).items() if key not in hooks},
            [list(getattr(layer, hook)) for hook in hooks],
            list(layer._parameters),
            list(layer._modules),
        )
        for path, layer in module.named_modules(remove_duplicate=False)
    ]


@pytest.mark.parametrize("name", ["shap.deep", "shap.gradient", "shap.kernel"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_module_and_the_global_generators_stay_as_they_were(name: str, fails: bool) -> None:
    torch.manual_seed(0)
    module = Reused().eval()
    module.second.weight.requires_grad_(False)
    module(torch.tensor(ROWS, dtype=torch.float32)).sum().backward()
    before = described(module)
    state = copy.deepcopy(module.state_dict())
    gradients = {key: None if p.grad is None else p.grad.clone() for key, p in module.named_parameters()}
    wants_gradient = [p.requires_grad for p in module.parameters()]
    rows, background = torch.tensor(ROWS, dtype=torch.float32), torch.tensor(BACKGROUND, dtype=torch.float32)
    generators = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002 - what the library draws from
    if fails:
        with pytest.raises(ValueError, match="expected"):
            explain(name, module, rows, background, budget=1, rng=rng())
    else:
        explain(name, module, rows, background, rng=rng())
    assert described(module) == before
    assert module.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
    for key, parameter in module.named_parameters():
        assert (parameter.grad is None) == (gradients[key] is None)
        assert parameter.grad is None or torch.equal(parameter.grad, gradients[key])
    assert [p.requires_grad for p in module.parameters()] == wants_gradient
    assert not rows.requires_grad
    assert not background.requires_grad
    assert (np.random.get_state()[1] == generators[0]).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), generators[1])


@pytest.mark.parametrize(
    "name", ["shap.kernel", "shap.permutation", "shap.sampling", "shap.partition", "shap.gradient"]
)
def test_equal_seeds_give_equal_bits(name: str) -> None:
    module = small_network()
    budget = None if name == "shap.partition" else 400
    first, again = (explain(name, module, ROWS, BACKGROUND, budget=budget, rng=rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.values, again.values)


@pytest.mark.parametrize("name", ["shap.deep", "shap.gradient"])
def test_model_rows_of_modules_are_counted(name: str) -> None:
    class Counting(nn.Module):
        rows: list[int] = []  # noqa: RUF012 - shared with the copy on purpose

        def __init__(self) -> None:
            super().__init__()
            self.network = small_network(2)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            self.rows.append(len(rows))
            return self.network(rows)

    found = explain(name, Counting().eval(), ROWS, BACKGROUND, rng=rng())
    assert found.model_rows == sum(Counting.rows)
    for_rows = {"shap.deep": 2 * 2 * 6 * 3, "shap.gradient": 2 * 200 * 3}[name]
    assert for_rows < sum(Counting.rows) <= for_rows + 3 * len(BACKGROUND) + len(ROWS)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(5, 6), nn.LayerNorm(6), nn.Linear(6, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.last(torch.sigmoid(3.0 * self.norm(self.first(rows))))


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(5, 6), nn.Linear(6, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(rows).relu_())


@pytest.mark.parametrize(
    ("module", "told"), [(Functional(), "every nonlinearity is a layer"), (InPlace(), "without in-place operations")]
)
def test_deep_refuses_what_it_has_no_rules_for(module: nn.Module, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        explain("shap.deep", module.eval(), ROWS, BACKGROUND, rng=rng())


def labels(table: Numbers) -> npt.NDArray[np.int64]:
    return (table[:, 0] * table[:, 1] > 0) + (table[:, 2] > 0.5).astype(np.int64)


@pytest.fixture(scope="module")
def training_rows() -> Numbers:
    return np.random.default_rng(0).normal(size=(120, 5))


def test_trees_equal_the_definition(training_rows: Numbers) -> None:
    forest = RandomForestClassifier(5, max_depth=4, random_state=0).fit(training_rows, labels(training_rows))
    found = explain("shap.tree", forest, ROWS, BACKGROUND, rng=rng())
    np.testing.assert_allclose(found.values, naive_of_rows(forest.predict_proba), atol=1e-7)
    assert_adds_up(found, forest.predict_proba(ROWS), forest.predict_proba(BACKGROUND), atol=1e-7)
    assert found.model_rows is None
    assert found.standard_error is None


def test_boosted_trees_are_explained_in_log_odds(training_rows: Numbers) -> None:
    boosted = GradientBoostingClassifier(n_estimators=4, random_state=0).fit(training_rows, labels(training_rows) > 0)
    found = explain("shap.tree", boosted, ROWS, BACKGROUND, rng=rng())
    expected = naive_of_rows(lambda table: boosted.decision_function(table)[:, np.newaxis])
    np.testing.assert_allclose(found.values, expected, atol=1e-7)


def test_trees_round_the_background_as_the_estimator_does(training_rows: Numbers) -> None:
    """Thresholds meet numbers of 32 bits; this background lies above one only before it is rounded."""
    for column in range(5):
        tree = DecisionTreeRegressor(max_depth=1).fit(training_rows[:, [column]], training_rows[:, column])
        threshold = tree.tree_.threshold[0]
        background = np.full((1, 1), np.nextafter(threshold, np.inf))
        if np.float32(background[0, 0]) <= threshold:
            break
    row = np.full((1, 1), threshold + 1.0)
    found = explain("shap.tree", tree, row, background, rng=rng())
    difference = tree.predict(row) - tree.predict(background)
    assert difference[0] > 0
    np.testing.assert_allclose(found.values[0, 0], difference, atol=1e-7)


def test_trees_use_a_background_of_any_length(training_rows: Numbers) -> None:
    forest = RandomForestRegressor(3, max_depth=3, random_state=0).fit(training_rows, labels(training_rows))
    found = explain("shap.tree", forest, ROWS, training_rows, rng=rng())
    outputs = [forest.predict(table)[:, np.newaxis] for table in (ROWS, training_rows)]
    assert_adds_up(found, *outputs, atol=1e-7)


@pytest.mark.parametrize("name", ["shap.exact", "shap.deep", "shap.tree"])
def test_targets(name: str, training_rows: Numbers) -> None:
    forest = RandomForestClassifier(3, max_depth=3, random_state=0).fit(training_rows, labels(training_rows))
    model = forest if name == "shap.tree" else small_network()
    whole = explain(name, model, ROWS, BACKGROUND, rng=rng())
    outputs = forest.predict_proba(ROWS) if name == "shap.tree" else outputs_of(model, ROWS)
    for target, chosen in [(2, [2, 2, 2]), ([0, 2, 1], [0, 2, 1]), ("predicted", outputs.argmax(axis=1))]:
        found = explain(name, model, ROWS, BACKGROUND, target=target, rng=rng())
        np.testing.assert_allclose(found.values[:, 0], whole.values[np.arange(3), chosen], atol=1e-12)
        np.testing.assert_allclose(found.base_value[:, 0], whole.base_value[np.arange(3), chosen], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "model", "changes", "told"),
    [
        ("shap.lime", curved, {}, "expected one of shap.kernel, .*shap.tree, got 'shap.lime'"),
        ("shap.deep", curved, {}, "expected an nn.Module for shap.deep"),
        ("shap.gradient", curved, {}, "expected an nn.Module for shap.gradient"),
        ("shap.tree", small_network(), {}, "expected a fitted tree estimator .* got Sequential"),
        ("shap.tree", curved, {}, "expected a fitted tree estimator .* got function"),
        ("shap.tree", RandomForestRegressor(), {}, "expected an estimator that shap.tree can explain"),
        ("shap.exact", curved, {"groups": [[0, 1], [2, 3, 4]]}, "expected no groups for shap.exact"),
        ("shap.deep", small_network(), {"groups": [[0, 1], [2, 3, 4]]}, "shap.kernel takes them"),
        ("shap.kernel", curved, {"groups": players_of([[0, 1], [2, 3]], (5,))}, "expected each column in one group"),
        ("shap.kernel", curved, {"budget": 60}, "expected a budget of at least 61 model rows"),
        ("shap.permutation", curved, {"budget": 65}, "expected a budget of at least 66 model rows"),
        ("shap.sampling", curved, {"budget": 20}, "expected a budget of at least 21 model rows"),
        ("shap.exact", curved, {"budget": 191}, "expected a budget of at least 192 model rows"),
        ("shap.partition", curved, {"budget": 23}, "expected a budget of at least 24 model rows"),
        ("shap.deep", small_network(), {"budget": 35}, "expected a budget of at least 36 model rows"),
        ("shap.gradient", small_network(), {"budget": 5}, "expected a budget of at least 6 model rows"),
        ("shap.exact", curved, {"rows": np.zeros((2, 21)), "background": np.zeros((2, 21))}, "at most 20 features"),
        ("shap.partition", curved, {"background": BACKGROUND[:1]}, "2 background rows"),
        ("shap.kernel", curved, {"background": BACKGROUND[:, :4]}, "of one shape for shap.kernel"),
        ("shap.kernel", curved, {"rows": np.zeros((2, 3, 2)), "background": np.zeros((2, 3, 2))}, "rows, features"),
        ("shap.deep", small_network(), {"background": BACKGROUND[:, :4]}, "of one shape for shap.deep"),
        ("shap.tree", RandomForestRegressor(), {"background": BACKGROUND[:, :4]}, "of one shape for shap.tree"),
        ("shap.kernel", lambda table: np.full(len(table), 1.0), {"rows": ROWS * np.nan}, "finite numbers"),
        ("shap.sampling", lambda table: np.stack([table[:, 0] * table[:, 1], table[:, 0] * 0], 1), {}, "all vary"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, model: Any, changes: dict[str, Any], told: str) -> None:
    given = {"rows": ROWS, "background": BACKGROUND, **changes}
    with pytest.raises(ValueError, match=told):
        explain(name, model, given.pop("rows"), given.pop("background"), **given, rng=rng())


def test_every_explainer_is_tried_above() -> None:
    assert set(EXPLAINERS) == {*TABLE_EXPLAINERS, "shap.deep", "shap.gradient", "shap.tree"}


@pytest.fixture
def plots() -> Iterator[Any]:
    """The library's plots; seaborn-like deprecations inside them are its own."""
    import shap
    from matplotlib import pyplot

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=PendingDeprecationWarning, module=r"shap\.plots")
        yield shap.plots
    pyplot.close("all")


@pytest.mark.parametrize("rows", [ROWS, torch.tensor(ROWS), None], ids=["array", "tensor", "without"])
def test_plots_take_the_explanation(plots: Any, rows: Any) -> None:
    from matplotlib import pyplot

    names = ("age", "income", "debt", "years", "region")
    found = explain("shap.exact", curved, ROWS, BACKGROUND, rng=rng())
    several = to_shap(found.values, found.base_value, rows, names)
    assert several.shape == (3, 5, 2)
    one = to_shap(found.values[:, :1], found.base_value[:, :1], rows, names)
    for explanation in (one, several[..., 0]):
        np.testing.assert_array_equal(explanation.values, found.values[:, 0])
        np.testing.assert_array_equal(explanation.base_values, found.base_value[:, 0])
        assert explanation.data is None if rows is None else (np.asarray(explanation.data) == ROWS).all()
        for plot in (plots.beeswarm, plots.bar):
            pyplot.figure()
            plot(explanation, show=False)
            shown = " ".join(text.get_text() for text in pyplot.gca().get_yticklabels())
            assert all(name in shown for name in names)
        pyplot.figure()
        plots.waterfall(explanation[1], show=False)
        shown = " ".join(text.get_text() for text in pyplot.gcf().findobj(mpl.text.Text))
        assert all(name in shown for name in names)
        assert f"{curved(ROWS)[1, 0]:.3f}".rstrip("0").replace("-", "−") in shown


def test_groups_and_images_have_no_data_of_their_own() -> None:
    values, base_value = np.ones((3, 1, 2)), np.zeros((3, 1))
    assert to_shap(values, base_value, ROWS, ("a", "b")).data is None
    images = np.ones((3, 1, 2, 2))
    found = to_shap(np.ones((3, 4, 1, 2, 2)), np.zeros((3, 4)), images)
    assert found.shape == (3, 1, 2, 2, 4)
    assert found.data.shape == images.shape
    assert found[..., 0].shape == images.shape


@pytest.mark.parametrize(
    ("values", "base_value", "rows", "names", "told"),
    [
        ((3, 5), (3,), ROWS, None, "rows, targets, "),
        ((3, 1, 5), (3, 2), ROWS, None, "base values of shape"),
        ((3, 1, 5), (3, 1), ROWS[:2], None, "expected 3 rows"),
        ((3, 1, 5), (3, 1), ROWS, ("a", "b"), "expected one name for each"),
    ],
)
def test_an_explanation_of_parts_that_do_not_fit_is_refused(
    values: tuple[int, ...], base_value: tuple[int, ...], rows: Numbers, names: Any, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        to_shap(np.ones(values), np.ones(base_value), rows, names)
