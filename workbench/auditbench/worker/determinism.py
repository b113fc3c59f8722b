"""The flags and thread counts that decide whether two runs give equal bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from auditbench.provenance import available_cpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """How numbers are made in a worker.

    Attributes:
        flags: What was set, by name, as the record shows it.
    """

    flags: Mapping[str, str]

    @property
    def threads(self) -> int:
        """Threads that torch computes with now."""
        import torch

        return torch.get_num_threads()


def make_deterministic() -> Environment:
    """Set torch to repeatable algorithms and one thread count, from affinity and control group.

    An operation that has no repeatable form on a GPU warns instead of failing; the warning stands in the worker's log.
    """
    import os

    import torch

    threads = int(os.environ.get("OMP_NUM_THREADS", "0")) or available_cpus()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return Environment(
        flags={
            "deterministic_algorithms": "warn_only",
            "cudnn_benchmark": "off",
            "tf32": "off",
            "hash_seed": os.environ.get("PYTHONHASHSEED", "random"),
        },
    )


@contextmanager
def borrowed_process() -> Iterator[Environment]:
    """`make_deterministic` for as long as the block runs, in a process that belongs to somebody else.

    Flags, thread count and the state of every global generator are put back.
    """
    import random

    import numpy as np
    import torch

    algorithms = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn, cuda = torch.backends.cudnn, torch.backends.cuda
    flags = cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, cuda.matmul.allow_tf32
    threads = torch.get_num_threads()
    plain_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - the state to put back
    with torch.random.fork_rng():
        try:
            yield make_deterministic()
        finally:
            torch.use_deterministic_algorithms(algorithms[0], warn_only=algorithms[1])
            cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, cuda.matmul.allow_tf32 = flags
            torch.set_num_threads(threads)
            random.setstate(plain_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
