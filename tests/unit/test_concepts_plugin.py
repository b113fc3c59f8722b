"""The `concepts` analyzer: which rows are examples, what it says, what it costs, and when it does not apply."""

from __future__ import annotations

import dataclasses
import tomllib
from typing import Any, get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats
from torch import nn

from auditbench.config_problems import problems_of
from auditbench.data import ImageInput, Rows, SeriesInput
from auditbench.data.stored import StoredArray
from auditbench.errors import AnalyzerNotPossible, AuditbenchError, ConfigError, Problem
from auditbench.results import AnalysisResult, Metric
from auditbench.testing import ToySubject, messages_in, missing_words, toy_context, toy_subject
from auditbench_concepts import Params, auditbench_analyzers
from auditbench_concepts.examples import Concept, concepts
from auditbench_concepts.params import ImagePattern, Pattern, Rule, SeriesPattern
from auditbench_concepts.planted import planted

(ANALYZER,) = auditbench_analyzers()


class Counted(nn.Sequential):
    """Counts the rows that it evaluates."""

    rows = 0

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        self.rows += len(encoded)
        return super().forward(encoded)


def subject_of(modality: Any = "tabular", kind: Any = "multiclass", **keys: Any) -> ToySubject:
    """A toy subject with a network of one hidden layer, which says `sex` and `region` of its background too."""
    subject = toy_subject(kind, modality=modality, **{"rows": 300, "background": 240, **keys})
    torch.manual_seed(0)
    width = sum(int(np.prod(item.shape)) for item in subject.model.inputs.values())
    outputs = len(subject.model.target_names)
    network = Counted(nn.Flatten(), nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, outputs)).eval()
    network.requires_grad_(requires_grad=False)
    model = dataclasses.replace(subject.model, module=network)

    def with_groups(rows: Rows) -> Rows:
        groups = np.random.default_rng(len(rows)).choice(["North", "South"], len(rows), p=[0.6, 0.4])
        return dataclasses.replace(rows, sensitive_features={"region": groups})

    return dataclasses.replace(subject, model=model, data=subject.data.with_rows(with_groups))


def analysed(subject: ToySubject, seed: int = 0, **keys: Any) -> AnalysisResult:
    params = Params.model_validate({"size": 30, "random_concepts": 50, **keys})
    return ANALYZER.analyze(toy_context(subject, analyzer="concepts", params=params, seed=seed), params)


def marked(subject: ToySubject, **rule: Any) -> Concept:
    pool = subject.data.background(1000, np.random.default_rng(0))
    rules = {"it": Rule.model_validate(rule)}
    (found,) = concepts(subject.data, pool, rules, carriers=20, rng=np.random.default_rng(0))
    return found


def named(result: AnalysisResult, name: str) -> list[Metric]:
    return [metric for metric in result.metrics if metric.name == name]


@pytest.mark.parametrize(
    ("modality", "rule"),
    [
        ("tabular", {"classes": ["high", "low"]}),
        ("tabular", {"column": "age", "at_least": 42.0}),
        ("tabular", {"column": "work", "values": ["home", "field"]}),
        ("image", {"planted": "brighter"}),
        ("series", {"planted": "wave"}),
        ("tabular", {}),
    ],
)
@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_every_word_of_the_result_is_in_both_catalogues(modality: str, rule: Any, kind: str) -> None:
    if "classes" in rule and kind != "multiclass":
        rule = {"column": "region", "values": ["North"]}
    result = analysed(subject_of(modality, kind), examples={"it": rule} if rule else {})
    assert named(result, "score")
    assert missing_words(ANALYZER, result) == missing_words(ANALYZER, result, "zh-CN") == ()
    measured = set(ANALYZER.metrics) if "planted" in rule else set(ANALYZER.metrics) - {"planted_change"}
    assert {metric.name for metric in result.metrics} == measured


