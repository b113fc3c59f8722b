"""Names of the contracts that go away: the warning that they give, and hearing who still uses them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class ContractDeprecationWarning(DeprecationWarning):
    """A name of the contracts goes away in two minor versions; what to use instead stands in its text.

    Give it the `stacklevel` of the code that uses the name: the run then names the plugin that the file belongs to.
    """


@dataclass(frozen=True, slots=True)
class DeprecatedUse:
    """Where a name that goes away was used, and what the warning said."""

    file: str
    text: str


@contextmanager
def heard_uses() -> Iterator[list[DeprecatedUse]]:
    """Hear of names that go away while a block runs; the first use in a file is a warning of Python as well.

    Code that silences all warnings is not heard.
    """
    with warnings.catch_warnings():
        yield hear_uses()


def hear_uses() -> list[DeprecatedUse]:
    """Hear of them from now on; the list grows, by each place and text once."""
    found: list[DeprecatedUse] = []
    warnings.simplefilter("always", ContractDeprecationWarning)
    show = warnings.showwarning

    def hear(message: Warning | str, category: type[Warning], filename: str, *rest: Any, **named: Any) -> None:
        if issubclass(category, ContractDeprecationWarning):
            use = DeprecatedUse(filename, str(message))
            if use in found:
                return
            found.append(use)
        show(message, category, filename, *rest, **named)

    warnings.showwarning = hear
    return found
