"""The module against InterpretML itself, on models fitted here; left out where that is not installed."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from auditbench_ebm.document import read_document
from auditbench_ebm.network import EbmNetwork

glassbox = pytest.importorskip("interpret.glassbox", reason="interpret-core is not installed")
pd = pytest.importorskip("pandas")

WORK = ("field", "home", "office")
MISSING = 2.0**130


def made_up(rows: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"age": rng.normal(40, 12, rows), "hours": rng.gamma(3, 9, rows), "work": rng.choice(WORK, rows)}
    )
    frame.loc[rng.random(rows) < 0.1, "age"] = np.nan
    frame.loc[rng.random(rows) < 0.1, "work"] = None
    return frame


def outputs(model: Any, folder: Path, frame: Any) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the format is a beta
        model.to_json(str(folder / "model.json"))
    names = (*WORK, "forest")
    network = EbmNetwork(read_document(folder / "model.json"), (0, 1, 2), {"work": names}, missing=MISSING)
    codes = [names.index(name) if isinstance(name, str) else len(names) for name in frame["work"]]
    rows = np.stack([frame["age"].fillna(MISSING), frame["hours"], codes], axis=1)
    given: torch.Tensor = network(torch.from_numpy(rows))
    return given


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["two classes", "three classes", "values", "counts"])
def test_outputs_are_those_of_the_library(kind: str, seed: int, tmp_path: Path) -> None:
    frame, unseen = made_up(400, seed), made_up(200, seed + 100)
    unseen.loc[:20, "work"] = "forest"
    rng = np.random.default_rng(seed)
    score = 0.1 * frame["age"].fillna(30) - 0.05 * frame["hours"] + (frame["work"] == "home") + rng.normal(size=400)
    given = {"interactions": 3, "outer_bags": 2, "max_rounds": 40, "n_jobs": 1, "random_state": seed}
    if kind.endswith("classes"):
        classes = 3 if kind.startswith("three") else 2
        label = pd.qcut(score, classes, labels=False)
        model = glassbox.ExplainableBoostingClassifier(**(given if classes == 2 else given | {"interactions": 0}))
        expected = model.fit(frame, label).predict_proba(unseen)
        found = outputs(model, tmp_path, unseen)
        found = torch.softmax(found, 1) if classes == 3 else torch.cat([1 - found.sigmoid(), found.sigmoid()], 1)
    else:
        counts = kind == "counts"
        target = rng.poisson(np.exp(score.clip(-2, 3))) if counts else score
        objective = "poisson_deviance" if counts else "rmse"
        model = glassbox.ExplainableBoostingRegressor(objective=objective, **given).fit(frame, target)
        expected, found = model.predict(unseen)[:, np.newaxis], outputs(model, tmp_path, unseen)
    assert np.abs(found.detach().numpy() - expected).max() < 1e-10 * max(1.0, np.abs(expected).max())
