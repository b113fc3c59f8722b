"""Geometry of charts: from scales of the view model to coordinates of SVG, rounded to a hundredth."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable

from auditbench_html.view.figures import Chart, ChartLimit, Dot, PlacedPoint, ScatterChart
from auditbench_html.view.page import Track
from auditbench_html.view.scales import Scale
from auditbench_html.view.text import Text

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 408, 12, 236
REACH = 0.45
SWARM_HEIGHT = 38
LABEL_HEIGHT = 14
LABEL_LETTERS = 24
LABEL_STEPS = (0, 1, -1, 2, -2, 3, -3, 4, -4)


def at(scale: Scale, value: float) -> str:
    """Where a value lies on a stretching track, in per cent; values beyond the ends stop there."""
    return percent(scale.place(value))


def percent(place: float) -> str:
    """A place from 0 to 1 in per cent."""
    return f"{number(100 * min(max(place, 0.0), 1.0))}%"


def extent(scale: Scale, start: float, end: float) -> str:
    """Width of a bar between two values, in per cent; never quite nothing."""
    width = abs(min(max(scale.place(end), 0.0), 1.0) - min(max(scale.place(start), 0.0), 1.0))
    return f"{number(max(100 * width, 0.15))}%"


def gate_place(share: float) -> float:
    """Where a distance from the limit lies on a gate's track: 0.5 is the limit."""
    return 0.5 + share / REACH / 2


def gate_beyond(track: Track) -> str:
    """`left` or `right` when a gate's value lies beyond the track, else empty."""
    if track.position is None or abs(track.position) <= REACH:
        return ""
    return "left" if track.position < 0 else "right"


def x_of(scale: Scale, value: float) -> str:
    """Horizontal place in a two-axis chart."""
    return number(LEFT + (RIGHT - LEFT) * min(max(scale.place(value), 0.0), 1.0))


def y_of(scale: Scale, value: float) -> str:
    """Vertical place in a two-axis chart."""
    return number(BOTTOM - (BOTTOM - TOP) * min(max(scale.place(value), 0.0), 1.0))


def line_path(x: Scale, y: Scale, points: Iterable[tuple[float, float]]) -> str:
    """Path of a line."""
    places = [f"{x_of(x, a)} {y_of(y, b)}" for a, b in points]
    return f"M{'L'.join(places)}" if places else ""


def spark_path(points: Iterable[tuple[int, int] | None]) -> str:
    """Path of a small line with gaps; a point alone is a dot, as ends are round."""
    pieces, drawing = [], False
    for point in points:
        if point is not None:
            pieces.append(f"{'L' if drawing else 'M'}{point[0]} {point[1]}{'' if drawing else 'h0'}")
        drawing = point is not None
    return "".join(pieces)


def band_path(x: Scale, y: Scale, band: tuple[tuple[float, float, float], ...]) -> str:
    """Path of a band: along its lower edge and back along the upper one."""
    lower = [(place, low) for place, low, _ in band]
    upper = [(place, high) for place, _, high in reversed(band)]
    return f"{line_path(x, y, lower + upper)}Z" if band else ""


def limit_ends(x: Scale, limit: ChartLimit) -> tuple[str, str]:
    """Where the line of a limit begins and ends: across the chart, or a short piece at its place."""
    if limit.x is None:
        return number(LEFT), number(RIGHT)
    place = LEFT + (RIGHT - LEFT) * min(max(x.place(limit.x), 0.0), 1.0)
    return number(max(LEFT, place - 24)), number(min(RIGHT, place + 24))


def end_labels(body: Chart) -> list[tuple[str, Text]]:
    """Height and name of each line where it ends, none closer to the next than a line of text; none for one line.

    Where an event is marked the key names the lines: they are close at their ends.
    """
    if len(body.lines) < 2 or body.marks or body.event is not None:
        return []
    ends = [
        (BOTTOM - (BOTTOM - TOP) * min(max(body.y.place(line.points[-1][1]), 0.0), 1.0) - 6, index, line.label)
        for index, line in enumerate(body.lines, 1)
        if line.points and line.label
    ]
    placed: list[tuple[str, Text]] = []
    floor = float(TOP - LABEL_HEIGHT)
    for height, _, label in sorted(ends, key=lambda end: end[:2]):
        floor = max(height, floor + LABEL_HEIGHT)
        placed.append((number(floor), label))
    return placed


def labelled_points(body: ScatterChart) -> list[tuple[PlacedPoint, bool, str]]:
    """Each point, whether its label stands on its left, and the height of the label: the nearest to the point at which it
    covers no label and no other point.
    """
    taken = [(float(x_of(body.x, point.x)), float(y_of(body.y, point.y))) for point in body.points]
    boxes = [(x - 6, x + 6, y) for x, y in taken]
    placed = []
    for (x, y), point in sorted(zip(taken, body.points, strict=True), key=lambda each: each[0][::-1]):
        text = str(point.label)[:LABEL_LETTERS]
        left = body.x.place(point.x) > 0.7
        width = sum(12 if ord(letter) > 0x2E7F else 7 for letter in text)
        start = x - 10 - width if left else x + 10
        height = next(
            (
                height
                for step in LABEL_STEPS
                if TOP <= (height := y + step * LABEL_HEIGHT) <= BOTTOM
                and not any(
                    low < start + width and high > start and abs(other - height) < LABEL_HEIGHT
                    for low, high, other in boxes
                )
            ),
            y,
        )
        boxes.append((start, start + width, height))
        placed.append((point, left, number(height)))
    return placed


def bin_width(places: list[float]) -> float:
    """Width of the columns under a reliability chart: nine tenths of the smallest distance between bins."""
    gaps = [second - first for first, second in itertools.pairwise(places) if second > first]
    return 0.9 * min(gaps) if gaps else 0.08


def hundred_path(first: int, last: int) -> str:
    """Dots `first` to `last` - 1 of ten rows of ten, filled from the bottom; round caps make them discs."""
    places = (divmod(index, 10) for index in range(first, last))
    return "".join(f"M{column * 20 + 10} {190 - row * 20}h0" for row, column in places)


def swarm_paths(dots: tuple[Dot, ...], scale: Scale) -> list[tuple[int, str]]:
    """One path a step of the ramp; dots that would touch move away from the middle line, alternately up and down."""
    step, reach = 8.0, 4
    levels: dict[int, list[tuple[float, int]]] = defaultdict(list)
    lanes: dict[int, float] = {}
    for dot in sorted(dots, key=lambda dot: (dot.value, dot.level)):
        place = 1000 * min(max(scale.place(dot.value), 0.0), 1.0)
        lane = _free_lane(lanes, place, step, reach)
        lanes[lane] = place
        levels[dot.level].append((place, SWARM_HEIGHT // 2 + lane * 4))
    return [(level, dots_path(places)) for level, places in sorted(levels.items())]


def dots_path(places: Iterable[tuple[float, int]]) -> str:
    """Path of discs, each within half a unit of its place: whole steps from one to the next take the fewest letters."""
    marks, column, height = [], 0, 0
    for x, y in places:
        marks.append(f"m{round(x) - column}{'' if y < height else ' '}{y - height}h0")
        column, height = round(x), y
    return "".join(marks)


def number(value: float) -> str:
    """A coordinate, rounded to a hundredth, without closing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _free_lane(lanes: dict[int, float], place: float, step: float, reach: int) -> int:
    order = sorted(range(-reach, reach + 1), key=lambda lane: (abs(lane), lane))
    free = next((lane for lane in order if place - lanes.get(lane, -step) >= step), None)
    return min(order, key=lambda lane: lanes.get(lane, 0.0)) if free is None else free
