"""What the report says of models of many tokens, of groups computed from inputs, and of gates that share a metric."""

from __future__ import annotations

import dataclasses
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from auditbench_html.view.facts import facts_section
from auditbench_html.view.outline import outline
from auditbench_html.view.scores import softmax
from auditbench_html.view.text import words
from auditbench_html.view.verdict import _titles
from tests.html_inputs import modality_run


def test_softmax_takes_one_sum_of_all_classes() -> None:
    sums = 0

    def counted(frame: Any, event: str, arg: Any) -> None:
        nonlocal sums
        sums += event == "c_call" and arg is sum

    sys.setprofile(counted)
    try:
        probabilities = softmax([0.0] * 100)
    finally:
        sys.setprofile(None)
    assert sums == 1
    assert sum(probabilities) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("language", "label"), [("en", "Groups computed from the inputs"), ("zh-CN", "由输入计算得出的分组")]
)
def test_computed_groups_are_no_protected_attributes(language: str, label: str) -> None:
    run = modality_run("text", raw_inputs=False)
    data = dataclasses.replace(run.data, sensitive=("sex", "tokens"), computed=("tokens",))
    draft = outline(dataclasses.replace(run, data=data), "auditbench_html", language).draft
    facts = {str(fact.label): str(fact.value) for part in facts_section(draft).lists for fact in part.facts}
    assert "tokens" in facts[label]
    assert not any("tokens" in value and "sex" in value for value in facts.values())


def test_a_name_that_two_gates_share_stands_once() -> None:
    draft = outline(modality_run("text", raw_inputs=False), "auditbench_html", "en").draft
    accuracy = SimpleNamespace(name=words("Accuracy"))
    loss = SimpleNamespace(name=words("Log loss"))
    rows: Any = [accuracy, accuracy, loss]
    assert str(_titles(draft, rows, 2)) == "Accuracy"
    assert str(_titles(draft, rows, 3)) == "Accuracy and Log loss"
