"""The model under test, its loaders and the architectures that can be trained.

Importing this package imports neither numpy nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditbench.models.architecture import Architecture
from auditbench.models.batching import BatchSize, in_batches
from auditbench.models.subject import ModelUnderTest

if TYPE_CHECKING:
    from auditbench.models.bundle import load_bundle, save_bundle
    from auditbench.models.declared import declared_interface
    from auditbench.models.formats import ModelRequest
    from auditbench.models.live import wrap_module
    from auditbench.models.predictions import Predictions, wrap_predictions
    from auditbench.models.reducers import BestDetection, SegmentationShare
    from auditbench.models.wrapping import Interface, Origin, wrap_network

_HOMES = {
    "BestDetection": "reducers",
    "Interface": "wrapping",
    "ModelRequest": "formats",
    "Origin": "wrapping",
    "Predictions": "predictions",
    "SegmentationShare": "reducers",
    "declared_interface": "declared",
    "load_bundle": "bundle",
    "save_bundle": "bundle",
    "wrap_module": "live",
    "wrap_network": "wrapping",
    "wrap_predictions": "predictions",
}

__all__ = [
    "Architecture",
    "BatchSize",
    "BestDetection",
    "Interface",
    "ModelRequest",
    "ModelUnderTest",
    "Origin",
    "Predictions",
    "SegmentationShare",
    "declared_interface",
    "in_batches",
    "load_bundle",
    "save_bundle",
    "wrap_module",
    "wrap_network",
    "wrap_predictions",
]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'auditbench.models' has no attribute {name!r}")
    return getattr(import_module(f"auditbench.models.{_HOMES[name]}"), name)
