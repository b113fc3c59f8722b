"""`layers`: what it says of networks whose layers are known, and that it leaves them as they were."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import auditbench_layers
from auditbench.context import AuditContext
from auditbench.data import Rows
from auditbench.engines.local import LocalEngine
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.models import ModelUnderTest
from auditbench.results import AnalysisResult, Table
from auditbench.statistics import Clusters, clusters_of, share_interval, sidak_level, wilson_interval
from auditbench.testing import toy_context, toy_subject
from auditbench_layers import Params, passes, probe_blocks
from auditbench_layers.activity import row_activity
from auditbench_layers.analysis import analyze
from auditbench_layers.contribution_blocks import _start
from auditbench_layers.passes import last_places
from auditbench_layers.probe_blocks import balanced_accuracy, difference
from auditbench_layers.probing import control_classes, halves
from auditbench_layers.readable import NoTask, ProbeTask, input_and_types, probe_tasks
from auditbench_layers.similarity import similarities
from auditbench_layers.similarity_blocks import _metric, _without_common_start
from tests.plugin_results import check_catalogue, check_result, finding_of, metric_of, rules_of

SMALL = {"rows": 200, "contribution_rows": 20, "steps": 8}


class TextNetwork(nn.Module):
    """An embedding, a smooth rectifier at each token, and one linear layer of their mean."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, 6)
        self.hidden = nn.Linear(6, 8)
        self.rectifier = nn.GELU()
        self.output = nn.Linear(8, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.output(self.rectifier(self.hidden(self.embedding(ids))).mean(dim=1))
        return found


def network_for(modality: str, model: ModelUnderTest) -> nn.Module:
    (item,) = model.inputs.values()
    layers: Mapping[str, Any] = {
        "tabular": lambda: [nn.Linear(item.shape[0], 16), nn.ReLU(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1)],
        "image": lambda: [nn.Conv2d(1, 8, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(96, 1)],
        "series": lambda: [nn.Conv1d(2, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 1)],
    }
    return TextNetwork(item.tokens) if modality == "text" else nn.Sequential(*layers[modality]())


def context_of(
    modality: Any = "tabular", network: nn.Module | None = None, *, kind: Any = "binary", **changes: Any
) -> AuditContext:
    subject = toy_subject(kind, modality=modality, rows=240)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = network or network_for(modality, subject.model)
    dtype = subject.model.encode(subject.data.take(np.arange(1)).inputs).dtype
    network = network.to(dtype if dtype.is_floating_point else torch.float32).eval().requires_grad_(False)
    facts = dataclasses.replace(subject.model.facts, capabilities=("black_box", "gradients", "hooks", "layers"))
    model = dataclasses.replace(subject.model, module=network, facts=facts)
    return toy_context(dataclasses.replace(subject, model=model), analyzer="layers", **changes)


def looked_at(context: AuditContext, **params: Any) -> AnalysisResult:
    """What the analyzer says of a few rows, however often it is asked."""
    return analyze(dataclasses.replace(context, engine=LocalEngine()), Params(**(SMALL | params)))


def table_of(result: AnalysisResult, name: str) -> list[dict[str, Any]]:
    (table,) = (table for table in result.tables if table.name == name)
    assert isinstance(table, Table)
    return [dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows]


@pytest.mark.parametrize("modality", ["tabular", "image", "text", "series"])
def test_every_modality_gets_every_part(modality: str) -> None:
    context = context_of(modality)
    module = context.model.module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    generator = torch.random.get_rng_state()
    result = looked_at(context)
    check_result(auditbench_layers, result)
    assert {table.name for table in result.tables} == {"activity", "probes", "contributing_layers", "units"}
    assert [matrix.name for matrix in result.matrices] == ["similarity"]
    assert {curve.name for curve in result.curves} == {"probe_label", "probe_sex", "probe_region"}
    assert all(not layer._forward_hooks and not layer._forward_pre_hooks for layer in module.modules())
    assert not module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in module.parameters())
    assert torch.equal(torch.random.get_rng_state(), generator)


def test_every_block_counts_the_rows_that_it_rests_on() -> None:
    result = looked_at(context_of(), rows=200, similarity_rows=90, contribution_rows=30)
    tested = [row["tested"] for row in table_of(result, "probes")]
    rests_on = {table.name: table.n for table in result.tables}
    assert rests_on == {"activity": 200, "probes": max(tested), "contributing_layers": 30, "units": 30}
    assert [matrix.n for matrix in result.matrices] == [90]
    lines = {n for curve in result.curves for series in curve.series for n in series.n}
    assert lines == set(tested)
    assert max(lines) < 200


def test_the_catalogue_is_complete() -> None:
    check_catalogue(auditbench_layers)


@pytest.mark.parametrize("part", ["activations", "contributions", "similarity", "probes"])
def test_parts_can_be_had_alone(part: Any) -> None:
    result = looked_at(context_of(), parts=(part,))
    tables = {
        "activations": {"activity"},
        "contributions": {"contributing_layers", "units"},
        "similarity": set(),
        "probes": {"probes"},
    }
    assert {table.name for table in result.tables} == tables[part]
    assert bool(result.matrices) == (part == "similarity")


def test_units_that_were_planted_dead_are_found_by_number() -> None:
    context = context_of()
    with torch.no_grad():
        first: Any = context.model.module[0]  # type: ignore[index]
        first.weight[[3, 5, 6, 9]] = 0.0
        first.bias[[3, 5, 6, 9]] = -1.0
    result = looked_at(context, parts=("activations",), layers=("1",))
    (row,) = table_of(result, "activity")
    found = {int(unit) for unit in row["which"].split(", ")}
    assert {3, 5, 6, 9} <= found
    assert row["dead"] == len(found)
    metric = metric_of(result, "dead_units", layer="1")
    assert (metric.value, metric.n, metric.no_interval) == (len(found) / 16, 200, "exact")
    finding = finding_of(result, "dead_units")
    assert finding.title.values["units"] == 16
    bound = wilson_interval(0, 200)
    assert bound is not None
    (limit,) = (note.text for note in result.notes if note.text.key == "layers.limit.dead")
    assert limit.values["most"] == pytest.approx(bound[1])
    assert rules_of(looked_at(context, parts=("activations",), layers=("1",), dead_share=1.0)) == []


def test_squashing_layers_at_their_bounds_are_counted() -> None:
    context = context_of()
    with torch.no_grad():
        hidden: Any = context.model.module[2]  # type: ignore[index]
        hidden.weight[:] = 0.0
        hidden.bias[:] = torch.tensor([9.0, 9.0, -9.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    result = looked_at(context, parts=("activations",), layers=("3",))
    metric = metric_of(result, "saturated_activations", layer="3")
    assert metric.value == pytest.approx(3 / 8)
    assert (metric.interval, metric.no_interval) == (None, "not_estimated"), "rows that are alike bound nothing"


def test_a_layer_that_gives_the_same_for_all_rows_has_no_similarity() -> None:
    context = context_of()
    with torch.no_grad():
        hidden: Any = context.model.module[2]  # type: ignore[index]
        hidden.weight[:] = 0.0
    result = looked_at(context, parts=("similarity",))
    metric = metric_of(result, "similarity_to_next", layer="1", next="2")
    assert metric.value is None
    assert metric.reason is not None
    assert metric.reason.key == "layers.undefined.no_variation"
    (matrix,) = result.matrices
    assert matrix.values[1][2] is None
    assert matrix.values[0][0] == pytest.approx(1.0)


def test_the_same_network_is_alike_layer_by_layer_and_another_is_not() -> None:
    context = context_of()
    same = dataclasses.replace(context, models={"again": context.model})
    result = looked_at(same, parts=("similarity",))
    check_result(auditbench_layers, result)
    between = [metric for metric in result.metrics if metric.name == "similarity_to_model"]
    assert [metric.value for metric in between[:4]] == pytest.approx([1.0] * 4)
    first: Any = context.model.module[0]  # type: ignore[index]
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = nn.Sequential(nn.Linear(first.in_features, 4), nn.Sigmoid(), nn.Linear(4, 1))
    other = context_of(network=network).model
    result = looked_at(dataclasses.replace(context, models={"other": other}), parts=("similarity",))
    matrix = next(matrix for matrix in result.matrices if matrix.name == "similarity_to_model")
    assert matrix.rows == ("1 0", "2 1", "3 2", "4 3", "5 4")
    assert matrix.columns == ("1 0", "2 1", "3 2")
    assert max(value for row in matrix.values for value in row if value is not None) < 0.999


def test_a_model_of_other_rows_is_not_compared() -> None:
    context = context_of()
    for other in (context_of("image").model, toy_subject().model):
        result = looked_at(dataclasses.replace(context, models={"other": other}), parts=("similarity",))
        check_result(auditbench_layers, result)
        assert len(result.matrices) == 1
        assert "layers.limit.other_model" in {note.text.key for note in result.notes}


def test_several_further_models_must_be_named() -> None:
    context = context_of()
    context = dataclasses.replace(context, models={"one": context.model, "two": context.model})
    with pytest.raises(ConfigError):
        looked_at(context, parts=("similarity",))
    named = looked_at(context, parts=("similarity",), with_model="two")
    assert len(named.matrices) == 2


def test_contributions_of_the_last_layer_are_the_change_of_the_output() -> None:
    context = context_of()
    result = looked_at(context, parts=("contributions",))
    layers = table_of(result, "contributing_layers")
    assert layers[-1]["gap"] == pytest.approx(0.0, abs=1e-6)
    assert all(row["gap"] < 0.1 for row in layers)
    units = [row for row in table_of(result, "units") if row["layer"] == "4"]
    assert [row["share"] for row in units] == [1.0]
    for row in table_of(result, "units"):
        assert row["size_low"] <= row["size"] <= row["size_high"]
        assert abs(row["signed"]) <= row["size"] + 1e-12


@pytest.mark.parametrize("method", ["layer_integrated_gradients", "activation_x_gradient", "internal_influence"])
def test_every_method_says_which_it_is(method: Any) -> None:
    for modality in ("tabular", "text"):
        result = looked_at(context_of(modality), parts=("contributions",), contributions=method)
        check_result(auditbench_layers, result)
        assert f"layers.note.{method}" in {note.text.key for note in result.notes}
        gaps = [row["gap"] for row in table_of(result, "contributing_layers")]
        assert all((gap is not None) == (method == "layer_integrated_gradients") for gap in gaps)


def test_a_text_network_without_an_embedding_has_no_path() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output = nn.Linear(7, 1)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.output(ids.float())
            return found

    context = context_of("text", Counts())
    with pytest.raises(AnalyzerNotPossible, match="embedding"):
        looked_at(context, parts=("contributions",))


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(ConfigError):
        looked_at(context_of(), layers=("nowhere",))


def test_a_feature_that_the_network_sees_is_read_and_one_that_it_does_not_see_is_not() -> None:
    result = looked_at(context_of(), parts=("probes",))
    (finding,) = result.findings
    assert looked_at(context_of(), parts=("probes",), readable=0.6).findings == ()
    assert (finding.rule, finding.severity, finding.where["target"]) == ("layers.readable_feature", "info", "sex")
    read = metric_of(result, "probe_balanced_accuracy", target="sex", layer="0")
    unseen = metric_of(result, "probe_balanced_accuracy", target="region", layer="0")
    assert read.value is not None
    assert read.value > 0.9
    assert unseen.interval is not None
    assert unseen.interval.low < 0.5 < unseen.interval.high
    for row in table_of(result, "probes"):
        assert row["selectivity"] == pytest.approx(row["accuracy"] - row["control"])
        assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
        assert row["tested"] <= 100


def test_clusters_stay_on_one_side_of_a_probe() -> None:
    groups = np.repeat(np.arange(30), np.arange(1, 31))
    trains = halves(groups, np.random.default_rng(0))
    for group in range(30):
        assert len(set(trains[groups == group])) == 1
    assert abs(int(trains.sum()) - int((~trains).sum())) <= 30


def test_control_classes_are_those_of_the_type_and_as_frequent() -> None:
    types, classes = np.arange(20_000) % 5000, (np.arange(20_000) % 10 == 0).astype(np.int64)
    control = control_classes(types, classes, np.random.default_rng(1))
    assert all((control[types == one] == control[one]).all() for one in range(0, 5000, 500))
    assert control.mean() == pytest.approx(0.1, abs=0.02)
    assert abs(np.corrcoef(control, classes)[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("modality", "reads_on"), [("tabular", False), ("text", False), ("text", True), ("image", False)]
)
@pytest.mark.parametrize("at_once", [7, 1000])
def test_types_are_inputs_or_last_tokens(
    modality: str, reads_on: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are of one type where they are equal, whatever batch they came in."""
    monkeypatch.setattr(passes, "ENCODED_AT_ONCE", at_once)
    subject = toy_subject(modality=modality, rows=120)  # type: ignore[arg-type]
    rows = subject.data.take(np.r_[0:60, 30:90])
    encoded = subject.model.encode(rows.inputs).numpy().reshape(120, -1)
    most = encoded.shape[1]
    given, types = input_and_types(subject.model, rows, reads_on=reads_on, most_columns=most)
    told = [row[row != 0][-1:] for row in encoded] if reads_on else list(encoded)
    assert sorted(set(types.tolist())) == list(range(types.max() + 1))
    for one, first in zip(told, types, strict=True):
        for another, second in zip(told, types, strict=True):
            assert np.array_equal(one, another) == (first == second)
    if modality == "text":
        assert given is None
    else:
        np.testing.assert_array_equal(given, encoded)
        assert input_and_types(subject.model, rows, reads_on=False, most_columns=most - 1)[0] is None


@pytest.mark.parametrize("modality", ["tabular", "text", "image"])
def test_paths_begin_alike_however_the_background_is_batched(modality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = []
    for at_once in (7, 1000):
        monkeypatch.setattr(passes, "ENCODED_AT_ONCE", at_once)
        starts.append(_start(context_of(modality), Params(), "conductance"))
    batched, whole = starts
    assert batched.embedding == whole.embedding == ("embedding" if modality == "text" else None)
    if modality != "text":
        assert batched.row.dtype == whole.row.dtype
        np.testing.assert_allclose(batched.row, whole.row, atol=1e-7)
        context = context_of(modality)
        background = context.data.background(1000, context.rng("background"))
        np.testing.assert_allclose(whole.row[0], context.model.encode(background.inputs).mean(dim=0), atol=1e-6)


def tasks_for(labels: list[int], clusters: Any = None, most: int = 20) -> list[ProbeTask | NoTask]:
    context = context_of()
    rows = Rows(
        inputs={},
        y_true=np.array(labels),
        sensitive_features={},
        row_ids=tuple(map(str, range(len(labels)))),
        clusters=clusters,
    )
    return list(probe_tasks(context, rows, np.arange(len(labels)), most_classes=most))


def test_rare_classes_are_left_out_and_counted() -> None:
    (task,) = tasks_for([0] * 40 + [1] * 30 + [2] * 3 + [3] * 20)
    assert isinstance(task, ProbeTask)
    assert (task.count, task.left_out, len(task.kept)) == (3, 3, 90)
    (fewer,) = tasks_for([0] * 40 + [1] * 30 + [3] * 20, most=2)
    assert isinstance(fewer, ProbeTask)
    assert (fewer.count, fewer.left_out) == (2, 20)


@pytest.mark.parametrize(
    ("labels", "clusters", "reason"),
    [
        pytest.param([0] * 60 + [1] * 3, None, "few_of_a_class", id="one-class"),
        pytest.param([0, 1] * 30, np.zeros(60, dtype=np.int64), "one_cluster", id="one-cluster"),
        pytest.param([0] * 30 + [1] * 30, np.repeat([0, 1], 30), "class_on_one_side", id="a-class-a-cluster"),
    ],
)
def test_what_no_probe_can_look_for_has_a_reason(labels: list[int], clusters: Any, reason: str) -> None:
    (task,) = tasks_for(labels, clusters)
    assert task == NoTask("label", reason)


def test_balanced_accuracy_adds_distances_of_the_classes_by_their_squares() -> None:
    hits, classes = np.array([True] * 9 + [False] + [True] * 3 + [False] * 2), np.repeat([0, 1], [10, 5])
    one, another = share_interval(hits[:10]), share_interval(hits[10:])
    found = balanced_accuracy(hits, classes, None)
    assert found.estimate == pytest.approx((0.9 + 0.6) / 2)
    assert one.low is not None
    assert another.low is not None
    assert found.low == pytest.approx(0.75 - np.hypot(0.9 - one.low, 0.6 - another.low) / 2)
    apart = difference(one, another)
    assert apart.estimate == pytest.approx(0.3)
    assert another.high is not None
    assert apart.low == pytest.approx(0.3 - np.hypot(0.9 - one.low, another.high - 0.6))


def test_few_clusters_bound_nothing() -> None:
    clusters = clusters_of(np.repeat(np.arange(5), 20))
    assert isinstance(clusters, Clusters)
    hits, classes = np.arange(100) % 3 > 0, np.arange(100) % 2
    found = balanced_accuracy(hits, classes, clusters)
    assert (found.low, found.high, found.reason) == (None, None, "too_few_clusters")


def test_intervals_of_balanced_accuracy_cover() -> None:
    rng = np.random.default_rng(2)
    classes = np.repeat([0, 1, 2], [60, 25, 15])
    chances = np.array([0.95, 0.8, 0.6])
    inside = 0
    for _ in range(400):
        found = balanced_accuracy(rng.random(100) < chances[classes], classes, None)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= chances.mean() <= found.high
    assert 0.93 <= inside / 400 <= 0.99


def test_where_texts_are_read_on_units_are_taken_at_the_last_token() -> None:
    counted = torch.tensor([[True, True, True, False], [True, False, False, False], [True, True, True, True]])
    read = last_places(counted)
    assert read.nonzero().tolist() == [[0, 2], [1, 0], [2, 3]]
    output = torch.arange(24.0).reshape(3, 4, 2)
    found = row_activity(output, 2, counted, "Linear", read)
    assert found["mean"].tolist() == [[4.0, 5.0], [8.0, 9.0], [22.0, 23.0]]
    assert found["high"].tolist() == [[4.0, 5.0], [8.0, 9.0], [22.0, 23.0]]
    assert found["low"].tolist() == [[0.0, 1.0], [8.0, 9.0], [16.0, 17.0]]
    assert found["values"].tolist() == [6, 2, 8]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["net.body.0.conv", "net.body.1"], ("1 0.conv", "2 1")),
        (["net.body", "net.body.1"], ("1 body", "2 body.1")),
        (["head"], ("1 head",)),
        (["a", "b"], ("1 a", "2 b")),
    ],
)
def test_matrices_leave_out_what_all_names_begin_with(names: list[str], shown: tuple[str, ...]) -> None:
    assert _without_common_start(names) == shown


@pytest.mark.parametrize(("kind", "outputs"), [("regression", 1), ("multiclass", 3)])
def test_other_tasks_are_looked_at_alike(kind: str, outputs: int) -> None:
    width = context_of().model.module[0].in_features  # type: ignore[index]
    network = nn.Sequential(nn.Linear(width, 6), nn.ReLU(), nn.Linear(6, outputs))
    result = looked_at(context_of(network=network, kind=kind))
    check_result(auditbench_layers, result)
    assert ("layers.note.median" in {note.text.key for note in result.notes}) == (kind == "regression")
    assert {row["layer"] for row in table_of(result, "probes")} == {"input", "0", "1", "2"}


def test_rows_of_which_a_part_is_token_ids_have_no_path() -> None:
    subject = toy_subject(modality="mixed")
    width = subject.model.encode(subject.data.take(np.arange(1)).inputs).shape[1]
    network = nn.Sequential(nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, 1))
    context = context_of("mixed", network)
    result = looked_at(context, parts=("contributions",))
    assert "layers.note.activation_x_gradient" in {note.text.key for note in result.notes}
    with pytest.raises(AnalyzerNotPossible, match="token ids"):
        looked_at(context, parts=("contributions",), contributions="conductance")


class Broken(nn.Module):
    """A network whose hidden layer overflows, and whose outputs do not show it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.overflowing, self.output = nn.Linear(4, 6), nn.Softplus(), nn.Linear(6, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.output(self.overflowing(self.hidden(rows[:, :4]) * 1e308 * 1e10).clamp(max=1.0))
        return found


@pytest.mark.parametrize("part", ["activations", "similarity", "probes"])
def test_layers_of_numbers_that_are_infinite_are_refused_by_name(part: str) -> None:
    with pytest.raises(AnalyzerNotPossible, match="missing or infinite") as refused:
        looked_at(context_of(network=Broken()), parts=(part,))
    assert refused.value.problems[0].found == "overflowing"
    check_result(auditbench_layers, looked_at(context_of(network=Broken()), parts=(part,), layers=("hidden", "output")))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_similarity_of_fewer_rows_than_the_estimator_takes_has_a_reason(rows: int) -> None:
    context = context_of()
    data = context.data.subset(np.arange(rows))
    result = looked_at(dataclasses.replace(context, data=data), parts=("similarity", "activations"))
    assert "layers.limit.few_rows" in [note.text.key for note in result.notes]
    assert not result.matrices
    check_result(auditbench_layers, result)


def test_an_interval_without_which_a_layer_does_not_vary_is_not_estimated() -> None:
    """Two rows alone move the layer: leaving the block of one out leaves nothing to compare."""
    only, other = np.zeros((40, 3)), np.random.default_rng(0).normal(size=(40, 3))
    only[[7, 8]] = 1.0
    found = similarities([only], [other], rng=np.random.default_rng(1))
    metric = _metric("similarity_to_next", found, (0, 0), {"layer": "1", "next": "2"}, 40, None)
    assert metric.value is not None
    assert metric.interval is None
    assert metric.no_interval == "not_estimated"


def test_one_row_that_differs_from_all_others_has_no_similarity() -> None:
    """Of such a layer the estimator is 0 / 0, and rounding must not pass for a similarity."""
    only, other = np.zeros((40, 3)), np.random.default_rng(0).normal(size=(40, 3))
    only[7] = [1.0, 0.3, 0.7]
    found = similarities([only, other], [only, other], rng=np.random.default_rng(1))
    assert np.isnan(found.values).tolist() == [[True, True], [True, False]]


def test_few_independent_rows_are_not_called_few_clusters() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 3))
    found = similarities([rows], [rows], rng=np.random.default_rng(1))
    metric = _metric("similarity_to_next", found, (0, 0), {"layer": "1", "next": "2"}, 6, None)
    assert (metric.interval, metric.no_interval) == (None, "not_estimated")


def test_a_rectifier_whose_units_are_all_on_has_no_dead_units() -> None:
    network = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1))
    context = context_of()
    network[0] = nn.Linear(context.model.encode(context.data.take(np.arange(1)).inputs).shape[1], 5)
    with torch.no_grad():
        network[0].bias.fill_(1e3)
    result = looked_at(context_of(network=network), parts=("activations",), layers=("1",))
    assert metric_of(result, "dead_units", layer="1").value == 0.0
    assert table_of(result, "activity")[0]["dead"] == 0


def test_intervals_of_features_hold_for_all_features_together(monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[float] = []

    def noted(*given: Any, level: float = 0.95, **keys: Any) -> Any:
        levels.append(level)
        return balanced_accuracy(*given, level=level, **keys)

    monkeypatch.setattr(probe_blocks, "balanced_accuracy", noted)
    context = context_of()
    rng = np.random.default_rng(0)

    def with_two(rows: Rows) -> Rows:
        features = {name: rng.choice(["a", "b"], len(rows)) for name in ("one", "two")}
        return dataclasses.replace(rows, sensitive_features=features)

    data = context.data.with_rows(with_two)
    result = looked_at(dataclasses.replace(context, data=data), parts=("probes",))
    readings = len({row["layer"] for row in table_of(result, "probes")})
    assert set(levels) == {0.95, sidak_level(0.95, 2 * readings)}
