"""Every network of the product: shapes, sizes, seeds, exports, checkpointing, and what it refuses."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import BaseModel
from torch import nn

from auditbench.config import ModelTable
from auditbench.config_file import load_config
from auditbench.data.encoding import make_encoder
from auditbench.data.inputs import ImageInput, ModelInput, modality_of
from auditbench.errors import ModelError
from auditbench.models import load_bundle, save_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.models.description import BundleDescription
from auditbench.models.network import build_network, check_parameters, expected_tensors
from auditbench.registry import Registry
from auditbench.worker.checking import check_part
from auditbench_resources.compute import multiply_accumulates
from tests.small_networks import (
    ARCHITECTURES,
    IMAGE,
    MIXED,
    NETWORKS,
    OUTPUTS,
    SERIES,
    TABLE,
    TEXT,
    TRANSFORMER,
    built,
    encoded,
    made,
)

CASES = sorted(NETWORKS)
BY_MODALITY: dict[str, Mapping[str, ModelInput]] = {
    modality_of(inputs): inputs for inputs in ({"f": TABLE}, {"i": IMAGE}, {"t": TEXT}, {"s": SERIES}, MIXED)
}


def sizes(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def test_every_architecture_has_a_case_for_each_modality_that_it_takes() -> None:
    tried = {(name, modality_of(inputs)) for name, _, inputs in NETWORKS.values()}
    plain = {("linear", "tabular"), ("mlp", "tabular"), ("linear", "series"), ("mlp", "image")}
    assert tried | plain == {(item.name, modality) for item in BUILT_IN for modality in item.modalities}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rows", [1, 5])
def test_outputs_are_finite_and_one_row_does_not_see_another(name: str, rows: int) -> None:
    network, inputs = made(name), NETWORKS[name][2]
    batch = encoded(inputs, rows)
    outputs = network(batch)
    assert outputs.shape == (rows, OUTPUTS)
    assert outputs.isfinite().all()
    alone = torch.cat([network(row) for row in batch.split(1)])
    torch.testing.assert_close(alone, outputs, rtol=1e-5, atol=1e-6)
    if rows > 1 and name != "linear-image":  # a linear network starts at zero
        assert outputs[1:].std(0).min() > 0


@pytest.mark.parametrize("name", CASES)
def test_evaluation_is_equal_each_time_and_with_and_without_gradients(name: str) -> None:
    network, batch = made(name), encoded(NETWORKS[name][2], 4)
    first = network(batch).detach()
    assert torch.equal(network(batch), first)
    frozen = copy.deepcopy(network).requires_grad_(False)
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            torch.testing.assert_close(frozen(batch), first, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_weights_follow_the_seed_and_torch_is_left_as_found(name: str) -> None:
    before = torch.random.get_rng_state()
    first, second, third = (made(name, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert name == "linear-image" or any(not torch.equal(first[key], third[key]) for key in first)


@pytest.mark.parametrize("name", CASES)
def test_state_is_known_without_memory(name: str) -> None:
    architecture, parameters, inputs = NETWORKS[name]
    record = ARCHITECTURES[architecture]
    params = check_parameters(record, parameters, where="parameters")
    expected = expected_tensors(record, params, inputs=inputs, outputs=OUTPUTS)
    found = build_network(record, params, inputs=inputs, outputs=OUTPUTS).state_dict()
    assert all(tensor.is_meta for tensor in expected.values())
    assert {key: tensor.shape for key, tensor in expected.items()} == {key: found[key].shape for key in found}
    assert {key: tensor.dtype for key, tensor in expected.items()} == {key: found[key].dtype for key in found}


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(("linear", "mlp"))])
def test_names_of_weights_do_not_depend_on_dropout(name: str) -> None:
    assert list(made(name, dropout=0.0).state_dict()) == list(made(name, dropout=0.4).state_dict())
    batch = encoded(NETWORKS[name][2], 6)
    assert not torch.equal(made(name, dropout=0.4).train()(batch), made(name, dropout=0.4).train()(batch))


# What torch says of the weights of its recurrent layers, which are parameters all the same.
@pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_an_export_takes_any_number_of_rows(name: str) -> None:
    network, inputs = made(name), NETWORKS[name][2]
    program = torch.export.export(
        network, (encoded(inputs, 3),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
    ).module()
    for rows in (1, 2, 6):
        batch = encoded(inputs, rows, seed=rows)
        torch.testing.assert_close(program(batch), network(batch), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in CASES if hasattr(made(name), "set_checkpointing")])
def test_checkpointing_changes_neither_gradients_nor_statistics(name: str) -> None:
    keys = {"dropout": 0.3} if name != "joined" else {"dropout": 0.3, "batch_norm": True}
    batch = encoded(NETWORKS[name][2], 5)

    def trained(*, on: bool) -> tuple[nn.Module, int]:
        network = made(name, **keys).train()
        network.set_checkpointing(on)  # type: ignore[operator]
        kept: list[int] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t.numel()), t)[1], lambda t: t):
                outputs = network(batch)
            outputs.square().sum().backward()
        return network, sum(kept)

    (plain, kept), (saving, kept_saving) = trained(on=False), trained(on=True)
    assert kept_saving < kept
    for (key, one), other in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert one.grad is not None, key
        assert other.grad is not None, key
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-6, atol=1e-7, msg=key)
    for one, other in zip(plain.buffers(), saving.buffers(), strict=True):
        assert torch.equal(one, other)
    saving.set_checkpointing(False)  # type: ignore[operator]
    assert not any(getattr(module, "checkpointed", False) for module in saving.modules())


def lstm_size(taken: int, hidden: int, gates: int = 4) -> int:
    return gates * hidden * (taken + hidden + 2)


def layer_size(width: int, feedforward: int) -> int:
    attention = 4 * width * width + 4 * width
    return attention + 2 * width * feedforward + feedforward + width + 4 * width


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cnn", 2 * 9 * 4 + 4 + 4 * 9 * 6 + 6 + (6 * 2 * 2) * 5 + 5 + 5 * 8 + 8),
        ("cnn-average-norm", 2 * 9 * 4 + 2 * 4 + 4 * 8 + 8),
        ("cnn1d", 3 * 3 * 4 + 2 * 4 + 4 * 3 * 5 + 2 * 5 + 5 * 6 + 6 + 6 * 8 + 8),
        ("rnn", 10 * 4 + lstm_size(4, 5, 1) + 5 * 8 + 8),
        ("lstm", 10 * 4 + lstm_size(4, 5) + 5 * 8 + 8),
        ("gru-both-ways", 10 * 4 + 2 * lstm_size(4, 5, 3) + 2 * lstm_size(10, 5, 3) + 10 * 8 + 8),
        ("lstm-series", 2 * lstm_size(3, 5) + 2 * lstm_size(10, 5) + 10 * 8 + 8),
        ("encoder-mean", 10 * 8 + 7 * 8 + 2 * layer_size(8, 12) + 2 * 8 + 8 * 8 + 8),
        ("encoder-first", 8 + 10 * 8 + 8 * 8 + 2 * layer_size(8, 12) + 2 * 8 + 8 * 8 + 8),
        ("encoder-series", 3 * 4 * 8 + 8 + 4 * 8 + 2 * layer_size(8, 12) + 2 * 8 + 8 * 8 + 8),
        ("decoder", 10 * 8 + 7 * 8 + 2 * layer_size(8, 12) + 2 * 8 + 8 * 8 + 8),
        ("decoder-tied", 10 * 8 + 7 * 8 + 2 * layer_size(8, 12) + 2 * 8),
        (
            "joined",
            (3 * 4 + 4)
            + (2 * 9 * 3 + 3 + 3 * 9 * 4 + 4)
            + 10 * 6
            + (3 * 3 * 5 + 5)
            + ((4 + 4 + 6 + 5) * 7 + 7)
            + (7 * 8 + 8),
        ),
    ],
)
def test_number_of_parameters_is_the_closed_form(name: str, expected: int) -> None:
    assert sizes(made(name)) == expected


def layer_products(steps: int, width: int, feedforward: int) -> int:
    return steps * 4 * width * width + 2 * steps * steps * width + 2 * steps * width * feedforward


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cnn", 9 * 11 * 2 * 9 * 4 + 4 * 5 * 4 * 9 * 6 + 24 * 5 + 5 * 8),
        ("cnn-average-norm", 9 * 11 * 2 * 9 * 4 + 4 * 8),
        ("cnn1d", 13 * 3 * 3 * 4 + 13 * 4 * 3 * 5 + 5 * 6 + 6 * 8),
        ("rnn", 7 * 5 * (4 + 5) + 5 * 8),
        ("lstm", 7 * 4 * 5 * (4 + 5) + 5 * 8),
        ("gru-both-ways", 2 * 7 * 3 * 5 * (4 + 5) + 2 * 7 * 3 * 5 * (10 + 5) + 10 * 8),
        ("lstm-series", 2 * 13 * 4 * 5 * (3 + 5) + 2 * 13 * 4 * 5 * (10 + 5) + 10 * 8),
        ("encoder-mean", 2 * layer_products(7, 8, 12) + 8 * 8),
        ("encoder-first", 2 * layer_products(8, 8, 12) + 8 * 8),
        ("encoder-series", 4 * 12 * 8 + 2 * layer_products(4, 8, 12) + 8 * 8),
        ("decoder", 2 * layer_products(7, 8, 12) + 8 * 8),
        ("decoder-tied", 2 * layer_products(7, 8, 12) + 8 * 8),
        (
            "joined",
            3 * 4 + (9 * 11 * 2 * 9 * 3 + 4 * 5 * 3 * 9 * 4) + 13 * 3 * 3 * 5 + (4 + 4 + 6 + 5) * 7 + 7 * 8,
        ),
    ],
)
def test_multiply_accumulates_are_the_closed_form(name: str, expected: int) -> None:
    network, inputs = made(name), NETWORKS[name][2]
    assert multiply_accumulates(network, encoded(inputs, 1)).total == expected
    assert multiply_accumulates(network, encoded(inputs, 3)).total == 3 * expected


@pytest.mark.parametrize("architecture", [pytest.param(item, id=item.name) for item in BUILT_IN])
def test_other_modalities_are_refused_by_name(architecture: Any) -> None:
    params = None if architecture.Params is None else architecture.Params()
    for modality, inputs in BY_MODALITY.items():
        if modality in architecture.modalities:
            build_network(architecture, params, inputs=inputs, outputs=2)
            continue
        for refuse in (build_network, expected_tensors):
            with pytest.raises(ModelError) as caught:
                refuse(architecture, params, inputs=inputs, outputs=2)
            (problem,) = caught.value.problems
            assert repr(architecture.name) in problem.message
            assert all(f"{name} ({item.modality})" in problem.found for name, item in inputs.items())
            kinds = {
                "tabular": "a table",
                "image": "images",
                "text": "texts",
                "series": "series",
                "mixed": "several inputs",
            }
            assert problem.allowed == ", ".join(kinds[item] for item in architecture.modalities)
            fitting = [item.name for item in BUILT_IN if modality in item.modalities]
            assert fitting
            assert all(repr(name) in problem.fix for name in fitting)


@pytest.mark.parametrize(
    ("name", "inputs", "parameters", "said"),
    [
        ("cnn", {"i": IMAGE}, {"channels": [2, 2, 2, 2]}, "4 blocks for images of 9 x 11 pixels\n  allowed: at most 3"),
        (
            "joined",
            MIXED,
            {"image_channels": [2, 2, 2, 2]},
            "4 blocks for images of 9 x 11 pixels\n  allowed: at most 3",
        ),
        ("cnn", {"i": IMAGE}, {"channels": []}, "parameters.channels"),
        ("cnn", {"i": IMAGE}, {"chanels": [2]}, "did you mean 'channels'?"),
        ("cnn1d", {"s": SERIES}, {"kernel": 4}, "expected an odd number"),
        ("rnn", {"t": TEXT}, {"cell": "transformer"}, "parameters.cell"),
        ("encoder", {"t": TEXT}, {"width": 30}, "expected `width` to be a multiple of `heads`, got 30 and 4"),
        ("decoder", {"t": TEXT}, {"tied": True}, "tied = true with 2 outputs"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    name: str, inputs: Mapping[str, ModelInput], parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelError) as caught:
        built(name, inputs, outputs=2, **parameters)
    assert said in caught.value.describe()


@pytest.mark.parametrize("record", [pytest.param(item.Params, id=item.name) for item in BUILT_IN if item.Params])
def test_parameters_are_strict_described_and_bounded(record: type[BaseModel]) -> None:
    assert record.model_config["strict"]
    assert record.model_config["frozen"]
    assert record.model_config["extra"] == "forbid"
    for name, entry in record.model_json_schema()["properties"].items():
        assert entry.get("description", "").endswith("."), name
        numbers = entry["items"] if entry["type"] == "array" else entry
        if numbers["type"] in ("integer", "number"):
            assert "minimum" in numbers, name
            assert {"maximum", "exclusiveMaximum"} & set(numbers), name
        if entry["type"] == "array":
            assert "maxItems" in entry, name
    assert record.model_validate(record().model_dump(mode="json")) == record()


DIGITS = ImageInput(channels=1, height=28, width=28, mean=(0.1307,), scale=(0.3081,))
# Names of a network of the same layers as two plain sequences, and their shapes.
PUBLIC = {
    "conv_layers.0.weight": (32, 1, 3, 3),
    "conv_layers.0.bias": (32,),
    "conv_layers.3.weight": (64, 32, 3, 3),
    "conv_layers.3.bias": (64,),
    "conv_layers.6.weight": (128, 64, 3, 3),
    "conv_layers.6.bias": (128,),
    "fc_layers.0.weight": (256, 1152),
    "fc_layers.0.bias": (256,),
    "fc_layers.2.weight": (10, 256),
    "fc_layers.2.bias": (10,),
}
OURS = {
    "conv_layers.0": "blocks.0.convolution",
    "conv_layers.3": "blocks.1.convolution",
    "conv_layers.6": "blocks.2.convolution",
    "fc_layers.0": "head.1",
    "fc_layers.2": "head.4",
}


def test_weights_of_two_plain_sequences_fit_when_they_are_renamed() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=generator) * 0.05 for name, shape in PUBLIC.items()}

    def block(taken: int, given: int) -> list[nn.Module]:
        return [nn.Conv2d(taken, given, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]

    plain = nn.ModuleDict(
        {
            "conv_layers": nn.Sequential(*block(1, 32), *block(32, 64), *block(64, 128)),
            "fc_layers": nn.Sequential(nn.Linear(1152, 256), nn.ReLU(), nn.Linear(256, 10)),
        }
    )
    plain.load_state_dict(weights)
    network = built("cnn", {"image": DIGITS}, 10, channels=[32, 64, 128], hidden=[256])
    renamed = {OURS[name.rpartition(".")[0]] + "." + name.rpartition(".")[2]: weights[name] for name in weights}
    network.load_state_dict(renamed)
    assert sizes(network) == 390_410
    batch = encoded({"image": DIGITS}, 2)
    expected = plain["fc_layers"](plain["conv_layers"](batch).flatten(1))
    torch.testing.assert_close(network(batch), expected)


def test_a_network_of_several_inputs_comes_back_from_its_bundle(tmp_path: Path) -> None:
    _, parameters, inputs = NETWORKS["joined"]
    classes = tuple("abcdefgh")
    description = BundleDescription(
        architecture="joined",
        parameters=parameters,
        task="multiclass-classification",
        classes=classes,
        target="label",
        output="logit",
        inputs=inputs,
    )
    packed = made("joined")
    save_bundle(tmp_path / "model", description, packed.get_submodule("network").state_dict())
    table = ModelTable(task="multiclass-classification", name="several")
    model = load_bundle(tmp_path / "model", table, "cpu", ARCHITECTURES)
    batch = encoded(inputs, 3)
    ordered = dict(zip(inputs, torch.split(batch, [3, 2 * 9 * 11, 7, 3 * 13], dim=1), strict=True))
    again = torch.cat([ordered[name] for name in model.inputs], dim=1)
    torch.testing.assert_close(model.module(again), packed(batch))


def test_packed_rows_are_what_the_encoder_packs() -> None:
    rows = encoded(MIXED, 2)
    parts = torch.split(rows, [3, 2 * 9 * 11, 7, 3 * 13], dim=1)
    raw = {
        "type": parts[0].double(),
        "photo.front": parts[1].reshape(2, 2, 9, 11) * 255,
        "note": parts[2].long(),
        "pulse": parts[3].reshape(2, 3, 13).double(),
    }
    torch.testing.assert_close(make_encoder(MIXED)(raw), rows)
    network = made("joined")
    by_name = {name: raw[name].float() for name in ("type", "pulse")}
    expected = network.get_submodule("network")(
        {**by_name, "photo.front": parts[1].reshape(2, 2, 9, 11), "note": raw["note"]}
    )
    torch.testing.assert_close(network(rows), expected)


def test_transformers_start_small() -> None:
    network = built("encoder", {"t": TEXT}, **{**TRANSFORMER, "width": 64, "feedforward": 256, "layers": 8})
    deviation = {
        name: tensor.std().item()
        for name, tensor in network.state_dict().items()
        if tensor.ndim == 2 and "norm" not in name
    }
    for name, found in deviation.items():
        ends_a_branch = name.endswith(("out_proj.weight", "linear2.weight"))
        assert found == pytest.approx(0.02 / 4 if ends_a_branch else 0.02, rel=0.2), name


def test_check_names_an_architecture_of_another_modality(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label,part\n" + "a b,x,train\nc,y,test\n" * 4)
    (tmp_path / "audit.toml").write_text(
        '[audit]\nname = "a"\n[model]\ntask = "binary-classification"\n[train]\narchitecture = "cnn"\n'
        '[data]\ntest = "rows.csv"\nsplit = "part"\ntarget = "label"\npositive = "x"\n'
        '[data.inputs.text]\nmodality = "text"\n[analyzers.performance]\n'
    )
    config = load_config(tmp_path / "audit.toml").config
    part = check_part(config, Registry(), analyzers=[], formats=[], foundation=tmp_path)
    (problem,) = part.problems
    assert problem.where == "train.architecture"
    assert problem.message == "the architecture 'cnn' does not take texts"
    assert "'rnn'" in problem.fix
