"""Where memory runs out, batches are halved in one place, and results stay what they were."""

from __future__ import annotations

import dataclasses
import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from auditbench.errors import ExitCode, ModelError, ModelMemoryError
from auditbench.models import BatchSize, in_batches
from auditbench.models.batching import MOST_HALVINGS, fitting
from auditbench.models.out_of_memory import bytes_needed, is_out_of_memory
from auditbench.testing import toy_subject
from tests.limited_model import CPU_TEXT, Limited, network, raw_rows, with_module

CUDA_TEXT = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 3 is free."
)
NUMPY_TEXT = "Unable to allocate 7.45 GiB for an array with shape (1000000000,) and data type float64"
ERRORS: list[tuple[Callable[[], Exception], int | None]] = [
    (lambda: torch.OutOfMemoryError(CUDA_TEXT), 20 * 2**30),
    (lambda: RuntimeError(CPU_TEXT), 4_000_000_000),
    (lambda: RuntimeError("std::bad_alloc"), None),
    (MemoryError, None),
    (lambda: MemoryError(NUMPY_TEXT), round(7.45 * 2**30)),
    (lambda: OSError(12, "Cannot allocate memory"), None),
]
IDS = ["cuda", "cpu", "bad-alloc", "python", "numpy", "system"]


@pytest.fixture(autouse=True, scope="module")
def few_objects_to_look_at() -> Iterator[None]:
    """Keeps what the libraries made out of the collector, which is asked to look after each halving."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize(("error", "needed"), ERRORS, ids=IDS)
def test_memory_errors_are_told_from_others_with_what_they_needed(
    error: Callable[[], Exception], needed: int | None
) -> None:
    assert is_out_of_memory(error())
    assert bytes_needed(error()) == needed
    wrapped = ValueError("explaining failed")
    wrapped.__cause__ = error()
    assert is_out_of_memory(wrapped)
    assert bytes_needed(wrapped) == needed


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        RuntimeError("CUDA error: device-side assert triggered"),
        ValueError("you tried to allocate 5 bytes"),
        OSError(28, "No space left on device"),
        RecursionError("maximum recursion depth exceeded"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_pass_after_one_try(error: Exception) -> None:
    assert not is_out_of_memory(error)
    assert bytes_needed(error) is None
    tried, batch = [], BatchSize(64)

    def work(rows: int) -> None:
        tried.append(rows)
        raise error

    with pytest.raises(type(error)) as caught:
        fitting(work, batch)
    assert caught.value is error
    assert (tried, batch.rows, batch.halvings) == ([64], 64, 0)


@pytest.mark.parametrize(("error", "needed"), ERRORS, ids=IDS)
def test_prediction_halves_by_powers_of_two_keeps_the_size_and_gives_the_same(
    error: Callable[[], Exception], needed: int | None
) -> None:
    rows = raw_rows(300)
    whole = with_module(toy_subject(), network()).model.predict(rows)
    module = Limited(network(), 70, error)
    model = with_module(toy_subject(), module).model
    np.testing.assert_array_equal(model.predict(rows), whole)
    assert module.tried == [300, 256, 128, 64, 64, 64, 64, 44]
    assert (model.batch.rows, model.batch.began_with, model.batch_rows) == (64, 1024, 1024)
    assert model.batch.halvings == 3
    module.tried.clear()
    np.testing.assert_array_equal(model.predict(rows), whole)
    assert module.tried == [64, 64, 64, 64, 44]


@pytest.mark.parametrize(("error", "needed"), ERRORS, ids=IDS)
def test_one_row_that_does_not_fit_fails_with_what_it_needed(
    error: Callable[[], Exception], needed: int | None
) -> None:
    module = Limited(network(), 0, error)
    model = with_module(toy_subject(), module).model
    with pytest.raises(ModelMemoryError, match="memory ran out with one row a batch") as caught:
        model.predict(raw_rows(1024))
    assert module.tried == [1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1]
    assert model.batch.halvings == MOST_HALVINGS
    assert caught.value.needed == needed
    assert caught.value.exit_code is ExitCode.INCOMPLETE
    text = caught.value.describe()
    assert "raise memory_gib in [limits]" in text
    assert needed is None or f"{needed:,} bytes" in text


def test_a_call_on_few_rows_does_not_try_their_number_again() -> None:
    module = Limited(network(), 3)
    model = with_module(toy_subject(), module).model
    assert model.predict(raw_rows(10)).shape == (10, 1)
    assert module.tried == [10, 8, 4, 2, 2, 2, 2, 2]
    assert model.batch.halvings == 3


@pytest.mark.parametrize("began_with", [1, 3, 2048, 16_384])
def test_no_more_than_ten_halvings_lead_to_one_row(began_with: int) -> None:
    batch, tried = BatchSize(began_with), []

    def work(rows: int) -> None:
        tried.append(rows)
        raise MemoryError

    with pytest.raises(ModelMemoryError):
        fitting(work, batch)
    assert tried[-1] == 1
    assert tried == sorted(set(tried), reverse=True)
    assert all(rows & (rows - 1) == 0 for rows in tried)
    assert len(tried) <= 1 + MOST_HALVINGS


def test_what_a_failed_call_held_is_freed_before_the_next() -> None:
    class Held:
        pass

    alive: list[weakref.ref[Held]] = []

    def work(rows: int) -> int:
        assert all(reference() is None for reference in alive)
        held = Held()
        held.itself = held  # type: ignore[attr-defined]
        alive.append(weakref.ref(held))
        if rows > 2:
            raise torch.OutOfMemoryError(CUDA_TEXT)
        return rows

    gc.disable()
    try:
        assert fitting(work, BatchSize(16)) == 2
    finally:
        gc.enable()
    assert len(alive) == 4


def test_what_was_done_before_is_kept() -> None:
    done: list[int] = []

    def work(rows: slice) -> Any:
        part = np.arange(100)[rows]
        if 40 in part and len(part) > 4:
            raise MemoryError
        done.extend(part.tolist())
        return part

    batch = BatchSize(32)
    np.testing.assert_array_equal(np.concatenate(in_batches(work, 100, batch)), np.arange(100))
    assert done == list(range(100))
    assert (batch.rows, batch.halvings) == (4, 3)


def test_an_inner_call_that_halved_is_not_halved_again() -> None:
    module = Limited(network(), 16)
    model = with_module(toy_subject(), module).model

    def work(rows: slice) -> Any:
        return model.predict({"features": raw_rows(200)["features"][rows]})

    found = np.concatenate(model.in_batches(work, 200))
    np.testing.assert_allclose(found, network()(model.encode(raw_rows(200))).double().numpy(), rtol=1e-5, atol=1e-7)
    assert (model.batch.rows, model.batch.halvings) == (16, 4)


@pytest.mark.parametrize("total", [1, 33, 47, 301, 2048, 2051, 2063])
def test_batches_of_32_to_2048_rows_give_equal_bits(total: int) -> None:
    rows = raw_rows(total)
    model = with_module(toy_subject(), network(), 2048).model
    whole = model.predict(rows)
    for size in (32, 64, 128, 256, 512, 1024):
        halved = dataclasses.replace(model, batch_rows=size)
        np.testing.assert_array_equal(halved.predict(rows), whole)


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16])
def test_smaller_batches_are_equal_to_rounding(size: int) -> None:
    rows = raw_rows(47)
    model = with_module(toy_subject(), network(), 2048).model
    few = dataclasses.replace(model, batch_rows=size)
    np.testing.assert_allclose(few.predict(rows), model.predict(rows), rtol=1e-5, atol=1e-6)


@given(total=st.integers(1, 300), size=st.sampled_from([1, 2, 8, 16, 32, 64, 128]), each=st.sampled_from([1, 2, 40]))
def test_parts_cover_every_item_once_and_in_order(total: int, size: int, each: int) -> None:
    lengths: list[int] = []

    def work(items: slice) -> Any:
        part = np.arange(total)[items]
        lengths.append(len(part))
        return part

    found = np.concatenate(in_batches(work, total, BatchSize(size), rows_each=each))
    np.testing.assert_array_equal(found, np.arange(total))
    assert max(lengths) <= max(1, size // each)
    assert each > 1 or size < 32 or total < 16 or min(lengths) >= 16


def test_a_module_that_gives_another_shape_is_named() -> None:
    class Sums(nn.Module):
        def forward(self, encoded: torch.Tensor) -> torch.Tensor:
            return encoded.sum().reshape(1, 1)

    with pytest.raises(ModelError, match="the model gives another shape than it should"):
        with_module(toy_subject(), Sums()).model.predict(raw_rows(5))


def test_variants_of_a_model_share_what_fits() -> None:
    model = with_module(toy_subject(), Limited(network(), 16)).model
    variant = dataclasses.replace(model, module=Limited(network(), 8))
    variant.predict(raw_rows(40))
    assert model.batch is variant.batch
    assert model.batch.rows == 8
    assert dataclasses.replace(model, batch_rows=128).batch.rows == 128
    with pytest.raises(ValueError, match="expected at least 1 row a batch"):
        BatchSize(0)


REAL = """
import mmap, resource, sys
import numpy as np, torch
from torch import nn
from auditbench.errors import ModelMemoryError
from auditbench.models.batching import BatchSize, in_batches
from auditbench.models.out_of_memory import bytes_needed, is_out_of_memory
torch.set_num_threads(1)
limit, field = getattr(resource, sys.argv[1]), {"RLIMIT_AS": "VmSize", "RLIMIT_DATA": "VmData"}[sys.argv[1]]
layer = nn.Linear(1000, 5000).requires_grad_(False)
inputs = torch.ones(4096, 1000)
whole = layer(inputs).sum(dim=1)
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))
resource.setrlimit(limit, (used + 60 * 2**20,) * 2)
batch = BatchSize(4096)
parts = in_batches(lambda rows: layer(inputs[rows]).sum(dim=1), 4096, batch)
assert 32 <= batch.rows < 4096 and batch.halvings >= 1, batch.rows
assert torch.allclose(torch.cat(parts), whole)
print("halved", batch.rows, batch.halvings)

