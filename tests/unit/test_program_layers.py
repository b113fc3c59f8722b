"""Exported programs have layers and hooks again; scripted ones say why they have none. Values are those of the network."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from captum import attr
from torch import nn

from auditbench.config import DataTable, ModelTable
from auditbench.data import FeatureSpec, ImageInput, ModelInput, SeriesInput, TableInput, TextInput, open_source
from auditbench.errors import ModelError
from auditbench.models import ModelUnderTest
from auditbench.models.architectures import BUILT_IN
from auditbench.models.bundle import load_bundle, save_bundle
from auditbench.models.description import BundleDescription, output_count
from auditbench.models.exporting.programs import exported_program, pt2_bytes
from auditbench.models.formats import ModelRequest
from auditbench.models.loading import load_model
from auditbench.models.network import build_network, check_parameters
from auditbench.models.opening import sha256_of
from auditbench.models.random_rows import packed, random_inputs
from auditbench.models.unflattened import with_modules

ARCHITECTURES = {item.name: item for item in BUILT_IN}
TABLE = TableInput(
    features=tuple(FeatureSpec(name=name, kind="number", start=i, stop=i + 1) for i, name in enumerate("abc"))
)
IMAGE = ImageInput(channels=1, height=8, width=8, mean=(0.1,), scale=(0.3,))
TEXT = TextInput(unit="words", vocabulary=tuple(f"word{index}" for index in range(12)), length=6)
SERIES = SeriesInput(channels=("x", "y"), steps=12, mean=(0.0, 0.0), scale=(1.0, 1.0))
SMALL = {"width": 8, "heads": 2, "layers": 1}
DYNAMIC = ({0: torch.export.Dim.DYNAMIC},)


class Branching(nn.Module):
    """A network whose layers have names of their own, one of them used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.last(self.act(self.first(rows)) + self.first(-rows))
        return outputs


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 4), nn.GELU(), nn.Linear(4, 1))


def made(build: Any) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module: nn.Module = build().eval()
        return module


def rows(count: int = 7) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(count))


def content(module: nn.Module, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "exported":
        torch.export.save(torch.export.export(module, (rows(3),), dynamic_shapes=DYNAMIC), buffer)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # making scripts is; files that were scripted stay
            program = torch.jit.script(module) if kind == "scripted" else torch.jit.trace(module, rows(3))  # type: ignore[no-untyped-call]
            torch.jit.save(program, buffer)
    return buffer.getvalue()


def opened(folder: Path, program: bytes, kind: str) -> ModelUnderTest:
    (folder / "rows.csv").write_text("a,b,c,y\n1,2,3,no\n2,3,4,yes\n5,1,2,no\n")
    (folder / "program").write_bytes(program)
    keys = {"format": kind, "path": "program", "task": "binary-classification", "output": "logit"}
    table = ModelTable.model_validate({**keys, "trust": [sha256_of(program)]})
    source = open_source(DataTable(test="rows.csv", target="y", positive="yes"), folder, {})
    return load_model(
        ModelRequest(
            path=folder / "program", base=folder, table=table, source=source, device="cpu", architectures=ARCHITECTURES
        )
    )


@pytest.mark.parametrize(("build", "layer"), [(plain, "2"), (Branching, "act")])
def test_layers_of_an_exported_program_are_explained_as_those_of_the_network(
    build: Any, layer: str, tmp_path: Path
) -> None:
    module = made(build)
    model = opened(tmp_path, content(module, "exported"), "exported")
    assert model.facts.capabilities == ("gradients", "hooks", "layers", "black_box")
    assert model.facts.limits == ()
    own, other = module.get_submodule(layer), model.module.get_submodule(layer)
    for method in (attr.LayerActivation, attr.LayerIntegratedGradients, attr.LayerGradientXActivation):
        arguments: dict[str, Any] = {} if method is attr.LayerActivation else {"target": 0}
        expected = method(module, own).attribute(rows(), **arguments)
        found = method(model.module, other).attribute(rows(), **arguments)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in model.module.parameters())