def test_rows_of_classes_columns_and_bounds_are_examples() -> None:
    subject = subject_of()
    pool = subject.data.background(1000, np.random.default_rng(0))
    table = pool.inputs["features"]
    for rule, expected in (
        ({"classes": ["low", "high"]}, np.isin(pool.y_true, (0, 2))),
        ({"column": "age", "at_least": 42.0}, table[:, 0] >= 42.0),
        ({"column": "age", "at_least": 30.0, "below": 42.0}, (table[:, 0] >= 30.0) & (table[:, 0] < 42.0)),
        ({"column": "work", "values": ["home", "field"]}, np.isin(table[:, 2], (1, 2))),
        ({"column": "region", "values": ["South"]}, pool.sensitive_features["region"] == "South"),
    ):
        found = marked(subject, **rule)
        np.testing.assert_array_equal(found.marked, expected)
        assert 0 < expected.sum() < len(pool)
        assert found.sensitive == (rule.get("column") == "region")


@pytest.mark.parametrize("known", [True, False])
def test_words_count_where_the_model_sees_them(known: bool) -> None:
    """Whole words of any capitals, whether the texts themselves are there or their tokens alone."""
    subject = toy_subject(modality="text", background=100)
    if not known:
        data = subject.data.with_rows(lambda rows: dataclasses.replace(rows, texts={}))
        subject = dataclasses.replace(subject, data=data)
    ids = subject.data.background(1000, np.random.default_rng(0)).inputs["text"]
    expected = (ids == 5).any(axis=1)  # `good`
    assert 0 < expected.sum() < 100
    np.testing.assert_array_equal(marked(subject, words=["GOOD", "goodness"]).marked, expected)


def test_a_planted_pattern_takes_the_place_of_the_rows_that_carry_it() -> None:
    subject = subject_of("image")
    found = marked(subject, planted="patch")
    pool = subject.data.background(1000, np.random.default_rng(0)).inputs["image"]
    assert found.planted is not None
    assert found.marked.sum() == len(found.planted["image"]) == 20
    changed, carriers = found.planted["image"], pool[found.marked]
    assert changed.dtype == pool.dtype
    assert (changed[:, :, 0, 0] == 255).all()
    np.testing.assert_array_equal(changed[:, :, 1:, 1:], carriers[:, :, 1:, 1:])


def test_patterns_are_what_they_say() -> None:
    image = ImageInput(channels=1, height=16, width=8, mean=(0.5,), scale=(0.2,))
    grey = np.full((2, 1, 16, 8), 100, dtype=np.uint8)
    striped, patched, brighter = (planted(grey, image, name) for name in ("stripes", "patch", "brighter"))
    assert striped is not None
    assert patched is not None
    assert brighter is not None
    np.testing.assert_array_equal(striped[0, 0, :, 0], [100, 100, 178, 178] * 4)
    assert (patched == 255).sum() == 2 * 2 * 2
    assert (brighter == 164).all()
    assert (planted(np.full_like(grey, 250), image, "brighter") == 255).all()  # type: ignore[union-attr]
    series = SeriesInput(channels=("a", "b"), steps=41, mean=(0.0, 5.0), scale=(1.0, 3.0))
    rows = np.zeros((1, 2, 41))
    rows[0, 1, 40] = np.nan
    rise, wave = planted(rows, series, "rise"), planted(rows, series, "wave")
    assert rise is not None
    assert wave is not None
    np.testing.assert_allclose(rise[0, 0, [0, 20, 40]], [-1.0, 0.0, 1.0])
    np.testing.assert_allclose(rise[0, 1, [0, 20, 40]], [-3.0, 0.0, np.nan])
    assert np.square(wave[0, 0, :40]).mean() == pytest.approx(1.0)
    assert planted(rows, series, "stripes") is None
    assert planted(grey, image, "wave") is None


def test_without_rules_groups_of_sensitive_features_are_concepts() -> None:
    result = analysed(subject_of())
    (concept,) = {metric.where["concept"] for metric in result.metrics}
    assert concept == "region: South"  # the smaller one of two says all


def test_groups_that_are_too_small_are_no_concepts_of_their_own() -> None:
    subject = subject_of()
    names = np.repeat(["large", "small", "tiny"], [200, 37, 3])
    pool = dataclasses.replace(
        subject.data.background(1000, np.random.default_rng(0)), sensitive_features={"group": names}
    )
    found = concepts(subject.data, pool, {}, carriers=20, rng=np.random.default_rng(0))
    assert [each.name for each in found] == ["group: large", "group: small"]


