"""LIME over hidden players against lime's explainers of images and texts, and against ridge regression written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from lime.lime_image import LimeImageExplainer
from lime.lime_text import LimeTextExplainer
from scipy import stats
from torch import nn

from auditbench.masking import BackgroundRows, Baseline, MaskToken, Prediction, players_of, superpixels, token_players
from auditbench_lime import masked_lime_weights
from auditbench_lime.masked import drawn_masks

Numbers = npt.NDArray[np.float64]

GRID = np.repeat(np.repeat(np.arange(6).reshape(2, 3), 2, axis=0), 2, axis=1)
"""Six superpixels of an image of 4 x 6 pixels."""


def bright(images: npt.NDArray[Any]) -> Numbers:
    """Two outputs of images, shape `(images, 4, 6, 3)`, with interactions of superpixels."""
    parts = np.stack([images[:, each == GRID].mean(axis=(1, 2)) for each in range(6)], axis=1).astype(float)
    score = parts @ np.arange(6) + 3 * parts[:, 0] * parts[:, 5] - 2 * parts[:, 1] * parts[:, 2] * parts[:, 3]
    return np.column_stack([np.tanh(score / 4), np.sin(score)])


def naive_ridge(kept: Numbers, outputs: Numbers, width: float) -> tuple[Numbers, float, float]:
    """Coefficients, intercept and R squared, from the definition with an explicit column of ones."""
    whole = np.ones(kept.shape[1])
    lengths = np.linalg.norm(kept, axis=1) * np.linalg.norm(whole)
    distance = 1 - np.divide(kept @ whole, lengths, out=np.zeros(len(kept)), where=lengths > 0)
    weight = np.sqrt(np.exp(-(distance**2) / width**2))
    design = np.column_stack([kept, np.ones(len(kept))])
    penalty = np.diag([1.0] * kept.shape[1] + [0.0])
    found = np.linalg.solve(design.T @ (weight[:, None] * design) + penalty, design.T @ (weight * outputs))
    centred = outputs - np.average(outputs, weights=weight)
    r2 = 1 - (weight * (outputs - design @ found) ** 2).sum() / (weight * centred**2).sum()
    return found[:-1], float(found[-1]), float(r2)


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize("removal", ["half", "count"])
def test_weights_equal_a_ridge_regression_written_out(removal: Any, independent: bool) -> None:
    """On the masked rows that the model was asked for."""
    rows = np.random.default_rng(0).normal(size=(3, 5)) + 9  # never 0, which is what hides
    seen: list[Numbers] = []

    def predict(table: Numbers) -> Numbers:
        seen.append(table.copy())
        return np.column_stack([np.sin(table[:, 0] * table[:, 1]) + table[:, 2], table.prod(axis=1) / 9**4])

    found = masked_lime_weights(
        predict,
        rows,
        Baseline(baseline=torch.zeros(5)),
        groups=[[0, 1], [2], [3, 4]],
        removal=removal,
        num_samples=60,
        independent=independent,
    )
    assert found.values.shape == (3, 2, 3)
    asked = np.concatenate(seen)
    assert found.model_rows == len(asked) == 1 + 3 + 3 * 59  # the baseline, the rows, their samples
    for index, (row, own) in enumerate(zip(rows, asked[4:].reshape(3, 59, 5), strict=True)):
        samples = np.concatenate([row[None], own])
        kept = (samples[:, [0, 2, 3]] != 0).astype(float)
        np.testing.assert_array_equal(samples, np.where(kept[:, [0, 0, 1, 2, 2]], row, 0.0))
        for target in range(2):
            weights, intercept, r2 = naive_ridge(kept, predict(samples)[:, target], 0.25)
            np.testing.assert_allclose(found.values[index, target], weights, atol=1e-9)
            assert found.intercept[index, target] == pytest.approx(intercept, abs=1e-9)
            assert found.r2[index, target] == pytest.approx(r2, abs=1e-9)


def test_half_keeps_each_player_by_a_fair_coin() -> None:
    kept = drawn_masks(20_000, 5, "half", np.random.default_rng(0))
    patterns = np.bincount(kept @ (1 << np.arange(5)), minlength=32)
    assert stats.chisquare(patterns).pvalue > 0.01


def test_count_removes_words_as_lime_does() -> None:
    words = ["a", "b", "c", "d", "e"]
    asked: list[str] = []

    def classify(texts: list[str]) -> Numbers:
        asked.extend(texts)
        return np.full((len(texts), 2), 0.5)

    explainer = LimeTextExplainer(random_state=0, feature_selection="none", split_expression=r"\s+")
    explainer.explain_instance(" ".join(words), classify, num_samples=20_001)
    theirs = np.asarray([[word in text.split() for word in words] for text in asked[1:]])
    ours = drawn_masks(20_000, 5, "count", np.random.default_rng(1))
    assert stats.chisquare(np.bincount((~ours).sum(axis=1), minlength=6)[1:]).pvalue > 0.01
    both = np.stack([np.bincount(kept @ (1 << np.arange(5)), minlength=32) for kept in (theirs, ours)])
    assert both[:, -1].sum() == 0  # nothing removed is the text itself alone
    assert stats.chi2_contingency(both[:, :-1]).pvalue > 0.01


def test_superpixels_agree_with_limes_image_explainer_over_seeds() -> None:
    image, seeds, samples = np.random.default_rng(3).random((4, 6, 3)), 30, 100
    players = players_of(np.repeat(GRID[:, :, None], 3, axis=2), image.shape)
    masker = Baseline(baseline=torch.zeros(image.shape))
    ours, theirs = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        ours.append(
            masked_lime_weights(bright, image[None], masker, groups=players, num_samples=samples, rng=rng).values[0]
        )
        fit = LimeImageExplainer(random_state=seed).explain_instance(
            image, bright, top_labels=2, hide_color=0, num_samples=samples, segmentation_fn=lambda image: GRID
        )
        theirs.append([[weight for _, weight in sorted(fit.local_exp[target])] for target in range(2)])
    assert_same_mean_and_spread(np.stack(ours), np.asarray(theirs))


def test_words_agree_with_limes_text_explainer_over_seeds() -> None:
    words, seeds, samples = ["a", "b", "c", "d", "e"], 30, 100
    slopes = np.asarray([0.5, -1.0, 2.0, 0.0, 1.0])

    def score(kept: Numbers) -> Numbers:
        chance = 1 / (1 + np.exp(-(kept @ slopes - 2 * kept[:, 0] * kept[:, 1])))
        return np.column_stack([1 - chance, chance])

    players = token_players(torch.arange(1, 6).unsqueeze(0))
    ours, theirs = [], []
    for seed in range(seeds):
        found = masked_lime_weights(
            lambda ids: score((ids > 0).astype(float)),
            torch.arange(1, 6).unsqueeze(0),
            MaskToken(token_id=0),
            groups=players,
            removal="count",
            num_samples=samples,
            rng=np.random.default_rng(seed),
        )
        ours.append(found.values[0])
        fit = LimeTextExplainer(random_state=seed, feature_selection="none", split_expression=r"\s+").explain_instance(
            " ".join(words),
            lambda texts: score(np.asarray([[float(word in text.split()) for word in words] for text in texts])),
            labels=(0, 1),
            num_samples=samples,
        )
        theirs.append([[weight for _, weight in sorted(fit.local_exp[target])] for target in range(2)])
    assert_same_mean_and_spread(np.stack(ours), np.asarray(theirs))


def assert_same_mean_and_spread(ours: Numbers, theirs: Numbers) -> None:
    noise = np.sqrt((ours.var(axis=0, ddof=1) + theirs.var(axis=0, ddof=1)) / len(ours))
    gaps = (ours.mean(axis=0) - theirs.mean(axis=0)) / noise
    assert np.abs(gaps).max() < 4
    assert (gaps**2).mean() < 2.5
    assert np.abs(np.log(ours.var(axis=0).sum() / theirs.var(axis=0).sum())) < np.log(1.7)


def test_texts_of_different_lengths_are_explained_as_alone() -> None:
    """A text that lacks the last words, and one that has none, in the same call as longer ones."""
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 0, 0], [0, 0, 0, 0], [9, 6, 7, 5]])
    players = token_players(ids, special=[0])
    assert len(players) == 4

    def predict(texts: npt.NDArray[Any]) -> Numbers:
        return (texts == 6) * 2.0 @ np.ones(4) - (texts == 5) @ np.ones(4)

    found = masked_lime_weights(predict, ids, MaskToken(token_id=1), groups=players, removal="count", num_samples=400)
    assert (found.values[1, 0, 2:] == 0).all()
    assert (found.values[2] == 0).all()
    assert np.isnan(found.r2[2, 0])
    assert found.intercept[2, 0] == 0.0
    np.testing.assert_allclose(found.values[0, 0], [-1, 2, 0, 0], atol=0.1)
    # Hardly a sample of two words keeps both or none, so that the penalty decides on all but their difference.
    assert found.values[1, 0, 1] - found.values[1, 0, 0] == pytest.approx(3, abs=0.1)
    np.testing.assert_allclose(found.values[3, 0], [0, 2, 0, -1], atol=0.1)
    np.testing.assert_allclose(found.r2[[0, 1, 3], 0], 1, atol=3e-3)


def test_several_replacements_count_by_their_mean() -> None:
    rng = np.random.default_rng(8)
    rows, background = rng.normal(size=(2, 4)), rng.normal(size=(7, 4))
    slopes = np.asarray([1.0, -2.0, 0.5, 3.0])
    found = masked_lime_weights(
        lambda table: table @ slopes,
        rows,
        background,
        num_samples=500,
    )
    assert found.model_rows == 7 + 2 + 2 * 7 * 499
    np.testing.assert_allclose(found.values[:, 0], (rows - background.mean(axis=0)) * slopes, rtol=0.05)


def test_modules_factored_or_not_and_predict_functions_agree() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    rows = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)

    def predict(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
        with torch.no_grad():
            return module(torch.from_numpy(table)).numpy()

    arguments = rows, Baseline(baseline=torch.zeros(6))
    plain = masked_lime_weights(predict, *arguments, num_samples=100)
    np.testing.assert_allclose(masked_lime_weights(module, *arguments, num_samples=100).values, plain.values, atol=1e-5)
    one = masked_lime_weights(module, *arguments, num_samples=100, target=2)
    np.testing.assert_allclose(one.values[:, 0], plain.values[:, 2], atol=1e-5)


def test_images_that_share_masks_are_explained_as_alone() -> None:
    torch.manual_seed(0)
    images = torch.rand(3, 1, 8, 8)
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2)).eval()
    asked: list[int] = []
    module.register_forward_pre_hook(lambda module, inputs: asked.append(len(inputs[0])))
    players = superpixels(images, count=4, method="grid")
    masker = Baseline(baseline=torch.zeros(1, 8, 8))
    found = masked_lime_weights(module, images, masker, groups=players, num_samples=64)
    assert found.values.shape == (3, 2, 4)
    assert found.model_rows == sum(asked)
    assert max(asked) == 3 * 63
    alone = masked_lime_weights(module, images[1:2], masker, groups=players, num_samples=64)
    np.testing.assert_allclose(found.values[1:2], alone.values, atol=1e-6)


def test_every_form_of_background_players_and_model_gives_the_same() -> None:
    rng = np.random.default_rng(2)
    rows, background = rng.normal(size=(2, 3)), rng.normal(size=(4, 3))
    slopes = np.asarray([1.0, 2.0, -1.0])
    prediction = Prediction(lambda table: table @ slopes)
    plain = masked_lime_weights(prediction, rows, background, num_samples=50)
    assert plain.names == ("player 0", "player 1", "player 2")
    again = masked_lime_weights(
        prediction,
        pd.DataFrame(rows, columns=["a", "b", "c"]),
        BackgroundRows(background=torch.from_numpy(background)),
        num_samples=50,
    )
    assert again.names == ("a", "b", "c")
    assert plain.model_rows == again.model_rows == prediction.rows / 2
    players = players_of(np.arange(3), (3,), names=("x", "y", "z"))
    given = masked_lime_weights(prediction, rows, background, groups=players, num_samples=50)
    assert given.names == ("x", "y", "z")
    for found in (again, given):
        np.testing.assert_array_equal(found.values, plain.values)
        np.testing.assert_array_equal(found.effective_samples, plain.effective_samples)


def test_a_narrow_kernel_leaves_few_samples_in_effect() -> None:
    rows = np.ones((1, 8))
    wide, narrow, lone = (
        masked_lime_weights(
            lambda table: table[:, 0], rows, np.zeros((1, 8)), removal="count", num_samples=300, kernel_width=width
        )
        for width in (10.0, 0.05, 1e-4)
    )
    assert wide.effective_samples[0] == pytest.approx(300, rel=0.01)
    assert 1 < narrow.effective_samples[0] < 60
    assert (lone.effective_samples[0], lone.r2[0, 0], np.abs(lone.values).max()) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"removal": "most"}, "expected 'half' or 'count' as the removal, got 'most'"),
        ({"num_samples": 5}, "of at least 10 samples"),
        ({"kernel_width": -1.0}, "expected a kernel width above 0"),
        ({"target": 7}, "expected targets from 0 to"),
        ({"background": np.zeros((4, 2))}, "expected `background` of shape"),
        ({"groups": players_of(None, (4,))}, "expected players of rows of shape"),
        (
            {"model_or_predict": lambda table: np.where(table[:, 0] > 0, 1, np.nan)},
            "for rows with hidden players, got NaN",
        ),
        ({"model_or_predict": lambda table: np.where(table[:, 0] > 0, np.inf, 1)}, "got inf .* for row 0, output 0"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], message: str) -> None:
    given = {
        "model_or_predict": lambda table: table[:, :2],
        "rows": np.ones((2, 3)),
        "background": Baseline(baseline=torch.zeros(3)),
    }
    with pytest.raises(ValueError, match=message):
        masked_lime_weights(**{**given, **change})


def test_a_seed_is_no_generator() -> None:
    with pytest.raises(TypeError, match=r"got int; np.random.default_rng\(seed\)"):
        masked_lime_weights(lambda table: table, np.ones((2, 3)), np.zeros((1, 3)), rng=3)  # type: ignore[arg-type]
