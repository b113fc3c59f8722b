"""A part of the benchmark: how much work it may do, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.errors import Seeds
from benchmarks.lines import Line
from benchmarks.measure import Measurement
from benchmarks.workloads import TABLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How thoroughly to measure.

    Attributes:
        full: All workloads, peers and repeats; else fewer of each.
        device: `cpu` or `cuda`.
        tiny: Hardly any work, to see that it runs: the figures mean nothing.
    """

    full: bool
    device: str = "cpu"
    tiny: bool = False

    @property
    def repeats(self) -> int:
        """Timed turns of everything."""
        return 1 if self.tiny else 11 if self.full else 5

    @property
    def seeds(self) -> Seeds:
        """From which errors are means."""
        return Seeds() if self.tiny else Seeds(peers=4, own=8) if self.full else Seeds(peers=2, own=4)

    @property
    def tables(self) -> tuple[str, ...]:
        """Which tables to measure."""
        return TABLES[:1] if self.tiny else TABLES if self.full else TABLES[:2]

    def rows(self, full: int, quick: int) -> int:
        """How many rows, or whatever else is counted."""
        return min(2, quick) if self.tiny else full if self.full else quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What a part found.

    Attributes:
        name: As given to `--only`.
        lines: What was to be shown.
        measurements: Of all methods, by workload.
        notes: What a reader has to know, such as the error of the gold values.
        seconds: Elapsed, for the whole part; None until it is over.
    """

    name: str
    lines: Sequence[Line]
    measurements: Mapping[str, Sequence[Measurement]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    seconds: float | None = None
