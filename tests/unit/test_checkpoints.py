"""Checkpoints of trainers: the weights in them are found by their names and shapes, and nothing else of them is touched."""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from auditbench.config import DataTable, ModelTable
from auditbench.data import open_source
from auditbench.errors import ModelError
from auditbench.models import ModelUnderTest
from auditbench.models.architectures import BUILT_IN
from auditbench.models.formats import ModelRequest
from auditbench.models.loading import load_model
from auditbench.models.opening import open_weights, scan
from auditbench.models.weights_choice import _candidates
from tests.model_files import saved

FILES = Path(__file__).parents[1] / "data" / "checkpoints"
KNOWN = json.loads((FILES / "outputs.json").read_text())
ROWS = torch.tensor(KNOWN["rows"])
MLP = {"architecture": "mlp", "parameters": {"hidden": [4]}}


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).eval()


STATE = network().state_dict()


def opened(path: Path, folder: Path, **keys: Any) -> ModelUnderTest:
    (folder / "rows.csv").write_text("a,b,c,y\n1,2,3,no\n2,3,4,yes\n5,1,2,no\n")
    table = ModelTable.model_validate(
        {"format": "state-dict", "path": str(path), "task": "binary-classification", "output": "logit", **MLP, **keys}
    )
    source = open_source(DataTable(test="rows.csv", target="y", positive="yes"), folder, {})
    return load_model(
        ModelRequest(
            path=path,
            base=folder,
            table=table,
            source=source,
            device="cpu",
            architectures={item.name: item for item in BUILT_IN},
        )
    )


def refused(path: Path, folder: Path, **keys: Any) -> str:
    with pytest.raises(ModelError) as caught:
        opened(path, folder, **keys)
    return caught.value.describe()


def limits(model: ModelUnderTest) -> list[tuple[str, Mapping[str, Any]]]:
    return [(item.key, item.values) for item in model.facts.limits]


@pytest.mark.parametrize(
    ("file", "weights_in", "outputs", "below"),
    [
        ("lightning.ckpt", "", "lightning", "state_dict.model"),
        ("lightning_loss.ckpt", "state_dict.model", "lightning_loss", "state_dict.model"),
        ("lightning_average.ckpt", "state_dict.model", "lightning_average:state_dict", "state_dict.model"),
        ("lightning_average.ckpt", "current_model_state.model", "lightning_average:current_model_state", None),
        ("timm.pth.tar", "state_dict", "timm:state_dict", "state_dict"),
        ("timm.pth.tar", "state_dict_ema", "timm:state_dict_ema", "state_dict_ema"),
        ("hydra.pt", "", "hydra", "model.module"),
    ],
)
def test_checkpoints_of_real_trainers_predict_as_their_networks(
    file: str, weights_in: str, outputs: str, below: str | None, tmp_path: Path
) -> None:
    model = opened(FILES / file, tmp_path, weights_in=weights_in)
    np.testing.assert_allclose(model.module(ROWS).numpy(), KNOWN["outputs"][outputs], atol=1e-6)
    ((key, values),) = limits(model)
    assert (key, values["below"]) == ("core.model_weights_chosen", below or weights_in)
    assert "epoch" in values["left"] or file == "hydra.pt"


