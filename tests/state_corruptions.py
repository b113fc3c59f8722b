"""Ways in which an analyzer can leave model or process other than it found them, as code for the body of an analyzer.

Each runs where `context` is the analyzer's and imports what it needs. `MODEL` needs a model of a linear and a dropout
layer in a `Sequential`, as the architecture `mlp` with dropout builds it; the others run on any model.
"""

from __future__ import annotations

from tests.process_corruptions import PROCESS

MODEL: dict[str, str] = {
    "weight-added": """
import torch
with torch.no_grad():
    next(context.model.module.parameters()).add_(1.0)
""",
    "weight-one-bit": """
import torch
next(context.model.module.parameters()).data.view(torch.uint8).view(-1)[0] ^= 1
""",
    "weights-of-two-units-exchanged": """
import torch
with torch.no_grad():
    weight = next(context.model.module.parameters())
    weight.copy_(weight.flip(0).flip(-1))
""",
    "weight-signs-turned": """
import torch
with torch.no_grad():
    next(context.model.module.parameters()).mul_(-1.0)
""",
    "weight-to-double": "context.model.module.double() if next(context.model.module.parameters()).dtype.itemsize < 8 "
    "else context.model.module.float()",
    "weights-without-values": "context.model.module.to('meta')",
    "weight-replaced": """
from torch import nn
layer = next(part for part in context.model.module.modules() if isinstance(part, nn.Linear))
layer.weight = nn.Parameter(layer.weight.detach() * 2, requires_grad=False)
""",
    "weights-pruned": """
from torch import nn
from torch.nn.utils import prune
prune.l1_unstructured(next(part for part in context.model.module.modules() if isinstance(part, nn.Linear)), "weight", 0.5)
""",
    "weight-parametrized": """
from torch import nn
from torch.nn.utils import parametrize
layer = next(part for part in context.model.module.modules() if isinstance(part, nn.Linear))
parametrize.register_parametrization(layer, "weight", nn.Identity())
""",
    "weights-shared": """
from torch import nn
first, *_, last = [part for part in context.model.module.modules() if isinstance(part, nn.Linear)]
last.weight = first.weight
""",
    "buffer-changed": "context.model.encoder.mean.add_(1.0)",
    "buffer-added": """
import torch
context.model.module.register_buffer("left", torch.ones(3))
""",
    "buffer-removed": "del context.model.encoder.scale",
    "tensor-attribute": """
import torch
context.model.module.left = torch.ones(3)
""",
    "requires-grad": "context.model.module.requires_grad_(True)",
    "gradients-left": """
import torch
weight = next(context.model.module.parameters())
weight.grad = torch.ones_like(weight)
""",
    "train-mode": "context.model.module.train()",
    "train-mode-of-one-layer": "list(context.model.module.modules())[-1].training = True",
    "train-mode-of-encoder": "context.model.encoder.train(not context.model.encoder.training)",
    "forward-hook": "context.model.module.register_forward_hook(lambda module, inputs, output: output * 2)",
    "forward-pre-hook": "context.model.module.register_forward_pre_hook(lambda module, inputs: None)",
    "backward-hook": "context.model.module.register_full_backward_hook(lambda module, *gradients: None)",
    "state-dict-hook": "context.model.module.register_state_dict_post_hook(lambda *arguments: None)",
    "hook-of-weight": """
weight = next(context.model.module.parameters())
weight.requires_grad_(True)
weight.register_hook(lambda gradient: gradient * 0)
weight.requires_grad_(False)
""",
    "forward-of-instance": "context.model.module.forward = lambda encoded: encoded.sum(dim=1, keepdim=True)",
    "layer-replaced": """
from torch import nn
model = context.model.module
name = next(name for name, part in model.named_modules() if isinstance(part, nn.Linear))
model.set_submodule(name, nn.Linear(2, 2).eval())
""",
    "layer-added": """
from torch import nn
context.model.module.add_module("left", nn.Identity().eval())
""",
    "layers-in-another-order": """
from torch import nn
parts = next(part for part in context.model.module.modules() if isinstance(part, nn.Sequential))._modules
name = next(iter(parts))
parts[name] = parts.pop(name)
""",
    "layer-of-another-class": """
from torch import nn
layer = next(part for part in context.model.module.modules() if isinstance(part, nn.Linear))
layer.__class__ = type("Linear", (nn.Linear,), {"forward": lambda self, encoded: encoded @ self.weight.T})
""",
    "dropout-rate": """
from torch import nn
next(part for part in context.model.module.modules() if isinstance(part, nn.Dropout)).p = 0.9
""",
    "number-of-layer": """
from torch import nn
next(part for part in context.model.module.modules() if isinstance(part, nn.Linear)).in_features += 1
""",
    "number-of-encoder": "context.model.encoder.width += 1",
}

