"""The linter refuses what opens a stranger's file, everywhere but in the three files that do so with care."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    "import pickle",
    "import joblib",
    "import marshal",
    "import shelve",
    "import dill",
    "import cloudpickle",
    "import runpy",
    "import yaml",
    "import torch\ntorch.load('x')",
    "import torch\ntorch.jit.load('x')",
    "import torch\ntorch.export.load('x')",
    "import torch\ntorch.hub.load('x')",
    "import torch.package",
    "import onnx\nonnx.load('x')",
    "import onnxruntime\nonnxruntime.InferenceSession('x')",
    "import pandas as pd\npd.read_pickle('x')",
    "import pandas as pd\npd.read_hdf('x')",
    "from safetensors import safe_open",
    "from safetensors.torch import load_file",
]


def refused(source: str, path: str) -> bool:
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--no-cache", "--stdin-filename", path, "-"]
    done = subprocess.run(command, input=source + "\n", cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return "TID251" in done.stdout


@pytest.mark.parametrize("source", SOURCES)
def test_call_is_refused(source: str) -> None:
    assert refused(source, "workbench/auditbench/models/bundle.py")
    assert refused(source, "workbench/auditbench/models/opening/scanning.py")


@pytest.mark.parametrize("name", ["onnx", "programs", "tensors"])
def test_three_files_may(name: str) -> None:
    assert not refused("import torch\ntorch.load('x')", f"workbench/auditbench/models/opening/{name}.py")
    assert not refused("import torch\ntorch.zeros(1)", "workbench/auditbench/models/bundle.py")
