"""For tests: what a plugin promises, as checks; subjects with exactly known answers; the gates of a run as an assertion.

Importing this package imports neither numpy nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditbench.messages import messages_in
from auditbench.testing.contexts import QuietHost, toy_context
from auditbench.testing.gates import assert_gates
from auditbench.testing.known_models import (
    KnownModel,
    additive_model,
    constant_model,
    linear_model,
    tiny_cnn,
    tiny_gpt,
    xor_model,
)
from auditbench.testing.memory import PeakMemory, peak_memory
from auditbench.testing.operations import OperationCount, count_operations
from auditbench.testing.subjects import ToyKind, ToySubject, given_outputs_subject, toy_subject
from auditbench.testing.toy_inputs import TOY_FEATURES
from auditbench.testing.toy_training import ToyTrainer
from auditbench.testing.wording import missing_words

if TYPE_CHECKING:
    from auditbench.testing.conformance.analyzers import analyzer_conformance, check_analyzer
    from auditbench.testing.conformance.architectures import check_architecture
    from auditbench.testing.conformance.datasets import check_dataset_loader
    from auditbench.testing.conformance.loaders import check_loader
    from auditbench.testing.conformance.promises import BrokenPromisesError, Conformance
    from auditbench.testing.conformance.renderers import check_renderer
    from auditbench.testing.conformance.samples import Sample, read_sample

_HOMES = {
    "BrokenPromisesError": "promises",
    "Conformance": "promises",
    "analyzer_conformance": "analyzers",
    "check_analyzer": "analyzers",
    "check_architecture": "architectures",
    "check_dataset_loader": "datasets",
    "check_loader": "loaders",
    "check_renderer": "renderers",
    "read_sample": "samples",
    "Sample": "samples",
}

__all__ = [
    "TOY_FEATURES",
    "BrokenPromisesError",
    "Conformance",
    "KnownModel",
    "OperationCount",
    "PeakMemory",
    "QuietHost",
    "Sample",
    "ToyKind",
    "ToySubject",
    "ToyTrainer",
    "additive_model",
    "analyzer_conformance",
    "assert_gates",
    "check_analyzer",
    "check_architecture",
    "check_dataset_loader",
    "check_loader",
    "check_renderer",
    "constant_model",
    "count_operations",
    "given_outputs_subject",
    "linear_model",
    "messages_in",
    "missing_words",
    "peak_memory",
    "read_sample",
    "tiny_cnn",
    "tiny_gpt",
    "toy_context",
    "toy_subject",
    "xor_model",
]


def __getattr__(name: str) -> Any:
    """Import the checks of plugins when one is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'auditbench.testing' has no attribute {name!r}")
    return getattr(import_module(f"auditbench.testing.conformance.{_HOMES[name]}"), name)
