"""The layout of a state dict: what its pickle may hold, and what it comes to in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.serialization import config as torch_saving

from auditbench.errors import ModelError
from auditbench.models.opening import read_weights
from auditbench.models.opening.content import look_into
from auditbench.models.opening.state_dicts import View, read_layout
from tests.model_files import saved

SIZES = st.lists(st.integers(0, 4), max_size=4)


def refused(content: bytes, path: Path) -> str:
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_weights(path)
    return caught.value.describe()


@given(size=SIZES, order=st.permutations(range(4)), step=st.integers(1, 2))
def test_contiguous_is_what_torch_calls_so(size: list[int], order: list[int], step: int) -> None:
    tensor = torch.zeros(size).permute([axis for axis in order if axis < len(size)])[..., ::step] if size else None
    tensor = torch.zeros(()) if tensor is None else tensor
    view = View(storage="0", dtype="float32", offset=0, size=tuple(tensor.shape), stride=tensor.stride())
    assert view.contiguous == tensor.is_contiguous()
    assert view.elements == tensor.numel()


def test_a_large_transformer_opens(tmp_path: Path) -> None:
    tensors = {f"model.layers.{index}.attention.weight": torch.full((2,), float(index)) for index in range(5000)}
    (tmp_path / "w").write_bytes(saved(tensors))
    found = read_weights(tmp_path / "w").tensors
    assert list(found) == list(tensors)
    assert torch.equal(torch.stack(list(found.values())), torch.stack(list(tensors.values())))


def test_a_pickle_larger_than_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench.models.opening.content.MAX_PICKLE_BYTES", 1000)
    text = refused(saved({f"layer.{index}": torch.zeros(1) for index in range(100)}), tmp_path / "w")
    assert "data.pkl" in text
    assert "too large" in text


@pytest.mark.parametrize("key", [(1, 2), 1.5, 2**61, None], ids=repr)
def test_a_key_that_is_no_text_beside_the_weights_is_refused(key: Any, tmp_path: Path) -> None:
    text = refused(saved({"state_dict": {"a": torch.zeros(1)}, "optimizer": [{key: 1}]}), tmp_path / "w")
    assert "a key that is neither a text nor a small integer" in text
    assert repr(key) in text


def test_the_state_of_an_optimizer_beside_the_weights_is_left(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.zeros(1, 2)).sum().backward()
    optimizer.step()
    path = tmp_path / "w"
    path.write_bytes(saved({"state_dict": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}))
    opened = read_weights(path)
    assert (opened.taken, opened.left) == ("state_dict", ("optimizer", "epoch"))
    assert torch.equal(opened.tensors["weight"], network.weight)


def test_a_transposed_tensor_opens_and_one_under_many_names_does_not(tmp_path: Path) -> None:
    tensor = torch.arange(6.0).reshape(2, 3).T
    (tmp_path / "w").write_bytes(saved({"a": tensor}))
    found = read_weights(tmp_path / "w").tensors["a"]
    assert found.is_contiguous()
    assert torch.equal(found, tensor)
    large = torch.zeros(64, 65).T
    text = refused(saved({str(index): large for index in range(20)}), tmp_path / "w")
    assert f"found: {20 * 64 * 65 * 4:,} bytes" in text


def test_tied_weights_open_as_often_as_they_are_named(tmp_path: Path) -> None:
    tensor = torch.arange(1000.0)
    (tmp_path / "w").write_bytes(saved({str(index): tensor.detach() for index in range(20)}))
    found = read_weights(tmp_path / "w").tensors
    assert len(found) == 20
    assert all(torch.equal(one, tensor) for one in found.values())


def test_a_later_protocol_of_pickles_is_refused_by_its_instructions(tmp_path: Path) -> None:
    text = refused(saved({"a": torch.zeros(1)}, protocol=4), tmp_path / "w")
    assert "other instructions than torch.save writes" in text
    assert "FRAME" in text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: torch.quantize_per_tensor(torch.ones(2, 4), 0.5, 0, torch.qint8), "torch.QInt8Storage"),
        (lambda: torch.zeros(2, 4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), "torch.float4_e2m1fn_x2"),
    ],
    ids=["quantized", "four-bits"],
)
def test_tensors_of_numbers_that_are_not_read_are_no_program(make: Any, named: str, tmp_path: Path) -> None:
    text = refused(saved({"w": make()}), tmp_path / "w")
    assert "has tensors of quantized or packed numbers" in text
    assert named in text
    assert "program" not in text


def test_what_was_walked_is_not_walked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved({"a": torch.zeros(2)})
    walks = look_into(content).walks
    monkeypatch.setattr("auditbench.models.opening.content.walk", None)
    assert read_layout(content, walks).places[""] == {
        "a": View(storage="0", dtype="float32", offset=0, size=(2,), stride=(1,)),
    }


def test_an_archive_without_checksums_says_how_to_save_it(tmp_path: Path) -> None:
    with torch_saving.patch({"save.compute_crc32": False}):
        torch.save({"w": torch.ones(3)}, tmp_path / "w")
    with pytest.raises(ModelError) as caught:
        read_weights(tmp_path / "w")
    assert "set_crc32_options(True)" in caught.value.describe()
