"""The analyzer `mitigation`: what it runs, what it says when it does not, and what its numbers rest on."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

import auditbench_mitigation
from auditbench.config import AuditConfig
from auditbench.context import AuditContext
from auditbench.data import Rows, build_evaluation, open_source
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.models import load_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.results import AnalysisResult, Metric
from auditbench.testing import ToySubject, ToyTrainer, toy_context, toy_subject
from auditbench.training import train_bundle, trainer_of
from auditbench_mitigation import Params
from auditbench_mitigation.analysis import analyze
from auditbench_mitigation.grouping import grouped

ARCHITECTURES = {item.name: item for item in BUILT_IN}
(ANALYZER,) = auditbench_mitigation.auditbench_analyzers()


def sexes(rows: Rows) -> np.ndarray[Any, Any]:
    return np.where(rows.inputs["features"][:, 3] == 0, "Female", "Male")


def toy(groups: Any = sexes, **keys: Any) -> ToySubject:
    """400 evaluated and 300 background rows of a linear model whose table knows the sex."""
    subject = toy_subject(rows=400, background=300)

    def change(rows: Rows) -> Rows:
        added = {name: values[: len(rows)] for name, values in keys.items()}
        return dataclasses.replace(rows, sensitive_features={"sex": groups(rows)}, **added)

    return dataclasses.replace(subject, data=subject.data.with_rows(change))


def run(subject: ToySubject, **params: Any) -> AnalysisResult:
    return analyze(context_of(subject), Params(minimum_group=params.pop("minimum_group", 10), **params))


def context_of(subject: ToySubject) -> AuditContext:
    return toy_context(subject, analyzer="mitigation", trainer=ToyTrainer(subject=subject))


def metric(result: AnalysisResult, name: str, method: str, **labels: str) -> Metric:
    where = {"feature": "sex", "method": method, **labels}
    (found,) = [each for each in result.metrics if each.name == name and each.where == where]
    return found


def reasons(result: AnalysisResult) -> dict[str, str]:
    """Methods that were not run, with the key of the reason."""
    (table,) = [table for table in result.tables if table.name == "rules"]
    lines = [row for row in table.rows if row[2] is None]
    return {row[0].key.rpartition(".")[2]: row[-1].key for row in lines}  # type: ignore[union-attr]


def methods(result: AnalysisResult) -> Counter[str]:
    return Counter(each.where["method"] for each in result.metrics if each.name == "accuracy")


def planted(folder: Path) -> AuditContext:
    """A linear model on a table in which men have the label more often than their inputs say."""
    rng = np.random.default_rng(3)
    rows = 4000
    sex = rng.choice(["Female", "Male"], rows)
    skill, noise = rng.normal(size=rows), rng.normal(size=rows)
    label = skill + 1.2 * (sex == "Male") + 0.5 * noise > 0.8
    frame = pd.DataFrame(
        {"skill": skill, "noise": rng.normal(size=rows), "sex": sex, "label": np.where(label, "y", "n")}
    )
    frame["part"] = np.where(np.arange(rows) % 2 == 0, "test", "train")
    frame.to_parquet(folder / "rows.parquet")
    config = AuditConfig.model_validate(
        {
            "audit": {"name": "planted"},
            "model": {"task": "binary-classification"},
            "data": {
                "test": "rows.parquet", "split": "part", "target": "label", "positive": "y",
                "features": ["skill", "noise", "sex"], "sensitive": ["sex"],
            },
            "train": {"architecture": "linear", "epochs": 25, "batch_size": 64, "learning_rate": 0.02},
        }
    )  # fmt: skip
    source = open_source(config.data, folder, {}, config.train)
    keys: dict[str, Any] = {"device": "cpu", "architectures": ARCHITECTURES, "progress": lambda *_: None}
    train_bundle(config, source, folder / "model", **keys)
    model = load_bundle(folder / "model", config.model, "cpu", ARCHITECTURES)
    data = build_evaluation(source, model.inputs, task=config.model.task, classes=model.facts.classes, seed=0)
    trainer = trainer_of(config, folder, read=lambda: source, model=model, data=data, architectures=ARCHITECTURES)
    return toy_context(ToySubject(model=model, data=data), analyzer="mitigation", trainer=trainer)


@pytest.mark.parametrize(
    ("constraint", "gap", "at_least"),
    [
        ("demographic_parity", "demographic_parity_difference", 0.1),
        ("equalized_odds", "equalized_odds_difference", 0.0),
    ],
)
def test_each_method_lowers_a_planted_gap_on_rows_it_was_not_fitted_on(
    tmp_path: Path, constraint: Any, gap: str, at_least: float
) -> None:
    result = analyze(planted(tmp_path), Params(constraint=constraint, allowed_gaps=(0.02,), most_refits=7))
    assert reasons(result) == {}
    changes = {each.where["method"]: each for each in result.metrics if each.name == f"{gap}_change"}
    assert set(changes) == {"reweighing", "thresholds", "reduction"}
    for change in changes.values():
        assert change.interval is not None
        assert change.interval.high < -at_least, change
        assert change.n == 1000


def test_both_gaps_are_measured_whichever_was_constrained() -> None:
    result = run(toy(), methods=("thresholds",))
    for name in ("demographic_parity_difference", "equalized_odds_difference"):
        assert metric(result, name, "thresholds", allowed_gap="0").value is not None
        assert metric(result, f"{name}_change", "thresholds", allowed_gap="0.05").value is not None
    assert result.findings == ()


def test_points_of_the_figure_are_the_metrics_and_none_is_recommended() -> None:
    result = run(toy())
    (figure,) = result.scatters
    assert [point.label for point in figure.points] == [
        "as-is", "reweighing", "thresholds 0", "thresholds 0.05", "reduction 0", "reduction 0.05",
    ]  # fmt: skip
    for point in figure.points:
        method, *allowed = point.label.split(" ")
        labels = {"allowed_gap": allowed[0]} if allowed else {}
        accuracy = metric(result, "accuracy", method, **labels)
        gap = metric(result, "demographic_parity_difference", method, **labels)
        assert (point.x, point.y) == (gap.value, accuracy.value)
        assert (point.x_interval, point.y_interval) == (gap.interval, accuracy.interval)
        assert point.highlighted == (method == "as-is")
    unbeaten = [
        one.label
        for one in figure.points
        if not any(
            (other.x <= one.x and other.y > one.y) or (other.x < one.x and other.y >= one.y) for other in figure.points
        )
    ]
    assert set(figure.frontier) <= set(unbeaten)
    assert len({(point.x, point.y) for point in figure.points if point.label in unbeaten}) == len(figure.frontier)


def test_the_number_of_networks_is_bounded_and_told() -> None:
    trained: list[str] = []

    class Counting(ToyTrainer):
        def train(self, **keys: Any) -> Any:
            trained.append(keys["name"])
            return super().train(**keys)

    subject = toy()
    context = toy_context(subject, trainer=Counting(subject=subject))
    result = analyze(context, Params(minimum_group=10, most_refits=4, allowed_gaps=(0.0, 0.02, 0.1)))
    assert trained == ["reweighing", "reduction 1", "reduction 2", "reduction 3"]
    (table,) = [table for table in result.tables if table.name == "rules"]
    place = [column.name for column in table.columns].index("trained")
    assert [row[place] for row in table.rows] == [0, 1, 0, 0, 0, 3, 3, 3]
    (limit,) = [note.text for note in result.notes if note.text.key == "mitigation.limit.refits"]
    assert limit.values["n"] == 3


def test_no_network_is_trained_where_none_is_left() -> None:
    assert reasons(run(toy(), most_refits=1)) == {"reduction": "mitigation.not_run.no_refits"}


def test_without_the_library_reweighing_alone_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench_mitigation.analysis.LIBRARY", "a_library_that_is_not_there")
    result = run(toy())
    assert reasons(result) == dict.fromkeys(("thresholds", "reduction"), "mitigation.not_run.library")
    assert methods(result) == Counter({"as-is": 1, "reweighing": 1})


def test_training_rows_without_groups_leave_thresholds_alone() -> None:
    subject = toy()

    def forget(rows: Rows) -> Rows:
        background = rows.row_ids[0].startswith("background")
        return dataclasses.replace(rows, sensitive_features={} if background else rows.sensitive_features)

    result = run(dataclasses.replace(subject, data=subject.data.with_rows(forget)))
    assert reasons(result) == dict.fromkeys(("reweighing", "reduction"), "mitigation.not_run.background")
    assert methods(result) == Counter({"thresholds": 2, "as-is": 1})


def test_a_network_that_cannot_be_trained_is_a_reason(tmp_path: Path) -> None:
    context = planted(tmp_path)
    other = pd.DataFrame({"skill": [0.0, 1] * 9, "noise": 0.0, "sex": "Male", "label": ["y", "n"] * 9})
    other["part"] = ["train", "test"] * 9
    other.to_parquet(tmp_path / "rows.parquet")
    config = context.trainer.config  # type: ignore[union-attr]
    read = lambda: open_source(config.data, tmp_path, {}, config.train)  # noqa: E731 - a closure of this test
    trainer = dataclasses.replace(context.trainer, read=read)  # type: ignore[type-var]
    result = analyze(dataclasses.replace(context, trainer=trainer), Params())
    assert reasons(result) == dict.fromkeys(("reweighing", "reduction"), "mitigation.not_run.training")


def test_a_model_that_was_reweighed_already_is_not_reweighed_again() -> None:
    subject = toy()
    training = load_training(("sex",))
    model = dataclasses.replace(subject.model, facts=dataclasses.replace(subject.model.facts, training=training))
    result = run(dataclasses.replace(subject, model=model), methods=("reweighing",))
    assert reasons(result) == {"reweighing": "mitigation.not_run.already"}


def load_training(reweigh: tuple[str, ...]) -> Any:
    from auditbench.run import TrainingFacts

    return TrainingFacts(
        architecture="linear", parameters={}, settings={"reweigh": list(reweigh)}, train_rows=1, validation_rows=1,
        epochs=1, best_epoch=1, losses=((1.0, 1.0),), key="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("features", "found"), [(("age",), "'age'"), (("sex", "region"), "'region'"), (("Sex",), "'Sex'")]
)
def test_a_feature_that_is_not_there_is_refused_before_training(features: tuple[str, ...], found: str) -> None:
    subject = toy()
    assert ANALYZER.check is not None
    with pytest.raises(ConfigError) as caught:
        ANALYZER.check(subject.model, subject.data, Params(features=features))
    assert caught.value.problems[0].found == found
    assert caught.value.problems[0].where.startswith("analyzers.mitigation.features[")
    with pytest.raises(ConfigError):
        run(subject, features=features)


@pytest.mark.parametrize(
    "params",
    [
        {"methods": []},
        {"methods": ["thresholds", "thresholds"]},
        {"methods": ["wishing"]},
        {"allowed_gaps": []},
        {"allowed_gaps": [-0.1]},
        {"allowed_gaps": [0.1, 0.1]},
        {"features": ["sex", "sex"]},
        {"constraint": "equal_opportunity"},
        {"most_refits": 0},
    ],
)
def test_parameters_that_make_no_sense_are_refused(params: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate(params)


def test_two_groups_with_rows_for_two_halves_are_needed() -> None:
    few = toy(lambda rows: np.where(np.arange(len(rows)) < 19, "Female", "Male"))
    with pytest.raises(AnalyzerNotPossible, match="fewer than two groups"):
        grouped(few.data, Params(minimum_group=10))
    enough = toy(lambda rows: np.where(np.arange(len(rows)) < 20, "Female", "Male"))
    assert grouped(enough.data, Params(minimum_group=10)).names == ("Female", "Male")


def test_features_are_crossed_and_the_first_is_the_default() -> None:
    subject = toy()

    def more(rows: Rows) -> Rows:
        region = np.where(np.arange(len(rows)) % 2, "North", "South")
        return dataclasses.replace(rows, sensitive_features={**rows.sensitive_features, "region": region})

    data = subject.data.with_rows(more)
    groups = grouped(data, Params(features=("sex", "region"), minimum_group=2))
    assert groups.feature == "sex & region"
    assert groups.names == ("Female & North", "Female & South", "Male & North", "Male & South")
    naive = [f"{sex} & {region}" for sex, region in zip(*data.sensitive_features.values(), strict=True)]
    assert [groups.names[code] for code in groups.of_row] == naive
    assert groups.of_background is not None
    assert len(groups.of_background) == data.background_rows
    assert grouped(data, Params(minimum_group=2)).feature == "sex"


def test_small_groups_stay_as_they_are_and_are_not_told_by_number() -> None:
    def groups(rows: Rows) -> np.ndarray[Any, Any]:
        found = sexes(rows).astype("<U8")
        found[:8], found[8:36] = "Few", "Some"
        return found

    result = run(toy(groups), minimum_group=20, methods=("thresholds",))
    for name in ("group_selection_rate", "group_true_positive_rate", "group_accuracy"):
        (table,) = [table for table in result.tables if table.name == name]
        left = [row[1] for row in table.rows if row[2] is None]
        assert [cell.values["group"] for cell in left] == ["Few", "Some"]  # type: ignore[union-attr]
        assert [cell.key for cell in left] == ["mitigation.left_out.few", "mitigation.left_out.small"]  # type: ignore[union-attr]
        assert all("n" not in cell.values for cell in left[:1])  # type: ignore[union-attr]
        assert {row[1] for row in table.rows if row[2] is not None} == {"Female", "Male"}
    (table,) = [table for table in result.tables if table.name == "thresholds"]
    assert {row[1] for row in table.rows} == {"Female", "Male"}


def test_thresholds_for_equalized_odds_are_one_point() -> None:
    result = run(toy(), methods=("thresholds",), constraint="equalized_odds", allowed_gaps=(0.05, 0.1))
    assert methods(result) == Counter({"as-is": 1, "thresholds": 1})
    assert metric(result, "accuracy", "thresholds", allowed_gap="0").value is not None
    assert "mitigation.limit.equalized_thresholds" in {note.text.key for note in result.notes}


def test_clusters_stay_whole_and_widen_the_intervals() -> None:
    result = run(toy(), methods=("thresholds",), minimum_group=20)
    clustered = run(toy(clusters=np.arange(400) // 4), methods=("thresholds",), minimum_group=20)
    found = metric(clustered, "accuracy", "as-is")
    assert found.clusters == 50
    assert found.n == 200
    assert found.interval is not None
    assert found.interval.method == "cluster-wilson"
    change = metric(clustered, "accuracy_change", "thresholds", allowed_gap="0")
    assert change.interval is not None
    assert change.interval.method == "paired-t"
    few = run(toy(clusters=np.arange(400) // 40), methods=("thresholds",), minimum_group=20)
    assert metric(few, "accuracy", "as-is").no_interval == "few_clusters"
    assert metric(few, "demographic_parity_difference_change", "thresholds", allowed_gap="0").interval is None
    assert metric(result, "accuracy", "as-is").clusters is None


def test_weights_count_in_what_is_measured() -> None:
    weights = np.where(np.arange(400) % 2, 3.0, 0.5)
    subject = toy(weights=weights)
    result, context = run(subject, methods=("thresholds",)), context_of(subject)
    held = ~first_half_of(context)
    right = context.model.decisions(context.outputs) == subject.data.y_true
    expected = np.average(right[held], weights=weights[held])
    assert metric(result, "accuracy", "as-is").value == pytest.approx(expected)
    assert "mitigation.limit.weights" in {note.text.key for note in result.notes}


def first_half_of(context: AuditContext) -> Any:
    from auditbench.statistics import first_half

    return first_half(len(context.data), context.rng("halves"))


def test_without_a_table_of_training_the_host_says_why() -> None:
    from auditbench.worker.analysis import unmet_need

    subject = toy()
    reason = unmet_need(ANALYZER.needs, toy_context(subject))
    assert reason is not None
    assert reason.key == "core.not_applicable_training"
    assert unmet_need(ANALYZER.needs, context_of(subject)) is None
