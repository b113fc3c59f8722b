"""For tests: small subjects with exactly known answers for plugins, and the gates of a run as an assertion."""

from auditbench.testing.contexts import QuietHost, toy_context
from auditbench.testing.gates import assert_gates
from auditbench.testing.memory import PeakMemory, peak_memory
from auditbench.testing.operations import OperationCount, count_operations
from auditbench.testing.subjects import ToyKind, ToySubject, given_outputs_subject, toy_subject
from auditbench.testing.toy_inputs import TOY_FEATURES
from auditbench.testing.wording import messages_in, missing_words

__all__ = [
    "TOY_FEATURES",
    "OperationCount",
    "PeakMemory",
    "QuietHost",
    "ToyKind",
    "ToySubject",
    "assert_gates",
    "count_operations",
    "given_outputs_subject",
    "messages_in",
    "missing_words",
    "peak_memory",
    "toy_context",
    "toy_subject",
]
