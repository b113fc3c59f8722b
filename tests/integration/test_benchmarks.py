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
from torch.utils.flop_counter import FlopCounterMode

import benchmarks.__main__ as command
from benchmarks import cache, ours
from benchmarks.clock import Timing, Turns
from benchmarks.equal_error import Point, at_error
from benchmarks.errors import Accuracy, Seeds, accuracy
from benchmarks.gold import Gold, relative_error, table_gold
from benchmarks.large_networks import BehindEmbedding, bert, resnet
from benchmarks.large_scenes import WORDS, large_texts
from benchmarks.lines import Line, rows_line, speed_line, times_line
from benchmarks.measure import BARE, BareModel, Measurement, measured
from benchmarks.memory import peak
from benchmarks.methods import Answer, Method
from benchmarks.peers import lime as lime_peer
from benchmarks.peers import shap
from benchmarks.section import Scale, Section
from benchmarks.sections import gradients, large, lime, shapley, superpixels
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


def test_large_networks_are_those_that_were_published() -> None:
    with torch.device("meta"):
        network = resnet(device="meta")
        with FlopCounterMode(display=False) as counted:
            maps = network[:-3](torch.empty(1, 3, 224, 224))
            logits = network[-3:](maps)
        texts = bert(device="meta")
    assert sum(part.numel() for part in network.parameters()) == 25_557_032
    assert (maps.shape, logits.shape) == ((1, 2048, 7, 7), (1, 1000))
    assert counted.get_total_flops() / 2 == pytest.approx(4.09e9, rel=1e-3)
    assert sum(part.numel() for part in texts.parameters()) == 109_482_240 + 2 * 768 + 2
    assert texts.bert.config.num_hidden_layers == 12
    assert not network.training
    assert not texts.training


def test_behind_the_embedding_is_the_same_network_and_all_texts_have_as_many_words() -> None:
    scene = large_texts(3, "cpu", tiny=True)
    assert isinstance(scene.sloped, BehindEmbedding)
    torch.testing.assert_close(scene.sloped(torch.from_numpy(scene.points)), scene.network(scene.rows))
    assert [len(set(text) - {-1}) for text in scene.players.groups.tolist()] == [WORDS] * 3
    assert not torch.equal(scene.players.groups[0], scene.players.groups[1])
    assert (scene.starts == scene.rows).sum(dim=1).tolist() == [2, 2, 2]


def test_large_networks_at_a_tiny_size() -> None:
    found = large.run(Scale(full=False, tiny=True))
    images, texts = found.measurements["resnet-50"], found.measurements["bert-base"]
    assert [len(part) for part in (images, texts)] == [2, 2]
    # Beside walks of two rounds: the row, what stands in for it, and a few looks at the model.
    for walked, players in ((images[0], 49), (texts[0], WORDS)):
        assert 4 * (players - 1) + 1 <= walked.point.model_rows <= 4 * (players - 1) + 6
    for integrated in (images[1], texts[1]):
        assert large.STEPS + 1 <= integrated.point.model_rows <= large.STEPS + 6
    overheads = [line for line in found.lines if line.floor is not None]
    memory = [line for line in found.lines if line.floor is None]
    assert [line.measured for line in overheads] == [each.overhead for each in (*images, *texts)]
    assert {line.floor for line in overheads} == {1.1}
    assert [line.verdict for line in memory] == ["stated"] * 4
    assert all(line.measured is not None and line.measured > 0.5 for line in memory)
    assert all(line.detail.count("MiB") == 3 for line in memory)


def test_overhead_counts_rows_with_gradients_as_such() -> None:
    turns = {
        BARE: Turns(timing=Timing(seconds=(8.0,)), results=(Answer(model_rows=8),)),
        large.WITH_GRADIENTS: Turns(timing=Timing(seconds=(24.0,)), results=(Answer(model_rows=8),)),
        "paths": Turns(timing=Timing(seconds=(200.0,)), results=(Answer(model_rows=60),)),
    }
    explained = large.Explanation(name="paths", library="library", explain=lambda seed: Answer(), steep=50)
    found = large._measurement(explained, turns, 2)
    assert found.overhead == pytest.approx(200 / (10 * 1 + 50 * 3))
    assert (found.point.model_rows, found.point.timing.seconds, found.explained) == (30, (100.0,), 2)
    below = large._line("network", replace(found, overhead=None), "alone")
    assert (below.measured, below.reason) == (None, "spread of the bare model")


def test_without_transformers_there_are_no_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "find_spec", lambda name: None)
    monkeypatch.setattr(large, "_measured", lambda name, scene, amount: ((), []))
    (line,) = large.run(Scale(full=False, tiny=True)).lines
    assert (line.verdict, line.reason) == ("not measured", "transformers is not installed")


def test_the_bare_model_takes_no_batch_that_memory_does_not_hold() -> None:
    class Narrow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = 0

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            if len(rows) > 4:
                raise torch.OutOfMemoryError
            self.rows += len(rows)
            return rows.sum(dim=1, keepdim=True)

    network = Narrow()
    bare = BareModel(network, np.ones((3, 2), dtype=np.float32), count=9, batches=(4, 8, 16))
    assert (bare.batch, bare.rows) == (4, 9)
    network.rows = 0
    assert bare().model_rows == network.rows == 9


def test_the_peak_of_a_call_is_what_it_held_beside_what_was_there() -> None:
    there = torch.ones(1 << 18)
    found = peak(lambda: (there + 1) * 2, "cpu")
    assert 2 * there.nbytes <= found.bytes < 2.1 * there.nbytes
    assert found.device_bytes is None


def measurement(name: str, error: float | None, seconds: float) -> Measurement:
    return Measurement(point=point(name, error, seconds), library="library", explained=1, overhead=None)


def tiny_table() -> Table:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    inputs = np.random.default_rng(0).standard_normal((12, 5)).astype(np.float32)
    frozen = model.eval().requires_grad_(False)
    return Table(name="tiny", model=frozen, training=inputs[:6], background=inputs[:6], rows=inputs[6:])
