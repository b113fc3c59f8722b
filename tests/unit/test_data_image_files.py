"""Image files: decoded on demand, of every format, upright, and refused where they are not what they should be."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from auditbench.data import (
    image_files,
)
from tests.image_rows import folder_of, opened, pixels, refused


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


def test_unreadable_images_are_counted_and_named_without_words_of_python(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    (tmp_path / "test/cat/2.png").write_bytes(b"")
    text = refused(opened, tmp_path)
    assert "data.test: test/cat/2.png is no image that can be decoded" in text
    assert "found: 0 bytes" in text
    for index in range(3):
        (tmp_path / f"test/eel/{index}.png").write_bytes(b"no image")
    text = refused(opened, tmp_path)
    assert "4 of 8 image files cannot be read" in text
    assert "test/cat/2.png: 0 bytes; test/eel/0.png: 8 bytes that begin like no image" in text
    assert "and 1 more" in text
    assert "BufferedReader" not in text


def test_unreadable_images_of_a_column_are_named_with_their_rows(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    (tmp_path / "test/cat/1.png").write_bytes(b"")
    (tmp_path / "test/cat/2.png").write_bytes(b"")
    (tmp_path / "rows.csv").write_text("image,animal\ntest/cat/1.png,a\ntest/cat/2.png,b\ntest/dog/1.png,a\n")
    text = refused(opened, tmp_path, test="rows.csv")
    assert "2 of 3 image files" in text
    assert "test/cat/2.png in row 2 of rows.csv: 0 bytes" in text


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    folder_of(tmp_path / "test")
    Image.fromarray(pixels(3, 4)).save(tmp_path / "test/dog/2.png")
    assert "such as test/dog/2.png" in refused(opened, tmp_path)


def test_a_cut_file_is_refused_when_its_row_is_read(tmp_path: Path) -> None:
    folder_of(tmp_path / "test", size=(64, 64))
    path = tmp_path / "test/dog/1.png"
    path.write_bytes(path.read_bytes()[:2000])
    images = opened(tmp_path).test.inputs["image"]
    assert len(images[:2]) == 2
    text = refused(images.__getitem__, np.asarray([2]))
    assert "data.test: test/dog/1.png is no image that can be decoded" in text
    assert "found: 2,000 bytes: " in text


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
