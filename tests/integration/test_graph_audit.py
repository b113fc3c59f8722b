"""Audits of ONNX files of other tools: what is computed by torch, what stays a black box, and what the report says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from auditbench.cli.boundary import guarded
from auditbench.models import operators
from tests.exported_graphs import EXPORTERS, Exporter, export
from tests.in_process_worker import workers_in_this_process
from tests.integration.small_audit import write_rows

CONFIG = """
[audit]
name = "graph"
[model]
path = "net.onnx"
format = "onnx"
task = "binary-classification"
output = "logit"
[data]
test = "rows.csv"
split = "split"
target = "bought"
positive = "yes"
sensitive = ["sex"]
[analyzers.performance]
replicates = 40
[report]
formats = ["html"]
cases = 2
"""
EXPLAINERS = """
[analyzers.fairness]
[analyzers.captum]
[analyzers.shap]
rows = 3
background = 4
budget = 60
[analyzers.lime]
rows = 2
num_samples = 40
"""
WIDTH = 5  # age, hours, and sex as F, M, and missing or unseen


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Audit the net.onnx in the folder, and give the record."""

    def call(tail: str = "") -> Any:
        write_rows(tmp_path)
        (tmp_path / "audit.toml").write_text(CONFIG + tail)
        assert guarded(["audit", str(tmp_path / "audit.toml"), "--out", str(tmp_path / "run")]) == 0
        return json.loads((tmp_path / "run" / "run.json").read_text())

    with workers_in_this_process():
        yield call


def network() -> nn.Module:
    torch.manual_seed(3)
    found = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, 4), nn.ReLU(), nn.Linear(4, 1))
    found(torch.tensor([[40.0, 25, 0, 1, 0], [20, 45, 1, 0, 0], [60, 11, 0, 1, 0]]))
    return found.eval()


def page(folder: Path) -> str:
    return re.sub("</?bdi>", "", (folder / "run" / "report.html").read_text())


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_an_exported_network_is_explained_by_its_gradients(
    tmp_path: Path, audited: Callable[[str], Any], exporter: Exporter
) -> None:
    export(network(), torch.zeros(3, WIDTH), tmp_path / "net.onnx", exporter)
    run = audited(EXPLAINERS)
    assert {item["analyzer"]: item["status"] for item in run["results"]} == dict.fromkeys(
        ("performance", "fairness", "captum", "shap", "lime"), "ok"
    )
    model = run["model"]
    assert model["capabilities"] == ["gradients", "hooks", "layers", "black_box"]
    assert (model["limits"], model["parameters"], run["warnings"]) == ([], None, [])


def test_a_missing_operation_is_told_in_the_record_and_on_the_page(
    tmp_path: Path, audited: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Gelu", ["x"], ["g"], domain="com.microsoft"),
            helper.make_node("ReduceSum", ["g", "axes"], ["y"]),
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
        initializer=[onnx.numpy_helper.from_array(np.array([1]), "axes")],
    )
    domains = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    (tmp_path / "net.onnx").write_bytes(
        helper.make_model(graph, opset_imports=domains, ir_version=9).SerializeToString()
    )
    run = audited(EXPLAINERS)
    states = {item["analyzer"]: item["status"] for item in run["results"]}
    assert states.pop("captum") == "not_applicable"
    assert set(states.values()) == {"ok"}
    assert run["model"]["capabilities"] == ["black_box"]
    (limit,) = run["model"]["limits"]
    assert limit["key"] == "core.model_graph_operation_missing"
    assert limit["values"] == {"operations": "com.microsoft.Gelu"}
    sentence = "Of the graph, this is not interpreted: com.microsoft.Gelu."
    assert sentence in page(tmp_path)
    capsys.readouterr()
    assert guarded(["check", str(tmp_path / "audit.toml")]) == 0
    assert sentence in " ".join(capsys.readouterr().out.split())


def test_a_wrong_interpreter_is_caught_and_not_used(
    tmp_path: Path, audited: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    export(network(), torch.zeros(3, WIDTH), tmp_path / "net.onnx", "torchscript")
    right = audited()
    wrong = {**operators.OPERATORS, "Gemm": {1: lambda _, rows, weight, bias: rows @ weight.T + 1.001 * bias}}
    monkeypatch.setattr(operators, "OPERATORS", wrong)
    run = audited()
    (limit,) = run["model"]["limits"]
    assert limit["key"] == "core.model_graph_differs"
    assert 1e-5 < limit["values"]["difference"] < 1e-2
    assert run["model"]["capabilities"] == ["black_box"]
    assert "Interpreted, the graph gives other outputs on made-up rows" in page(tmp_path)
    values = [
        {
            item["name"]: item["value"]
            for result in one["results"]
            for item in result["metrics"]
            if not item.get("where")
        }
        for one in (right, run)
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-6, nan_ok=True)
