"""The model card: metadata that model hubs read, sections filled from evidence, and what people still have to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.contracts import Renderer, RenderOptions
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.run import AuditRun


def _render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    from auditbench_model_card.card import render_card

    return {"model_card.md": render_card(run, language=options.language)}


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    """Register `model-card`."""
    yield Renderer(
        name="model-card", summary="A model card: hub metadata, evidence, and what people have to fill", render=_render
    )
