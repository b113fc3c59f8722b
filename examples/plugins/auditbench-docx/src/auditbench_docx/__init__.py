"""Reports as Word documents: the verdict, the evidence behind it, and room for a reviewer to sign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun

AUDITBENCH_API = "1.1"


def render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    """`report.docx` in the language that is asked for; the same run gives the same bytes."""
    from auditbench_docx.report import render_report  # python-docx enters here

    return {"report.docx": render_report(run, language=options.language)}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `docx`."""
    yield Renderer(name="docx", summary="A Word document: verdict, gates, findings, metrics, tables", render=render)
