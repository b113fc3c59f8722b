"""Weights and programs become the model that a bundle of the same weights is, or say everything that does not fit."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from auditbench.config import DataTable, ModelTable
from auditbench.data import build_evaluation, open_source
from auditbench.data.modalities import fit_inputs
from auditbench.errors import AuditbenchError, ModelError, UntrustedModelError
from auditbench.models import ModelUnderTest, load_bundle, save_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.models.description import BundleDescription
from auditbench.models.formats import FORMATS, ModelRequest
from auditbench.models.inspection import inspect_model
from auditbench.models.loading import load_model
from auditbench.worker.subject_opening import make_subject

ARCHITECTURES = {item.name: item for item in BUILT_IN}
ROWS = """age,city,bought
20,A,no
30,B,yes
,A,yes
50,C,no
61.5,,yes
"""
DATA = DataTable(test="rows.csv", target="bought", positive="yes")
WIDTH = 5  # age, and three cities with one column for missing or unseen
MLP = {"architecture": "mlp", "parameters": {"hidden": [4]}}
NAMED = {"factory": "net.py:build", "parameters": {"hidden": 4}}
FACTORY = """
from torch import nn
def build(hidden):
    return nn.Sequential(nn.Linear(5, hidden), nn.ReLU(), nn.Linear(hidden, 1))
