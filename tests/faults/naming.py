"""Names that would be files: of attributions, of steps, and of reports."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auditbench import Analyzer, Renderer
from auditbench.contracts import RenderOptions
from auditbench.results import AnalysisResult, Attribution
from auditbench.run import AuditRun

OUTSIDE = Path(tempfile.gettempdir()) / "auditbench-escaped"
NAMES: Mapping[str, str] = {
    "parent": "../../../escaped",
    "absolute": str(OUTSIDE),
    "nul": "a\0b",
    "long": "n" * 300,
    "device": "CON",
    "dots": "name. . .",
    "newline": "a\nb\r\x1b[31m",
    "separators": "a\\b/c:d",
    "empty": "",
    "own": "run.json",
    "case": "RUN.JSON",
}
ANALYZER = "naming-arrays"


def name_arrays(context: Any, params: Any) -> AnalysisResult:
    """One attribution a name, and one step a name, each over the same three rows."""
    import numpy as np

    rows = context.explained_rows(3)

    def chunk(part: Any, rng: Any) -> dict[str, Any]:
        return {"values": np.zeros((len(part), 1))}

    for step in NAMES.values():
        context.map_rows(chunk, rows, step=step)
    return AnalysisResult(
        attributions=tuple(
            Attribution(
                name=name,
                method="fault",
                values=np.full((len(rows), 1, 1), number, dtype=float),
                player_names=("all",),
                target_names=("yes",),
                base_values=np.zeros((len(rows), 1)),
                outputs=np.zeros((len(rows), 1)),
                row_ids=rows.row_ids,
                unit="logit",
                model_rows=0,
            )
            for number, name in enumerate(NAMES.values())
        )
    )


def analyzers() -> Iterator[Analyzer]:
    """The one analyzer of this plugin."""
    yield Analyzer(name=ANALYZER, topic="fault", summary="Odd names", analyze=name_arrays)


def renderers() -> Iterator[Renderer]:
    """One renderer a name."""
    for key, name in NAMES.items():
        yield Renderer(name=f"naming-{key}", summary="An odd name", render=_Named(name))


class _Named:
    """Renders one file of a given name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
        """The file."""
        return {self._name: b"escaped"}
