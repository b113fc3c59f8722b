"""What a worker sees of the environment: an allowlist, so that secrets of whoever runs an audit reach no plugin.

Passed on is what programs, libraries and devices need to work as they do for the user; `[limits] environment` names
more. Tokens, keys, addresses of proxies and whatever else has no entry here stay with the supervisor. The credential of
a model behind an address goes, with the command that opens the model, to the workers that do. A plugin still has the
user's rights: it can read files, also those that hold secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from auditbench.models.endpoint.params import environment_of
from auditbench.provenance import available_cpus

if TYPE_CHECKING:
    from auditbench.config import AuditConfig

MARK = "AUDITBENCH_WORKER"
"""Variable that marks a worker and whatever inherits its environment."""

_NAMES = frozenset(
    {
        # Where programs, libraries and files of the user are. Caches of fonts and compiled code need a home.
        "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME",
        "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH",
        "VIRTUAL_ENV", "CONDA_PREFIX", "MPLCONFIGDIR", "MPLBACKEND",
        "CHROMIUM",  # the browser that prints reports
        # Language and time, which decide how text is sorted, written and dated.
        "LANG", "LANGUAGE", "TZ", "__CF_USER_TEXT_ENCODING",
        # What the interpreter is told; nothing that runs a file at its start.
        "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONSAFEPATH", "PYTHONPLATLIBDIR",
        "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONCOERCECLOCALE",
        "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONMALLOC", "PYTHONFAULTHANDLER", "PYTHONUNBUFFERED",
    }
)  # fmt: skip
_FAMILIES = (
    "LC_", "MALLOC_",
    # Threads and kernels of numeric libraries.
    "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "VECLIB_", "NUMEXPR_", "NUMBA_", "ATEN_",
    # Devices, and what torch does with them.
    "CUDA_", "CUBLAS_", "CUDNN_", "NVIDIA_", "HIP_", "ROCR_", "ROCM_", "HSA_", "TORCH_", "TORCHINDUCTOR_", "PYTORCH_",
)  # fmt: skip
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|PROXY|COOKIE|SESSION", re.IGNORECASE)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_DEFAULTS = {
    "PYTHONFAULTHANDLER": "1",
    "MPLBACKEND": "Agg",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TORCHINDUCTOR_DETERMINISTIC": "1",  # for models that are compiled; the flags of a worker leave the compiler alone
    # The C library keeps what models free between batches, instead of having it again page by page: up to half of their
    # time.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "NUMBA_DISABLE_JIT": "1",  # compiling shap's helpers takes longer than all that they do in an audit
}


def worker_environment(own: Mapping[str, str], *, named: Iterable[str], mark: str) -> dict[str, str]:
    """The environment of a worker: what is allowed of ours, and what decides whether two runs give equal bits.

    Args:
        own: Environment of the supervisor.
        named: Further variables that pass, as the config names them; those that are not set are left out.
        mark: Value of the variable that marks the worker.
    """
    wanted = frozenset(named)
    passed = {name: value for name, value in own.items() if name in wanted or _is_allowed(name)}
    threads = dict.fromkeys(_THREADS, str(available_cpus()))
    return {**threads, **_DEFAULTS, **passed, "PYTHONHASHSEED": "0", MARK: mark}


def credentials_of(config: AuditConfig) -> dict[str, str]:
    """The credentials of a config's models, by the variable that each names; those that are not set are left out."""
    named = environment_of((config.model, *config.models.values()))
    return {name: os.environ[name] for name in named if name in os.environ}


def _is_allowed(name: str) -> bool:
    """Whether a variable passes without being named; in a family, a name that reads like a secret does not."""
    return name in _NAMES or (name.startswith(_FAMILIES) and _SECRET.search(name) is None)
