"""Analyzers that behave: a witness, whose result must not depend on what ran before, and a probe of all that state.

The probe looks at the state by itself, with none of the host's own means, and gives one digest a place.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from auditbench.findings import Message
from auditbench.results import AnalysisResult, Attribution, Metric, Note

_NOT_LEFT = ("AUDITBENCH_WORKER", "TORCHINDUCTOR_CACHE_DIR")
"""Variables of a worker itself: torch sets the second one when its compiler is first loaded, whoever needed that."""
_CLASSES = ("ModelUnderTest", "EvaluationData", "AuditContext")


def witness(context: Any, params: Any) -> AnalysisResult:
    """Numbers that come from model, data, generators, and chunks."""
    import random

    import numpy as np
    import torch

    rows = context.explained_rows(9)
    found = context.map_rows(_noise, rows, chunk_rows=4)
    right = float((context.model.decisions(context.outputs) == context.data.y_true).mean())
    drawn = random.random() + float(torch.rand(())) + float(np.random.rand())  # noqa: NPY002, S311 - the global generators are looked at
    block = Attribution(
        name="noise",
        method="witness",
        values=found["values"][:, :, None] + context.model.predict(rows.inputs)[:, :, None],
        player_names=("all",),
        target_names=context.model.target_names,
        base_values=found["values"] * 0,
        outputs=found["values"],
        row_ids=rows.row_ids,
        unit="logit",
        model_rows=len(rows),
    )
    metrics = (
        Metric(name="right", value=right, n=len(context.data), no_interval="exact"),
        Metric(name="drawn", value=drawn, n=1, no_interval="exact"),
    )
    return AnalysisResult(metrics=metrics, attributions=(block,))


def probe(context: Any, params: Any) -> AnalysisResult:
    """A digest of every place where an analyzer could have left something."""
    found = {name: _digest(value) for name, value in _places(context)}
    return AnalysisResult(notes=(Note(kind="limit", text=Message(key="probe.state", values=found)),))


def _noise(rows: Any, rng: Any) -> dict[str, Any]:
    return {"values": rng.normal(size=(len(rows), 1))}


def _places(context: Any) -> Iterator[tuple[str, object]]:
    inputs = context.explained_rows(20).inputs
    yield "outputs", context.model.predict(inputs).tobytes()
    yield "recorded outputs", context.outputs.tobytes()
    yield "rows", {name: array.tobytes() for name, array in inputs.items()}
    yield "sum without gradients", _without_gradients()
    for name, module in (("module", context.model.module), ("encoder", context.model.encoder)):
        for part, value in _of_module(module):
            yield f"{name} {part}", value
    for name, owner in _owners(context):
        yield f"functions of {name}", _functions(owner)
    yield from _of_torch()
    yield from _of_numbers()
    yield from _of_python()
    yield from _of_system()


def _of_module(module: Any) -> Iterator[tuple[str, object]]:
    tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    yield "tensors", [(name, tensor.detach().numpy().tobytes(), str(tensor.dtype)) for name, tensor in tensors]
    yield "gradients", [(name, tensor.requires_grad, tensor.grad is None) for name, tensor in tensors]
    yield "hooks of tensors", [(name, dict(tensor._backward_hooks or {})) for name, tensor in tensors]
    parts = list(module.named_modules())
    yield "modes", [(name, part.training) for name, part in parts]
    yield "layers", [(name, type(part).__module__, type(part).__qualname__, repr(part)) for name, part in parts]
    yield "attributes", [(name, sorted(vars(part))) for name, part in parts]
    yield (
        "scalars",
        [
            (name, key, value)
            for name, part in parts
            for key, value in sorted(vars(part).items())
            if isinstance(value, (int, float, str))
        ],
    )
    yield (
        "hooks",
        [
            (name, key, len(value))
            for name, part in parts
            for key, value in vars(part).items()
            if "hooks" in key and value
        ],
    )


def _owners(context: Any) -> Iterator[tuple[str, Any]]:
    """Modules and classes whose functions an analyzer could have replaced."""
    import builtins
    import json
    import math
    import random
    import time

    import numpy as np
    import torch
    from torch import nn

    import auditbench.results
    import auditbench.statistics

    modules = (builtins, json, math, random, time, hashlib, np, np.random, torch, nn, nn.functional)
    for module in (*modules, auditbench.results, auditbench.statistics):
        yield module.__name__, module
    classes = (nn.Module, nn.Linear, torch.Tensor, type(context), type(context.model), type(context.data), Metric)
    for kind in (*classes, type(context.model.module), type(context.model.encoder)):
        yield kind.__name__, kind
    for name in ("json", "auditbench.statistics"):
        yield f"sys.modules {name}", sys.modules[name]


def _functions(owner: Any) -> Mapping[str, str]:
    """Where each function and class of a module or class comes from."""
    return {name: _origin(value) for name, value in sorted(vars(owner).items()) if callable(value) and name != "left"}


def _origin(value: Any) -> str:
    code = getattr(inspect.unwrap(value) if inspect.isfunction(value) else value, "__code__", None)
    place = f"{code.co_filename}:{code.co_firstlineno}" if code is not None else type(value).__name__
    return f"{getattr(value, '__module__', '')} {getattr(value, '__qualname__', '')} {place}"


def _of_torch() -> Iterator[tuple[str, object]]:
    import torch
    from torch.nn.modules import module

    yield "torch defaults", (torch.get_default_dtype(), torch.zeros(()).device, torch.get_num_threads())
    yield "gradient mode", (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled())
    deterministic = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    yield "deterministic", (torch.are_deterministic_algorithms_enabled(), deterministic)
    cudnn, matmul, cuda = torch.backends.cudnn, torch.backends.cuda.matmul, torch.backends.cuda
    yield "cudnn", (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32)
    yield (
        "matmul",
        (
            matmul.allow_tf32,
            matmul.allow_bf16_reduced_precision_reduction,
            torch.get_float32_matmul_precision(),
        ),
    )
    yield "mkldnn", torch.backends.mkldnn.enabled  # type: ignore[attr-defined]
    yield "attention", (cuda.math_sdp_enabled(), cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled())
    yield "autocast", (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"))
    yield (
        "modes",
        (
            torch._C._len_torch_function_stack(),
            torch.utils._python_dispatch._get_current_dispatch_mode() is None,
        ),
    )
    yield "denormal numbers", float(torch.tensor([1e-310], dtype=torch.float64) / 2)
    yield "printed tensor", repr(torch.tensor([1 / 3, 2 / 3]))
    yield "saved tensors", torch._C._autograd._saved_tensors_hooks_is_enabled()
    tables = [name for name in vars(module) if name.startswith("_global") and name.endswith("hooks")]
    yield "hooks of all modules", [(name, len(getattr(module, name))) for name in sorted(tables)]


def _without_gradients() -> object:
    """Saved tensors pass through whatever hooks are active."""
    import torch

    with torch.enable_grad():
        value = torch.tensor([1.5, 2.5], requires_grad=True)
        (value * value).sum().backward()  # type: ignore[no-untyped-call]
    return None if value.grad is None else value.grad.tolist()


def _of_numbers() -> Iterator[tuple[str, object]]:
    import decimal
    import locale

    import numpy as np
    import pandas as pd

    yield "numpy", (np.geterr(), np.get_printoptions()["precision"])
    yield "pandas", pd.get_option("display.max_rows")
    yield "decimal", decimal.getcontext().prec
    yield "locale", locale.setlocale(locale.LC_ALL)


def _of_python() -> Iterator[tuple[str, object]]:
    import faulthandler
    import gc
    import logging
    import multiprocessing
    import socket
    import threading
    import warnings

    yield "limits", (sys.getrecursionlimit(), sys.getswitchinterval(), sys.get_int_max_str_digits())
    yield "tracing", (sys.gettrace(), sys.getprofile())
    yield "import", (sys.path, [type(finder).__name__ + str(finder)[:20] for finder in sys.meta_path])
    yield "arguments", [argument for argument in sys.argv if not argument.isdigit()]  # not the numbers of the line
    yield "streams", (type(sys.stdout), type(sys.stderr), sys.excepthook.__name__, sys.displayhook.__name__)
    yield "collector", (gc.isenabled(), gc.get_threshold())
    root = logging.getLogger()
    yield "logging", (root.level, len(root.handlers), logging.root.manager.disable)
    yield "warnings", ([str(entry) for entry in warnings.filters], warnings.showwarning.__qualname__)
    yield "threads", sorted(thread.name for thread in threading.enumerate())
    yield "socket", socket.getdefaulttimeout()
    default = multiprocessing.get_all_start_methods()[0]
    yield "multiprocessing", multiprocessing.get_start_method(allow_none=True) or default
    yield "faulthandler", faulthandler.is_enabled()


def _of_system() -> Iterator[tuple[str, object]]:
    import resource
    import signal
    import time

    yield "working directory", str(Path.cwd())
    yield "environment", sorted(item for item in os.environ.items() if item[0] not in _NOT_LEFT)
    yield "time zone", time.tzname
    mask = os.umask(0)
    os.umask(mask)
    yield "umask", mask
    numbers = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
    yield "signals", [_handler(signal.getsignal(number)) for number in numbers]
    yield "timer", signal.getitimer(signal.ITIMER_REAL)
    yield "blocked signals", sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    yield "files limit", resource.getrlimit(resource.RLIMIT_NOFILE)
    yield "processors", sorted(os.sched_getaffinity(0))
    yield "niceness", os.nice(0)
    yield "many open files", sum(1 for _ in Path("/proc/self/fd").iterdir()) > 100
    yield "children", _children()


def _handler(handler: object) -> str:
    return getattr(handler, "__qualname__", str(handler))


def _children() -> Iterable[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(number) for number in listed.split()]


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "replace")).hexdigest()[:16]
