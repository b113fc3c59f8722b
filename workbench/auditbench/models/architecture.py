"""`Architecture`: a network that can be trained and rebuilt from its parameters. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from auditbench.needs import Needs
from auditbench.run import Modality

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import nn

    from auditbench.data.inputs import ModelInput


Build: TypeAlias = "Callable[[Any, Mapping[str, ModelInput], int], nn.Module]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network that `train` can build; `name` is `train.architecture` in audit.toml.

    Attributes:
        build: From parameters, inputs by name and number of outputs to a module that maps encoded rows, of shape
            `(rows, *input shape)`, to `(rows, outputs)`; of several inputs, a mapping of such tensors by name. Outputs
            are logits, or values for regression. A module with a method `set_checkpointing(on)` can be trained with
            gradient checkpointing; one with `positions(encoded)`, of shape `(rows, length, outputs)`, learns what
            follows each token of a text and not only the last.
        Params: pydantic model of the parameters; None when there are none.
        modalities: Of the inputs that it takes, `mixed` for several of any kind; `build` is called with no other.
        needs: Packages and programs, without which a config that names it is refused.
    """

    name: str
    summary: str
    build: Build
    Params: type[BaseModel] | None = None
    modalities: tuple[Modality, ...] = ("tabular",)
    needs: Needs = field(default_factory=Needs)
