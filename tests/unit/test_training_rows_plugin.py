"""The `training-rows` analyzer: numbers that follow from its rows, reasons where there are none, a model left as found."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

import auditbench_training_rows
from auditbench.context import AuditContext
from auditbench.data import Rows
from auditbench.data.stored import StoredArray
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.findings import Message
from auditbench.gate_checks import metrics_for
from auditbench.plugin_entries import PluginEntry
from auditbench.registry import Provided
from auditbench.results import AnalysisResult, Table
from auditbench.testing import ToySubject, missing_words, peak_memory, toy_context, toy_subject
from auditbench.worker.analysis import unmet_need
from auditbench.worker.describing import describe_analyzer
from auditbench_training_rows import Params
from auditbench_training_rows.analysis import analyze
from auditbench_training_rows.candidates import rankings
from auditbench_training_rows.last_layer import LastLayer, find_last_linear
from auditbench_training_rows.neighbours import (
    Neighbours,
    distance_percentile,
    nearest,
    nearest_others,
    of_own_cluster,
)
from auditbench_training_rows.studied import check_outputs, standardized, studied
from auditbench_training_rows.tracin import influences, strongest
from tests.plugin_results import analyzer_of, check_catalogue, check_result, finding_of, metric_of, rules_of

ANALYZER = analyzer_of(auditbench_training_rows)
KINDS = ("binary", "multiclass", "regression")
WIDTH, TRAIN, EVALUATED = 9, 120, 60
QUICK = Params(rows=40, neighbours=5, candidates=6)


class Counted(nn.Module):
    """Counts the rows that it computes."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.rows = 0

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        self.rows += len(encoded)
        return self.module(encoded)


