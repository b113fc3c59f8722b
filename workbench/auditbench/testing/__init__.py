"""Small subjects with exactly known answers, and a context to run an analyzer on them: for the tests of plugins."""

from auditbench.testing.contexts import QuietHost, toy_context
from auditbench.testing.subjects import ToyKind, ToySubject, given_outputs_subject, toy_subject

__all__ = ["QuietHost", "ToyKind", "ToySubject", "given_outputs_subject", "toy_context", "toy_subject"]
