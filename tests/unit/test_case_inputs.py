"""Inputs of cases that are no table: their size always, themselves only where raw inputs are asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from auditbench.data import ImageInput, Rows
from auditbench.data.case_inputs import brightness, other_inputs
from auditbench.run import ShownInput
from auditbench.testing import toy_context, toy_subject
from auditbench.worker.cases import choose_cases, with_stored_inputs


def shown(modality: Any, *, raw: bool, **changes: Any) -> tuple[list[tuple[ShownInput, ...]], Rows]:
    subject = toy_subject(modality=modality)
    rows = dataclasses.replace(subject.data.take(np.arange(10)), **changes)
    return other_inputs(subject.data, rows, raw=raw), rows


def test_images_show_size_and_a_band_of_brightness() -> None:
    found, rows = shown("image", raw=False)
    levels = rows.inputs["image"].mean(axis=(1, 2, 3)) / 255
    for (item,), level in zip(found, levels, strict=True):
        assert (item.name, item.modality, item.size, item.values) == ("image", "image", (1, 6, 5), None)
        numbers = [float(word) for word in item.brightness.split() if word[0].isdigit()]
        if item.brightness.startswith("under"):
            assert level < numbers[0]
        else:
            assert numbers[0] <= level <= (numbers[1:] or [1.0])[0]


def grouped(name: str, levels: list[str]) -> list[str]:
    """What cases say of brightness where rows are grouped by it, under a name that the host computed."""
    subject = toy_subject(modality="image")
    facts = dataclasses.replace(subject.data.facts, computed=(name,))
    rows = subject.data.take(np.arange(len(subject.data)))
    groups = {name: np.asarray((levels * len(rows))[: len(rows)], dtype=np.str_)}
    evaluated = dataclasses.replace(rows, sensitive_features=groups)
    data = dataclasses.replace(subject.data, facts=facts, _evaluated=evaluated)
    return [item.brightness for (item,) in other_inputs(data, data.take(np.arange(4)), raw=False)]


@pytest.mark.parametrize("name", ["brightness", "image.brightness"])
def test_images_show_the_group_of_their_brightness_where_there_are_groups_of_it(name: str) -> None:
    levels = ["0.1 to under 0.5", "under 0.1"]
    assert grouped(name, levels) == levels * 2
    assert not set(grouped("other.brightness", levels)) & set(levels)


def test_a_group_of_brightness_that_could_point_at_one_image_is_not_shown() -> None:
    rows = len(toy_subject(modality="image").data)
    assert grouped("brightness", ["under 0.1", *["0.1 and over"] * (rows - 1)]) == ["", *["0.1 and over"] * 3]


def test_raw_images_are_pixels_of_one_or_three_colours() -> None:
    found, rows = shown("image", raw=True)
    np.testing.assert_array_equal(np.asarray(found[3][0].values), rows.inputs["image"][3, 0])
    subject = toy_subject(modality="image")
    for channels, shape in ((3, (6, 5, 3)), (4, (6, 5))):
        item = ImageInput(channels=channels, height=6, width=5, largest=1.0, mean=(0.0,) * 4, scale=(1.0,) * 4)
        pixels = np.linspace(0, 1, 10 * channels * 30).reshape(10, channels, 6, 5)
        rows = dataclasses.replace(subject.data.take(np.arange(10)), inputs={"image": pixels})
        data = dataclasses.replace(subject.data, inputs={"image": item}, _evaluated=rows, _background=rows)
        picture = np.asarray(other_inputs(data, rows, raw=True)[9][0].values)
        assert (picture.shape, picture.dtype) == (shape, np.uint8)
        assert abs(int(picture.max()) - round(255 * pixels[9].max())) <= (0 if channels == 3 else 12)


def test_brightness_is_the_mean_share_of_full_brightness() -> None:
    item = ImageInput(channels=1, height=2, width=2, mean=(0.5,), scale=(0.5,))
    images = np.array([[[[0, 255], [255, 255]]], [[[0, 0], [0, 51]]]], dtype=np.uint8)
    assert brightness(images, item).tolist() == pytest.approx([0.75, 0.05])


def test_texts_show_how_many_tokens_and_themselves_on_request() -> None:
    banded, rows = shown("text", raw=False)
    lengths = (rows.inputs["text"] > 0).sum(axis=1).tolist()
    assert [(item.size, item.text) for (item,) in banded] == [((length,), "") for length in lengths]
    found, rows = shown("text", raw=True)
    assert [item.text for (item,) in found] == rows.texts["text"].tolist()


def test_a_text_that_is_known_by_its_ids_alone_is_made_of_its_tokens() -> None:
    _, rows = shown("text", raw=True)
    found, _ = shown("text", raw=True, texts={})
    assert [item.text.replace("\ufffd", "unheard") for (item,) in found] == rows.texts["text"].tolist()


def test_a_long_text_is_cut() -> None:
    found, _ = shown("text", raw=True, texts={"text": np.asarray(["word " * 5000] * 10, dtype=object)})
    assert {len(item.text) for (item,) in found} == {4096}


def test_series_show_their_steps_without_what_is_behind_the_end() -> None:
    found, rows = shown("series", raw=True)
    for (item,), series in zip(found, rows.inputs["series"], strict=True):
        steps = int((~np.isnan(series[0])).sum())
        assert item.size == (2, steps)
        np.testing.assert_array_equal(np.asarray(item.values), series[:, :steps].astype(np.float32))
    assert all(item.values is None for (item,) in shown("series", raw=False)[0])


def test_a_series_of_nothing_has_no_steps() -> None:
    found, _ = shown("series", raw=True, inputs={"series": np.full((10, 2, 12), np.nan)})
    assert {item.size for (item,) in found} == {(2, 0)}


@pytest.mark.parametrize("raw", [True, False])
def test_cases_of_several_inputs_show_columns_and_the_rest(raw: bool) -> None:
    subject = toy_subject(modality="mixed")
    chosen = choose_cases(subject.model, subject.data, toy_context(subject).outputs, count=6, raw_inputs=raw)
    for case in chosen.cases:
        assert [name for name, _ in case.inputs] == ["age", "hours", "work", "sex"]
        assert [item.name for item in case.shown] == ["text"]
        assert bool(case.shown[0].text) == raw
    raw_ages = {dict(case.inputs)["age"].replace(".", "").isdigit() for case in chosen.cases}
    assert raw_ages == {raw}


def test_arrays_of_cases_are_stored_by_case_and_place() -> None:
    subject = toy_subject(modality="image")
    cases = choose_cases(subject.model, subject.data, toy_context(subject).outputs, count=3, raw_inputs=True).cases
    kept: dict[str, Any] = {}
    stored = with_stored_inputs(cases, lambda name, array: kept.setdefault(name, array + 0))
    assert list(kept) == ["cases/1/0", "cases/2/0", "cases/3/0"]
    assert all(case.shown[0].values is kept[f"cases/{n}/0"] for n, case in enumerate(stored, start=1))
    assert all(case.shown[0].values is None for case in with_stored_inputs(cases, lambda *_: None))


def test_a_table_alone_shows_nothing_else() -> None:
    subject = toy_subject()
    assert other_inputs(subject.data, subject.data.take(np.arange(3)), raw=True) == [(), (), ()]