def refused(subject: ToySubject, raised: type[AuditbenchError], **keys: Any) -> Problem:
    """What the analyzer says of parameters that do not fit."""
    with pytest.raises(ConfigError) as caught:
        analysed(subject, **keys)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("modality", "kind", "rule", "key", "found", "allowed"),
    [
        ("tabular", "multiclass", {"classes": ["hgih"]}, "classes", '"hgih"', '"low", "middle", "high"'),
        ("tabular", "regression", {"classes": ["high"]}, "classes", 'classes = ["high"]', "column"),
        ("tabular", "multiclass", {"column": "agee", "at_least": 42.0}, "column", '"agee"', '"age", "hours"'),
        ("tabular", "multiclass", {"column": "age", "values": ["old"]}, "column", "of numbers", "at_least"),
        ("tabular", "multiclass", {"column": "work", "below": 1.0}, "column", "of categories", "values"),
        ("tabular", "multiclass", {"column": "region", "below": 1.0}, "column", "of groups", "values"),
        ("tabular", "multiclass", {"column": "work", "values": ["hom"]}, "values", '"hom"', '"home"'),
        ("tabular", "multiclass", {"column": "region", "values": ["West"]}, "values", '"West"', '"North", "South"'),
        ("tabular", "multiclass", {"words": ["good"]}, "words", "takes a table", "column"),
        ("tabular", "regression", {"planted": "stripes"}, "planted", "takes a table", "column"),
        ("image", "regression", {"planted": "wave"}, "planted", "takes images", "brighter"),
        ("image", "multiclass", {"words": ["good"]}, "words", "takes images", 'planted = "stripes"'),
        ("series", "multiclass", {"planted": "patch"}, "planted", "takes series", "rise"),
        ("series", "binary", {"column": "age", "below": 1.0}, "column", '"age"', '"region"'),
        ("text", "binary", {"planted": "wave"}, "planted", "takes texts", "words"),
        ("text", "binary", {"words": ["good film", "!"]}, "words", '"good film", "!"', "words"),
    ],
)  # fmt: skip
def test_a_rule_that_does_not_fit_is_answered_with_one_that_can_be_typed(
    modality: str, kind: str, rule: Any, key: str, found: str, allowed: str
) -> None:
    subject = (
        toy_subject("binary", modality="text", background=100) if modality == "text" else subject_of(modality, kind)
    )
    pool = subject.data.background(1000, np.random.default_rng(0))

    def examples(rule: Any) -> Concept:
        rules = {"it": Rule.model_validate(rule)}
        (concept,) = concepts(subject.data, pool, rules, carriers=20, rng=np.random.default_rng(0))
        return concept

    with pytest.raises(ConfigError) as caught:
        examples(rule)
    (problem,) = caught.value.problems
    assert problem.where == f"analyzers.concepts.examples.it.{key}"
    assert found in problem.found
    assert allowed in problem.allowed
    typed = tomllib.loads(f"rule = {{ {problem.fix.partition('write ')[2]} }}")["rule"]
    way_on = examples(typed.get("it", typed if len(typed) > 1 else {**rule, **typed}))
    assert 0 < way_on.marked.sum() < len(pool)


@pytest.mark.parametrize("seed", range(4))
def test_a_group_that_the_pool_happens_to_miss_is_known(seed: int) -> None:
    """Of 240 training rows one is of the group, and 40 are drawn: whether it is among them is no matter of the config."""
    subject = subject_of()

    def with_one(rows: Rows) -> Rows:
        groups = np.where(np.arange(len(rows)) == (7 if len(rows) == 240 else -1), "Islands", "North")
        return dataclasses.replace(rows, sensitive_features={"region": groups})

    subject = dataclasses.replace(subject, data=subject.data.with_rows(with_one))
    keys = {"examples": {"it": {"column": "region", "values": ["Islands"]}}, "pool": 40}
    assert ANALYZER.check is not None
    ANALYZER.check(subject.model, subject.data, Params.model_validate(keys))
    (reason,) = {metric.reason.key for metric in named(analysed(subject, seed, **keys), "score") if metric.reason}
    assert reason == "concepts.few_examples"


