"""Training: from the `[train]` table and the training rows to a bundle. Importing this package does not import torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditbench.training.bundles import EnsuredModel, Progress, ensure_model, train_bundle, training_key
    from auditbench.training.refitting import trainer_of

_HOMES = {
    "EnsuredModel": "bundles",
    "Progress": "bundles",
    "ensure_model": "bundles",
    "train_bundle": "bundles",
    "trainer_of": "refitting",
    "training_key": "bundles",
}

__all__ = ["EnsuredModel", "Progress", "ensure_model", "train_bundle", "trainer_of", "training_key"]


def __getattr__(name: str) -> Any:
    """Import what needs numpy and torch when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'auditbench.training' has no attribute {name!r}")
    return getattr(import_module(f"auditbench.training.{_HOMES[name]}"), name)