def network(outputs: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = nn.Sequential(nn.Linear(WIDTH, 12), nn.ReLU(), nn.Linear(12, outputs))
    return layers.eval().requires_grad_(False)


def subject_of(kind: Any = "binary", module: nn.Module | None = None, **keys: Any) -> ToySubject:
    subject = toy_subject(kind, rows=EVALUATED, background=TRAIN, **keys)
    module = module or network(3 if kind == "multiclass" else 1)
    return dataclasses.replace(subject, model=dataclasses.replace(subject.model, module=module))


def context_of(subject: ToySubject, params: Params = QUICK, **keys: Any) -> AuditContext:
    return toy_context(subject, analyzer="training-rows", params=params, **keys)


def result_of(subject: ToySubject, params: Params = QUICK, **keys: Any) -> AnalysisResult:
    return analyze(context_of(subject, params, **keys), params)


def table_of(result: AnalysisResult, name: str) -> Table:
    (table,) = [table for table in result.tables if table.name == name]
    return table


def column(table: Table, name: str) -> list[Any]:
    (place,) = [place for place, column in enumerate(table.columns) if column.name == name]
    return [row[place] for row in table.rows]


@pytest.mark.parametrize("kind", KINDS)
def test_result_says_all_in_both_languages(kind: str) -> None:
    result = result_of(subject_of(kind), case_indices=(3, 5))
    check_result(auditbench_training_rows, result)
    assert missing_words(ANALYZER, result, "zh-CN") == ()
    assert [method.name for method in result.methods] == [facts.name for facts in ANALYZER.methods]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_on_training_rows_say_so_and_count_them(kind: str) -> None:
    result = result_of(subject_of(kind), case_indices=(3, 5))
    assert {table.name for table in result.tables} >= {"candidates", "cases", "neighbours", "influences"}
    assert {(table.sample, table.n) for table in result.tables} == {("training", TRAIN)}
    of_labels = {"neighbour_error", "neighbour_agreement", "label_disagreement"}
    assert all((metric.sample == "training") == (metric.name in of_labels) for metric in result.metrics)
    for matrix in result.matrices:
        assert matrix.n == matrix.title.values["n"]
        assert matrix.n <= EVALUATED < TRAIN


def test_catalogue_has_help_and_formulas() -> None:
    check_catalogue(auditbench_training_rows)
    assert set(ANALYZER.messages["en"]) == set(ANALYZER.messages["zh-CN"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_labels_of_neighbours_are_counted_over_all_pairs(kind: str, distance: Any) -> None:
    subject = subject_of(kind)
    result = result_of(subject, QUICK.model_copy(update={"distance": distance}))
    train = subject.data.background(TRAIN, np.random.default_rng(0))
    points = np.asarray(subject.model.module[:2](subject.model.encode(train.inputs)), dtype=np.float64)
    lengths = np.linalg.norm(points, axis=1)
    pairs = (
        np.linalg.norm(points[:, None] - points, axis=2)
        if distance == "euclidean"
        else 1 - points @ points.T / np.outer(lengths, lengths)
    )
    np.fill_diagonal(pairs, np.inf)
    labels = train.y_true[np.argsort(pairs, axis=1)[:, :5]]
    if kind == "regression":
        metric = metric_of(result, "neighbour_error")
        assert metric.value == pytest.approx(np.abs(train.y_true - labels.mean(axis=1)).mean())
        assert {metric.name for metric in result.metrics} == {"neighbour_error", "far_share", "influence_concentration"}
        return
    shares = (labels == train.y_true[:, None]).mean(axis=1)
    assert metric_of(result, "neighbour_agreement").value == pytest.approx(shares.mean())
    disagreeing = metric_of(result, "label_disagreement")
    assert disagreeing.value == pytest.approx((shares < 0.5).mean())
    assert disagreeing.n == TRAIN
    for index, name in enumerate(subject.data.classes):
        members = shares[train.y_true == index]
        assert metric_of(result, "label_disagreement", **{"class": name}).value == pytest.approx((members < 0.5).mean())


def test_share_of_neighbours_with_the_prediction_counts_the_sample_alone() -> None:
    """The cases are chosen for being odd, and stand first."""
    subject = subject_of("multiclass")
    context = context_of(subject, case_indices=(1, 2, 3))
    result = analyze(context, QUICK)
    rows = context.explained_rows(40)
    model, train = subject.model, subject.data.background(TRAIN, np.random.default_rng(0))
    places = [model.module[:2](model.encode(part.inputs)).numpy() for part in (rows, train)]
    found = nearest(*places, 5, distance="cosine")
    decisions = model.decisions(model.predict(rows.inputs))
    shares = (train.y_true[found.positions] == decisions[:, None]).mean(axis=1)[3:]
    metric = metric_of(result, "prediction_agreement")
    assert (metric.value, metric.n) == (pytest.approx(shares.mean()), 37)


def test_rankings_begin_with_wrong_labels() -> None:
    """A network that knows the rows, and six labels that are turned around."""
    known: Any = network(1)
    known[2].weight *= 30  # so that every right answer is a sure one
    known[2].bias *= 30
    subject = subject_of("binary", module=known)
    train = subject.data.background(TRAIN, np.random.default_rng(0))
    right = (known(subject.model.encode(train.inputs))[:, 0] > 0).numpy().astype(np.int64)
    sure = np.argsort(-np.abs(known(subject.model.encode(train.inputs))[:, 0].numpy()))[:6]
    labels = right.copy()
    labels[sure] = 1 - labels[sure]
    wrong = dataclasses.replace(train, y_true=labels)
    found = studied(subject.model, wrong, find_last_linear(subject.model, wrong), "last")
    orders = rankings(found, nearest_others(found.places, 5, distance="cosine"))
    assert list(orders) == ["self_influence", "loss", "neighbours", "margin"]
    for name in ("self_influence", "loss", "margin"):
        assert set(orders[name][:6].tolist()) == set(sure.tolist()), name


@pytest.mark.parametrize("kind", KINDS)
def test_candidates_are_the_first_rows_of_the_rankings_with_a_doubtful_label(kind: str) -> None:
    subject = subject_of(kind)
    table = table_of(result_of(subject), "candidates")
    train = subject.data.background(TRAIN, np.random.default_rng(0))
    found = studied(subject.model, train, find_last_linear(subject.model, train), "last")
    near = nearest_others(found.places, 5, distance="cosine")
    same = (train.y_true[near.positions] == train.y_true[:, None]).mean(axis=1)
    doubtful = [
        kind == "regression" or found.decisions[at] != train.y_true[at] or same[at] < 0.5 for at in range(TRAIN)
    ]
    orders = rankings(found, near)
    expected = {name: [at for at in order.tolist() if doubtful[at]][:6] for name, order in orders.items()}
    assert len(expected) == (3 if kind == "regression" else 4)
    counts = {
        train.row_ids[at]: sum(at in head for head in expected.values())
        for at in {at for head in expected.values() for at in head}
    }
    assert dict(zip(column(table, "row"), column(table, "named_by"), strict=True)) == counts
    assert column(table, "named_by") == sorted(column(table, "named_by"), reverse=True)
    for name, order in orders.items():
        ranks = [order.tolist().index(train.row_ids.index(row)) + 1 for row in column(table, "row")]
        assert column(table, f"rank_{name}") == ranks


@pytest.mark.parametrize(("candidates", "compared"), [(3, True), (1000, False)])
def test_rankings_are_compared_where_they_choose_among_more_rows_than_are_listed(
    candidates: int, compared: bool
) -> None:
    result = result_of(subject_of("binary"), QUICK.model_copy(update={"candidates": candidates}))
    assert "candidates" in [table.name for table in result.tables]
    assert ("ranking_agreement" in [table.name for table in result.tables]) == compared
    if not compared:
        assert "labels_to_review" not in str(result.findings)


def test_rows_that_nothing_contradicts_are_no_candidates() -> None:
    """Labels that follow from a network whose answers agree with their neighbours."""
    subject = subject_of("binary", module=(known := nn.Sequential(nn.Linear(WIDTH, 1)).eval().requires_grad_(False)))
    known[0].weight.zero_()
    known[0].weight[0, 0] = 5.0

    def labelled(rows: Any) -> Any:
        table = rows.inputs["features"].copy()
        table[:, 0] = np.where(np.arange(len(table)) % 2, 200.0, -200.0)
        return dataclasses.replace(
            rows, inputs={"features": table}, y_true=(np.arange(len(table)) % 2).astype(np.int64)
        )

    certain = dataclasses.replace(subject, data=subject.data.with_rows(labelled))
    result = result_of(certain)
    assert "candidates" not in [table.name for table in result.tables]
    assert "labels_to_review" not in rules_of(result)
    assert "training-rows.note.no_candidates" in [note.text.key for note in result.notes]
    metric = metric_of(result, "neighbour_agreement")
    assert (metric.value, metric.interval, metric.no_interval) == (1.0, None, "not_estimated")
    check_result(auditbench_training_rows, result)


def test_supporters_of_a_wrong_answer_are_opponents_of_the_label() -> None:
    """Of a single logit the answer is the other label, whose gradient has the other sign."""
    subject = subject_of("binary")
    decisions = subject.model.decisions(subject.model.predict(subject.data.take(np.arange(EVALUATED)).inputs))
    wrong = int(np.flatnonzero(decisions != subject.data.y_true)[0])
    of_answer, of_label = (
        table_of(result_of(subject, QUICK.model_copy(update={"answer": answer}), case_indices=(wrong,)), "influences")
        for answer in ("predicted", "observed")
    )
    ways = [
        {row[1]: (row[-1].key, np.sign(row[-2])) for row in table.rows if isinstance(row[-1], Message)}
        for table in (of_answer, of_label)
    ]
    assert set(ways[0]) == set(ways[1])
    assert all(ways[0][row][1] == -ways[1][row][1] for row in ways[0])
    assert {way for way, _ in ways[0].values()} == {"training-rows.supports", "training-rows.opposes"}


def test_rows_from_elsewhere_are_far() -> None:
    subject = subject_of("binary", module=nn.Sequential(nn.Linear(WIDTH, 1)).eval().requires_grad_(False))
    params = QUICK.model_copy(update={"distance": "euclidean"})
    usual = result_of(subject, params)
    assert "far_rows" not in rules_of(usual)

    def moved(rows: Any) -> Any:
        table = rows.inputs["features"].copy()
        if len(table) == EVALUATED:
            table[:, 0] += 200.0
        return dataclasses.replace(rows, inputs={"features": table})

    away = dataclasses.replace(subject, data=subject.data.with_rows(moved))
    result = result_of(away, params)
    metric = metric_of(result, "far_share")
    assert (metric.value, metric.n) == (1.0, 40)
    assert finding_of(result, "far_rows").metrics == ("training-rows.far_share",)
    assert set(column(table_of(result, "cases"), "percentile")) == {1.0}


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_of_a_task_are_those_that_are_declared_for_it(kind: str) -> None:
    origin = PluginEntry(name="training-rows", module="auditbench_training_rows", distribution="toy", version="1")
    subject = subject_of(kind)
    result = result_of(subject)
    declared = metrics_for(describe_analyzer(Provided(record=ANALYZER, origin=origin)), subject.model.facts.task)
    assert {metric.name for metric in result.metrics} == set(declared)
    shares = [metric for metric in result.metrics if metric.name in ANALYZER.shares]
    assert all(0 <= metric.value <= 1 for metric in shares if metric.value is not None)


def test_without_any_influence_its_concentration_is_undefined() -> None:
    """A regression whose answers are all right has no gradient."""
    subject = subject_of("regression")
    model = subject.model

    def fitted(rows: Any) -> Any:
        return dataclasses.replace(rows, y_true=model.predict(rows.inputs)[:, 0])

    result = result_of(dataclasses.replace(subject, data=subject.data.with_rows(fitted)))
    metric = metric_of(result, "influence_concentration")
    assert metric.value is None
    assert metric.reason == Message(key="training-rows.no_rows")
    assert table_of(result, "influences").rows == ()
    check_result(auditbench_training_rows, result)


def test_percentile_is_the_share_that_is_smaller() -> None:
    found = distance_percentile(np.array([0.0, 2.0, 2.5, 9.0]), np.array([3.0, 1.0, 2.0, 4.0]))
    assert found.tolist() == [0.0, 0.25, 0.5, 1.0]


def test_model_is_left_as_found_and_computes_each_row_twice() -> None:
    module = Counted(network(1))
    subject = subject_of("binary", module=module.eval())
    result_of(subject)
    assert module.rows == 2 * (TRAIN + 40) + 2 + EVALUATED  # outputs and gradients; a trial; the context's own outputs
    assert not module.training
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in module.parameters())
    assert all(not part._forward_hooks for part in module.modules())


def test_a_sample_of_many_training_rows_repeats() -> None:
    subject = subject_of("multiclass")
    params = QUICK.model_copy(update={"train_rows": 50})
    one, other = (result_of(subject, params) for _ in range(2))
    assert metric_of(one, "neighbour_agreement").n == 50
    assert [metric.value for metric in one.metrics] == [metric.value for metric in other.metrics]
    assert one.tables == other.tables


def test_rows_that_depend_on_each_other_have_wider_intervals_or_none() -> None:
    subject = subject_of("binary")
    grouped = dataclasses.replace(
        subject,
        data=subject.data.with_rows(lambda rows: dataclasses.replace(rows, clusters=np.arange(len(rows)) // 4)),
    )
    alone, together = result_of(subject), result_of(grouped)
    assert metric_of(together, "label_disagreement").clusters == TRAIN // 4
    widths = [
        interval.high - interval.low
        for result in (alone, together)
        if (interval := metric_of(result, "label_disagreement").interval)
    ]
    assert widths[1] > widths[0]
    assert metric_of(together, "neighbour_agreement").no_interval == "dependent_rows"
    assert metric_of(alone, "neighbour_agreement").interval is not None


def test_training_rows_whose_clusters_are_not_known_have_no_interval() -> None:
    """As where they stand in a file of their own: the rows to evaluate have clusters, so that these have them too."""
    subject = subject_of("binary")

    def grouped(rows: Rows) -> Rows:
        return rows if len(rows) == TRAIN else dataclasses.replace(rows, clusters=np.arange(len(rows)) // 4)

    result = result_of(dataclasses.replace(subject, data=subject.data.with_rows(grouped)))
    own = [metric for metric in result.metrics if metric.sample == "training"]
    assert {metric.name for metric in own} == {"label_disagreement", "neighbour_agreement"}
    assert [(metric.interval, metric.no_interval) for metric in own] == [(None, "dependent_rows")] * len(own)


def test_neighbours_of_the_own_cluster_are_counted() -> None:
    """Four rows each belong together and lie in one place, so that three of five neighbours are of the own cluster."""
    subject = subject_of("binary")

    def together(rows: Rows) -> Rows:
        inputs = {name: array[np.arange(len(rows)) // 4 * 4] for name, array in rows.inputs.items()}
        return dataclasses.replace(rows, inputs=inputs, clusters=np.arange(len(rows)) // 4)

    grouped = dataclasses.replace(subject, data=subject.data.with_rows(together))
    params = QUICK.model_copy(update={"space": "inputs"})
    result = result_of(grouped, params, case_indices=(3, 5))
    train = grouped.data.background(TRAIN, np.random.default_rng(0))
    model = grouped.model
    linear = find_last_linear(model, train)
    found = studied(model, train, linear, "inputs")
    usual = nearest_others(standardized(found, found)[0].places, 5, distance="cosine")
    expected = (train.clusters[usual.positions] == train.clusters[:, None]).mean()  # type: ignore[index]
    assert expected >= 0.6
    assert all(count >= 3 for count in column(table_of(result, "candidates"), "own_cluster"))
    assert len(column(table_of(result, "cases"), "own_cluster")) == 2
    (note,) = [note.text for note in result.notes if note.text.key == "training-rows.limit.own_cluster"]
    assert note.values["share"] == pytest.approx(expected)
    check_result(auditbench_training_rows, result)
    alone = result_of(subject)
    assert "own_cluster" not in {each.name for table in alone.tables for each in table.columns}


def test_clusters_that_are_missing_are_nobodys() -> None:
    near = Neighbours(positions=np.asarray([[0, 1, 2], [0, 1, 2]]), distances=np.zeros((2, 3)))
    found = of_own_cluster(np.asarray([7, -1]), np.asarray([7, -1, 8]), near)
    assert found is not None
    assert found.tolist() == [[True, False, False], [False, False, False]]
    assert of_own_cluster(None, np.asarray([7]), near) is of_own_cluster(np.asarray([7]), None, near) is None


@pytest.mark.parametrize("renumbered", [False, True])
def test_an_explained_row_that_is_a_training_row_is_none_of_its_own_neighbours(renumbered: bool) -> None:
    """Of the same id and the same input: an id alone is often the number of a row in its file."""
    subject = subject_of("binary")
    train = subject.data.background(TRAIN, np.random.default_rng(0))
    some = train.take(np.arange(EVALUATED))
    if renumbered:
        some = dataclasses.replace(some, row_ids=train.row_ids[1 : EVALUATED + 1])
    subject = dataclasses.replace(subject, data=dataclasses.replace(subject.data, _evaluated=some))
    result = result_of(subject, QUICK.model_copy(update={"rows": EVALUATED}), case_indices=(3, 5))
    table = table_of(result, "neighbours")
    same = [case == row for case, row in zip(column(table, "case"), column(table, "row"), strict=True)]
    distances = column(table, "distance")
    themselves = [note.text.values["n"] for note in result.notes if note.text.key == "training-rows.limit.themselves"]
    if renumbered:
        assert min(distances) == pytest.approx(0.0, abs=1e-9)
        assert themselves == []
    else:
        assert not any(same)
        assert themselves == [EVALUATED]
        usual = nearest_others(
            studied(subject.model, train, find_last_linear(subject.model, train), "last").places, 5, distance="cosine"
        )
        assert distances[:4] == pytest.approx(usual.distances[3][:4].tolist())
    check_result(auditbench_training_rows, result)


class Twice(nn.Module):
    """Calls one linear layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)
        self.requires_grad_(False).eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        return self.layer(self.layer(encoded))[:, :1]


class Unused(nn.Module):
    """Its last linear layer plays no part."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, 1)
        self.requires_grad_(False).eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.first(encoded)
        self.last(encoded)
        return outputs


def test_reasons_why_there_is_no_influence() -> None:
    subjects = {
        "no_layers": subject_of(gradients=False),
        "no_linear": toy_subject("binary", rows=EVALUATED, background=TRAIN),
        "not_once": subject_of(module=Twice()),
        "not_used": subject_of(module=Unused()),
    }
    for why, subject in subjects.items():
        result = result_of(subject)
        metric = metric_of(result, "influence_concentration")
        assert metric.value is None
        assert metric.reason is not None
        assert metric.reason.key == f"training-rows.no_influence.{why}"
        assert metric.reason in [note.text for note in result.notes]
        assert metric_of(result, "neighbour_agreement").value is not None  # in the space of the inputs
        assert "training-rows.note.space_inputs" in [note.text.key for note in result.notes]
        assert [table.name for table in result.tables] == ["candidates", "ranking_agreement", "cases", "neighbours"]
        assert set(column(table_of(result, "candidates"), "self_influence")) == {None}
        check_result(auditbench_training_rows, result)


def test_no_column_of_a_table_outweighs_the_others() -> None:
    """In the space of the inputs a column in other units changes no neighbour."""
    subject = subject_of("multiclass", gradients=False)
    wide = dataclasses.replace(subject, model=dataclasses.replace(subject.model, encoder=Wide(subject.model.encoder)))
    tables = [table_of(result_of(each), "neighbours") for each in (subject, wide)]
    assert column(tables[0], "row") == column(tables[1], "row")
    np.testing.assert_allclose(column(tables[0], "distance"), column(tables[1], "distance"), atol=1e-6)


class Wide(nn.Module):
    """An encoder whose first column is in other units."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        encoded: torch.Tensor = self.encoder(inputs)
        return encoded * torch.tensor([1000.0] + [1.0] * (WIDTH - 1))


@pytest.mark.parametrize("modality", ["image", "series", "mixed"])
def test_black_boxes_of_other_modalities_have_neighbours(modality: Any) -> None:
    subject = toy_subject("multiclass", modality=modality, rows=EVALUATED, background=TRAIN)
    if modality == "mixed":
        with pytest.raises(AnalyzerNotPossible, match="neighbours cannot be found there"):
            result_of(subject)
        return
    check_result(auditbench_training_rows, result_of(subject))


def replaced(subject: ToySubject, **keys: Any) -> ToySubject:
    return dataclasses.replace(subject, data=dataclasses.replace(subject.data, **keys))


def stored(subject: ToySubject) -> ToySubject:
    facts = dataclasses.replace(subject.model.facts, format="predictions")
    return dataclasses.replace(subject, model=dataclasses.replace(subject.model, facts=facts))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param(lambda s: replaced(s, background_source="test"), "data.train", id="no-training-rows"),
        pytest.param(stored, "model.format", id="predictions"),
        pytest.param(
            lambda s: toy_subject("binary", modality="text", background=TRAIN),
            "analyzers.training-rows.space",
            id="ids",
        ),
        pytest.param(lambda s: subject_of(gradients=False), "analyzers.training-rows.space", id="last-of-a-black-box"),
    ],
)
def test_what_is_not_possible_says_where_and_what_to_do(change: Any, where: str) -> None:
    params = QUICK.model_copy(update={"space": "last"}) if where.endswith("space") else QUICK
    with pytest.raises(AnalyzerNotPossible) as caught:
        result_of(change(subject_of()), params)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert problem.found
    assert problem.allowed
    assert problem.fix


def test_a_space_that_is_no_layer_is_refused_with_the_names_that_could_stand_there() -> None:
    with pytest.raises(ConfigError) as caught:
        result_of(subject_of(), QUICK.model_copy(update={"space": "inputz"}))
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == ("analyzers.training-rows.space", "inputz")
    assert problem.allowed.startswith("inputs, auto, last")
    assert problem.fix == "did you mean `inputs`?"


def test_the_check_says_what_the_analysis_says_and_reads_two_training_rows() -> None:
    subject, read = subject_of(), []

    def noted(rows: Rows) -> Rows:
        (array,) = rows.inputs.values()
        stored = StoredArray(
            read=lambda places: (read.append(len(places)), array[places])[1],
            positions=np.arange(len(array)), row_shape=array.shape[1:], dtype=array.dtype,
        )  # fmt: skip
        return dataclasses.replace(rows, inputs=dict.fromkeys(rows.inputs, stored))

    data = subject.data.with_rows(noted)
    check = analyzer_of(auditbench_training_rows).check
    assert check is not None
    check(subject.model, data, QUICK)
    with pytest.raises(ConfigError, match="no layer of this name"):
        check(subject.model, data, QUICK.model_copy(update={"space": "inputz"}))
    assert 0 < max(read) <= 2


def test_as_many_neighbours_as_training_rows_are_refused() -> None:
    with pytest.raises(AnalyzerNotPossible, match="fewer training rows than neighbours"):
        result_of(subject_of(), Params(rows=10, neighbours=TRAIN))
    assert result_of(subject_of(), Params(rows=10, neighbours=TRAIN - 1)).metrics


def test_language_models_are_not_for_this_analyzer() -> None:
    subject = toy_subject("multiclass", modality="text")
    facts = dataclasses.replace(subject.model.facts, task="next-token")
    context = context_of(dataclasses.replace(subject, model=dataclasses.replace(subject.model, facts=facts)))
    assert unmet_need(ANALYZER.needs, context) is not None


@pytest.mark.parametrize(
    "keys", [{"rows": 1}, {"neighbours": 0}, {"train_rows": 100_001}, {"distance": "manhattan"}, {"planted": 0.1}]
)
def test_parameters_are_checked(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Params(**keys)


def test_memory_does_not_grow_with_all_pairs() -> None:
    """All pairs of these rows would take 576 MB, and all influences on 2,000 rows 192 MB."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(12_000, 6)).astype(np.float32)
    layer = LastLayer(activations=places, gradients=places[:, :2])
    classes = np.zeros(len(places), dtype=np.int64)
    with peak_memory() as searched:
        nearest_others(places, 5, distance="cosine")
    assert searched.bytes < 64 * 2**20
    with peak_memory() as ranked:
        strongest(layer.take(slice(0, 2000)), layer, classes, n_classes=1, count=3)
    assert ranked.bytes < 64 * 2**20


def test_memory_does_not_grow_with_classes_times_training_rows() -> None:
    """A table of these rows by these classes would take 305 MiB."""
    places = np.random.default_rng(0).normal(size=(8_000, 3)).astype(np.float32)
    layer, classes = LastLayer(activations=places, gradients=places[:, :2]), np.arange(8_000) % 5_000
    with peak_memory() as used:
        found = strongest(layer.take(slice(0, 4)), layer, classes, n_classes=5_000, count=3)
    assert used.bytes < 64 * 2**20
    influence = influences(layer.take(slice(0, 4)), layer)
    expected = influence[:, classes == 7].sum(axis=1) / np.abs(influence).sum(axis=1)
    np.testing.assert_allclose(found.by_class[:, 7], expected, atol=1e-12)


def test_memory_does_not_grow_with_the_candidates_of_long_rows() -> None:
    """Candidates of 40 rows of 100,000 numbers would take 672 MiB at once."""
    places = np.random.default_rng(0).normal(size=(40, 100_000)).astype(np.float32)
    with peak_memory() as used:
        found = nearest_others(places, 6, distance="euclidean")
    assert used.bytes < 500 * 2**20
    gaps = np.linalg.norm(places[0] - places[1:], axis=1)
    np.testing.assert_allclose(found.distances[0], np.sort(gaps)[:6], rtol=1e-5)


def test_outputs_that_do_not_fit_beside_each_other_are_refused() -> None:
    subject = subject_of("multiclass")
    many = dataclasses.replace(subject.model, target_names=tuple(map(str, range(10_000))))
    check_outputs(many, 20_000)
    with pytest.raises(AnalyzerNotPossible, match="too much memory") as refused:
        check_outputs(many, 100_000)
    assert refused.value.problems[0].fix == "set train_rows to 26843 at most"
