"""Layers against captum, scikit-learn, closed forms and plain re-implementations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum import attr
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import nn

from auditbench.models.token_embedding import token_embedding
from auditbench_layers.activity import OUTLIER, layer_activity, row_activity
from auditbench_layers.contributing import change_of_output, layer_contributions
from auditbench_layers.kernels import LayerKernel, are_sure, by_units, products_by_units
from auditbench_layers.paths import Path, path_to
from auditbench_layers.probing import fit_probe
from auditbench_layers.similarity import alignments, chance_level, similarities

Numbers = np.ndarray[Any, np.dtype[np.float64]]


class Images(nn.Module):
    """Convolution, normalisation, a rectifier that works in place where asked, and two linear layers."""

    def __init__(self, *, in_place: bool = False) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.rectifier = nn.ReLU(inplace=in_place)
        self.hidden = nn.Linear(4 * 36, 8)
        self.squash = nn.Tanh()
        self.output = nn.Linear(8, 3)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.output(
            self.squash(self.hidden(self.rectifier(self.norm(self.convolution(rows))).flatten(1)))
        )
        return found


class Texts(nn.Module):
    """An embedding of tokens and one of positions, a rectifier at each token, their mean, and one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(20, 6)
        self.positions = nn.Embedding(7, 6)
        self.hidden = nn.Linear(6, 5)
        self.output = nn.Linear(5, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        places = torch.arange(ids.shape[1]).expand_as(ids)
        given = self.tokens(ids) + self.positions(places)
        found: torch.Tensor = self.output(torch.relu(self.hidden(given)).mean(dim=1))
        return found


AXES = {"convolution": 1, "norm": 1, "rectifier": 1, "hidden": 1, "squash": 1}
CAPTUM = {
    "conductance": attr.LayerConductance,
    "layer_integrated_gradients": attr.LayerIntegratedGradients,
    "internal_influence": attr.InternalInfluence,
    "activation_x_gradient": attr.LayerGradientXActivation,
}


def frozen(network: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network.eval().requires_grad_(False)


def images(rows: int = 5) -> tuple[Path, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    given = torch.randn((rows, 1, 8, 8), generator=generator)
    start = torch.randn((1, 1, 8, 8), generator=generator) * 0.1
    targets = torch.arange(rows) % 3
    return path_to(frozen(Images()), given, start), given, start, targets


def by_captum(method: str, module: nn.Module, layer: str, rows: Any, start: Any, target: Any, steps: int) -> Numbers:
    explainer: Any = CAPTUM[method](module, module.get_submodule(layer))
    options = {} if method == "activation_x_gradient" else {"baselines": start.expand_as(rows), "n_steps": steps}
    found = explainer.attribute(rows, target=target, **options).detach().double()
    return np.asarray((found.flatten(2).sum(dim=2) if found.ndim > 2 else found).numpy())


@pytest.mark.parametrize("method", ["layer_integrated_gradients", "internal_influence", "activation_x_gradient"])
def test_attributions_of_units_are_captums(method: Any) -> None:
    path, rows, start, targets = images()
    found = layer_contributions(path, targets, AXES, method=method, steps=20)
    for layer in AXES:
        expected = by_captum(method, path.module, layer, rows, start, targets, 20)
        np.testing.assert_allclose(found[layer], expected, atol=1e-6)
        assert np.abs(expected).max() > 1e-3


def test_conductance_comes_to_captums_where_both_have_many_steps() -> None:
    path, rows, start, targets = images()
    found = layer_contributions(path, targets, AXES, method="conductance", steps=400)
    for layer in AXES:
        expected = by_captum("conductance", path.module, layer, rows, start, targets, 2000)
        np.testing.assert_allclose(found[layer], expected, atol=5e-3 * np.abs(expected).max())


@pytest.mark.parametrize("method", ["conductance", "layer_integrated_gradients"])
def test_contributions_of_a_layer_that_all_passes_through_add_up(method: Any) -> None:
    path, _, _, targets = images()
    found = layer_contributions(path, targets, AXES, method=method, steps=64)
    change = change_of_output(path, targets)
    for layer in ("rectifier", "hidden", "squash"):
        np.testing.assert_allclose(found[layer].sum(axis=1), change, atol=1e-4 * np.abs(change).max())


@pytest.mark.parametrize("method", ["conductance", "layer_integrated_gradients", "internal_influence"])
def test_contributions_behind_one_hidden_layer_have_a_closed_form(method: Any) -> None:
    """Of `v relu(W x)` a unit conducts `v (relu(W x) - relu(W b))`, whatever the steps; its slope is v."""
    network = frozen(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)))
    rows, start = torch.randn((7, 4)), torch.randn((1, 4))
    targets = torch.tensor([0, 1, 0, 1, 1, 0, 0])
    found = layer_contributions(path_to(network, rows, start), targets, {"1": 1}, method=method, steps=3)["1"]
    slopes = network[2].weight[targets].double().numpy()  # type: ignore[index]
    moved = (network[:2](rows) - network[:2](start)).double().numpy()  # type: ignore[index]
    np.testing.assert_allclose(found, slopes if method == "internal_influence" else slopes * moved, atol=1e-6)


def test_a_layer_beside_a_residual_connection_does_not_account_for_the_whole_change() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch, self.output = nn.Linear(3, 3), nn.Linear(3, 1)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.output(rows + self.branch(rows))
            return found

    network: Any = frozen(Residual())
    rows, start = torch.randn((4, 3)), torch.zeros((1, 3))
    path, targets = path_to(network, rows, start), torch.zeros(4, dtype=torch.int64)
    found = layer_contributions(path, targets, {"branch": 1}, method="conductance", steps=4)["branch"]
    passed_by = (rows @ network.output.weight.T)[:, 0].double().numpy()
    np.testing.assert_allclose(change_of_output(path, targets) - found.sum(axis=1), passed_by, atol=1e-6)


def test_rectifiers_in_place_change_no_contribution_before_them() -> None:
    path, rows, start, targets = images()
    other = path_to(frozen(Images(in_place=True)), rows, start)
    for method in ("conductance", "layer_integrated_gradients", "internal_influence", "activation_x_gradient"):
        one, another = (layer_contributions(each, targets, AXES, method=method, steps=8) for each in (path, other))
        for layer in AXES:
            np.testing.assert_allclose(one[layer], another[layer], atol=1e-7)


def test_texts_go_from_the_embedding_of_one_to_that_of_the_other() -> None:
    """Captum's own path between embeddings: the network behind them, as a module of what they give."""
    network: Any = frozen(Texts())
    ids = torch.tensor([[3, 4, 5, 6, 0], [7, 8, 9, 2, 3]])
    starts = torch.where(ids == 0, ids, 1)
    assert token_embedding(network, ids[:1], where="", fix="") == ("tokens", network.tokens)

    class Behind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = network.hidden

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            places = network.positions(torch.arange(given.shape[1]))
            found: torch.Tensor = network.output(torch.relu(self.hidden(given + places)).mean(dim=1))
            return found

    behind, targets = Behind(), torch.tensor([1, 0])
    path = path_to(network, ids, starts, "tokens")
    axes = {"tokens": 2, "hidden": 2}
    found = layer_contributions(path, targets, axes, method="conductance", steps=300)
    begins, ends = network.tokens(starts), network.tokens(ids)
    explainer = attr.LayerConductance(behind, behind.hidden)
    expected = explainer.attribute(ends, begins, target=targets, n_steps=2000).detach()
    np.testing.assert_allclose(found["hidden"], expected.sum(dim=1), atol=2e-3 * float(expected.abs().max()))
    change = change_of_output(path, targets)
    of_tokens = attr.IntegratedGradients(behind).attribute(ends, begins, target=targets, n_steps=2000)
    np.testing.assert_allclose(found["tokens"], of_tokens.detach().sum(dim=1), atol=1e-3 * np.abs(change).max())


def naive_hsic(one: Numbers, another: Numbers) -> float:
    """Song et al. (2012), equation 5, over triples and quadruples of different rows; rows of kernels."""
    rows = range(len(one))
    pairs = [(i, j) for i in rows for j in rows if i != j]
    first = np.mean([one[i, j] * another[i, j] for i, j in pairs])
    second = np.mean([one[i, j] * another[k, m] for i, j in pairs for k, m in pairs if not {i, j} & {k, m}])
    third = np.mean([one[i, j] * another[i, k] for i, j in pairs for k in rows if k not in (i, j)])
    return float(first + second - 2 * third)


def alignment(one: np.ndarray, another: np.ndarray) -> float:
    (found,) = alignments([one], [another], [np.ones(len(one), dtype=bool)])
    return float(found[0, 0])


@pytest.mark.parametrize(("rows", "units", "others"), [(7, 3, 4), (6, 20, 2), (8, 5, 50)])
def test_alignment_is_that_of_all_tuples_of_different_rows(rows: int, units: int, others: int) -> None:
    rng = np.random.default_rng(rows)
    one, another = rng.normal(size=(rows, units)), rng.normal(size=(rows, others)) + 3
    kernels = one @ one.T, another @ another.T
    scale = np.sqrt(naive_hsic(kernels[0], kernels[0]) * naive_hsic(kernels[1], kernels[1]))
    found = alignment(one, another)
    assert found == pytest.approx(naive_hsic(*kernels) / scale, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(5, 30),
    st.integers(1, 8),
    st.integers(0, 2**31),
    st.floats(1e-4, 1e4),
    st.floats(-100, 100),
)
def test_alignment_knows_no_rotation_scale_or_shift(
    rows: int, units: int, seed: int, scale: float, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    one, another = rng.normal(size=(rows, units)), rng.normal(size=(rows, 4))
    rotation = np.linalg.qr(rng.normal(size=(units, units)))[0]
    moved = scale * (one @ rotation + shift)
    assert alignment(one, moved) == pytest.approx(1.0, abs=1e-6)
    assert alignment(one, another) == pytest.approx(alignment(moved, another), abs=1e-6)


def test_layers_of_more_units_than_rows_are_not_alike_by_that_alone() -> None:
    rng = np.random.default_rng(3)
    found = [alignment(rng.normal(size=(20, 500)), rng.normal(size=(20, 500))) for _ in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    given, other = (rng.normal(size=(20, 500)) for _ in range(2))
    plain = [each - each.mean(axis=0) for each in (given, other)]
    biased = np.linalg.norm(plain[0].T @ plain[1]) ** 2 / (
        np.linalg.norm(plain[0].T @ plain[0]) * np.linalg.norm(plain[1].T @ plain[1])
    )
    assert biased > 0.9


def whole_kernel(activations: np.ndarray) -> np.ndarray:
    """The U-centred kernel of all rows, written out (arXiv:1310.2059, definition 2)."""
    kernel = activations @ activations.T
    np.fill_diagonal(kernel, 0.0)
    rows, sums = len(kernel), kernel.sum(axis=0) / (len(kernel) - 2)
    kernel = kernel - sums - sums[:, np.newaxis] + kernel.sum() / ((rows - 1) * (rows - 2))
    np.fill_diagonal(kernel, 0.0)
    return kernel


def whole_alignment(one: np.ndarray, another: np.ndarray) -> float:
    kernels = whole_kernel(one), whole_kernel(another)
    return float((kernels[0] * kernels[1]).sum() / np.prod([np.linalg.norm(kernel) for kernel in kernels]))


@pytest.mark.parametrize(
    ("rows", "units", "outlier", "narrow"),
    [
        pytest.param(150, (4, 30), 1.0, True, id="over-units"),
        pytest.param(150, (90, 400), 1.0, False, id="over-rows"),
        pytest.param(150, (4, 400), 1.0, False, id="one-wide"),
        pytest.param(150, (4, 30), 2e4, True, id="over-units-until-they-cancel"),
    ],
)
def test_sums_over_units_and_over_rows_are_those_of_whole_kernels(
    rows: int, units: tuple[int, int], outlier: float, narrow: bool
) -> None:
    """The jackknife and the permutations too; an outlier of 20,000 times the size leaves few digits to sums over units."""
    rng = np.random.default_rng(rows)
    one, another = (rng.normal(size=(rows, count)) + 2 for count in units)
    another[:, :3] += one[:, :3]
    one[5] *= outlier
    layers = [one, another, np.maximum(one @ rng.normal(size=(units[0], 8)), 0)]
    kernel = LayerKernel.of(one)
    assert by_units([kernel, LayerKernel.of(another)]) == narrow
    assert are_sure([kernel], products_by_units([kernel], [kernel])[0]) == (outlier == 1.0)
    found = similarities(layers, layers, rng=np.random.default_rng(9))
    blocks = np.random.default_rng(9).permutation(rows) % 20
    for place, (first, second) in {(0, 1): (one, another), (1, 2): (another, layers[2])}.items():
        whole = whole_alignment(first, second)
        without = [whole_alignment(first[blocks != b], second[blocks != b]) for b in range(20)]
        shares = rows / np.bincount(blocks)
        pseudo = shares * whole - (shares - 1) * without
        variance = ((pseudo - (pseudo / shares).sum()) ** 2 / (shares - 1)).mean()
        assert found.values[place] == pytest.approx(whole, abs=1e-7)
        assert found.errors[place] == pytest.approx(np.sqrt(variance), abs=1e-6)
    level = chance_level(layers, rng=np.random.default_rng(3), permutations=40)
    kernels = [whole_kernel(each) / np.linalg.norm(whole_kernel(each)) for each in layers]
    orders = np.random.default_rng(3)
    largest = []
    for _ in range(40):
        order = orders.permutation(rows)
        permuted = [kernel[np.ix_(order, order)] for kernel in kernels]
        products = [(one * other).sum() for i, one in enumerate(kernels) for j, other in enumerate(permuted) if i != j]
        largest.append(max(products))
    assert level == pytest.approx(np.quantile(largest, 0.95, method="higher"), abs=1e-6)


@pytest.mark.parametrize("units", [2, 400], ids=["over-units", "over-rows"])
@pytest.mark.parametrize("constant", [0.1, 3.7])
def test_a_layer_that_varies_within_one_block_alone_has_no_standard_error(constant: float, units: int) -> None:
    """Without that block nothing but rounding is left of it."""
    rng = np.random.default_rng(6)
    varied, still = rng.normal(size=(200, 4)), np.full((200, units), constant)
    inside = np.random.default_rng(9).permutation(200) % 20 == 0
    still[inside] += rng.normal(size=(inside.sum(), units))
    found = similarities([varied, still], [varied, still], rng=np.random.default_rng(9))
    assert np.isfinite(found.values).all()
    assert np.isnan(found.errors).tolist() == [[False, True], [True, True]]


def test_leaving_blocks_out_is_the_jackknife_of_activations() -> None:
    """Pseudo-values by definition."""
    rng = np.random.default_rng(4)
    one, another = rng.normal(size=(40, 6)), rng.normal(size=(40, 3))
    another[:, 0] += one[:, 0]
    found = similarities([one], [another], rng=np.random.default_rng(9))
    blocks = np.random.default_rng(9).permutation(40) % 20
    whole = alignment(one, another)
    without = [alignment(one[blocks != b], another[blocks != b]) for b in range(20)]
    pseudo = 20 * whole - 19 * np.asarray(without)
    assert found.values[0, 0] == pytest.approx(whole)
    assert found.errors[0, 0] == pytest.approx(pseudo.std(ddof=1) / np.sqrt(20))


def test_chance_is_the_largest_alignment_of_permuted_rows() -> None:
    rng = np.random.default_rng(5)
    layers = [rng.normal(size=(30, 4)) for _ in range(4)]
    level = chance_level(layers, rng=np.random.default_rng(1), permutations=300)
    assert level is not None
    above = []
    for _ in range(300):
        drawn = [rng.normal(size=(30, 4)) for _ in range(4)]
        (found,) = alignments(drawn, drawn, [np.ones(30, dtype=bool)])
        above.append(found[~np.eye(4, dtype=bool)].max() > level)
    assert 0.01 < np.mean(above) < 0.12


@pytest.mark.parametrize(("rows", "units", "classes"), [(200, 10, 2), (200, 10, 4), (60, 150, 3), (60, 150, 2)])
@pytest.mark.parametrize("strength", [0.1, 1.0])
def test_probes_are_those_of_scikit_learn(rows: int, units: int, classes: int, strength: float) -> None:
    rng = np.random.default_rng(rows + classes)
    given = rng.normal(size=(rows, units)) * rng.uniform(0.1, 5, units)
    given[:, -1] = 2.5
    wanted = np.argmax(given[:, :classes] / given[:, :classes].std(axis=0) + rng.normal(size=(rows, classes)), axis=1)
    found = fit_probe(given, wanted, classes, strength=strength)
    standard = (given - found.mean) / found.scale
    np.testing.assert_allclose(standard[:, :-1].std(axis=0), 1.0)
    assert not standard[:, -1].any()
    expected = LogisticRegression(C=strength, max_iter=10_000, tol=1e-10).fit(standard, wanted)
    weights, intercepts = found.weights, found.intercepts
    if classes == 2:
        weights, intercepts = weights[1:] - weights[:1], intercepts[1:] - intercepts[:1]
    np.testing.assert_allclose(weights, expected.coef_, atol=2e-3)
    np.testing.assert_allclose(
        intercepts - intercepts.mean() * (classes > 2),
        expected.intercept_ - expected.intercept_.mean() * (classes > 2),
        atol=2e-3,
    )
    np.testing.assert_array_equal(found.decide(given), expected.predict(standard))


@pytest.mark.parametrize("counted", [False, True])
def test_activity_is_that_of_a_loop_over_values(counted: bool) -> None:
    rng = np.random.default_rng(6)
    output = np.maximum(rng.normal(size=(6, 5, 4)), 0).astype(np.float32)  # rows, tokens, units
    output[:, :, 2] = 0
    output[:, 0, 3] = 100
    lengths = [5, 4, 3, 2, 1, 5] if counted else [5] * 6
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    rows = row_activity(torch.from_numpy(output), 2, mask if counted else None, "ReLU")
    found = layer_activity(rows, "ReLU")
    parts = [output[row, : lengths[row]].astype(np.float64) for row in range(6)]
    values = np.concatenate([part.ravel() for part in parts])
    for row, part in enumerate(parts):
        np.testing.assert_allclose(rows["mean"][row], part.mean(axis=0), rtol=1e-6)
        assert found.zeros[row] == pytest.approx((part == 0).mean())
        means = part.mean(axis=0)
        expected = ((means - means.mean()) ** 4).mean() / means.var() ** 2
        assert found.kurtosis[row] == pytest.approx(expected, rel=1e-5)
    assert found.mean == pytest.approx(values.mean())
    assert found.deviation == pytest.approx(values.std())
    far = [np.abs(part - values.mean()).max(axis=0) > OUTLIER * values.std() for part in parts]
    assert found.outlying.tolist() == np.flatnonzero(np.mean(far, axis=0) >= 0.05).tolist()
    assert found.dead.tolist() == [2]
