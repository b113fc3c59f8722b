"""Raw rows of the toy subjects, of every modality."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from auditbench.data import TABULAR_INPUT, FeatureSpec, ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.run import Modality

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

TOY_FEATURES = (
    FeatureSpec(name="age", kind="number", start=0, stop=1, fill=40.0, mean=40.0, scale=10.0),
    FeatureSpec(name="hours", kind="number", start=1, stop=2, fill=38.0, mean=36.0, scale=8.0),
    FeatureSpec(name="work", kind="category", categories=("office", "field", "home"), start=2, stop=6),
    FeatureSpec(name="sex", kind="category", categories=("Female", "Male"), start=6, stop=9),
)
"""Features of a toy table: two numbers, a category, and a category that is sensitive."""

TOY_IMAGE = ImageInput(channels=1, height=6, width=5, mean=(0.5,), scale=(0.29,))
TOY_TEXT = TextInput(unit="words", vocabulary=("the", "film", "was", "good", "bad", "very", "not", "long"), length=7)
TOY_SERIES = SeriesInput(channels=("x", "y"), steps=12, mean=(0.0, 2.0), scale=(1.0, 0.5))

TABLE_WEIGHTS = (
    (1.5, -0.8, 0.4, -0.6, 0.1, 0.0, -0.3, 0.5, 0.0),
    (0.2, 0.9, -0.5, 0.3, 0.2, 0.0, 0.1, -0.1, 0.0),
    (-1.1, 0.3, 0.0, 0.7, -0.4, 0.0, 0.2, 0.0, 0.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyRows:
    """Raw rows by name of the input, what each input is, and the texts behind token ids."""

    inputs: Mapping[str, ModelInput]
    raw: Mapping[str, npt.NDArray[Any]]
    texts: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)


def toy_rows(modality: Modality, total: int, rng: np.random.Generator) -> ToyRows:
    """Random rows: a table of `TOY_FEATURES`, images of 6 x 5 pixels, texts of up to 7 words, series of two channels and
    6 to 12 steps, NaN behind the end, or a table with a text beside it.
    """
    return _ROWS[modality](total, rng)


def toy_weights(item: ModelInput, outputs: int) -> Numbers:
    """The weights of an input, shape `(outputs, columns)`: a column each encoded number, of a text each token id."""
    import numpy as np

    if isinstance(item, TableInput):
        return np.asarray(TABLE_WEIGHTS[:outputs])
    width = item.tokens if isinstance(item, TextInput) else math.prod(item.shape)
    weights = np.random.default_rng(width).normal(0.0, 2.0 / math.sqrt(math.prod(item.shape)), (3, width)).round(2)
    if isinstance(item, TextInput):
        weights[:, 0] = 0.0  # padding
    return np.asarray(weights[:outputs], dtype=np.float64)


def _table(total: int, rng: np.random.Generator) -> ToyRows:
    import numpy as np

    raw = np.column_stack(
        [
            rng.normal(40.0, 10.0, total).round(1),
            rng.normal(36.0, 8.0, total).round(1),
            rng.integers(0, 3, total),
            rng.integers(0, 2, total),
        ]
    )
    raw[:2, 3] = 0
    return ToyRows(inputs={TABULAR_INPUT: TableInput(features=TOY_FEATURES)}, raw={TABULAR_INPUT: raw})


def _images(total: int, rng: np.random.Generator) -> ToyRows:
    import numpy as np

    pixels = rng.integers(0, 256, (total, *TOY_IMAGE.shape), dtype=np.uint8)
    return ToyRows(inputs={"image": TOY_IMAGE}, raw={"image": pixels})


def _texts(total: int, rng: np.random.Generator) -> ToyRows:
    import numpy as np

    lengths = rng.integers(1, TOY_TEXT.length + 1, total)
    ids = rng.integers(1, TOY_TEXT.tokens, (total, TOY_TEXT.length))
    ids[np.arange(TOY_TEXT.length) >= lengths[:, np.newaxis]] = 0
    words = np.asarray(["", "unheard", *TOY_TEXT.vocabulary], dtype=object)
    texts = np.asarray([" ".join(words[row[row > 0]]) for row in ids], dtype=object)
    return ToyRows(inputs={"text": TOY_TEXT}, raw={"text": ids}, texts={"text": texts})


def _series(total: int, rng: np.random.Generator) -> ToyRows:
    import numpy as np

    values = rng.normal(0.0, 1.0, (total, *TOY_SERIES.shape)).round(2) + np.asarray(TOY_SERIES.mean)[:, np.newaxis]
    lengths = rng.integers(TOY_SERIES.steps // 2, TOY_SERIES.steps + 1, total)
    behind = np.arange(TOY_SERIES.steps) >= lengths[:, np.newaxis]
    return ToyRows(inputs={"series": TOY_SERIES}, raw={"series": np.where(behind[:, np.newaxis], np.nan, values)})


def _mixed(total: int, rng: np.random.Generator) -> ToyRows:
    table, text = _table(total, rng), _texts(total, rng)
    return ToyRows(inputs={**table.inputs, **text.inputs}, raw={**table.raw, **text.raw}, texts=text.texts)


_ROWS: Mapping[Modality, Callable[[int, np.random.Generator], ToyRows]] = {
    "tabular": _table,
    "image": _images,
    "text": _texts,
    "series": _series,
    "mixed": _mixed,
}
