"""Images as arrays: their layouts, mean and scale, sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from auditbench.config import InputTable
from auditbench.data.images import code_images, fit_images, images_of
from auditbench.data.stored import StoredArray, stored
from tests.image_rows import IMAGE, WHERE, pixels, refused


def laid_out(array: npt.NDArray[Any], table: InputTable = IMAGE) -> StoredArray:
    return images_of(stored(array), table, where=WHERE, shown="rows.npz")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        pytest.param((2, 5, 7), (1, 5, 7), id="grey"),
        pytest.param((2, 5, 7, 3), (3, 5, 7), id="channels-last"),
        pytest.param((2, 3, 5, 7), (3, 5, 7), id="channels-first"),
        pytest.param((2, 13, 5, 7), (13, 5, 7), id="many-channels-first"),
        pytest.param((2, 1, 4, 4), (1, 4, 4), id="both-fit-so-the-first-are-channels"),
    ],
)
def test_channels_come_first(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    array = pixels(*shape)
    images = laid_out(array)
    assert images.row_shape == expected
    assert images.dtype == np.uint8
    plain = array.transpose(0, 3, 1, 2) if shape[1:] == (5, 7, 3) else array.reshape(2, *expected)
    np.testing.assert_array_equal(images[:], plain)


@pytest.mark.parametrize(
    ("array", "parts"),
    [
        (np.zeros((3, 4), np.uint8), ("is no array of images", "found: shape (rows, 4)")),
        (np.zeros((3, 0, 4), np.uint8), ("is no array of images", "found: shape (rows, 0, 4)")),
        (np.zeros((3, 4, 4), np.int64), ("full brightness is not known", "found: dtype int64", "numpy.uint8")),
    ],
)
def test_other_arrays_are_refused(array: npt.NDArray[Any], parts: tuple[str, ...]) -> None:
    text = refused(laid_out, array)
    assert all(part in text for part in (WHERE, *parts))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused_with_their_row(value: float) -> None:
    array = np.zeros((5, 4, 4))
    array[3, 1, 1] = value
    images = laid_out(array)
    assert images[:3].dtype == np.float32
    assert "found: row 4" in refused(images.__getitem__, np.asarray([4, 3]))


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))),
    st.integers(1, 40),
)
def test_mean_and_scale_are_those_of_all_pixels(array: npt.NDArray[np.uint8], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditbench.data.stored._BLOCK_NUMBERS", block)
        item = fit_images(stored(array), IMAGE, where=WHERE)
    expected = array.astype(np.float64) / 255
    deviation = expected.std(axis=(0, 2, 3))
    np.testing.assert_allclose(item.mean, expected.mean(axis=(0, 2, 3)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(item.scale, np.where(deviation > 1e-6, deviation, 1.0), rtol=1e-9)


def test_scale_survives_a_large_mean() -> None:
    array = 1e4 + np.random.default_rng(0).normal(size=(50, 1, 8, 8))
    item = fit_images(stored(array), IMAGE, where=WHERE)
    assert item.scale[0] == pytest.approx(array.std(), rel=1e-9)


def test_grey_images_serve_a_model_of_colours_and_not_the_reverse() -> None:
    colour = fit_images(stored(pixels(4, 3, 5, 7)), IMAGE, where=WHERE)
    grey = pixels(2, 1, 5, 7)
    coded = code_images(stored(grey), colour, shown="test")
    np.testing.assert_array_equal(coded[:], np.repeat(grey, 3, axis=1))
    other = fit_images(stored(grey), IMAGE, where=WHERE)
    text = refused(code_images, stored(pixels(4, 3, 5, 7)), other, shown="test")
    assert "found: 3 channels of 5 x 7 pixels" in text
    assert "allowed: 1 channel of 5 x 7 pixels" in text


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_size_is_reached_as_pillow_does(dtype: type) -> None:
    array = pixels(2, 3, 9, 8).astype(dtype)
    small = laid_out(array, InputTable(modality="image", size=(3, 4)))
    assert small.shape == (2, 3, 3, 4)
    for image, reduced in zip(array, small[:], strict=True):
        for channel, one in zip(image, reduced, strict=True):
            whole = Image.fromarray(channel).resize((4, 3), Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(one, np.asarray(whole))
