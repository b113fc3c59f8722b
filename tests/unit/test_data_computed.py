"""Sensitive features that follow from an input: brightness, contrast, tokens, steps, energy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from auditbench.config import DataTable, InputTable
from auditbench.data import TableSource, build_evaluation, check_columns, class_names, fit_inputs, open_source
from auditbench.data.computed import add_computed
from auditbench.data.series import fit_series
from auditbench.data.stored import StoredArray, stored
from auditbench.data.table import NumberColumn, TablePart
from auditbench.errors import DataError

IMAGE, TEXT, SERIES = (InputTable(modality=name) for name in ("image", "text", "series"))


def part_of(**inputs: npt.NDArray[Any]) -> TablePart:
    rows = len(next(iter(inputs.values())))
    held: dict[str, StoredArray] = {name: stored(array) for name, array in inputs.items()}
    return TablePart(file="rows", columns={}, row_numbers=np.arange(1, rows + 1), inputs=held)


def computed(
    name: str, array: npt.NDArray[Any], table: InputTable, train: npt.NDArray[Any] | None = None, **keys: Any
) -> tuple[npt.NDArray[np.float64], tuple[float, ...], bool]:
    """Values of an attribute of the evaluated rows, the bins, and whether the values are whole numbers."""
    config = DataTable(test="rows", target="y", inputs={"x": table}, sensitive=(name,), **keys)
    resolved, part, _ = add_computed(config, part_of(x=array), None if train is None else part_of(x=train))
    column = part.columns[name]
    assert isinstance(column, NumberColumn)
    return column.values, resolved.bins[name], column.whole


def saved(folder: Path, **arrays: Any) -> None:
    np.savez(folder / "rows.npz", **arrays)


def opened(folder: Path, **keys: Any) -> TableSource:
    return open_source(DataTable(**{"test": "rows.npz", "target": "label", **keys}), folder, {})


def refused(folder: Path, **keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        check_columns(DataTable(**{"test": "rows.npz", "target": "label", **keys}), folder, {})
    return caught.value.describe()


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))))
def test_brightness_and_contrast_are_mean_and_deviation_of_pixels(images: npt.NDArray[np.uint8]) -> None:
    for name, function in (("brightness", np.mean), ("contrast", np.std)):
        values, _, whole = computed(name, images, IMAGE)
        np.testing.assert_allclose(values, [function(image / 255.0) for image in images], rtol=1e-12, atol=1e-12)
        assert not whole


def test_black_and_white_are_the_ends_of_brightness() -> None:
    images = np.stack([np.zeros((1, 2, 2)), np.full((1, 2, 2), 255)]).astype(np.uint8)
    assert computed("brightness", images, IMAGE)[0].tolist() == [0.0, 1.0]
    assert computed("contrast", images, IMAGE)[0].tolist() == [0.0, 0.0]
    assert computed("brightness", (images / 255).astype(np.float32), IMAGE)[0].tolist() == [0.0, 1.0]


def test_transparency_is_no_brightness() -> None:
    image = np.zeros((1, 4, 2, 2), dtype=np.uint8)
    image[:, 3] = 255
    assert computed("brightness", image, IMAGE)[0].tolist() == [0.0]


def test_tokens_are_counted_before_a_text_is_cut() -> None:
    texts = np.asarray(["one two three", "", "我们 two"], dtype=object)
    values, _, whole = computed("tokens", texts, InputTable(modality="text", length=1))
    assert values.tolist() == [3.0, 0.0, 3.0]
    assert whole
    characters = InputTable(modality="text", unit="characters")
    assert computed("tokens", texts, characters)[0].tolist() == [13.0, 0.0, 6.0]


def test_steps_are_those_that_no_channel_misses() -> None:
    series = np.zeros((3, 2, 5))
    series[1, 0, 3:] = np.nan
    series[1, 1, 0] = np.nan
    series[2] = np.nan
    assert computed("steps", series, SERIES)[0].tolist() == [5.0, 2.0, 0.0]


@given(
    hnp.arrays(np.float64, (6, 2, 4), elements=st.floats(-100, 100, allow_subnormal=False)),
    hnp.arrays(np.bool_, (6, 2, 4)),
)
def test_energy_is_the_mean_square_of_standardised_numbers(
    series: npt.NDArray[np.float64], missing: npt.NDArray[np.bool_]
) -> None:
    missing[0] = False
    series[missing] = np.nan
    train = series[:3]
    item = fit_series(stored(train), SERIES, where="x")
    standardised = (series - np.asarray(item.mean)[:, None]) / np.asarray(item.scale)[:, None]
    expected = [np.mean(row[~np.isnan(row)] ** 2) if (~np.isnan(row)).any() else np.nan for row in standardised]
    np.testing.assert_allclose(computed("energy", series, SERIES, train=train)[0], expected, rtol=1e-9, atol=1e-12)


@given(st.lists(st.integers(1, 40), min_size=4, max_size=30))
def test_default_bins_are_quartiles_of_the_training_rows(lengths: list[int]) -> None:
    train = np.asarray(["w " * length for length in lengths], dtype=object)
    _, bins, _ = computed("tokens", np.asarray(["w"], dtype=object), TEXT, train=train)
    exact = np.quantile(lengths, [0.25, 0.5, 0.75])
    assert bins == tuple(sorted({float(round(bound)) for bound in exact}))


def test_bins_of_fractions_have_two_digits_of_their_spread() -> None:
    images = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    assert computed("brightness", images, IMAGE)[1] == (0.25, 0.5, 0.75)
    assert computed("brightness", images // 16, IMAGE)[1] == pytest.approx((0.015, 0.029, 0.044), abs=0.0005)
    assert computed("brightness", images * 0, IMAGE)[1] == (0.0,)


def test_declared_bins_stay() -> None:
    texts = np.asarray(["a b c", "a"], dtype=object)
    assert computed("tokens", texts, TEXT, bins={"tokens": (2.0,)})[1] == (2.0,)


def test_groups_reach_the_evaluated_rows(tmp_path: Path) -> None:
    images = np.repeat(np.arange(0, 240, 20, dtype=np.uint8), 16).reshape(12, 4, 4)
    split = ["train"] * 8 + ["test"] * 4
    saved(tmp_path, image=images, label=["a", "b"] * 6, split=split)
    source = opened(tmp_path, inputs={"image": IMAGE}, sensitive=("brightness",), split="split", positive="b")
    inputs = fit_inputs(source)
    classes = class_names(source, inputs, "binary-classification")
    data = build_evaluation(source, inputs, task="binary-classification", classes=classes, seed=0)
    low, _, high = (20 * step / 255 for step in (1.75, 3.5, 5.25))
    assert source.table.bins["brightness"][0] == pytest.approx(low, abs=0.01)
    assert source.table.bins["brightness"][2] == pytest.approx(high, abs=0.01)
    top = source.table.bins["brightness"][2]
    assert data.sensitive_features["brightness"].tolist() == [f"{top:g} and over"] * 4
    background = data.background(8, np.random.default_rng(0)).sensitive_features["brightness"]
    assert len(set(background.tolist())) == 4
    assert data.facts.sensitive == ("brightness",)
    assert data.facts.computed == ("brightness",)


def test_a_column_of_that_name_comes_first(tmp_path: Path) -> None:
    saved(tmp_path, image=np.zeros((2, 3, 3), np.uint8), label=["a", "b"], brightness=["dark", "bright"])
    source = opened(tmp_path, inputs={"image": IMAGE}, sensitive=("brightness",))
    assert source.test.columns["brightness"].names == ("bright", "dark")  # type: ignore[union-attr]
    assert not source.table.bins


def test_two_inputs_need_the_name_of_one(tmp_path: Path) -> None:
    left, right = np.zeros((2, 3, 3), np.uint8), np.full((2, 3, 3), 255, np.uint8)
    saved(tmp_path, left=left, right=right, label=["a", "b"])
    inputs = {"left": IMAGE, "right": IMAGE}
    text = refused(tmp_path, inputs=inputs, sensitive=("brightness",))
    assert "data.sensitive: 'brightness' could come from several inputs" in text
    assert "allowed: 'left.brightness', 'right.brightness'" in text
    source = opened(tmp_path, inputs=inputs, sensitive=("right.brightness", "left.brightness"))
    assert source.test.columns["right.brightness"].values.tolist() == [1.0, 1.0]  # type: ignore[union-attr]
    assert source.test.columns["left.brightness"].values.tolist() == [0.0, 0.0]  # type: ignore[union-attr]


def test_an_attribute_that_the_modality_lacks_is_named_with_those_it_has(tmp_path: Path) -> None:
    saved(tmp_path, series=np.zeros((2, 3, 5)), label=["a", "b"])
    text = refused(tmp_path, inputs={"series": SERIES}, sensitive=("brightness",))
    assert "there is no column 'brightness' in rows.npz, and no input has such an attribute" in text
    assert "allowed: 'label', 'steps', 'series.steps', 'energy', 'series.energy'" in text
    text = refused(tmp_path, inputs={"series": SERIES}, sensitive=("step",))
    assert "did you mean 'steps'?" in text


def test_bins_of_what_is_not_compared_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, series=np.zeros((2, 3, 5)), label=["a", "b"])
    text = refused(tmp_path, inputs={"series": SERIES}, bins={"steps": (2.0,)})
    assert "data.bins.steps: bins make groups of sensitive and control columns only" in text


def test_a_table_has_no_attributes(tmp_path: Path) -> None:
    pd.DataFrame({"x": [1, 2], "label": ["a", "b"]}).to_csv(tmp_path / "rows.csv", index=False)
    text = refused(tmp_path, test="rows.csv", sensitive=("brightness",))
    assert "there is no column 'brightness' in rows.csv\n" in text
