"""How much one result may hold, counted before anything else is made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from auditbench.errors import ResultError

MOST_VALUES = 1_000_000
MOST_TEXT = 16_000_000


def check_size(result: Any) -> None:
    """Refuse a result that a record and its reports could not carry; arrays are files and do not count.

    What holds itself is refused as well: it has no end.

    Raises:
        ResultError: It has more than `MOST_VALUES` values, or more than `MOST_TEXT` characters of text.
    """
    values = text = 0
    waiting = [result]
    while waiting:
        value = waiting.pop()
        values += 1
        if isinstance(value, str):
            text += len(value)
        elif isinstance(value, Mapping):
            waiting += [*value, *value.values()]
        elif isinstance(value, (tuple, list)):
            waiting += value
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            waiting += [getattr(value, field.name) for field in dataclasses.fields(value)]
        if values + len(waiting) > MOST_VALUES:
            raise ResultError(f"expected at most {MOST_VALUES:,} values in a result", found="more than that")
        if text > MOST_TEXT:
            raise ResultError(f"expected at most {MOST_TEXT:,} characters in a result", found=f"{text:,} and more")