def test_tensors_are_those_of_torch_bit_by_bit() -> None:
    for file in ("lightning.ckpt", "timm.pth.tar"):
        found = open_weights(FILES / file)
        expected = torch.load(FILES / file, weights_only=False)["state_dict"]  # noqa: TID251 - our own file
        tensors = found.tensors("state_dict", found.shapes["state_dict"])
        assert list(tensors) == list(expected)
        assert all(torch.equal(tensors[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("file", "named", "example"),
    [
        ("lightning_average.ckpt", "state_dict.model, current_model_state.model", "state_dict.model"),
        ("timm.pth.tar", "state_dict, state_dict_ema", "state_dict"),
    ],
)
def test_of_two_sets_of_weights_none_is_guessed(file: str, named: str, example: str, tmp_path: Path) -> None:
    text = refused(FILES / file, tmp_path)
    assert "several sets of weights that fit" in text
    assert f"found: {named}\n" in text
    assert f'model.weights_in = "{example}"' in text


def test_tensors_beside_the_network_are_told_and_left_only_when_asked(tmp_path: Path) -> None:
    text = refused(FILES / "lightning_loss.ckpt", tmp_path)
    assert "among other tensors" in text
    assert "beside them: loss.pos_weight" in text
    assert 'model.weights_in = "state_dict.model"' in text
    (told,) = opened(FILES / "lightning_loss.ckpt", tmp_path, weights_in="state_dict.model").facts.limits
    assert str(told.values["left"]).endswith("loss.pos_weight") or "..." in str(told.values["left"])


def test_weights_in_that_leads_nowhere_is_refused_with_what_there_is(tmp_path: Path) -> None:
    text = refused(FILES / "lightning.ckpt", tmp_path, weights_in="ema")
    assert "model.weights_in: lightning.ckpt has no tensors" in text
    assert "allowed: state_dict.model, state_dict\n" in text


def renamed(state: Mapping[str, Any], prefix: str) -> OrderedDict[str, Any]:
    return OrderedDict((prefix + name, value) for name, value in state.items())


CALLED: dict[str, tuple[Callable[[], Any], str]] = {
    "top": (lambda: STATE, ""),
    "model_state_dict": (lambda: {"model_state_dict": STATE, "optimizer_state_dict": {}, "epoch": 3}, "model_state_dict"),
    "model": (lambda: {"model": STATE, "opt": {"state": {0: {"step": torch.zeros(1)}}}}, "model"),
    "net": (lambda: {"net": STATE, "acc": 0.5}, "net"),
    "module": (lambda: {"module": STATE, "ds_config": {"a": [1]}}, "module"),
    "two-deep": (lambda: {"state": {"model": STATE}, "rng": [1]}, "state.model"),
    "data-parallel": (lambda: renamed(STATE, "module."), "module"),
    "compiled": (lambda: renamed(STATE, "_orig_mod."), ""),
    "data-parallel-compiled": (lambda: renamed(STATE, "module._orig_mod."), "module"),
    "compiled-data-parallel": (lambda: renamed(STATE, "_orig_mod.module."), "module"),
    "layers-compiled": (lambda: {name.replace(".", "._orig_mod."): value for name, value in STATE.items()}, ""),
    "average": (lambda: {**renamed(STATE, "module."), "n_averaged": torch.tensor(3)}, "module"),
    "other-network": (lambda: {"generator": STATE, "critic": nn.Linear(7, 1).state_dict()}, "generator"),
    "other-shapes": (lambda: {"net": STATE, "teacher": nn.Sequential(nn.Linear(3, 9), nn.ReLU(), nn.Linear(9, 1)).state_dict()}, "net"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CALLED)
def test_keys_and_beginnings_are_taken_off_where_the_rest_fits(kind: str, tmp_path: Path) -> None:
    make, below = CALLED[kind]
    (tmp_path / "w").write_bytes(saved(make()))
    model = opened(tmp_path / "w", tmp_path)
    assert torch.equal(model.module(ROWS), network()(ROWS))
    assert [values.get("below", "") for _, values in limits(model)] == ([below] if below else [])


def test_beginnings_are_taken_off_in_safetensors_too(tmp_path: Path) -> None:
    save_file(renamed(STATE, "module."), tmp_path / "w")
    model = opened(tmp_path / "w", tmp_path, format="safetensors")
    assert torch.equal(model.module(ROWS), network()(ROWS))
    assert limits(model) == [("core.model_weights_below", {"below": "module"})]


def test_the_digest_tells_the_chosen_weights(tmp_path: Path) -> None:
    one, other = (
        opened(FILES / "timm.pth.tar", tmp_path, weights_in=place).facts.digest
        for place in ("state_dict", "state_dict_ema")
    )
    assert one != other


def test_weights_that_do_not_fit_are_compared_with_the_nearest_set(tmp_path: Path) -> None:
    text = refused(FILES / "lightning.ckpt", tmp_path, parameters={"hidden": [5]})
    assert "the weights are not those of the architecture: 3 of 4 tensors" in text
    assert "0.weight shape (4, 3)" in text


def test_big_endian_numbers_are_turned(tmp_path: Path) -> None:
    content = saved(STATE)
    swapped = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(swapped, "w") as after:
        for name in before.namelist():
            data = before.read(name)
            if name.endswith("byteorder"):
                data = b"big"
            elif "/data/" in name:
                data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
            after.writestr(name, data)
    (tmp_path / "w").write_bytes(swapped.getvalue())
    found = open_weights(tmp_path / "w").tensors("", STATE)
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


class Writing:
    """Unpickled, it writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("where", ["hyper_parameters", "state", "inside-namespace"])
def test_a_hostile_part_of_a_checkpoint_is_refused_and_does_not_run(where: str, tmp_path: Path) -> None:
    acting = Writing(tmp_path / "ran")
    more: Any = {"hyper_parameters": {"a": acting}, "state": [acting], "inside-namespace": argparse.Namespace(a=acting)}
    (tmp_path / "w").write_bytes(saved({"state_dict": STATE, where: more[where]}))
    text = refused(tmp_path / "w", tmp_path)
    assert "is a program" in text
    assert "save model.state_dict() alone" in text or "do not open it" in text
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "w", weights_only=False)  # noqa: TID251 - the payload is live
    assert (tmp_path / "ran").exists()


def test_a_module_beside_the_weights_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(saved({"state_dict": STATE, "hyper_parameters": {"loss": nn.MSELoss()}}))
    assert "torch.nn.modules.loss.MSELoss" in refused(tmp_path / "w", tmp_path)


def test_scan_lets_checkpoints_of_trainers_pass() -> None:
    for path in FILES.glob("*.ckpt"):
        verdicts = {found.verdict for part in scan(path).parts for found in part.imports}
        assert verdicts == {"allowed"}


def test_keys_of_any_length_and_signs_are_told_shortened(tmp_path: Path) -> None:
    odd = "\x1b[31m" + "a" * 5000
    (tmp_path / "w").write_bytes(saved({"state_dict": STATE, odd: 1}))
    (told,) = opened(tmp_path / "w", tmp_path).facts.limits
    assert "\x1b" not in str(told.values["left"])
    assert len(str(told.values["left"])) < 300
    (tmp_path / "w").write_bytes(saved({odd: STATE, "b" * 5000: dict(STATE)}))
    text = refused(tmp_path / "w", tmp_path)
    assert "several sets of weights" in text
    assert "found: ⟨U+001B⟩" in text


def test_a_name_of_a_million_dots_is_looked_through_once(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(
        saved({"a." * 1_500_000 + "w": torch.zeros(1), **{f"net.{n}": t for n, t in STATE.items()}})
    )
    assert 'model.weights_in = "net"' in refused(tmp_path / "w", tmp_path)


@given(
    found=st.sets(st.lists(st.sampled_from(["a", "b", "w", "a-", "a0"]), min_size=1, max_size=4).map(".".join)),
    expected=st.sets(st.sampled_from(["w", "b.w", "a", "a.b"]), min_size=1),
)
def test_beginnings_are_those_of_every_name_of_the_network(found: set[str], expected: set[str]) -> None:
    shapes = dict.fromkeys(found, (1,))
    candidates = {one.prefix: set(one.names) for one in _candidates("", shapes, dict.fromkeys(expected, (1,)))}
    starts = {name[: -len(end) - 1] for name in found for end in expected if name.endswith(f".{end}")}
    assert candidates == {"": found} | {
        start: {name.removeprefix(f"{start}.") for name in found if name.startswith(f"{start}.")} for start in starts
    }


def test_keys_that_repeat_in_many_dicts_take_no_memory(tmp_path: Path) -> None:
    below = {f"a{index}": {"b": {}} for index in range(100)}
    (tmp_path / "w").write_bytes(saved({"A" * 1_000_000: below, "state_dict": STATE}))
    assert "dicts below keys that are too long" in refused(tmp_path / "w", tmp_path)
