"""Every renderer, architecture, data set and model format of the product keeps what it asks of those of others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from auditbench.contracts import Architecture, DatasetLoader, ModelLoader
from auditbench.data import BUILT_IN as DATA_SETS
from auditbench.data import TABULAR_INPUT, FeatureSpec, TableInput
from auditbench.models import save_bundle
from auditbench.models.architectures import BUILT_IN as ARCHITECTURES
from auditbench.models.description import BundleDescription
from auditbench.models.formats import FORMATS
from auditbench.models.loading import load_model
from auditbench.plugin_entries import list_entry_points
from auditbench.registry import Registry
from auditbench.testing import check_architecture, check_dataset_loader, check_loader, check_renderer

EXAMPLES = Path(__file__).parents[2] / "examples"
RENDERERS = ("csv", "html", "junit", "markdown", "model-card", "pdf", "sarif", "xlsx")
ADDRESS = {"endpoint"}
"""Formats that are no file."""
MODEL = """
[model]
format = "{form}"
path = "model"
task = "binary-classification"
output = "logit"
{more}
[data]
test = "rows.csv"
target = "bought"
positive = "yes"
"""
MLP = 'architecture = "mlp"\nparameters = {hidden = [3], activation = "tanh"}'
NETWORK = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).eval()


def weights(path: Path) -> str:
    save_file(NETWORK.state_dict(), path)
    return MLP


def checkpoint(path: Path) -> str:
    torch.save(NETWORK.state_dict(), path)
    return MLP


def traced(path: Path) -> str:
    torch.jit.trace(NETWORK, torch.zeros(2, 2)).save(str(path))
    return trusted(path)


def exported(path: Path) -> str:
    rows = ({0: torch.export.Dim.DYNAMIC},)
    torch.export.save(torch.export.export(NETWORK, (torch.zeros(3, 2),), dynamic_shapes=rows), path)
    return trusted(path)


def module(path: Path) -> str:
    torch.save(NETWORK, path)
    return trusted(path)


def function(path: Path) -> str:
    path.write_text("def predict(frame):\n    return frame['age'].to_numpy() - frame['hours'].to_numpy()\n")
    return trusted(path)


def bundle(path: Path) -> str:
    features = tuple(
        FeatureSpec(name=name, kind="number", start=start, stop=start + 1, fill=0.0)
        for start, name in enumerate(("age", "hours"))
    )
    description = BundleDescription(
        architecture="mlp",
        parameters={"hidden": [3], "activation": "tanh"},
        task="binary-classification",
        classes=("no", "yes"),
        target="bought",
        output="logit",
        inputs={TABULAR_INPUT: TableInput(features=features)},
    )
    save_bundle(path, description, NETWORK.state_dict())
    return ""


def trusted(path: Path) -> str:
    return f'trust = ["{hashlib.sha256(path.read_bytes()).hexdigest()}"]'


MADE: dict[str, Callable[[Path], str]] = {
    "safetensors": weights,
    "state-dict": checkpoint,
    "torchscript": traced,
    "exported": exported,
    "pickle": module,
    "callable": function,
    "bundle": bundle,
}
CARRIED = {
    "onnx": "07-onnx",
    "keras": "06-keras",
    "huggingface": "08-huggingface",
    "predictions": "09-predictions-only",
}


def test_every_renderer_is_named_here() -> None:
    registry = Registry()
    registry.load_named([entry.name for entry in list_entry_points() if entry.first_party])
    found = {
        item.record.name
        for entry in registry.loaded
        for item in registry.provided_by(entry.name)
        if type(item.record).__name__ == "Renderer"
    }
    assert found == set(RENDERERS)


# Two dozen pages are printed by a browser.
_PDF = pytest.param("pdf", marks=[pytest.mark.browser, pytest.mark.nightly])


@pytest.mark.parametrize("name", [_PDF if name == "pdf" else name for name in RENDERERS])
def test_a_renderer(name: str) -> None:
    check_renderer(Registry().renderer(name).record)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda item: item.name)
def test_an_architecture(architecture: Architecture) -> None:
    assert not check_architecture(architecture).not_tried


@pytest.mark.parametrize("loader", DATA_SETS, ids=lambda item: item.name)
def test_a_data_set(tmp_path: Path, loader: DatasetLoader) -> None:
    path = tmp_path / "sample.toml"
    path.write_text(f'[data]\ndataset = "{loader.name}"\ntarget = "income"\npositive = ">50K"\n')
    assert not check_dataset_loader(loader, path).not_tried


def opener(form: str) -> ModelLoader:
    return ModelLoader(name=form, summary=form, load=load_model)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    "form", [name if name == "safetensors" else pytest.param(name, marks=pytest.mark.nightly) for name in MADE]
)
def test_a_format_that_is_made_here(tmp_path: Path, form: str) -> None:
    rows = "".join(f"{1.5 * index},{index * 7 % 5 - 2.0},{'yes' if index % 3 else 'no'}\n" for index in range(20))
    (tmp_path / "rows.csv").write_text("age,hours,bought\n" + rows)
    more = MADE[form](tmp_path / "model")
    (tmp_path / "audit.toml").write_text(MODEL.format(form=form, more=more))
    check_loader(opener(form), tmp_path / "audit.toml")


@pytest.mark.nightly
@pytest.mark.parametrize("form", CARRIED)
def test_a_format_that_an_example_carries(form: str) -> None:
    check_loader(opener(form), EXAMPLES / CARRIED[form] / "audit.toml")


@pytest.mark.nightly
def test_an_estimator(tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io")
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    rows = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "hours": [0.0, 1.0, 0.0, 1.0]})
    bought = ["no", "yes", "no", "yes"]
    rows.assign(bought=bought).to_csv(tmp_path / "rows.csv", index=False)
    skops.dump(LogisticRegression().fit(rows, bought), tmp_path / "model")
    (tmp_path / "audit.toml").write_text(MODEL.format(form="estimator", more="").replace('output = "logit"\n', ""))
    check_loader(opener("estimator"), tmp_path / "audit.toml")


def test_what_is_not_tried_here_is_known() -> None:
    tried: set[Any] = {*MADE, *CARRIED, "estimator"}
    assert set(FORMATS) - tried == ADDRESS
