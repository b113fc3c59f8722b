"""The tables of a run for spreadsheets: a workbook, or files of comma-separated values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Needs, Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun


def _workbook(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_tables.sheets import sheets
    from auditbench_tables.workbook import write_workbook  # xlsxwriter enters here

    return {"tables.xlsx": write_workbook(sheets(run, language=options.language))}


def _csv(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_tables.comma_separated import file_names, write_csv
    from auditbench_tables.sheets import sheets

    found = sheets(run, language=options.language)
    return {name: write_csv(sheet) for name, sheet in zip(file_names(found), found, strict=True)}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `tables` and `tables-csv`."""
    yield Renderer(
        name="tables",
        summary="tables.xlsx: gates, metrics, findings and every table; a sheet each",
        render=_workbook,
        needs=Needs(packages=("xlsxwriter",), extra="tables"),
    )
    yield Renderer(name="tables-csv", summary="The same as CSV files, without further packages", render=_csv)
