"""The resources plugin: exact counts, what a clock gave kept apart, and nothing invented where there is no meter."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import auditbench_resources
from auditbench.context import AuditContext
from auditbench.data import encoded_width
from auditbench.testing import toy_context, toy_subject
from auditbench_resources import Params, memory
from auditbench_resources.analysis import analyze
from auditbench_resources.compute import multiply_accumulates
from auditbench_resources.latency import Timing, latency_block, latency_metrics, time_calls
from auditbench_resources.memory import MemoryReading, measure_memory
from auditbench_resources.size import parameters_by_module, state_bytes
from auditbench_resources.summary import layer_table
from tests.made_graphs import chosen, made, node
from tests.plugin_results import analyzer_of, check_catalogue, check_result, metric_of

QUICK = Params(batch_sizes=(1, 8), warm_up=1, repetitions=6, seconds=5.0, memory_rows=8)
WIDTH = encoded_width(toy_subject().model.features)
EXACT = {"parameters", "macs", "model_size"}


@pytest.fixture(autouse=True)
def short_memory_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CALLING_SECONDS", 0.01)


class TwoLayers(nn.Module):
    """The encoded inputs of the toy table, five hidden units, one output."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(WIDTH, 5), nn.ReLU(), nn.Linear(5, 1))
        self.requires_grad_(False)
        self.eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        return self.layers(encoded)


def context_of(module: nn.Module | None = None, **options: Any) -> AuditContext:
    subject = toy_subject(**options)
    if module is not None:
        facts = dataclasses.replace(subject.model.facts, parameters=sum(map(torch.numel, module.parameters())))
        subject = dataclasses.replace(subject, model=dataclasses.replace(subject.model, module=module, facts=facts))
    return toy_context(subject, analyzer="resources", params=QUICK)


def test_exact_counts_of_a_small_network() -> None:
    result = analyze(context_of(TwoLayers()), QUICK)
    assert metric_of(result, "parameters").value == WIDTH * 5 + 5 + 5 + 1
    assert metric_of(result, "macs").value == WIDTH * 5 + 5
    assert metric_of(result, "model_size").value == 4 * (WIDTH * 5 + 11)
    assert {m.no_interval for m in result.metrics if m.name in EXACT and m.value is not None} == {"count"}
    (table,) = result.tables
    assert table.rows == (
        ("layers.0", "Linear", "5", WIDTH * 5 + 5, WIDTH * 5),
        ("layers.2", "Linear", "1", 6, 5),
    )
    check_result(auditbench_resources, result)


def test_what_a_clock_or_meter_gave_is_not_repeatable() -> None:
    result = analyze(context_of(), QUICK)
    assert {m.name for m in result.metrics if m.repeatable} == EXACT
    assert {m.where["batch"] for m in result.metrics if m.name == "latency_p50"} == {"1", "8"}
    assert all(not block.repeatable for block in result.percentiles)
    assert result.findings == ()


def test_all_that_repeats_is_equal_in_a_second_run() -> None:
    context = context_of()
    first, second = analyze(context, QUICK), analyze(context, QUICK)
    for part in ("tables", "notes", "findings"):
        assert getattr(first, part) == getattr(second, part)
    assert [m for m in first.metrics if m.repeatable] == [m for m in second.metrics if m.repeatable]


@pytest.mark.parametrize("kind", ["binary", "constant", "multiclass", "regression"])
def test_every_task_gives_a_valid_result(kind: Any) -> None:
    check_result(auditbench_resources, analyze(context_of(kind=kind, rows=3), QUICK))


def test_the_model_is_left_as_found() -> None:
    context = context_of(TwoLayers())
    flags = (torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.is_available(), _enabled())
    state = {name: value.clone() for name, value in context.model.module.state_dict().items()}
    random = torch.random.get_rng_state()
    analyze(context, QUICK)
    assert (torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.is_available(), _enabled()) == flags
    assert torch.equal(torch.random.get_rng_state(), random)
    assert not context.model.module.training
    assert all(torch.equal(value, state[name]) for name, value in context.model.module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in context.model.module.modules())


class FailsInForward(nn.Module):
    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        raise RuntimeError(f"fast path: {torch.backends.mha.get_fastpath_enabled()}")


def test_flags_return_even_when_the_model_raises() -> None:
    before = (torch.backends.mha.get_fastpath_enabled(), _enabled())
    module = FailsInForward()
    with pytest.raises(RuntimeError, match="fast path: False"):
        multiply_accumulates(module, torch.zeros(1, 2))
    assert (torch.backends.mha.get_fastpath_enabled(), _enabled()) == before


class Elementwise(nn.Module):
    """No parameters, no product that is counted."""

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        return encoded.sum(dim=1, keepdim=True).sigmoid()


def test_nothing_to_count_is_undefined_not_zero() -> None:
    result = analyze(context_of(Elementwise()), QUICK)
    reasons = {m.name: m.reason.key for m in result.metrics if m.name in EXACT and m.reason is not None}
    assert metric_of(result, "parameters").value == 0
    assert reasons == {
        "macs": "resources.undefined.nothing_counted",
        "model_size": "resources.undefined.no_state",
    }
    check_result(auditbench_resources, result)


def test_shared_weights_count_once() -> None:
    layer = nn.Linear(4, 4, bias=False)
    module = nn.Sequential(layer, nn.ReLU(), layer)
    module.register_buffer("offset", torch.zeros(3, dtype=torch.float64))
    assert state_bytes(module) == 16 * 4 + 3 * 8
    assert parameters_by_module(module) == {"0": ("Linear", 16)}


