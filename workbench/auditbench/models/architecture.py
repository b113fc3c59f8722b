"""`Architecture`: a network that can be trained and rebuilt from its parameters. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network that `train` can build; `name` is `train.architecture` in audit.toml.

    Attributes:
        build: From parameters, number of encoded inputs and number of outputs to a module that maps `(rows, inputs)` to
            `(rows, outputs)`. Outputs are logits, or values for regression.
        Params: pydantic model of the parameters; None when there are none.
    """

    name: str
    summary: str
    build: Callable[[Any, int, int], nn.Module]
    Params: type[BaseModel] | None = None
