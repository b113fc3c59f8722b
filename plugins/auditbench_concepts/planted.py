"""Patterns that are put into images and series, so that a concept has examples that nobody had to collect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from auditbench.data import ImageInput, ModelInput, SeriesInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_concepts.params import Pattern

    Raw: TypeAlias = npt.NDArray[Any]


def planted_inputs(inputs: Mapping[str, Raw], items: Mapping[str, ModelInput], pattern: Pattern) -> dict[str, Raw]:
    """The inputs with copies that carry the pattern in place of those that can; empty where none can."""
    arrays = {name: array[:] for name, array in inputs.items()}
    changed = {name: planted(arrays[name], item, pattern) for name, item in items.items()}
    found = {name: array for name, array in changed.items() if array is not None}
    return {**arrays, **found} if found else {}


def planted(rows: Raw, item: ModelInput, pattern: Pattern) -> Raw | None:
    """Copies of raw rows with the pattern, of their type and shape; None where the input has no such pattern.

    `stripes`: bands of an eighth of the height, every second one half way to full brightness. `patch`: a square of a quarter of
    the shorter side in the upper left corner, at full brightness. `brighter`: a quarter of full brightness more. `wave`: a
    sine of eight periods over the length, of one standard deviation of the channel. `rise`: a straight line from minus
    one to plus one standard deviation. Missing steps stay missing.
    """
    if isinstance(item, ImageInput) and pattern in _IMAGES:
        levels = _IMAGES[pattern](rows.astype(np.float64) / item.largest) * item.largest
        return (np.rint(levels) if np.issubdtype(rows.dtype, np.integer) else levels).astype(rows.dtype)
    if isinstance(item, SeriesInput) and pattern in _SERIES:
        shape = _SERIES[pattern](np.linspace(0.0, 1.0, item.steps))
        return np.asarray(rows + shape * np.asarray(item.scale)[:, np.newaxis], dtype=rows.dtype)
    return None


def _stripes(images: Raw) -> Raw:
    height = images.shape[2]
    bright = np.arange(height) // max(1, height // 8) % 2 == 1
    return np.where(bright[:, np.newaxis], (images + 1.0) / 2, images)


def _patch(images: Raw) -> Raw:
    side = max(1, min(images.shape[2:]) // 4)
    changed = images.copy()
    changed[:, :, :side, :side] = 1.0
    return changed


def _brighter(images: Raw) -> Raw:
    return np.clip(images + 0.25, 0.0, 1.0)


_IMAGES: Mapping[str, Callable[[Raw], Raw]] = {"stripes": _stripes, "patch": _patch, "brighter": _brighter}
_SERIES: Mapping[str, Callable[[Raw], Raw]] = {
    "wave": lambda place: np.sqrt(2.0) * np.sin(16.0 * np.pi * place),
    "rise": lambda place: 2.0 * place - 1.0,
}
