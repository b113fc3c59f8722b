"""Flips of linear models, whose changes follow from the weights, and of naive loops over rows and texts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.data import FIRST_TOKEN, Rows, TextInput, make_encoder
from auditbench.data.texts import tokens_of
from auditbench.models.packing import UnpackedNetwork
from auditbench.results import AnalysisResult, Metric, Table
from auditbench.testing import ToySubject, toy_context, toy_subject
from auditbench_flips.analysis import analyze
from auditbench_flips.likelihoods import mean_log_likelihoods, whole_ids
from auditbench_flips.params import Params
from auditbench_flips.text_rows import token_rows
from auditbench_flips.winogender import PRONOUNS, winogender
from tests.language_models import as_language_model, decoder_subject

SEX = {"Female": 0.0, "Male": 1.0}


def result_of(subject: ToySubject, **params: Any) -> AnalysisResult:
    given = Params(**params)
    return analyze(toy_context(subject, analyzer="flips", params=given), given)


def metrics(result: AnalysisResult, name: str) -> dict[tuple[str, ...], Metric]:
    return {tuple(metric.where.values()): metric for metric in result.metrics if metric.name == name}


def table(result: AnalysisResult, name: str) -> Table:
    (found,) = (each for each in result.tables if each.name == name)
    return found


def coefficient_difference(subject: ToySubject) -> np.ndarray:
    """What another value adds to each output: weight of `Male` minus that of `Female`, the columns 7 and 6."""
    assert subject.weights is not None
    return np.asarray(subject.weights[:, 7] - subject.weights[:, 6])


def sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))


def test_a_flip_moves_a_value_by_the_difference_of_the_coefficients() -> None:
    subject = toy_subject("regression", rows=200)
    found = metrics(result_of(subject, minimum_group=10), "score_change")
    (difference,) = coefficient_difference(subject)
    assert found["sex", "Female", "Male"].value == pytest.approx(difference, abs=1e-12)
    assert found["sex", "Male", "Female"].value == pytest.approx(-difference, abs=1e-12)
    for metric in found.values():
        assert metric.interval is not None
        assert metric.interval.high - metric.interval.low < 1e-12
        assert metric.unit == "value"


def test_a_flip_moves_the_logit_by_the_difference_of_the_coefficients() -> None:
    subject = toy_subject(rows=300)
    result = result_of(subject, minimum_group=10)
    rows = subject.data.take(np.arange(300))
    logits = subject.model.predict(rows.inputs)[:, 0]
    (difference,) = coefficient_difference(subject)
    women = rows.sensitive_features["sex"] == "Female"
    moved = logits + np.where(women, difference, -difference)
    changes = sigmoid(moved) - sigmoid(logits)
    flipped = (moved >= 0) != (logits >= 0)
    scores, shares = metrics(result, "score_change"), metrics(result, "decision_change")
    assert scores["sex", "Female", "Male"].value == pytest.approx(changes[women].mean(), abs=1e-12)
    assert scores["sex", "Male", "Female"].value == pytest.approx(changes[~women].mean(), abs=1e-12)
    assert shares["sex",].value == pytest.approx(flipped.mean())
    assert shares["sex", "Female"].value == pytest.approx(flipped[women].mean())
    assert shares["sex", "Male"].value == pytest.approx(flipped[~women].mean())
    assert 0 < flipped.mean() < 1
    lines = {row[1]: row for row in table(result, "decisions").rows}
    # feature, from, to, n, changed, low, high, becomes positive, is positive no more
    assert lines["Female"][7:9] == (pytest.approx(flipped[women].mean()), 0.0)
    assert lines["Male"][7:9] == (0.0, pytest.approx(flipped[~women].mean()))


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_loop_over_rows_finds_the_same(kind: Any) -> None:
    subject = toy_subject(kind, rows=150, missing=30)
    result = result_of(subject, minimum_group=10)
    model, rows = subject.model, subject.data.take(np.arange(150))
    changed: dict[str, list[bool]] = {"Female": [], "Male": []}
    moved: dict[tuple[str, int], list[float]] = {}
    for index in range(150):
        one = rows.take(np.asarray([index]))
        group = str(one.sensitive_features["sex"][0])
        (other,) = set(SEX) - {group}
        raw = one.inputs["features"].copy()
        raw[0, 3] = SEX[other]
        before, after = model.predict(one.inputs), model.predict({"features": raw})
        changed[group].append(bool(model.decisions(before)[0] != model.decisions(after)[0]))
        for place, change in enumerate((model.probabilities(after) - model.probabilities(before))[0]):
            moved.setdefault((group, place), []).append(float(change))
    shares = metrics(result, "decision_change")
    assert shares["sex",].value == pytest.approx(np.mean(changed["Female"] + changed["Male"]))
    for group, hits in changed.items():
        assert shares["sex", group].value == pytest.approx(np.mean(hits))
        assert shares["sex", group].n == len(hits)
    for where, metric in metrics(result, "score_change").items():
        place = subject.data.classes.index(where[3]) if kind == "multiclass" else 1
        assert metric.value == pytest.approx(np.mean(moved[where[1], place]), abs=1e-12)


def test_bands_are_moved_by_the_weight_of_the_number() -> None:
    """The change of a row is the weight times the way to the median of the other band, over the scale of the number."""
    subject = toy_subject("regression", rows=240, background=240)
    names = np.asarray(["under 40", "40 and over"])

    def change(rows: Rows) -> Rows:
        return replace(rows, sensitive_features={"age": names[(rows.inputs["features"][:, 0] >= 40).astype(int)]})

    banded = replace(subject, data=subject.data.with_rows(change))
    found = metrics(result_of(banded, minimum_group=10), "score_change")
    rows = banded.data.take(np.arange(240))
    ages, old = rows.inputs["features"][:, 0], rows.sensitive_features["age"] == "40 and over"
    training = banded.data.background(240, np.random.default_rng(0)).inputs["features"][:, 0]
    assert subject.weights is not None
    weight = subject.weights[0, 0] / 10.0  # the scale of `age`
    up, down = np.median(training[training >= 40]), np.median(training[training < 40])
    assert found["age", "under 40", "40 and over"].value == pytest.approx(weight * (up - ages[~old]).mean(), abs=1e-6)
    assert found["age", "40 and over", "under 40"].value == pytest.approx(weight * (down - ages[old]).mean(), abs=1e-6)


def test_intervals_of_one_input_hold_together() -> None:
    """With two exchanges each has the level 0.95 ** (1 / 2)."""
    from scipy import stats

    subject = toy_subject(rows=200)
    metric = metrics(result_of(subject, minimum_group=10), "score_change")["sex", "Female", "Male"]
    rows = subject.data.take(np.arange(200))
    women = rows.sensitive_features["sex"] == "Female"
    logits = subject.model.predict(rows.inputs)[women, 0]
    changes = sigmoid(logits + coefficient_difference(subject)[0]) - sigmoid(logits)
    expected = stats.t.interval(0.95**0.5, len(changes) - 1, changes.mean(), stats.sem(changes))
    assert metric.interval is not None
    assert (metric.interval.low, metric.interval.high) == pytest.approx(expected)
    assert (metric.interval.level, metric.interval.method) == (0.95, "simultaneous-student-t")


def text_subject(weights: dict[str, float], texts: list[str], *, length: int = 8) -> ToySubject:
    """A model whose logit is the sum of the weights of the words of a text, as far as it reads."""
    toy = toy_subject("binary", modality="text", rows=len(texts), background=3)
    item = TextInput(unit="words", vocabulary=tuple(weights), length=length)
    vector = torch.tensor([0.0, 0.0, *weights.values()], dtype=torch.float64)

    class Sum(nn.Module):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return vector[ids].sum(dim=1, keepdim=True)

    model = replace(toy.model, module=Sum().eval(), inputs={"text": item}, encoder=make_encoder({"text": item}))

    def change(rows: Rows) -> Rows:
        own = texts if len(rows) == len(texts) else texts[:3]
        return replace(rows, inputs={"text": token_rows(item, own)}, texts={"text": np.asarray(own, dtype=object)})

    data = replace(toy.data.with_rows(change), inputs={"text": item})
    return replace(toy, model=model, data=data, weights=None, bias=None)


WEIGHTS = {"he": 0.4, "she": -0.9, "his": 0.1, "her": 0.3, "works": 0.5, "late": -0.3, "often": -0.2}
TEXTS = [
    "He works late",
    "She works late",
    "works often",
    "he lost his keys",
    "She and her friend, he said",
    "late late late late late late late late he",  # beyond what the model reads
    "The waiter works",  # whose counterpart it does not know, nor the word itself
    "Her works",
] * 10


def test_a_planted_effect_of_words_is_found_as_it_is() -> None:
    subject = text_subject(WEIGHTS, TEXTS)
    result = result_of(subject, minimum_group=5, winogender=False)

    def logit(text: str) -> float:
        words = [word.strip(",.").lower() for word in text.split()][:8]
        return sum(WEIGHTS.get(word, 0.0) for word in words)

    versions = {  # text, its other version, sides of its words; of those that the model reads and tells apart
        "He works late": ("She works late", "first"),
        "She works late": ("He works late", "second"),
        "he lost his keys": ("she lost her keys", "first"),
        "She and her friend, he said": ("He and his friend, she said", "both"),
        "Her works": ("His works", "second"),
    }
    flipped = [(logit(text) >= 0) != (logit(other) >= 0) for text, (other, _) in versions.items()]
    share = metrics(result, "word_decision_change")["male / female",]
    assert share.value == pytest.approx(np.mean(flipped))
    assert share.n == 50
    changes = [
        (1 if side == "first" else -1) * (sigmoid(np.asarray(logit(other))) - sigmoid(np.asarray(logit(text))))
        for text, (other, side) in versions.items()
        if side != "both"
    ]
    score = metrics(result, "word_score_change")["female − male",]
    assert score.value == pytest.approx(np.mean(changes), abs=1e-12)
    assert score.n == 40
    (note,) = (note.text.values for note in result.notes if note.text.key == "flips.note.words")
    assert (note["total"], note["n"], note["unread"], note["unknown"]) == (80, 50, 20, 0)


def test_counterparts_that_the_model_does_not_know_are_counted() -> None:
    weights = {name: weight for name, weight in WEIGHTS.items() if name != "she"}
    subject = text_subject(weights, ["he works late"] * 40)
    (note,) = (
        note.text.values for note in result_of(subject, winogender=False).notes if note.text.key == "flips.note.words"
    )
    assert (note["n"], note["unknown"]) == (40, 40)


def test_texts_beside_a_table_keep_the_table() -> None:
    """Of a sum of both, exchanged words move the logit by their weights whatever the table says."""
    subject = toy_subject("regression", modality="mixed", rows=120)
    assert isinstance(subject.model.module, UnpackedNetwork)
    given = {"words": [("film", "long")], "sides": ("a", "b"), "minimum_group": 10}
    result = result_of(subject, **given)
    item = subject.model.inputs["text"]
    assert isinstance(item, TextInput)
    assert subject.weights is not None
    of_text = subject.weights[0, -item.tokens :]
    place = {word: index for index, word in enumerate(item.vocabulary, start=FIRST_TOKEN)}
    step = of_text[place["long"]] - of_text[place["film"]]
    texts = subject.data.take(np.arange(120)).texts["text"]
    moved = []
    for text in texts:
        words = text.split()
        films, longs = words.count("film"), words.count("long")
        if (films == 0) != (longs == 0):
            moved.append(step * (films + longs))
    score = metrics(result, "word_score_change")["text", "b − a"]
    assert score.value == pytest.approx(np.mean(moved), abs=1e-9)
    assert score.n == len(moved)
    assert ("sex", "Female", "Male") in metrics(result, "score_change")


def known_words() -> tuple[str, ...]:
    return tuple(
        sorted({word for each in winogender() for text in each.sentences for word in tokens_of(text, "words")})
    )


def test_pronouns_of_winogender_change_what_a_loop_over_templates_finds() -> None:
    words = known_words()
    weights = dict.fromkeys(words, 0.0) | {"she": -0.7, "her": -0.2, "they": 0.1, "nurse": 0.5, "were": 0.05}
    weights["the"] = -0.1
    result = result_of(text_subject(weights, ["the nurse"] * 30, length=40), minimum_group=20)

    def probability(text: str) -> float:
        return float(sigmoid(np.asarray(sum(weights[word] for word in tokens_of(text, "words")))))

    pairs = [("male", "female"), ("male", "neutral"), ("female", "neutral")]
    by_name = dict(zip(PRONOUNS, range(3), strict=True))
    lines = {(row[0].key.split(".")[-1], row[1].key.split(".")[-1]): row for row in table(result, "pronouns").rows}
    for first, second in pairs:
        told = [
            (
                schema.stands_for,
                probability(schema.sentences[by_name[first]]),
                probability(schema.sentences[by_name[second]]),
            )
            for schema in winogender()
        ]
        mean = np.mean([after - before for _, before, after in told])
        share = np.mean([(after >= 0.5) != (before >= 0.5) for _, before, after in told])
        found = metrics(result, "pronoun_score_change")[f"{second} − {first}",]
        assert found.value == pytest.approx(mean, abs=1e-12)
        assert (found.n, found.clusters, found.sample) == (240, 60, "own")
        assert metrics(result, "pronoun_decision_change")[f"{first} / {second}",].value == pytest.approx(share)
        for stands_for in ("occupation", "other"):
            part = [after - before for who, before, after in told if who == stands_for]
            line = lines[f"{second}_{first}", stands_for]
            assert line[2:4] == (120, pytest.approx(np.mean(part), abs=1e-12))
    largest = table(result, "occupations").rows
    of_occupation: dict[str, list[float]] = {}
    for schema in winogender():
        change = probability(schema.sentences[1]) - probability(schema.sentences[0])
        of_occupation.setdefault(schema.occupation, []).append(change)
    assert max(abs(np.mean(each)) for each in of_occupation.values()) == pytest.approx(abs(float(str(largest[0][2]))))


def test_pronouns_that_read_alike_to_the_model_are_left_out() -> None:
    words = [word for word in known_words() if word not in ("he", "she", "his", "her", "him")]
    result = result_of(text_subject(dict.fromkeys(words, 0.1), ["a nurse"] * 30, length=40))
    told = metrics(result, "pronoun_decision_change")
    assert told["male / female",].value is None
    assert told["male / female",].reason is not None
    assert told["male / neutral",].value is not None
    assert [table.name for table in result.tables] == ["pronouns"]


class Unigram(nn.Module):
    """A language model that knows how often each word is, whatever stands before it."""

    def __init__(self, probabilities: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("logits", torch.log(torch.tensor(probabilities, dtype=torch.float64)))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(ids), -1)


def language_subject() -> tuple[ToySubject, dict[str, float]]:
    words = known_words()
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(len(words)))
    toy = toy_subject("multiclass", modality="text", rows=40, background=5)
    item = TextInput(unit="words", vocabulary=words, length=40)

    def wide(rows: Rows) -> Rows:
        return replace(rows, inputs={"text": np.pad(rows.inputs["text"], ((0, 0), (0, 33)))})

    model = replace(toy.model, inputs={"text": item}, encoder=make_encoder({"text": item}))
    toy = replace(toy, model=model, data=replace(toy.data.with_rows(wide), inputs={"text": item}))
    subject = as_language_model(toy, Unigram(probabilities).eval(), words)
    return subject, dict(zip(words, np.log(probabilities).tolist(), strict=True))


def test_a_language_model_of_single_words_differs_by_their_probabilities() -> None:
    subject, logs = language_subject()
    result = result_of(subject, minimum_group=20)
    found = metrics(result, "likelihood_change")
    for first, second in (("male", "female"), ("male", "neutral")):
        at, to = PRONOUNS.index(first), PRONOUNS.index(second)
        means = [
            [math.fsum(logs[word] for word in words[1:]) / (len(words) - 1) for words in versions]
            for schema in winogender()
            for versions in [[tokens_of(schema.sentences[place], "words") for place in (at, to)]]
        ]
        expected = np.mean([after - before for before, after in means])
        metric = found[f"{second} − {first}",]
        assert metric.value == pytest.approx(expected, abs=1e-6)
        assert (metric.unit, metric.n, metric.clusters) == ("nat", 240, 60)
    assert not metrics(result, "pronoun_decision_change")
    assert result.findings == ()


def test_likelihoods_are_those_of_a_loop_over_beginnings() -> None:
    """A decoder that reads all places of a text at once, against the same one asked for each next token."""
    subject = decoder_subject()
    (item,) = subject.model.inputs.values()
    assert isinstance(item, TextInput)
    texts = ["the film was good", "the long film was not very good", "bad film", "was the film bad"]
    ids = whole_ids(item, texts)
    naive = []
    for tokens in ids:
        logs = []
        for end in range(1, len(tokens)):
            beginning = np.zeros((1, item.length), dtype=np.int64)
            beginning[0, :end] = tokens[:end]
            outputs = subject.model.predict({"text": beginning})[0]
            logs.append(outputs[tokens[end] - FIRST_TOKEN] - np.log(np.exp(outputs).sum()))
        naive.append(np.mean(logs))
    assert mean_log_likelihoods(subject.model, ids, item.length) == pytest.approx(naive, abs=1e-5)


def test_texts_that_cannot_be_scored_have_no_likelihood() -> None:
    subject, logs = language_subject()
    (item,) = subject.model.inputs.values()
    assert isinstance(item, TextInput)
    texts = ["the nurse", "the unheardof nurse", "the", " ".join(["the"] * 41)]
    found = mean_log_likelihoods(subject.model, whole_ids(item, texts), item.length)
    assert found[0] == pytest.approx(logs["nurse"], abs=1e-6)
    assert np.isnan(found[1:]).all()
