"""Every network that comes with the product as an exported program and as an ONNX graph: the same outputs for any rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from auditbench.config import ModelTable
from auditbench.data import FeatureSpec, ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.errors import ModelError
from auditbench.models import Architecture, ModelUnderTest
from auditbench.models.architectures import BUILT_IN
from auditbench.models.bundle import load_bundle, save_bundle
from auditbench.models.description import BundleDescription, OutputScaling, output_count
from auditbench.models.exporting.folders import difference, write_export
from auditbench.models.exporting.kinds import ExportKind
from auditbench.models.exporting.programs import exported_program, onnx_bytes
from auditbench.models.network import build_network, check_parameters
from auditbench.models.random_rows import packed, random_inputs

ARCHITECTURES = {item.name: item for item in BUILT_IN}
TABLE = TableInput(
    features=(
        FeatureSpec(name="age", kind="number", start=0, stop=1),
        FeatureSpec(name="sex", kind="category", categories=("F", "M"), start=1, stop=4),
    )
)
IMAGE = ImageInput(channels=1, height=8, width=8, mean=(0.1,), scale=(0.3,))
TEXT = TextInput(unit="words", vocabulary=tuple(f"word{index}" for index in range(12)), length=6)
SERIES = SeriesInput(channels=("x", "y"), steps=12, mean=(0.0, 0.0), scale=(1.0, 1.0))
SMALL = {"width": 8, "heads": 2, "layers": 1}
CLASSES: dict[str, tuple[str, ...]] = {
    "regression": (),
    "binary-classification": ("no", "yes"),
    "multiclass-classification": ("a", "b", "c"),
    "next-token": TEXT.vocabulary,
}
nightly = pytest.mark.nightly


def saved_bundle(
    folder: Path,
    architecture: str,
    inputs: Mapping[str, ModelInput],
    parameters: Mapping[str, Any] | None = None,
    task: Any = "binary-classification",
    architectures: Mapping[str, Architecture] = ARCHITECTURES,
) -> ModelUnderTest:
    """A bundle with random weights, and the model that it is."""
    item, classes = architectures[architecture], CLASSES[task]
    params = check_parameters(item, parameters or {}, where="parameters")
    network = build_network(item, params, inputs=inputs, outputs=output_count(task, classes), seed=1)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    description = BundleDescription(
        architecture=architecture,
        parameters={} if params is None else params.model_dump(mode="json"),
        task=task,
        classes=classes,
        target="y",
        output="value" if task == "regression" else "logit",
        scaling=OutputScaling(mean=3.0, scale=2.0) if task == "regression" else OutputScaling(),
        inputs=inputs,
    )
    save_bundle(folder, description, network.state_dict())
    return load_bundle(folder, ModelTable(task=task), "cpu", architectures)


def exports(
    model: ModelUnderTest, folder: Path, *kinds: ExportKind, tolerance: float = 1e-5, **options: Any
) -> dict[str, Any]:
    program = exported_program(model)
    return {
        kind: write_export(
            model,
            folder / "bundle",
            kind,
            folder / kind,
            program=lambda: program,
            tolerance=tolerance,
            architectures=ARCHITECTURES,
            **options,
        )
        for kind in kinds
    }


@pytest.mark.parametrize(
    ("architecture", "inputs", "parameters", "task"),
    [
        pytest.param("linear", {"features": TABLE}, {}, "regression", id="linear"),
        pytest.param("mlp", {"features": TABLE}, {"hidden": [5]}, "binary-classification", id="mlp"),
        pytest.param("cnn", {"image": IMAGE}, {}, "multiclass-classification", id="cnn"),
        pytest.param("cnn1d", {"series": SERIES}, {}, "multiclass-classification", id="cnn1d"),
        pytest.param("rnn", {"text": TEXT}, {"cell": "gru", "bidirectional": True}, "binary-classification", id="gru"),
        pytest.param("rnn", {"text": TEXT}, {"cell": "lstm"}, "binary-classification", id="lstm", marks=nightly),
        pytest.param("rnn", {"series": SERIES}, {"cell": "rnn"}, "regression", id="rnn", marks=nightly),
        pytest.param("encoder", {"text": TEXT}, SMALL, "binary-classification", id="encoder"),
        pytest.param("encoder", {"series": SERIES}, SMALL, "regression", id="encoder-of-series", marks=nightly),
        pytest.param("decoder", {"text": TEXT}, SMALL, "next-token", id="decoder"),
        pytest.param(
            "joined",
            {"image": IMAGE, "text": TEXT, "table": TABLE, "series": SERIES},
            {},
            "binary-classification",
            id="joined",
        ),
    ],
)
def test_exports_give_the_outputs_of_the_bundle(
    tmp_path: Path, architecture: str, inputs: dict[str, ModelInput], parameters: dict[str, Any], task: str
) -> None:
    model = saved_bundle(tmp_path / "bundle", architecture, inputs, parameters, task)
    made = exports(model, tmp_path, "pt2", "onnx")
    for export in made.values():
        assert export.on_random_rows.rows == 36
        assert export.on_random_rows.scaled <= 1e-5
        assert (tmp_path / export.kind / "model.json").read_bytes() == (tmp_path / "bundle/model.json").read_bytes()
    graph = onnx.load(tmp_path / "onnx/model.onnx").graph
    kinds = {item.name: item.type.tensor_type.elem_type for item in graph.input}
    text, number = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
    assert kinds == {name: text if isinstance(item, TextInput) else number for name, item in inputs.items()}
    assert not graph.input[0].type.tensor_type.shape.dim[0].HasField("dim_value")


def test_a_copy_holds_the_weights_and_the_description(tmp_path: Path) -> None:
    model = saved_bundle(tmp_path / "bundle", "linear", {"features": TABLE})
    (tmp_path / "bundle/training.json").write_text('{"seconds": 1.0}')
    export = write_export(
        model,
        tmp_path / "bundle",
        "safetensors",
        tmp_path / "copy",
        program=lambda: pytest.fail("a copy needs no program"),
        tolerance=0.0,
        architectures=ARCHITECTURES,
    )
    assert export.on_random_rows.largest == 0.0
    assert export.size == (tmp_path / "copy/model.safetensors").stat().st_size
    for file in (tmp_path / "bundle").iterdir():
        assert (tmp_path / "copy" / file.name).read_bytes() == file.read_bytes()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelUnderTest]:
    folder = tmp_path_factory.mktemp("exports")
    return folder, saved_bundle(folder / "bundle", "mlp", {"features": TABLE}, {"hidden": [5]})


def test_no_path_of_this_machine_is_in_a_graph(home: tuple[Path, ModelUnderTest]) -> None:
    content = onnx_bytes(exported_program(home[1]), home[1].inputs)
    assert b"site-packages" not in content
    assert b"/home" not in content
    assert str(Path(torch.__file__).parent).encode() not in content


def test_the_model_stays_as_it_was(home: tuple[Path, ModelUnderTest]) -> None:
    model = home[1]
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    fast = torch.backends.mha.get_fastpath_enabled()
    exported_program(model)
    assert torch.backends.mha.get_fastpath_enabled() is fast
    assert not model.module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.module.state_dict().items())


def test_an_export_that_differs_is_refused_and_nothing_is_written(
    home: tuple[Path, ModelUnderTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, model = home
    other = saved_bundle(folder / "other", "mlp", {"features": TABLE}, {"hidden": [5]}, "binary-classification")
    with torch.no_grad():
        next(iter(other.module.parameters())).add_(0.01)
    wrong = exported_program(other)
    with pytest.raises(ModelError, match="gives other outputs than the bundle") as refused:
        write_export(
            model,
            folder / "bundle",
            "pt2",
            folder / "differs",
            program=lambda: wrong,
            tolerance=1e-5,
            architectures=ARCHITECTURES,
        )
    assert refused.value.problems[0].where == "--to pt2"
    assert "1e-05" in refused.value.problems[0].allowed
    assert not (folder / "differs").exists()
    write_export(
        model,
        folder / "bundle",
        "pt2",
        folder / "differs",
        program=lambda: wrong,
        tolerance=1.0,
        architectures=ARCHITECTURES,
    )
    assert (folder / "differs/model.pt2").is_file()


def test_real_rows_are_compared_too(home: tuple[Path, ModelUnderTest]) -> None:
    folder, model = home
    rows = [packed(random_inputs(model.inputs, count, seed=9)) for count in (4, 3)]
    assert exports(model, folder, "pt2", rows=rows)["pt2"].on_data.rows == 7


def test_something_else_in_the_folder_stays(home: tuple[Path, ModelUnderTest], tmp_path: Path) -> None:
    (tmp_path / "pt2").mkdir()
    (tmp_path / "pt2/thesis.txt").write_text("mine")
    with pytest.raises(ModelError, match="something else than an export") as refused:
        exports(home[1], tmp_path, "pt2")
    assert refused.value.problems[0].found == "thesis.txt"
    assert [item.name for item in (tmp_path / "pt2").iterdir()] == ["thesis.txt"]


def test_a_trained_bundle_is_never_overwritten(home: tuple[Path, ModelUnderTest], tmp_path: Path) -> None:
    model = home[1]
    place = tmp_path / "safetensors"
    saved_bundle(place, "linear", {"features": TABLE})
    before = (place / "model.safetensors").read_bytes()
    with pytest.raises(ModelError, match="something else than an export"):
        written(model, home[0] / "bundle", "safetensors", place)
    assert (place / "model.safetensors").read_bytes() == before
    copy = tmp_path / "copy"
    written(model, home[0] / "bundle", "safetensors", copy)
    with pytest.raises(ModelError, match="something else than an export") as refused:
        written(model, copy, "safetensors", copy)
    assert refused.value.problems[0].found == "the bundle itself"
    with pytest.raises(ModelError, match="something else than an export") as refused:
        written(model, home[0] / "bundle", "pt2", copy)
    assert "'safetensors'" in refused.value.problems[0].found


def written(model: ModelUnderTest, bundle: Path, kind: ExportKind, folder: Path) -> None:
    program = exported_program(model)
    write_export(model, bundle, kind, folder, program=lambda: program, tolerance=1e-5, architectures=ARCHITECTURES)


def test_a_failed_write_keeps_the_earlier_export(
    home: tuple[Path, ModelUnderTest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, model = home
    written(model, folder / "bundle", "safetensors", tmp_path / "copy")
    (tmp_path / "copy/mine.txt").write_text("mine")
    before = {item.name: item.read_bytes() for item in (tmp_path / "copy").iterdir()}
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if target == tmp_path / "copy" and ".old." not in str(self):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", failing)
        with pytest.raises(ModelError, match="cannot be written"):
            written(model, folder / "bundle", "safetensors", tmp_path / "copy")
    assert {item.name: item.read_bytes() for item in (tmp_path / "copy").iterdir()} == before
    assert [item.name for item in tmp_path.iterdir()] == ["copy"]
    written(model, folder / "bundle", "safetensors", tmp_path / "copy")
    assert {item.name: item.read_bytes() for item in (tmp_path / "copy").iterdir()} == before


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.layer(encoded)
        return outputs if encoded.sum() > 0 else -outputs


def test_a_network_that_branches_on_its_rows_is_refused(tmp_path: Path) -> None:
    branching = Architecture(name="branching", summary="", build=lambda *_: Branching())
    model = saved_bundle(tmp_path / "bundle", "branching", {"features": TABLE}, architectures={"branching": branching})
    with pytest.raises(ModelError, match="cannot be written down as a program") as refused:
        exported_program(model)
    assert "depend on what is in the rows" in refused.value.problems[0].allowed


class Shifted(nn.Module):
    def __init__(self, network: nn.Module, shift: torch.Tensor) -> None:
        super().__init__()
        self.network, self.shift = network, shift

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        return self.network(encoded) + self.shift[: len(encoded)]


@pytest.mark.parametrize(
    ("shift", "largest"),
    [
        pytest.param([0.0, 0.25, -0.5], 0.5, id="largest-of-all"),
        pytest.param([0.0, float("nan"), 0.0], float("inf"), id="nan-is-infinitely-far"),
    ],
)
def test_difference_is_the_largest(home: tuple[Path, ModelUnderTest], shift: list[float], largest: float) -> None:
    model = home[1]
    rows = packed(random_inputs(model.inputs, 3, seed=3))
    found = difference(model, Shifted(model.module, torch.tensor(shift).unsqueeze(1)), [rows])
    size = max(1.0, float(model.module(rows).abs().max()))
    assert found.largest == pytest.approx(largest, rel=1e-5)
    assert found.scaled == pytest.approx(largest / size, rel=1e-5)


def test_small_values_are_scaled_up(home: tuple[Path, ModelUnderTest]) -> None:
    rows = torch.tensor([[0.0], [9e-6]])
    model = dataclasses.replace(home[1], module=nn.Identity(), facts=dataclasses.replace(home[1].facts, output="value"))
    zeros = dataclasses.replace(model, module=Zeros())
    assert difference(model, Zeros(), [rows]).scaled == 1.0
    assert difference(zeros, Zeros(), [rows]).scaled == 0.0
    assert difference(zeros, nn.Identity(), [rows]).scaled == math.inf
    assert difference(home[1], home[1].module, []).scaled == 0.0


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_outputs_that_are_not_finite_hide_no_difference(home: tuple[Path, ModelUnderTest], odd: float) -> None:
    model = dataclasses.replace(home[1], module=nn.Identity())
    rows = torch.tensor([[odd], [1.0]])
    assert difference(model, nn.Identity(), [rows]).scaled == 0.0
    found = difference(model, Shifted(nn.Identity(), torch.tensor([[0.0], [499.0]])), [rows])
    assert (found.largest, found.scaled) == (499.0, 499.0)
    assert difference(model, Zeros(), [rows]).scaled == math.inf


class Zeros(nn.Module):
    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(encoded)


def test_difference_of_equal_nan_is_none(home: tuple[Path, ModelUnderTest]) -> None:
    model = home[1]
    rows = torch.full((2, 4), torch.nan)
    assert difference(model, model.module, [rows]).largest == 0.0


def test_random_texts_end_in_padding() -> None:
    ids = random_inputs({"text": TEXT}, 200, seed=0)["text"]
    assert (ids.dtype, ids.shape) == (torch.int64, (200, TEXT.length))
    assert int(ids.max()) == TEXT.tokens - 1
    padded = ids == 0
    assert not padded[:, 0].any()
    assert torch.equal(padded, padded.cummax(1).values)