def text(work):
    try:
        work()
    except Exception as error:
        assert is_out_of_memory(error), repr(error)
        return bytes_needed(error)
    raise SystemExit("it fitted")

assert text(lambda: torch.empty(10**9)) == 4 * 10**9
assert abs(text(lambda: np.ones(10**9)) / (8 * 10**9) - 1) < 0.01
assert text(lambda: bytearray(10**12)) is None
assert text(lambda: mmap.mmap(-1, 10**12)) is None
text(lambda: torch.linalg.svd(torch.ones(3000, 3000)))  # told by the C++ library
try:
    in_batches(lambda rows: torch.empty(10**9), 8, BatchSize(8))
except ModelMemoryError as error:
    assert error.needed == 4 * 10**9
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps these limits")
@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_real_errors_under_a_memory_limit(limit: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", REAL, limit], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["halved", *ended.stdout.split()[1:3], "refused"]


@pytest.mark.gpu
def test_a_gpu_that_runs_out_halves_and_gives_the_same() -> None:
    layer = nn.Linear(1000, 20_000, device="cuda").requires_grad_(False)
    inputs = torch.ones(4096, 1000, device="cuda")
    whole = layer(inputs).sum(dim=1)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 200 * 2**20) / total)
    try:
        batch = BatchSize(4096)
        parts = in_batches(lambda rows: layer(inputs[rows]).sum(dim=1), 4096, batch)
        assert batch.rows < 4096
        torch.testing.assert_close(torch.cat(parts), whole)
        with pytest.raises(ModelMemoryError) as caught:
            in_batches(lambda rows: torch.empty(10**12, device="cuda"), 8, BatchSize(8))
        assert caught.value.needed is not None
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
