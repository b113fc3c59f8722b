"""Time series: .ts files, layouts of arrays, mean and scale, and series of one length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from auditbench.config import DataTable, InputTable
from auditbench.data import (
    SeriesInput,
    TableSource,
    build_evaluation,
    check_columns,
    class_names,
    fit_inputs,
    open_source,
)
from auditbench.data.series import code_series, fit_series, series_of
from auditbench.data.stored import StoredArray, stored
from auditbench.data.table import CategoryColumn, NumberColumn
from auditbench.errors import DataError

SERIES = InputTable(modality="series")
WHERE = "data.inputs.series"

# The beginning of three series of GunPoint and of JapaneseVowels, of the UCR and UEA archives.
GUN_POINT = """# The Dataset Archive
# \xe9 in a comment
@problemName GunPoint
@timeStamps false
@missing false
@univariate true
@equalLength true
@seriesLength 5
@classLabel true 1 2
@data
-0.6478854,-0.64199155,-0.63818632,-0.63825875,-0.63834515:2
-0.64442726,-0.64540088,-0.64705542,-0.64749181,-0.64391023:1
-0.77835250,-0.77827906,-0.77715109,-0.77768354,-0.77590063:1
""".encode("latin-1")
JAPANESE_VOWELS = b"""@problemName JapaneseVowels
@timeStamps false
@missing true
@univariate false
@dimensions 2
@equalLength false
@classLabel true 1 2 3 4 5 6 7 8 9
@data
1.860936,1.891651,1.939205:-0.207383,-0.193249,-0.239664:1
1.891651,?,1.717517,1.741191:-0.193249,-0.239664,-0.258561,NaN:9

