"""The figures as Markdown for readers and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.equal_error import Point
from benchmarks.lines import Line
from benchmarks.measure import Measurement
from benchmarks.section import Section

LINE_HEAD = ("shown", "measured", "floor", "aim", "verdict", "points")
METHOD_HEAD = (
    "method",
    "rows/s",
    "spread",
    "error ± between seeds",
    "model rows a row",
    "overhead",
    "reported / true error",
    "rows a call",
)


def write_tables(folder: Path, name: str, sections: Sequence[Section], machine: Mapping[str, Any]) -> None:
    """Write `NAME.md` and `NAME.json` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(markdown(sections, machine), encoding="utf-8")
    content = {"machine": dict(machine), "sections": [_plain(section) for section in sections]}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def markdown(sections: Sequence[Section], machine: Mapping[str, Any]) -> str:
    """All lines in one table, then the methods of each workload."""
    parts = ["# Benchmark", ", ".join(f"{name} {value}" for name, value in machine.items()) + "."]
    parts.append(_table(LINE_HEAD, (_line_cells(line) for section in sections for line in section.lines)))
    timed = [f"{section.name} {section.seconds:.0f} s" for section in sections if section.seconds is not None]
    parts += [f"Elapsed: {', '.join(timed)}."] if timed else []
    for section in sections:
        for workload, measurements in section.measurements.items():
            parts.append(f"## {section.name}: {workload}")
            parts.append(_table(METHOD_HEAD, (_method_cells(found) for found in measurements)))
        if section.notes:
            parts.append("\n".join(f"- {note}" for note in section.notes))
    return "\n\n".join(parts) + "\n"


def _line_cells(line: Line) -> tuple[str, ...]:
    sign = "≥" if line.at_least else "≤"
    bounds = ["" if bound is None else f"{sign} {_figure(bound)}" for bound in (line.floor, line.aim)]
    measured = line.reason if line.measured is None else _figure(line.measured)
    return (line.claim, measured, *bounds, line.verdict, line.detail)


def _method_cells(found: Measurement) -> tuple[str, ...]:
    point = found.point
    return (
        point.name,
        _figure(1 / point.timing.median),
        f"{point.timing.spread:.0%}",
        _error(point),
        f"{point.model_rows:,.0f}",
        "" if found.overhead is None else f"{found.overhead:.2f}",
        "" if found.standard_error is None else f"{found.standard_error:.2f}",
        str(found.explained),
    )


def _error(point: Point) -> str:
    if point.error is None:
        return ""
    digits = ".2%" if point.error >= 1e-4 else ".1e"
    spread = "" if point.error_spread is None else f" ± {point.error_spread:{digits}}"
    return f"{point.error:{digits}}{spread}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _figure(value: float) -> str:
    if value == 0 or abs(value) >= 1e-4:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:.1e}"


def _plain(section: Section) -> dict[str, Any]:
    lines = [{**asdict(line), "verdict": line.verdict} for line in section.lines]
    measurements = {
        workload: [
            {
                **asdict(found),
                "rows_per_second": 1 / found.point.timing.median,
                "spread": found.point.timing.spread,
            }
            for found in part
        ]
        for workload, part in section.measurements.items()
    }
    return {
        "name": section.name,
        "seconds": section.seconds,
        "lines": lines,
        "measurements": measurements,
        "notes": list(section.notes),
    }
