"""The `shap` analyzer: exact on linear models, honest about rows, seeds and limits, and harmless to what it explains."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

import auditbench_shap
from auditbench.results import AnalysisResult, Metric
from auditbench.testing import ToySubject, given_outputs_subject, missing_words, toy_context, toy_subject
from auditbench_shap import Params
from auditbench_shap.analysis import analyze
from auditbench_shap.methods import METHODS as ALL_METHODS
from auditbench_shap.shapley import shapley_values
from tests.naive_games import mlp

(ANALYZER,) = auditbench_shap.auditbench_analyzers()
KINDS = ("regression", "binary", "multiclass")
METHODS = (
    "exact",
    "permutation",
    "kernel",
    "shap.exact",
    "shap.permutation",
    "shap.kernel",
    "shap.sampling",
    "shap.partition",
)
FEATURES = 4


class CountedProducts(nn.Module):
    """Products of three encoded columns, so that permutations differ; counts the rows it evaluates."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0
        self.eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        self.rows += len(encoded)
        return (encoded[:, :1] * encoded[:, 1:2] * (encoded[:, 2:3] - encoded[:, 6:7])).double()


def explain(subject: ToySubject, params: Params, **context: Any) -> AnalysisResult:
    return analyze(toy_context(subject, analyzer="shap", params=params, **context), params)


def counted_subject() -> tuple[ToySubject, CountedProducts]:
    subject, module = toy_subject(), CountedProducts()
    return dataclasses.replace(subject, model=dataclasses.replace(subject.model, module=module)), module


def metrics_named(result: AnalysisResult, name: str) -> list[Metric]:
    return [metric for metric in result.metrics if metric.name == name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["exact", "permutation", "kernel"])
def test_linear_model_gets_weight_times_difference_from_the_mean(kind: Any, method: Any) -> None:
    subject, params = toy_subject(kind, missing=5), Params(rows=20, background=15, method=method)
    context = toy_context(subject, analyzer="shap", params=params, case_indices=(59,))
    (block,) = analyze(context, params).attributions
    background = subject.data.background(15, context.rng("background"))
    exact = subject.exact_contributions(context.explained_rows(20), background)
    np.testing.assert_allclose(block.values, exact, atol=1e-6)
    assert block.values.shape == (20, len(subject.model.target_names), FEATURES)
    assert block.unit == subject.model.facts.output
    assert block.row_ids[0] == "row-59"


@pytest.mark.parametrize("method", METHODS)
def test_contributions_sum_to_output_minus_base(method: Any) -> None:
    result = explain(counted_subject()[0], Params(rows=6, background=10, method=method))
    (block,) = result.attributions
    total = np.asarray(block.values).sum(axis=2) + block.base_values
    np.testing.assert_allclose(total, block.outputs, atol=1e-6)
    (gap,) = metrics_named(result, "local_accuracy_gap")
    assert gap.value is not None
    assert 0 <= gap.value < 1e-4


def test_a_gap_above_tolerance_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from auditbench_shap import analysis

    def wrong(*args: Any, **kwargs: Any) -> Any:
        right = shapley_values(*args, **kwargs)
        return dataclasses.replace(right, values=right.values + 0.01)

    monkeypatch.setattr(analysis, "shapley_values", wrong)
    result = explain(toy_subject(), Params(rows=5, background=5))
    (gap,) = metrics_named(result, "local_accuracy_gap")
    output_range = np.ptp(toy_context(toy_subject()).outputs)
    assert gap.value == pytest.approx(FEATURES * 0.01 / output_range, rel=1e-6)
    assert "shap.contributions_do_not_add_up" in [finding.rule for finding in result.findings]
    assert missing_words(ANALYZER, result) == ()