1.303905:-0.207383,-0.15:?
"""
COVID = b"""\xef\xbb\xbf@problemname Covid3Month
@timestamps false
@univariate true
@equallength true
@targetlabel true
@data
0.0,0.0,2.0:0.01666667
0.0,1.0,1e1:0.05
"""


def naive(content: bytes) -> tuple[list[list[list[float]]], list[str]]:
    """Channels and label of each series, read the plainest way."""
    rows, labels, begun = [], [], False
    for line in content.decode("latin-1").splitlines():
        if begun and line.strip():
            *channels, label = line.split(":")
            rows.append([[float(cell.replace("?", "nan")) for cell in channel.split(",")] for channel in channels])
            labels.append(label)
        begun = begun or line.lower().startswith("@data")
    return rows, labels


def opened(folder: Path, content: bytes, **keys: Any) -> TableSource:
    (folder / "test.ts").write_bytes(content)
    keys = {"test": "test.ts", "target": "class", "inputs": {"series": SERIES}, **keys}
    return open_source(DataTable(**keys), folder, {})


def refused(function: Any, *arguments: Any, **keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        function(*arguments, **keys)
    return caught.value.describe()


@pytest.mark.parametrize("content", [GUN_POINT, JAPANESE_VOWELS, COVID], ids=["equal", "unequal", "regression"])
def test_a_file_is_read_as_a_naive_parser_reads_it(tmp_path: Path, content: bytes) -> None:
    rows, labels = naive(content)
    part = opened(tmp_path, content).test
    series = part.inputs["series"][:]
    steps = max(len(channel) for row in rows for channel in row)
    assert series.shape == (len(rows), len(rows[0]), steps)
    assert series.dtype == np.float64
    for row, channels in zip(series, rows, strict=True):
        for channel, numbers in zip(row, channels, strict=True):
            np.testing.assert_array_equal(channel, numbers + [np.nan] * (steps - len(numbers)))
    column = part.columns["class"]
    if isinstance(column, NumberColumn):
        assert column.values.tolist() == [float(label) for label in labels]
    else:
        found = [column.names[code] if code >= 0 else "?" for code in column.codes]
        assert found == labels


def test_a_target_is_a_number_and_a_label_is_text(tmp_path: Path) -> None:
    assert isinstance(opened(tmp_path, COVID).test.columns["class"], NumberColumn)
    assert isinstance(opened(tmp_path, GUN_POINT).test.columns["class"], CategoryColumn)


def test_series_reach_an_audit_with_their_labels(tmp_path: Path) -> None:
    source = opened(tmp_path, JAPANESE_VOWELS, missing_labels="drop")
    inputs = fit_inputs(source)
    task = "multiclass-classification"
    data = build_evaluation(source, inputs, task=task, classes=class_names(source, inputs, task), seed=0)
    assert data.classes == ("1", "9")
    assert data.take(np.arange(2)).inputs["series"].shape == (2, 2, 4)
    assert data.facts.dropped == {"missing_label": 1}
    assert isinstance(data.inputs["series"], SeriesInput)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        (b"@timeStamps false", b"@timeStamps true", ("holds time stamps", "found: @timeStamps true")),
        (b"@data", b"#data", ("test.ts cannot be read as time series", "in line 11", "up to @data")),
        (b"@seriesLength 5", b"@seriesLength five", ("found: @serieslength five", "a whole number")),
        (b"@seriesLength 5", b"@seriesLength 6", ("found: 5 steps in line 11", "6, as @seriesLength says")),
        (b"@seriesLength 5", b"@dimensions 2", ("found: 1 channel in line 11", "allowed: 2")),
        (b"63818632,-0", b"63818632,,-0", ("in line 11", "numbers separated by commas")),
        (b"-0.6478854,", b"-0.6478854:", ("found: 1 step in line 11",)),
        (b":2", b":3", ("found: the label '3' in line 11", "allowed: '1', '2'")),
        (b"-0.64199155", b"inf", ("has series with numbers that are infinite or too large", "found: row 1")),
        (b"-0.64199155", b"\xff", ("a character that is not UTF-8 in line 11",)),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, old: bytes, new: bytes, parts: tuple[str, ...]) -> None:
    assert old in GUN_POINT
    content = GUN_POINT.replace(old, new, 1)
    text = refused(lambda: opened(tmp_path, content).test.inputs["series"][:])
    assert all(part in text for part in parts)


def test_a_file_without_series_is_refused(tmp_path: Path) -> None:
    assert "test.ts has no series" in refused(opened, tmp_path, GUN_POINT[: GUN_POINT.index(b"@data")])


@pytest.mark.parametrize("number", [1e39, -1e200, np.inf])
def test_numbers_beyond_float32_are_named_with_their_rows(number: float) -> None:
    array = np.zeros((4, 1, 3))
    array[[1, 3], 0, 2] = number
    array[0, 0, 0] = np.nan
    series = series_of(stored(array), where=WHERE, shown="array 's'")
    text = refused(lambda: series[:])
    assert f"{WHERE}: array 's' has series with numbers that are infinite or too large" in text
    assert "found: rows 2, 4" in text
    assert series[:1].shape == (1, 1, 3)


@pytest.mark.parametrize("size", [b"1" * 5000, "\u0663".encode(), b"1_0", b"-1"])
def test_a_header_holds_plain_whole_numbers(tmp_path: Path, size: bytes) -> None:
    text = refused(opened, tmp_path, JAPANESE_VOWELS.replace(b"@dimensions 2", b"@dimensions " + size))
    assert "allowed: a whole number of at most 9 digits" in text


@pytest.mark.parametrize("number", ["1_000", "\u0661\u0662", "1e"])
@pytest.mark.parametrize("place", ["label", "step"])
def test_numbers_are_written_in_plain_digits(tmp_path: Path, number: str, place: str) -> None:
    old = b":0.05" if place == "label" else b"1e1"
    new = number.encode() if place == "step" else b":" + number.encode()
    assert "in line 8" in refused(lambda: fit_inputs(opened(tmp_path, COVID.replace(old, new))))


def test_a_target_may_have_a_sign(tmp_path: Path) -> None:
    column = opened(tmp_path, COVID.replace(b":0.05", b":+5")).test.columns["class"]
    assert isinstance(column, NumberColumn)
    assert column.values.tolist() == [0.01666667, 5.0]


def test_mean_and_scale_are_those_of_the_training_series(tmp_path: Path) -> None:
    (tmp_path / "train.ts").write_bytes(COVID.replace(b"1e1", b"13.0"))
    fitted = fit_inputs(opened(tmp_path, COVID.replace(b"1e1", b"9e9"), train="train.ts"))["series"]
    assert isinstance(fitted, SeriesInput)
    assert fitted.mean == pytest.approx([np.mean([0, 0, 2, 0, 1, 13])])
    assert fitted.scale == pytest.approx([np.std([0, 0, 2, 0, 1, 13])])


def test_a_regression_target_has_to_be_a_number(tmp_path: Path) -> None:
    text = refused(opened, tmp_path, COVID.replace(b":0.05", b":high"))
    assert "found: the target 'high' in line 8" in text


def test_a_file_without_labels_has_no_target(tmp_path: Path) -> None:
    content = GUN_POINT.replace(b"@classLabel true 1 2", b"@classLabel false")
    assert "there is no column 'class' in test.ts" in refused(opened, tmp_path, content)


def test_lengths_that_need_too_much_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench.data.ts_files.MOST_BYTES", 191)
    text = refused(opened, tmp_path, JAPANESE_VOWELS)
    assert "found: 3 series of 2 channels and 4 steps, 192 bytes" in text


def test_the_check_names_what_a_file_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "test.ts").write_bytes(GUN_POINT)
    keys: dict[str, Any] = {"test": "test.ts", "target": "class"}
    text = refused(check_columns, DataTable(**keys), tmp_path, {})
    assert 'add [data.inputs.series] with modality = "series"' in text
    text = refused(check_columns, DataTable(**keys, inputs={"x": InputTable(modality="image")}), tmp_path, {})
    assert "data.inputs.x.modality: test.ts cannot be an input of modality 'image'" in text
    assert not check_columns(DataTable(**keys, inputs={"x": SERIES}), tmp_path, {})


def test_the_same_series_are_no_training_rows(tmp_path: Path) -> None:
    (tmp_path / "train.ts").write_bytes(GUN_POINT)
    assert "the training rows are the evaluated rows" in refused(opened, tmp_path, GUN_POINT, train="train.ts")


@pytest.mark.parametrize(("shape", "expected"), [((4, 6), (1, 6)), ((4, 3, 6), (3, 6))])
def test_arrays_of_series_have_channels(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape)).reshape(shape)
    series = series_of(stored(array), where=WHERE, shown="rows.npz")
    assert series.row_shape == expected
    np.testing.assert_array_equal(series[:], array.reshape(4, *expected).astype(np.float64))


@pytest.mark.parametrize("array", [np.zeros((2, 3, 4, 5)), np.zeros((2, 0)), np.zeros((2, 3), dtype="U3")])
def test_arrays_that_are_no_series_are_refused(array: npt.NDArray[Any]) -> None:
    assert WHERE in refused(series_of, stored(array), where=WHERE, shown="rows.npz")


NUMBERS = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6, allow_subnormal=False))


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 6)),
        elements=NUMBERS,
    ),
    st.integers(1, 30),
)
def test_mean_and_scale_leave_missing_numbers_out(array: npt.NDArray[np.float64], block: int) -> None:
    array[0, :, 0] = 1.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditbench.data.stored._BLOCK_NUMBERS", block)
        item = fit_series(stored(array), SERIES, where=WHERE)
    mean, deviation = np.nanmean(array, axis=(0, 2)), np.nanstd(array, axis=(0, 2))
    np.testing.assert_allclose(item.mean, mean, rtol=1e-9, atol=1e-9)
    constant = deviation <= 1e-12 * np.maximum(1.0, np.abs(mean))
    np.testing.assert_allclose(item.scale, np.where(constant, 1.0, deviation), rtol=1e-6, atol=1e-9)


def test_rows_that_need_more_memory_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    source = stored(np.zeros((10, 4)))
    monkeypatch.setattr("auditbench.data.stored.KEPT_BYTES", 320)
    assert source.kept() is not source
    monkeypatch.setattr("auditbench.data.stored.KEPT_BYTES", 319)
    assert source.kept() is source


def test_scale_survives_a_mean_a_thousand_million_times_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench.data.stored._BLOCK_NUMBERS", 20_000)
    array = 1e9 + np.random.default_rng(0).normal(size=(200, 1, 3000))
    item = fit_series(stored(array), SERIES, where=WHERE)
    assert item.scale[0] == pytest.approx(array.std(), rel=1e-7)


def test_a_channel_without_a_number_is_refused() -> None:
    array = np.zeros((3, 2, 4))
    array[:, 1] = np.nan
    assert "found: channel 1 of 2, in 3 series" in refused(fit_series, stored(array), SERIES, where=WHERE)


@given(hnp.arrays(np.float64, (3, 2, 5), elements=NUMBERS), st.integers(1, 9))
def test_series_are_cut_or_filled_behind_the_end(array: npt.NDArray[np.float64], steps: int) -> None:
    item = SeriesInput(channels=("a", "b"), steps=steps, mean=(0.0, 0.0), scale=(1.0, 1.0))
    coded = code_series(stored(array), item, shown="test")[:]
    kept = min(steps, 5)
    assert coded.shape == (3, 2, steps)
    np.testing.assert_array_equal(coded[:, :, :kept], array[:, :, :kept])
    assert np.isnan(coded[:, :, kept:]).all()


def test_other_channels_are_refused() -> None:
    item = SeriesInput(channels=("a",), steps=5, mean=(0.0,), scale=(1.0,))
    assert "found: 2 channels" in refused(code_series, stored(np.zeros((3, 2, 5))), item, shown="test")


@given(st.data())
def test_kept_rows_are_read_once_and_are_the_rows(data: st.DataObject) -> None:
    array = np.arange(40).reshape(10, 4)
    seen: list[int] = []

    def read(rows: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        seen.extend(rows.tolist())
        return array[rows]

    source = StoredArray(read=read, positions=np.arange(1, 10, 2), row_shape=(4,), dtype=array.dtype)
    kept = source.kept()
    for indices in data.draw(st.lists(st.lists(st.integers(0, 4), max_size=6), max_size=5)):
        wanted = np.asarray(indices, dtype=np.intp)
        np.testing.assert_array_equal(kept[wanted], array[1::2][wanted])
        np.testing.assert_array_equal(kept.take(wanted)[:], array[1::2][wanted])
    assert len(seen) == len(set(seen))
    changed = kept[:]
    changed[:] = -1
    np.testing.assert_array_equal(kept[:], array[1::2])


@given(st.integers(0, 20), st.integers(1, 50))
def test_blocks_are_all_rows_in_order(rows: int, block: int) -> None:
    array = np.arange(rows * 3).reshape(rows, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditbench.data.stored._BLOCK_NUMBERS", block)
        blocks = list(stored(array).blocks())
    assert all(0 < len(part) <= max(1, block // 3) for part in blocks)
    np.testing.assert_array_equal(np.concatenate([np.empty((0, 3), int), *blocks]), array)
