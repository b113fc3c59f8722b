"""Explainable Boosting Machines of InterpretML (arXiv:1909.09223), from the JSON that they export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditbench.contracts import ModelLoader
from auditbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditbench.models import ModelRequest, ModelUnderTest

AUDITBENCH_API = "1.1"


def _load(request: ModelRequest) -> ModelUnderTest:
    from auditbench_ebm.loading import load  # torch enters here

    return load(request)


@hookimpl
def auditbench_model_loaders() -> Iterator[ModelLoader]:
    """Register `ebm`."""
    yield ModelLoader(name="ebm", summary="Explainable Boosting Machine, as InterpretML exports it to JSON", load=_load)
