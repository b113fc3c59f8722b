"""Settings of the process are put back, whatever an analyzer did to them, and named."""

from __future__ import annotations

import importlib
import os
import random
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from auditbench.provenance import available_cpus
from auditbench.worker.determinism import make_deterministic
from auditbench.worker.guard import Traces, guarded
from auditbench.worker.process_state import undisturbed_process
from auditbench.worker.settings import Setting, put_back, read
from tests.guarded_analysis import run_code
from tests.process_corruptions import PROCESS
from tests.state_corruptions import FINAL, UNNAMED

# What an expression gives has to be equal afterwards; with the name that is told.
WATCHED: dict[str, tuple[str, str]] = {
    "default-dtype": ("torch.tensor(1.0).dtype", "default dtype"),
    "default-device": ("torch.empty(0).device", "default device"),
    "gradient-mode": ("torch.is_grad_enabled()", "gradient mode"),
    "inference-mode": ("torch.ones(1).is_inference()", "inference mode"),
    "deterministic-algorithms": ("torch.get_deterministic_debug_mode()", "deterministic algorithms"),
    "fill-of-uninitialized-memory": (
        "torch.utils.deterministic.fill_uninitialized_memory", "fill of uninitialized memory",
    ),
    "cudnn-enabled": ("torch._C._get_cudnn_enabled()", "cuDNN"),
    "cudnn-benchmark": ("torch._C._get_cudnn_benchmark()", "cuDNN benchmark"),
    "cudnn-deterministic": ("torch._C._get_cudnn_deterministic()", "cuDNN determinism"),
    "matmul-tf32": ("torch._C._get_cublas_allow_tf32()", "matmul precision"),
    "matmul-precision": ("torch._C._get_float32_matmul_precision()", "matmul precision"),
    "reduced-precision-reduction": (
        "torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction", "matmul reduction in bfloat16",
    ),
    "mkldnn": ("torch._C._get_mkldnn_enabled()", "oneDNN"),
    "attention-backend": ("torch._C._get_math_sdp_enabled()", "attention by formula"),
    "autocast": ("(torch.ones(2, 2) @ torch.ones(2, 2)).dtype", "autocast"),
    "autocast-dtype": ("torch.get_autocast_dtype('cpu')", "autocast dtype"),
    "autocast-left-open": ("(torch.ones(2, 2) @ torch.ones(2, 2)).dtype", "autocast"),
    "anomaly-detection": ("torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()", "anomaly detection"),
    "torch-threads": ("torch.get_num_threads()", "threads"),
    "denormal-numbers": ("(torch.tensor([1e-310], dtype=torch.float64) * 1).item()", "flushing of denormal numbers"),
    "function-mode": ("torch._C._len_torch_function_stack()", "function modes"),
    "dispatch-mode": ("torch._C._len_torch_dispatch_stack()", "dispatch modes"),
    "saved-tensor-hooks": ("torch._C._autograd._top_saved_tensors_default_hooks(True)", "saved tensor hooks"),
    "torch-print-options": ("str(torch.tensor(1 / 3))", "print options"),
    "hook-of-all-modules": ("len(torch.nn.modules.module._global_forward_hooks)", "hooks of all modules"),
    "numpy-errors": ("numpy.geterr()", "numpy error handling"),
    "numpy-print-options": ("str(numpy.array([1 / 3]))", "numpy print options"),
    "warning-filters": ("list(warnings.filters)", "warning filters"),
    "show-warning": ("warnings.showwarning", "warnings.showwarning"),
    "logging-level": ("logging.root.level", "logging level"),
    "logging-handler": ("list(logging.root.handlers)", "logging handlers"),
    "logging-disabled": ("logging.root.isEnabledFor(logging.CRITICAL)", "logging"),
    "environment-variable-added": ("dict(os.environ)", "environment"),
    "environment-variable-removed": ("dict(os.environ)", "environment"),
    "time-zone": ("time.localtime(0)", "time zone"),
    "working-directory": ("os.getcwd()", "working directory"),
    "working-directory-removed": ("os.path.realpath('/proc/self/cwd')", "working directory"),
    "umask": ("pathlib.Path('/proc/self/status').read_text().partition('Umask:')[2].split()[0]", "umask"),
    "locale": ("locale.setlocale(locale.LC_NUMERIC)", "locale"),
    "module-search-path": ("list(sys.path)", "module search path"),
    "import-hook": ("list(sys.meta_path)", "import hooks"),
    "arguments": ("list(sys.argv)", "arguments"),
    "standard-output": ("sys.stdout", "standard output"),
    "standard-error": ("sys.stderr", "standard error"),
    "exception-hook": ("sys.excepthook", "exception hook"),
    "display-hook": ("sys.displayhook", "display hook"),
    "recursion-limit": ("sys.getrecursionlimit()", "recursion limit"),
    "switch-interval": ("sys.getswitchinterval()", "switch interval"),
    "integer-digits": ("sys.get_int_max_str_digits()", "digits of integers"),
    "trace-function": ("sys.gettrace()", "trace function"),
    "profile-function": ("sys.getprofile()", "profile function"),
    "garbage-collector": ("gc.isenabled()", "garbage collector"),
    "garbage-collector-thresholds": ("gc.get_threshold()", "garbage collector"),
    "signal-handler": ("signal.getsignal(signal.SIGUSR1)", "signal handlers"),
    "interval-timer": ("signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)", "signal timers"),
    "blocked-signals": ("signal.pthread_sigmask(signal.SIG_BLOCK, [])", "blocked signals"),
    "decimal-context": ("str(decimal.Decimal(1) / 3)", "decimal context"),
    "socket-timeout": ("socket.getdefaulttimeout()", "socket timeout"),
    "fault-handler": ("faulthandler.is_enabled()", "fault handler"),
    "open-files-limit": ("resource.getrlimit(resource.RLIMIT_NOFILE)", "limits of the process"),
    "processor-affinity": ("os.sched_getaffinity(0)", "processors"),
    "start-method": ("multiprocessing.get_start_method()", "start method of processes"),
    "pandas-option": ("pandas.get_option('display.max_rows')", "pandas options"),
}  # fmt: skip


