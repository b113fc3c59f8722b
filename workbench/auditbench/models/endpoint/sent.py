"""What went out to the servers of models: counted for each client, and summed for the process. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

_COUNTS: list[Sent] = []


@dataclass(slots=True, kw_only=True)
class Sent:
    """What went out so far.

    Attributes:
        requests: With those that were sent again.
        again: Those.
        rows: In requests that were answered, each time they were asked for.
    """

    requests: int = 0
    again: int = 0
    rows: int = 0


def new_count() -> Sent:
    """The count of a client, which stays in the sum when the client is gone."""
    _COUNTS.append(Sent())
    return _COUNTS[-1]


def sent_by_process() -> Sent:
    """The sum over all clients that this process had."""
    return Sent(**{part.name: sum(getattr(count, part.name) for count in _COUNTS) for part in dataclasses.fields(Sent)})
