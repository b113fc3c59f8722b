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


def counted_rows(draft: Draft, block: Attribution) -> list[int]:
    """Places of the rows that stand for the data: without the chosen cases, as means of contributions leave them out.

    Where every evaluated row is explained, all of them count.
    """
    if len(block.row_ids) == draft.run.data.rows:
        return list(range(len(block.row_ids)))
    chosen = {case.row_id for case in draft.run.cases}
    return [place for place, row_id in enumerate(block.row_ids) if row_id not in chosen]
