"""The plugin `csv`: the tables of a run as files of comma-separated values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun


def _render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_tables.comma_separated import file_names, write_csv
    from auditbench_tables.sheets import sheets

    found = sheets(run, language=options.language)
    return {name: write_csv(sheet) for name, sheet in zip(file_names(found), found, strict=True)}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `csv`."""
    yield Renderer(name="csv", summary="Gates, metrics, findings and every table; a CSV file each", render=_render)
