"""The Markdown report: a comment for a pull request, no longer than such a comment may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun


def _render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_markdown.comment import render_comment

    return {"report.md": render_comment(run, language=options.language)}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `markdown`."""
    yield Renderer(
        name="markdown", summary="A pull-request comment: verdict, gates that did not pass, findings", render=_render
    )
