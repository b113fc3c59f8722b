"""How an image or a series is brought to the scale of a model that was made elsewhere."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from auditbench.config import DataTable, InputTable, ModelTable
from auditbench.data import ImageInput, open_source
from auditbench.data.images import fit_images
from auditbench.data.series import fit_series
from auditbench.data.stored import StoredArray
from auditbench.errors import DataError, ModelError
from auditbench.models.architectures import BUILT_IN
from auditbench.models.bundle import save_bundle
from auditbench.models.declared import refuse_other_scaling
from auditbench.models.description import BundleDescription
from auditbench.models.formats import ModelRequest
from auditbench.models.loading import load_model
from auditbench.models.network import build_network, check_parameters


def stored(array: np.ndarray[Any, Any]) -> StoredArray:
    return StoredArray(
        read=lambda rows: array[rows], positions=np.arange(len(array)), row_shape=array.shape[1:], dtype=array.dtype
    )


IMAGES = stored(np.random.default_rng(0).integers(0, 255, (5, 3, 4, 4)).astype(np.uint8))
SERIES = stored(np.random.default_rng(0).normal(size=(5, 2, 7)))


def table(modality: str, **keys: Any) -> InputTable:
    return InputTable.model_validate({"modality": modality, **keys})


def test_declared_numbers_stand_in_the_place_of_those_of_the_rows() -> None:
    image = fit_images(IMAGES, table("image", mean=[0.485, 0.456, 0.406], scale=[0.229, 0.224, 0.225]), where="x")
    assert image.mean == (0.485, 0.456, 0.406)
    assert image.scale == (0.229, 0.224, 0.225)
    series = fit_series(SERIES, table("series", mean=[1.0, 2.0], scale=[3.0, 4.0]), where="x")
    assert (series.mean, series.scale) == ((1.0, 2.0), (3.0, 4.0))


def test_one_number_is_that_of_every_channel() -> None:
    image = fit_images(IMAGES, table("image", mean=[0.5], scale=[0.5]), where="x")
    assert (image.mean, image.scale) == ((0.5,) * 3, (0.5,) * 3)


def test_numbers_for_other_channels_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        fit_images(IMAGES, table("image", mean=[0.5, 0.5], scale=[1.0]), where="data.inputs.image")
    (problem,) = caught.value.problems
    assert problem.where == "data.inputs.image.mean"
    assert problem.found == "2 numbers"
    assert problem.allowed == "one number, or 3"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"modality": "image", "mean": [0.5]}, "together"),
        ({"modality": "series", "mean": [0.5], "scale": [0.0]}, "above 0"),
        ({"modality": "text", "mean": [0.5], "scale": [1.0]}, "means nothing"),
        ({"modality": "image", "tokenizer": "tokenizer.json"}, "means nothing"),
    ],
)
def test_keys_that_mean_nothing_are_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        InputTable.model_validate(keys)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of grey images, made with a mean of 0.25 and a scale of 0.5, beside rows for it."""
    inputs = {"image": ImageInput(channels=1, height=4, width=4, mean=(0.25,), scale=(0.5,))}
    item = next(one for one in BUILT_IN if one.name == "linear")
    network = build_network(item, check_parameters(item, {}, where="x"), inputs=inputs, outputs=1)
    description = BundleDescription(
        architecture="linear", parameters={}, task="binary-classification", classes=("no", "yes"), target="y",
        output="logit", inputs=inputs,
    )  # fmt: skip
    save_bundle(tmp_path / "model", description, network.state_dict())
    np.savez(tmp_path / "rows.npz", image=np.zeros((3, 4, 4), np.uint8), y=np.array(["no", "yes", "no"]))
    return tmp_path


def request(folder: Path, **keys: Any) -> ModelRequest:
    data = DataTable(test="rows.npz", target="y", positive="yes", inputs={"image": table("image", **keys)})
    return ModelRequest(
        path=folder / "model",
        base=folder,
        table=ModelTable(task="binary-classification"),
        source=open_source(data, folder, {}),
        device="cpu",
        architectures={item.name: item for item in BUILT_IN},
    )


@pytest.mark.parametrize("keys", [{}, {"mean": [0.25], "scale": [0.5]}])
def test_a_bundle_takes_the_mean_that_it_was_made_with(keys: dict[str, Any], bundle: Path) -> None:
    item = load_model(request(bundle, **keys)).inputs["image"]
    assert isinstance(item, ImageInput)
    assert (item.mean, item.scale) == ((0.25,), (0.5,))


@pytest.mark.parametrize("keys", [{"mean": [0.5], "scale": [0.5]}, {"mean": [0.25], "scale": [0.25]}])
def test_a_bundle_that_was_made_with_another_mean_or_scale_is_refused(keys: dict[str, Any], bundle: Path) -> None:
    with pytest.raises(ModelError, match="made with another mean or scale") as caught:
        load_model(request(bundle, **keys))
    (problem,) = caught.value.problems
    assert problem.where == "data.inputs.image.mean"
    assert (problem.found, problem.allowed) == (
        f"mean = {keys['mean']}, scale = {keys['scale']}",
        "mean = [0.25], scale = [0.5]",
    )


def test_the_mean_of_each_channel_counts(bundle: Path) -> None:
    source = request(bundle, mean=[0.25], scale=[0.5]).source
    item = ImageInput(channels=3, height=4, width=4, mean=(0.25,) * 3, scale=(0.5,) * 3)
    refuse_other_scaling({"image": item}, source)
    with pytest.raises(ModelError, match="another mean or scale"):
        refuse_other_scaling({"image": dataclasses.replace(item, mean=(0.25, 0.25, 0.3))}, source)
