"""Inputs of single rows that are no table, as they may be shown: how large they are, and themselves only on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.banding import RARE_VALUE, band, shown_groups
from auditbench.data.evaluation import EvaluationData, Rows
from auditbench.data.inputs import PADDING, ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.data.subwords import decoded
from auditbench.run import ShownInput
from auditbench.safe_text import LONGEST_TEXT

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    import numpy.typing as npt

    RawArray: TypeAlias = npt.NDArray[Any]

_BACKGROUND_IMAGES = 200
_COLOURS = 3


def other_inputs(data: EvaluationData, rows: Rows, *, raw: bool) -> list[tuple[ShownInput, ...]]:
    """Images, texts and series of each row, in the order of the model's inputs.

    Args:
        raw: Also give the picture, the text and the steps themselves.
    """
    columns = [
        _shown(name, item, data, rows, raw=raw)
        for name, item in data.inputs.items()
        if not isinstance(item, TableInput)
    ]
    return [tuple(column[row] for column in columns) for row in range(len(rows))]


def brightness(images: RawArray, item: ImageInput) -> npt.NDArray[np.float64]:
    """Mean over pixels and channels of each raw image, as a share of full brightness; shape `(rows,)`."""
    return np.asarray(images.mean(axis=(1, 2, 3), dtype=np.float64) / item.largest)


def _shown(name: str, item: ModelInput, data: EvaluationData, rows: Rows, *, raw: bool) -> list[ShownInput]:
    array = rows.inputs[name]
    if isinstance(item, ImageInput):
        return _images(name, item, array, data, rows, raw=raw)
    if isinstance(item, TextInput):
        return _texts(name, item, array, rows, raw=raw)
    return [_series(name, series, raw=raw) for series in array] if isinstance(item, SeriesInput) else []


def _images(
    name: str, item: ImageInput, images: RawArray, data: EvaluationData, rows: Rows, *, raw: bool
) -> list[ShownInput]:
    levels = _brightness_groups(name, data, rows)
    if levels is None:
        background = data.background(_BACKGROUND_IMAGES, np.random.default_rng(0)).inputs[name]
        reference = brightness(background, item)
        levels = [band(float(level), reference) for level in brightness(images, item)]
    return [
        ShownInput(
            name=name,
            modality="image",
            size=item.shape,
            brightness=level,
            values=_pixels(image / item.largest) if raw else None,
        )
        for image, level in zip(images, levels, strict=True)
    ]


def _brightness_groups(name: str, data: EvaluationData, rows: Rows) -> list[str] | None:
    """The group of each row where groups are made of the brightness of this input, so that one page has one set of bands.

    A group that could point at a person is not told, see `shown_groups`; None where brightness makes no groups.
    """
    images = [other for other, item in data.inputs.items() if isinstance(item, ImageInput)]
    names = [f"{name}.brightness", *(["brightness"] if images == [name] else [])]
    feature = next((found for found in names if found in data.facts.computed), None)
    if feature is None:
        return None
    groups = shown_groups(data.sensitive_features[feature], rows.sensitive_features[feature])
    return ["" if group == RARE_VALUE else group for group in groups]


def _texts(name: str, item: TextInput, ids: RawArray, rows: Rows, *, raw: bool) -> list[ShownInput]:
    return [
        ShownInput(
            name=name,
            modality="text",
            size=(int(np.count_nonzero(row != PADDING)),),
            text=_text(name, item, row, place, rows)[:LONGEST_TEXT] if raw else "",
        )
        for place, row in enumerate(ids)
    ]


def _series(name: str, series: RawArray, *, raw: bool) -> ShownInput:
    steps = int(np.flatnonzero(~np.isnan(series).all(axis=0)).max(initial=-1)) + 1
    return ShownInput(
        name=name,
        modality="series",
        size=(len(series), steps),
        values=series[:, :steps].astype(np.float32) if raw else None,
    )


def _pixels(image: RawArray) -> npt.NDArray[np.uint8]:
    """Channels last, as grey where they are no three colours."""
    levels = np.rint(255 * np.clip(np.nan_to_num(image), 0.0, 1.0))
    grey = len(levels) != _COLOURS
    return np.asarray(levels.mean(axis=0) if grey else np.moveaxis(levels, 0, 2), dtype=np.uint8)


def _text(name: str, item: TextInput, ids: RawArray, place: int, rows: Rows) -> str:
    """The text of a row; its tokens where only their ids are known."""
    if name in rows.texts:
        return str(rows.texts[name][place])
    if item.unit == "subwords":
        return decoded([ids.tolist()], item)[0]
    tokens = ("", "\N{REPLACEMENT CHARACTER}", *item.vocabulary)
    return ("" if item.unit == "characters" else " ").join(tokens[int(token)] for token in ids if token != PADDING)
