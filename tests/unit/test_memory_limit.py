"""A limit on private memory turns what would end a process into errors that can be caught, and is lifted afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

from auditbench.worker.memory_limit import limited_memory

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a limit on private memory")

# In a process of its own: the limit is that of what it has now, and a quarter of a GiB.
PROGRAM = """
import resource
import numpy as np, torch
from auditbench.models.out_of_memory import is_out_of_memory
from auditbench.worker.memory_limit import limited_memory
torch.ones(100, 100) @ torch.ones(100, 100)
now = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData"))
before = resource.getrlimit(resource.RLIMIT_DATA)
large = 2**29
ways = {
    "numpy": lambda: np.zeros(large, np.uint8),
    "torch": lambda: torch.empty(large, dtype=torch.uint8),
    "bytes": lambda: bytearray(large),
    "list": lambda: [0] * (large // 8),
    "slowly": lambda: [bytearray(2**20) for _ in range(512)],
}
for name, allocate in ways.items():
    try:
        with limited_memory(now + 2**28, "cpu"):
            small = np.ones(2**26, np.uint8)
            allocate()
            print(name, "nothing")
    except BaseException as error:
        print(name, is_out_of_memory(error))
assert resource.getrlimit(resource.RLIMIT_DATA) == before
assert len(bytearray(large)) == large
with limited_memory(now, "cuda:0"), limited_memory(None, "cpu"):
    assert len(bytearray(large)) == large
print("done")
"""

# An analyzer that fills what the limit leaves with small strings, of which nothing larger is freed when it fails.
EATER = """
import sys
from auditbench.worker.memory_limit import limited_memory
from tests.guarded_analysis import run_code, shared_subject
code = {code!r}
run_code("pass")
now = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData"))
with limited_memory({outside}, "cpu"):
    outcome = run_code(code, names={{"kept": []}}, memory={inside})
print(outcome.result.reason.key, outcome.result.reason.values.get("gib") == (now + 2**26) / 2**30)
print(outcome.changed, outcome.stuck, outcome.subject_changes)
"""
LOCAL = "eaten = None\nwhile True:\n    eaten = (eaten, str(id(eaten)) * 3)"
GLOBAL = "kept.append(None)\nwhile True:\n    kept[0] = (kept[0], str(id(kept[0])) * 3)"


@LINUX
@pytest.mark.parametrize("code", [LOCAL, GLOBAL], ids=["local", "global"])
def test_who_eats_all_memory_is_told_the_limit_and_accused_of_nothing(code: str) -> None:
    program = EATER.format(code=code, outside=None, inside="now + 2**26")
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.stdout.splitlines() == ["core.out_of_memory_limit_silent True", "() () ()"], found.stderr


@LINUX
def test_every_way_to_allocate_raises_and_the_limit_is_lifted() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert found.stdout.split() == [
        "numpy", "True", "torch", "True", "bytes", "True", "list", "True", "slowly", "True", "done",
    ], found.stderr  # fmt: skip


@LINUX
def test_a_block_that_raises_puts_the_limit_back() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(KeyError, match=str(2**40)), limited_memory(2**40, "cpu"):
        raise KeyError(resource.getrlimit(resource.RLIMIT_DATA)[0])
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
