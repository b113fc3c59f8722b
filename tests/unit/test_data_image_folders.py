"""Folders of images by class, and tables that name images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from auditbench.config import DataTable, InputTable
from auditbench.data import (
    ImageInput,
    build_evaluation,
    check_columns,
    class_names,
    fit_inputs,
    open_source,
)
from auditbench.errors import EmptyDataError
from tests.image_rows import IMAGE, WHERE, folder_of, opened, pixels, refused


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
    assert "found: 6 of 5 x 7 and 1 of 6 x 6 pixels, such as test/cat/3.png; 2 sizes in all" in text
    assert "fix: set data.inputs.image.size = [5, 7]" in text
    assert opened(tmp_path, size=(4, 3)).test.inputs["image"][:].shape == (7, 1, 4, 3)


def test_what_is_no_row_is_passed_over(tmp_path: Path) -> None:
    written = folder_of(tmp_path / "test")
    (tmp_path / "test/LICENSE.txt").write_text("free")
    (tmp_path / "test/cat/.DS_Store").write_bytes(b"x")
    (tmp_path / "test/cat/Thumbs.db").write_bytes(b"x")
    (tmp_path / "test/.cache").mkdir()
    (tmp_path / "test/.cache/1.png").write_bytes(b"x")
    assert len(opened(tmp_path).test) == len(written)


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
