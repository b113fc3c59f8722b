"""`RowCounter`: how many rows models evaluate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from auditbench.models import ModelUnderTest


class RowCounter:
    """Counts the rows of each outermost call of a module, and of an embedding that is called by itself.

    Attributes:
        rows: Counted so far.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._inside = 0

    def __deepcopy__(self, memo: Any) -> RowCounter:
        """Itself: what a copy of a model evaluates counts too."""
        return self

    @contextmanager
    def counting(self, *models: ModelUnderTest) -> Iterator[None]:
        """Count what the models of an audit evaluate inside the block."""
        hooks = [hook for model in models for hook in self._hooks(model.module)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            self._inside = 0

    def _hooks(self, module: nn.Module) -> list[Any]:
        embeddings = [part for part in module.modules() if isinstance(part, nn.Embedding)][:1]
        return [
            hook
            for part in {id(part): part for part in (module, *embeddings)}.values()
            for hook in (
                part.register_forward_pre_hook(self._enter, with_kwargs=True),
                part.register_forward_hook(self._leave, always_call=True),
            )
        ]

    def _enter(self, module: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        if not self._inside:
            self.rows += _rows_of(next(iter((*inputs, *named.values())), None))
        self._inside += 1

    def _leave(self, *_: Any) -> None:
        self._inside -= 1


def _rows_of(given: Any) -> int:
    """Rows of what a module takes: a tensor, or several by name."""
    if isinstance(given, Mapping):
        return max(map(_rows_of, given.values()), default=0)
    return int(given.shape[0]) if getattr(given, "shape", ()) else 0
