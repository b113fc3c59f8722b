"""The plugin `xlsx`: the tables of a run as a workbook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Needs, Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun


def _render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_tables.sheets import sheets
    from auditbench_tables.workbook import write_workbook  # xlsxwriter enters here

    return {"tables.xlsx": write_workbook(sheets(run, language=options.language))}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `xlsx`."""
    yield Renderer(
        name="xlsx",
        summary="A workbook: gates, metrics, findings and every table; a sheet each",
        render=_render,
        needs=Needs(packages=("xlsxwriter",), extra="xlsx"),
    )
