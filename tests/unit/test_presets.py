"""Presets: every one can be used, is explained in both languages, and asks for metrics that installed analyzers give."""

from __future__ import annotations

import re

import pytest

from auditbench.config import GateTable
from auditbench.errors import ConfigError
from auditbench.messages import LANGUAGES, template_fault
from auditbench.presets import (
    Preset,
    PresetGate,
    explanation_messages,
    load_preset,
    preset_messages,
    preset_names,
)
from auditbench.registry import Registry

TASKS = ("binary-classification", "multiclass-classification", "regression", "next-token")


def test_there_are_the_presets_that_a_release_asks_for() -> None:
    assert preset_names() == (
        "binary-basics", "explanations-sound", "fairness-error-rates", "fairness-four-fifths", "multiclass-basics",
        "next-token-basics", "regression-basics", "resources-small",
    )  # fmt: skip


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_asks_for_metrics_that_there_are(name: str) -> None:
    preset = load_preset(name)
    registry = Registry()
    assert preset.gates
    assert set(preset.tasks) <= set(TASKS)
    for gate in preset.gates:
        analyzer, _, metric = gate.table.metric.partition(".")
        record = registry.analyzer(analyzer).record
        assert metric in record.metrics
        assert not record.needs.tasks or set(preset.tasks) <= set(record.needs.tasks)
        assert record.needs.sensitive_features <= gate.each_sensitive
        assert str(gate.table.id).startswith(f"{name}.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_preset_and_gate_has_its_sentence_and_no_other(language: str) -> None:
    sentences = preset_messages()[language]
    presets = [load_preset(name) for name in preset_names()]
    keys = {f"preset.{preset.name}" for preset in presets}
    keys |= {gate.table.explanation for preset in presets for gate in preset.gates}
    assert set(sentences) == keys
    assert [key for key, text in sentences.items() if template_fault(text)] == []
    chinese = [bool(re.search("[\u4e00-\u9fff]", str(text))) for text in sentences.values()]
    assert all(chinese) if language == "zh-CN" else not any(chinese)


@pytest.mark.parametrize("word", ["unbiased", "comply", "complian", "lawful", "legal", "guarantee", "certif", "公平的", "合法", "合规"])  # fmt: skip
def test_no_sentence_promises_what_a_limit_cannot(word: str) -> None:
    texts = [str(text).lower() for sentences in preset_messages().values() for text in sentences.values()]
    assert [text for text in texts if word in text] == []


def test_a_gate_on_each_sensitive_feature() -> None:
    tables = load_preset("fairness-four-fifths").tables(["sex", "Age group"])
    assert [table.id for table in tables] == [
        "fairness-four-fifths.selection.sex",
        "fairness-four-fifths.selection.age-group",
    ]
    assert [table.where for table in tables] == [{"feature": "sex"}, {"feature": "Age group"}]
    assert {table.min for table in tables} == {0.8}


@pytest.mark.parametrize(
    "features",
    [
        pytest.param(["Sex", "sex", "sex 1", "sex-2"], id="same-letters"),
        pytest.param(["性别", "年龄", "3"], id="no-letters"),
        pytest.param(["a" * 200, "a" * 201, "a" * 200 + "1"], id="long"),
        pytest.param(["1", "2", "-1"], id="numbers"),
    ],
)
def test_ids_stay_apart_and_valid_whatever_features_are_called(features: list[str]) -> None:
    for name in ("fairness-four-fifths", "fairness-error-rates"):
        tables = load_preset(name).tables(features)
        assert len({table.id for table in tables}) == len(tables)
        assert [GateTable.model_validate(table.model_dump()) for table in tables] == list(tables)


def test_gates_without_a_feature_do_not_depend_on_the_features() -> None:
    preset = load_preset("binary-basics")
    assert not preset.needs_sensitive
    assert preset.tables([]) == preset.tables(["sex"]) == tuple(gate.table for gate in preset.gates)
    assert load_preset("fairness-error-rates").needs_sensitive


def test_labels_of_a_gate_are_kept_beside_the_feature() -> None:
    table = GateTable(id="p.g", metric="a.b", min=0.0, where={"group": "x"})
    preset = Preset(name="p", tasks=TASKS, gates=(PresetGate(table=table, each_sensitive=True),))
    assert [one.where for one in preset.tables(["sex"])] == [{"group": "x", "feature": "sex"}]


def test_only_the_sentences_that_gates_name_are_given() -> None:
    gates = [*load_preset("regression-basics").tables([]), GateTable(metric="a.b", min=0.0, explanation="our words")]
    given = explanation_messages(gates)
    assert {language: list(part) for language, part in given.items()} == {
        language: ["preset.regression-basics.r2"] for language in LANGUAGES
    }
    assert explanation_messages(gates[1:]) == {}


def test_an_unknown_preset_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="no such preset") as caught:
        load_preset("../presets/binary-basics")
    assert "binary-basics, explanations-sound" in caught.value.problems[0].allowed
