"""Small subjects with exactly known answers, and a context to run an analyzer on them: for the tests of plugins."""

from auditbench.testing.contexts import QuietHost, toy_context
from auditbench.testing.memory import PeakMemory, peak_memory
from auditbench.testing.operations import OperationCount, count_operations
from auditbench.testing.subjects import TOY_FEATURES, ToyKind, ToySubject, given_outputs_subject, toy_subject
from auditbench.testing.wording import messages_in, missing_words

__all__ = [
    "TOY_FEATURES",
    "OperationCount",
    "PeakMemory",
    "QuietHost",
    "ToyKind",
    "ToySubject",
    "count_operations",
    "given_outputs_subject",
    "messages_in",
    "missing_words",
    "peak_memory",
    "toy_context",
    "toy_subject",
]
