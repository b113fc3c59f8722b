"""Images: layouts of arrays, mean and scale, files that are decoded on demand, and folders of classes."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from auditbench.config import DataTable, InputTable
from auditbench.data import (
    ImageInput,
    TableSource,
    build_evaluation,
    check_columns,
    class_names,
    fit_inputs,
    image_files,
    open_source,
)
from auditbench.data.images import code_images, fit_images, images_of
from auditbench.data.stored import StoredArray, stored
from auditbench.errors import DataError, EmptyDataError

IMAGE = InputTable(modality="image")
WHERE = "data.inputs.image"


def pixels(*shape: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def laid_out(array: npt.NDArray[Any], table: InputTable = IMAGE) -> StoredArray:
    return images_of(stored(array), table, where=WHERE, shown="rows.npz")


def refused(function: Any, *arguments: Any, **keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        function(*arguments, **keys)
    return caught.value.describe()


def folder_of(root: Path, size: tuple[int, int] = (5, 7), mode: str = "L") -> dict[str, npt.NDArray[np.uint8]]:
    """Three classes of two PNG images each; the pixels by relative path."""
    written = {}
    for number, name in enumerate(("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "eel/1.png", "eel/deep/2.png")):
        content = pixels(*size, *((3,) if mode == "RGB" else ()), seed=number)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(content).save(root / name)
        written[name] = content
    return written


def opened(base: Path, **keys: Any) -> TableSource:
    size = keys.pop("size", None)
    inputs = {"image": InputTable(modality="image", size=size)}
    return open_source(DataTable(**{"test": "test", "target": "animal", "inputs": inputs, **keys}), base, {})


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


def test_a_folder_of_classes_gives_images_labels_and_paths(tmp_path: Path) -> None:
    written = folder_of(tmp_path / "test")
    source = opened(tmp_path)
    part = source.test
    assert part.inputs["image"].row_shape == (1, 5, 7)
    assert part.ids is not None
    assert part.ids.tolist() == sorted(written)
    labels = part.columns["animal"]
    assert [labels.names[code] for code in labels.codes] == [  # type: ignore[union-attr]
        name.split("/")[0] for name in sorted(written)
    ]
    np.testing.assert_array_equal(part.inputs["image"][:][:, 0], [written[name] for name in sorted(written)])
    assert source.feature_names == ()
    lines = (
        f"{name}\0{hashlib.sha256((tmp_path / 'test' / name).read_bytes()).hexdigest()}\n" for name in sorted(written)
    )
    assert source.digests == {"test": hashlib.sha256("".join(lines).encode()).hexdigest()}


def test_evaluated_rows_of_a_folder_carry_classes_and_ids(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    source = opened(tmp_path, sensitive=("animal",))
    inputs = fit_inputs(source)
    task = "multiclass-classification"
    data = build_evaluation(source, inputs, task=task, classes=class_names(source, inputs, task), seed=0)
    rows = data.take(np.asarray([5, 0]))
    assert rows.row_ids == ("eel/deep/2.png", "cat/1.png")
    assert rows.y_true.tolist() == [2, 0]
    assert rows.inputs["image"].shape == (2, 1, 5, 7)
    assert isinstance(data.inputs["image"], ImageInput)


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the image files that were opened."""
    found: list[str] = []
    real = image_files.open_regular

    def counting(path: Path, **keys: Any) -> Any:
        found.append(path.name)
        return real(path, **keys)

    monkeypatch.setattr(image_files, "open_regular", counting)
    return found


def test_three_rows_of_a_folder_open_three_files(tmp_path: Path, opens: list[str]) -> None:
    folder_of(tmp_path / "test")
    images = opened(tmp_path).test.inputs["image"]
    opens.clear()
    first = images[np.asarray([4, 0, 2])]
    assert len(opens) == 3
    np.testing.assert_array_equal(images[np.asarray([4, 0, 2])], first)
    assert len(opens) == 3
    assert len(images.take(np.asarray([1, 3]))) == 2
    assert len(opens) == 3


