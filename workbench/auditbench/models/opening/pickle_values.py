"""What stands for the values of a pickle while it is walked: nothing is imported, and nothing is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Import:
    """A name that a pickle would import; both parts are `UNKNOWN` where the walk cannot tell."""

    module: str
    name: str

    @property
    def full(self) -> str:
        """Module and name, joined by a dot."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Made:
    """A value that a pickle would make.

    Attributes:
        by: What makes it: an import that is called, or `dict`, `list`, `set`, `stored`.
        arguments: Of the call; of `stored`, what identifies it.
        items: What is put into it afterwards; keys with values, or values alone.
        state: What its `__setstate__` or `__dict__` would get.
    """

    by: Import | str
    arguments: Any = ()
    items: list[Any] = field(default_factory=list)
    state: Any = None

    def __repr__(self) -> str:
        """What makes it; never what is in it, which may be nested without end."""
        return f"<{self.by.full if isinstance(self.by, Import) else self.by}>"
