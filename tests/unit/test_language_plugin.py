"""The analyzers of language models on small decoders: what they give, what they keep to themselves, and what they leave as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import auditbench_language
from auditbench.contract_checks import misfits
from auditbench.contracts import Analyzer
from auditbench.errors import AnalyzerNotPossible
from auditbench.messages import load_messages, template_fault
from auditbench.record import plain, validate
from auditbench.results import AnalysisResult
from auditbench.testing import ToySubject, missing_words, toy_context
from auditbench.worker.array_store import describe_array, with_stored
from auditbench.worker.hidden_inputs import without_inputs
from auditbench_language.continuations import explain_chunk
from auditbench_language.lens_analysis import prediction_depth
from auditbench_language.measures import cluster_mean
from auditbench_language.uncertainty import place_chunk
from tests.huggingface_folders import gpt2, llama
from tests.language_models import context_of, decoder_subject, opened

ANALYZERS: dict[str, Analyzer] = {each.name: each for each in auditbench_language.auditbench_analyzers()}


def result_of(subject: ToySubject, name: str, *, raw_inputs: bool = False, **params: Any) -> AnalysisResult:
    analyzer = ANALYZERS[name]
    assert analyzer.Params is not None
    given = analyzer.Params(**params)
    keys: dict[str, Any] = {"case_indices": (4, 0), "raw_inputs": raw_inputs}
    return analyzer.analyze(toy_context(subject, analyzer=name, params=given, **keys), given)


@pytest.fixture(scope="module")
def subject() -> ToySubject:
    return decoder_subject()


def metrics(result: AnalysisResult) -> dict[tuple[str, ...], Any]:
    return {(metric.name, *metric.where.values()): metric for metric in result.metrics}


@pytest.mark.parametrize("name", list(ANALYZERS))
def test_records_fit_the_contract_and_both_languages_say_the_same(name: str) -> None:
    assert list(misfits(ANALYZERS[name])) == []
    english, chinese = (load_messages("auditbench_language")[language] for language in ("en", "zh-CN"))
    assert list(english) == list(chinese)
    for key, template in english.items():
        assert not template_fault(template)
        assert not template_fault(chinese[key])
        assert _placeholders(chinese[key]) == _placeholders(template), key
    said = " ".join(str(template) for template in english.values()).lower()
    assert not re.search(r"unbiased|is fair|are fair|\bsafe\b|explainable|compliant", said)


def _placeholders(template: str | Mapping[str, str]) -> set[str]:
    texts = [template] if isinstance(template, str) else template.values()
    return set(re.findall(r"\{([a-z_0-9]+)", " ".join(texts)))


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("language", {"rows": 6}),
        ("language", {"rows": 6, "method": "occlusion", "players": "sentences", "continues": "text"}),
        ("language", {"rows": 3, "method": "integrated_gradients", "foil": "text"}),
        ("language", {"rows": 2}),
        ("language-lens", {"rows": 30}),
    ],
)
def test_every_block_has_words_and_survives_the_record(
    subject: ToySubject, name: str, params: dict[str, Any], language: str
) -> None:
    result = result_of(subject, name, raw_inputs=True, **params)
    assert missing_words(ANALYZERS[name], result, language) == ()
    assert {metric.name for metric in result.metrics} == set(ANALYZERS[name].metrics)
    places = [(metric.name, *sorted(metric.where.items())) for metric in result.metrics]
    assert len(set(places)) == len(places)
    stored = plain(with_stored(result, describe_array))
    assert plain(validate(AnalysisResult, stored, where="result")) == stored
    for metric in result.metrics:
        assert metric.value is None or metric.interval is not None or metric.no_interval
        if metric.interval is not None:
            assert metric.interval.low - 1e-9 <= metric.value <= metric.interval.high + 1e-9  # type: ignore[operator]


def test_no_word_of_a_text_is_in_a_result_unless_it_is_asked_for(subject: ToySubject) -> None:
    (item,) = subject.model.inputs.values()
    words = item.vocabulary  # type: ignore[union-attr]
    for name, params in (("language", {"rows": 6}), ("language-lens", {})):
        hidden = str(plain(with_stored(without_inputs(result_of(subject, name, **params)), describe_array)))
        assert [word for word in words if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", hidden)] == []
    shown = result_of(subject, "language", raw_inputs=True, rows=6)
    said = "".join(token for block in shown.token_attributions for token in block.tokens)
    assert set(said.split()) & set(words)
    assert [matrix.unit for matrix in shown.matrices] == ["nat"] * 2


@pytest.mark.parametrize("raw_inputs", [False, True])
@pytest.mark.parametrize(("params", "left"), [({"tokens": 4}, 3), ({"tokens": 1}, 0), ({"continues": "text"}, 0)])
def test_a_context_that_makes_room_for_its_continuation_is_said_to_be_shortened(
    subject: ToySubject, params: dict[str, Any], left: int, raw_inputs: bool
) -> None:
    (item,) = subject.model.inputs.values()
    (ids,) = subject.data.take(np.arange(len(subject.data))).inputs.values()
    full = np.flatnonzero((ids != 0).all(axis=1))[:2]
    short = np.flatnonzero((ids != 0).sum(axis=1) <= item.length - 4)[:1]
    given = auditbench_language.Params(rows=3, **params)
    cases = (*full.tolist(), *short.tolist())
    context = toy_context(subject, analyzer="language", params=given, case_indices=cases, raw_inputs=raw_inputs)
    result = ANALYZERS["language"].analyze(context, given)
    titles = {(block.row_id, block.title.key): block.title for block in result.token_attributions}
    told = {key for key in titles if key[1].endswith("_last")}
    assert {row for row, _ in told} == ({context.data.row_ids[at] for at in full} if left else set())
    assert all(titles[key].values["kept"] == item.length - left for key in told)
    assert all(titles[key].values["total"] == item.length for key in told)
    notes = [note.text.values["n"] for note in result.notes if note.text.key == "language.shortened"]
    assert notes == ([2] if left else [])
    assert missing_words(ANALYZERS["language"], result) == ()


@pytest.mark.parametrize("continues", ["model", "text"])
def test_no_token_is_among_what_is_stored_while_an_audit_runs(subject: ToySubject, continues: Any) -> None:
    params = auditbench_language.Params(continues=continues)
    rows, rng = subject.data.take(np.arange(3)), np.random.default_rng(0)
    hidden, shown = (
        explain_chunk(rows, rng, model=subject.model, params=params, shown=shown) for shown in (False, True)
    )
    assert [name for name, array in hidden.items() if array.dtype.kind != "f"] == ["model_rows"]
    assert set(shown) - set(hidden) == {"classes", "foil"}


def test_entropy_and_surprise_are_those_of_the_outputs(subject: ToySubject) -> None:
    context = toy_context(subject, analyzer="language")
    logs = torch.from_numpy(context.outputs).log_softmax(1).numpy()
    entropy = -(np.exp(logs) * logs).sum(axis=1)
    surprise = -logs[np.arange(len(logs)), context.data.y_true]
    found = metrics(result_of(subject, "language", rows=2))
    assert found["entropy",].value == pytest.approx(entropy.mean(), rel=1e-9)
    assert found["excess_surprise",].value == pytest.approx((surprise - entropy).mean(), rel=1e-9)
    assert (found["entropy",].n, found["entropy",].clusters) == (60, 10)
    assert found["entropy",].interval.method == "cluster-bootstrap-percentile"
    assert np.abs(found["entropy",].influence.mean()) < 1e-6


def test_what_is_measured_at_each_place_is_what_the_model_gives_there(subject: ToySubject) -> None:
    rows = subject.data.take(np.arange(12))
    found = place_chunk(rows, np.random.default_rng(0), model=subject.model)
    (ids,) = rows.inputs.values()
    network: Any = subject.model.module
    for row, (tokens, label) in enumerate(zip(ids, rows.y_true, strict=True)):
        seen = tokens[tokens != 0]
        after = [*seen[1:], label + 2]
        for place in range(ids.shape[1]):
            if place >= len(seen) or after[place] == 1:  # behind the end, or a word that is not in the vocabulary
                assert np.isnan(found["entropy"][row, place])
                continue
            with torch.no_grad():
                logs = network(torch.from_numpy(seen[None, : place + 1])).log_softmax(1)[0].double().numpy()
            assert found["surprise"][row, place] == pytest.approx(-logs[after[place] - 2], abs=1e-5)
            assert found["entropy"][row, place] == pytest.approx(-(np.exp(logs) * logs).sum(), abs=1e-5)


@pytest.mark.parametrize("continues", ["model", "text"])
@pytest.mark.parametrize("tokens", [1, 3])
def test_a_continuation_is_as_probable_as_its_tokens_together(subject: ToySubject, continues: Any, tokens: int) -> None:
    result = result_of(subject, "language", rows=10, tokens=tokens, continues=continues)
    (attribution,) = result.attributions
    logs: dict[str, list[float]] = {}
    for row_id, _, log_probability, rank, *_ in result.tables[0].rows:
        logs.setdefault(str(row_id), []).append(float(log_probability))  # type: ignore[arg-type]
        assert continues == "text" or rank == 1
    for row_id, output in zip(attribution.row_ids, np.asarray(attribution.outputs), strict=True):
        assert output[0] == pytest.approx(sum(logs[row_id]), abs=1e-5)
        assert len(logs[row_id]) <= tokens
    base, values = np.asarray(attribution.base_values), np.asarray(attribution.values, dtype=np.float64)
    np.testing.assert_allclose(base + values.sum(axis=2), attribution.outputs, atol=1e-5)


def test_what_a_text_goes_on_with_is_its_own_end(subject: ToySubject) -> None:
    result = result_of(subject, "language", rows=20, tokens=2, continues="text", raw_inputs=True)
    rows = toy_context(subject, case_indices=(4, 0)).explained_rows(20)
    last = {str(row[0]): str(row[5]) for row in result.tables[0].rows}
    (item,) = subject.model.inputs.values()
    for row_id, label in zip(rows.row_ids, rows.y_true, strict=True):
        assert last[row_id] == f"{item.vocabulary[label]} "  # type: ignore[union-attr]


def test_contributions_of_a_model_that_reads_the_last_word_alone_lie_there(subject: ToySubject) -> None:
    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Parameter(torch.randn(10, 8, generator=torch.Generator().manual_seed(0)) * 3)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            place = (ids != 0).sum(dim=1).clamp(min=1) - 1
            return self.table[ids[torch.arange(len(ids)), place]]

    model = replace(subject.model, module=Last().eval().requires_grad_(False))
    found = result_of(replace(subject, model=model), "language", rows=12, tokens=1)
    reach = metrics(found)["reach",]
    assert (reach.value, reach.unit) == (1.0, "words")
    (curve,) = [curve for curve in found.curves if curve.name == "by_distance"]
    assert curve.series[0].y[0] == 1.0
    assert set(curve.series[0].y[1:]) == {0.0}
    with pytest.raises(AnalyzerNotPossible, match="follows the last token alone"):
        result_of(replace(subject, model=model), "language", rows=2, method="integrated_gradients")
    with pytest.raises(AnalyzerNotPossible, match="cannot be read by its output layer"):
        result_of(replace(subject, model=model), "language-lens")


@pytest.mark.parametrize(("method", "most"), [("shapley", 64 + 2), ("occlusion", 8 + 3), ("integrated_gradients", 37)])
def test_cost_is_bounded_by_the_parameters(subject: ToySubject, method: Any, most: int) -> None:
    result = result_of(subject, "language", rows=5, method=method, tokens=2)
    assert 0 < result.attributions[0].model_rows <= 5 * (most + 4)


def test_sampled_contributions_have_a_standard_error_and_one_pair_of_walks_says_why_not(subject: ToySubject) -> None:
    (sampled,) = result_of(subject, "language", rows=6, tokens=1, budget=26).attributions
    assert sampled.standard_error is not None
    assert np.asarray(sampled.standard_error).max() > 0
    result = result_of(subject, "language", rows=6, tokens=1, budget=8)
    assert result.attributions[0].standard_error is None
    (said,) = [note.text for note in result.notes if note.text.key == "language.limit_no_error"]
    assert 1 <= said.values["n"] <= 6  # type: ignore[operator]


def test_a_continuation_that_leaves_no_context_is_refused(subject: ToySubject) -> None:
    (item,) = subject.model.inputs.values()
    (length,) = item.shape
    assert len(result_of(subject, "language", rows=2, tokens=length).attributions) == 1
    with pytest.raises(AnalyzerNotPossible, match="leave no room for a context"):
        result_of(subject, "language", rows=2, tokens=length + 1)


def test_the_lens_agrees_at_the_end_and_depth_counts_from_the_first_layer_that_stays() -> None:
    agrees = np.asarray([[0, 0, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1], [0, 1, 0, 1]], dtype=float)
    assert prediction_depth(agrees).tolist() == [3, 2, 0, 3]
    assert prediction_depth(np.zeros((1, 4))).tolist() == [3]  # two tokens as probable: no share above 1
    result = result_of(decoder_subject(layers=3), "language-lens", rows=40)
    settling, divergence = result.curves
    assert settling.series[0].y[-1] == 1.0
    assert divergence.series[0].y[-1] == pytest.approx(0.0, abs=1e-6)
    assert settling.series[0].x == (0.0, 1.0, 2.0, 3.0)
    assert 0 <= metrics(result)["prediction_depth",].value <= 1


def test_a_last_block_that_the_output_does_not_read_is_refused(subject: ToySubject) -> None:
    """Outputs that are scaled behind the output layer are not what the lens gives."""

    class Scaled(torch.nn.Module):
        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network, self.layers, self.read = network, network.layers, network.read

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            outputs: torch.Tensor = 0.5 * self.network(ids)
            return outputs

    model = replace(subject.model, module=Scaled(subject.model.module).eval())
    with pytest.raises(AnalyzerNotPossible) as refused:
        result_of(replace(subject, model=model), "language-lens")
    assert "other logits" in refused.value.problems[0].found


def test_few_texts_give_no_interval_and_say_why() -> None:
    values, rng = np.arange(60.0), np.random.default_rng(0)
    few = cluster_mean(values, np.arange(60) // 10, rng)
    assert (few.low, few.reason) == (None, "too_few_clusters")
    assert few.estimate == values.mean()
    many = cluster_mean(values, np.arange(60) // 6, rng)
    alone = cluster_mean(values, None, rng)
    assert many.high - many.low > 1.5 * (alone.high - alone.low)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["language", "language-lens"])
def test_the_model_is_left_as_it_was_and_a_second_run_gives_the_same(subject: ToySubject, name: str) -> None:
    network = subject.model.module
    weights = [weight.clone() for weight in network.parameters()]
    params = {"rows": 4, "method": "integrated_gradients"} if name == "language" else {"rows": 10}
    first, again = (result_of(subject, name, **params) for _ in range(2))
    assert plain(with_stored(first, describe_array)) == plain(with_stored(again, describe_array))
    assert all(torch.equal(one, other) for one, other in zip(weights, network.parameters(), strict=True))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert not network.training
    assert all(weight.grad is None and not weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize("make", [gpt2, llama])
def test_a_folder_of_transformers_is_explained(make: Any, tmp_path: Path) -> None:
    """With every row among the explained ones: of a text that begins with `<s>` one has no word before it."""
    model, context = opened(make(tmp_path / "model"), tmp_path)
    every = len(context.data)
    for name, params in (
        ("language", {"rows": every, "budget": 8}),
        ("language", {"rows": 3, "method": "integrated_gradients"}),
        ("language-lens", {}),
    ):
        analyzer = ANALYZERS[name]
        assert analyzer.Params is not None
        given = analyzer.Params(**params)
        result = analyzer.analyze(context_of(model, context.data, analyzer=name, params=given), given)
        assert missing_words(analyzer, result) == ()
        assert result.curves
        if "budget" in params:
            explained = len(result.attributions[0].row_ids)
            assert explained == (every if make is gpt2 else every - 4)
            assert result.attributions[0].standard_error is None  # one pair of walks tells none


def test_a_context_without_a_word_has_no_result_but_its_numbers(tmp_path: Path) -> None:
    model, context = opened(llama(tmp_path / "model"), tmp_path)
    ids = context.data.take(np.arange(len(context.data))).inputs["text"]
    data = context.data.subset(np.flatnonzero((ids != 0).sum(axis=1) == 1))
    given = auditbench_language.Params(rows=4)
    alone = context_of(model, data, analyzer="language", params=given, case_indices=())
    result = ANALYZERS["language"].analyze(alone, given)
    assert result.attributions == ()
    assert len(result.tables[0].rows) == 4 * given.tokens
    found = metrics(result)
    assert found["completeness_gap",].reason.key == "language.no_rows_explained"
    assert found["reach",].reason.key == "language.undefined.no_rows"
    assert found["entropy",].value is not None
