"""The HTML report: one file that opens offline, prints, and needs no script to be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun


def _render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_html.render import render_report  # jinja2 and numpy enter here

    return {"report.html": render_report(run, language=options.language)}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `html`."""
    yield Renderer(name="html", summary="One offline page: verdict, gates, evidence, provenance", render=_render)