MODULES = (
    "decimal", "faulthandler", "gc", "locale", "logging", "multiprocessing", "numpy", "os", "pandas", "pathlib",
    "random", "resource", "signal", "socket", "sys", "time", "torch", "warnings",
)  # fmt: skip


def known() -> dict[str, Any]:
    return {name: importlib.import_module(name) for name in MODULES}


@pytest.fixture(autouse=True)
def as_in_a_worker() -> Iterator[None]:
    """Torch has its flags, as in a worker; the timer that limits a test rests, because a timer is what one test sets."""
    timer = signal.setitimer(signal.ITIMER_REAL, 0.0)
    with undisturbed_process():
        make_deterministic()
        yield
    signal.setitimer(signal.ITIMER_REAL, *timer)


def test_every_setting_of_the_catalogue_is_watched_here() -> None:
    assert WATCHED.keys() == PROCESS.keys()


@pytest.mark.parametrize("name", [name for name in PROCESS if name != "processor-affinity" or available_cpus() > 1])
def test_what_is_set_is_named_and_put_back(name: str) -> None:
    expression, told = WATCHED[name]
    names, seen = known(), []
    before = eval(expression, names)  # noqa: S307 - the test's own text
    reading = "" if name == "default-device" else f"\nseen.append(({expression}))"
    outcome = run_code(PROCESS[name] + reading, names={**names, "seen": seen})
    assert outcome.result.status == "ok", outcome.details
    assert reading == "" or seen[0] != before
    assert eval(expression, names) == before  # noqa: S307 - as above
    assert told in outcome.changed
    assert (outcome.stuck, outcome.subject_changes) == ((), ())


@pytest.mark.parametrize("name", UNNAMED)
def test_generators_are_put_back_and_not_named(name: str) -> None:
    import numpy as np

    def drawn() -> tuple[float, float, float]:
        return random.random(), np.random.random(), float(torch.rand(()))  # noqa: NPY002, S311 - their state is tested

    random.seed(3), np.random.seed(3), torch.manual_seed(3)  # noqa: NPY002 - as above
    expected = drawn()
    random.seed(3), np.random.seed(3), torch.manual_seed(3)  # noqa: NPY002 - as above
    outcome = run_code(UNNAMED[name])
    assert drawn() == expected
    assert (outcome.changed, outcome.stuck) == ((), ())


