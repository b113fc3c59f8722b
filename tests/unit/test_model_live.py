"""A live module under test stays as it was; batches follow from shapes and memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from auditbench.data import FeatureSpec, TableInput
from auditbench.errors import ModelError
from auditbench.models import ModelUnderTest, wrap_module
from auditbench.models.batching import batch_rows, memory_bytes
from auditbench.run import OutputScale, Task

FEATURES = tuple(FeatureSpec(name=f"x{i}", kind="number", start=i, stop=i + 1) for i in range(3))
INPUTS = {"features": TableInput(features=FEATURES)}
ROWS = {"features": np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.0]])}


class Squeezed(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layer(rows).squeeze(-1)


def wrap(
    module: nn.Module,
    task: Task = "binary-classification",
    classes: tuple[str, ...] = ("no", "yes"),
    output: OutputScale = "logit",
) -> ModelUnderTest:
    return wrap_module(module, task=task, classes=classes, output=output, inputs=INPUTS, device="cpu")


def state(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def test_predictions_are_those_of_the_module() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    model = wrap(module)
    with torch.no_grad():
        expected = module.eval()(torch.tensor(ROWS["features"], dtype=torch.float32)).double().numpy()
    np.testing.assert_array_equal(model.predict(ROWS), expected)
    assert model.target_names == ("yes",)
    assert model.facts.parameters == 3 * 4 + 4 + 4 + 1


def test_the_module_is_left_as_found() -> None:
    module = nn.Sequential(nn.Linear(3, 1, dtype=torch.float64), nn.BatchNorm1d(1, dtype=torch.float64)).train()
    module[0].weight.requires_grad_(False)
    before = state(module)
    model = wrap(module)
    model.predict(ROWS)
    model.module[0].weight.data.zero_()  # type: ignore[index, union-attr]
    model.module.register_forward_hook(lambda *_: None)
    assert state(module) == before
    assert module.training
    assert [tensor.requires_grad for tensor in module.parameters()] == [False, True, True, True]
    assert module[0].weight.dtype == torch.float64
    assert not module._forward_hooks


def test_a_squeezed_output_is_one_column() -> None:
    layer = nn.Linear(3, 1)
    np.testing.assert_array_equal(wrap(Squeezed(layer)).predict(ROWS), wrap(layer).predict(ROWS))
    assert wrap(Squeezed(layer)).predict(ROWS).shape == (2, 1)


def test_digest_follows_the_weights() -> None:
    module = nn.Linear(3, 1)
    one = wrap(module).facts.digest
    assert wrap(module).facts.digest == one
    module.bias.data += 1
    assert wrap(module).facts.digest != one


def test_another_width_names_both() -> None:
    with pytest.raises(ModelError) as caught:
        wrap(nn.Sequential(nn.Linear(5, 2), nn.ReLU(), nn.Linear(2, 1)))
    text = caught.value.describe()
    assert "AB300 Sequential: the module takes rows of another width than the data have" in text
    assert "found: 3 columns in the data" in text
    assert "allowed: 5 columns, by its first linear layer" in text
    assert "fix: pass the columns that the module was trained on" in text


def test_a_module_without_a_linear_layer_says_what_it_said() -> None:
    with pytest.raises(ModelError) as caught:
        wrap(nn.Conv2d(1, 1, 3))
    assert "found: rows of 3 columns: Expected 3D (unbatched) or 4D" in caught.value.describe()


@pytest.mark.parametrize(
    ("task", "classes", "output", "outputs"),
    [
        ("binary-classification", ("no", "yes"), "logit", 3),
        ("multiclass-classification", ("a", "b", "c"), "probability", 2),
        ("regression", (), "value", 4),
    ],
)
def test_another_number_of_outputs_is_refused(
    task: Task, classes: tuple[str, ...], output: OutputScale, outputs: int
) -> None:
    with pytest.raises(ModelError) as caught:
        wrap(nn.Linear(3, outputs), task, classes, output)
    text = caught.value.describe()
    assert "the module gives another number of outputs than the task has" in text
    assert f"found: shape (2, {outputs}) for 2 rows" in text
    assert f"allowed: shape (2, {len(classes) if len(classes) > 2 else 1}) for 2 rows" in text


def test_the_declared_output_must_fit_the_task() -> None:
    with pytest.raises(ModelError, match="the declared output does not fit regression") as caught:
        wrap(nn.Linear(3, 1), "regression", (), "logit")
    assert "allowed: value" in caught.value.describe()


def test_a_module_that_cannot_be_copied_is_refused() -> None:
    module = nn.Linear(3, 1)
    module.kept = module(torch.zeros(1, 3))  # a tensor with a graph behind it
    with pytest.raises(ModelError, match="the module cannot be copied") as caught:
        wrap(module)
    assert "detach tensors that are kept as attributes" in caught.value.describe()


@given(width=st.integers(1, 10**6), parameters=st.integers(0, 10**10))
def test_batches_are_powers_of_two_within_bounds_and_shrink_with_the_model(width: int, parameters: int) -> None:
    rows = batch_rows(width, parameters, "cpu")
    assert 32 <= rows <= 2048
    assert rows & (rows - 1) == 0
    assert batch_rows(width, 2 * parameters + 1, "cpu") <= rows
    assert batch_rows(2 * width, parameters, "cpu") <= rows


def test_memory_is_that_of_the_cgroup_where_it_is_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr("auditbench.machine_memory._ROOT", tmp_path)
    limit.write_text("max\n")
    whole = memory_bytes("cpu")
    limit.write_text("1048576\n")
    assert memory_bytes("cpu") == 1_048_576 < whole
    assert batch_rows(100, 10_000, "cpu") == 32


def test_an_estimator_is_no_module() -> None:
    with pytest.raises(ModelError, match="the model is no PyTorch module") as caught:
        wrap(lambda rows: rows)  # type: ignore[arg-type]
    assert "found: function" in caught.value.describe()