def test_operators_of_a_graph_are_listed_by_their_names(tmp_path: Path) -> None:
    network = chosen(made(node("Gemm", ["x", "w"], ["y"], name="head")), tmp_path)[0].network
    assert network is not None
    table = layer_table(network, multiply_accumulates(network, torch.zeros(1, 3)))
    assert [row[1] for row in table.rows if row[0] == "head"] == ["Gemm"]


def test_percentiles_of_known_times() -> None:
    timing = Timing(rows=4, milliseconds=tuple(float(value) for value in range(1, 201)))
    p50, p95, p99, throughput = latency_metrics(timing)
    assert (p50.value, p95.value, p99.value) == pytest.approx((100.5, 190.05, 198.01))
    assert throughput.value == pytest.approx(4 / 0.1005)
    assert p50.interval is not None
    assert throughput.interval is not None
    assert (throughput.interval.low, throughput.interval.high) == pytest.approx(
        (4e3 / p50.interval.high, 4e3 / p50.interval.low)
    )
    block = latency_block([timing])
    assert block is not None
    assert (block.rows[0].label, block.rows[0].p95, block.rows[0].n) == ("4", pytest.approx(190.05), 200)


@pytest.mark.parametrize(("calls", "known"), [(1, {"p50"}), (20, {"p50", "p95"}), (99, {"p50", "p95"})])
def test_few_timed_calls_give_no_high_percentile(calls: int, known: set[str]) -> None:
    timing = Timing(rows=1, milliseconds=tuple(float(value) for value in range(1, calls + 1)))
    metrics = latency_metrics(timing)[:3]
    assert {m.name.removeprefix("latency_") for m in metrics if m.value is not None} == known
    assert {m.reason.key for m in metrics if m.reason} == {"resources.undefined.few_repetitions"}
    assert latency_block([timing]) is None


def test_a_call_too_short_for_the_clock_has_no_throughput() -> None:
    throughput = latency_metrics(Timing(rows=1, milliseconds=(0.0, 0.0)))[3]
    assert (throughput.value, throughput.reason.key) == (None, "resources.undefined.below_resolution")


def test_calls_are_warmed_up_and_limited() -> None:
    calls: list[int] = []
    timing = time_calls(lambda: calls.append(1), rows=1, warm_up=3, repetitions=5, seconds=60.0)
    assert (len(calls), len(timing.milliseconds)) == (8, 5)
    calls.clear()
    timing = time_calls(lambda: calls.append(1), rows=1, warm_up=0, repetitions=5, seconds=-1.0)
    assert (len(calls), len(timing.milliseconds)) == (1, 1)


def test_memory_of_a_call_that_holds_its_memory_is_seen() -> None:
    kept: list[bytearray] = []  # above what the C library may have kept of what was freed before
    reading = measure_memory(lambda: kept.append(bytearray(b"x" * (40 << 20))) if not kept else None, "cpu")
    assert reading.meter == "process"
    assert reading.before is not None
    assert reading.peak is not None
    assert reading.peak - reading.before >= 36 << 20


def test_an_absent_meter_is_undefined_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = MemoryReading(before=None, peak=None, meter="process", samples=0)
    monkeypatch.setattr("auditbench_resources.analysis.measure_memory", lambda call, device: nothing)
    result = analyze(context_of(), QUICK)
    for name in ("peak_memory", "memory_growth"):
        metric = metric_of(result, name, batch="8")
        assert (metric.value, metric.reason.key) == (None, "resources.undefined.no_memory_meter")
    training = metric_of(result, "training_time")
    assert (training.value, training.repeatable) == (None, False)
    check_result(auditbench_resources, result)


def test_training_time_is_the_recorded_one() -> None:
    context = context_of()
    trained = dataclasses.replace(context.model, training_cost={"seconds": 12.5})
    metric = metric_of(analyze(dataclasses.replace(context, model=trained), QUICK), "training_time")
    assert (metric.value, metric.unit, metric.repeatable) == (12.5, "s", False)


def test_record_and_catalogue() -> None:
    analyzer = analyzer_of(auditbench_resources)
    assert (analyzer.name, analyzer.topic, analyzer.Params) == ("resources", "resources", Params)
    check_catalogue(auditbench_resources)


def _enabled() -> tuple[bool, bool]:
    return torch._C._get_mkldnn_enabled(), torch._C._get_cudnn_enabled()


@pytest.mark.parametrize(
    ("modality", "notes"),
    [
        ("tabular", {"resources.note.table": {"n": 4, "columns": WIDTH}}),
        ("image", {"resources.note.image": {"n": 1, "height": 6, "width": 5}, "resources.note.before_call": {}}),
        ("text", {"resources.note.text": {"n": 7, "tokens": 10}, "resources.note.before_call": {}}),
        ("series", {"resources.note.series": {"n": 2, "steps": 12}, "resources.note.before_call": {}}),
        (
            "mixed",
            {
                "resources.note.table_named": {"n": 4, "columns": WIDTH, "input": "features"},
                "resources.note.text_named": {"n": 7, "tokens": 10, "input": "text"},
                "resources.note.before_call": {},
            },
        ),
    ],
)
def test_what_one_row_is_stands_in_words(modality: Any, notes: dict[str, dict[str, Any]]) -> None:
    result = analyze(context_of(modality=modality), QUICK)
    found = {note.text.key: dict(note.text.values) for note in result.notes}
    assert {key: found[key] for key in notes} == notes
    assert ("resources.note.before_call" in found) == (modality != "tabular")
