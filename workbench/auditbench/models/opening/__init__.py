"""The one package that opens model files. What a file is, its content says; what is hashed is what is parsed.

Importing it imports neither numpy nor torch, so that a file can be looked at where nothing could run it.
"""

from __future__ import annotations

from auditbench.models.opening.content import content_kind
from auditbench.models.opening.files import parse_json, read_file, sha256_of
from auditbench.models.opening.limits import MAX_JSON_BYTES
from auditbench.models.opening.programs import OpenedProgram, load_factory, open_program
from auditbench.models.opening.scanning import FoundImport, Part, Scan, scan
from auditbench.models.opening.tensors import OpenedWeights, WeightsFile, open_weights, parse_tensors, read_weights

__all__ = [
    "MAX_JSON_BYTES",
    "FoundImport",
    "OpenedProgram",
    "OpenedWeights",
    "Part",
    "Scan",
    "WeightsFile",
    "content_kind",
    "load_factory",
    "open_program",
    "open_weights",
    "parse_json",
    "parse_tensors",
    "read_file",
    "read_weights",
    "scan",
    "sha256_of",
]
