"""What an analyzer left changed or running in the process, beside model and data: found behind it, and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

from auditbench.worker.leftovers import Leftovers
from auditbench.worker.patches import Patches
from auditbench.worker.process_state import ProcessState

_NAMED = 8
_T = TypeVar("_T")


@dataclass(slots=True, kw_only=True)
class Traces:
    """What a block left behind; complete once the block is over.

    Attributes:
        changed: What was other than before, in words, and was put back.
        stuck: What still is other, or could not be looked at.
        seconds: What looking cost.
    """

    changed: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    seconds: float = 0.0


@contextmanager
def guarded(roots: Iterable[Any], *, own_process: bool) -> Iterator[Traces]:
    """Put back, behind the block, what it changed of code, settings and generators, and look for what still runs.

    Nothing that goes wrong with that is raised: it is told as a trace that could not be put back.

    Args:
        roots: Networks whose classes count.
        own_process: Whether the process works for the audit alone; what runs in another may be anybody's.
    """
    traces = Traces()
    started = perf_counter()
    leftovers = _tried("what runs", Leftovers, traces) if own_process else None
    process = _tried("settings of the process", ProcessState, traces)
    patches = _tried("functions and classes", lambda: Patches(roots), traces)
    traces.seconds = perf_counter() - started
    try:
        yield traces
    finally:
        started = perf_counter()
        for found in (patches, process):  # functions first: they put the settings back
            if found is not None:
                _put_back(found, traces)
        if leftovers is not None:
            traces.stuck += _tried("what runs", leftovers.since, traces) or []
        traces.seconds += perf_counter() - started


def _put_back(found: Patches | ProcessState, traces: Traces) -> None:
    result = _tried("what it changed", found.put_back, traces)
    if result is not None:
        changed, stuck = result
        traces.changed += _shortened([name for name in changed if name not in stuck])
        traces.stuck += _shortened(stuck)


def _tried(what: str, look: Callable[[], _T], traces: Traces) -> _T | None:
    """What a look finds. One that raises is a trace itself: a finished result must not be lost over it."""
    try:
        return look()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - as said; what is compared is a plugin's own, and may even exit
        traces.stuck.append(f"{what} (looking raised {type(error).__name__})")
        return None


def _shortened(names: list[str]) -> list[str]:
    """At most eight names, and how many more there are."""
    names = list(dict.fromkeys(names))
    return names if len(names) <= _NAMED else [*names[:_NAMED], f"{len(names) - _NAMED} more"]
