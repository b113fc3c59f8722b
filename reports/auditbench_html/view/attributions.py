"""The blocks of contributions that figures of many rows and of one row are drawn from."""

from __future__ import annotations

from collections.abc import Iterator

from auditbench.results import AnalysisResult, Attribution
from auditbench_html.view.draft import Draft


def attributions(draft: Draft) -> Iterator[tuple[AnalysisResult, Attribution]]:
    """Every block of contributions with named players, in the order of the run; SHAP first."""
    found = [
        (result, block)
        for result in draft.run.results
        if result.status == "ok"
        for block in result.attributions
        if block.player_names and len(block.values.shape) == 3
    ]
    yield from sorted(found, key=lambda pair: pair[0].analyzer != "shap")
