"""run.json: what is written is read back, clocked values stand apart, old versions migrate, the rest is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from auditbench.arrays import StoredArray
from auditbench.errors import RecordError, ResultError
from auditbench.findings import GateDecision, Message
from auditbench.results import AnalysisResult, Attribution, Metric, PercentileRow, Percentiles
from auditbench.run import (
    SCHEMA_VERSION,
    AuditFacts,
    AuditRun,
    DataFacts,
    ModelFacts,
    Provenance,
    Volatile,
    utc_moment,
)
from auditbench.run_file import decode_run, encode_run, is_repeatable, migrate, read_run, run_schema
from auditbench.worker.array_store import write_array

STABLE = Metric(name="score", value=0.5, n=3, no_interval="exact")
CLOCKED = Metric(name="latency", value=1.5, unit="ms", n=3, no_interval="exact", repeatable=False)
UNDEFINED = Metric(name="auc", value=None, n=0, reason=Message(key="toy.one_class", values={"n": 1}))
TIMES = Percentiles(
    name="times",
    title=Message(key="toy.t"),
    unit="ms",
    rows=(PercentileRow(label="1", p50=1.0, p95=2.0, p99=3.0, n=9),),
)


def gate(name: str, *, repeatable: bool) -> GateDecision:
    return GateDecision(id=name, metric=name, state="pass", blocking=True, decide="estimate", repeatable=repeatable)


def make_run(**fields: Any) -> AuditRun:
    known: dict[str, Any] = {
        "status": "complete",
        "verdict": "no_gates",
        "exit_code": 0,
        "audit": AuditFacts(name="toy"),
        "config": {"audit": {"name": "toy"}},
        "model": ModelFacts(
            name="m",
            format="bundle",
            architecture="linear",
            task="regression",
            output="value",
            parameters=2,
            digest="d",
        ),
        "data": DataFacts(name="rows", digests={"rows.csv": "d"}, rows=3, train_rows=0, target="y"),
        "results": (
            AnalysisResult(analyzer="toy", topic="probe", metrics=(CLOCKED, STABLE, UNDEFINED), percentiles=(TIMES,)),
            AnalysisResult(analyzer="bad", topic="probe", status="failed", reason=Message(key="toy.why")),
        ),
        "gates": (gate("toy.score", repeatable=True), gate("toy.latency", repeatable=False)),
        "messages": {"en": {"toy.n": {"one": "a", "other": "b"}}},
        "provenance": Provenance(product="1", python="3", packages={}, plugins=(), seed=0, device="cpu", threads=1),
        "volatile": Volatile(started="then", seconds={"load": 1.0}),
    }
    return AuditRun(**{**known, **fields})


def test_what_is_written_is_read_back() -> None:
    run = make_run()
    again = decode_run(encode_run(run))
    assert again.results[0].metrics == (STABLE, UNDEFINED, CLOCKED)
    assert dataclasses.replace(again, results=()) == dataclasses.replace(run, results=())
    assert encode_run(again) == encode_run(run)


def test_clocked_values_and_decisions_stand_under_volatile() -> None:
    document = json.loads(encode_run(make_run()))
    assert [metric["name"] for metric in document["results"][0]["metrics"]] == ["score", "auc"]
    assert document["results"][0]["percentiles"] == []
    assert [metric["name"] for metric in document["volatile"]["results"][0]["metrics"]] == ["latency"]
    assert [gate["id"] for gate in document["gates"]] == ["toy.score"]
    assert [gate["id"] for gate in document["volatile"]["gates"]] == ["toy.latency"]


def test_gates_come_back_in_the_order_of_the_config() -> None:
    tables = [
        {"id": None, "metric": "toy.latency", "where": {}, "max": 2},
        {"id": None, "metric": "toy.score", "where": {}, "min": 0},
        {"id": "named", "metric": "toy.latency", "where": {}, "max": 9},
        {"id": None, "metric": "toy.auc", "where": {}, "min": 0},
    ]
    named = dataclasses.replace(gate("toy.latency", repeatable=False), id="named")
    known = (gate("toy.latency", repeatable=False), gate("toy.score", repeatable=True), named)
    run = make_run(
        gates=(*known, gate("toy.auc", repeatable=True), gate("toy.unknown", repeatable=True)),
        config={"gates": tables},
    )
    assert decode_run(encode_run(run)).gates == run.gates


@pytest.mark.parametrize(
    ("metrics", "percentiles", "expected"),
    [((STABLE, UNDEFINED), (), True), ((STABLE, CLOCKED), (), False), ((), (TIMES,), False)],
    ids=["stable", "metric", "percentiles"],
)
def test_a_clock_anywhere_makes_a_result_not_repeatable(metrics: Any, percentiles: Any, expected: bool) -> None:
    result = AnalysisResult(analyzer="toy", topic="probe", metrics=metrics, percentiles=percentiles)
    assert is_repeatable(result) is expected


def test_runs_that_differ_by_the_clock_alone_are_equal_outside_volatile() -> None:
    slow = dataclasses.replace(CLOCKED, value=99.0)
    first = json.loads(encode_run(make_run()))
    results = (dataclasses.replace(make_run().results[0], metrics=(slow, STABLE, UNDEFINED)), make_run().results[1])
    second = json.loads(encode_run(make_run(results=results, volatile=Volatile(started="now"))))
    assert first.pop("volatile") != second.pop("volatile")
    assert first == second


def test_an_undefined_value_is_null_with_its_reason() -> None:
    metric = json.loads(encode_run(make_run()))["results"][0]["metrics"][1]
    assert metric["value"] is None
    assert metric["reason"] == {"key": "toy.one_class", "values": {"n": 1}}


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2026-11-20T09:15:52+00:00", "2026-11-20T09:15:52"),
        ("2026-11-20T09:15:52.9Z", "2026-11-20T09:15:52"),
        ("2026-11-20T23:15:52-05:30", "2026-11-21T04:45:52"),
        ("2026-11-20", "2026-11-20T00:00:00"),
        ("0001-01-01T00:00:00+01:00", ""),
        ("2026-02-30T00:00:00Z", ""),
        ("then", ""),
        ("", ""),
    ],
)
def test_moments_are_those_of_utc_and_none_where_none_was_recorded(stamp: str, moment: str) -> None:
    assert utc_moment(stamp) == moment
    assert Volatile(started=stamp).ended == moment
    assert Volatile(started="2000-01-01", finished=stamp).ended == (moment if stamp else "2000-01-01T00:00:00")


def test_arrays_are_read_when_they_are_used(tmp_path: Path) -> None:
    values = np.arange(6.0).reshape(3, 1, 2)
    small = np.zeros((3, 1))
    block = Attribution(
        name="a", method="toy", values=write_array(tmp_path, "a", values), player_names=("x", "z"),
        target_names=("y",), base_values=write_array(tmp_path, "b", small), outputs=write_array(tmp_path, "c", small),
        row_ids=("1", "2", "3"), unit="value", model_rows=3,
    )  # fmt: skip
    run = make_run(results=(AnalysisResult(analyzer="toy", attributions=(block,)),))
    (tmp_path / "run.json").write_bytes(encode_run(run))
    stored = read_run(tmp_path).results[0].attributions[0].values
    assert isinstance(stored, StoredArray)
    np.testing.assert_array_equal(np.asarray(stored), values)
    (tmp_path / "arrays/a.npy").write_bytes(b"other")
    with pytest.raises(ResultError, match="not the file"):
        np.asarray(stored)


def test_an_array_in_memory_cannot_be_written() -> None:
    small = np.zeros((1, 1))
    block = Attribution(
        name="a", method="toy", values=np.zeros((1, 1, 1)), player_names=("x",), target_names=("y",),
        base_values=small, outputs=small, row_ids=("1",), unit="value", model_rows=1,
    )  # fmt: skip
    with pytest.raises(TypeError):
        encode_run(make_run(results=(AnalysisResult(analyzer="toy", attributions=(block,)),)))


def test_migrations_run_one_version_at_a_time() -> None:
    steps = {1: lambda document: {**document, "two": True}, 2: lambda document: {**document, "three": document["two"]}}
    assert migrate({"schema": 1}, steps) == {"schema": 3, "two": True, "three": True}
    assert migrate({"schema": 3}, steps) == {"schema": 3}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"schema": "1"}',
        b'{"schema": true}',
        b'{"schema": 0}',
        json.dumps({"schema": SCHEMA_VERSION + 1}).encode(),
        json.dumps({"schema": SCHEMA_VERSION}).encode(),
    ],
)
def test_what_is_no_record_is_refused(content: bytes) -> None:
    with pytest.raises(RecordError):
        decode_run(content)


def test_every_misfit_of_a_record_is_named() -> None:
    document = json.loads(encode_run(make_run()))
    document["results"][0]["metrics"][0]["n"] = "many"
    document["exit_code"] = None
    with pytest.raises(RecordError) as caught:
        decode_run(json.dumps(document).encode())
    assert {problem.where for problem in caught.value.problems} >= {
        "run.json.results.0.metrics.0.n",
        "run.json.exit_code",
    }


def test_unknown_keys_of_a_later_minor_version_are_ignored() -> None:
    document = json.loads(encode_run(make_run()))
    document["later"] = {"more": 1}
    assert decode_run(json.dumps(document).encode()).audit.name == "toy"


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        read_run(tmp_path)
    assert str(tmp_path) in caught.value.problems[0].where


def test_the_schema_accepts_what_is_written() -> None:
    validator = jsonschema.Draft202012Validator(run_schema())
    assert list(validator.iter_errors(json.loads(encode_run(make_run())))) == []
