"""A plugin's loader gets what those of the product get: the path, the table, the data, the device."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from auditbench.config import DataTable, ModelTable
from auditbench.contracts import ModelLoader
from auditbench.data import build_evaluation, open_source
from auditbench.models import ModelRequest, ModelUnderTest, Origin, declared_interface, wrap_network
from auditbench.worker.subject_opening import open_model


def load_numbers(request: ModelRequest) -> ModelUnderTest:
    """A file of one weight a line."""
    interface = declared_interface(request)
    weights = torch.tensor([float(line) for line in request.path.read_text().split()])
    layer = nn.Linear(len(weights), 1, bias=False)
    layer.weight.data = weights[None]
    return wrap_network(
        layer.eval().requires_grad_(False),
        interface,
        Origin(name=request.table.name, format="numbers", architecture="lines", digest="0"),
        device=request.device,
        capabilities=("gradients", "black_box"),
    )


class Registry:
    def model_loader(self, name: str, *, where: str) -> Any:
        assert (name, where) == ("numbers", "model.format")
        return SimpleNamespace(record=ModelLoader(name=name, summary="Lines of weights", load=load_numbers))


def test_a_format_of_a_plugin_is_opened_with_the_data(tmp_path: Path) -> None:
    rows = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.5, 0.0, -1.0], "y": [1.5, 2.0, 1.0]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "weights.txt").write_text("2\n-3\n")
    source = open_source(DataTable(test="rows.csv", target="y"), tmp_path, {})
    table = ModelTable(format="numbers", path="weights.txt", task="regression", output="value", name="lines")
    model = open_model(table, tmp_path, Registry(), "cpu", {}, source)  # type: ignore[arg-type]
    data = build_evaluation(source, model.inputs, task="regression", classes=(), seed=0)
    (batch,) = data.batches(8)
    np.testing.assert_allclose(model.predict(batch.inputs)[:, 0], 2 * rows["a"] - 3 * rows["b"], rtol=1e-6)
    assert model.facts.format == "numbers"
