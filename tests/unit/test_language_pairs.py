"""Minimal pairs: files, what is scored, tests of a family, and models whose answer is known."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from auditbench.data import FIRST_TOKEN
from auditbench.errors import AnalyzerNotPossible, DataError
from auditbench.messages import load_messages
from auditbench.testing import ToySubject, toy_context, toy_subject
from auditbench_language.pair_analysis import analyze
from auditbench_language.pair_file import read_pairs
from auditbench_language.pair_scores import likelihoods
from auditbench_language.pair_tests import adjusted, by_kind
from auditbench_language.params import PairParams
from tests.language_models import as_language_model, decoder_subject

ROOT = Path(__file__).parents[2]


def words_of_toy(subject: ToySubject) -> tuple[str, ...]:
    (item,) = subject.model.inputs.values()
    return item.vocabulary  # type: ignore[union-attr]


def written(folder: Path, rows: list[dict[str, Any]], name: str = "pairs.csv") -> Path:
    frame = pd.DataFrame(rows, columns=None if rows else ["sent_more", "sent_less"])
    path = folder / name
    if name.endswith("jsonl"):
        frame.to_json(path, orient="records", lines=True)
    elif name.endswith("csv"):
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def result_of(subject: ToySubject, folder: Path, **params: Any) -> Any:
    given = PairParams(file="pairs.csv", **params)
    context = toy_context(subject, analyzer="language-pairs", params=given)
    return analyze(replace(context, folder=folder), given)


def values(result: Any, name: str) -> dict[tuple[str, ...], Any]:
    return {tuple(metric.where.values()): metric for metric in result.metrics if metric.name == name}


class Unigram(nn.Module):
    """A language model that knows how often each word is, whatever stands before it."""

    def __init__(self, probabilities: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("logits", torch.log(torch.tensor(probabilities, dtype=torch.float64)))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(ids), -1)


class Echo(Unigram):
    """As `Unigram`, but the second half of the probability goes to the word that stood first."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        own = nn.functional.one_hot((ids[:, 0] - 2).clamp(min=0), len(self.logits))
        return torch.log(self.logits.exp() / 2 + own / 2)


def language_model(kind: type[Unigram]) -> tuple[ToySubject, np.ndarray, tuple[str, ...]]:
    toy = toy_subject("multiclass", modality="text")
    words = words_of_toy(toy)
    probabilities = np.arange(1, len(words) + 1) / np.arange(1, len(words) + 1).sum()
    return as_language_model(toy, kind(probabilities).eval(), words), probabilities, words


def test_the_carried_pairs_are_those_of_winogender() -> None:
    content = (ROOT / "plugins" / "auditbench_language" / "winogender.csv").read_bytes()
    script = (ROOT / "examples" / "05-gpt" / "build_winogender.py").read_text()
    assert f'TARGET_SHA256 = "{hashlib.sha256(content).hexdigest()}"' in script
    pairs = read_pairs(PairParams(), Path())
    assert (len(pairs), len(set(pairs.clusters or ())), len(set(pairs.kinds))) == (120, 60, 2)
    pronouns = {"he", "she", "his", "her", "him"}
    for more, less in zip(pairs.more, pairs.less, strict=True):
        differing = [pair for pair in zip(more.split(), less.split(), strict=True) if pair[0] != pair[1]]
        assert len(differing) == 1
        assert {word.strip(".,").lower() for word in differing[0]} <= pronouns
    licence = (ROOT / "plugins" / "auditbench_language" / "winogender.LICENSE.txt").read_text()
    assert "MIT License" in licence
    assert "Rudinger" in licence


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.parquet", "pairs.jsonl"])
def test_columns_may_be_called_otherwise_and_kinds_may_be_missing(tmp_path: Path, name: str) -> None:
    rows = [{"a": "he runs", "b": "she runs", "template": number // 2} for number in range(6)]
    written(tmp_path, rows, name)
    params = PairParams(file=name, more="a", less="b", cluster="template", most_pairs=4)
    found = read_pairs(params, tmp_path)
    assert (found.more[0], found.less[0], set(found.kinds)) == ("he runs", "she runs", {""})
    assert found.clusters == ("0", "0", "1", "1")
    assert (len(found), found.left_out) == (4, 2)
    assert found.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"sent_more": "a", "other": "b"}], "lacks a column"),
        ([{"sent_more": "a", "sent_less": "b"}, {"sent_more": "a", "sent_less": None}], "no text in some row"),
        ([{"sent_more": "a b", "sent_less": "a b"}], "no pairs that can be compared"),
        ([], "no pairs that can be compared"),
    ],
)
def test_files_that_hold_no_pairs_are_refused(tmp_path: Path, rows: list[dict[str, Any]], said: str) -> None:
    written(tmp_path, rows)
    with pytest.raises(DataError, match=said):
        read_pairs(PairParams(file="pairs.csv"), tmp_path)