def test_images_that_need_much_memory_are_decoded_each_time(
    tmp_path: Path, opens: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(tmp_path / "test")
    monkeypatch.setattr("auditbench.data.stored.KEPT_BYTES", 5 * 7 * 6 - 1)
    images = opened(tmp_path).test.inputs["image"]
    opens.clear()
    for _ in range(2):
        images[np.asarray([4, 0])]
    assert len(opens) == 4


def test_one_colour_image_makes_all_colour(tmp_path: Path) -> None:
    written = folder_of(tmp_path / "test")
    Image.fromarray(pixels(5, 7, 3)).save(tmp_path / "test/cat/3.png")
    images = opened(tmp_path).test.inputs["image"]
    assert images.row_shape == (3, 5, 7)
    np.testing.assert_array_equal(images[:1][0], np.repeat(written["cat/1.png"][None], 3, axis=0))
    np.testing.assert_array_equal(images[2:3][0], pixels(5, 7, 3).transpose(2, 0, 1))


def test_sizes_that_differ_need_a_size(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    Image.fromarray(pixels(6, 6)).save(tmp_path / "test/cat/3.png")
    text = refused(opened, tmp_path)
    assert "data.inputs.image.size: the images have several sizes" in text
    assert "found: 6 of 5 x 7 and 1 of 6 x 6 pixels, 2 sizes in all" in text
    assert "fix: set data.inputs.image.size = [5, 7]" in text
    assert opened(tmp_path, size=(4, 3)).test.inputs["image"][:].shape == (7, 1, 4, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    upright = np.kron(pixels(2, 3), np.ones((16, 16), dtype=np.uint8))
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "test/cat").mkdir(parents=True)
    Image.fromarray(np.ascontiguousarray(turned)).save(tmp_path / "test/cat/1.jpg", exif=exif, quality=100)
    images = opened(tmp_path).test.inputs["image"]
    assert images.row_shape == (1, 32, 48)
    with Image.open(tmp_path / "test/cat/1.jpg") as image:
        np.testing.assert_array_equal(images[:][0, 0], np.asarray(ImageOps.exif_transpose(image)))
    assert np.abs(images[:][0, 0].astype(int) - upright).max() <= 3


def test_every_format_and_mode_is_read(tmp_path: Path) -> None:
    colour, grey = pixels(6, 6, 3), pixels(6, 6)
    folder = tmp_path / "test/cat"
    folder.mkdir(parents=True)
    Image.fromarray(colour).save(folder / "a.bmp")
    Image.fromarray(colour).save(folder / "b.WEBP", lossless=True)
    Image.fromarray(np.dstack([colour, grey])).save(folder / "c.png")
    palette = Image.fromarray(grey).convert("P")
    palette.save(folder / "d.gif", transparency=0)
    palette.save(folder / "e.png", transparency=bytes(range(256)))
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "f.png")
    Image.fromarray(grey > 127).save(folder / "g.png")
    images = opened(tmp_path).test.inputs["image"][:]
    for row in range(3):
        np.testing.assert_array_equal(images[row].transpose(1, 2, 0), colour)
    for row in (3, 4, 5):
        np.testing.assert_array_equal(images[row], np.repeat(grey[None], 3, axis=0))
    np.testing.assert_array_equal(images[6, 0], np.where(grey > 127, 255, 0))


def test_sixteen_bits_alone_are_grey(tmp_path: Path) -> None:
    (tmp_path / "test/cat").mkdir(parents=True)
    values = np.asarray([[0, 128, 129, 65_535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "test/cat/a.png")
    np.testing.assert_array_equal(opened(tmp_path).test.inputs["image"][:], [[[[0, 0, 1, 255]]]])


def test_what_is_no_row_is_passed_over(tmp_path: Path) -> None:
    written = folder_of(tmp_path / "test")
    (tmp_path / "test/LICENSE.txt").write_text("free")
    (tmp_path / "test/cat/.DS_Store").write_bytes(b"x")
    (tmp_path / "test/cat/Thumbs.db").write_bytes(b"x")
    (tmp_path / "test/.cache").mkdir()
    (tmp_path / "test/.cache/1.png").write_bytes(b"x")
    assert len(opened(tmp_path).test) == len(written)


def bomb() -> bytes:
    """A PNG of a few bytes that claims 100,000 x 100,000 pixels."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        pytest.param("cat/x.png", bomb(), ("test/cat/x.png has too many pixels", "67,108,864"), id="bomb"),
        pytest.param("cat/x.png", b"GIF89a", ("test/cat/x.png is no image that can be decoded",), id="damaged"),
        pytest.param("cat/x.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n", ("is no image", "PNG, JPEG"), id="program"),
        pytest.param("cat/x.txt", b"cat", ("test/cat/x.txt is no image", "found: the suffix '.txt'"), id="other-file"),
        pytest.param("x.png", b"", ("test/x.png is in no folder of a class", "move it to the folder"), id="no-class"),
    ],
)
def test_what_should_not_be_there_is_refused(tmp_path: Path, name: str, content: bytes, parts: tuple[str, ...]) -> None:
    folder_of(tmp_path / "test")
    (tmp_path / "test" / name).write_bytes(content)
    text = refused(opened, tmp_path)
    assert all(part in text for part in ("data.test", *parts))


def test_a_cut_file_is_refused_when_its_row_is_read(tmp_path: Path) -> None:
    folder_of(tmp_path / "test", size=(64, 64))
    path = tmp_path / "test/dog/1.png"
    path.write_bytes(path.read_bytes()[:2000])
    images = opened(tmp_path).test.inputs["image"]
    assert len(images[:2]) == 2
    assert "test/dog/1.png is no image that can be decoded" in refused(images.__getitem__, np.asarray([2]))


def test_a_file_that_is_exchanged_is_found(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    images = opened(tmp_path).test.inputs["image"]
    path = tmp_path / "test/cat/1.png"
    Image.fromarray(pixels(5, 7, seed=9)).save(path)
    os.utime(path, ns=(1, 1))
    assert "test/cat/1.png was changed while it was in use" in refused(images.__getitem__, np.asarray([0]))


def test_links_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    Image.fromarray(pixels(5, 7)).save(tmp_path / "secret.png")
    link = tmp_path / "test/cat/link.png"
    link.symlink_to(tmp_path / "test/dog/1.png")
    assert len(opened(tmp_path).test) == 7
    link.unlink()
    link.symlink_to(tmp_path / "secret.png")
    assert "test/cat/link.png is not inside the folder" in refused(opened, tmp_path)
    link.unlink()
    (tmp_path / "test/fox").symlink_to(tmp_path)
    assert "found: a link to a folder" in refused(opened, tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    os.mkfifo(tmp_path / "test/cat/pipe.png")
    assert "test/cat/pipe.png is not a regular file" in refused(opened, tmp_path)


def test_a_folder_without_images_is_empty(tmp_path: Path) -> None:
    (tmp_path / "test/cat").mkdir(parents=True)
    with pytest.raises(EmptyDataError, match="test has no image"):
        opened(tmp_path)


def test_the_same_images_are_no_training_rows(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    folder_of(tmp_path / "train")
    assert "the training rows are the evaluated rows" in refused(opened, tmp_path, train="train")
    Image.fromarray(pixels(5, 7)).save(tmp_path / "train/cat/3.png")
    source = opened(tmp_path, train="train")
    assert source.train is not None
    assert (len(source.test), len(source.train)) == (6, 7)
    assert source.train_digest == source.digests["train"] != source.digests["test"]


def test_a_folder_without_an_input_says_what_to_add(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    text = refused(open_source, DataTable(test="test", target="animal", exclude=("path",)), tmp_path, {})
    assert 'add [data.inputs.image] with modality = "image"' in text
    inputs = {"text": InputTable(modality="text")}
    text = refused(check_columns, DataTable(test="test", target="animal", inputs=inputs), tmp_path, {})
    assert "test cannot be an input of modality 'text'" in text
    assert "allowed: 'image'" in text


def test_paths_of_a_folder_are_no_feature_beside_a_table(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    inputs = {"image": IMAGE, "table": InputTable(modality="tabular")}
    text = refused(check_columns, DataTable(test="test", target="animal", inputs=inputs), tmp_path, {})
    assert "data.features: no column is left for the model" in text


@pytest.mark.parametrize("name", ["te\0st.csv", "te\0st/rows.csv"])
def test_a_null_character_in_a_path_is_refused(tmp_path: Path, name: str) -> None:
    text = refused(opened, tmp_path, test=name)
    assert "cannot be opened" in text
    assert "found: embedded null byte" in text


def test_mean_and_scale_are_those_of_the_training_images(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    (tmp_path / "train/cat").mkdir(parents=True)
    only = pixels(5, 7, seed=9) // 2
    Image.fromarray(only).save(tmp_path / "train/cat/1.png")
    fitted = fit_inputs(opened(tmp_path, train="train"))["image"]
    assert isinstance(fitted, ImageInput)
    levels = only / 255
    assert fitted.mean == pytest.approx([levels.mean()])
    assert fitted.scale == pytest.approx([levels.std()])


def test_a_table_may_name_images(tmp_path: Path) -> None:
    written = folder_of(tmp_path / "pictures")
    frame = pd.DataFrame({"file": [f"pictures/{name}" for name in written], "label": list("ababab"), "age": range(6)})
    frame.to_csv(tmp_path / "test.csv", index=False)
    inputs = {"image": InputTable(modality="image", column="file"), "table": InputTable(modality="tabular")}
    source = open_source(DataTable(test="test.csv", target="label", inputs=inputs), tmp_path, {})
    assert source.feature_names == ("age",)
    np.testing.assert_array_equal(source.test.inputs["image"][:][:, 0], list(written.values()))
    before = source.digests["test.csv: file"]
    Image.fromarray(pixels(5, 7, seed=9)).save(tmp_path / "pictures/cat/1.png")
    assert open_source(source.table, tmp_path, {}).digests["test.csv: file"] != before


def test_images_that_a_table_names_are_part_of_the_training_rows(tmp_path: Path) -> None:
    for number, name in enumerate(("a.png", "b.png")):
        Image.fromarray(pixels(5, 7, seed=number)).save(tmp_path / name)
    for file, image in (("test.csv", "a.png"), ("train.csv", "b.png")):
        pd.DataFrame({"image": [image, image], "label": ["a", "b"]}).to_csv(tmp_path / file, index=False)
    table = DataTable(test="test.csv", train="train.csv", target="label", inputs={"image": IMAGE})
    first = open_source(table, tmp_path, {})
    Image.fromarray(pixels(5, 7, seed=2)).save(tmp_path / "a.png")
    assert open_source(table, tmp_path, {}).train_digest == first.train_digest
    Image.fromarray(pixels(5, 7, seed=3)).save(tmp_path / "b.png")
    assert open_source(table, tmp_path, {}).train_digest != first.train_digest


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("../secret.png", ("is not inside the folder of the data", "a path that leads out of it")),
        ("/etc/hostname", ("is not inside the folder of the data",)),
        ("absent.png", ("absent.png in row 2 of test.parquet cannot be opened", "No such file", "an image file: .png")),
        ("", ("has rows without an image", "an empty cell in row 2")),
        ("a\0.png", ("has rows without an image", "a null character in row 2")),
    ],
)
def test_paths_in_tables_stay_in_the_folder(tmp_path: Path, cell: str, parts: tuple[str, ...]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for path in (data / "a.png", tmp_path / "secret.png"):
        Image.fromarray(pixels(5, 7)).save(path)
    pd.DataFrame({"image": ["a.png", cell], "label": ["a", "b"]}).to_parquet(data / "test.parquet")
    table = DataTable(test="test.parquet", target="label", inputs={"image": IMAGE})
    text = refused(open_source, table, data, {})
    assert all(part in text for part in (WHERE, *parts))
