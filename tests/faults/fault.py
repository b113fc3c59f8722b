"""One way in which an analyzer misbehaves, with what an audit must say of it, and groups of such ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from auditbench import Analyzer


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A misbehaving analyzer.

    Attributes:
        name: Of the analyzer.
        plugin: The entry point, and so the worker, it runs in.
        status: What its result must have.
        keys: The reasons that name what happened; empty for a result that is ok.
        says: Text that one of the reason's values holds.
        warned: Whether the run must hold a warning about it.
        table: Keys of the host in its table of the config.
    """

    name: str
    plugin: str
    analyze: Callable[[Any, Any], Any]
    status: str
    keys: tuple[str, ...]
    says: str = ""
    warned: bool = False
    table: Mapping[str, float] = field(default_factory=dict)


class FaultGroup:
    """Collects the faults of one kind as they are defined.

    Args:
        name: Of the plugin, and what the analyzers' names begin with.
        apart: Whether each fault is a plugin of its own.
        status: What results have unless a fault says otherwise; `keys` likewise.
    """

    def __init__(self, name: str, *, apart: bool = False, status: str = "failed", keys: tuple[str, ...] = ()) -> None:
        self.name = name
        self.faults: list[Fault] = []
        self._apart = apart
        self._status = status
        self._keys = keys

    def __call__(
        self,
        says: str = "",
        *,
        status: str = "",
        keys: tuple[str, ...] = (),
        warned: bool = False,
        **table: float,
    ) -> Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]:
        """Add the function as a fault that is named like it."""

        def added(analyze: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            name = f"{self.name}-{analyze.__name__.replace('_', '-')}"
            expected = status or self._status
            self.faults.append(
                Fault(
                    name=name,
                    plugin=name if self._apart else self.name,
                    analyze=analyze,
                    status=expected,
                    keys=() if expected == "ok" else keys or self._keys,
                    says=says,
                    warned=warned,
                    table=table,
                )
            )
            return analyze

        return added

    def analyzers(self, plugin: str) -> Iterator[Analyzer]:
        """The analyzers of one of the group's plugins."""
        for fault in self.faults:
            if fault.plugin == plugin:
                yield Analyzer(name=fault.name, topic="fault", summary="A fault", analyze=fault.analyze)
