"""Attributions against plain re-implementations of their definitions, and against the libraries' plain calls."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from captum import attr
from lime.lime_tabular import LimeTabularExplainer
from torch import nn

from auditbench.data import TABULAR_INPUT
from auditbench.testing import ToySubject, toy_context, toy_subject
from auditbench_captum import Params as CaptumParams
from auditbench_captum.analysis import analyze as analyze_captum
from auditbench_lime import library_weights
from auditbench_shap.shapley import shapley_values

Numbers = npt.NDArray[np.float64]


def curved_subject(outputs: int = 1) -> ToySubject:
    """A smooth network on the toy table, with interactions of every order."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(9, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, outputs)).double()
    for parameter in network.parameters():
        parameter.data *= 2.0
        parameter.requires_grad_(False)

    class InDouble(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, encoded: torch.Tensor) -> torch.Tensor:
            return self.network(encoded.double())

    subject = toy_subject("multiclass" if outputs > 1 else "binary")
    return dataclasses.replace(subject, model=dataclasses.replace(subject.model, module=InDouble().eval()))


def predictor(subject: ToySubject) -> Callable[[Numbers], Numbers]:
    return lambda raw: subject.model.predict({TABULAR_INPUT: raw})


def naive_shapley(predict: Callable[[Numbers], Numbers], row: Numbers, background: Numbers) -> Numbers:
    """The definition: each feature's marginal contribution, weighted over all coalitions; shape (targets, features)."""
    features = range(len(row))

    def value(coalition: tuple[int, ...]) -> Numbers:
        mixed = background.copy()
        mixed[:, list(coalition)] = row[list(coalition)]
        return predict(mixed).mean(axis=0)

    columns = []
    for feature in features:
        others = [other for other in features if other != feature]
        total = 0.0
        for size in range(len(others) + 1):
            weight = math.factorial(size) * math.factorial(len(row) - size - 1) / math.factorial(len(row))
            for coalition in itertools.combinations(others, size):
                total = total + weight * (value((*coalition, feature)) - value(coalition))
        columns.append(total)
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("method", ["exact", "shap.kernel", "shap.exact"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_enumerating_estimators_equal_the_definition(method: Any, outputs: int) -> None:
    subject = curved_subject(outputs)
    rows, background = (
        subject.data.take(np.arange(5)).inputs[TABULAR_INPUT],
        subject.data.background(9, np.random.default_rng(0)).inputs[TABULAR_INPUT],
    )
    found = shapley_values(predictor(subject), rows, background, method=method, rng=np.random.default_rng(0))
    expected = np.stack([naive_shapley(predictor(subject), row, background) for row in rows])
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert found.standard_error is None or (found.standard_error == 0).all()


def test_permutations_err_as_their_standard_error_says() -> None:
    subject = curved_subject()
    rows, background = (
        subject.data.take(np.arange(12)).inputs[TABULAR_INPUT],
        subject.data.background(9, np.random.default_rng(0)).inputs[TABULAR_INPUT],
    )
    found = shapley_values(
        predictor(subject), rows, background, method="permutation", rng=np.random.default_rng(0), budget=40 * 2 * 9 * 3
    )
    expected = np.stack([naive_shapley(predictor(subject), row, background) for row in rows])
    assert found.standard_error is not None
    error = np.abs(found.values - expected)
    assert error.max() > 0
    assert (error <= 4.5 * found.standard_error + 1e-9).all()
    assert (error <= 1.96 * found.standard_error + 1e-9).mean() > 0.85


def captum_block(subject: ToySubject, **params: Any) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """The analyzer's attribution, the encoded rows and the baseline that it explains against."""
    chosen = CaptumParams(rows=20, background=40, **params)
    context = toy_context(subject, analyzer="captum", params=chosen)
    (block,) = analyze_captum(context, chosen).attributions
    background = subject.data.background(40, context.rng("background"))
    encoded = subject.model.encode(context.explained_rows(20).inputs)
    baseline = subject.model.encode(background.inputs).double().mean(dim=0, keepdim=True).float()
    return block, encoded, baseline


def by_feature(columns: torch.Tensor, subject: ToySubject) -> Numbers:
    """Sum the encoded columns of each raw feature, one by one."""
    table = columns.detach().double().numpy()
    sums = np.zeros((len(table), len(subject.model.features)))
    for index, feature in enumerate(subject.model.features):
        for column in range(feature.start, feature.stop):
            sums[:, index] += table[:, column]
    return sums


@pytest.mark.parametrize("outputs", [1, 3])
def test_integrated_gradients_equal_captum_called_plainly(outputs: int) -> None:
    subject = curved_subject(outputs)
    block, encoded, baseline = captum_block(subject, n_steps=48, max_steps=48)
    for target in range(outputs):
        plain = attr.IntegratedGradients(subject.model.module).attribute(
            encoded, baselines=baseline, target=target, n_steps=48, method="gausslegendre"
        )
        np.testing.assert_allclose(block.values[:, target], by_feature(plain, subject), atol=2e-6)


def test_integrated_gradients_equal_a_riemann_sum() -> None:
    subject = curved_subject()
    block, encoded, baseline = captum_block(subject, n_steps=128)
    steps, total = 2000, torch.zeros_like(encoded, dtype=torch.float64)
    for step in range(steps):
        point = (baseline + (step + 0.5) / steps * (encoded - baseline)).requires_grad_()
        (gradient,) = torch.autograd.grad(subject.model.module(point).sum(), point)
        total += gradient.double() / steps
    np.testing.assert_allclose(block.values[:, 0], by_feature(total * (encoded - baseline), subject), atol=2e-5)


def test_integrated_gradients_are_complete() -> None:
    subject = curved_subject(3)
    block, _, baseline = captum_block(subject)
    with torch.no_grad():
        base = subject.model.module(baseline).numpy()
    np.testing.assert_allclose(block.base_values, np.tile(base, (20, 1)), atol=1e-12)
    np.testing.assert_allclose(block.values.sum(axis=2), block.outputs - base, atol=1e-5)


def test_ablation_is_the_change_when_a_feature_takes_its_baseline() -> None:
    subject = curved_subject(3)
    block, encoded, baseline = captum_block(subject, method="feature_ablation")
    with torch.no_grad():
        for index, feature in enumerate(subject.model.features):
            hidden = encoded.clone()
            hidden[:, feature.start : feature.stop] = baseline[:, feature.start : feature.stop]
            change = subject.model.module(encoded) - subject.model.module(hidden)
            np.testing.assert_allclose(block.values[:, :, index], change.numpy(), atol=1e-6)


def test_gradient_shap_nears_the_mean_of_integrated_gradients_over_the_background() -> None:
    subject = curved_subject()
    block, encoded, _ = captum_block(subject, method="gradient_shap", n_samples=1500)
    background = subject.model.encode(subject.data.background(40, np.random.default_rng(0)).inputs)
    paths = [
        attr.IntegratedGradients(subject.model.module).attribute(encoded, baselines=row[None], target=0, n_steps=32)
        for row in background
    ]
    expected = by_feature(torch.stack(paths).mean(dim=0), subject)
    scale = np.abs(expected).max()
    assert np.abs(block.values[:, 0] - expected).max() < 0.12 * scale


@pytest.mark.parametrize("outputs", [1, 3])
def test_lime_equals_the_library_called_plainly(outputs: int) -> None:
    subject = curved_subject(outputs)
    rows, background = (
        subject.data.take(np.arange(4)).inputs[TABULAR_INPUT],
        subject.data.background(40, np.random.default_rng(0)).inputs[TABULAR_INPUT],
    )
    found = library_weights(
        predictor(subject),
        rows,
        background,
        num_samples=400,
        rng=np.random.default_rng(7),
        categorical_features=[2, 3],
    )
    seeds = np.random.default_rng(7)
    for index, row in enumerate(rows):
        seed = int(seeds.integers(2**32))
        for target in range(outputs):
            plain = LimeTabularExplainer(
                background,
                mode="regression",
                categorical_features=[2, 3],
                discretizer="quartile",
                feature_selection="none",
                random_state=np.random.RandomState(seed),
            ).explain_instance(
                row,
                lambda raw, target=target: predictor(subject)(raw)[:, target],
                num_features=4,
                num_samples=400,
            )
            weights = dict(plain.local_exp[1])
            assert found.values[index, target] == pytest.approx([weights[feature] for feature in range(4)])
            assert found.intercept[index, target] == pytest.approx(plain.intercept[1])
            assert found.r2[index, target] == pytest.approx(plain.score)


def test_lime_equals_a_ridge_regression_written_out() -> None:
    """Draws are the library's; kernel, weighting and ridge are done again from the paper."""
    subject = curved_subject()
    row = subject.data.take(np.arange(1)).inputs[TABULAR_INPUT]
    background = subject.data.background(40, np.random.default_rng(0)).inputs[TABULAR_INPUT]
    seen: list[Numbers] = []

    def predict(raw: Numbers) -> Numbers:
        seen.append(raw.copy())
        return predictor(subject)(raw)

    found = library_weights(
        predict, row, background, num_samples=600, rng=np.random.default_rng(7), categorical_features=[2, 3]
    )
    _, perturbed = seen
    quartiles = np.percentile(background, [25, 50, 75], axis=0)
    bins = np.stack([np.searchsorted(np.unique(quartiles[:, j]), perturbed[:, j]) for j in range(2)], axis=1)
    same = np.column_stack([bins == bins[0], perturbed[:, 2:] == row[0, 2:]]).astype(float)
    distance = np.sqrt(((1 - same) ** 2).sum(axis=1))
    weight = np.sqrt(np.exp(-(distance**2) / (0.75 * np.sqrt(4)) ** 2))
    outputs = predictor(subject)(perturbed)[:, 0]
    centred = same - np.average(same, axis=0, weights=weight)
    residual = outputs - np.average(outputs, weights=weight)
    gram = centred.T @ (weight[:, None] * centred) + np.eye(4)
    expected = np.linalg.solve(gram, centred.T @ (weight * residual))
    np.testing.assert_allclose(found.values[0, 0], expected, atol=1e-8)
