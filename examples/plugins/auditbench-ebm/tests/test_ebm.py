"""The promises of a loader, the sample against what InterpretML said of it, and models whose answers follow by hand."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from auditbench_ebm import auditbench_model_loaders
from auditbench_ebm.document import read_document
from auditbench_ebm.loading import load
from auditbench_ebm.network import EbmNetwork

from auditbench.data import build_evaluation
from auditbench.errors import ModelError
from auditbench.testing import check_loader, read_sample

SAMPLE = Path(__file__).parents[1] / "sample"
FACTS = json.loads((SAMPLE / "facts.json").read_text(encoding="utf-8"))

# A number with one cut, a category with two names in one bin, and both together. Bins: missing, values, never seen.
BY_HAND: dict[str, Any] = {
    "version": "1.0",
    "ebm": {
        "outputs": [{"task": "classification", "classes": [0, 1], "link": "logit"}],
        "intercept": [0.5],
        "features": [
            {"name": "age", "type": "continuous", "cuts": [[40.0]]},
            {"name": "work", "type": "nominal", "categories": [["office", ["field", "home"]]]},
        ],
        "terms": [
            {"term_features": ["age"], "scores": [10.0, 1.0, 2.0, 0.0]},
            {"term_features": ["work"], "scores": [20.0, 3.0, 4.0, 5.0]},
            {"term_features": ["age", "work"], "scores": [[0.0] * 4, [0.0, 0.25, 0.0, 0.0], [0.0] * 4, [0.0] * 4]},
        ],
    },
}
NAMES = ("field", "office", "forest")
MISSING = 2.0**130


def written(folder: Path, content: object) -> Path:
    path = folder / "model.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_every_promise_is_kept() -> None:
    (loader,) = auditbench_model_loaders()
    check_loader(loader, SAMPLE / "audit.toml")


def test_probabilities_are_those_of_predict_proba() -> None:
    request = read_sample(SAMPLE / "audit.toml").request()
    model = load(request)
    data = build_evaluation(request.source, model.inputs, task=model.facts.task, classes=model.facts.classes, seed=0)
    found = np.concatenate([model.probabilities(model.predict(rows.inputs)) for rows in data.batches(128)])
    assert list(model.facts.classes) == FACTS["classes"]
    assert np.abs(found - np.asarray(FACTS["predict_proba"])).max() < 1e-12


def changed(folder: Path, old: str, new: str) -> Path:
    """A copy of the sample whose audit.toml says something else."""
    copy = shutil.copytree(SAMPLE, folder / "sample") / "audit.toml"
    text = copy.read_text(encoding="utf-8")
    assert old in text
    copy.write_text(text.replace(old, new), encoding="utf-8")
    return copy


def test_the_positive_class_is_that_of_the_data(tmp_path: Path) -> None:
    request = read_sample(changed(tmp_path, 'positive = "yes"', 'positive = "no"')).request()
    model = load(request)
    data = build_evaluation(request.source, model.inputs, task=model.facts.task, classes=model.facts.classes, seed=0)
    found = np.concatenate([model.probabilities(model.predict(rows.inputs)) for rows in data.batches(128)])
    assert model.facts.classes == ("yes", "no")
    assert np.abs(found[:, ::-1] - np.asarray(FACTS["predict_proba"])).max() < 1e-12


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(', "grade"]', "]", "no column of the data", id="a-column-is-left-out"),
        pytest.param(', "grade"]', ', "grade", "sex"]', "does not know all columns", id="a-column-too-many"),
        pytest.param("[analyzers.shap]\nrows = 20", '[data.types]\nincome = "category"', "takes 'income'", id="kind"),
        pytest.param(
            'target = "late"\npositive = "yes"', 'target = "sex"\npositive = "m"', "other classes", id="classes"
        ),
        pytest.param(
            'path = "model.json"', 'path = "model.json"\noutput = "probability"', "declared output", id="scale"
        ),
        pytest.param('task = "binary-classification"', 'task = "regression"', "another task", id="task"),
    ],
)
def test_data_that_do_not_fit_the_model_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ModelError) as refused:
        load(read_sample(changed(tmp_path, old, new)).request())
    assert said in refused.value.describe()
    assert refused.value.problems[0].fix


@pytest.mark.parametrize(
    ("row", "logit"),
    [
        pytest.param((39.0, 1), 0.5 + 1 + 3 + 0.25, id="below-the-cut"),
        pytest.param((40.0, 1), 0.5 + 2 + 3, id="on-the-cut-counts-as-above"),
        pytest.param((41.0, 0), 0.5 + 2 + 4, id="a-name-that-shares-its-bin"),
        pytest.param((MISSING, 3), 0.5 + 10 + 20, id="both-missing"),
        pytest.param((41.0, 2), 0.5 + 2 + 5, id="a-name-never-seen"),
    ],
)
def test_logits_are_sums_of_scores(tmp_path: Path, row: tuple[float, int], logit: float) -> None:
    network = EbmNetwork(read_document(written(tmp_path, BY_HAND)), (0, 1), {"work": NAMES}, missing=MISSING)
    (found,) = network(torch.tensor([row], dtype=torch.float64))[:, 0].tolist()
    assert found == logit


def test_regression_with_a_logarithmic_link_gives_values(tmp_path: Path) -> None:
    content = copy.deepcopy(BY_HAND)
    content["ebm"]["outputs"] = [{"task": "regression", "link": "log"}]
    network = EbmNetwork(read_document(written(tmp_path, content)), (0, 1), {"work": NAMES}, missing=MISSING)
    (found,) = network(torch.tensor([[41.0, 2.0]], dtype=torch.float64))[:, 0].tolist()
    assert found == pytest.approx(np.exp(7.5))


def put(*path: str | int, value: object) -> Callable[[Any], None]:
    """Write a value somewhere into a document."""

    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(put("version", value="2.0"), "version '2.0'", id="another-version"),
        pytest.param(put("ebm", value=[]), "list as 'ebm'", id="no-model"),
        pytest.param(put("ebm", "outputs", 0, "link", value="probit"), "link 'probit'", id="another-link"),
        pytest.param(put("ebm", "outputs", 0, "classes", value=[0, 1, 2]), "do not fit", id="three-classes-one-output"),
        pytest.param(put("ebm", "intercept", value=["nan"]), "not finite", id="undefined-intercept"),
        pytest.param(put("ebm", "features", 0, "cuts", value=[[2.0, 1.0]]), "do not rise", id="falling-cuts"),
        pytest.param(put("ebm", "features", 1, "name", value="age"), "share a name", id="one-name-twice"),
        pytest.param(put("ebm", "features", 1, "categories", value=[[7]]), "category 7", id="category-that-is-no-text"),
        pytest.param(put("ebm", "terms", 0, "scores", value=[1.0]), "a score a bin", id="too-few-scores"),
        pytest.param(put("ebm", "terms", 0, "term_features", value=["height"]), "no features", id="unknown-feature"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, change: Callable[[Any], None], said: str) -> None:
    content = copy.deepcopy(BY_HAND)
    change(content)
    with pytest.raises(ModelError) as refused:
        read_document(written(tmp_path, content))
    assert said in refused.value.describe()
    assert refused.value.problems[0].fix
