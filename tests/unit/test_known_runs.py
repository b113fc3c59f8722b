"""The runs that renderers are tried on hold every block that there is, and are equal each time."""

from __future__ import annotations

import dataclasses

import pytest

from auditbench.results import AnalysisResult
from auditbench.testing.conformance.traces import fingerprint
from auditbench.testing.known_runs import (
    FAILED,
    HOSTILE_TEXTS,
    TIMED_OUT,
    every_block_run,
    hostile_run,
    incomplete_run,
    without_failure,
)

OF_A_RESULT = {"reason"}


def test_every_field_of_a_finished_result_is_filled() -> None:
    results = every_block_run().results
    assert {result.status for result in results} == {"ok"}
    empty = {
        field.name
        for field in dataclasses.fields(AnalysisResult)
        if not any(getattr(result, field.name) for result in results)
    }
    assert empty == OF_A_RESULT


def test_arrays_are_larger_than_one_number() -> None:
    usual = every_block_run().results[0]
    assert usual.attributions[0].values.shape == (3, 1, 4)
    assert usual.image_overlays[0].values.shape == (12, 10)
    assert usual.series_attributions[0].values.shape == (2, 50)


def test_an_incomplete_run_has_every_way_to_lack_a_result() -> None:
    run = incomplete_run()
    assert {result.analyzer: result.status for result in run.results if result.status in ("failed", "timed_out")} == {
        FAILED: "failed",
        TIMED_OUT: "timed_out",
    }
    assert {result.status for result in run.results} == {"ok", "failed", "timed_out", "skipped", "not_applicable"}
    assert {gate.state for gate in run.gates} == {"fail", "error"}
    assert any(metric.value is None for result in run.results for metric in result.metrics)
    assert [result.status for result in without_failure(run).results if result.analyzer == FAILED] == ["ok"]


@pytest.mark.parametrize("make", [every_block_run, incomplete_run, lambda: hostile_run(HOSTILE_TEXTS[0])])
def test_a_known_run_is_the_same_each_time(make: object) -> None:
    assert callable(make)
    assert fingerprint(make()) == fingerprint(make())


def test_a_fingerprint_sees_one_number_of_an_array() -> None:
    run = every_block_run()
    before = fingerprint(run)
    run.results[0].attributions[0].values[0, 0, 0] += 1e-9  # type: ignore[index]
    assert fingerprint(run) != before


def test_hostile_texts_name_what_they_attack() -> None:
    joined = "".join(HOSTILE_TEXTS)
    for attack in ("<script>", "](javascript:", "\x1b[31m", "\x00", "\ud800", "=cmd", "../", "{{7*7}}"):
        assert attack in joined
    assert max(map(len, HOSTILE_TEXTS)) > 4096
