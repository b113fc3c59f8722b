"""A file with one bit turned over opens as what it was, or is refused; never anything else happens."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from auditbench.config import ModelTable
from auditbench.errors import ModelError
from auditbench.models import load_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.models.opening import read_weights, scan
from tests.hostile.descriptions import good_bundle
from tests.model_files import saved

FLIPS = 200
WEIGHTS = {"first.weight": torch.arange(6.0).reshape(2, 3), "first.bias": torch.arange(2, dtype=torch.float64)}
BYTES = sum(tensor.numel() * tensor.element_size() for tensor in WEIGHTS.values())


def flipped(content: bytes) -> list[bytes]:
    """The content with one bit turned over, at places that a seed draws."""
    drawn = random.Random(20)  # noqa: S311 - places in a file, and no secret
    found = []
    for place in drawn.sample(range(8 * len(content)), FLIPS):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        found.append(bytes(changed))
    return found


def test_an_archive_has_checksums_so_that_it_opens_bit_equal_or_not_at_all(tmp_path: Path) -> None:
    path, opened = tmp_path / "w", 0
    for content in flipped(saved(WEIGHTS, legacy=False)):
        path.write_bytes(content)
        try:
            tensors = read_weights(path).tensors
        except ModelError:
            continue
        opened += 1
        assert list(tensors) == list(WEIGHTS)
        assert all(torch.equal(tensors[name], WEIGHTS[name]) for name in WEIGHTS)
    assert opened < FLIPS // 2


@pytest.mark.parametrize(
    "content", [saved(WEIGHTS, legacy=True), safetensors.torch.save(WEIGHTS)], ids=["legacy", "safetensors"]
)
def test_a_file_without_checksums_opens_within_its_bytes_or_not_at_all(content: bytes, tmp_path: Path) -> None:
    path, refused = tmp_path / "w", 0
    for changed in flipped(content):
        path.write_bytes(changed)
        try:
            tensors = read_weights(path).tensors
        except ModelError:
            refused += 1
            continue
        assert 0 < sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) <= BYTES
    assert refused > FLIPS // 4


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_bundle_opens_with_the_shapes_of_its_description_or_not_at_all(name: str, tmp_path: Path) -> None:
    folder = good_bundle(tmp_path)
    table = ModelTable(task="binary-classification")
    known = {item.name: item for item in BUILT_IN}
    shapes = [tensor.shape for tensor in load_bundle(folder, table, "cpu", known).module.parameters()]
    refused = 0
    for changed in flipped((folder / name).read_bytes()):
        (folder / name).write_bytes(changed)
        try:
            module = load_bundle(folder, table, "cpu", known).module
        except ModelError:
            refused += 1
            continue
        assert [tensor.shape for tensor in module.parameters()] == shapes
    assert refused > FLIPS // 4


@pytest.mark.parametrize(
    "content",
    [
        lambda: saved(WEIGHTS, legacy=False),
        lambda: saved(WEIGHTS, legacy=True),
        lambda: safetensors.torch.save(WEIGHTS),
    ],
    ids=["archive", "legacy", "safetensors"],
)
def test_a_scan_of_it_comes_to_its_end(content: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "w"
    for changed in flipped(content()):
        path.write_bytes(changed)
        assert scan(path).size == len(changed)
