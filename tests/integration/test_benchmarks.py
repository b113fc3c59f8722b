"""The benchmark's arithmetic on made-up numbers, and one tiny workload from the peers to the table."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import benchmarks.__main__ as command
from benchmarks import cache, ours
from benchmarks.clock import Timing
from benchmarks.equal_error import Point, at_error
from benchmarks.errors import Accuracy, Seeds, accuracy
from benchmarks.gold import Gold, relative_error, table_gold
from benchmarks.lines import Line, rows_line, speed_line, times_line
from benchmarks.measure import Measurement, measured
from benchmarks.methods import Answer, Method
from benchmarks.peers import lime as lime_peer
from benchmarks.peers import shap
from benchmarks.section import Scale, Section
from benchmarks.sections import gradients, lime, shapley, superpixels
from benchmarks.tables import write_tables
from benchmarks.workloads import Table


def point(name: str, error: float | None, *seconds: float, rows: float = 100) -> Point:
    return Point(name=name, error=error, timing=Timing(seconds=seconds), model_rows=rows)


def test_spread_is_the_interquartile_range_over_the_median() -> None:
    timing = Timing(seconds=(1.0, 2.0, 3.0, 4.0, 5.0))
    assert (timing.median, timing.spread) == (3.0, pytest.approx(2 / 3))
    assert not timing.steady
    assert timing.per(2).median == 1.5


@pytest.mark.parametrize(
    ("errors_and_seconds", "wanted", "seconds"),
    [
        pytest.param([(0.04, 1.0)], 0.02, 4.0, id="half-the-error-costs-four-times"),
        pytest.param([(0.021, 1.0)], 0.02, 1.0, id="within-a-tenth-counts-as-equal"),
        pytest.param([(0.01, 1.0)], 0.02, 1.0, id="nothing-is-cheaper-than-the-least-budget"),
        pytest.param([(0.04, 1.0), (0.01, 16.0)], 0.0125, 10.24, id="between-two-points-from-the-nearer"),
        pytest.param([(0.016, 3.0), (0.01, 4.0)], 0.0125, 3.0, id="never-below-the-cheapest-point"),
    ],
)
def test_cost_at_equal_error(errors_and_seconds: list[tuple[float, float]], wanted: float, seconds: float) -> None:
    points = [point("ours", error, spent) for error, spent in errors_and_seconds]
    equal = at_error(points, wanted)
    assert equal.seconds == pytest.approx(seconds)
    assert equal.model_rows == pytest.approx(100 * equal.factor)


def test_speed_is_compared_at_equal_error_and_both_points_are_printed() -> None:
    line = speed_line("part", "claim", point("peer", 0.01, 8.0), [point("ours", 0.02, 0.1)], floor=15, aim=25)
    assert line.measured == pytest.approx(8.0 / 0.4)
    assert line.verdict == "pass"
    assert "peer: 1.00% error" in line.detail
    assert "ours: 2.00% error" in line.detail
    assert "times 4.00" in line.detail


def test_no_ratio_is_printed_when_the_spread_is_wide() -> None:
    line = speed_line("part", "claim", point("peer", 0.01, 1.0, 2.0, 3.0, 4.0), [point("ours", 0.01, 0.1)], floor=5)
    assert (line.measured, line.verdict) == (None, "not measured")
    assert "peer 60%" in line.reason
    plain = times_line("part", "claim", ("peer", Timing(seconds=(1, 2, 3, 4))), ("ours", Timing(seconds=(1,))))
    assert plain.measured is None


def test_a_missing_peer_is_named_and_no_error() -> None:
    line = speed_line("part", "claim", None, [point("ours", 0.01, 0.1)], floor=5)
    assert (line.measured, line.reason) == (None, "the peer is not installed")


def test_model_rows_are_compared_at_equal_error() -> None:
    line = rows_line("part", "claim", point("peer", 0.01, 1.0, rows=4000), [point("ours", 0.02, 1.0)], floor=0.1)
    assert (line.measured, line.verdict) == (pytest.approx(0.1), "pass")


@pytest.mark.parametrize(
    ("measured_value", "at_least", "verdict"),
    [(3.0, True, "aim"), (1.5, True, "pass"), (0.5, True, "below"), (0.5, False, "aim"), (3.0, False, "below")],
)
def test_verdict(measured_value: float, at_least: bool, verdict: str) -> None:
    floor, aim = (1.0, 2.0) if at_least else (2.0, 1.0)
    line = Line(section="part", claim="claim", measured=measured_value, floor=floor, aim=aim, at_least=at_least)
    assert line.verdict == verdict


def test_relative_error_is_a_mean_over_rows() -> None:
    assert relative_error(np.array([[3.0, 5.0], [1.0, 0.0]]), np.array([[3.0, 4.0], [2.0, 0.0]])) == pytest.approx(0.35)


def test_tiny_workload_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "cache")
    workload = tiny_table()
    gold = table_gold(workload, 2)
    methods = [*shap.shap_methods(1), ours.exact(2), ours.walks(2, 2), ours.walks(2, 2, given="opaque module")]
    found = measured(workload, methods, repeats=1, gold=gold)
    exact, walked, opaque = list(found.values())[-3:]
    assert exact.point.error == pytest.approx(0, abs=1e-5)
    assert walked.point.error is not None
    assert walked.point.error > 1e-4
    # Beside the walks: the row itself, and a few looks at the background rows, shared by both rows.
    budget = ours.walk_budget(workload, 2)
    assert budget + 1 < walked.point.model_rows <= budget + 1 + 2 * 6
    assert budget + 1 < opaque.point.model_rows <= budget + 1 + 2 * 6
    line = speed_line("tiny", "claim", found[shap.KERNEL].point, [walked.point])
    section = Section(name="tiny", lines=[line], measurements={"tiny": tuple(found.values())}, notes=["note"])
    write_tables(tmp_path, "table", [section], {"threads": "1"})
    text = (tmp_path / "table.md").read_text()
    assert all(name in text for name in found)
    stored = json.loads((tmp_path / "table.json").read_text())
    assert stored["sections"][0]["lines"][0]["verdict"] == line.verdict
    assert len(list((tmp_path / "cache").glob("gold-tiny-*.npz"))) == 1
    assert np.array_equal(table_gold(workload, 2).values, gold.values)


@pytest.mark.parametrize(("rows", "calls"), [(1, 4), (3, 2), (9, 1)])
def test_errors_are_of_all_rows_with_gold_values_however_few_a_call_explains(rows: int, calls: int) -> None:
    gold = Gold(values=np.arange(8.0).reshape(4, 2) + 1, error=0.0)
    given: list[int] = []

    def explain(workload: Table, part: np.ndarray, seed: int) -> Answer:
        given.append(len(part))
        index = [int(np.flatnonzero((workload.rows == row).all(axis=1))[0]) for row in part]
        wrong = 1.1 if seed < 1000 else 1.3
        values = wrong * gold.values[index]
        return Answer(values=values, standard_error=np.abs(values - gold.values[index]) * 2)

    method = Method(name="method", library="auditbench_shap", explain=explain, rows=rows)
    found = accuracy(tiny_table(), method, gold, Seeds(own=2))
    assert found is not None
    assert found.errors == pytest.approx((0.1, 0.3))
    assert (found.error, found.spread) == (pytest.approx(0.2), pytest.approx(0.02**0.5))
    assert found.reported == pytest.approx(2)
    assert (len(given), sum(given)) == (2 * calls, 8)


def test_what_a_peer_found_is_kept_and_ours_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    gold = Gold(values=np.ones((2, 5)), error=0.0)
    seeds: list[int] = []

    def explain(workload: Table, part: np.ndarray, seed: int) -> Answer:
        seeds.append(seed)
        return Answer(values=np.full((len(part), 5), 1.5))

    for library, expected in (("torch", [0, 1000]), ("auditbench_shap", [0, 1000, 0, 1000])):
        method = Method(name="method", library=library, explain=explain, rows=2)
        seeds.clear()
        first, second = (accuracy(tiny_table(), method, gold, Seeds(peers=2, own=2)) for _ in range(2))
        assert first == second == Accuracy(errors=(0.5, 0.5))
        assert seeds == expected


def test_finished_parts_are_written_when_a_later_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Part:
        def __init__(self, path: str) -> None:
            self.name = path.rpartition(".")[2]

        def run(self, scale: Scale) -> Section:
            if self.name == "memory":
                raise KeyboardInterrupt
            return Section(name=self.name, lines=[Line(section=self.name, claim="finished", measured=1.0)])

    monkeypatch.setattr(command, "import_module", Part)
    monkeypatch.setattr(command, "_one_thread", lambda: None)
    with pytest.raises(KeyboardInterrupt):
        command.main(["--only", "scaling", "--only", "memory", "--out", str(tmp_path)])
    stored = json.loads((tmp_path / "quick-cpu-scaling-memory.json").read_text())
    assert [section["name"] for section in stored["sections"]] == ["scaling"]
    assert stored["sections"][0]["seconds"] >= 0
    assert "finished" in (tmp_path / "quick-cpu-scaling-memory.md").read_text()


@pytest.mark.parametrize(("error", "verdict"), [(0.05, "pass"), (0.2, "not measured")])
def test_superpixels_have_no_speed_where_they_are_less_exact(error: float, verdict: str) -> None:
    share, speed = superpixels._lines("cnn", point("peer", 0.1, 10.0), point("ours", error, 1.0))
    assert share.measured == pytest.approx(error / 0.1)
    assert speed.verdict == verdict


@pytest.mark.parametrize(("error", "compared"), [(0.004, 0.004), (0.008, 0.005)])
def test_twelve_features_are_compared_at_half_a_percent_or_less(error: float, compared: float) -> None:
    found = {shap.KERNEL: measurement(shap.KERNEL, error, 8.0)}
    line = shapley._kernel_line("syn12", found, [point("ours", 2 * compared, 0.1)])
    assert line.measured == pytest.approx(8.0 / 0.4)


@pytest.mark.parametrize(("error", "verdict"), [(0.01, "aim"), (0.02, "not measured")])
def test_gradients_have_no_speed_where_they_are_less_exact(error: float, verdict: str) -> None:
    peer, own = measurement("peer", 0.01, 20.0), measurement("ours", error, 1.0)
    assert gradients._line("claim", peer, own, (5.0, 12.0)).verdict == verdict


@pytest.mark.parametrize(("bias", "law", "speed"), [(0.0, "pass", "pass"), (0.5, "below", "not measured")])
def test_lime_has_no_speed_where_its_weights_are_not_those_of_lime(
    bias: float, law: str, speed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explain(shift: float, start: int, workload: Table, rows: np.ndarray, seed: int) -> Answer:
        noise = np.random.default_rng(start + seed).normal(scale=0.1, size=(len(rows), 5))
        return Answer(values=1 + shift + noise)

    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    peer = Method(name=lime_peer.LIME, library="lime", explain=partial(explain, 0.0, 0), rows=6)
    monkeypatch.setattr(lime_peer, "lime_tabular", lambda rows: peer)
    own = Method(name="ours", library="auditbench_lime", explain=partial(explain, bias, 100), rows=6)
    kind = lime.Kind(name="shared", method=own, floor=5)
    found = {peer.name: measurement(peer.name, None, 10.0), own.name: measurement(own.name, None, 1.0)}
    lines = lime._lines(tiny_table(), kind, found, Scale(full=False))
    assert tuple(line.verdict for line in lines) == (law, speed)


def test_reference_gradients_are_those_of_a_quadratic_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Squares(nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows.square().sum(dim=1, keepdim=True)

    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    workload = replace(tiny_table(), model=Squares())
    gold = gradients._gold(workload, 300, 3)
    expected = workload.rows[:3].astype(np.float64) ** 2 - workload.baseline.astype(np.float64) ** 2
    assert gold.values == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_reported_model_rows_are_those_that_the_module_sees() -> None:
    workload = tiny_table()
    answer = ours.walks(2, 2, given="opaque module").explain(workload, workload.rows[:2], 0)
    assert answer.model_rows == workload.counter.take()


def test_tiny_scale_does_hardly_any_work() -> None:
    scale = Scale(full=False, tiny=True)
    assert (scale.repeats, scale.rows(200, 100), scale.tables, scale.seeds) == (1, 2, ("syn12",), Seeds())


def measurement(name: str, error: float | None, seconds: float) -> Measurement:
    return Measurement(point=point(name, error, seconds), library="library", explained=1, overhead=None)


def tiny_table() -> Table:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    inputs = np.random.default_rng(0).standard_normal((12, 5)).astype(np.float32)
    frozen = model.eval().requires_grad_(False)
    return Table(name="tiny", model=frozen, training=inputs[:6], background=inputs[:6], rows=inputs[6:])
