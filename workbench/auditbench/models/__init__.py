"""The model under test, its loaders and the architectures that can be trained."""

from auditbench.models.subject import ModelUnderTest

__all__ = ["ModelUnderTest"]
