"""How an image or a series is brought to the scale of a model that was made elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from auditbench.config import InputTable
from auditbench.data.images import fit_images
from auditbench.data.series import fit_series
from auditbench.data.stored import StoredArray
from auditbench.errors import DataError


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
