"""The JUnit report: every gate as a test case, for the test tab of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun


def _render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_junit.document import render_junit

    return {"junit.xml": render_junit(run, language=options.language)}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `junit`."""
    yield Renderer(
        name="junit", summary="JUnit XML: one test case a gate, red where it stops a release", render=_render
    )
