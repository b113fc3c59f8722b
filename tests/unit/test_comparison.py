"""Two records compared: which rows are common, what became of metrics and findings, what else is other, what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import auditbench
from auditbench.comparison import Comparison, MetricChange, compare, row_keys
from auditbench.comparison.pairing import pair_rows
from auditbench.errors import ComparisonError, RecordError
from auditbench.findings import Finding, Message
from auditbench.results import AnalysisResult, Interval, Metric
from auditbench.run import AuditRun, DataFacts
from auditbench.run_file import decode_run, encode_run
from auditbench.worker.array_store import write_array
from tests.finished_run import a_run, finish

ROWS = 400
RNG = np.random.default_rng(7)
NOISE = RNG.normal(size=ROWS)
OTHER = RNG.normal(size=ROWS)
OTHER -= OTHER.mean()


def mean_of(values: Any, name: str = "score", **fields: Any) -> Metric:
    array = np.asarray(values, dtype=np.float64)
    known: dict[str, Any] = {"n": len(array), "no_interval": "not_estimated", "higher_is_better": True}
    return Metric(name=name, value=float(array.mean()), influence=array - array.mean(), **{**known, **fields})


def plain_metric(value: float | None, name: str = "score", **fields: Any) -> Metric:
    known: dict[str, Any] = {"n": 1, "no_interval": "exact", "higher_is_better": False}
    return Metric(name=name, value=value, **{**known, **fields})


def measured(value: float, half: float, name: str = "score", **fields: Any) -> Metric:
    interval = Interval(low=value - half, high=value + half, method="t")
    return Metric(name=name, value=value, n=ROWS, interval=interval, **{"higher_is_better": True, **fields})


def toy(*metrics: Metric, **fields: Any) -> AnalysisResult:
    return AnalysisResult(**{"analyzer": "toy", "topic": "probe", "metrics": metrics, **fields})


def run_of(*results: AnalysisResult, keys: Any = range(ROWS), **fields: Any) -> AuditRun:
    numbers = None if keys is None else np.asarray(keys, dtype=np.uint64)
    rows = ROWS if numbers is None else len(numbers)
    data = DataFacts(name="people", digests={"t.csv": "d"}, rows=rows, train_rows=0, target="y")
    return a_run(**{"results": results, "gates": (), "data": data, "row_keys": numbers, **fields})


def only(before: Metric, after: Metric, **fields: Any) -> MetricChange:
    (change,) = compare(run_of(toy(before)), run_of(toy(after), **fields)).metrics
    return change


@pytest.mark.parametrize(
    ("shift", "higher", "verdict"),
    [
        (0.5, True, "better"),
        (-0.5, True, "worse"),
        (0.5, False, "worse"),
        (-0.5, False, "better"),
        (0.5, None, "changed"),
        (0.001, True, "within_noise"),
    ],
)
def test_verdicts_follow_the_metrics_direction(shift: float, higher: bool | None, verdict: str) -> None:
    change = only(
        mean_of(NOISE, higher_is_better=higher), mean_of(0.9 * NOISE + shift + 0.1 * OTHER, higher_is_better=higher)
    )
    assert (change.verdict, change.design, change.n) == (verdict, "paired", ROWS)
    assert change.difference == pytest.approx(shift, abs=0.05)
    assert change.interval is not None
    assert change.decided is not None
    assert (change.decided.low <= 0 <= change.decided.high) == (verdict == "within_noise")


def test_pairs_find_what_two_independent_runs_hide() -> None:
    before, after = mean_of(NOISE), mean_of(NOISE + 0.05 + 0.05 * OTHER)
    assert only(before, after).verdict == "better"
    alone = dataclasses.replace(before, influence=None), dataclasses.replace(after, influence=None)
    wide = [
        dataclasses.replace(part, interval=measured(part.value or 0, 0.1).interval, no_interval="") for part in alone
    ]
    change = only(*wide)
    assert (change.verdict, change.design) == ("within_noise", "independent")


def test_holm_counts_every_tested_metric() -> None:
    values = [(mean_of(NOISE, f"m{i}"), mean_of(NOISE + 0.1 * OTHER + 0.011, f"m{i}")) for i in range(40)]
    (alone,) = compare(run_of(toy(values[0][0])), run_of(toy(values[0][1]))).metrics
    together = compare(run_of(toy(*(a for a, _ in values))), run_of(toy(*(b for _, b in values))))
    assert together.tested == 40
    assert alone.p_value == together.metrics[0].p_value
    assert alone.adjusted is not None
    assert together.metrics[0].adjusted == pytest.approx(min(1.0, 40 * alone.adjusted))
    assert (alone.verdict, together.metrics[0].verdict) == ("better", "within_noise")
    assert alone.interval == together.metrics[0].interval


@pytest.mark.parametrize(
    ("before", "after", "verdict", "key"),
    [
        pytest.param(
            plain_metric(3.0, repeatable=False),
            plain_metric(9.0, repeatable=False),
            "not_tested",
            "core.change_clocked",
            id="clocked",
        ),
        pytest.param(
            plain_metric(None, reason=Message(key="x")),
            plain_metric(1.0),
            "not_compared",
            "core.change_undefined_before",
            id="undefined-before",
        ),
        pytest.param(
            plain_metric(1.0),
            plain_metric(None, reason=Message(key="x")),
            "not_compared",
            "core.change_undefined_after",
            id="undefined-after",
        ),
        pytest.param(
            plain_metric(1.0, unit="ms"),
            plain_metric(1.0, unit="s"),
            "not_compared",
            "core.change_measured_otherwise",
            id="unit",
        ),
        pytest.param(
            plain_metric(1.0, method="a"),
            plain_metric(1.0, method="b"),
            "not_compared",
            "core.change_measured_otherwise",
            id="method",
        ),
        pytest.param(
            plain_metric(1.0, n=9, no_interval="not_estimated"),
            plain_metric(2.0, n=9, no_interval="not_estimated"),
            "not_tested",
            "core.change_no_interval",
            id="no-interval",
        ),
        pytest.param(plain_metric(5.0), plain_metric(7.0), "worse", None, id="exact-and-other"),
        pytest.param(plain_metric(5.0), plain_metric(5.0), "within_noise", None, id="exact-and-equal"),
    ],
)
def test_what_is_not_tested_says_why(before: Metric, after: Metric, verdict: str, key: str | None) -> None:
    change = only(before, after)
    assert change.verdict == verdict
    assert (change.reason.key if change.reason else None) == key
    assert change.p_value is None


def test_what_is_exact_for_its_rows_is_not_exact_for_others() -> None:
    sums = plain_metric(5.0, n=ROWS), plain_metric(7.0, n=ROWS)
    assert only(*sums).verdict == "worse"
    other_seed = dataclasses.replace(run_of().provenance, seed=9)
    assert only(*sums, provenance=other_seed).verdict == "worse"
    some = (dataclasses.replace(metric, n=ROWS - 1) for metric in sums)
    one = plain_metric(5.0, n=1), plain_metric(7.0, n=1)
    for change in (
        only(*sums, keys=range(1, ROWS + 1)),
        only(*some, provenance=other_seed),
        only(*one, keys=range(1, ROWS + 1)),
    ):
        assert (change.verdict, change.reason) == ("not_tested", Message(key="core.change_other_rows"))


def test_a_count_of_the_model_alone_is_compared_whatever_the_rows() -> None:
    sizes = (plain_metric(value, no_interval="count") for value in (5.0, 7.0))
    assert only(*sizes, keys=range(ROWS, 2 * ROWS)).verdict == "worse"
    rows = (plain_metric(value, no_interval="count", n=ROWS) for value in (5.0, 7.0))
    assert only(*rows, keys=range(ROWS, 2 * ROWS)).verdict == "not_tested"


def test_one_model_on_the_same_rows_is_certainly_unchanged() -> None:
    """Of another model, rows that were not seen may differ; and so they may at another threshold."""
    before = run_of(toy(mean_of(NOISE)))
    for field, value in (("digest", before.model.digest), ("digest", "e"), ("threshold", 0.9)):
        model = dataclasses.replace(before.model, **{field: value})
        (change,) = compare(before, dataclasses.replace(before, model=model)).metrics
        assert (change.verdict, change.p_value, change.design) == ("within_noise", 1.0, "paired")
        assert change.interval is not None
        assert (change.interval.low == change.interval.high == 0.0) is (model == before.model)


def test_other_parameters_are_another_measure() -> None:
    before, after = toy(mean_of(NOISE), parameters={"bins": 10}), toy(mean_of(NOISE + 9), parameters={"bins": 20})
    (change,) = compare(run_of(before), run_of(after)).metrics
    assert change.verdict == "not_compared"
    assert change.reason == Message(key="core.change_measured_otherwise", values={"what": "bins 10 → 20"})


def test_metrics_of_one_run_alone_are_listed() -> None:
    comparison = compare(
        run_of(toy(mean_of(NOISE, "a"), mean_of(NOISE, "b", where={"g": "x"}))),
        run_of(toy(mean_of(NOISE, "c"), mean_of(NOISE, "b", where={"g": "y"}), mean_of(NOISE, "a"))),
    )
    found = {(change.metric, *change.where.values()): change for change in comparison.metrics}
    assert [*found] == [("toy.c",), ("toy.b", "y"), ("toy.a",), ("toy.b", "x")]
    assert [change.verdict for change in found.values()] == [
        "not_compared",
        "not_compared",
        "within_noise",
        "not_compared",
    ]
    assert found[("toy.b", "x")].reason == Message(key="core.change_only_before")
    assert found[("toy.b", "y")].reason == Message(key="core.change_only_after")
    assert comparison.change("toy.b", {"g": "x"}) == found[("toy.b", "x")]
    assert comparison.change("toy.b", {}) is None


@pytest.mark.parametrize(
    ("keys", "paired", "alone", "design"),
    [
        pytest.param(range(ROWS), True, (0, 0), "paired", id="the-same"),
        pytest.param(reversed(range(ROWS)), True, (0, 0), "paired", id="another-order"),
        pytest.param(range(5, ROWS + 5), True, (5, 5), "paired", id="nearly-all"),
        pytest.param(range(50, ROWS + 50), False, (50, 50), "overlapping", id="most"),
        pytest.param(range(ROWS, 2 * ROWS), False, (ROWS, ROWS), "independent", id="none"),
        pytest.param(None, False, (ROWS, ROWS), "independent", id="not-known"),
    ],
)
def test_how_many_rows_are_common_decides_the_design(
    keys: Any, paired: bool, alone: tuple[int, int], design: str
) -> None:
    numbers = None if keys is None else list(keys)
    metric = dataclasses.replace(mean_of(NOISE), interval=measured(0.1, 0.1).interval, no_interval="", value=0.1)
    comparison = compare(run_of(toy(metric)), run_of(toy(metric), keys=numbers))
    assert (comparison.paired, (comparison.baseline_only, comparison.candidate_only)) == (paired, alone)
    assert comparison.metrics[0].design == design


def test_keys_are_of_data_target_and_id() -> None:
    facts = DataFacts(name="a", digests={"t.csv": "d1", "train.csv": "d2"}, rows=3, train_rows=0, target="y")
    keys = row_keys(("1", "2", "3"), facts, file="t.csv")
    assert keys.dtype == np.uint64
    assert len(set(keys.tolist())) == 3
    same = dataclasses.replace(facts, name="b", digests={"t.csv": "d1", "train.csv": "other"})
    assert np.array_equal(keys, row_keys(("1", "2", "3"), same, file="t.csv"))
    assert np.array_equal(keys[::-1], row_keys(("3", "2", "1"), same, file="t.csv"))
    for other in (
        dataclasses.replace(facts, digests={"t.csv": "d9", "train.csv": "d2"}),
        dataclasses.replace(facts, target="z"),
    ):
        assert not np.isin(row_keys(("1", "2", "3"), other, file="t.csv"), keys).any()
    assert row_keys((), facts).shape == (0,)


def test_a_key_that_stands_twice_names_no_row() -> None:
    first, second = np.asarray([1, 2, 2, 3], np.uint64), np.asarray([3, 2, 1, 4], np.uint64)
    pairs = pair_rows(first, second, baseline_rows=4, candidate_rows=4)
    assert (pairs.baseline.tolist(), pairs.candidate.tolist()) == ([0, 3], [2, 0])
    assert (pairs.baseline_only, pairs.candidate_only) == (2, 2)
    assert pair_rows(first, second, baseline_rows=5, candidate_rows=4).n == 0


GAP = Finding(rule="toy.gap", severity="low", title=Message(key="toy.a"), metrics=("toy.score",), where={"g": "x"})


@pytest.mark.parametrize(
    ("before", "after", "shift", "state", "metrics"),
    [
        pytest.param(None, GAP, 0.5, "new", "better", id="new"),
        pytest.param(GAP, None, -0.5, "fixed", "worse", id="fixed"),
        pytest.param(None, GAP, 0.0, "new", "within_noise", id="new-by-noise"),
        pytest.param(GAP, GAP, -0.5, "worse", "worse", id="worse"),
        pytest.param(GAP, GAP, 0.5, "better", "better", id="better"),
        pytest.param(GAP, GAP, 0.0, "within_noise", "within_noise", id="as-it-was"),
    ],
)
def test_findings_are_followed(
    before: Finding | None, after: Finding | None, shift: float, state: str, metrics: str
) -> None:
    where = {"g": "x", "group": "a"}
    baseline = toy(mean_of(NOISE, where=where), findings=(before,) if before else ())
    candidate = toy(mean_of(NOISE + 0.1 * OTHER + shift, where=where), findings=(after,) if after else ())
    (change,) = compare(run_of(baseline), run_of(candidate)).findings
    assert (change.state, change.metrics) == (state, metrics)
    assert (change.before, change.after) == (before and "low", after and "low")


@pytest.mark.parametrize(
    "candidate",
    [
        pytest.param(toy(status="failed", reason=Message(key="x")), id="failed"),
        pytest.param(toy(parameters={"line": 2}), id="another-line"),
        pytest.param(AnalysisResult(analyzer="other", topic="probe"), id="absent"),
    ],
)
def test_a_finding_that_nobody_looked_for_is_not_fixed(candidate: AnalysisResult) -> None:
    (change,) = compare(run_of(toy(findings=(GAP,))), run_of(candidate)).findings
    assert change.state == "not_compared"


def test_what_else_differs_is_listed() -> None:
    gate = {"metric": "toy.score", "min": 0.5, "where": {}, "id": None}
    before = run_of(toy(mean_of(NOISE)), config={"audit": {"seed": 1}, "gates": [gate]})
    after = run_of(
        toy(mean_of(NOISE)),
        config={"audit": {"seed": 2}, "train": {"epochs": 3}, "gates": [{**gate, "min": 0.6}]},
        model=dataclasses.replace(before.model, digest="e"),
        provenance=dataclasses.replace(before.provenance, packages={"torch": "9"}),
    )
    others = {(other.kind, other.name): (other.before, other.after) for other in compare(before, after).others}
    assert others == {
        ("model", "digest"): ("d", "e"),
        ("gates", "toy.score"): ("min = 0.5", "min = 0.6"),
        ("config", "audit.seed"): ("1", "2"),
        ("config", "train.epochs"): ("", "3"),
        ("packages", "torch"): ("", "9"),
    }
    assert compare(before, before).others == ()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"task": "regression"}, "another task"),
        ({"classes": ("no", "maybe")}, "other classes"),
        ({"classes": ("yes", "no")}, "other classes"),
    ],
)
def test_other_questions_are_refused(model: dict[str, Any], words: str) -> None:
    before = run_of(toy(mean_of(NOISE)))
    before = dataclasses.replace(before, model=dataclasses.replace(before.model, classes=("no", "yes")))
    after = dataclasses.replace(before, model=dataclasses.replace(before.model, **model))
    with pytest.raises(ComparisonError, match=words):
        compare(before, after)


def test_other_definitions_and_nothing_in_common_are_refused() -> None:
    before, after = (
        run_of(toy(mean_of(NOISE), parameters={"bins": 1})),
        run_of(toy(mean_of(NOISE), parameters={"bins": 2})),
    )
    with pytest.raises(ComparisonError, match="measure every metric otherwise") as raised:
        auditbench.compare(before, after)
    assert "bins 1 → 2" in raised.value.problems[0].found
    with pytest.raises(ComparisonError, match="no metric in common"):
        auditbench.compare(run_of(toy(mean_of(NOISE, "a"))), run_of(toy(mean_of(NOISE, "b"))))
    with pytest.raises(ComparisonError, match="interrupted"):
        auditbench.compare(dataclasses.replace(before, status="interrupted"), before)
    with pytest.raises(ComparisonError, match="level between 0 and 1"):
        auditbench.compare(before, before, level=1.0)


def test_folders_are_read_and_checked(tmp_path: Path) -> None:
    before, after = (run_of(toy(measured(value, 0.01)), keys=None) for value in (0.2, 0.5))
    finish(tmp_path / "before", before)
    finish(tmp_path / "after", after)
    found = auditbench.compare(tmp_path / "before", str(tmp_path / "after" / "run.json"))
    assert isinstance(found, Comparison)
    assert found.metrics == auditbench.compare(before, after).metrics
    assert found.metrics[0].verdict == "better"
    record = tmp_path / "after" / "run.json"
    record.write_bytes(record.read_bytes().replace(b'"value": 0.5', b'"value": 0.9'))
    with pytest.raises(RecordError, match="not those that the audit wrote"):
        auditbench.compare(tmp_path / "before", tmp_path / "after")
    with pytest.raises(RecordError, match="no record of an audit"):
        auditbench.compare(tmp_path / "before", tmp_path / "absent")
    for content, where in (("{", ""), (json.dumps({"schema": 99}), ""), (json.dumps({"schema": 1}), ".status")):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(RecordError) as raised:
            auditbench.compare(tmp_path / "before", tmp_path)
        assert raised.value.problems[0].where == f"{tmp_path / 'run.json'}{where}"


def test_a_record_keeps_its_comparison_and_its_rows(tmp_path: Path) -> None:
    clocked = plain_metric(1.0, "speed", repeatable=False), plain_metric(2.0, "speed", repeatable=False)
    still = plain_metric(3.0, "size")
    comparison = compare(run_of(toy(clocked[0], still)), run_of(toy(clocked[1], still)))
    keys = write_array(tmp_path, "row_keys", np.arange(3, dtype=np.uint64))
    run = dataclasses.replace(run_of(toy(clocked[1], still)), baseline=comparison, row_keys=keys)
    document = json.loads(encode_run(run))
    assert [change["metric"] for change in document["baseline"]["metrics"]] == ["toy.size"]
    assert [change["metric"] for change in document["volatile"]["changes"]] == ["toy.speed"]
    back = decode_run(encode_run(run), folder=tmp_path)
    assert back.baseline is not None
    assert {change.metric for change in back.baseline.metrics} == {"toy.size", "toy.speed"}
    assert np.asarray(back.row_keys).tolist() == [0, 1, 2]
    assert encode_run(back) == encode_run(run)
    del document["baseline"], document["row_keys"], document["volatile"]["changes"]
    old = decode_run(json.dumps(document).encode())
    assert (old.baseline, old.row_keys) == (None, None)