"""


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(WIDTH, 4), nn.ReLU(), nn.Linear(4, 1)).eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "net.py").write_text(FACTORY)
    save_file(network().state_dict(), tmp_path / "weights")
    return tmp_path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def request(folder: Path, **keys: Any) -> ModelRequest:
    keys = {"format": "safetensors", "path": "weights", "output": "logit", "task": "binary-classification", **keys}
    table = ModelTable.model_validate(keys)
    source = open_source(DATA, folder, {})
    return ModelRequest(
        path=folder / table.path, base=folder, table=table, source=source, device="cpu", architectures=ARCHITECTURES
    )


def opened(folder: Path, **keys: Any) -> ModelUnderTest:
    return load_model(request(folder, **keys))


def refused(folder: Path, **keys: Any) -> str:
    with pytest.raises(AuditbenchError) as caught:
        opened(folder, **keys)
    return caught.value.describe()


def outputs(model: ModelUnderTest, folder: Path) -> np.ndarray[Any, Any]:
    source = open_source(DATA, folder, {})
    data = build_evaluation(source, model.inputs, task="binary-classification", classes=model.facts.classes, seed=0)
    (rows,) = data.batches(100)
    return model.predict(rows.inputs)


def save(path: Path, module: nn.Module, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # scripting is; files that were scripted stay
        if kind == "torchscript":
            torch.jit.script(module).save(str(path))
        elif kind == "exported":
            example = (torch.zeros(4, WIDTH),)
            program = torch.export.export(module, example, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
            torch.export.save(program, path)
        elif kind == "state-dict":
            torch.save(module.state_dict(), path)
        else:
            torch.save(module, path)


@pytest.mark.parametrize(
    ("kind", "keys", "capabilities"),
    [
        pytest.param("safetensors", MLP, ("gradients", "hooks", "layers", "black_box"), id="safetensors-architecture"),
        pytest.param("safetensors", NAMED, ("gradients", "hooks", "layers", "black_box"), id="safetensors-factory"),
        pytest.param("state-dict", MLP, ("gradients", "hooks", "layers", "black_box"), id="state-dict-architecture"),
        pytest.param("state-dict", NAMED, ("gradients", "hooks", "layers", "black_box"), id="state-dict-factory"),
        pytest.param("torchscript", {}, ("gradients", "black_box"), id="torchscript"),
        pytest.param("exported", {}, ("gradients", "hooks", "layers", "black_box"), id="exported"),
        pytest.param("pickle", {}, ("gradients", "hooks", "layers", "black_box"), id="pickle"),
    ],
)
def test_every_format_is_the_bundle_of_the_same_weights(
    kind: str, keys: Mapping[str, Any], capabilities: tuple[str, ...], folder: Path
) -> None:
    source = open_source(DATA, folder, {})
    description = BundleDescription(
        architecture="mlp", parameters={"hidden": [4]}, task="binary-classification", classes=("no", "yes"),
        target="bought", output="logit", inputs=fit_inputs(source),
    )  # fmt: skip
    save_bundle(folder / "model", description, network().state_dict())
    bundle = load_bundle(folder / "model", ModelTable(task="binary-classification"), "cpu", ARCHITECTURES)
    if kind != "safetensors":
        save(folder / "weights", network(), kind)
    files = ["net.py"] if "factory" in keys else ["weights"] if FORMATS[kind] == "program" else []
    trust = [sha256(folder / name) for name in files]
    model = opened(folder, format=kind, inputs="standardized", trust=trust, **keys)
    expected = outputs(bundle, folder)
    np.testing.assert_array_equal(outputs(model, folder), expected)
    np.testing.assert_array_equal(outputs(model, folder), expected)  # also when a program has warmed up
    assert model.facts.capabilities == capabilities
    assert (model.facts.format, model.facts.classes, model.facts.parameters) == (kind, ("no", "yes"), 29)
    assert [(item.name, item.sha256) for item in model.facts.programs] == list(zip(files, trust, strict=True))
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert model.target_names == ("yes",)
    assert model.facts.training is None


@pytest.mark.parametrize("inputs", [None, "raw", "standardized"])
def test_inputs_are_those_of_a_plain_encoding(inputs: str | None, folder: Path) -> None:
    ages = [20, 30, 40, 50, 61.5]  # the missing one is the median
    mean = sum(ages) / 5
    deviation = math.sqrt(sum((age - mean) ** 2 for age in ages) / 5)
    rows = []
    for age, city in zip(ages, [0, 1, 0, 2, 3], strict=True):
        number = (age - mean) / deviation if inputs == "standardized" else age
        rows.append([number, *(float(city == column) for column in range(4))])
    with torch.no_grad():
        expected = network()(torch.tensor(rows)).numpy()
    model = opened(folder, **MLP, inputs=inputs)
    np.testing.assert_allclose(outputs(model, folder), expected, rtol=1e-6)


def test_tensors_that_do_not_fit_are_one_problem_with_both_shapes(folder: Path) -> None:
    tensors = network().state_dict()
    tensors["extra"] = tensors.pop("0.bias")
    tensors["2.weight"] = torch.zeros(1, 7)
    tensors["2.bias"] = torch.zeros(1, dtype=torch.int64)
    save_file(tensors, folder / "weights")
    text = refused(folder, **MLP)
    assert f"{folder / 'weights'}: the weights are not those of the architecture: 4 of 5 tensors\n" in text
    assert (
        "found: 0.bias no such tensor; 2.bias shape (1,), torch.int64; "
        "2.weight shape (1, 7), torch.float32; extra shape (4,), torch.float32\n"
    ) in text
    assert (
        "allowed: 0.bias shape (4,), torch.float32; 2.bias shape (1,), torch.float32; "
        "2.weight shape (1, 4), torch.float32; extra no such tensor\n"
    ) in text
    assert 'for a network of your own model.factory = "file.py:function"' in text
    assert "rows of another width" not in text


def test_weights_of_another_width_name_the_columns_of_the_data(folder: Path) -> None:
    tensors = network().state_dict()
    tensors["0.weight"] = torch.zeros(4, 9)
    save_file(tensors, folder / "weights")
    text = refused(folder, **MLP)
    assert "the weights take rows of another width than the data have" in text
    assert "found: 5 columns in the data: age, city (3 categories, 1 for missing or unseen)" in text
    assert "allowed: 9 columns" in text
    assert "found: shape (4, 9), torch.float32\n  allowed: shape (4, 5), torch.float32" in text


def test_a_factory_of_another_width_names_both(folder: Path) -> None:
    (folder / "net.py").write_text(FACTORY.replace("Linear(5", "Linear(9"))
    tensors = network().state_dict()
    tensors["0.weight"] = torch.zeros(4, 9)
    save_file(tensors, folder / "weights")
    text = refused(folder, **NAMED, trust=[sha256(folder / "net.py")])
    assert "the module takes rows of another width than the data have" in text
    assert "found: 5 columns in the data: age, city (3 categories" in text
    assert "allowed: 9 columns, by its first linear layer" in text
    assert text.startswith(f"AB300 {folder / 'weights'}: ")


@pytest.mark.parametrize(
    ("dtype", "value", "fits"),
    [
        (torch.float16, 1.5, True),
        (torch.bfloat16, 1.5, True),
        (torch.float64, 1.5, True),
        (torch.float64, 1e300, False),
        (torch.float32, math.nan, False),
        (torch.float32, -math.inf, False),
    ],
)
def test_weights_of_another_precision_are_read_and_must_be_finite(
    dtype: torch.dtype, value: float, fits: bool, folder: Path
) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in network().state_dict().items()}
    tensors["2.bias"][0] = value
    save_file(tensors, folder / "weights")
    if not fits:
        assert f"{folder / 'weights'}: 2.bias: weights are not finite" in refused(folder, **MLP)
        return
    model = opened(folder, **MLP)
    assert {tensor.dtype for tensor in model.module.state_dict().values()} == {torch.float32}
    assert float(dict(model.module.named_parameters())["2.bias"][0]) == value


@pytest.mark.parametrize(
    ("content", "kind", "found", "fix"),
    [
        ("safetensors", "state-dict", "safetensors, by its content", 'set model.format = "safetensors"'),
        ("state-dict", "safetensors", "state-dict, by its content", 'set model.format = "state-dict"'),
        ("state-dict", "pickle", "state-dict, by its content", 'set model.format = "state-dict"'),
        ("torchscript", "exported", "torchscript, by its content", 'set model.format = "torchscript"'),
        ("pickle", "torchscript", "pickle, by its content", 'set model.format = "pickle"'),
    ],
)
def test_the_content_decides_what_a_file_is(content: str, kind: str, found: str, fix: str, folder: Path) -> None:
    if content != "safetensors":
        save(folder / "weights", network(), content)
    keys = MLP if FORMATS[kind] == "weights" else {}
    text = refused(folder, format=kind, trust=[sha256(folder / "weights")], **keys)
    inspection = inspect_model(request(folder, format=kind, **keys).table, folder)
    for said in (text, "\n".join(line for problem in inspection.refused for line in problem.lines())):
        assert f"found: {found}" in said
        assert f"fix: {fix}" in said
    assert not inspection.untrusted


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def build(hidden):\n    raise KeyError('lens cap')", ("the factory raised", "KeyError: 'lens cap'")),
        ("def build(hidden):\n    raise SystemExit(0)", ("the factory raised", "SystemExit: 0")),
        ("def build():\n    pass", ("the factory raised", "unexpected keyword argument 'hidden'")),
        ("def build(hidden):\n    return hidden", ("the factory gave no network", "found: int")),
        ("import torch\ndef make(hidden):\n    pass", ("has no function 'build'", "make")),
        ("def build(", ("cannot be run", "SyntaxError")),
    ],
)
def test_a_factory_that_gives_no_network_says_why(source: str, words: tuple[str, ...], folder: Path) -> None:
    (folder / "net.py").write_text(source)
    text = refused(folder, **NAMED, trust=[sha256(folder / "net.py")])
    assert all(word in text for word in words), text


def test_a_factory_runs_once_trusted_and_after_its_weights_were_read(folder: Path) -> None:
    marker = folder / "ran"
    (folder / "net.py").write_text(f"with open({str(marker)!r}, 'a') as file:\n    file.write('x')\n{FACTORY}")
    trusted = sha256(folder / "net.py")
    with pytest.raises(UntrustedModelError) as caught:
        opened(folder, **NAMED, trust=[sha256(folder / "weights")])
    assert f"--trust-model {trusted}" in caught.value.describe()
    (folder / "weights").write_bytes(b"nothing that can be read")
    refused(folder, **NAMED, trust=[trusted])
    assert not marker.exists()
    save_file(network().state_dict(), folder / "weights")
    opened(folder, **NAMED, trust=[trusted])
    assert marker.read_text() == "x"


def test_what_a_factory_draws_is_equal_every_time_and_leaves_torch_as_it_was(folder: Path) -> None:
    noisy = FACTORY.replace("return ", "network = ") + (
        "    network.register_buffer('noise', __import__('torch').rand(1), persistent=False)\n"
        "    network.register_forward_hook(lambda module, rows, given: given + module.noise)\n"
        "    return network\n"
    )
    (folder / "net.py").write_text(noisy)
    keys = {**NAMED, "trust": [sha256(folder / "net.py")]}
    before = torch.random.get_rng_state()
    first = outputs(opened(folder, **keys), folder)
    torch.testing.assert_close(torch.random.get_rng_state(), before)
    torch.rand(7)
    np.testing.assert_array_equal(outputs(opened(folder, **keys), folder), first)
    assert not np.array_equal(first, outputs(opened(folder, **MLP), folder))


def test_the_digest_follows_everything_that_decides_the_outputs(folder: Path) -> None:
    trust = [sha256(folder / "net.py")]
    digests = [
        opened(folder, **MLP).facts.digest,
        opened(folder, **MLP, inputs="standardized").facts.digest,
        opened(folder, **MLP, output="probability").facts.digest,
        opened(folder, architecture="mlp", parameters={"hidden": [4], "activation": "tanh"}).facts.digest,
        opened(folder, **NAMED, trust=trust).facts.digest,
    ]
    assert opened(folder, **MLP, trust=["0" * 64], name="other").facts.digest == digests[0]
    with (folder / "net.py").open("a") as file:
        file.write("# changed\n")
    digests.append(opened(folder, **NAMED, trust=[sha256(folder / "net.py")]).facts.digest)
    (folder / "rows.csv").write_text(ROWS.replace("C", "D"))
    digests.append(opened(folder, **MLP).facts.digest)
    tensors = network().state_dict()
    tensors["2.bias"] += 1
    save_file(tensors, folder / "weights")
    digests.append(opened(folder, **MLP).facts.digest)
    assert len(set(digests)) == len(digests)


class Cut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layer(rows.detach())


def test_gradients_are_declared_only_where_they_reach_the_input(folder: Path) -> None:
    save(folder / "weights", Cut().requires_grad_(False), "torchscript")
    model = opened(folder, format="torchscript", trust=[sha256(folder / "weights")])
    assert model.facts.capabilities == ("black_box",)


def test_a_program_for_a_fixed_number_of_rows_is_refused(folder: Path) -> None:
    program = torch.export.export(network(), (torch.zeros(2, WIDTH),))
    torch.export.save(program, folder / "weights")
    text = refused(folder, format="exported", trust=[sha256(folder / "weights")])
    assert "it took 2 rows, and not 1" in text
    assert "torch.export.Dim.DYNAMIC" in text


class Squeezed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layer(rows).squeeze()


def test_outputs_that_lose_their_rows_are_refused(folder: Path) -> None:
    save(folder / "weights", Squeezed(), "torchscript")
    text = refused(folder, format="torchscript", trust=[sha256(folder / "weights")])
    assert "outputs of another shape when there are more or fewer rows" in text
    assert "found: shape () for 1 rows" in text


def test_trusting_one_file_trusts_no_other(folder: Path) -> None:
    save(folder / "weights", network(), "torchscript")
    trusted = sha256(folder / "weights")
    opened(folder, format="torchscript", trust=[trusted])
    save(folder / "other", nn.Sequential(nn.Linear(WIDTH, 1)), "torchscript")
    with pytest.raises(UntrustedModelError) as caught:
        opened(folder, format="torchscript", path="other", trust=[trusted])
    text = caught.value.describe()
    assert f"sha256 {sha256(folder / 'other')}; what is trusted is not this file: {trusted}\n" in text
    table = request(folder, format="torchscript", path="other", trust=[trusted]).table
    (problem,) = inspect_model(table, folder).untrusted
    assert problem == caught.value.problems[0]


def test_an_inspection_names_what_will_run(folder: Path) -> None:
    save(folder / "weights", network(), "state-dict")
    table = request(folder, format="state-dict", **NAMED, trust=[sha256(folder / "net.py")]).table
    inspection = inspect_model(table, folder)
    assert [(item.name, item.kind) for item in inspection.programs] == [("net.py", "factory")]
    assert not inspection.refused
    assert not inspection.untrusted


def test_a_file_where_a_bundle_is_expected_names_its_format(folder: Path) -> None:
    table = ModelTable(path="weights", task="regression")
    (problem,) = inspect_model(table, folder).refused
    assert problem.fix == 'set model.format = "safetensors"'


def test_declared_probabilities_must_be_some(folder: Path) -> None:
    tensors = network().state_dict()
    tensors["2.bias"] += 5
    save_file(tensors, folder / "weights")
    model = opened(folder, **MLP, output="probability")
    source = open_source(DATA, folder, {})
    data = build_evaluation(source, model.inputs, task="binary-classification", classes=("no", "yes"), seed=0)
    with pytest.raises(ModelError, match="declared to give probabilities") as caught:
        make_subject(model, data, seed=0, cases=1, raw=False)
    assert "model.output" in caught.value.describe()
    scores = replace(model, facts=replace(model.facts, output="logit"))
    make_subject(scores, data, seed=0, cases=1, raw=False)
