"""The flags and thread counts that decide whether two runs give equal bits, and the operations that do not all the same."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from auditbench.provenance import available_cpus
from auditbench.worker.process_state import undisturbed_process

_NOT_REPEATABLE = (
    r"(\S+) does not have a deterministic implementation",
    r"(.{1,60}) defaults to a non-deterministic algorithm",
)


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

    An operation that has no repeatable form warns instead of failing; see `named_operations`.
    """
    import torch

    torch.set_num_threads(thread_count(os.environ.get("OMP_NUM_THREADS", "")))
    torch.set_deterministic_debug_mode("warn")  # what use_deterministic_algorithms sets, without importing the compiler
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


def thread_count(wanted: str) -> int:
    """Threads by the text of OMP_NUM_THREADS: a number, or the first of one a nesting level (`4,2`).

    Whatever OpenMP itself would ignore gives the processors that this process may use.
    """
    first = wanted.partition(",")[0].strip()
    return (int(first) if first.isascii() and first.isdigit() else 0) or available_cpus()


@contextmanager
def named_operations() -> Iterator[set[str]]:
    """Hear what torch says of operations that have no repeatable form; its warnings still go where they went.

    Code that silences all warnings while it computes is not heard.

    Yields:
        Names of such operations that the block used, complete once it is over.
    """
    found: set[str] = set()
    with warnings.catch_warnings():
        for pattern in _NOT_REPEATABLE:
            warnings.filterwarnings("always", message=pattern)
        show = warnings.showwarning

        def hear(message: Warning | str, *rest: Any, **named: Any) -> None:
            found.update(match[1] for pattern in _NOT_REPEATABLE if (match := re.match(pattern, str(message))))
            show(message, *rest, **named)

        warnings.showwarning = hear
        yield found


@contextmanager
def borrowed_process() -> Iterator[Environment]:
    """`make_deterministic` for as long as the block runs, in a process that belongs to somebody else.

    Flags, thread count and the state of every global generator are put back.
    """
    with undisturbed_process():
        yield make_deterministic()
