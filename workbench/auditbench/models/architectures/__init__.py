"""The networks that come with the product."""

from __future__ import annotations

from auditbench.models.architecture import Architecture
from auditbench.models.architectures.linear import LINEAR
from auditbench.models.architectures.mlp import MLP

BUILT_IN: tuple[Architecture, ...] = (LINEAR, MLP)

__all__ = ["BUILT_IN"]
