"""Images, series, token ids and several inputs given to the Python interface."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch

from auditbench.data import ImageInput, SeriesInput, TableInput, TextInput, from_arrays, make_encoder
from auditbench.data.features import FeatureSpec
from auditbench.errors import DataError, EmptyDataError

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6), dtype=np.uint8)
SERIES = np.random.default_rng(1).normal(size=(4, 2, 7))
IDS = np.asarray([[2, 3, 0], [1, 0, 0], [4, 4, 4], [2, 0, 0]])
WORDS = TextInput(unit="words", vocabulary=("a", "b", "c"), length=3)
Y = [0, 1, 1, 0]


def data_of(features: Any, **keys: Any) -> Any:
    return from_arrays(features, Y, **{"task": "binary-classification", **keys})


def refused(features: Any, **keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        data_of(features, **keys)
    return caught.value.describe()


def encoded(data: Any) -> torch.Tensor:
    rows = data.take(np.arange(4))
    encoder = make_encoder(data.inputs)
    result: torch.Tensor = encoder({name: torch.from_numpy(array) for name, array in rows.inputs.items()})
    return result


@pytest.mark.parametrize(
    ("array", "name", "modality"),
    [
        pytest.param(IMAGES, "image", "image", id="uint8-images"),
        pytest.param(IMAGES / 7, "image", "image", id="float-images"),
        pytest.param(torch.from_numpy(IMAGES / 7).float().requires_grad_(), "image", "image", id="tensor"),
        pytest.param(SERIES, "series", "series", id="series"),
        pytest.param(IDS, "features", "tabular", id="whole-numbers-in-two-dimensions-are-a-table"),
    ],
)
def test_numbers_reach_the_model_as_they_are(array: Any, name: str, modality: str) -> None:
    data = data_of(array)
    assert list(data.inputs) == [name]
    assert data.modality == modality
    plain = array.detach().numpy() if isinstance(array, torch.Tensor) else array
    torch.testing.assert_close(encoded(data), torch.from_numpy(plain.astype(np.float32)), rtol=0, atol=0)
    assert set(data.facts.digests) == {name, "y_true"}


def test_the_array_that_was_passed_is_not_the_one_that_is_kept() -> None:
    images = IMAGES.copy()
    data = data_of(images)
    taken = data.take(np.arange(4)).inputs["image"]
    taken[:] = 0
    np.testing.assert_array_equal(data.take(np.arange(4)).inputs["image"], IMAGES)


def test_missing_numbers_of_series_become_the_mean() -> None:
    series = SERIES.copy()
    series[1, 0, 4:] = np.nan
    result = encoded(data_of(series))
    assert result[1, 0, 4:].tolist() == [0.0] * 3


def test_token_ids_are_declared() -> None:
    data = data_of(IDS, inputs={"tokens": WORDS})
    assert list(data.inputs) == ["tokens"]
    assert data.modality == "text"
    assert encoded(data).tolist() == IDS.tolist()
    assert encoded(data).dtype == torch.int64


def test_a_declared_mean_and_scale_are_used() -> None:
    item = ImageInput(channels=3, height=5, width=6, mean=(0.5, 0.25, 0.0), scale=(0.5, 1.0, 2.0))
    expected = (IMAGES / 255 - np.reshape(item.mean, (3, 1, 1))) / np.reshape(item.scale, (3, 1, 1))
    np.testing.assert_allclose(encoded(data_of(IMAGES, inputs={"scan": item})), expected, atol=1e-6)


def test_several_inputs_go_by_name() -> None:
    frame = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "size": [0.0, 1.0, 0.0, 1.0]})
    features = {"person": frame, "scan": IMAGES, "notes": IDS, "pulse": SERIES}
    data = data_of(features, inputs={"notes": WORDS}, background={name: array[:2] for name, array in features.items()})
    assert [item.modality for item in data.inputs.values()] == ["tabular", "image", "text", "series"]
    assert data.modality == "mixed"
    rows = data.take(np.asarray([2]))
    np.testing.assert_array_equal(rows.inputs["person"], [[3.0, 0.0]])
    np.testing.assert_array_equal(rows.inputs["scan"], IMAGES[[2]])
    np.testing.assert_array_equal(rows.inputs["notes"], IDS[[2]])
    np.testing.assert_array_equal(rows.inputs["pulse"], SERIES[[2]])
    assert len(data.background(9, np.random.default_rng(0))) == 2
    assert data.facts.train_rows == 2
    flat = [frame.to_numpy(), IMAGES.reshape(4, -1), IDS, SERIES.reshape(4, -1)]
    np.testing.assert_array_equal(encoded(data), np.concatenate(flat, axis=1).astype(np.float32))


def test_a_declared_table_may_miss_numbers() -> None:
    feature = FeatureSpec(name="age", kind="number", start=0, stop=1, fill=9.0)
    data = data_of(np.asarray([[1.0], [np.nan], [3.0], [4.0]]), inputs={"features": TableInput(features=(feature,))})
    assert encoded(data).tolist() == [[1.0], [9.0], [3.0], [4.0]]


def with_value(array: npt.NDArray[Any], value: float) -> npt.NDArray[np.float64]:
    changed = array.astype(np.float64)
    changed[2].flat[0] = value
    return changed


@pytest.mark.parametrize(
    ("features", "keys", "parts"),
    [
        pytest.param(
            with_value(IMAGES, np.nan), {}, ("features: missing, infinite", "found: row 3"), id="nan-in-image"
        ),
        pytest.param(with_value(SERIES, np.inf), {}, ("infinite or too large", "found: row 3"), id="inf-in-series"),
        pytest.param(SERIES.astype(str), {}, ("expected numbers", "found: dtype <U"), id="text-in-series"),
        pytest.param(
            np.zeros((4, 2, 2, 2, 2)), {}, ("expected a table", "found: shape (4, 2, 2, 2, 2)"), id="dimensions"
        ),
        pytest.param(
            IDS + 2, {"inputs": {"t": WORDS}}, ("token ids that the vocabulary", "found: rows 1, 3\n"), id="ids"
        ),
        pytest.param(IDS - 1, {"inputs": {"t": WORDS}}, ("found: rows 1, 2, 4", "0 (padding) to 4"), id="negative-ids"),
        pytest.param(IDS * 1.0, {"inputs": {"t": WORDS}}, ("expected token ids", "dtype float64"), id="float-ids"),
        pytest.param(
            IDS[:, :2], {"inputs": {"t": WORDS}}, ("declared shape", "allowed: (rows, 3)"), id="declared-shape"
        ),
        pytest.param(
            IMAGES, {"inputs": {"t": WORDS, "i": WORDS}}, ("expected several arrays by name",), id="one-of-two"
        ),
        pytest.param({"i": IDS}, {"inputs": {"t": WORDS}}, ("an array for each input", "pass 't' too"), id="absent"),
        pytest.param({}, {}, ("expected an array for each input",), id="nothing"),
        pytest.param({"a": IMAGES, "b": SERIES[:3]}, {}, ("'a' has 4, 'b' has 3",), id="rows-differ"),
        pytest.param(
            IMAGES, {"background": IMAGES[:, :1]}, ("background:", "allowed: (rows, 3, 5, 6)"), id="background"
        ),
        pytest.param(
            {"a": IMAGES, "b": SERIES},
            {"background": {"a": IMAGES}},
            ("background: expected an array for each input", "pass 'b' too"),
            id="background-lacks-one",
        ),
        pytest.param(
            {"a": IMAGES, "b": IDS},
            {"background": {"a": IMAGES}},
            ("background: expected the inputs of the evaluated rows", "allowed: 'a', 'b'"),
            id="background-lacks-a-table",
        ),
    ],
)
def test_what_does_not_fit_is_named(features: Any, keys: dict[str, Any], parts: tuple[str, ...]) -> None:
    text = refused(features, **keys)
    assert all(part in text for part in parts), text


@pytest.mark.parametrize("empty", [IMAGES[:0], {"a": SERIES[:0]}])
def test_no_rows_are_nothing_to_evaluate(empty: Any) -> None:
    with pytest.raises(EmptyDataError):
        from_arrays(empty, [], task="regression")


def test_undeclared_inputs_say_how_they_are_taken() -> None:
    image, series = data_of(IMAGES).inputs["image"], data_of(SERIES).inputs["series"]
    assert image == ImageInput(channels=3, height=5, width=6, largest=1.0, mean=(0.0,) * 3, scale=(1.0,) * 3)
    assert series == SeriesInput(channels=("channel 0", "channel 1"), steps=7, mean=(0.0,) * 2, scale=(1.0,) * 2)
