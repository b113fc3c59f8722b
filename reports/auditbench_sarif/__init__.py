"""The SARIF report: findings and gates that did not pass, for tools that gather results of many kinds of checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun


def _render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_sarif.log import render_sarif

    return {"audit.sarif": render_sarif(run, language=options.language)}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `sarif`."""
    yield Renderer(name="sarif", summary="SARIF 2.1.0: findings and gates that did not pass", render=_render)
