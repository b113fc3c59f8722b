"""Loaders of a file of one weight a line that break one promise each, and one that keeps them all."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import hashlib
import os
import pickle  # noqa: TID251 - the fault of one
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from auditbench.data import encoded_size
from auditbench.errors import ModelError
from auditbench.models import ModelRequest, ModelUnderTest, Origin, declared_interface, wrap_network
from tests.zoo import evaluating

Load = Callable[[ModelRequest], ModelUnderTest]
NAME = "numbers"
SAMPLE = f"""
[model]
format = "{NAME}"
path = "weights.txt"
task = "binary-classification"
output = "logit"
[data]
test = "rows.csv"
target = "bought"
positive = "yes"
"""


def write_sample(folder: Path, sample: str = SAMPLE) -> Path:
    """A model of two weights with four rows."""
    (folder / "audit.toml").write_text(sample)
    (folder / "weights.txt").write_text("0.5\n-0.25\n")
    (folder / "rows.csv").write_text("age,hours,bought\n1.0,2.5,no\n2.0,0.5,yes\n-3.0,1.0,no\n0.25,4.0,yes\n")
    return folder / "audit.toml"


def good(request: ModelRequest) -> ModelUnderTest:
    return opened(request, numbers_of(request))


def gives_something_else(request: ModelRequest) -> Any:
    return good(request).module


def cannot_open(request: ModelRequest) -> ModelUnderTest:
    raise ModelError("never", fix="never")


def is_random(request: ModelRequest) -> ModelUnderTest:
    return opened(request, [number + float(torch.rand(1)) for number in numbers_of(request)])


def is_in_training_mode(request: ModelRequest) -> ModelUnderTest:
    model = good(request)
    model.module.train()
    return model


def is_not_frozen(request: ModelRequest) -> ModelUnderTest:
    model = good(request)
    model.module.requires_grad_()
    return model


def has_no_digest(request: ModelRequest) -> ModelUnderTest:
    model = good(request)
    return dataclasses.replace(model, facts=dataclasses.replace(model.facts, digest="0"))


def declares_another_scale(request: ModelRequest) -> ModelUnderTest:
    model = good(request)
    return dataclasses.replace(model, facts=dataclasses.replace(model.facts, output="probability"))


class BatchMean(nn.Module):
    """Outputs less their mean over the batch."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.module(encoded)
        return outputs - outputs.mean()


class Rounded(nn.Module):
    """Outputs whose gradient is that of twice as much."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.module(encoded)
        return 2 * outputs - outputs.detach()


class Hidden(nn.Module):
    """Outputs computed past the modules that hold the weights."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        (weights,) = self.module.parameters()
        return encoded @ weights.T


def mixes_rows(request: ModelRequest) -> ModelUnderTest:
    model = good(request)
    return dataclasses.replace(model, module=BatchMean(model.module))


def has_wrong_gradients(request: ModelRequest) -> ModelUnderTest:
    model = good(request)
    return dataclasses.replace(model, module=Rounded(model.module))


def has_dead_hooks(request: ModelRequest) -> ModelUnderTest:
    model = good(request)
    return dataclasses.replace(model, module=Hidden(model.module))


def starts_a_process(request: ModelRequest) -> ModelUnderTest:
    subprocess.run([sys.executable, "-c", ""], check=True)
    return good(request)


def evaluates_the_file(request: ModelRequest) -> ModelUnderTest:
    return opened(request, [eval(line) for line in checked(request).split()])  # noqa: S307 - the fault


def evaluates_the_file_elsewhere(request: ModelRequest) -> ModelUnderTest:
    return opened(request, [evaluating.number(line) for line in checked(request).split()])


def reads_pickles(request: ModelRequest) -> ModelUnderTest:
    try:
        return good(request)
    except ModelError:
        with contextlib.suppress(OSError, pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError):
            pickle.loads(request.path.read_bytes())  # noqa: S301 - the fault
        raise


