"""The subjects that other tests rest on say the truth about themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auditbench.contracts import Analyzer
from auditbench.errors import PluginError
from auditbench.findings import Message
from auditbench.results import AnalysisResult, Metric, Note
from auditbench.testing import QuietHost, given_outputs_subject, missing_words, toy_context, toy_subject

KINDS = ("regression", "binary", "multiclass", "constant")


@pytest.mark.parametrize("kind", KINDS)
def test_exact_contributions_add_up_to_the_outputs(kind: Any) -> None:
    subject = toy_subject(kind, missing=4)
    rows, background = subject.data.take(np.arange(60)), subject.data.background(40, np.random.default_rng(0))
    base = subject.model.predict(background.inputs).mean(axis=0)
    total = subject.exact_contributions(rows, background).sum(axis=2) + base
    np.testing.assert_allclose(total, subject.model.predict(rows.inputs), atol=1e-12)
    assert np.isnan(rows.inputs["features"][-4:, 1]).all()


@pytest.mark.parametrize("modality", ["image", "text", "series"])
@pytest.mark.parametrize("kind", KINDS)
def test_contributions_of_places_add_up_to_the_outputs(kind: Any, modality: Any) -> None:
    subject = toy_subject(kind, modality=modality)
    rows, background = subject.data.take(np.arange(60)), subject.data.background(40, np.random.default_rng(0))
    found = subject.exact_contributions(rows, background)
    (item,) = subject.model.inputs.values()
    assert found.shape == (60, len(subject.model.target_names), *item.shape)
    total = found.sum(axis=tuple(range(2, found.ndim))) + subject.model.predict(background.inputs).mean(axis=0)
    np.testing.assert_allclose(total, subject.model.predict(rows.inputs), atol=1e-5)
    assert kind == "constant" or np.abs(found).max() > 0.1


def test_a_subject_of_several_inputs_adds_its_parts_up() -> None:
    subject = toy_subject(modality="mixed")
    rows = subject.data.take(np.arange(60))
    encoded = toy_subject().model.encode({"features": rows.inputs["features"]}).double().numpy()
    counts = np.stack([(rows.inputs["text"] == token).sum(axis=1) for token in range(10)], axis=1)
    expected = np.concatenate([encoded, counts], axis=1) @ subject.weights.T + subject.bias
    np.testing.assert_allclose(subject.model.predict(rows.inputs), expected, atol=1e-6)
    assert [item.name for item in subject.data.facts.inputs] == ["features", "text"]
    assert [feature.name for feature in subject.data.facts.features] == ["age", "hours", "work", "sex"]
    with pytest.raises(ValueError, match="one input"):
        subject.exact_contributions(rows, rows)


def test_texts_stand_beside_their_token_ids() -> None:
    subject = toy_subject(modality="text")
    rows = subject.data.take(np.arange(60))
    lengths = [len(text.split()) for text in rows.texts["text"]]
    assert lengths == (rows.inputs["text"] > 0).sum(axis=1).tolist()
    assert "gradients" not in subject.model.facts.capabilities


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_labels_fit_the_task(kind: Any) -> None:
    subject = toy_subject(kind)
    context = toy_context(subject)
    outputs = 3 if kind == "multiclass" else 1
    assert context.outputs.shape == (60, outputs)
    assert len(subject.model.target_names) == outputs
    assert np.ptp(context.outputs) == 0 if kind == "constant" else np.ptp(context.outputs) > 0
    if kind != "regression":
        counts = [int((subject.data.y_true == index).sum()) for index in range(len(subject.data.classes))]
        assert tuple(subject.data.facts.outcomes.values()) == tuple(counts)
        assert min(counts) > 0


def test_groups_are_small_and_empty_as_stated() -> None:
    groups = toy_subject().data.sensitive_features
    islands = groups["region"] == "Islands"
    assert islands.sum() == 2
    assert set(groups["sex"][islands]) == {"Female"}


def test_same_seed_same_subject() -> None:
    first, second, other = toy_subject(seed=1), toy_subject(seed=1), toy_subject(seed=2)
    rows = [subject.data.take(np.arange(60)).inputs["features"] for subject in (first, second, other)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert (rows[0] != rows[2]).any()


def test_given_outputs_are_the_outputs() -> None:
    subject = given_outputs_subject([0.25, 0.5, 1.0], [0, 1, 1], sensitive_features={"sex": ["f", "m", "f"]})
    context = toy_context(subject)
    np.testing.assert_array_equal(context.outputs[:, 0], [0.25, 0.5, 1.0])
    np.testing.assert_array_equal(subject.model.decisions(context.outputs), [0, 1, 1])
    assert subject.data.facts.sensitive == ("sex",)


def test_given_outputs_of_several_classes() -> None:
    outputs = np.asarray([[2.0, 0.0, 1.0], [0.0, 0.5, 0.25]])
    subject = given_outputs_subject(
        outputs, [0, 2], task="multiclass-classification", output="logit", classes=("a", "b", "c")
    )
    np.testing.assert_array_equal(toy_context(subject).outputs, outputs)


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected rows >= 3"):
        toy_subject(rows=2)
    with pytest.raises(ValueError, match="of a table alone"):
        toy_subject(modality="image", missing=1)


def test_quiet_host_keeps_progress_and_runs_only_what_it_was_given() -> None:
    answer = AnalysisResult(analyzer="other")
    host = QuietHost(analyzers={"other": lambda _: answer})
    context = toy_context(host=host)
    context.progress(1, 2)
    assert host.steps == [("toy", "rows", 1, 2)]
    assert context.rerun("other", data=context.data.subset(np.arange(5))) is answer
    with pytest.raises(PluginError, match="'absent' does not take part"):
        context.rerun("absent")


def test_missing_words_names_keys_placeholders_and_metrics() -> None:
    words = {"toy.said": "{n} rows", "toy.gap": "Gap", "toy.gap.help": "A gap."}
    analyzer = Analyzer(
        name="toy",
        topic="t",
        summary="s",
        analyze=lambda *_: AnalysisResult(),
        metrics=("gap",),
        messages={"en": words},
    )
    result = AnalysisResult(
        metrics=(Metric(name="gap", value=1.0, no_interval="exact", n=1),),
        notes=(
            Note(kind="limit", text=Message(key="toy.unsaid")),
            Note(kind="limit", text=Message(key="toy.said")),
            Note(kind="limit", text=Message(key="toy.said", values={"n": 3})),
        ),
    )
    assert missing_words(analyzer, result) == ("toy.gap.formula", "toy.said: {n} rows", "toy.unsaid")


def test_the_name_of_a_task_is_no_kind() -> None:
    with pytest.raises(
        ValueError, match="expected one of regression, binary, multiclass, constant as kind, got 'binary-cl"
    ):
        toy_subject("binary-classification")  # type: ignore[arg-type]
