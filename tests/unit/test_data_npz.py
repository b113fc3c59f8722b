"""Archives of numpy: columns, arrays whose rows stay in the file, and archives that are not what they seem."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
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
    npz_files,
    open_source,
)
from auditbench.errors import AuditbenchError, DataError

IMAGE = {"image": InputTable(modality="image")}
SERIES = {"series": InputTable(modality="series")}
ROWS: dict[str, npt.NDArray[Any]] = {
    "image": np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8),
    "label": np.asarray(["a", "b", "a", "b", "a", "b"]),
    "split": np.asarray(["train"] * 4 + ["test"] * 2),
    "sex": np.asarray(["f", "m"] * 3),
    "age": np.arange(6, dtype=">i4"),
    "name": np.asarray([f"row-{row}" for row in range(6)]),
}
EITHER = pytest.mark.parametrize("save", [np.savez, np.savez_compressed])


def opened(folder: Path, **keys: Any) -> TableSource:
    return open_source(DataTable(**{"test": "rows.npz", "target": "label", **keys}), folder, {})


def refused(folder: Path, **keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        opened(folder, **keys)
    return caught.value.describe()


def archive(folder: Path, content: bytes, name: str = "image.npy", **keys: Any) -> None:
    """An archive of ROWS without images, and one member made by hand."""
    rest = {key: array for key, array in ROWS.items() if key != "image"}
    np.savez(folder / "rows.npz", **rest)  # type: ignore[arg-type]
    with zipfile.ZipFile(folder / "rows.npz", "a", **keys) as file:
        file.writestr(name, content)


def npy(array: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@EITHER
def test_columns_and_arrays_of_one_archive(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "rows.npz", **ROWS)
    inputs = {**IMAGE, "table": InputTable(modality="tabular")}
    source = opened(tmp_path, inputs=inputs, split="split", sensitive=("sex",), id="name", exclude=("sex",))
    assert source.feature_names == ("age",)
    assert source.train is not None
    assert (len(source.train), len(source.test)) == (4, 2)
    np.testing.assert_array_equal(source.test.inputs["image"][:][:, 0], ROWS["image"][4:])
    np.testing.assert_array_equal(source.train.inputs["image"][:][:, 0], ROWS["image"][:4])
    fitted = fit_inputs(source)
    classes = class_names(source, fitted, "multiclass-classification")
    data = build_evaluation(source, fitted, task="multiclass-classification", classes=classes, seed=0)
    rows = data.take(np.asarray([1, 0]))
    assert rows.row_ids == ("row-5", "row-4")
    assert rows.y_true.tolist() == [1, 0]
    assert rows.sensitive_features["sex"].tolist() == ["m", "f"]
    assert rows.inputs["table"].tolist() == [[5.0], [4.0]]


def test_without_inputs_columns_are_the_table_as_of_any_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", **{name: ROWS[name] for name in ("label", "age", "sex")})  # type: ignore[arg-type]
    assert opened(tmp_path).feature_names == ("age", "sex")


@EITHER
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    array=hnp.arrays(
        st.sampled_from(["<f8", ">f4", "<i2", "f2"]),
        st.tuples(st.integers(1, 7), st.integers(1, 3), st.integers(1, 4)),
        elements=st.integers(-9, 9),
    ),
    rows=st.lists(st.integers(0, 6), max_size=9),
    by_column=st.booleans(),
)
def test_rows_are_those_of_the_array(
    tmp_path: Path, save: Any, array: npt.NDArray[Any], rows: list[int], by_column: bool
) -> None:
    stored = np.asfortranarray(array) if by_column else array
    save(tmp_path / "rows.npz", series=stored, label=np.arange(len(array)))
    series = opened(tmp_path, inputs=SERIES).test.inputs["series"]
    wanted = np.asarray([row for row in rows if row < len(array)], dtype=np.intp)
    np.testing.assert_array_equal(series[wanted], array[wanted].astype(np.float64))
    np.testing.assert_array_equal(series[:], array.astype(np.float64))


def test_rows_of_an_uncompressed_array_are_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(0).normal(size=(1000, 2, 50))
    np.savez(tmp_path / "rows.npz", series=array, label=np.zeros(1000))
    series = opened(tmp_path, inputs=SERIES).test.inputs["series"]
    read: list[int] = []
    real = npz_files.os.pread

    def counting(descriptor: int, size: int, offset: int) -> bytes:
        read.append(size)
        return real(descriptor, size, offset)

    monkeypatch.setattr(npz_files.os, "pread", counting)
    np.testing.assert_array_equal(series[np.asarray([7, 8, 3])], array[[7, 8, 3]])
    assert read == [2 * 800, 800]


def test_the_file_closes_with_the_last_array(tmp_path: Path) -> None:
    descriptors = psutil.Process().num_fds
    np.savez(tmp_path / "rows.npz", series=np.zeros((4, 3)), label=np.zeros(4))
    before = descriptors()
    series = opened(tmp_path, inputs=SERIES).test.inputs["series"].take(np.arange(2))
    assert descriptors() == before + 1
    del series
    assert descriptors() == before


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    evil = np.asarray([{"a": 1}, None], dtype=object)
    np.savez(tmp_path / "rows.npz", age=evil, label=np.zeros(2))
    text = refused(tmp_path)
    assert "array 'age' of rows.npz holds Python objects, and reading them would run their code" in text
    assert "array.astype(str)" in text
    np.savez(tmp_path / "rows.npz", image=np.full((2, 3, 4), None), label=np.zeros(2))
    assert "full brightness is not known" in refused(tmp_path, inputs=IMAGE)
    np.savez(tmp_path / "rows.npz", series=np.full((2, 3, 4), None), label=np.zeros(2))
    assert "holds no numbers" in refused(tmp_path, inputs=SERIES)


def test_headers_that_claim_more_than_there_is_are_refused_unread(tmp_path: Path) -> None:
    honest = npy(np.zeros((6, 4, 5), np.uint8))
    archive(tmp_path, honest.replace(b"(6, 4, 5)", b"(6, 9, 9)"))
    text = refused(tmp_path, inputs=IMAGE)
    assert "data.test: rows.npz is not a complete .npz file" in text
    assert "image.npy has 120 bytes of numbers, not 486" in text


@pytest.mark.parametrize("version", [1, 2])
def test_a_header_is_not_unpacked_beyond_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    length = (2**16 - 1) if version == 1 else 8 * 2**20
    monkeypatch.setattr(npz_files, "_MOST_HEADER_BYTES", 2**15)
    taken = []
    read = zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        content = read(self, n)
        taken.append(len(content))
        return content

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    content = b"\x93NUMPY" + bytes([version, 0]) + length.to_bytes(2 * version, "little") + b" " * length
    archive(tmp_path, content, compression=zipfile.ZIP_DEFLATED)
    assert f"image.npy has a header of {length:,} bytes, more than 32,768" in refused(tmp_path, inputs=IMAGE)
    assert max(taken) < 2**10


@pytest.mark.parametrize(
    "header",
    [
        b"(" * 150,
        b"(" * 5_000,
        b"-" * 9_000 + b"1",
        b"{[1]: 2}",
        b"{'descr': (), 'fortran_order': False, 'shape': (2,)}",
        b"{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,)}",
        b"{'descr': '<U0', 'fortran_order': False, 'shape': (-1,)}",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (10,",
        b"\xff",
    ],
)
def test_odd_headers_are_damage(tmp_path: Path, header: bytes) -> None:
    archive(tmp_path, b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert "rows.npz is not a complete .npz file" in refused(tmp_path, inputs=IMAGE)


@pytest.mark.parametrize("character", [0xD800, 0x110000, 0xFFFFFFFF])
def test_characters_that_no_text_has_are_refused(tmp_path: Path, character: int) -> None:
    names = np.asarray([character] * 6, dtype=np.uint32).view("<U1")
    np.savez(tmp_path / "rows.npz", **{**ROWS, "name": names})  # type: ignore[arg-type]
    assert "column 'name' of rows.npz holds characters that no text has" in refused(tmp_path, exclude=("split",))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    image = npy(np.zeros((6, 4, 5), np.uint8))
    archive(tmp_path, image)
    with zipfile.ZipFile(tmp_path / "rows.npz", "a") as file:
        file.writestr("image.npy", image)
    text = refused(tmp_path, inputs=IMAGE)
    assert "data.test: rows.npz has arrays of one name" in text
    assert "found: 'image'" in text


def test_mean_and_scale_are_those_of_the_training_rows(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).normal(size=(6, 1, 4))
    numbers[4:] += 100
    np.savez(tmp_path / "rows.npz", **{**ROWS, "series": numbers})  # type: ignore[arg-type]
    fitted = fit_inputs(opened(tmp_path, split="split", inputs=SERIES))["series"]
    assert isinstance(fitted, SeriesInput)
    assert fitted.mean == pytest.approx([numbers[:4].mean()])
    assert fitted.scale == pytest.approx([numbers[:4].std()])


def test_arrays_that_unpack_to_more_than_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz_files, "MOST_BYTES", 10_000)
    archive(tmp_path, npy(np.zeros((6, 100, 100), np.uint8)), compression=zipfile.ZIP_DEFLATED)
    text = refused(tmp_path, inputs=IMAGE)
    assert "array 'image' of rows.npz is too large to be read at once" in text
    assert "found: 60,000 bytes" in text
    archive(tmp_path, npy(np.zeros((6, 100, 100), np.uint8)))
    assert len(opened(tmp_path, inputs=IMAGE).test) == 6


@EITHER
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_damaged_byte_is_found_or_without_effect(tmp_path: Path, save: Any, place: float, mask: int) -> None:
    save(tmp_path / "rows.npz", image=ROWS["image"], label=ROWS["label"])
    content = bytearray((tmp_path / "rows.npz").read_bytes())
    content[int(place * len(content))] ^= mask
    (tmp_path / "rows.npz").write_bytes(content)
    try:
        part = opened(tmp_path, inputs=IMAGE).test
        images = part.inputs["image"][:]
    except AuditbenchError:
        return
    labels = part.columns["label"]
    np.testing.assert_array_equal(images[:, 0], ROWS["image"])
    assert [labels.names[code] for code in labels.codes] == ROWS["label"].tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_cut_archive_is_refused(tmp_path: Path, kept: float) -> None:
    np.savez(tmp_path / "rows.npz", **ROWS)  # type: ignore[arg-type]
    content = (tmp_path / "rows.npz").read_bytes()
    (tmp_path / "rows.npz").write_bytes(content[: max(10, int(kept * len(content)))])
    assert "rows.npz is not a complete .npz file" in refused(tmp_path, inputs=IMAGE)


def test_a_file_that_shrinks_while_it_is_read_is_found(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", series=np.ones((500, 40)), label=np.zeros(500))
    series = opened(tmp_path, inputs=SERIES).test.inputs["series"]
    with (tmp_path / "rows.npz").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match="not a complete"):
        series[np.asarray([400])]


@pytest.mark.parametrize(
    ("arrays", "keys", "parts"),
    [
        pytest.param(
            {"image": np.zeros((5, 4, 4), np.uint8)},
            {"inputs": IMAGE},
            (
                "rows.npz has arrays with another number of rows",
                "found: 'image' has 5, 'label' has 6",
                "write them for the same rows",
            ),
            id="other-rows-of-an-input",
        ),
        pytest.param(
            {"age": np.arange(7)},
            {},
            ("another number of rows", "'age' has 7", "'label' has 6"),
            id="other-column-rows",
        ),
        pytest.param(
            {"images": np.zeros((6, 4, 4), np.uint8)},
            {"inputs": IMAGE},
            ("data.inputs.image.column: there is no column or array 'image'", "did you mean 'images'?"),
            id="nearest-name",
        ),
        pytest.param(
            {"image": np.zeros((6, 4, 4, 3, 2))},
            {"inputs": IMAGE},
            ("data.inputs.image: array 'image' of rows.npz is no array of images", "shape (rows, 4, 4, 3, 2)"),
            id="dimensions",
        ),
        pytest.param(
            {"series": np.zeros((6, 4, 4, 3))},
            {"inputs": SERIES},
            ("array 'series' of rows.npz is no array of series", "(rows, channels, steps) or (rows, steps)"),
            id="dimensions-of-series",
        ),
        pytest.param(
            {"series": np.zeros(6)}, {"inputs": SERIES}, ("a series has many numbers", "found: a column"), id="one-cell"
        ),
        pytest.param(
            {"text": np.zeros((6, 9), np.int64)},
            {"inputs": {"text": InputTable(modality="text")}},
            ("cannot be an input of modality 'text'", "texts stand in a column"),
            id="text-in-an-array",
        ),
        pytest.param(
            {"image": np.zeros((6, 4, 4), np.uint8)},
            {"exclude": ("age", "sex", "split", "name")},
            ("no column is left", "arrays that are no columns: 'image'", "add a [data.inputs.NAME] table"),
            id="no-input",
        ),
        pytest.param(
            {"image": np.zeros((6, 4, 4), np.uint8)},
            {"inputs": IMAGE, "features": ("age",)},
            ("data.features: features are columns of a table, and no input is one", 'modality = "tabular"'),
            id="features-without-a-table",
        ),
        pytest.param(
            {"age": np.zeros(6, dtype="c16")}, {}, ("'age' of rows.npz is neither", "dtype complex128"), id="complex"
        ),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, arrays: dict[str, Any], keys: dict[str, Any], parts: tuple[str, ...]
) -> None:
    np.savez(tmp_path / "rows.npz", **{name: array for name, array in ROWS.items() if name != "image"} | arrays)
    text = refused(tmp_path, **keys)
    assert all(part in text for part in parts), text


def test_dimensions_and_names_are_checked_without_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "rows.npz", **ROWS)  # type: ignore[arg-type]
    monkeypatch.setattr(npz_files, "_loaded", None)
    table = DataTable(test="rows.npz", target="label", split="split", inputs=IMAGE)
    assert check_columns(table, tmp_path, {})
    text = {"image": InputTable(modality="text")}
    with pytest.raises(DataError, match="does not have what the configuration names") as caught:
        check_columns(table.model_copy(update={"inputs": text}), tmp_path, {})
    assert "array 'image' of rows.npz cannot be an input of modality 'text'" in caught.value.describe()


def test_the_same_archive_is_no_training_rows(tmp_path: Path) -> None:
    for name in ("rows.npz", "train.npz"):
        np.savez(tmp_path / name, **ROWS)  # type: ignore[arg-type]
    assert "the training rows are the evaluated rows" in refused(tmp_path, inputs=IMAGE, train="train.npz")