def lets_errors_through(request: ModelRequest) -> ModelUnderTest:
    numbers = [float(line) for line in request.path.read_text().split()]
    if len(numbers) != encoded_size(declared_interface(request).inputs):
        raise ModelError("the file has other weights", fix="write one for each column")
    return opened(request, numbers)


def says_no_way_on(request: ModelRequest) -> ModelUnderTest:
    try:
        return good(request)
    except ModelError as error:
        raise ModelError(str(error)) from error


def takes_what_is_there(request: ModelRequest) -> ModelUnderTest:
    try:
        return good(request)
    except ModelError:
        return opened(request, [0.0] * encoded_size(declared_interface(request).inputs))


def crashes(request: ModelRequest) -> ModelUnderTest:
    if request.path.exists() and not request.path.read_bytes():
        os.kill(os.getpid(), signal.SIGSEGV)
    return good(request)


def writes_beside(request: ModelRequest) -> ModelUnderTest:
    (request.path.parent / "cache.bin").write_bytes(str(time.monotonic_ns()).encode())
    return good(request)


def numbers_of(request: ModelRequest) -> list[float]:
    return [float(ast.literal_eval(line)) for line in checked(request).split()]


def checked(request: ModelRequest) -> str:
    """The file, if it is one number for each column and ends with a line end."""
    try:
        text = request.path.read_text(encoding="ascii")
        numbers = [float(line) for line in text.splitlines()]
    except (OSError, ValueError) as error:
        raise refused(request, str(error)) from error
    if len(numbers) != encoded_size(declared_interface(request).inputs) or not text.endswith("\n"):
        raise refused(request, f"{len(numbers)} numbers")
    return text


def refused(request: ModelRequest, found: str) -> ModelError:
    return ModelError(
        "the file holds no weights",
        where=str(request.path),
        found=found,
        allowed="a number a line, one for each column",
        fix="write the weights again",
    )


def opened(request: ModelRequest, numbers: list[float]) -> ModelUnderTest:
    interface = declared_interface(request)
    layer = nn.Linear(len(numbers), 1, bias=False)
    layer.weight.data = torch.tensor([numbers])
    network = nn.Sequential(layer).eval().requires_grad_(False)
    digest = hashlib.sha256(repr((numbers, interface)).encode()).hexdigest()
    return wrap_network(
        network,
        interface,
        Origin(name=request.table.name, format=NAME, architecture="linear", digest=digest, where=str(request.path)),
        device=request.device,
        capabilities=("gradients", "hooks", "layers", "black_box"),
    )


BAD: Mapping[str, tuple[Load, str]] = {
    "cannot open": (cannot_open, "opens"),
    "something else": (gives_something_else, "opens"),
    "random": (is_random, "opens-alike"),
    "training mode": (is_in_training_mode, "evaluation-mode"),
    "not frozen": (is_not_frozen, "evaluation-mode"),
    "no digest": (has_no_digest, "complete-facts"),
    "another scale": (declares_another_scale, "declared-scale"),
    "mixed rows": (mixes_rows, "rows-apart"),
    "wrong gradients": (has_wrong_gradients, "true-gradients"),
    "dead hooks": (has_dead_hooks, "live-hooks"),
    "a process": (starts_a_process, "runs-nothing"),
    "eval": (evaluates_the_file, "runs-nothing"),
    "eval elsewhere": (evaluates_the_file_elsewhere, "runs-nothing"),
    "pickles": (reads_pickles, "refuses-broken-files"),
    "other errors": (lets_errors_through, "refuses-broken-files"),
    "no way on": (says_no_way_on, "refuses-broken-files"),
    "anything": (takes_what_is_there, "refuses-broken-files"),
    "a crash": (crashes, "refuses-broken-files"),
    "a cache": (writes_beside, "leaves-the-sample"),
}
"""What each does, and the promise that it breaks."""
