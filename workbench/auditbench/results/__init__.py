"""What an analyzer returns: typed blocks that every renderer can draw and every gate can read.

Numbers in blocks are finite; what is undefined is `None` with a reason. Text is a `Message`, never prose.
Arrays are numpy arrays in the process that made them, and `StoredArray` once a run is written.
"""

from __future__ import annotations

from auditbench.results.analysis import AnalysisResult, Note, Status
from auditbench.results.attributions import (
    PREDICTED,
    RUNNER_UP,
    Attribution,
    ImageOverlay,
    SeriesAttribution,
    Shows,
    TokenAttribution,
)
from auditbench.results.custom import CustomBlock
from auditbench.results.estimated import estimated_metric, interval_of
from auditbench.results.figures import (
    Axis,
    Cell,
    Change,
    Column,
    Curve,
    Matrix,
    PairedChange,
    PercentileRow,
    Percentiles,
    Point,
    Scatter,
    Series,
    Table,
)
from auditbench.results.finite import require_finite
from auditbench.results.methods import MethodFacts
from auditbench.results.metrics import Interval, Metric, ReferenceLine, Sample

__all__ = [
    "PREDICTED",
    "RUNNER_UP",
    "AnalysisResult",
    "Attribution",
    "Axis",
    "Cell",
    "Change",
    "Column",
    "Curve",
    "CustomBlock",
    "ImageOverlay",
    "Interval",
    "Matrix",
    "MethodFacts",
    "Metric",
    "Note",
    "PairedChange",
    "PercentileRow",
    "Percentiles",
    "Point",
    "ReferenceLine",
    "Sample",
    "Scatter",
    "Series",
    "SeriesAttribution",
    "Shows",
    "Status",
    "Table",
    "TokenAttribution",
    "estimated_metric",
    "interval_of",
    "require_finite",
]
