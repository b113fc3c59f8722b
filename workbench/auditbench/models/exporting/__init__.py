"""From a bundle to files that run elsewhere (a copy, torch's exported program, an ONNX graph), and from other models to a bundle.

Importing this package imports neither numpy nor torch.
"""

from __future__ import annotations

from auditbench.models.differences import TOLERANCE, Difference
from auditbench.models.exporting.kinds import KINDS, Conversion, Export, ExportKind

__all__ = ["KINDS", "TOLERANCE", "Conversion", "Difference", "Export", "ExportKind"]
