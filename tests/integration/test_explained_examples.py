"""Explanations of the examples, trained for a few epochs: contributions lie where the answer stands in the input."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from auditbench.api import audit_config
from auditbench.results import AnalysisResult
from auditbench.run_file import read_run
from tests.in_process_worker import workers_in_this_process

EXAMPLES = Path(__file__).parents[2] / "examples"


def explained(tmp_path: Path, config: str, *settings: str) -> dict[str, AnalysisResult]:
    """What each analyzer found, by name."""
    folder = tmp_path / Path(config).parent
    shutil.copytree(EXAMPLES / folder.name, folder, ignore=shutil.ignore_patterns("model", ".*", "auditbench-out"))
    with workers_in_this_process():
        audit_config(tmp_path / config, out=tmp_path / "run", overrides=settings, device="cpu")
    return {result.analyzer: result for result in read_run(tmp_path / "run").results}


def largest_parts(result: AnalysisResult) -> list[str]:
    """The parts with the largest mean |contribution| first."""
    found = [metric for metric in result.metrics if metric.name == "mean_absolute_attribution"]
    return [metric.where["feature"] for metric in sorted(found, key=lambda metric: -(metric.value or 0.0))]


@pytest.mark.parametrize("cut", ["slic", "grid"])
def test_contributions_to_a_digit_lie_on_its_strokes(tmp_path: Path, cut: str) -> None:
    results = explained(
        tmp_path,
        "02-image/audit.toml",
        "train.epochs=1",
        "analyzers.shap.rows=12",
        "analyzers.lime.rows=12",
        "analyzers.lime.num_samples=400",
        f'analyzers.shap.players.superpixels="{cut}"',
        f'analyzers.lime.players.superpixels="{cut}"',
    )
    images = np.load(EXAMPLES / "02-image" / "digits.npz")["image"]
    for name in ("shap", "lime"):
        (attribution,) = results[name].attributions
        sizes = np.abs(np.asarray(attribution.values, dtype=np.float64)[:, 0])
        strokes = np.stack([images[int(row_id) - 1] > 0 for row_id in attribution.row_ids])
        on_strokes = (sizes * strokes).sum(axis=(1, 2)) / sizes.sum(axis=(1, 2))
        assert on_strokes.mean() > 1.5 * strokes.mean(), name
    (agreement,) = [metric for metric in results["lime"].metrics if metric.name == "rank_agreement"]
    assert agreement.value is not None
    assert agreement.value > 0.5


def test_what_is_left_of_headers_stands_out_among_the_words_of_posts(tmp_path: Path) -> None:
    results = explained(
        tmp_path,
        "03-text/audit.toml",
        "train.epochs=3",
        "data.inputs.text.length=64",
        "analyzers.shap.rows=60",
        'analyzers.shap.method="hierarchical"',
        "analyzers.shap.budget=150",
    )
    words = largest_parts(results["shap"])
    assert {"re", "article", "com", "writes"}.intersection(words[:6])
    (attribution,) = results["shap"].attributions
    assert attribution.model_rows <= 60 * (150 + 4)


def test_segments_where_the_hand_moves_contribute_most_to_a_gesture(tmp_path: Path) -> None:
    results = explained(tmp_path, "04-series/gunpoint.toml", "analyzers.shap.rows=40", "analyzers.shap.budget=500")
    found = [metric for metric in results["shap"].metrics if metric.name == "mean_absolute_attribution"]
    sizes = {int(metric.where["feature"].split()[1]): metric.value or 0.0 for metric in found}
    moving = {start for start in sizes if 19 <= start <= 56 or 85 <= start <= 131}
    still = set(sizes) - moving
    assert len(moving) == 9
    assert len(still) == 7
    assert np.mean([sizes[start] for start in moving]) > 1.5 * np.mean([sizes[start] for start in still])