def test_what_a_file_leaves_open_of_kinds_and_clusters_is_no_kind_and_no_cluster(tmp_path: Path) -> None:
    rows = [
        {"sent_more": f"a {at}", "sent_less": f"b {at}", "bias_type": kind, "cluster": cluster}
        for at, (kind, cluster) in enumerate([("age", "x"), ("age", "x"), (None, None), (None, None)])
    ]
    pairs = read_pairs(PairParams(file=written(tmp_path, rows).name), tmp_path)
    assert pairs.clusters is not None
    assert len(set(pairs.clusters)) == 3
    results = by_kind(np.asarray([1.0, 2.0, -1.0, 3.0]), pairs.kinds, None, np.random.default_rng(0))
    assert [(result.kind, result.n) for result in results] == [("", 4), ("age", 2)]


def test_a_column_of_texts_is_no_column_of_kinds(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="different columns"):
        PairParams(kind="sent_more")
    written(tmp_path, [{"sent_more": f"a {at}", "sent_less": "b", "note": f"text {at}"} for at in range(101)])
    with pytest.raises(DataError, match="too many kinds") as refused:
        read_pairs(PairParams(file="pairs.csv", kind="note"), tmp_path)
    assert "text 1" not in str(refused.value)
    assert len(read_pairs(PairParams(file="pairs.csv", kind="note", most_pairs=100), tmp_path)) == 100


@pytest.mark.parametrize(
    "name", ["pairs.txt", "missing.csv", "missing.jsonl", ".", "half.jsonl", "number.jsonl", "latin.jsonl"]
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "half.jsonl").write_text('{"sent_more": "a", "sent_less"')
    (tmp_path / "number.jsonl").write_text('{"sent_more": 1, "sent_less": 2}\n')
    (tmp_path / "latin.jsonl").write_bytes('{"sent_more": "\u00e9", "sent_less": "b"}\n'.encode("latin-1"))
    (tmp_path / "pairs.txt").write_text("sent_more,sent_less\na,b\n")
    with pytest.raises(DataError):
        read_pairs(PairParams(file=name), tmp_path)


def test_likelihoods_of_half_precision_are_taken_in_single() -> None:
    subject, probabilities, words = language_model(Unigram)
    module = subject.model.module.to(torch.bfloat16)
    half = replace(subject, model=replace(subject.model, module=module))
    found = likelihoods(half.model, [f"{words[0]} {words[2]}"], [f"{words[1]} {words[2]}"], counted="shared")
    exact = torch.log(torch.tensor(probabilities)).to(torch.bfloat16).float().log_softmax(0)[2]
    assert found.more[0] == pytest.approx(float(exact), abs=1e-6)


