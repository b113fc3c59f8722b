"""What `auditbench init` writes for data of every kind is valid as it stands, and can be audited."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from auditbench.cli.boundary import guarded
from tests.in_process_worker import workers_in_this_process

ROWS = 80
WORDS = ("rain", "falls", "on", "the", "old", "town", "while", "a", "dog", "sleeps", "under", "its", "tree")


def sentences(labels: list[str]) -> list[str]:
    """Sentences of five to nine words, all different, that end in what tells the label."""
    rng = np.random.default_rng(0)
    return [f"{' '.join(rng.choice(WORDS, 5 + i % 5))} {i} {label}ly" for i, label in enumerate(labels)]


LABELS = [("good", "bad")[i * i % 7 < 3] for i in range(ROWS)]
NUMBERS = [i * 7 % 13 + 0.5 for i in range(ROWS)]


def texts(folder: Path) -> Path:
    columns = {"review": sentences(LABELS), "gender": [("f", "m")[i % 3 > 0] for i in range(ROWS)], "label": LABELS}
    pa.parquet.write_table(pa.table(columns), folder / "reviews.parquet")
    return folder / "reviews.parquet"


def texts_and_numbers(folder: Path) -> Path:
    columns = {"review": sentences(LABELS), "stars": NUMBERS, "label": LABELS}
    pa.parquet.write_table(pa.table(columns), folder / "reviews.parquet")
    return folder / "reviews.parquet"


def array_of_images(folder: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (ROWS, 10, 10), dtype=np.uint8)
    np.savez(folder / "digits.npz", X=pixels, y=np.arange(ROWS) % 3)
    return folder / "digits.npz"


def array_of_series(folder: Path) -> Path:
    np.savez(folder / "signals.npz", acceleration=np.random.default_rng(0).random((ROWS, 2, 16)), y=np.arange(ROWS) % 2)
    return folder / "signals.npz"


def series(folder: Path) -> Path:
    lines = [f"{','.join(str((i * k) % 11) for k in range(1, 13))}:{('up', 'down')[i % 2]}" for i in range(ROWS)]
    header = "@problemName x\n@univariate true\n@equalLength true\n@seriesLength 12\n@classLabel true up down\n@data\n"
    (folder / "moves.ts").write_text(header + "\n".join(lines) + "\n")
    return folder / "moves.ts"


def folder_of_images(folder: Path) -> Path:
    _photos(folder / "pets", sides=(12,))
    return folder / "pets"


def folders_of_images_of_several_sizes(folder: Path) -> Path:
    for part in ("train", "test"):
        _photos(folder / "pets" / part, sides=(12, 12, 15), seed=len(part))
    return folder / "pets"


def _photos(home: Path, sides: tuple[int, ...], seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for index in range(30):
        place = home / ("cat" if index % 2 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        side = sides[index % len(sides)]
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(place / f"{index}.png")


def paths_of_images(folder: Path) -> Path:
    folder_of_images(folder)
    paths = sorted(item.relative_to(folder).as_posix() for item in (folder / "pets").rglob("*.png"))
    rows = "\n".join(f"{path},{'tame' if index % 3 else 'wild'}" for index, path in enumerate(paths))
    (folder / "pets.csv").write_text(f"photo,label\n{rows}\n")
    return folder / "pets.csv"


def semicolons(folder: Path) -> Path:
    rows = (f"{20 + i % 40};{1000 + i},{i % 9}5;{LABELS[i]}" for i in range(ROWS))
    (folder / "leute.csv").write_text("\n".join(["alter;gehalt;label", *rows]) + "\n")
    return folder / "leute.csv"


@pytest.mark.parametrize(
    ("make", "inputs", "architecture", "left_out"),
    [
        pytest.param(texts, {"review": {"modality": "text", "length": 256}}, "rnn", {"parity"}, id="texts"),
        pytest.param(
            texts_and_numbers,
            {"review": {"modality": "text", "length": 256}, "columns": {"modality": "tabular"}},
            "joined",
            {"lime", "parity"},
            id="texts-and-numbers",
        ),
        pytest.param(array_of_images, {"x": {"modality": "image", "column": "X"}}, "cnn", {"parity"}, id="npz-images"),
        pytest.param(array_of_series, {"acceleration": {"modality": "series"}}, "cnn1d", {"parity"}, id="npz-series"),
        pytest.param(series, {"series": {"modality": "series"}}, "cnn1d", {"parity"}, id="ts"),
        pytest.param(folder_of_images, {"image": {"modality": "image"}}, "cnn", {"parity"}, id="folder"),
        pytest.param(
            folders_of_images_of_several_sizes,
            {"image": {"modality": "image", "size": [12, 12]}},
            "cnn",
            {"parity"},
            id="folders",
        ),
        pytest.param(paths_of_images, {"photo": {"modality": "image"}}, "cnn", {"parity"}, id="paths"),
        pytest.param(semicolons, {}, "mlp", {"parity", "fairness"}, id="semicolons"),
    ],
)
def test_what_is_written_is_valid_and_can_be_audited(
    make: Callable[[Path], Path],
    inputs: dict[str, Any],
    architecture: str,
    left_out: set[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, config = make(tmp_path), tmp_path / "audit.toml"
    with workers_in_this_process():
        assert guarded(["init", str(tmp_path), "--data", str(data)]) == 0
        document = tomllib.loads(config.read_text())
        assert document["data"].get("inputs", {}) == inputs
        assert document["train"]["architecture"] == architecture
        assert left_out.isdisjoint(document["analyzers"])
        assert {"performance", "resources"} <= set(document["analyzers"])
        assert ({"shap", "lime", "captum"} <= set(document["analyzers"])) == (architecture != "joined")
        assert ("train" in document["data"]) != ("held_out" in document["data"])
        assert guarded(["check", str(config)]) == 0, capsys.readouterr().err
        settings = ["--set", "train.epochs=1", "--set", "analyzers.performance.replicates=40"]
        capsys.readouterr()
        command = ["audit", str(config), "--only", "performance", "--format", "json", "--json"]
        guarded([*command, *settings, "--out", str(tmp_path / "run")])
    told = json.loads(capsys.readouterr().out)
    assert {one["name"]: one["status"] for one in told["analyzers"]}["performance"] == "ok"
    assert told["analyzers_by_status"]["ok"] == 1


def test_numbers_with_a_decimal_comma_are_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = semicolons(tmp_path)
    with workers_in_this_process():
        assert guarded(["init", str(tmp_path), "--data", str(data)]) == 0
    text = (tmp_path / "audit.toml").read_text()
    assert "#   alter  number, 40 different" in text
    assert "#   gehalt  number, 80 different" in text


def test_arrays_of_another_number_of_rows_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.zeros((ROWS, 10, 10), dtype=np.uint8)
    whole = {"x_train": pixels, "y_train": np.arange(ROWS) % 2, "x_test": pixels[:20], "y_test": np.arange(20) % 2}
    np.savez(tmp_path / "digits.npz", **whole, complex=np.zeros((ROWS, 2, 2), dtype=np.complex64))
    with workers_in_this_process():
        assert guarded(["init", str(tmp_path), "--data", str(tmp_path / "digits.npz")]) == 0
    document = tomllib.loads((tmp_path / "audit.toml").read_text())
    assert document["data"]["inputs"] == {"x_train": {"modality": "image"}}
    assert document["data"]["target"] == "y_train"
    told = capsys.readouterr().out
    assert "'x_test' with 20 rows" in told
    assert "'y_test' with 20 rows" in told
    assert "'complex', which is no image and no series: (rows, 2, 2), complex64" in told


def objects(folder: Path) -> Path:
    labels = np.array(LABELS, dtype=object)
    np.savez(folder / "x.npz", image=np.zeros((ROWS, 9, 9)), label=labels)
    return folder / "x.npz"


def one_hot(folder: Path) -> Path:
    np.savez(folder / "x.npz", x=np.zeros((ROWS, 5)), y=np.eye(2)[np.arange(ROWS) % 2])
    return folder / "x.npz"


def unlabelled(folder: Path) -> Path:
    (folder / "x.ts").write_text("@problemName u\n@univariate true\n@classLabel false\n@data\n1,2,3\n2,3,4\n")
    return folder / "x.ts"


def constant(folder: Path) -> Path:
    rows = "\n".join(f"{i},7,,same {i}" for i in range(ROWS))
    (folder / "x.csv").write_text(f"id,n,gap,note\n{rows}\n")
    return folder / "x.csv"


@pytest.mark.parametrize("target", [[], ["--target", "y"]])
@pytest.mark.parametrize(
    ("make", "found"),
    [
        pytest.param(objects, ("'image', images: (rows, 9, 9)", "'label', which is no column: dtype object"), id="obj"),
        pytest.param(one_hot, ("'x', series: (rows, 5)", "'y', series: (rows, 2), float64"), id="one-hot"),
        pytest.param(unlabelled, ("'series', series",), id="ts"),
    ],
)
def test_without_any_column_it_says_what_there_is(
    make: Callable[[Path], Path],
    found: tuple[str, ...],
    target: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert guarded(["init", str(tmp_path / "new"), "--data", str(make(tmp_path)), *target]) == 2
    told = capsys.readouterr().err
    assert "no column could be the target" in told
    assert all(words in told for words in found)
    assert "an array of one dimension" in told
    assert "@classLabel" in told
    assert "--target" not in told
    assert not (tmp_path / "new").exists()


def test_columns_that_cannot_be_the_target_are_named_with_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(["init", str(tmp_path / "new"), "--data", str(constant(tmp_path))]) == 2
    told = capsys.readouterr().err
    for words in (
        "'id', it counts the rows",
        "'n', one value in all rows",
        "'gap', no row has a value",
        "'note', every value is different",
    ):
        assert words in told
    assert "name one with --target COLUMN" in told


def test_nothing_is_written_where_nothing_is_left_for_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "x.npz", image=np.zeros((ROWS, 16, 16), dtype=np.int64), label=np.arange(ROWS) % 2)
    assert guarded(["init", str(tmp_path / "new"), "--data", str(tmp_path / "x.npz")]) == 2
    told = capsys.readouterr().err
    assert "nothing is left for the model" in told
    assert "target 'label'" in told
    assert "'image', which is no image and no series: (rows, 16, 16), int64" in told
    assert "uint8" in told
    assert not (tmp_path / "new").exists()


def test_columns_that_are_left_out_are_named_where_none_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text("id,y\n" + "".join(f"{i},{i % 2}\n" for i in range(ROWS)))
    assert guarded(["init", str(tmp_path / "new"), "--data", str(tmp_path / "x.csv")]) == 2
    assert "column 'id': it counts the rows" in capsys.readouterr().err


@pytest.mark.parametrize(("numbers", "line"), [(ROWS, "excluded   ''"), (3, "'': 3 different values")])
def test_a_column_without_a_name_is_seen(
    numbers: int, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"{i % numbers},{i % 5},{i % 2}\n" for i in range(ROWS))
    (tmp_path / "x.csv").write_text(f",a,y\n{rows}")
    assert guarded(["init", str(tmp_path / "new"), "--data", str(tmp_path / "x.csv")]) == 0
    assert line in capsys.readouterr().out
