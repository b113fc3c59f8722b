"""From a bundle to files that run elsewhere: a copy of it, torch's exported program, and an ONNX graph.

Importing this package imports neither numpy nor torch.
"""

from __future__ import annotations

from auditbench.models.exporting.kinds import KINDS, TOLERANCE, Difference, Export, ExportKind

__all__ = ["KINDS", "TOLERANCE", "Difference", "Export", "ExportKind"]