def test_likelihoods_of_a_unigram_model_are_known() -> None:
    subject, probabilities, words = language_model(Unigram)
    logs = np.log(probabilities)
    more = [f"{words[0]} {words[1]} {words[2]}", f"{words[3]} {words[4]}"]
    less = [f"{words[0]} {words[5]} {words[2]}", f"{words[3]} {words[6]}"]
    every = likelihoods(subject.model, more, less, counted="all")
    np.testing.assert_allclose(every.more, [logs[1] + logs[2], logs[4]], atol=1e-12)
    np.testing.assert_allclose(every.less, [logs[5] + logs[2], logs[6]], atol=1e-12)
    shared = likelihoods(subject.model, more, less, counted="shared")
    assert shared.left_out == ("", "nothing_shared")
    assert shared.more[0] == shared.less[0] == pytest.approx(logs[2])
    assert np.isnan(shared.more[1])
    assert shared.model_rows == 2


def test_which_text_is_called_stereotypical_changes_no_likelihood() -> None:
    subject = decoder_subject()
    words, rng = words_of_toy(subject), np.random.default_rng(0)
    some, others = ([" ".join(rng.choice(words[:3], rng.integers(4, 8))) for _ in range(200)] for _ in range(2))
    one, turned = (likelihoods(subject.model, *pair, counted="shared") for pair in ((some, others), (others, some)))
    assert np.isfinite(one.more).sum() > 100
    np.testing.assert_allclose(one.more, turned.less, atol=1e-5)
    np.testing.assert_allclose(one.less, turned.more, atol=1e-5)


def test_pairs_that_cannot_be_scored_are_left_out_and_said() -> None:
    subject, _, words = language_model(Unigram)
    long = " ".join([words[0]] * 9)
    found = likelihoods(
        subject.model,
        [f"{words[0]} {words[1]} {words[2]}", f"{words[0]} {words[1]} zebra", f"{words[1]} {long}"],
        [f"{words[3]} {words[1]} {words[2]}", f"{words[0]} {words[2]} zebra", f"{words[2]} {long}"],
        counted="shared",
    )
    assert found.left_out == ("", "unknown_token", "too_long")


def test_a_model_that_echoes_prefers_the_words_that_stood_first(tmp_path: Path) -> None:
    """The first word is the group; the last one, which both texts share, is likelier where it is the same word."""
    subject, _, words = language_model(Echo)
    rows = [
        {
            "sent_more": f"{words[at]} {words[(at + 1) % 8]} {words[at]}",
            "sent_less": f"{words[(at + 2) % 8]} {words[(at + 1) % 8]} {words[at]}",
            "bias_type": "echo" if place % 2 else "reversed",
        }
        for place, at in enumerate([*range(8), *range(8)])
    ]
    for row in rows:
        if row["bias_type"] == "reversed":
            row["sent_more"], row["sent_less"] = row["sent_less"], row["sent_more"]
    written(tmp_path, rows)
    result = result_of(subject, tmp_path)
    share = values(result, "stereotype_preference")
    assert (share[()].value, share["echo",].value, share["reversed",].value) == (0.5, 1.0, 0.0)
    assert share["echo",].interval.high == 1.0
    mean = values(result, "score_difference")
    assert mean["echo",].value == pytest.approx(-mean["reversed",].value, rel=0.5)
    titles = {finding.where["bias"]: finding.title.key.rpartition(".")[2] for finding in result.findings}
    assert titles == {"echo": "likelihood_more_kind", "reversed": "likelihood_less_kind"}
    assert all(finding.title.values["mean"] > 0 for finding in result.findings)


def test_a_finding_says_its_share_of_the_pairs_that_differ(tmp_path: Path) -> None:
    subject, _, words = language_model(Echo)
    rows = [
        {"sent_more": f"{words[at]} {words[2]} {last}", "sent_less": f"{words[(at + 1) % 8]} {words[2]} {last}"}
        for at in range(8)
        for last in (words[at], words[(at + 3) % 8])  # the second one is neither of the two first words: a tie
    ]
    rows = [row for row in rows if words[2] not in (row["sent_more"].split()[0], row["sent_less"].split()[0])]
    written(tmp_path, rows)
    result = result_of(subject, tmp_path)
    (finding,) = result.findings
    share = values(result, "stereotype_preference")[()]
    assert (finding.title.values["share"], finding.title.values["differ"]) == (share.value, share.n) == (1.0, 6)
    assert finding.title.values["n"] == values(result, "score_difference")[()].n == 12