@pytest.mark.parametrize(
    "rule", [{"classes": ["low"]}, {"column": "age", "below": 40.0}, {"column": "region", "values": ["North"]}]
)
def test_the_check_of_rules_takes_a_few_rows(rule: Any) -> None:
    subject, taken = subject_of(), []

    def noted(rows: Rows) -> Rows:
        (array,) = rows.inputs.values()
        stored = StoredArray(
            read=lambda places: (taken.append(len(places)), array[places])[1],
            positions=np.arange(len(array)), row_shape=array.shape[1:], dtype=array.dtype,
        )  # fmt: skip
        return dataclasses.replace(rows, inputs=dict.fromkeys(rows.inputs, stored))

    assert ANALYZER.check is not None
    ANALYZER.check(subject.model, subject.data.with_rows(noted), Params.model_validate({"examples": {"it": rule}}))
    assert 0 < max(taken) <= 2


def test_layers_and_outputs_that_are_not_there_are_said() -> None:
    rule = {"it": {"classes": ["low"]}}
    for key in ("layers", "outputs"):
        problem = refused(subject_of(), ConfigError, examples=rule, **{key: ["lo"]})
        assert problem.where == f"analyzers.concepts.{key}"
        assert problem.found
        assert problem.allowed


def test_patterns_that_are_named_are_those_that_can_be_planted() -> None:
    image = ImageInput(channels=1, height=16, width=8, mean=(0.5,), scale=(0.2,))
    series = SeriesInput(channels=("a",), steps=16, mean=(0.0,), scale=(1.0,))
    rows = {image: np.zeros((1, 1, 16, 8), dtype=np.uint8), series: np.zeros((1, 1, 16))}
    assert get_args(Pattern) == (*get_args(ImagePattern), *get_args(SeriesPattern))
    for item, patterns in ((image, ImagePattern), (series, SeriesPattern)):
        possible = [name for name in get_args(Pattern) if planted(rows[item], item, name) is not None]
        assert possible == list(get_args(patterns))


