"""Bytes are counted when storages appear and die."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from auditbench.testing import PeakMemory, peak_memory

BYTES = 4 * 100_000
PYTHON_OWN = 64 * 1024
"""More than Python itself needs for bookkeeping in these tests, and less than any of their arrays."""


def given() -> torch.Tensor:
    return torch.ones(100_000)


def test_what_was_there_before_counts_nothing() -> None:
    numbers = given()
    with peak_memory() as measured:
        numbers.add_(1).view(10, -1)[3].zero_()
        numbers.numpy()
    assert (measured.tensor_bytes, measured.bytes < PYTHON_OWN) == (0, True)


def test_two_alive_at_once_are_the_peak_of_a_chain() -> None:
    numbers = given()
    with peak_memory() as measured:
        for _ in range(5):
            numbers = numbers + 1
    assert measured.tensor_bytes == 2 * BYTES
    assert BYTES <= measured.kept_bytes <= BYTES + PYTHON_OWN
    assert 2 * BYTES <= measured.bytes <= 2 * BYTES + PYTHON_OWN


def test_a_view_keeps_its_whole_storage_and_counts_once() -> None:
    numbers = given()
    with peak_memory() as measured:
        view = (numbers + 1)[:3]
        further = numbers * 2
        del further
    assert measured.tensor_bytes == 2 * BYTES
    assert measured.kept_bytes >= BYTES
    assert len(view) == 3


def test_dead_storages_are_taken_off() -> None:
    numbers = given()
    with peak_memory() as measured:
        for _ in range(3):
            (numbers + 1).sum()
    assert measured.tensor_bytes == BYTES + 4
    assert measured.kept_bytes < PYTHON_OWN


def test_what_a_backward_pass_keeps_counts() -> None:
    numbers = given().requires_grad_(True)
    with peak_memory() as forward:
        total = numbers.exp().exp().sum()
    assert forward.tensor_bytes == 2 * BYTES + 4
    assert total.requires_grad


def test_buffers_count_by_what_they_were_resized_to() -> None:
    numbers = given()
    with peak_memory() as measured, torch.inference_mode():
        buffer = torch.empty(0)
        torch.add(numbers[:50_000], 1, out=buffer)
        torch.add(numbers[:20_000], 1, out=buffer[:20_000])
    assert measured.tensor_bytes == BYTES // 2


def test_arrays_of_numpy_count_beside_tensors() -> None:
    with peak_memory() as measured:
        array = np.ones(100_000, dtype=np.float32)
        copied = torch.from_numpy(array) * 2
    assert measured.tensor_bytes == BYTES
    assert 2 * BYTES <= measured.bytes <= 2 * BYTES + PYTHON_OWN
    assert len(copied) == len(array)


def test_arrays_that_are_gone_before_tensors_come_are_not_added_to_them() -> None:
    with peak_memory() as measured:
        array = np.ones(100_000, dtype=np.float32)
        del array
        tensor = torch.ones(100_000)
    assert BYTES <= measured.bytes <= BYTES + PYTHON_OWN
    assert len(tensor) == 100_000


def test_a_second_measurement_inside_is_refused_and_the_outer_one_ends() -> None:
    with pytest.raises(RuntimeError, match="do not nest"), peak_memory(), peak_memory():
        pass
    assert not tracemalloc.is_tracing()


def test_nothing_measured_is_nothing() -> None:
    with peak_memory() as measured:
        pass
    assert isinstance(measured, PeakMemory)
    assert measured.tensor_bytes == 0
    assert measured.bytes < PYTHON_OWN
