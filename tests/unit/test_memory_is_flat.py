"""What explaining holds in memory at once does not grow with what it is asked for, once its blocks are full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import memory
from benchmarks.workloads import Table

FLAT = 1.25
FEATURES = 20


@pytest.mark.parametrize(
    ("measure", "less", "more"),
    [
        pytest.param(memory.shap_walks, {"rows": 300}, {"rows": 900}, id="shap-rows"),
        pytest.param(
            memory.shap_walks, {"rows": 300, "opaque": True}, {"rows": 600, "opaque": True}, id="shap-rows-of-opaque"
        ),
        pytest.param(memory.shap_walks, {"rows": 300, "rounds": 2}, {"rows": 300, "rounds": 8}, id="shap-rounds"),
        pytest.param(
            memory.shap_walks, {"rows": 300, "background": 200}, {"rows": 300, "background": 480}, id="shap-background"
        ),
        pytest.param(memory.gradients, {"rows": 400}, {"rows": 2000}, id="gradients-rows"),
        pytest.param(memory.gradients, {"rows": 400}, {"rows": 400, "steps": 500}, id="gradients-steps"),
        pytest.param(memory.lime, {"rows": 300}, {"rows": 900}, id="lime-rows"),
        pytest.param(
            memory.lime,
            {"rows": 24, "independent": True},
            {"rows": 60, "independent": True},
            id="lime-independent-rows",
        ),
    ],
)
def test_peak_is_flat(
    measure: Callable[..., float], less: dict[str, Any], more: dict[str, Any], network: Table
) -> None:
    measure(network, **(less | {"rows": 2}))  # what is imported at the first call is no memory of the call
    few, many = measure(network, **less), measure(network, **more)
    assert few > 1 << 20
    assert many <= FLAT * few, f"{few / 2**20:.1f} and {many / 2**20:.1f} MiB"


@pytest.fixture(scope="module")
def network() -> Table:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    inputs = np.random.default_rng(0).standard_normal((1000, FEATURES)).astype(np.float32)
    frozen = model.eval().requires_grad_(False)
    return Table(name="network", model=frozen, training=inputs[:500], background=inputs[:100], rows=inputs[500:])