def test_equal_seeds_give_equal_values_and_others_do_not() -> None:
    params = Params(rows=60, background=40, method="permutation")  # all rows: the seed chooses none
    first, again, other = (explain(counted_subject()[0], params, seed=seed).attributions[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.values, again.values)
    assert first.row_ids == other.row_ids
    assert not np.array_equal(first.values, other.values)


def chosen(subject: ToySubject, **params: Any) -> tuple[str, list[tuple[str, Any]]]:
    """The estimator, and what is said of how `auto` chose it, with the line."""
    result = explain(subject, Params(rows=2, background=10, **params))
    assert missing_words(ANALYZER, result) == ()
    notes = [note.text for note in result.notes if note.text.key.startswith("shap.chosen")]
    return result.attributions[0].method, [(text.key, text.values["line"]) for text in notes]


def test_auto_chooses_by_what_a_model_row_costs_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench_shap.planning.EXACT_ROWS_OF_WHOLE", 139)  # enumeration needs 140
    whole = counted_subject()[0]
    linear = dataclasses.replace(whole, model=dataclasses.replace(whole.model, module=mlp(9)))
    assert chosen(linear) == ("shap.exact", [("shap.chosen_exact", 1 << 19)])
    assert chosen(whole) == ("shap.permutation", [("shap.chosen_permutation", 139)])
    assert chosen(whole, budget=140) == ("shap.exact", [("shap.chosen_exact", 140)])
    assert chosen(linear, budget=139) == ("shap.permutation", [("shap.chosen_permutation", 139)])
    assert chosen(linear, budget=59) == ("shap.kernel", [("shap.chosen_kernel", 59)])
    assert chosen(whole, method="exact") == ("shap.exact", [])


@pytest.mark.parametrize("method", METHODS)
def test_every_model_row_is_counted(method: Any) -> None:
    subject, module = counted_subject()
    params = Params(rows=7, background=10, method=method)
    context = toy_context(subject, analyzer="shap", params=params)
    module.rows = 0
    (block,) = analyze(context, params).attributions
    assert block.model_rows == module.rows


def test_model_and_generators_are_left_as_found() -> None:
    subject, module = counted_subject()
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    explain(subject, Params(rows=3, background=5, method="shap.sampling", budget=200))
    assert not module.training
    assert not module._forward_hooks
    assert torch.equal(before[0], torch.random.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_chosen_cases_are_explained_but_not_counted() -> None:
    result = explain(toy_subject(), Params(rows=20, background=5), case_indices=(1, 2, 3))
    assert {metric.n for metric in metrics_named(result, "mean_absolute_attribution")} == {17}
    assert len(result.attributions[0].row_ids) == 20
    everything = explain(toy_subject(), Params(rows=60, background=5), case_indices=(1, 2, 3))
    assert {metric.n for metric in metrics_named(everything, "mean_absolute_attribution")} == {60}
    cases_only = explain(toy_subject(), Params(rows=3, background=5), case_indices=(1, 2, 3))
    assert [m.value for m in metrics_named(cases_only, "mean_absolute_attribution")] == [None] * FEATURES
    assert missing_words(ANALYZER, cases_only) == ()


def test_importance_is_the_mean_of_what_is_drawn() -> None:
    result = explain(toy_subject("multiclass"), Params(rows=60, background=5))
    values = np.abs(np.asarray(result.attributions[0].values)).mean(axis=0)
    found = metrics_named(result, "mean_absolute_attribution")
    assert [metric.value for metric in found] == pytest.approx(values.ravel().tolist())
    assert found[FEATURES].where == {"feature": "age", "class": "middle"}
    assert all(m.interval is not None and m.interval.low <= (m.value or 0) <= m.interval.high for m in found)


def test_player_values_are_ranks_of_numbers_alone() -> None:
    (block,) = explain(toy_subject(missing=60), Params(rows=8, background=10)).attributions
    ranks = np.asarray(block.player_values)
    assert ((ranks[:, 0] >= 0) & (ranks[:, 0] <= 1)).all()
    assert np.isnan(ranks[:, 1:]).all()  # `hours` are missing, the others are categories


def test_a_sensitive_feature_is_found_where_the_whole_interval_is_at_least_the_stated_share() -> None:
    result = explain(toy_subject(), Params(rows=60, background=20))
    (share,) = metrics_named(result, "sensitive_share")
    sizes = np.abs(np.asarray(result.attributions[0].values)).sum(axis=(0, 1))
    assert share.value == pytest.approx(sizes[3] / sizes.sum())
    assert share.where == {"feature": "sex"}
    assert share.interval is not None
    assert share.interval.low + 1e-6 < share.value
    for limit, expected in (
        (share.interval.low - 1e-6, ["shap.sensitive_feature_matters"]),
        (share.interval.low + 1e-6, []),
    ):
        found = explain(toy_subject(), Params(rows=60, background=20, sensitive_share=limit)).findings
        assert [finding.rule for finding in found] == expected
    assert explain(toy_subject(), Params(rows=1, background=20, sensitive_share=1e-6)).findings == ()


def test_a_constant_model_has_undefined_shares_with_reasons() -> None:
    result = explain(toy_subject("constant"), Params(rows=10, background=5, method="shap.sampling", budget=240))
    for name in ("local_accuracy_gap", "sensitive_share"):
        (metric,) = metrics_named(result, name)
        assert metric.value is None
        assert metric.reason is not None
    assert result.findings == ()
    assert missing_words(ANALYZER, result) == ()


@pytest.mark.parametrize("method", METHODS)
def test_every_message_has_words(method: Any) -> None:
    result = explain(toy_subject("multiclass"), Params(rows=8, background=5, method=method))
    assert missing_words(ANALYZER, result) == ()
    assert {metric.name for metric in result.metrics} <= set(ANALYZER.metrics)


@pytest.mark.parametrize(
    ("options", "key", "values"),
    [
        ({"method": "kernel", "budget": 101}, "shap.method_kernel", {"pairs": 50}),
        ({"method": "kernel", "background": 1}, "shap.method_kernel_baseline", {"pairs": 1024 + FEATURES}),
        ({"method": "permutation"}, "shap.method_permutation", {"rounds": 16}),
        (
            {"method": "permutation", "target_error": 0.01, "budget": 1000},
            "shap.method_permutation_until",
            {"rounds": 16, "most": 32},
        ),
    ],
)
def test_the_method_is_told_as_it_was_run(options: dict[str, Any], key: str, values: dict[str, int]) -> None:
    result = explain(toy_subject(), Params(**{"rows": 8, "background": 5, **options}))
    (told,) = [note.text for note in result.notes if note.kind == "method"]
    assert told.key == key
    assert values.items() <= told.values.items()
    assert missing_words(ANALYZER, result) == ()


def test_one_feature_and_one_row_are_enough() -> None:
    subject = given_outputs_subject([0.25, 0.75, 0.5], [0, 1, 1])
    (block,) = explain(subject, Params(rows=1, background=3)).attributions
    np.testing.assert_allclose(block.values[0, 0], block.outputs[0] - 0.5)


def test_unknown_and_impossible_parameters_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Params.model_validate({"row": 3})
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Params(rows=0)
    for method in ("kernel", "shap.permutation"):
        with pytest.raises(
            ValidationError, match=f"one of auto, exact, permutation .*for a target error, got {method}"
        ):
            Params(method=method, target_error=0.1)


def test_the_analyzer_says_what_it_needs() -> None:
    assert (ANALYZER.name, ANALYZER.topic, ANALYZER.Params) == ("shap", "explanation", Params)
    assert ANALYZER.needs.modalities == ("tabular", "image", "text", "series")
    assert ANALYZER.needs.packages == ()
    offered = set(get_args(Params.model_fields["method"].annotation))
    assert offered == {*ALL_METHODS, "hierarchical"}


def test_every_key_in_the_source_has_words() -> None:
    folder = Path(auditbench_shap.__file__).parent
    keys = {key for path in folder.glob("*.py") for key in re.findall(r'key="([^"]+)"', path.read_text("utf-8"))}
    assert len(keys) > 3
    assert keys <= set(ANALYZER.messages["en"])
