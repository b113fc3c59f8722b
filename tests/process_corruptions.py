"""Ways in which an analyzer can leave its process other than it found it, all of which are put back."""

from __future__ import annotations

PROCESS: dict[str, str] = {
    "default-dtype": """
import torch
torch.set_default_dtype(torch.float64)
""",
    "default-device": """
import torch
torch.set_default_device("meta")
""",
    "gradient-mode": """
import torch
torch.set_grad_enabled(not torch.is_grad_enabled())
""",
    "inference-mode": """
import torch
torch.left = torch.inference_mode()
torch.left.__enter__()
""",
    "deterministic-algorithms": """
import torch
torch.use_deterministic_algorithms(not torch.are_deterministic_algorithms_enabled())
""",
    "fill-of-uninitialized-memory": """
import torch
torch.utils.deterministic.fill_uninitialized_memory = not torch.utils.deterministic.fill_uninitialized_memory
""",
    "cudnn-enabled": """
import torch
torch.backends.cudnn.enabled = not torch.backends.cudnn.enabled
""",
    "cudnn-benchmark": """
import torch
torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
""",
    "cudnn-deterministic": """
import torch
torch.backends.cudnn.deterministic = not torch.backends.cudnn.deterministic
""",
    "matmul-tf32": """
import torch
torch.backends.cuda.matmul.allow_tf32 = not torch.backends.cuda.matmul.allow_tf32
""",
    "matmul-precision": """
import torch
torch.set_float32_matmul_precision("medium")
""",
    "reduced-precision-reduction": """
import torch
matmul = torch.backends.cuda.matmul
matmul.allow_bf16_reduced_precision_reduction = not matmul.allow_bf16_reduced_precision_reduction
""",
    "mkldnn": """
import torch
torch.backends.mkldnn.enabled = not torch.backends.mkldnn.enabled
""",
    "attention-backend": """
import torch
torch.backends.cuda.enable_math_sdp(not torch.backends.cuda.math_sdp_enabled())
""",
    "autocast": """
import torch
torch.set_autocast_enabled("cpu", True)
""",
    "autocast-dtype": """
import torch
torch.set_autocast_dtype("cpu", torch.float16)
""",
    "autocast-left-open": """
import torch
torch.autocast("cpu", dtype=torch.bfloat16).__enter__()
""",
    "anomaly-detection": """
import torch
torch.autograd.set_detect_anomaly(True, check_nan=False)
""",
    "torch-threads": """
import torch
torch.set_num_threads(torch.get_num_threads() + 1)
""",
    "denormal-numbers": """
import torch
torch.set_flush_denormal(True)
""",
    "function-mode": """
from torch.overrides import TorchFunctionMode
class Doubled(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))
Doubled().__enter__()
""",
    "dispatch-mode": """
from torch.utils._python_dispatch import TorchDispatchMode
class Passed(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))
Passed().__enter__()
""",
    "saved-tensor-hooks": """
import torch
torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor).__enter__()
""",
    "torch-print-options": """
import torch
torch.set_printoptions(precision=2)
""",
    "hook-of-all-modules": """
import torch
torch.nn.modules.module.register_module_forward_hook(lambda module, inputs, output: None)
""",
    "numpy-errors": """
import numpy
numpy.seterr(all="ignore")
""",
    "numpy-print-options": """
import numpy
numpy.set_printoptions(precision=2)
""",
    "warning-filters": """
import warnings
warnings.simplefilter("ignore")
""",
    "show-warning": """
import warnings
warnings.showwarning = lambda *arguments, **named: None
""",
    "logging-level": """
import logging
logging.getLogger().setLevel(5)
""",
    "logging-handler": """
import logging
logging.getLogger().addHandler(logging.NullHandler())
""",
    "logging-disabled": """
import logging
logging.disable(logging.CRITICAL)
""",
    "environment-variable-added": """
import os
os.environ["LEFT_BEHIND"] = "1"
""",
    "environment-variable-removed": """
import os
os.environ.pop("PATH", None)
""",
    "time-zone": """
import os, time
os.environ["TZ"] = "Pacific/Auckland"
time.tzset()
""",
    "working-directory": """
import os
os.chdir("/")
""",
    "working-directory-removed": """
import os, tempfile
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
""",
    "umask": """
import os
os.umask(0o007)
""",
    "locale": """
import locale
locale.setlocale(locale.LC_NUMERIC, "C.UTF-8" if locale.setlocale(locale.LC_NUMERIC) == "C" else "C")
""",
    "module-search-path": """
import sys
sys.path.insert(0, "/nowhere")
""",
    "import-hook": """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        return None
sys.meta_path.insert(0, Finder())
""",
    "arguments": """
import sys
sys.argv.append("--left")
""",
    "standard-output": """
import io, sys
sys.stdout = io.StringIO()
""",
    "standard-error": """
import io, sys
sys.stderr = io.StringIO()
""",
    "exception-hook": """
import sys
sys.excepthook = lambda *arguments: None
""",
    "display-hook": """
import sys
sys.displayhook = lambda value: None
""",
    "recursion-limit": """
import sys
sys.setrecursionlimit(sys.getrecursionlimit() + 321)
""",
    "switch-interval": """
import sys
sys.setswitchinterval(0.2)
""",
    "integer-digits": """
import sys
sys.set_int_max_str_digits(5000)
""",
    "trace-function": """
import sys
sys.settrace(lambda frame, event, argument: None)
""",
    "profile-function": """
import sys
sys.setprofile(lambda frame, event, argument: None)
""",
    "garbage-collector": """
import gc
gc.disable() if gc.isenabled() else gc.enable()
""",
    "garbage-collector-thresholds": """
import gc
gc.set_threshold(123, 4, 5)
""",
    "signal-handler": """
import signal
signal.signal(signal.SIGUSR1, lambda number, frame: None)
""",
    "interval-timer": """
import signal
signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.setitimer(signal.ITIMER_REAL, 300.0)
""",
    "blocked-signals": """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
""",
    "decimal-context": """
import decimal
decimal.getcontext().prec = 5
""",
    "socket-timeout": """
import socket
socket.setdefaulttimeout(0.5)
""",
    "fault-handler": """
import faulthandler
faulthandler.disable() if faulthandler.is_enabled() else faulthandler.enable(open("/dev/null", "w"))
""",
    "open-files-limit": """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
""",
    "processor-affinity": """
import os
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
""",
    "start-method": """
import multiprocessing
multiprocessing.set_start_method("fork" if multiprocessing.get_start_method() == "spawn" else "spawn", force=True)
""",
    "pandas-option": """
import pandas
pandas.set_option("display.max_rows", 7)
""",
}