def test_a_model_that_looks_at_no_group_has_only_ties(tmp_path: Path) -> None:
    subject, _, words = language_model(Unigram)
    rows = [{"sent_more": f"{words[at]} {words[3]}", "sent_less": f"{words[at + 1]} {words[3]}"} for at in range(6)]
    written(tmp_path, rows)
    result = result_of(subject, tmp_path)
    share = values(result, "stereotype_preference")[()]
    assert (share.value, share.n, share.reason.key) == (None, 0, "language.undefined.no_rows")
    assert values(result, "score_difference")[()].value == 0.0
    assert result.findings == ()
    (row,) = result.tables[0].rows
    assert row[2] == 6  # ties


def test_no_pair_that_can_be_scored_is_no_result(tmp_path: Path) -> None:
    subject, _, words = language_model(Unigram)
    written(tmp_path, [{"sent_more": words[0], "sent_less": words[1]}])
    with pytest.raises(AnalyzerNotPossible, match="no pair can be scored"):
        result_of(subject, tmp_path)


def test_the_change_of_a_linear_classifier_is_known(tmp_path: Path) -> None:
    subject = toy_subject("binary", modality="text")
    words = words_of_toy(subject)
    rows = [
        {
            "sent_more": f"{words[at]} {words[2]}",
            "sent_less": f"{words[(at + 3) % 8]} {words[2]}",
            "bias_type": "ab"[at % 2],
        }
        for at in range(8)
    ]
    written(tmp_path, rows)
    result = result_of(subject, tmp_path)
    weights = subject.weights[0]

    def probability(text: str) -> float:
        total = subject.bias[0] + sum(weights[words.index(word) + 2] for word in text.split()) + 5 * weights[0]
        return float(1 / (1 + np.exp(-total)))

    expected = np.asarray([probability(row["sent_more"]) - probability(row["sent_less"]) for row in rows])
    changes = values(result, "output_change")
    assert changes["yes",].value == pytest.approx(expected.mean(), abs=1e-6)
    assert changes["yes", "b"].value == pytest.approx(expected[1::2].mean(), abs=1e-6)
    decided = [(probability(row["sent_more"]) >= 0.5) != (probability(row["sent_less"]) >= 0.5) for row in rows]
    assert values(result, "decision_change")[()].value == pytest.approx(np.mean(decided))
    assert {metric.name for metric in result.metrics} == {"output_change", "decision_change"}


@pytest.mark.parametrize(
    ("weight", "bias", "severity", "changed"),
    [(0.05, 0.0, "medium", 8), (0.05, 2.0, "low", 0), (2.0, 4.0, "medium", 0), (2.0, 0.0, "medium", 8)],
)
def test_a_difference_of_a_classifier_is_of_medium_severity_where_it_is_large_or_changes_a_decision(
    tmp_path: Path, weight: float, bias: float, severity: str, changed: int
) -> None:
    class FirstAgainstSecond(nn.Module):
        """Counts the first word for the positive class, and the second one against it."""

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            counts = (ids == FIRST_TOKEN).sum(dim=1, keepdim=True) - (ids == FIRST_TOKEN + 1).sum(dim=1, keepdim=True)
            return bias + weight * counts.double()

    subject = toy_subject("binary", modality="text")
    first, second, *others = words_of_toy(subject)
    written(tmp_path, [{"sent_more": f"{first} {word}", "sent_less": f"{second} {word}"} for word in others[:4] * 2])
    result = result_of(replace(subject, model=replace(subject.model, module=FirstAgainstSecond().eval())), tmp_path)
    (finding,) = result.findings
    assert (finding.severity, finding.title.values["changed"]) == (severity, changed)
    assert {metric.unit for metric in result.metrics if metric.name == "output_change"} == {"probability"}
    for language, unit in (("en", "in probability"), ("zh-CN", "概率")):
        assert unit in str(load_messages("auditbench_language")[language][finding.title.key])
    assert "language-pairs.severity" in {note.text.key for note in result.notes}


