"""Pictures: error against model rows, for every estimator of Shapley values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Measurement
from benchmarks.section import Scale, Section

_SECTIONS = ("shapley", "baseline", "superpixels", "parts")


def write_pictures(folder: Path, sections: Sequence[Section], scale: Scale) -> None:
    """One SVG for each workload whose methods have errors."""
    for section in sections:
        if section.name not in _SECTIONS:
            continue
        for workload, measurements in section.measurements.items():
            path = (
                folder
                / f"{'full' if scale.full else 'quick'}-{scale.device}-{section.name}-{workload.replace(', ', '-').replace(' ', '-')}.svg"
            )
            _write(path, f"{workload}: error against model rows", measurements)


def _write(path: Path, title: str, measurements: Sequence[Measurement]) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for family in dict.fromkeys(_family(found) for found in measurements):
        points = sorted(
            (found.point.model_rows, found.point.error)
            for found in measurements
            if _family(found) == family and found.point.error
        )
        if points:
            own = family.startswith("auditbench")
            axes.plot(
                *zip(*points, strict=True), marker="o" if own else "s", linestyle="-" if own else "", label=family
            )
    axes.set(
        xscale="log", yscale="log", xlabel="model rows for each explained row", ylabel="relative error", title=title
    )
    axes.grid(visible=True, which="both", linewidth=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    with mpl.rc_context({"svg.hashsalt": "auditbench"}):
        figure.savefig(path, metadata={"Date": None})


def _family(found: Measurement) -> str:
    """Points of one family are joined by a line: the same estimator with other budgets."""
    name = found.point.name
    return (
        name.rpartition(", ")[0]
        if name.startswith("auditbench") and name.endswith((" round", " rounds", " rows"))
        else name
    )
