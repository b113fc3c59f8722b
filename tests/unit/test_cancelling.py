"""Stopping an analyzer: how it hears of it, what it may still do, and how its author tries that."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditbench.context import AnalysisCancelled, AuditContext
from auditbench.contracts import Analyzer
from auditbench.engines.local import LocalEngine
from auditbench.registry import Provided, Registry
from auditbench.results import AnalysisResult
from auditbench.testing import QuietHost, toy_context
from auditbench.worker.analysis import rerun, run_analyzer
from auditbench.worker.array_store import FileChunks
from tests.guarded_analysis import ORIGIN


def chunk(rows: Any, rng: Any) -> dict[str, Any]:
    return {"a": np.zeros(len(rows))}


def test_progress_raises_once_the_analyzer_is_to_stop() -> None:
    host = QuietHost(cancel_after=2)
    context = toy_context(host=host)
    for done in (1, 2):
        assert not context.cancelled
        context.progress(done, 9)
    assert context.cancelled
    with pytest.raises(AnalysisCancelled, match="toy"):
        context.progress(3, 9)
    assert len(host.steps) == 2


def test_it_passes_an_except_and_runs_a_finally() -> None:
    done = []

    def analyze(context: AuditContext) -> AnalysisResult:
        try:
            while True:
                try:
                    context.progress(1, 2)
                except Exception:  # noqa: BLE001 - what a plugin may well write
                    done.append("swallowed")
        finally:
            done.append("tidied")

    with pytest.raises(AnalysisCancelled):
        analyze(toy_context(host=QuietHost(cancel_after=3)))
    assert done == ["tidied"]


@pytest.mark.parametrize(("after", "finished"), [(0, 0), (1, 2), (2, 3)])
def test_map_rows_stops_between_chunks_and_keeps_those_it_finished(tmp_path: Path, after: int, finished: int) -> None:
    saved: list[dict[str, Any]] = []
    context = toy_context(
        host=QuietHost(cancel_after=after), engine=LocalEngine(FileChunks(tmp_path, [], saved.append))
    )
    with pytest.raises(AnalysisCancelled):
        context.map_rows(chunk, context.data.take(np.arange(12)), chunk_rows=3)
    assert [record["chunk"] for record in saved] == list(range(finished))


@pytest.mark.parametrize(("after", "reached"), [(0, []), (1, ["begun"]), (None, ["begun", "ended"])])
def test_another_analyzer_that_it_runs_stops_with_it(after: int | None, reached: list[str]) -> None:
    found = []

    def inner(context: AuditContext, params: Any) -> AnalysisResult:
        found.append("begun")
        context.progress(1, 2)
        context.progress(2, 2)
        found.append("ended")
        return AnalysisResult()

    registry = Registry()
    provided = Provided(record=Analyzer(name="toy", topic="probe", summary="", analyze=inner), origin=ORIGIN)
    registry.analyzer = lambda name: provided  # type: ignore[method-assign, misc, assignment]
    again = partial(rerun, "toy", registry=registry, parameters_of=lambda _: (None, {}))
    context = toy_context(host=QuietHost(analyzers={"toy": lambda variant: again(context=variant)}, cancel_after=after))
    with nullcontext() if after is None else pytest.raises(AnalysisCancelled):
        context.rerun("toy")
    assert found == reached


def test_one_that_raises_it_unasked_has_failed() -> None:
    def analyze(context: AuditContext, params: Any) -> AnalysisResult:
        raise AnalysisCancelled

    analyzer = Analyzer(name="toy", topic="probe", summary="", analyze=analyze)
    provided = Provided(record=analyzer, origin=ORIGIN)
    outcome = run_analyzer(provided, toy_context(host=QuietHost()), Registry(), own_process=False)
    assert outcome.result.status == "failed"


def test_nothing_is_cancelled_unless_it_is_asked_for() -> None:
    host = QuietHost()
    context = toy_context(host=host)
    context.map_rows(chunk, context.data.take(np.arange(12)), chunk_rows=3)
    assert not context.cancelled
    assert [done for _, _, done, _ in host.steps] == [3, 6, 9, 12]
