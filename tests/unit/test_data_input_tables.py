"""What a table `[data.inputs.NAME]` may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from auditbench.config import InputTable


@pytest.mark.parametrize("size", [(0, 0), (-1, 5), (5, 16_385)])
def test_sizes_have_bounds(size: tuple[int, int]) -> None:
    with pytest.raises(ValidationError, match="size"):
        InputTable(modality="image", size=size)


@pytest.mark.parametrize(
    ("modality", "key", "value"),
    [
        ("image", "unit", "characters"),
        ("image", "vocabulary", 5),
        ("image", "length", 5),
        ("series", "kept", "last"),
        ("series", "size", (5, 5)),
        ("text", "size", (5, 5)),
        ("tabular", "length", 5),
        ("tabular", "column", "age"),
    ],
)
def test_keys_of_another_modality_are_refused(modality: Any, key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=f'expected no `{key}` with `modality = "{modality}"`'):
        InputTable(modality=modality, **{key: value})