def test_a_program_of_a_fixed_number_of_rows_is_refused_at_its_file_with_the_ways_on(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(made(plain), (rows(3),)), buffer)
    with pytest.raises(ModelError) as caught:
        opened(tmp_path, buffer.getvalue(), "exported")
    text = caught.value.describe()
    assert text.startswith(f"AB300 {tmp_path / 'program'}: the module takes only so many rows at a time")
    assert "torch.export.Dim.DYNAMIC" in text
    assert "model.architecture or model.factory" in text


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks", "ignore:Input Tensor 0 did not already require")
def test_deep_lift_knows_the_activations_of_an_exported_program(tmp_path: Path) -> None:
    module = made(lambda: nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1)))
    model = opened(tmp_path, content(module, "exported"), "exported")
    expected = attr.DeepLift(module).attribute(rows(), target=0)
    torch.testing.assert_close(attr.DeepLift(model.module).attribute(rows(), target=0), expected, rtol=0, atol=1e-6)
    outputs = module(rows()) - module(torch.zeros(1, 3))
    torch.testing.assert_close(expected.sum(dim=1, keepdim=True), outputs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["scripted", "traced"])
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_network_has_gradients_and_says_that_it_takes_no_hooks(kind: str, tmp_path: Path) -> None:
    module = made(plain)
    model = opened(tmp_path, content(module, kind), "torchscript")
    assert model.facts.capabilities == ("gradients", "black_box")
    assert [limit.key for limit in model.facts.limits] == ["core.model_torchscript_no_hooks"]
    found = attr.IntegratedGradients(model.module).attribute(rows(), target=0)
    expected, delta = attr.IntegratedGradients(module).attribute(rows(), target=0, return_convergence_delta=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert float(delta.abs().max()) < 1e-3
    with pytest.raises(RuntimeError, match="not supported on ScriptModules"):
        next(iter(model.module.children())).register_forward_hook(lambda *_: None)


@pytest.mark.parametrize("fault", ["raises", "other-outputs"])
def test_a_program_that_cannot_be_taken_apart_stays_flat_and_says_so(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unflatten = torch.export.unflatten

    def failing(_: Any) -> nn.Module:
        if fault == "raises":
            raise RuntimeError("two nodes of one name")
        return unflatten(torch.export.export(made(Branching), (rows(3),), dynamic_shapes=DYNAMIC))

    monkeypatch.setattr(torch.export, "unflatten", failing)
    module = made(plain)
    model = opened(tmp_path, content(module, "exported"), "exported")
    torch.testing.assert_close(model.module(rows()), module(rows()))
    assert model.facts.capabilities == ("gradients", "black_box")
    (limit,) = model.facts.limits
    assert limit.key == "core.model_program_flat"
    assert ("two nodes of one name" if fault == "raises" else "> 1e-06") in str(limit.values["reason"])


def test_a_program_of_a_fixed_number_of_rows_is_refused_as_such(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(made(plain), (rows(3),)), buffer)
    with pytest.raises(ModelError, match="only so many rows"):
        opened(tmp_path, buffer.getvalue(), "exported")


NETWORKS: dict[str, tuple[Mapping[str, ModelInput], Mapping[str, Any], Any]] = {
    "linear": ({"features": TABLE}, {}, "regression"),
    "cnn": ({"image": IMAGE}, {}, "multiclass-classification"),
    "cnn1d": ({"series": SERIES}, {}, "multiclass-classification"),
    "rnn": ({"text": TEXT}, {"cell": "gru"}, "binary-classification"),
    "encoder": ({"text": TEXT}, SMALL, "binary-classification"),
    "decoder": ({"text": TEXT}, SMALL, "next-token"),
    "joined": ({"image": IMAGE, "text": TEXT, "table": TABLE, "series": SERIES}, {}, "binary-classification"),
}
CLASSES = {"regression": (), "binary-classification": ("no", "yes"), "next-token": TEXT.vocabulary}


def layers_called(network: nn.Module) -> set[nn.Module]:
    """The modules with parameters of their own, as soon as each is called."""
    called: set[nn.Module] = set()
    for module in network.modules():
        if any(True for _ in module.parameters(recurse=False)):
            module.register_forward_pre_hook(lambda module, _: called.add(module))
    return called


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_the_product_comes_back_in_modules(name: str, tmp_path: Path) -> None:
    inputs, parameters, task = NETWORKS[name]
    classes = CLASSES.get(task, ("a", "b", "c"))
    item = ARCHITECTURES[name]
    params = check_parameters(item, parameters, where="parameters")
    network = build_network(item, params, inputs=inputs, outputs=output_count(task, classes), seed=1)
    description = BundleDescription(
        architecture=name, parameters=dict(parameters), task=task, classes=classes, target="y",
        output="value" if task == "regression" else "logit", inputs=inputs,
    )  # fmt: skip
    save_bundle(tmp_path / "bundle", description, network.state_dict())
    model = load_bundle(tmp_path / "bundle", ModelTable(task=task), "cpu", ARCHITECTURES)
    program = torch.export.load(io.BytesIO(pt2_bytes(exported_program(model))))  # noqa: TID251 - made above
    other_order = dict(reversed(list(model.inputs.items())))
    found, reason = with_modules(program.module(), lambda: torch.export.unflatten(program), other_order, "cpu")
    assert reason == ""
    given = random_inputs(model.inputs, 4, seed=0)
    own, other = layers_called(model.module), layers_called(found)
    outputs = found(given if len(inputs) > 1 else next(iter(given.values())))
    torch.testing.assert_close(outputs, model.module(packed(given)), rtol=1e-5, atol=1e-6)
    assert len(own) == len(other) > 0
    torch.testing.assert_close(copy.deepcopy(found)(given if len(inputs) > 1 else next(iter(given.values()))), outputs)


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_poolings_keep_their_sizes(ceil_mode: bool) -> None:
    network = made(
        lambda: nn.Sequential(
            nn.MaxPool2d(3, stride=2, ceil_mode=ceil_mode), nn.Flatten(), nn.Linear(16 if ceil_mode else 9, 1)
        )
    )
    program = torch.export.export(network, (torch.zeros(3, 1, 8, 8),), dynamic_shapes=DYNAMIC)
    nested, reason = with_modules(program.module(), lambda: torch.export.unflatten(program), {"image": IMAGE}, "cpu")
    assert reason == ""
    (pool,) = (module for module in nested.modules() if isinstance(module, nn.MaxPool2d))
    assert (pool.ceil_mode, pool.return_indices) == (ceil_mode, False)
