"""A setting of the process: its name, how to read it, how to put it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_UNREADABLE = object()
_MEMORY_SHORT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: As a reader of the report sees it.
        get: A value that later changes do not reach; two values are compared with `==`.
        put: Takes a value that `get` gave.
        excused: Whether a change from one value to another is nobody's fault: it is put back and not told.
    """

    name: str
    get: Callable[[], Any]
    put: Callable[[Any], object]
    excused: Callable[[Any, Any], bool] = field(default=lambda before, now: False)


def attribute(name: str, owner: Any, field: str) -> Setting:
    """A setting that is an attribute of something."""
    return Setting(name=name, get=lambda: getattr(owner, field), put=lambda value: setattr(owner, field, value))


def read(settings: Sequence[Setting]) -> list[Any]:
    """The value of each setting. Some cannot be read now and then: torch refuses what was set through two of its
    interfaces, and a working directory can have been removed.
    """
    return [_value(setting) for setting in settings]


def put_back(settings: Sequence[Setting], values: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Put back what differs from these values, in order, and what memory is too short to read.

    Returns:
        Names of the settings that differed, and of those that still do. One that memory is too short to read is not
        among them: nothing is known against it.
    """
    changed, doubtful = [], []
    for setting, value in zip(settings, values, strict=True):
        kept = _kept(setting, value)
        excused = kept is False and setting.excused(value, _value(setting))
        if not kept:
            doubtful.append((setting, value))
            _put(setting, value)
        if kept is False and not excused:
            changed.append(setting.name)
    stuck = [setting.name for setting, value in doubtful if _kept(setting, value) is False]
    return list(dict.fromkeys([*changed, *stuck])), list(dict.fromkeys(stuck))


def _put(setting: Setting, value: Any) -> None:
    if value is _UNREADABLE or value is _MEMORY_SHORT:
        return
    try:
        setting.put(value)
    except Exception:  # noqa: BLE001 - whatever it raises, the setting is read again and still differs
        return


def _value(setting: Setting) -> Any:
    try:
        return setting.get()
    except MemoryError:
        return _MEMORY_SHORT
    except Exception:  # noqa: BLE001 - what a plugin left there may raise anything
        return _UNREADABLE


def _kept(setting: Setting, value: Any) -> bool | None:
    """Whether a setting still has this value; None where memory is too short to tell."""
    now = _value(setting)
    if now is _MEMORY_SHORT or value is _MEMORY_SHORT:
        return None
    try:
        return now is value or bool(now == value)
    except MemoryError:
        return None
    except Exception:  # noqa: BLE001 - values of plugins may refuse to be compared
        return False
