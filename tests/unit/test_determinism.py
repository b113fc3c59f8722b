"""Thread counts, and operations without a repeatable form: they are named in the run; what else warns is left alone."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

from auditbench.contracts import Analyzer
from auditbench.plugin_entries import PluginEntry
from auditbench.provenance import available_cpus
from auditbench.registry import Provided, Registry
from auditbench.results import AnalysisResult
from auditbench.testing import toy_context
from auditbench.worker.analysis import run_analyzer
from auditbench.worker.determinism import borrowed_process, named_operations, thread_count

SAID = "scatter_cuda_ does not have a deterministic implementation, but you set 'torch.use_deterministic_algorithms(True, warn_only=True)'."
ATTENTION = (
    "Memory Efficient attention defaults to a non-deterministic algorithm. To explicitly enable determinism call …"
)


def put(_: Any = None, __: Any = None) -> AnalysisResult:
    """An operation that torch has no repeatable form of on any device."""
    torch.zeros(4).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
    return AnalysisResult()


def test_torch_names_an_operation_without_a_repeatable_form() -> None:
    with borrowed_process(), warnings.catch_warnings(record=True) as shown:
        with named_operations() as operations:
            put()
            put()
        assert operations == {"put_"}
        assert len(shown) == 2, "the warnings still go where they went"


def test_each_form_of_the_warning_is_heard_and_no_other() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with named_operations() as operations:
            for text in (SAID, ATTENTION, "something else does not work"):
                warnings.warn(text, UserWarning, stacklevel=1)
    assert operations == {"scatter_cuda_", "Memory Efficient attention"}
    assert len(shown) == 3


def test_hearing_ends_with_the_block() -> None:
    show, filters = warnings.showwarning, list(warnings.filters)
    with named_operations():
        pass
    assert (warnings.showwarning, list(warnings.filters)) == (show, filters)


def test_the_run_warns_of_an_analyzer_that_used_one() -> None:
    origin = PluginEntry(name="toy", module="m", distribution="toys", version="1")
    provided = Provided(record=Analyzer(name="toy", topic="probe", summary="", analyze=put), origin=origin)
    with borrowed_process(), warnings.catch_warnings(record=True):
        outcome = run_analyzer(provided, toy_context(), Registry())
    assert outcome.result.status == "ok"
    (warning,) = outcome.warnings()
    assert warning.key == "core.not_repeatable"
    assert warning.values == {"analyzer": "toy", "what": "put_"}


@pytest.mark.parametrize("wanted", ["3", "3,2", " 3 , 2"])
def test_threads_are_the_outermost_level_of_openmp(wanted: str) -> None:
    assert thread_count(wanted) == 3


@pytest.mark.parametrize("wanted", ["", "0", "many", "-2", ",4", "²"])
def test_what_openmp_ignores_gives_the_processors_there_are(wanted: str) -> None:
    assert thread_count(wanted) == available_cpus()
