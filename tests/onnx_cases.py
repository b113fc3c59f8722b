"""The backend tests of the onnx package, by operation: a graph of one or a few nodes, its inputs, and what must come out."""

from __future__ import annotations

import functools
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, numpy_helper

from auditbench.models.operators.tensors import tensor_of


@functools.cache
def cases_by_operation() -> Mapping[str, list[Any]]:
    """Each case once, under the operation of its last node."""
    with warnings.catch_warnings():  # numpy says that the cases divide by 0 and overflow, which they are about
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = {case.name: case for case in collect_testcases(None)}
    by_operation = defaultdict(list)
    for case in found.values():
        by_operation[case.model.graph.node[-1].op_type].append(case)
    return by_operation


def as_array(value: Any) -> Any:
    """A tensor of a case as an array; a sequence as a list of them."""
    if isinstance(value, (list, tuple)):
        return [as_array(item) for item in value]
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def as_tensor(value: Any) -> Any:
    """The same as torch tensors."""
    array = as_array(value)
    return [tensor_of(item) for item in array] if isinstance(array, list) else tensor_of(array)


def assert_equal(found: Any, expected: Any, *, rtol: float, atol: float) -> None:
    """Of the same type and shape, and as close as the case asks; numbers of half precision as close as these can be."""
    if isinstance(expected, Sequence):
        assert isinstance(found, list)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_equal(one, other, rtol=rtol, atol=atol)
        return
    wanted = tensor_of(expected)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    if found.dtype in (torch.float16, torch.bfloat16):
        rtol, atol = max(rtol, 4 * torch.finfo(found.dtype).eps), max(atol, torch.finfo(found.dtype).eps)
        found, wanted = found.float(), wanted.float()
    if found.is_floating_point() or found.is_complex():
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=rtol, atol=atol)
    else:
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())
