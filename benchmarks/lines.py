"""The lines of the table: what was to be shown, what was measured, and whether it was reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.clock import Timing
from benchmarks.equal_error import EqualError, Point, at_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One claim and its figure.

    Attributes:
        section: The part of the benchmark that measured it.
        claim: What is measured, against what.
        measured: None where it could not be, see `reason`.
        floor: What it has to reach; None where the figure is only stated.
        aim: What it should reach.
        at_least: Whether more is better.
        detail: The points behind the figure.
        reason: Why there is no figure.
    """

    section: str
    claim: str
    measured: float | None
    floor: float | None = None
    aim: float | None = None
    at_least: bool = True
    detail: str = ""
    reason: str = ""

    @property
    def verdict(self) -> str:
        """`aim`, `pass`, `below`, `stated`, or `not measured`."""
        if self.measured is None:
            return "not measured"
        if self.floor is None:
            return "stated"
        if self.aim is not None and self._reaches(self.measured, self.aim):
            return "aim"
        return "pass" if self._reaches(self.measured, self.floor) else "below"

    def _reaches(self, measured: float, bound: float) -> bool:
        return measured >= bound if self.at_least else measured <= bound


def speed_line(
    section: str,
    claim: str,
    peer: Point | None,
    ours: Sequence[Point],
    *,
    floor: float | None = None,
    aim: float | None = None,
    error: float | None = None,
) -> Line:
    """How many times the peer's seconds ours fit in, at equal error; no figure where a timing is unsteady.

    Args:
        error: To compare at, where it is not the peer's own; the peer's cost is then left as measured.
    """
    if peer is None or not ours:
        return missing_line(section, claim, "the peer is not installed" if peer is None else "nothing measured of ours")
    equal = _equal(peer, ours, error)
    unsteady = [point for point in (peer, equal.point) if not point.timing.steady]
    detail = f"{_stated(peer)}; {_stated(equal.point)}{_scaled(equal)}"
    if unsteady:
        spreads = ", ".join(f"{point.name} {point.timing.spread:.0%}" for point in unsteady)
        return missing_line(section, claim, f"spread of {spreads}", detail=detail, floor=floor, aim=aim)
    ratio = peer.timing.median / equal.seconds
    return Line(section=section, claim=claim, measured=ratio, floor=floor, aim=aim, detail=detail)


def rows_line(section: str, claim: str, peer: Point | None, ours: Sequence[Point], *, floor: float) -> Line:
    """Our model rows as a share of the peer's, at the peer's error."""
    if peer is None or not ours:
        return missing_line(section, claim, "the peer is not installed" if peer is None else "nothing measured of ours")
    equal = _equal(peer, ours, None)
    share = equal.model_rows / peer.model_rows
    detail = f"{_stated(peer)}; {_stated(equal.point)}{_scaled(equal)}"
    return Line(section=section, claim=claim, measured=share, floor=floor, at_least=False, detail=detail)


def times_line(
    section: str,
    claim: str,
    slower: tuple[str, Timing],
    faster: tuple[str, Timing],
    *,
    floor: float | None = None,
    aim: float | None = None,
    at_least: bool = True,
    detail: str = "",
) -> Line:
    """The first timing over the second, where no error is involved; no figure where one is unsteady."""
    points = "; ".join(f"{name} {_timed(timing)}" for name, timing in (slower, faster))
    detail = f"{points}; {detail}" if detail else points
    unsteady = ", ".join(f"{name} {timing.spread:.0%}" for name, timing in (slower, faster) if not timing.steady)
    if unsteady:
        return missing_line(section, claim, f"spread of {unsteady}", detail=detail, floor=floor, aim=aim)
    ratio = slower[1].median / faster[1].median
    return Line(section=section, claim=claim, measured=ratio, floor=floor, aim=aim, at_least=at_least, detail=detail)


def missing_line(
    section: str, claim: str, reason: str, *, detail: str = "", floor: float | None = None, aim: float | None = None
) -> Line:
    """A claim without a figure."""
    return Line(section=section, claim=claim, measured=None, floor=floor, aim=aim, detail=detail, reason=reason)


def _equal(peer: Point, ours: Sequence[Point], error: float | None) -> EqualError:
    aimed = peer.error if error is None else error
    if not aimed:
        return EqualError(point=ours[0], factor=1.0)
    return at_error(ours, aimed)


def _stated(point: Point) -> str:
    spread = "" if point.error_spread is None else f" ± {point.error_spread:.2%}"
    error = "" if point.error is None else f" {point.error:.2%}{spread} error,"
    return f"{point.name}:{error} {_timed(point.timing)} and {point.model_rows:,.0f} model rows a row"


def _scaled(equal: EqualError) -> str:
    return "" if equal.factor == 1.0 else f", cost times {equal.factor:.2f} to the same error"


def _timed(timing: Timing) -> str:
    return f"{_short(timing.median)} (spread {timing.spread:.0%})"


def _short(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