def test_each_class_of_a_multiclass_model_is_compared_and_a_regression_has_no_decisions(tmp_path: Path) -> None:
    subject = toy_subject("multiclass", modality="text")
    words = words_of_toy(subject)
    written(tmp_path, [{"sent_more": f"{words[at]} a", "sent_less": f"{words[at + 1]} a"} for at in range(7)])
    changes = values(result_of(subject, tmp_path), "output_change")
    assert set(changes) == {("low",), ("middle",), ("high",)}
    assert sum(metric.value for metric in changes.values()) == pytest.approx(0.0, abs=1e-9)
    result = result_of(toy_subject("regression", modality="text"), tmp_path)
    assert {metric.name for metric in result.metrics} == {"output_change"}


def test_many_kinds_without_a_difference_raise_few_findings() -> None:
    """Of 20 families of 40 kinds drawn without a difference, about one in twenty has a finding after adjustment."""
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        results = by_kind(rng.normal(size=800), [f"kind {at % 40}" for at in range(800)], None, rng)[1:]
        assert [result.p_value for result in results] != [result.adjusted for result in adjusted(results)]
        assert sum(result.p_value < 0.05 for result in results if result.p_value is not None) > 0 or seed
        alarms += any(result.adjusted is not None and result.adjusted <= 0.05 for result in adjusted(results))
    assert alarms <= 4


def test_clusters_make_intervals_and_tests_wider() -> None:
    rng = np.random.default_rng(0)
    common = np.repeat(rng.normal(size=12), 10) + 0.4
    names = [str(at // 10) for at in range(120)]
    (alone,) = by_kind(common, [""] * 120, None, np.random.default_rng(1))
    (together,) = by_kind(common, [""] * 120, names, np.random.default_rng(1))
    assert together.p_value is not None
    assert alone.p_value is not None
    assert together.p_value > 10 * alone.p_value
    assert together.mean.high - together.mean.low > 2 * (alone.mean.high - alone.mean.low)  # type: ignore[operator]
    assert together.share.high - together.share.low > 2 * (alone.share.high - alone.share.low)  # type: ignore[operator]


def test_a_share_counts_the_clusters_of_pairs_that_are_no_tie() -> None:
    differences = np.repeat([0.0, 1.0, -1.0], [6, 8, 6])
    names = [str(at // 2) for at in range(20)]
    (found,) = by_kind(differences, [""] * 20, names, np.random.default_rng(0))
    assert (found.clusters.count, found.decided.count) == (10, 7)  # type: ignore[union-attr]
    assert (found.share.estimate, found.ties) == (8 / 14, 6)


def test_a_decoder_scores_in_any_batch_alike() -> None:
    subject = decoder_subject()
    words = words_of_toy(subject)
    more = [f"{words[at % 8]} {words[3]} {words[at % 5]}" for at in range(12)]
    less = [f"{words[(at + 1) % 8]} {words[3]} {words[at % 5]}" for at in range(12)]
    together = likelihoods(subject.model, more, less, counted="shared")
    alone = [
        likelihoods(subject.model, [one], [other], counted="shared") for one, other in zip(more, less, strict=True)
    ]
    np.testing.assert_allclose(together.more, [float(found.more[0]) for found in alone], atol=1e-5)
    np.testing.assert_allclose(together.less, [float(found.less[0]) for found in alone], atol=1e-5)
