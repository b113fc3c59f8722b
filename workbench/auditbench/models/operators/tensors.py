"""Arrays of an ONNX file as tensors, and types by the number that the standard gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from auditbench.models.operators.operation import UnsupportedOperationError

TYPES: Mapping[int, torch.dtype] = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    4: torch.uint16,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    12: torch.uint32,
    13: torch.uint64,
    14: torch.complex64,
    15: torch.complex128,
    16: torch.bfloat16,
}
"""By `TensorProto.DataType`; texts and numbers of 8 and 4 bits with a point are not among them."""


def dtype_of(number: int) -> torch.dtype:
    """The type that `Cast` and the like name.

    Raises:
        UnsupportedOperationError: There is no such tensor in torch.
    """
    if number not in TYPES:
        raise UnsupportedOperationError(f"type {number} of tensors")
    return TYPES[number]


def tensor_of(array: npt.NDArray[Any]) -> torch.Tensor:
    """A copy of the array as a tensor on the CPU.

    Raises:
        UnsupportedOperationError: There is no such tensor in torch.
    """
    if str(array.dtype) == "bfloat16":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    try:
        return torch.from_numpy(np.array(array, order="C"))
    except TypeError as error:
        raise UnsupportedOperationError(f"tensors of {array.dtype}") from error