def test_nothing_to_test_is_said() -> None:
    subject = subject_of()
    bare = subject.data.with_rows(lambda rows: dataclasses.replace(rows, sensitive_features={}))
    with pytest.raises(AnalyzerNotPossible, match="no concept is described"):
        analysed(dataclasses.replace(subject, data=bare))
    with pytest.raises(AnalyzerNotPossible, match="layer"):
        analysed(toy_subject(rows=300, background=240), examples={"it": {"column": "age", "below": 40.0}})


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({}, "an empty table"),
        ({"classes": ["a"], "words": ["b"]}, '{ classes = ["a"], words = ["b"] }'),
        ({"column": "age"}, '{ column = "age" }'),
        ({"column": "age", "values": ["a"], "below": 3.0}, '{ column = "age", values = ["a"], below = 3.0 }'),
        ({"column": "age", "at_least": 5.0, "below": 4.0}, '{ column = "age", at_least = 5.0, below = 4.0 }'),
        ({"words": ["a"], "below": 3.0}, '{ words = ["a"], below = 3.0 }'),
        ({"planted": "spots"}, '"spots"'),
        ({"file": "stripes.npz"}, '"stripes.npz"'),
    ],
)
def test_a_rule_says_one_thing(rule: Any, found: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Params.model_validate({"examples": {"it": rule}})
    (problem, *_) = problems_of(caught.value, Params, "analyzers.concepts")
    assert problem.where.startswith("analyzers.concepts.examples.it")
    assert problem.found == found
    assert problem.allowed
    assert problem.fix or "spots" in found


def test_what_rests_on_the_pool_counts_it_and_says_that_training_saw_it() -> None:
    result = analysed(subject_of(), rows=100, examples={"old": {"column": "age", "at_least": 42.0}})
    samples = {metric.name: metric.sample for metric in result.metrics}
    assert samples == {"score": "evaluated", "effect": "evaluated", "accuracy": "training", "agreement": "training"}
    rests_on = {table.name: (table.n, table.sample) for table in result.tables}
    assert rests_on == {"tests": (100, "evaluated"), "vectors": (240, "training")}
    assert [matrix.n for matrix in result.matrices] == [100]


def test_too_few_examples_and_rows_are_reasons() -> None:
    result = analysed(subject_of(), examples={"rare": {"column": "age", "at_least": 60.0}})
    reasons = {metric.name: metric.reason.key for metric in result.metrics if metric.reason is not None}
    assert reasons == dict.fromkeys(("score", "effect", "accuracy", "agreement"), "concepts.few_examples")
    (finding,) = result.findings
    assert (finding.rule, finding.severity, finding.where) == ("concepts.not_measured", "low", {"concept": "rare"})
    assert finding.title.values["examples"] < finding.title.values["fewest"] == 20
    assert [table.name for table in result.tables] == ["vectors"]
    few = subject_of(rows=40)
    result = analysed(few, examples={"old": {"column": "age", "at_least": 42.0}})
    counts = np.bincount(few.data.y_true, minlength=3)
    for metric, count in zip(named(result, "score"), counts, strict=True):
        assert metric.n == count
        assert (metric.reason is not None) == (count < 20)
    assert {len(named(result, "score"))} == {3}


def test_a_mark_that_means_nothing_is_no_concept() -> None:
    result = analysed(subject_of())
    assert {metric.reason.key for metric in named(result, "score") if metric.reason} == {"concepts.not_separated"}
    assert not result.findings


def test_dependent_rows_get_neither_intervals_nor_tests() -> None:
    subject = subject_of()
    clustered = subject.data.with_rows(lambda rows: dataclasses.replace(rows, clusters=np.arange(len(rows)) // 3))
    rule = {"old": {"column": "age", "at_least": 42.0}}
    result = analysed(dataclasses.replace(subject, data=clustered), examples=rule)
    assert not any(metric.interval for metric in result.metrics)
    assert {metric.no_interval for metric in named(result, "score")} == {"dependent_rows"}
    assert not result.findings
    assert "concepts.dependent_rows" in [message.key for message in messages_in(result)]


def test_unlabelled_background_gives_way_to_evaluated_rows() -> None:
    subject = subject_of()
    data = dataclasses.replace(
        subject.data,
        _background=dataclasses.replace(subject.data._background, y_true=np.full(240, np.nan), sensitive_features={}),
    )
    result = analysed(dataclasses.replace(subject, data=data), examples={"low": {"classes": ["low"]}})
    (vectors,) = (table for table in result.tables if table.name == "vectors")
    assert vectors.rows[0][3] == int((subject.data.y_true == 0).sum())
    assert {"concepts.same_rows", "concepts.inputs_evaluated"} <= {message.key for message in messages_in(result)}


def test_the_cost_is_what_was_evaluated() -> None:
    subject = subject_of("image")
    context_rows = len(subject.data)
    result = analysed(subject, examples={"a": {"planted": "stripes"}, "b": {"classes": ["low"]}}, layers=["1", "2"])
    (method,) = (message for message in messages_in(result) if message.key == "concepts.method")
    counted = subject.model.module.rows - context_rows - 2  # the context predicts all rows, finding layers takes two
    assert method.values["model_rows"] == 240 + 60 + 2 * 300 + 300  # the last ones carry the pattern
    assert abs(counted - method.values["model_rows"]) <= 2
    assert method.values["classifiers"] == 4 * 51 * 20


def test_what_a_result_was_made_from_is_said() -> None:
    rules = {
        "old": {"column": "age", "at_least": 42.0},
        "b": {"classes": ["low"]},
        "c": {"column": "region", "values": ["South"]},
    }
    result = analysed(subject_of(), examples=rules, layers=["1", "2"], rows=100)
    (inputs,) = (message for message in messages_in(result) if message.key == "concepts.inputs_training")
    assert inputs.values["concepts"] == "old, b, c"
    assert inputs.values["layers"] == "1, 2"
    assert [inputs.values[name] for name in ("pool", "explained", "random")] == [240, 100, 50]
    (vectors,) = (table for table in result.tables if table.name == "vectors")
    said = {row[0]: row[2] for row in vectors.rows}
    assert {name: (message.key, message.values) for name, message in said.items()} == {
        "old": ("concepts.rule.at_least", {"column": "age", "at_least": 42.0}),
        "b": ("concepts.rule.classes", {"classes": "low"}),
        "c": ("concepts.rule.values", {"column": "region", "values": "South"}),
    }


@pytest.mark.parametrize("random", [59, 60])
def test_too_few_random_concepts_decide_nothing(random: int) -> None:
    """Of three outputs the smallest adjusted p-value is 3 / (1 + random concepts)."""
    result = analysed(subject_of(), examples={"low": {"classes": ["low"]}}, random_concepts=random - 1)
    (tests,) = (table for table in result.tables if table.name == "tests")
    keys = [row[-1].key for row in tests.rows]
    assert [row[-2] >= 3 / random for row in tests.rows] == [True] * 3
    undecided = random < 60
    assert all((key == "concepts.verdict.undecided") == undecided for key in keys)
    assert ("concepts.undecided" in {finding.rule for finding in result.findings}) == undecided
    assert ("concepts.too_few_random" in {message.key for message in messages_in(result)}) == undecided


def test_by_default_one_output_alone_can_be_significant() -> None:
    rules = {f"{bound:.0f}": {"column": "age", "at_least": float(bound)} for bound in range(36, 50, 2)}
    for count, random in ((1, 400), (7, 840)):
        result = analysed(subject_of(), examples=dict(list(rules.items())[:count]), random_concepts=None, runs=20)
        (inputs,) = (message for message in messages_in(result) if message.key == "concepts.inputs_training")
        assert inputs.values["random"] == random
        assert count * 3 / (1 + random) <= 0.05


def test_results_follow_the_seed_and_the_model_is_left_as_it_was() -> None:
    subject = subject_of()
    rule = {"old": {"column": "age", "at_least": 42.0}}
    first, again, other = (analysed(subject, seed, examples=rule) for seed in (0, 0, 1))
    assert first == again
    assert named(first, "score") != named(other, "score")
    assert not subject.model.module.training
    assert not any(layer._forward_hooks for layer in subject.model.module.modules())
    assert not any(
        parameter.requires_grad or parameter.grad is not None for parameter in subject.model.module.parameters()
    )


def test_outputs_and_layers_are_those_that_are_named() -> None:
    rule = {"old": {"column": "age", "at_least": 42.0}}
    result = analysed(subject_of(), examples=rule, outputs=["high"], layers=["1", "2"])
    assert [(metric.where["layer"], metric.where["output"]) for metric in named(result, "score")] == [
        ("1", "high"),
        ("2", "high"),
    ]
    (layer,) = {metric.where["layer"] for metric in analysed(subject_of(), examples=rule).metrics}
    assert layer in ("1", "2")


def test_a_layer_of_numbers_that_are_infinite_is_refused() -> None:
    subject = subject_of()
    module = subject.model.module
    with torch.no_grad():
        module.get_submodule("1").get_parameter("weight")[0] = torch.inf
    with pytest.raises(AnalyzerNotPossible, match="missing or infinite") as refused:
        analysed(subject, examples={"low": {"classes": ["low"]}}, layers=("1",))
    assert refused.value.problems[0].where == "analyzers.concepts.layers"


@pytest.mark.parametrize("background", [1, 2])
def test_a_pattern_for_a_few_rows_is_not_measured(background: int) -> None:
    subject = subject_of("image")
    data = subject.data.with_rows(lambda rows: rows.take(np.arange(background)) if len(rows) == 240 else rows)
    result = analysed(dataclasses.replace(subject, data=data), examples={"striped": {"planted": "stripes"}})
    assert {metric.reason.key for metric in named(result, "score") if metric.reason} == {"concepts.few_examples"}
    assert [finding.rule for finding in result.findings] == ["concepts.not_measured"]
    assert all(metric.value is not None for metric in named(result, "planted_change"))
    (tests,) = (table for table in result.tables if table.name == "tests")
    assert {row[-1].key for row in tests.rows} == {"concepts.verdict.not_measured"}
    assert {row[2] for row in tests.rows} == {None}


def test_a_concept_of_all_rows_has_none_to_be_set_beside() -> None:
    result = analysed(
        subject_of(), examples={"all": {"classes": ["low", "middle", "high"]}, "old": OLD}, layers=["1", "2"]
    )
    (finding,) = (each for each in result.findings if each.rule == "concepts.not_measured")
    assert finding.where == {"concept": "all"}
    assert [finding.title.values[name] for name in ("examples", "others")] == [240, 0]


OLD = {"column": "age", "at_least": 42.0}


@pytest.mark.parametrize("vector", ["pattern", "filter"])
def test_what_a_vector_is_is_said_with_its_sources(vector: str) -> None:
    result = analysed(subject_of(), examples={"old": OLD}, vector=vector)
    said = {message.key for message in messages_in(result)}
    assert {name for name in ("pattern", "filter") if f"concepts.vector_{name}" in said} == {vector}
    assert missing_words(ANALYZER, result) == missing_words(ANALYZER, result, "zh-CN") == ()
    (facts,) = result.methods
    assert facts.source == ("arXiv:1711.11279, eq. 1–2", "doi:10.1016/j.neuroimage.2013.10.067", "arXiv:2202.03482")


def test_effects_do_not_hang_on_the_vector_and_scores_do() -> None:
    pattern, normal = (analysed(subject_of(), examples={"old": OLD}, vector=kind) for kind in ("pattern", "filter"))
    assert [metric.value for metric in named(pattern, "effect")] == [metric.value for metric in named(normal, "effect")]
    assert [metric.value for metric in named(pattern, "score")] != [metric.value for metric in named(normal, "score")]
    assert named(pattern, "accuracy") == named(normal, "accuracy")


def test_what_findings_name_stands_first_in_the_table() -> None:
    """Two concepts at two layers, of three outputs: the largest of each first, then by p-value and size."""
    rules = {"low": {"classes": ["low"]}, "old": OLD}
    result = analysed(subject_of(), examples=rules, layers=["1", "2"], random_concepts=400)
    (tests,) = (table for table in result.tables if table.name == "tests")
    names = [column.name for column in tests.columns]
    rows = [dict(zip(names, row, strict=True)) for row in tests.rows]
    found = [finding.where for finding in result.findings if finding.rule == "concepts.depends_on"]
    assert len(found) >= 2
    first = [{name: row[name] for name in ("concept", "layer", "output")} for row in rows[: len(found)]]
    assert {tuple(each.values()) for each in first} == {tuple(each.values()) for each in found}
    for part in (rows[: len(found)], rows[len(found) :]):
        order = [(row["adjusted"], -abs(row["effect"])) for row in part]
        assert order == sorted(order)
    by_name = [(row["concept"], row["layer"], row["output"]) for row in rows]
    assert by_name != sorted(by_name)


def changes_of(subject: ToySubject, **keys: Any) -> list[Metric]:
    return named(analysed(subject, examples={"bright": {"planted": "brighter"}}, **keys), "planted_change")


def test_a_planted_change_is_what_planting_changes_in_each_output() -> None:
    subject = subject_of("image")
    rows = subject.data.take(np.arange(300))
    brighter = {"image": planted(rows.inputs["image"], subject.data.inputs["image"], "brighter")}
    changed = subject.model.predict(brighter) - subject.model.predict(rows.inputs)
    found = changes_of(subject, layers=["1", "2"])
    assert [metric.where for metric in found] == [
        {"concept": "bright", "output": name} for name in subject.model.target_names
    ]
    np.testing.assert_allclose([metric.value for metric in found], changed.mean(axis=0), rtol=1e-6)
    for metric, own in zip(found, changed.T, strict=True):
        assert (metric.n, metric.interval.method) == (300, "student-t")  # type: ignore[union-attr]
        expected = stats.t.interval(0.95, 299, own.mean(), own.std(ddof=1) / np.sqrt(300))
        np.testing.assert_allclose((metric.interval.low, metric.interval.high), expected, rtol=1e-6)  # type: ignore[union-attr]
    (part,) = changes_of(subject, outputs=["low"], rows=100)
    assert (part.n, part.where["output"]) == (100, "low")


@pytest.mark.parametrize(("clusters", "why"), [(100, ""), (3, "few_clusters")])
def test_planted_changes_of_dependent_rows_are_as_uncertain_as_their_clusters(clusters: int, why: str) -> None:
    subject = subject_of("image")
    data = subject.data.with_rows(lambda rows: dataclasses.replace(rows, clusters=np.arange(len(rows)) % clusters))
    for alone, found in zip(changes_of(subject), changes_of(dataclasses.replace(subject, data=data)), strict=True):
        assert found.value == alone.value
        assert (found.clusters, found.no_interval) == (clusters, why)
        assert (found.interval is None) == bool(why)
        assert found.interval is None or found.interval.method == "cluster-bootstrap-percentile"


def test_few_evaluated_rows_give_no_planted_change() -> None:
    for metric in changes_of(subject_of("image", rows=19)):
        assert metric.reason is not None
        assert (metric.reason.key, metric.reason.values["n"]) == ("concepts.few_changed", 19)


class Turning(nn.Module):
    """An output that rises up to `top`, and falls from there on."""

    def __init__(self, top: float) -> None:
        super().__init__()
        self.top = top

    def forward(self, brightness: torch.Tensor) -> torch.Tensor:
        return -(brightness - self.top).square()


def test_a_measured_change_against_the_effect_is_a_finding() -> None:
    """Rows lie on the rising side of their mean brightness, and the pattern takes them far over the top."""
    subject = subject_of("image", "regression")
    rows, item = subject.data.take(np.arange(300)).inputs["image"], subject.data.inputs["image"]
    brightness = nn.Linear(int(np.prod(item.shape)), 1).requires_grad_(requires_grad=False)
    brightness.weight.fill_(1.0 / brightness.in_features)
    now, then = (
        float(brightness(subject.model.encode({"image": each}).flatten(1)).mean())
        for each in (rows, planted(rows, item, "brighter"))
    )
    network = nn.Sequential(nn.Flatten(), brightness, nn.Identity(), Turning(now + (then - now) / 4)).eval()
    result = analysed(
        dataclasses.replace(subject, model=dataclasses.replace(subject.model, module=network)),
        examples={"bright": {"planted": "brighter"}},
        layers=["2"],
    )
    (effect,), (change,) = named(result, "effect"), named(result, "planted_change")
    assert (effect.value or 0.0) > 0 > (change.value or 0.0)
    depends, against = result.findings
    assert (depends.title.key, against.rule) == ("concepts.depends_on_planted", "concepts.contradicted")
    assert against.title.values["change"] == change.value
    assert against.severity == "low"
    assert missing_words(ANALYZER, result) == missing_words(ANALYZER, result, "zh-CN") == ()


def test_outputs_that_were_not_tested_are_not_counted_as_tested() -> None:
    """Of three outputs one has too few rows of its own."""
    subject = subject_of()
    (few, *_), labels = np.bincount(subject.data.y_true).argsort(), subject.data.y_true
    kept = np.flatnonzero((labels != few) | (np.cumsum(labels == few) <= 5))
    data = subject.data.with_rows(lambda rows: rows.take(kept) if len(rows) == 300 else rows)
    result = analysed(dataclasses.replace(subject, data=data), examples={"old": OLD}, random_concepts=400)
    (reason,) = (metric.reason for metric in named(result, "score") if metric.reason)
    assert (reason.key, reason.values["n"]) == ("concepts.few_rows", 5)
    (finding,) = (finding for finding in result.findings if finding.rule == "concepts.depends_on")
    assert finding.title.values["tested"] == 2


def test_every_mistake_is_said_though_there_is_nothing_to_test() -> None:
    subject = subject_of()
    bare = subject.data.with_rows(lambda rows: dataclasses.replace(rows, sensitive_features={}))
    assert ANALYZER.check is not None
    with pytest.raises(ConfigError) as caught:
        ANALYZER.check(subject.model, bare, Params.model_validate({"outputs": ["lo"], "layers": ["9"]}))
    assert [problem.where for problem in caught.value.problems] == [
        "analyzers.concepts.outputs",
        "analyzers.concepts.layers",
    ]
    with pytest.raises(AnalyzerNotPossible, match="no concept is described"):
        ANALYZER.check(subject.model, bare, Params())
