"""The report as PDF: the HTML page of the same run, printed by a Chromium that is installed already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Needs, Program, Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun

BROWSER = Program(
    title="Chromium",
    names=(
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
        "msedge",
        "microsoft-edge",
    ),
    variable="CHROMIUM",
    install="install it (Debian, Ubuntu: `apt install chromium`; macOS: `brew install --cask chromium`), name one in the "
    "environment variable CHROMIUM, or print report.html from any browser",
)


def _render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_html.render import render_report  # jinja2 and numpy enter here
    from auditbench_pdf.dates import with_date
    from auditbench_pdf.printing import print_page

    printed = print_page(BROWSER.find() or BROWSER.names[0], render_report(run, language=options.language))
    return {"report.pdf": with_date(printed, run.volatile.ended)}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `pdf`."""
    yield Renderer(
        name="pdf",
        summary="The page as a tagged PDF; needs an installed Chromium",
        render=_render,
        needs=Needs(programs=(BROWSER,)),
    )
