"""Heads on embeddings are the ones that scikit-learn finds, and equal rows give equal bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from auditbench.errors import ModelError
from auditbench.models.huggingface.heads import fit_head


def rows(classes: int, count: int = 120) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(classes)
    y_true = rng.integers(classes, size=count)
    return rng.normal(size=(count, 6)) + 0.5 * y_true[:, None], y_true


@pytest.mark.parametrize("l2", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_logistic_heads_are_those_of_scikit_learn(classes: int, l2: float) -> None:
    embeddings, y_true = rows(classes)
    outputs = 1 if classes == 2 else classes
    weight, bias = fit_head(embeddings, y_true, outputs=outputs, l2=l2, regression=False)
    other = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=10_000).fit(embeddings, y_true)
    found = embeddings @ weight.numpy().T + bias.numpy()
    expected = np.atleast_2d(other.decision_function(embeddings).T).T
    shift = found.mean(1, keepdims=True) if classes > 2 else 0.0  # the level of all classes together is free
    level = expected.mean(1, keepdims=True) if classes > 2 else 0.0
    np.testing.assert_allclose(found - shift, expected - level, atol=1e-4)


@pytest.mark.parametrize("l2", [0.01, 1.0, 50.0])
def test_heads_of_values_are_ridge_regressions(l2: float) -> None:
    embeddings, _ = rows(2)
    values = embeddings @ np.arange(6.0) + 3.0
    weight, bias = fit_head(embeddings, values, outputs=1, l2=l2, regression=True)
    other = Ridge(alpha=l2).fit(embeddings, values)
    np.testing.assert_allclose(weight.numpy()[0], other.coef_, atol=1e-8)
    np.testing.assert_allclose(bias.numpy()[0], other.intercept_, atol=1e-8)


def test_equal_rows_give_equal_bits() -> None:
    embeddings, y_true = rows(3)
    one, other = (fit_head(embeddings, y_true, outputs=3, l2=1.0, regression=False) for _ in range(2))
    assert all(bool((a == b).all()) for a, b in zip(one, other, strict=True))


def test_embeddings_far_from_zero_have_the_head_of_those_around_it() -> None:
    embeddings, y_true = rows(2)
    far = 1e4 * embeddings + 1e6
    weight, bias = fit_head(far, y_true, outputs=1, l2=1.0, regression=False)
    near_weight, near_bias = fit_head(embeddings, y_true, outputs=1, l2=1e-8, regression=False)
    found, expected = far @ weight.numpy()[0] + float(bias), embeddings @ near_weight.numpy()[0] + float(near_bias)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_penalty_too_small_for_one_solution_is_refused() -> None:
    twice = np.concatenate([rows(2)[0]] * 2, axis=1)
    with pytest.raises(ModelError, match="no head was found"):
        fit_head(twice, twice[:, 0], outputs=1, l2=1e-300, regression=True)


@pytest.mark.parametrize("count", [0, 5])
def test_rows_of_one_class_fit_no_head(count: int) -> None:
    with pytest.raises(ModelError, match="cannot be fitted"):
        fit_head(np.zeros((count, 3)), np.zeros(count, dtype=int), outputs=1, l2=1.0, regression=False)
