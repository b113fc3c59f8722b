"""A binary classifier with an output a class is the classifier of its positive class."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from auditbench.config import DataTable, ModelTable
from auditbench.data import open_source
from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import TableInput
from auditbench.errors import ModelError
from auditbench.models import ModelUnderTest
from auditbench.models.architectures import BUILT_IN
from auditbench.models.formats import ModelRequest
from auditbench.models.loading import load_model
from auditbench.models.wrapping import Interface, Origin, wrap_network
from auditbench.run import OutputScale, Task
from auditbench.worker.odd_outputs import with_doubt

WIDTH = 4
FEATURES = tuple(FeatureSpec(name=f"x{index}", kind="number", start=index, stop=index + 1) for index in range(WIDTH))


def interface(task: Task, output: OutputScale, declared: tuple[str, ...] = ()) -> Interface:
    classes = {"regression": (), "binary-classification": ("no", "yes")}.get(task, ("a", "b", "c"))
    return Interface(
        task=task, classes=classes, output=output, inputs={"features": TableInput(features=FEATURES)}, declared=declared
    )


def wrapped(network: nn.Module, task: Task, output: OutputScale, declared: tuple[str, ...] = ()) -> ModelUnderTest:
    return wrap_network(
        network.eval(),
        interface(task, output, declared),
        Origin(name="net", format="module", architecture="net", digest="0"),
        device="cpu",
        capabilities=("gradients",),
    )


@pytest.mark.parametrize("output", ["logit", "probability"])
def test_probabilities_are_those_of_the_two_outputs(output: OutputScale) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(WIDTH, 2), *([nn.Softmax(dim=1)] if output == "probability" else [])]
    network = nn.Sequential(*layers)
    model = wrapped(network, "binary-classification", output)
    rows = torch.randn(33, WIDTH, dtype=torch.float64).numpy()
    expected = network(torch.from_numpy(rows).float()).double()
    expected = expected if output == "probability" else expected.softmax(dim=1)
    outputs = model.predict({"features": rows})
    assert outputs.shape == (33, 1)
    assert model.facts.capabilities == ("gradients",)
    torch.testing.assert_close(torch.from_numpy(model.probabilities(outputs)), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("task", "width"), [("regression", 2), ("multiclass-classification", 2)])
def test_other_tasks_have_the_outputs_that_they_have(task: Task, width: int) -> None:
    output: OutputScale = "value" if task == "regression" else "logit"
    with pytest.raises(ModelError, match="another number of outputs"):
        wrapped(nn.Linear(WIDTH, width), task, output)


@pytest.mark.parametrize("output", ["logit", "probability"])
def test_the_declared_order_says_which_output_is_which(output: OutputScale) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(WIDTH, 2), *([nn.Softmax(dim=1)] if output == "probability" else []))
    rows = {"features": torch.randn(9, WIDTH, dtype=torch.float64).numpy()}
    usual = wrapped(network, "binary-classification", output)
    turned = wrapped(network, "binary-classification", output, declared=("yes", "no"))
    expected = usual.probabilities(usual.predict(rows))[:, ::-1]
    torch.testing.assert_close(
        torch.from_numpy(turned.probabilities(turned.predict(rows))), torch.from_numpy(expected.copy())
    )
    assert [dict(model.facts.limits[0].values) for model in (usual, turned)] == [
        {"first": "no", "second": "yes"},
        {"first": "yes", "second": "no"},
    ]


@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification"])
def test_shares_of_one_are_no_logits(task: Task) -> None:
    network = nn.Sequential(nn.Linear(WIDTH, 2 if task == "binary-classification" else 3), nn.Softmax(dim=1))
    with pytest.raises(ModelError, match="declared to give logits") as caught:
        wrapped(network, task, "logit")
    assert caught.value.problems[0].fix == 'set model.output = "probability"'


@pytest.mark.parametrize(("rows", "shift", "doubted"), [(60, 0.0, True), (60, -2.0, False), (40, 0.0, False)])
def test_logits_that_could_be_probabilities_are_told(rows: int, shift: float, doubted: bool) -> None:
    model = wrapped(nn.Linear(WIDTH, 1), "binary-classification", "logit")
    outputs = torch.rand(rows, 1, dtype=torch.float64).numpy() + shift
    assert [limit.key for limit in with_doubt(model, outputs).facts.limits] == (
        ["core.model_logits_bounded"] if doubted else []
    )


@pytest.mark.parametrize(("rows", "odd", "doubted"), [(60, 1.0, True), (60, 0.5, False), (40, 1.0, False)])
def test_probabilities_that_could_be_decisions_are_told(rows: int, odd: float, doubted: bool) -> None:
    model = wrapped(nn.Sequential(nn.Linear(WIDTH, 1), nn.Sigmoid()), "binary-classification", "probability")
    outputs = torch.tensor([[0.0], [1.0]], dtype=torch.float64).repeat(rows // 2, 1).numpy()
    outputs[3] = odd
    assert [limit.key for limit in with_doubt(model, outputs).facts.limits] == (
        ["core.model_probabilities_decided"] if doubted else []
    )


def weights_request(folder: Path, network: nn.Module, output: OutputScale) -> ModelRequest:
    """Weights of an `mlp` with four hidden units, for rows of two numbers."""
    (folder / "rows.csv").write_text("a,b,y\n1,2,no\n3,5,yes\n")
    torch.save(network.state_dict(), folder / "net.pt")
    parameters = {"hidden": [4]}
    task: Task = "binary-classification"
    return ModelRequest(
        path=folder / "net.pt",
        base=folder,
        table=ModelTable(format="state-dict", task=task, architecture="mlp", parameters=parameters, output=output),
        source=open_source(DataTable(test="rows.csv", target="y", positive="yes"), folder, {}),
        device="cpu",
        architectures={item.name: item for item in BUILT_IN},
    )


@pytest.mark.parametrize("output", ["logit", "probability"])
def test_weights_of_two_outputs_are_those_of_a_binary_classifier(output: OutputScale, tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
    model = load_model(weights_request(tmp_path, network, output))
    rows = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    given = network(rows).detach()
    expected = given[:, 1] - given[:, 0] if output == "logit" else given[:, 1]
    torch.testing.assert_close(model.module(rows)[:, 0], expected)


def test_weights_of_two_outputs_and_another_width_are_refused_for_the_width_alone(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ModelError) as caught:
        load_model(weights_request(tmp_path, network, "logit"))
    told = caught.value.describe()
    assert "3 columns, by the first weights that take them" in told
    assert "0.weight" in told
    assert "2.weight" not in told
