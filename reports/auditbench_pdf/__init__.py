"""The report as PDF: the HTML page of the same run, printed by a Chromium that is installed already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun


def _render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_html.render import render_report  # jinja2 and numpy enter here
    from auditbench_pdf.dates import with_date
    from auditbench_pdf.printing import find_browser, print_page

    browser = find_browser()
    printed = print_page(browser, render_report(run, language=options.language))
    return {"report.pdf": with_date(printed, run.volatile.finished or run.volatile.started)}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `pdf`."""
    yield Renderer(name="pdf", summary="The page as a tagged PDF; needs an installed Chromium", render=_render)
