"""Whatever explains an estimator, its categories stay categories: no code is averaged or moved by noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

import auditbench_lime.analysis
import auditbench_lime.params
import auditbench_shap.analysis
import auditbench_shap.params
from auditbench.models.raw_rows import MISSING
from tests.estimators import FEATURES, opened, people, write
from tests.unit.test_estimators import prepared

LIME = ("shared", "independent", "library")
SHAP = (
    "exact",
    "permutation",
    "kernel",
    "shap.kernel",
    "shap.permutation",
    "shap.sampling",
    "shap.exact",
    "shap.partition",
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("codes")
    train, _ = write(folder, people(160, 1), people(120, 2))
    own = prepared(LogisticRegression(max_iter=500)).fit(train[list(FEATURES)], train.y)
    skops.io.dump(own, folder / "model.skops")
    return opened(folder / "model.skops")


@pytest.mark.parametrize(("explainer", "method"), [*(("lime", one) for one in LIME), *(("shap", one) for one in SHAP)])
def test_codes_stay_whole(explainer: str, method: str, loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = loaded
    seen: list[Any] = []
    estimated = model.module._compute

    def watched(rows: Any) -> Any:
        seen.append(rows.copy())
        return estimated(rows)

    monkeypatch.setattr(model.module, "_compute", watched)
    rows, background = data.take(np.arange(4)), data.background(10, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    if explainer == "lime":
        auditbench_lime.analysis.explain_chunk(
            rows,
            rng,
            model=model,
            background=background.inputs["features"],
            params=auditbench_lime.params.Params(method=method, num_samples=100),
        )
    else:
        params = auditbench_shap.params.Params(method=method)
        auditbench_shap.analysis.explain_chunk(rows, rng, model=model, background=background, params=params)
    everything = np.concatenate(seen)
    assert len(everything) > 100
    for place, feature in enumerate(model.features):
        column = everything[:, place]
        if feature.kind == "category":
            assert set(column) <= set(range(len(feature.categories) + 1))
        else:
            assert ((column == MISSING) | (np.abs(column) < 1000)).all()


def test_missing_numbers_are_explained_as_missing(loaded: Any) -> None:
    """The exact values of the product, with rows that lack a number, add up to the outputs of these rows."""
    model, data = loaded
    raw = data.take(np.arange(len(data)))
    lacking = np.flatnonzero(np.isnan(raw.inputs["features"]).any(axis=1))
    assert len(lacking)
    rows, background = data.take(lacking), data.background(10, np.random.default_rng(0))
    for method in ("exact", "shap.exact"):
        found = auditbench_shap.analysis.explain_chunk(
            rows,
            np.random.default_rng(0),
            model=model,
            background=background,
            params=auditbench_shap.params.Params(method=method),
        )
        sums = found["base_values"] + found["values"].sum(axis=2)
        np.testing.assert_allclose(sums, model.predict(rows.inputs), atol=1e-9)
