"""Which rows are shown in full, and how."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from auditbench.data import TABULAR_INPUT, EvaluationData, FeatureSpec, Rows, TableInput, TabularEncoder
from auditbench.findings import Message
from auditbench.messages import load_messages
from auditbench.models import ModelUnderTest
from auditbench.run import DataFacts, ModelFacts, OutputScale, Task
from auditbench.worker.cases import ChosenCases, choose_cases

SENTENCES = load_messages("auditbench")["en"]
RULES = ("threshold", "margin", "worst_error", "typical", "extreme", "group")
FEATURES = (
    FeatureSpec(name="age", kind="number", start=0, stop=1),
    FeatureSpec(name="city", kind="category", categories=("Oslo", "Rome", "Ulm"), start=1, stop=5),
)


def subject(task: Task, classes: tuple[str, ...], output: OutputScale) -> ModelUnderTest:
    return ModelUnderTest(
        facts=ModelFacts(
            name="m",
            format="bundle",
            architecture="mlp",
            task=task,
            classes=classes,
            output=output,
            threshold=0.5 if task == "binary-classification" else None,
            parameters=0,
            digest="",
        ),
        module=nn.Identity(),
        encoder=TabularEncoder(FEATURES),
        inputs={TABULAR_INPUT: TableInput(features=FEATURES)},
        target_names=classes or ("y",),
    )


def evaluation(
    y_true: Any, task: Task, classes: tuple[str, ...], groups: dict[str, list[str]] | None = None, inputs: Any = None
) -> EvaluationData:
    rows = len(y_true)
    matrix = np.column_stack([np.arange(20.0, 20 + rows), np.zeros(rows)]) if inputs is None else np.asarray(inputs)
    part = Rows(
        inputs={TABULAR_INPUT: matrix},
        y_true=np.asarray(y_true),
        sensitive_features={name: np.asarray(values) for name, values in (groups or {}).items()},
        row_ids=tuple(f"r{row}" for row in range(rows)),
    )
    return EvaluationData(
        facts=DataFacts(name="d", digests={}, rows=rows, train_rows=0, target="label"),
        task=task,
        classes=classes,
        inputs={TABULAR_INPUT: TableInput(features=FEATURES)},
        _evaluated=part,
        _background=part,
    )


def column(*values: float) -> np.ndarray[Any, Any]:
    return np.array(values)[:, None]


def test_binary_cases_come_in_the_order_of_the_rule() -> None:
    model = subject("binary-classification", ("no", "yes"), "probability")
    outputs = column(0.9, 0.1, 0.52, 0.7, 0.3, 0.95, 0.25, 0.05)
    sex = ["f", "m", "f", "m", "f", "m", "m", "f"]
    data = evaluation([1, 0, 1, 0, 1, 0, 0, 1], "binary-classification", ("no", "yes"), {"sex": sex})
    chosen = choose_cases(model, data, outputs, count=12, raw_inputs=True)
    assert [(case.row_id, case.rule, dict(case.where)) for case in chosen.cases] == [
        ("r2", "threshold", {}),
        ("r5", "worst_error", {}),  # said yes with 0.95, was no
        ("r7", "worst_error", {}),  # said no with 0.95, was yes
        ("r3", "typical", {"label": "no"}),  # 0.1, 0.25, 0.7 and 0.95 have the median 0.475; 0.7 and 0.25 tie
        ("r4", "typical", {"label": "yes"}),  # 0.05, 0.3, 0.52 and 0.9 have the median 0.41; 0.3 and 0.52 tie
        ("r0", "group", {"sex": "f"}),  # the only row of the group that is left
        ("r6", "group", {"sex": "m"}),  # 0.1, 0.25, 0.7 and 0.95, of which 0.7 is taken
    ]
    assert chosen.indices == (2, 5, 7, 3, 4, 0, 6)
    first = chosen.cases[1]
    assert (first.predicted, first.observed, first.output) == ("yes", "no", (0.95,))
    assert chosen.rule.key == "core.case_rule_binary_groups"
    assert chosen.rule.values == {
        "n": 7, "rows": 8, "threshold": 1, "worst_error": 2, "typical": 2, "cutoff": 0.5,
        "feature": "sex", "group": 2, "shown": 2, "groups": 2,
    }  # fmt: skip


def test_multiclass_cases_start_at_the_smallest_lead() -> None:
    classes = ("a", "b", "c")
    model = subject("multiclass-classification", classes, "probability")
    outputs = np.array([[0.8, 0.1, 0.1], [0.4, 0.39, 0.21], [0.05, 0.9, 0.05], [0.01, 0.01, 0.98], [0.3, 0.6, 0.1]])
    data = evaluation([0, 0, 1, 1, 0], "multiclass-classification", classes)
    chosen = choose_cases(model, data, outputs, count=12, raw_inputs=True)
    assert [(case.row_id, case.rule, dict(case.where)) for case in chosen.cases] == [
        ("r1", "margin", {}),
        ("r3", "worst_error", {}),
        ("r4", "worst_error", {}),
        ("r0", "typical", {"label": "a"}),
        ("r2", "typical", {"label": "b"}),
    ]
    assert chosen.cases[1].predicted == "c"
    assert chosen.rule.key == "core.case_rule_multiclass"


def test_regression_cases_are_worst_typical_and_extreme() -> None:
    model = subject("regression", (), "value")
    outputs = column(1.0, 5.0, 3.0, 9.0, 2.0, 4.0, -1.0)
    data = evaluation([1.0, 2.0, 3.0, 9.0, 7.5, 4.0, -1.0], "regression", ())
    chosen = choose_cases(model, data, outputs, count=12, raw_inputs=True)
    assert [(case.row_id, case.rule) for case in chosen.cases] == [
        ("r1", "worst_error"),
        ("r2", "typical"),
        ("r4", "worst_error"),
        ("r6", "extreme"),
        ("r3", "extreme"),
    ]
    assert (chosen.cases[2].predicted, chosen.cases[2].observed) == ("2", "7.5")
    assert chosen.rule == Message(
        key="core.case_rule_regression", values={"n": 5, "rows": 7, "worst_error": 2, "typical": 1, "extreme": 2}
    )


def grouped_cases(sex: list[str], *, count: int, raw_inputs: bool = True) -> ChosenCases:
    """Cases of rows whose probabilities rise from 0.3 to 0.9; nobody is positive."""
    rows = len(sex)
    model = subject("binary-classification", ("no", "yes"), "probability")
    data = evaluation([0] * rows, "binary-classification", ("no", "yes"), {"sex": sex})
    return choose_cases(model, data, column(*np.linspace(0.3, 0.9, rows)), count=count, raw_inputs=raw_inputs)


def test_a_group_without_a_case_comes_before_a_second_case_of_any_rule() -> None:
    chosen = grouped_cases(["f"] * 3 + ["m"] * 18, count=4)
    assert [(case.row_id, case.rule, dict(case.where)) for case in chosen.cases] == [
        ("r7", "threshold", {}),  # 0.51
        ("r20", "worst_error", {}),
        ("r1", "group", {"sex": "f"}),
        ("r10", "typical", {"label": "no"}),
    ]
    assert chosen.rule.values["group"] == 1
    assert (chosen.rule.values["shown"], chosen.rule.values["groups"]) == (2, 2)


def test_rules_give_way_where_only_as_many_cases_as_groups_are_left() -> None:
    chosen = grouped_cases(["a"] * 2 + ["b"] * 3 + ["c"] * 4 + ["d"] * 12, count=4)
    assert [(case.rule, dict(case.where)) for case in chosen.cases] == [
        ("threshold", {}),  # of c; the worst error, of d, stands for d
        ("worst_error", {}),
        ("group", {"sex": "b"}),
        ("group", {"sex": "a"}),
    ]


def test_the_name_of_a_rare_group_is_not_shown() -> None:
    banded, raw = (grouped_cases(["f"] * 3 + ["m"] * 18, count=12, raw_inputs=raw) for raw in (False, True))
    groups = [[dict(case.where) for case in chosen.cases if case.rule == "group"] for chosen in (banded, raw)]
    assert groups == [[{"sex": "rare value"}, {"sex": "m"}], [{"sex": "f"}, {"sex": "m"}]]


@given(
    groups=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30),
    count=st.integers(0, 12),
    seed=st.integers(0, 50),
    task=st.sampled_from(["binary-classification", "multiclass-classification", "regression"]),
)
def test_every_group_has_a_case_as_far_as_the_count_allows(
    groups: list[str], count: int, seed: int, task: Task
) -> None:
    rng = np.random.default_rng(seed)
    classes = {"binary-classification": ("n", "y"), "multiclass-classification": ("n", "o", "y")}.get(task, ())
    model = subject(task, classes, "value" if task == "regression" else "probability")
    outputs = rng.dirichlet(np.ones(3), len(groups)) if len(classes) == 3 else rng.random((len(groups), 1))
    data = evaluation(
        rng.integers(0, max(2, len(classes)), len(groups)), task, classes, {"g": groups, "h": ["x"] * len(groups)}
    )
    chosen = choose_cases(model, data, outputs, count=count, raw_inputs=False)
    shown = {groups[index] for index in chosen.indices}
    assert len(shown) == min(count, len(set(groups)))
    values = chosen.rule.values
    assert (values["feature"], values["shown"], values["groups"]) == ("g", len(shown), len(set(groups)))
    rules = Counter(case.rule for case in chosen.cases)
    assert {rule: values[rule] for rule in rules} == rules
    assert sum(values.get(rule, 0) for rule in RULES) == values["n"] == len(chosen.cases)


@pytest.mark.parametrize("key", sorted(key for key in SENTENCES if key.startswith("core.case_rule_")))
def test_the_sentence_uses_every_number_of_the_rule(key: str) -> None:
    binary, multiclass = "binary" in key, "multiclass" in key
    task = "binary-classification" if binary else "multiclass-classification" if multiclass else "regression"
    classes = ("n", "y") if binary else ("n", "o", "y") if multiclass else ()
    data = evaluation([0, 1, 1], task, classes, {"sex": ["f", "m", "f"]} if key.endswith("groups") else None)
    outputs = np.array([[0.2], [0.4], [0.9]]) if not multiclass else np.eye(3)
    model = subject(task, classes, "probability" if classes else "value")
    rule = choose_cases(model, data, outputs, count=6, raw_inputs=False).rule
    assert rule.key == key
    placeholders = set(re.findall(r"\{([a-z_]+)", str(SENTENCES[key])))
    assert placeholders == set(rule.values)


@given(outputs=st.lists(st.floats(0, 1), min_size=1, max_size=30), count=st.integers(0, 12), seed=st.integers(0, 50))
def test_rows_are_different_at_most_the_count_and_the_same_again(outputs: list[float], count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, len(outputs))
    groups = {"g": [str(value) for value in rng.integers(0, 3, len(outputs))]}
    model = subject("binary-classification", ("no", "yes"), "probability")
    data = evaluation(labels, "binary-classification", ("no", "yes"), groups)
    chosen = choose_cases(model, data, column(*outputs), count=count, raw_inputs=False)
    assert len(set(chosen.indices)) == len(chosen.indices) == len(chosen.cases) <= count
    assert len(chosen.cases) >= min(count, 1)
    assert chosen == choose_cases(model, data, column(*outputs), count=count, raw_inputs=False)


def case_inputs(*, raw: bool, groups: dict[str, list[str]] | None = None) -> dict[str, dict[str, str]]:
    """Inputs of the cases among 31 rows of ages 20 to 50, in Oslo; the last has no age, is in Rome, and the only `yes`."""
    inputs = np.column_stack([np.arange(20.0, 51.0), np.zeros(31)])
    inputs[30] = [np.nan, 1.0]
    model = subject("binary-classification", ("no", "yes"), "probability")
    data = evaluation([0] * 30 + [1], "binary-classification", ("no", "yes"), groups, inputs)
    outputs = column(*np.linspace(0.0, 0.4, 30), 0.9)
    chosen = choose_cases(model, data, outputs, count=6, raw_inputs=raw)
    return {case.row_id: dict(case.inputs) for case in chosen.cases}


def test_raw_inputs_are_as_they_are() -> None:
    shown = case_inputs(raw=True)
    assert shown["r30"] == {"age": "missing", "city": "Rome"}
    assert shown["r29"] == {"age": "49", "city": "Oslo"}


def test_inputs_are_banded_and_rare_categories_have_no_name() -> None:
    shown = case_inputs(raw=False)
    assert shown["r30"] == {"age": "missing", "city": "rare value"}
    assert shown["r29"] == {"age": "43 and over", "city": "Oslo"}


def test_a_sensitive_feature_shows_as_its_group() -> None:
    shown = case_inputs(raw=False, groups={"age": ["under 40"] * 20 + ["40 and over"] * 10 + ["missing"]})
    assert shown["r29"]["age"] == "40 and over"
    assert shown["r30"]["age"] == "rare value"


@pytest.mark.parametrize("count", [0, 1])
def test_count_is_respected(count: int) -> None:
    model = subject("regression", (), "value")
    data = evaluation([1.0, 2.0], "regression", ())
    chosen = choose_cases(model, data, column(1.0, 3.0), count=count, raw_inputs=False)
    assert len(chosen.cases) == count
