"""`auditbench convert`: a bundle that is the same model, or a refusal that says what can be done; shown by the command line."""

from __future__ import annotations

import hashlib
import json
import pickle  # noqa: TID251 - writes, and never reads
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file  # noqa: TID251 - written by the test
from torch import nn

from auditbench.cli.boundary import guarded
from tests.in_process_worker import workers_in_this_process

CONFIG = """
[audit]
name = "small"
[model]
format = "{format}"
path = "{path}"
task = "{task}"
{keys}
[data]
test = "rows.csv"
split = "split"
target = "{target}"
types = {{ a = "number", b = "number", c = "number" }}
features = ["a", "b", "c"]
{positive}
[analyzers.performance]
replicates = 40
[report]
formats = []
cases = 2
"""
MLP = 'output = "logit"\narchitecture = "mlp"\nparameters = { hidden = [4] }'
BINARY = {"task": "binary-classification", "target": "y", "positive": 'positive = "yes"'}
THREE = {"task": "multiclass-classification", "target": "k", "positive": ""}
VALUE = {"task": "regression", "target": "v", "positive": ""}
CHECKPOINTS = Path(__file__).parents[1] / "data" / "checkpoints"


@dataclass(frozen=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str


class Backwards(nn.Module):
    """A perceptron whose last layer is the first one that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.first = nn.Linear(4, 1), nn.Linear(3, 4)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.last(torch.tanh(self.first(rows)))
        return outputs


class Residual(nn.Module):
    """Layers of the shapes of a perceptron, joined in another way."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.last(rows + torch.relu(self.first(rows)))
        return outputs


def made(*layers: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        modules = [layer() for layer in layers]
        return (modules[0] if len(modules) == 1 else nn.Sequential(*modules)).eval()


def mlp() -> nn.Module:
    return made(lambda: nn.Linear(3, 4), nn.ReLU, lambda: nn.Linear(4, 1))


def rows_of(folder: Path) -> tuple[np.ndarray[Any, Any], list[tuple[str, str, float]]]:
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(60, 3)).round(3)
    labels = []
    lines = ["a,b,c,y,k,v,split"]
    for index, (a, b, c) in enumerate(numbers):
        value = round(float(a - 2 * b + 0.5 * c + generator.normal() / 5), 3)
        label = ("yes" if value > 0 else "no", "low" if value < -1 else "mid" if value < 1 else "top", value)
        labels.append(label)
        lines.append(f"{a},{b},{c},{label[0]},{label[1]},{value},{'train' if index < 40 else 'test'}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    return numbers, labels


@pytest.fixture
def auditbench(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ended]]:
    def call(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        code = guarded([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ended(code=code, out=said.out, err=said.err)

    with workers_in_this_process():
        yield call


def configured(folder: Path, form: str, keys: str, kind: dict[str, str]) -> Path:
    path = folder / "model.bin"
    if form in ("torchscript", "exported", "pickle", "estimator"):
        keys += f'\ntrust = ["{hashlib.sha256(path.read_bytes()).hexdigest()}"]'
    (folder / "audit.toml").write_text(CONFIG.format(format=form, path=path.name, keys=keys, **kind))
    return folder / "audit.toml"


def saved(module: nn.Module, form: str, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # scripting is; files that were scripted stay
        if form == "torchscript":
            torch.jit.save(torch.jit.script(module), str(path))
        elif form == "exported":
            program = torch.export.export(module, (torch.zeros(4, 3),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
            torch.export.save(program, path)
        elif form == "pickle":
            torch.save(module, path)
        else:
            torch.save(module.state_dict(), path)


def same_before_and_after(config: Path, auditbench: Callable[..., Ended], *arguments: str) -> dict[str, Any]:
    """Convert, audit both, and give what model.json says; every metric is the same."""
    folder = config.parent
    assert (ended := auditbench("audit", config, "--out", folder / "before")).code == 0, ended.err
    converted = auditbench("convert", config, "--out", folder / "bundle", *arguments)
    assert converted.code == 0, converted.err
    lines = [line.strip() for line in converted.out.partition("next:")[2].splitlines()[1:]]
    text = config.read_text()
    head, _, tail = text.partition("[model]")
    config.write_text(head + "\n".join(lines) + "\n[data]" + tail.partition("[data]")[2])
    assert (ended := auditbench("audit", config, "--out", folder / "after")).code == 0, ended.err
    runs = [json.loads((folder / name / "run.json").read_text()) for name in ("before", "after")]
    before, after = (
        {(one["name"], str(one.get("where"))): one["value"] for result in run["results"] for one in result["metrics"]}
        for run in runs
    )
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert after[name] == (value if value is None else pytest.approx(value, rel=1e-4, abs=1e-5)), name
    assert runs[1]["model"]["format"] == "bundle"
    assert hashlib.sha256((folder / "bundle/model.safetensors").read_bytes()).hexdigest() in converted.out
    assert "on 108 random rows" in converted.out or "on 20 random rows" in converted.out
    assert "on 20 rows of the data" in converted.out
    description: dict[str, Any] = json.loads((folder / "bundle/model.json").read_text())
    assert description["training"] is None
    return description


def test_a_state_dict_becomes_the_bundle_of_its_tensors(tmp_path: Path, auditbench: Callable[..., Ended]) -> None:
    rows_of(tmp_path)
    module = mlp()
    saved(module, "state-dict", tmp_path / "model.bin")
    config = configured(tmp_path, "state-dict", MLP + '\ninputs = "standardized"\nthreshold = 0.4', BINARY)
    description = same_before_and_after(config, auditbench)
    assert (description["architecture"], description["parameters"]) == ("mlp", {"hidden": [4]})
    assert (description["classes"], description["output"], description["target"]) == (["no", "yes"], "logit", "y")
    assert "threshold = 0.4" in config.read_text()
    tensors = load_file(tmp_path / "bundle/model.safetensors")
    assert all(torch.equal(tensors[name], one) for name, one in module.state_dict().items())


def test_a_checkpoint_of_a_trainer_becomes_a_bundle(tmp_path: Path, auditbench: Callable[..., Ended]) -> None:
    rows_of(tmp_path)
    (tmp_path / "model.bin").write_bytes((CHECKPOINTS / "timm.pth.tar").read_bytes())
    config = configured(tmp_path, "state-dict", MLP + '\nweights_in = "state_dict_ema"', BINARY)
    same_before_and_after(config, auditbench)
    assert (tmp_path / "bundle/model.safetensors").is_file()


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str, dict[str, Any]]] = {
    "linear": (lambda: nn.Linear(3, 1), "linear", {}),
    "mlp": (mlp, "mlp", {"hidden": [4], "activation": "relu"}),
    "gelu": (
        lambda: made(lambda: nn.Linear(3, 4), nn.GELU, lambda: nn.Linear(4, 2), nn.GELU, lambda: nn.Linear(2, 1)),
        "mlp",
        {"hidden": [4, 2], "activation": "gelu"},
    ),
    "two-outputs": (lambda: made(lambda: nn.Linear(3, 4), nn.ReLU, lambda: nn.Linear(4, 2)), "mlp", {"hidden": [4], "activation": "relu"}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *((name, form) for name in ("linear", "mlp") for form in ("torchscript", "exported", "pickle")),
        *(("gelu", "exported"), ("two-outputs", "pickle")),
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_programs_that_are_a_network_of_the_product_become_bundles(
    name: str, form: str, tmp_path: Path, auditbench: Callable[..., Ended]
) -> None:
    rows_of(tmp_path)
    make, architecture, parameters = NETWORKS[name]
    saved(make(), form, tmp_path / "model.bin")
    config = configured(tmp_path, form, 'output = "logit"', BINARY)
    description = same_before_and_after(config, auditbench)
    assert (description["architecture"], description["parameters"]) == (architecture, parameters)


def test_probabilities_of_a_network_become_logits_of_the_same(tmp_path: Path, auditbench: Callable[..., Ended]) -> None:
    rows_of(tmp_path)
    saved(made(lambda: nn.Linear(3, 3), lambda: nn.Softmax(dim=1)), "pickle", tmp_path / "model.bin")
    config = configured(tmp_path, "pickle", 'output = "probability"', THREE)
    assert same_before_and_after(config, auditbench)["output"] == "logit"


def test_a_factory_whose_layers_stand_in_another_order_is_matched(
    tmp_path: Path, auditbench: Callable[..., Ended]
) -> None:
    rows_of(tmp_path)
    source = (
        "import torch\nfrom torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.last, self.first = nn.Linear(4, 1), nn.Linear(3, 4)\n    def forward(self, rows):\n"
        "        return self.last(torch.tanh(self.first(rows)))\ndef build():\n    return Net()\n"
    )
    (tmp_path / "net.py").write_text(source)
    saved(made(Backwards), "state-dict", tmp_path / "model.bin")
    sha256 = hashlib.sha256(source.encode()).hexdigest()
    config = configured(
        tmp_path, "state-dict", f'output = "value"\nfactory = "net.py:build"\ntrust = ["{sha256}"]', VALUE
    )
    assert same_before_and_after(config, auditbench)["parameters"] == {"hidden": [4], "activation": "tanh"}


def estimators() -> Iterator[tuple[str, Any, dict[str, str], str]]:
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    quick = {"hidden_layer_sizes": (4,), "max_iter": 3000, "tol": 1e-2, "random_state": 0}
    yield "linear", LinearRegression(), VALUE, "linear"
    yield "ridge", make_pipeline(StandardScaler(), Ridge()), VALUE, "linear"
    yield "logistic", make_pipeline(StandardScaler(), LogisticRegression()), BINARY, "linear"
    yield "logistic-of-three", LogisticRegression(), THREE, "linear"
    yield "perceptron", make_pipeline(StandardScaler(), MLPClassifier(**quick)), THREE, "mlp"
    yield "perceptron-of-values", MLPRegressor(**quick, activation="tanh"), VALUE, "mlp"


@pytest.mark.parametrize("name", [name for name, *_ in estimators()])
def test_estimators_that_are_a_network_become_bundles(
    name: str, tmp_path: Path, auditbench: Callable[..., Ended]
) -> None:
    numbers, labels = rows_of(tmp_path)
    ((estimator, kind, architecture),) = (rest for one, *rest in estimators() if one == name)
    column = {"y": 0, "k": 1, "v": 2}[kind["target"]]
    estimator.fit(numbers[:40], [label[column] for label in labels[:40]])
    (tmp_path / "model.bin").write_bytes(pickle.dumps(estimator))
    config = configured(tmp_path, "estimator", "", kind)
    assert same_before_and_after(config, auditbench)["architecture"] == architecture


@pytest.mark.parametrize("kind", ["linear", "perceptron"])
def test_columns_and_classes_in_another_order_than_those_of_the_data_are_put_in_order(
    kind: str, tmp_path: Path, auditbench: Callable[..., Ended]
) -> None:
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    numbers, labels = rows_of(tmp_path)
    table = tmp_path / "rows.csv"
    table.write_text(table.read_text().replace(",yes,", ",aye,"))
    frame = pd.DataFrame(numbers[:40] * [1.0, 10.0, 100.0], columns=["a", "b", "c"])[["c", "a", "b"]]
    perceptron = MLPClassifier((4,), max_iter=3000, tol=1e-2, random_state=0)
    estimator = make_pipeline(StandardScaler(), LogisticRegression() if kind == "linear" else perceptron)
    estimator.fit(frame, ["aye" if label[0] == "yes" else "no" for label in labels[:40]])
    assert list(estimator.classes_) == ["aye", "no"]
    (tmp_path / "model.bin").write_bytes(pickle.dumps(estimator))
    config = configured(tmp_path, "estimator", "", BINARY | {"positive": 'positive = "aye"'})
    assert same_before_and_after(config, auditbench)["classes"] == ["no", "aye"]


def test_an_estimator_that_is_no_network_is_refused(tmp_path: Path, auditbench: Callable[..., Ended]) -> None:
    from sklearn.tree import DecisionTreeClassifier

    numbers, labels = rows_of(tmp_path)
    (tmp_path / "model.bin").write_bytes(
        pickle.dumps(DecisionTreeClassifier().fit(numbers, [one[0] for one in labels]))
    )
    ended = auditbench("convert", configured(tmp_path, "estimator", "", BINARY), "--out", tmp_path / "bundle")
    assert ended.code == 2
    assert "no network that a bundle can hold" in ended.err
    assert "DecisionTreeClassifier" in ended.err
    assert "audit it as it is" in ended.err
    assert not (tmp_path / "bundle").exists()


def test_a_network_of_other_layers_is_refused(tmp_path: Path, auditbench: Callable[..., Ended]) -> None:
    rows_of(tmp_path)
    saved(made(Residual), "exported", tmp_path / "model.bin")
    config = configured(tmp_path, "exported", 'output = "logit"', BINARY)
    ended = auditbench("convert", config, "--out", tmp_path / "bundle")
    assert ended.code == 2
    assert "none of the product's architectures" in ended.err
    assert "(3, 3), (3,), (1, 3), (1,)" in ended.err
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_and_a_graph_are_refused_before_anything_is_opened(
    tmp_path: Path, auditbench: Callable[..., Ended]
) -> None:
    rows_of(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"")
    for form, keys, said in (
        ("bundle", "", "a bundle already"),
        ("onnx", 'output = "logit"', "cannot be written as a bundle"),
    ):
        ended = auditbench("convert", configured(tmp_path, form, keys, BINARY), "--out", tmp_path / "bundle")
        assert ended.code == 2
        assert said in ended.err


def test_what_stands_in_the_folder_is_replaced_only_when_asked(
    tmp_path: Path, auditbench: Callable[..., Ended]
) -> None:
    rows_of(tmp_path)
    saved(mlp(), "state-dict", tmp_path / "model.bin")
    config = configured(tmp_path, "state-dict", MLP, BINARY)
    assert auditbench("convert", config, "--out", tmp_path / "bundle").code == 0
    ended = auditbench("convert", config, "--out", tmp_path / "bundle")
    assert ended.code == 2
    assert "replace it: --replace" in ended.err
    assert auditbench("convert", config, "--out", tmp_path / "bundle", "--replace").code == 0
    (tmp_path / "bundle" / "notes.txt").write_text("mine")
    ended = auditbench("convert", config, "--out", tmp_path / "bundle", "--replace")
    assert ended.code == 2
    assert (tmp_path / "bundle" / "notes.txt").read_text() == "mine"


def test_a_tolerance_that_is_not_met_is_said(
    tmp_path: Path, auditbench: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import LinearRegression

    numbers, labels = rows_of(tmp_path)
    fitted = LinearRegression().fit(numbers, [label[2] for label in labels])
    (tmp_path / "model.bin").write_bytes(pickle.dumps(fitted))
    config = configured(tmp_path, "estimator", "", VALUE)
    ended = auditbench("convert", config, "--out", tmp_path / "bundle", "--tolerance", "0")  # float32 is not float64
    assert ended.code == 2
    assert "the bundle gives other outputs than the model" in ended.err
    assert not (tmp_path / "bundle").exists()