PATCHES: dict[str, str] = {
    "forward-of-class": "type(context.model.module).forward = lambda self, encoded: encoded.sum(dim=1, keepdim=True)",
    "forward-of-encoder-class": """
kept = type(context.model.encoder).forward
type(context.model.encoder).forward = lambda self, inputs: kept(self, inputs) * 2
""",
    "call-of-linear": """
from torch import nn
nn.Linear.__call__ = lambda self, encoded: nn.Module.__call__(self, encoded) * 2
""",
    "call-of-module": """
from torch import nn
kept = nn.Module.__call__
nn.Module.__call__ = lambda self, *arguments, **named: kept(self, *arguments, **named)
""",
    "functional-linear": """
import torch
kept = torch.nn.functional.linear
torch.nn.functional.linear = lambda *arguments, **named: kept(*arguments, **named) * 2
""",
    "functional-relu-removed": """
import torch
del torch.nn.functional.relu
""",
    "linear-class": """
import torch
torch.nn.Linear = type("Linear", (torch.nn.Linear,), {})
""",
    "torch-sigmoid": """
import torch
torch.sigmoid = torch.tanh
""",
    "torch-manual-seed": """
import torch
torch.manual_seed = lambda seed: None
""",
    "tensor-method": """
import torch
kept = torch.Tensor.double
torch.Tensor.double = lambda self, *arguments: kept(self, *arguments) + 1
""",
    "numpy-mean": """
import numpy
numpy.mean = lambda *arguments, **named: 0.5
""",
    "numpy-generator": """
import numpy
kept = numpy.random.default_rng
numpy.random.default_rng = lambda seed=None: kept(0)
""",
    "builtin-round": """
import builtins
builtins.round = lambda number, digits=None: 0
""",
    "builtin-added": """
import builtins
builtins.left = 1
""",
    "random-random": """
import random
random.random = lambda: 0.5
""",
    "math-exp": """
import math
math.exp = lambda number: 1.0
""",
    "time-monotonic": """
import time
time.monotonic = lambda: 0.0
""",
    "json-dumps": """
import json
json.dumps = lambda *arguments, **named: "{}"
""",
    "hashlib-sha256": """
import hashlib
hashlib.sha256 = hashlib.md5
""",
    "predict-of-model-class": """
kept = type(context.model).predict
type(context.model).predict = lambda self, inputs: kept(self, inputs) * 0
""",
    "rng-of-context-class": """
import numpy
type(context).rng = lambda self, purpose="", chunk=0: numpy.random.default_rng(0)
""",
    "take-of-data-class": """
kept = type(context.data).take
type(context.data).take = lambda self, indices: kept(self, indices[:1])
""",
    "host-statistics": """
import auditbench.statistics
name = auditbench.statistics.__all__[0]
setattr(auditbench.statistics, name, None)
""",
    "host-result-class": """
import auditbench.results
auditbench.results.Metric = None
""",
    "host-result-constructor": """
import auditbench.results
kept = auditbench.results.Metric.__init__
auditbench.results.Metric.__init__ = lambda self, **fields: kept(self, **{**fields, "value": 1.0})
""",
    "module-replaced": """
import sys, types
sys.modules["json"] = types.ModuleType("json")
""",
    "module-removed": """
import sys
del sys.modules["auditbench.statistics"]
""",
}

FINAL: dict[str, str] = {
    "niceness": """
import os
os.nice(1)
""",
    "thread": """
import threading
threading.Thread(target=threading.Event().wait, args=(60,), daemon=True, name="left").start()
""",
    "thread-timer": """
import threading
timer = threading.Timer(60, print)
timer.daemon = True
timer.start()
""",
    "child-process": """
import subprocess
subprocess.left = subprocess.Popen(["sleep", "60"])
""",
    "open-files": """
import threading
threading.left = [open("/dev/null") for _ in range(200)]
""",
}
"""What cannot be put back by everybody, so that the worker is started again; and child processes, which are ended."""

UNNAMED: dict[str, str] = {
    "python-generator": """
import random
random.seed(5)
""",
    "numpy-random-state": """
import numpy
numpy.random.seed(5)
""",
    "torch-generator": """
import torch
torch.manual_seed(5)
""",
}
"""Put back and not told: drawing random numbers is no fault."""

CORRUPTIONS: dict[str, str] = {**MODEL, **PATCHES, **PROCESS, **FINAL}
