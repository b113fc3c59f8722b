"""What explainers of tables share: missing numbers, ranks, summaries, agreement."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from auditbench.findings import Message
from auditbench.masking import (
    additivity_gap,
    agreement_findings,
    agreement_matrix,
    agreement_metrics,
    explained,
    fill_missing,
    global_seed,
    importance_metrics,
    sampled_rows,
    shared_out,
    spearman,
    table_attribution,
    value_ranks,
)
from auditbench.masking.agreement import LOW_AGREEMENT
from auditbench.messages import load_messages
from auditbench.results import Attribution, Interval, Metric
from auditbench.testing import TOY_FEATURES, toy_context, toy_subject

FEW_VALUES = arrays(np.float64, (2, 6), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]))


def attribution(
    values: list[list[list[float]]], ids: str = "abcdef", players: tuple[str, ...] = ("p", "q", "r")
) -> Attribution:
    array = np.asarray(values)
    outputs = array.sum(axis=2)
    return Attribution(
        name="contributions",
        method="toy",
        values=array,
        player_names=players,
        target_names=tuple("xyz"[: array.shape[1]]),
        base_values=np.zeros_like(outputs),
        outputs=outputs,
        row_ids=tuple(ids[: len(array)]),
        unit="logit",
        model_rows=0,
    )


def test_filled_rows_have_the_same_outputs() -> None:
    subject = toy_subject(missing=5)
    raw = subject.data.take(np.arange(60)).inputs["features"].copy()
    raw[0, 2] = np.nan  # a missing category
    filled = fill_missing(raw, TOY_FEATURES)
    assert not np.isnan(filled).any()
    assert filled[-1, 1] == TOY_FEATURES[1].fill
    np.testing.assert_array_equal(subject.model.predict({"features": raw}), subject.model.predict({"features": filled}))


def test_value_ranks_match_a_count() -> None:
    raw, background = (
        np.asarray([[40.0, np.nan, 1, 0]]),
        np.asarray([[30.0, 1, 0, 0], [40, 2, 0, 0], [np.nan, 3, 1, 1]]),
    )
    ranks = value_ranks(raw, background, TOY_FEATURES)
    assert ranks[0, 0] == (1 + 0.5) / 2
    assert np.isnan(ranks[0, 1:]).all()


@pytest.mark.parametrize(
    ("explained", "cases", "evaluated", "expected"),
    [
        pytest.param(10, 3, 50, slice(3, 10), id="cases-are-left-out"),
        pytest.param(50, 3, 50, slice(0, 50), id="everything-was-explained"),
        pytest.param(2, 3, 50, slice(2, 2), id="only-cases"),
    ],
)
def test_sampled_rows(explained: int, cases: int, evaluated: int, expected: slice) -> None:
    assert sampled_rows(explained, cases, evaluated) == expected


def test_importance_is_the_mean_size_with_its_interval() -> None:
    block = attribution([[[1.0, -2, 0]], [[-3.0, 2, 0]], [[9.0, 9, 9]]])
    metrics = importance_metrics("toy", block, slice(0, 2), np.random.default_rng(0))
    assert [metric.value for metric in metrics] == [2.0, 2.0, 0.0]
    assert [dict(metric.where) for metric in metrics] == [{"feature": name} for name in "pqr"]
    assert metrics[0].interval is not None
    assert (metrics[0].interval.low, metrics[0].interval.high) == (1.0, 3.0)
    assert metrics[0].n == 2


def test_importance_of_several_targets_names_the_class() -> None:
    block = attribution([[[1.0, 2, 3], [4, 5, 6]], [[1.0, 2, 3], [4, 5, 6]]])
    metrics = importance_metrics("toy", block, slice(0, 2), np.random.default_rng(0))
    assert [(m.where["class"], m.where["feature"], m.value) for m in metrics][3:5] == [("y", "p", 4.0), ("y", "q", 5.0)]


@pytest.mark.parametrize(("counted", "value"), [(slice(0, 1), 1.0), (slice(1, 1), None)])
def test_importance_of_one_row_or_none_has_no_interval(counted: slice, value: float | None) -> None:
    (first, *_) = importance_metrics("toy", attribution([[[1.0, 2, 3]]]), counted, np.random.default_rng(0))
    assert first.value == value
    assert first.interval is None
    assert (first.reason is None) == (value is not None)


def test_additivity_gap_is_a_share_of_the_range() -> None:
    values, outputs = np.asarray([[[1.0, 2.0], [1.0, 1.0]]]), np.asarray([[4.5, 3.0]])
    gap = additivity_gap(values, np.ones((1, 2)), outputs, np.asarray([5.0, 0.0]))
    assert gap[0, 0] == pytest.approx(0.5 / 5)
    assert math.isnan(gap[0, 1])


@settings(max_examples=80, deadline=None)
@given(FEW_VALUES)
def test_spearman_equals_scipy(sides: np.ndarray) -> None:
    ours = float(spearman(sides[0], sides[1]))
    if np.ptp(sides[0]) == 0 or np.ptp(sides[1]) == 0:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(stats.spearmanr(sides[0], sides[1]).statistic, abs=1e-12)


def test_agreement_uses_the_rows_that_both_explained() -> None:
    own = attribution([[[1.0, 2, 3]], [[1, 2, 3]], [[3, 2, 1]]], "abc")
    other = attribution([[[9.0, 5, 1]], [[-1, 2, -3]], [[1, 2, 3]]], "xba")
    (metric,) = agreement_metrics("toy", own, {"other": other}, slice(0, 3), np.random.default_rng(0))
    assert (metric.value, metric.n, metric.where) == (1.0, 2, {"method": "other"})
    matrix = agreement_matrix("toy", own, {"other": other}, slice(0, 3))
    assert matrix is not None
    assert matrix.values == ((1.0, 1.0), (1.0, 1.0))
    assert matrix.rows == ("toy", "other")


def test_agreement_with_a_flat_method_is_undefined() -> None:
    own, flat = attribution([[[1.0, 2, 3]]]), attribution([[[1.0, 1, 1]]])
    (metric,) = agreement_metrics("toy", own, {"flat": flat}, slice(0, 1), np.random.default_rng(0))
    assert metric.value is None
    assert metric.reason is not None
    matrix = agreement_matrix("toy", own, {"flat": flat}, slice(0, 1))
    assert matrix is not None
    assert matrix.values[0][1] is None


def test_methods_with_other_players_are_not_compared() -> None:
    own, other = attribution([[[1.0, 2, 3]]]), attribution([[[1.0, 2, 3]]], players=("p", "q", "s"))
    assert agreement_metrics("toy", own, {"other": other}, slice(0, 1), np.random.default_rng(0)) == ()
    assert agreement_matrix("toy", own, {"other": other}, slice(0, 1)) is None


def agreement(value: float | None, high: float | None, method: str = "shap") -> Metric:
    interval = None if high is None or value is None else Interval(low=value - 0.1, high=high, method="bootstrap")
    return Metric(
        name="rank_agreement", value=value, interval=interval, n=9, where={"method": method},
        no_interval="not_estimated" if value is not None and interval is None else "",
        reason=Message(key="toy.no_ranking") if value is None else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metrics", "named"),
    [
        pytest.param([agreement(0.3, 0.499)], ["shap"], id="all-of-it-below"),
        pytest.param([agreement(0.3, LOW_AGREEMENT)], [], id="up-to-the-level"),
        pytest.param([agreement(0.3, 0.6)], [], id="crosses-the-level"),
        pytest.param([agreement(0.41, 0.42)], [], id="below-but-for-what-resampling-lowers"),
        pytest.param([agreement(0.9, 0.95)], [], id="agrees"),
        pytest.param([agreement(-0.2, None)], [], id="no-interval"),
        pytest.param([agreement(None, None)], [], id="undefined"),
        pytest.param([agreement(0.3, 0.4), agreement(0.1, 0.45, "lime")], ["lime"], id="the-least-of-two"),
        pytest.param([agreement(0.1, 0.6), agreement(0.3, 0.4, "lime")], ["lime"], id="the-only-one-that-is-sure"),
        pytest.param([], [], id="nothing-to-compare"),
    ],
)
def test_low_agreement_is_a_finding_where_all_of_the_interval_is_low(metrics: list[Metric], named: list[str]) -> None:
    found = agreement_findings("toy", metrics)
    assert [finding.where["method"] for finding in found] == named
    for finding in found:
        assert (finding.rule, finding.severity, finding.metrics) == (
            "toy.low_agreement",
            "low",
            ("toy.rank_agreement",),
        )
        assert finding.title.values["method"] == "toy"
        assert finding.title.values["other_method"] == named[0]
        assert finding.action is not None
        for templates in load_messages("auditbench").values():
            assert finding.title.key in templates
            assert finding.action.key in templates


def test_features_that_matter_almost_alike_are_seldom_a_finding() -> None:
    """Over all rows the orders agree by more than the level; 50 rows blur them, and resampled ones blur them again."""
    rng, found, blurred = np.random.default_rng(0), 0, 0
    for _ in range(60):
        correlation = 0.0
        while not LOW_AGREEMENT < correlation < 0.65:
            one, another = rng.normal(size=(2, 60))
            sizes = [np.exp(0.1 * one), np.exp(0.06 * one + 0.08 * another)]
            correlation = float(spearman(*sizes))
        names, ids = tuple(f"f{number}" for number in range(60)), "".join(map(chr, range(200, 300)))
        rows = [np.abs(size * rng.normal(1, 0.7, (100, 60)))[:, np.newaxis] for size in sizes]
        own, other = (attribution(part.tolist(), ids, names) for part in rows)
        metrics = agreement_metrics("toy", own, {"other": other}, slice(0, 100), rng)
        found += len(agreement_findings("toy", metrics))
        blurred += metrics[0].interval is not None and metrics[0].interval.high < LOW_AGREEMENT
    assert blurred > 20
    assert found < 10


@pytest.mark.parametrize("plugin", ["lime", "captum"])
def test_the_level_of_low_agreement_stands_in_the_method(plugin: str) -> None:
    for templates in load_messages(f"auditbench_{plugin}").values():
        for ending in ("", "_parts"):
            assert f" {LOW_AGREEMENT}" in str(templates[f"{plugin}.rank_agreement.formula{ending}"])


@given(model_rows=st.integers(0, 10**6), rows=st.integers(1, 70))
def test_model_rows_are_shared_out_without_a_rest(model_rows: int, rows: int) -> None:
    shares = shared_out(model_rows, rows)
    assert shares.shape == (rows,)
    assert shares.sum() == model_rows
    assert shares.max() - shares.min() <= 1


def test_explained_rows_are_the_audits_own_and_the_block_keeps_their_order() -> None:
    context = toy_context(toy_subject(missing=3), case_indices=(4, 2))
    task = explained(context, rows=9, background=6)
    assert task.rows.row_ids == context.explained_rows(9).row_ids
    assert task.counted == slice(2, 9)
    assert task.background_raw.shape == (6, len(TOY_FEATURES))
    arrays = {
        "values": np.ones((9, 1, 4)),
        "base_values": np.zeros((9, 1)),
        "outputs": np.full((9, 1), 4.0),
        "model_rows": shared_out(31, 9),
    }
    block = table_attribution(context, task, arrays, method="toy")
    assert (block.row_ids, block.model_rows, block.unit) == (task.rows.row_ids, 31, context.model.facts.output)
    assert block.standard_error is None


def test_global_generators_are_seeded_and_put_back() -> None:
    def drawn() -> tuple[float, float]:
        with global_seed(np.random.default_rng(4)):
            return float(np.random.random()), float(torch.rand(1))  # noqa: NPY002

    before = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    first = drawn()
    with pytest.raises(ValueError, match="inside"), global_seed(np.random.default_rng(9)):
        raise ValueError("inside")
    assert drawn() == first
    np.testing.assert_array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(before[1], torch.random.get_rng_state())
