"""A setting of the process: its name, how to read it, how to put it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_UNREADABLE = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: As a reader of the report sees it.
        get: A value that later changes do not reach; two values are compared with `==`.
        put: Takes a value that `get` gave.
    """

    name: str
    get: Callable[[], Any]
    put: Callable[[Any], object]


def attribute(name: str, owner: Any, field: str) -> Setting:
    """A setting that is an attribute of something."""
    return Setting(name=name, get=lambda: getattr(owner, field), put=lambda value: setattr(owner, field, value))


def read(settings: Sequence[Setting]) -> list[Any]:
    """The value of each setting. Some cannot be read now and then: torch refuses what was set through two of its
    interfaces, and a working directory can have been removed.
    """
    return [_value(setting) for setting in settings]


def put_back(settings: Sequence[Setting], values: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Put back what differs from these values, in order.

    Returns:
        Names of the settings that differed, and of those that still do.
    """
    changed = []
    for setting, value in zip(settings, values, strict=True):
        if not _same(_value(setting), value):
            changed.append((setting, value))
            _put(setting, value)
    names = list(dict.fromkeys(setting.name for setting, _ in changed))
    stuck = [setting.name for setting, value in changed if not _same(_value(setting), value)]
    return names, list(dict.fromkeys(stuck))


def _put(setting: Setting, value: Any) -> None:
    if value is _UNREADABLE:
        return
    try:
        setting.put(value)
    except Exception:  # noqa: BLE001 - whatever it raises, the setting is read again and still differs
        return


def _value(setting: Setting) -> Any:
    try:
        return setting.get()
    except Exception:  # noqa: BLE001 - what a plugin left there may raise anything
        return _UNREADABLE


def _same(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    except Exception:  # noqa: BLE001 - values of plugins may refuse to be compared
        return False
