"""Operations of the ONNX standard in torch, so that gradients go through them.

Each family has its table: by name, and by the version from which on it means what the function computes. An operation is
a function of the node and its inputs, which `Operation` makes a module of, or a module of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.activations import ACTIVATIONS
from auditbench.models.operators.attention import ATTENTION
from auditbench.models.operators.control import CONTROL, EndlessLoopError
from auditbench.models.operators.convolution import CONVOLUTION
from auditbench.models.operators.elementwise import ELEMENTWISE
from auditbench.models.operators.indexing import INDEXING
from auditbench.models.operators.normalization import NORMALIZATION
from auditbench.models.operators.operation import Built, Function, Operation, UnsupportedOperationError, Versions
from auditbench.models.operators.pooling import POOLING
from auditbench.models.operators.products import PRODUCTS, ROUNDING
from auditbench.models.operators.recurrent import RECURRENT
from auditbench.models.operators.reductions import REDUCTIONS
from auditbench.models.operators.resizing import RESIZING
from auditbench.models.operators.sequences import SEQUENCES
from auditbench.models.operators.shapes import SHAPES

__all__ = [
    "CONTROL",
    "OPERATORS",
    "ROUNDING",
    "EndlessLoopError",
    "UnsupportedOperationError",
    "is_known",
    "operator_module",
]

OPERATORS: Mapping[str, Versions] = {
    **ACTIVATIONS,
    **ATTENTION,
    **CONVOLUTION,
    **ELEMENTWISE,
    **INDEXING,
    **NORMALIZATION,
    **POOLING,
    **PRODUCTS,
    **RECURRENT,
    **REDUCTIONS,
    **RESIZING,
    **SEQUENCES,
    **SHAPES,
}
"""By name, those with graphs within left out, which `CONTROL` has."""


def is_known(node: GraphNode) -> bool:
    """Whether there is a module for this operation in this version."""
    if node.operation in CONTROL:
        return CONTROL[node.operation][0] <= node.opset
    return any(since <= node.opset for since in OPERATORS.get(node.operation, ()))


def operator_module(node: GraphNode) -> nn.Module:
    """The module of a node that has no graphs within.

    Raises:
        UnsupportedOperationError: There is none, or none for its attributes.
    """
    if not is_known(node):
        raise UnsupportedOperationError(f"{node.operation} of version {node.opset}")
    versions = OPERATORS[node.operation]
    found: Function | Built = versions[max(since for since in versions if since <= node.opset)]
    return found.module(node) if isinstance(found, Built) else Operation(node, found)
