"""What a module frees is used again: explaining more rows asks the kernel for no more memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

# In a process of its own, since freed memory that is kept stays kept. Two hidden layers of 1.5 MiB a block; as it is run
# whole, by a forward method that cannot be traced, it makes them anew for each block.
FAULTS = """
import resource, sys
import numpy as np, torch
from auditbench_shap import shapley_values

class Whole(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(30, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)
        )
    def forward(self, rows):
        return self.layers(rows) if rows.sum().item() < float("inf") else rows

torch.set_num_threads(1)
rng = np.random.default_rng(0)
rows, background = (rng.normal(size=(count, 30)).astype(np.float32) for count in (60, 100))
model = Whole().eval()

def explain():
    shapley_values(model, rows, background, method="permutation", budget=5800)

explain()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
explain()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted where the C library is known")
def test_activations_of_a_whole_module_are_not_had_again_page_by_page() -> None:
    said = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(said.stdout) < 60 * 20  # pages; the activations of a row have 360
