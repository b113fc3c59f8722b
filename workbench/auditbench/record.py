"""Records as JSON: from frozen dataclasses to plain types, and strictly back."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from auditbench.arrays import StoredArray
from auditbench.errors import Problem, RecordError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LEFT_OUT_WHEN_EMPTY = {"left_out_when_empty": True}
"""Metadata of a field that came later: where it is empty it is not written, so that records without it stay as they were."""

_T = TypeVar("_T")


def plain(value: Any) -> Any:
    """A record as JSON types. Arrays must have been stored before; an array still in memory is an error."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        skipped = {"folder"} if isinstance(value, StoredArray) else set()
        skipped |= {name for name in _later_fields(type(value)) if not getattr(value, name)}
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in skipped}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def validate(kind: type[_T], document: Any, *, where: str) -> _T:
    """Build a record type from parsed JSON; keys that this version does not know are ignored.

    Types are taken as they are: neither text nor a truth value counts as a number.

    Raises:
        RecordError: With every place that does not fit.
    """
    from pydantic import ValidationError

    try:
        record: _T = adapter(cast(Hashable, kind)).validate_json(json.dumps(document), strict=True)
    except RecursionError as error:
        raise RecordError(f"{where} is nested too deep") from error
    except ValidationError as error:
        problems = tuple(
            Problem(
                message=item["msg"],
                where=".".join([where, *(str(part) for part in item["loc"])]),
                found=repr(item["input"])[:80],
            )
            for item in error.errors()[:20]
        )
        raise RecordError(f"{where} does not follow the schema", problems=problems) from error
    return record


def bind_arrays(value: _T, folder: Path) -> _T:
    """The same record with every stored array knowing the folder it is in."""
    bound: _T = _replace_arrays(value, lambda array: dataclasses.replace(array, folder=str(folder)))
    return bound


@functools.cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """What validates a record type and knows its schema."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


@functools.cache
def _later_fields(kind: Any) -> frozenset[str]:
    """Fields of a record type that are left out when they are empty."""
    return frozenset(f.name for f in dataclasses.fields(kind) if LEFT_OUT_WHEN_EMPTY.items() <= f.metadata.items())


def _replace_arrays(value: Any, replace: Callable[[StoredArray], StoredArray]) -> Any:
    if isinstance(value, StoredArray):
        return replace(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {f.name: _replace_arrays(getattr(value, f.name), replace) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(_replace_arrays(item, replace) for item in value)
    return value