def test_another_kind_of_numpy_generator_is_put_back() -> None:
    import numpy as np

    kept = np.random.get_bit_generator()
    outcome = run_code("import numpy\nnumpy.random.set_bit_generator(numpy.random.PCG64(1))")
    assert np.random.get_bit_generator() is kept
    assert outcome.stuck == ()


def test_a_lower_priority_is_put_back_or_asks_for_another_process() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    outcome = run_code(FINAL["niceness"])
    back = os.getpriority(os.PRIO_PROCESS, 0) == before
    assert ("priority" in outcome.changed, "priority" in outcome.stuck, outcome.restart) == (back, not back, not back)


@pytest.mark.parametrize(("name", "count"), [("thread", 1), ("thread-timer", 1)])
def test_threads_that_go_on_ask_for_another_process(name: str, count: int) -> None:
    outcome = run_code(FINAL[name])
    assert outcome.stuck == (f"{count} running thread",)
    assert outcome.restart
    assert [warning.key for warning in outcome.warnings()] == ["core.process_not_restored"]
    assert [warning.key for warning in outcome.warnings(own_process=False)] == ["core.process_left_changed"]


def test_a_thread_that_ends_by_itself_is_no_fault() -> None:
    outcome = run_code("import threading, time\nthreading.Thread(target=time.sleep, args=(0.05,)).start()")
    assert (outcome.stuck, outcome.restart) == ((), False)


def test_many_open_files_ask_for_another_process() -> None:
    import threading

    outcome = run_code(FINAL["open-files"])
    for file in vars(threading).pop("left"):
        file.close()
    assert outcome.stuck == ("200 open files",)
    assert outcome.restart


def test_a_closed_standard_output_asks_for_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert run_code("import sys\nsys.stdout.close()").stuck == ("standard output",)


def test_settings_that_cannot_be_looked_at_lose_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise OSError("no")

    monkeypatch.setattr("auditbench.worker.guard.ProcessState", failing)
    outcome = run_code("")
    assert outcome.result.status == "ok"
    assert outcome.stuck == ("settings of the process (looking raised OSError)",)
    assert outcome.restart


@pytest.mark.parametrize("short", [{1}, {2}, {2, 3}], ids=["before", "behind", "behind-twice"])
def test_a_setting_that_memory_is_too_short_to_read_is_no_accusation(short: set[int]) -> None:
    """Of the reads - one before, two behind - some raise; the setting itself was left alone."""
    values, reads = ["as it was"], iter(range(1, 4))

    def get() -> str:
        if next(reads) in short:
            raise MemoryError
        return values[0]

    settings = [Setting(name="s", get=get, put=lambda value: values.__setitem__(0, value))]
    assert put_back(settings, read(settings)) == ([], [])
    assert values == ["as it was"]


def test_a_setting_that_memory_was_too_short_to_read_is_put_back() -> None:
    values, short = ["as it was"], [False]

    def get() -> str:
        if short.pop():
            raise MemoryError
        return values[0]

    settings = [Setting(name="s", get=get, put=lambda value: values.__setitem__(0, value))]
    before = read(settings)
    values[0], short[:] = "changed", [False, True]
    assert put_back(settings, before) == ([], [])
    assert values == ["as it was"]


def test_what_raises_is_put_back_behind_as_well() -> None:
    traces = Traces()

    def interrupted() -> None:
        nonlocal traces
        with guarded((), own_process=True) as traces:
            torch.set_default_dtype(torch.float64)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert torch.get_default_dtype() == torch.float32
    assert traces.changed == ["default dtype"]


def test_settings_and_generators_are_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = random.getstate()
    with guarded((), own_process=False) as traces:
        torch.set_default_dtype(torch.float64)
        random.random()  # noqa: S311
        os.chdir("/")
    assert set(traces.changed) == {"default dtype", "working directory"}
    assert torch.get_default_dtype() == torch.float32
    assert Path.cwd() == tmp_path
    assert random.getstate() == state


def test_a_working_directory_that_was_removed_before_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
    with guarded((), own_process=False) as traces:
        pass
    assert (traces.changed, traces.stuck) == ([], [])
