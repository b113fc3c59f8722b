"""Language models against plain re-implementations, captum and transformers: continuations, lens, likelihoods of pairs."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from captum.attr import FeatureAblation, LayerIntegratedGradients, LLMAttribution, TextTokenInput
from torch import nn

import auditbench_language.continuations as continuations
from auditbench.data import FIRST_TOKEN
from auditbench.data.words import Words
from auditbench.models import ModelUnderTest
from auditbench.models.following import following, text_input
from auditbench.models.token_embedding import token_embedding
from auditbench_language.continuations import Continuation, explain
from auditbench_language.lens import lens_of
from auditbench_language.pair_scores import likelihoods, token_ids
from auditbench_language.params import Params
from auditbench_language.scoring import ContinuationScores, greedy
from tests.huggingface_folders import gpt2, llama
from tests.language_models import decoder_subject, long_gpt2, opened

HIDDEN = 40
"""The tokenizer's own id of the token that stands in for others here."""
CONTEXT, CONTINUATION, FOIL = "the cat sat on the mat", " and dogs bark", " cats"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_gpt2(tmp_path_factory.mktemp("long") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> ModelUnderTest:
    return opened(folder, folder.parent, length=64)[0]


@pytest.fixture
def by_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each token is a player, and one token stands in for it, as captum has it."""

    def tokens(_item: Any, context: np.ndarray, _unit: str) -> Words:
        return Words(index=tuple(range(len(context))), said=tuple(map(str, context)))

    monkeypatch.setattr(continuations, "players_in", tokens)
    monkeypatch.setattr(continuations, "mask_token", lambda _item: HIDDEN + FIRST_TOKEN)


def ids_of(model: ModelUnderTest, text: str) -> np.ndarray:
    return np.asarray(token_ids(text_input(model)[1], [text])[0])


def asked_of(model: ModelUnderTest) -> Continuation:
    classes = ids_of(model, CONTINUATION) - FIRST_TOKEN
    return Continuation(context=ids_of(model, CONTEXT), classes=classes, foil=int(ids_of(model, FOIL)[0] - FIRST_TOKEN))


def naive_scores(network: Any, context: list[int], continuation: list[int], foil: int) -> np.ndarray:
    """Log-probability of each token, one pass of transformers a token; their sum; and the difference of two logits."""
    logs, contrast = [], 0.0
    for place, token in enumerate(continuation):
        with torch.no_grad():
            logits = network(torch.tensor([context + continuation[:place]])).logits[0, -1]
        logs.append(float(logits.log_softmax(0)[token]))
        contrast = contrast if place else float(logits[token] - logits[foil])
    return np.asarray([*logs, sum(logs), contrast])


def naive_ablation(folder: Path, asked: Continuation) -> np.ndarray:
    """What each score loses with one token of the context replaced, shape `(scores, tokens)`."""
    network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    context, continuation = (asked.context - FIRST_TOKEN).tolist(), asked.classes.tolist()
    whole = naive_scores(network, context, continuation, asked.foil)
    hidden = [[*context[:at], HIDDEN, *context[at + 1 :]] for at in range(len(context))]
    return np.stack([whole - naive_scores(network, row, continuation, asked.foil) for row in hidden], axis=1)


def by_captum(folder: Path, **options: Any) -> np.ndarray:
    """Feature ablation by captum: a row each token of the continuation, and their sum; a column each token of the context."""
    network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    given = TextTokenInput(CONTEXT, tokenizer, baselines=HIDDEN)
    attributed = LLMAttribution(FeatureAblation(network), tokenizer).attribute(given, target=CONTINUATION, **options)
    return np.concatenate([attributed.token_attr.numpy(), attributed.seq_attr.numpy()[None]])


@pytest.mark.usefixtures("by_token")
def test_occlusion_is_plain_ablation_and_that_of_captum_without_its_cache(folder: Path, model: ModelUnderTest) -> None:
    asked = asked_of(model)
    found = explain(model, asked, Params(method="occlusion"), np.random.default_rng(0)).found.values
    naive = naive_ablation(folder, asked)
    assert np.abs(naive).max() > 0.5
    np.testing.assert_allclose(found, naive, atol=2e-5)
    np.testing.assert_allclose(by_captum(folder, use_cached_outputs=False), naive[:-1], atol=2e-5)


@pytest.mark.usefixtures("by_token")
def test_the_cache_that_captum_uses_by_default_gives_other_numbers(folder: Path, model: ModelUnderTest) -> None:
    """Why agreement is claimed with `use_cached_outputs=False` alone; if this fails, captum was mended, and so is the claim."""
    naive, cached = naive_ablation(folder, asked_of(model))[-2], by_captum(folder)[-1]
    assert np.abs(cached - naive).max() > 0.05 * np.abs(naive).max()


@pytest.mark.usefixtures("by_token")
def test_shapley_values_are_the_mean_over_all_orders(folder: Path, model: ModelUnderTest) -> None:
    network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    context, continuation, foil = [50, 60, 70, 80], [90, 33], 100
    asked = Continuation(context=np.asarray(context) + FIRST_TOKEN, classes=np.asarray(continuation), foil=foil)
    worth = {
        kept: naive_scores(
            network, [token if at in kept else HIDDEN for at, token in enumerate(context)], continuation, foil
        )
        for kept in (frozenset(at for at in range(4) if code >> at & 1) for code in range(16))
    }
    orders = list(permutations(range(4)))
    expected = np.zeros((4, 4))
    for order in orders:
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            expected[:, player] += (worth[before | {player}] - worth[before]) / len(orders)
    exact = explain(model, asked, Params(budget=16), np.random.default_rng(0))
    np.testing.assert_allclose(exact.found.values, expected, atol=1e-5)
    np.testing.assert_allclose(exact.found.base_value, worth[frozenset()], atol=1e-5)
    assert exact.model_rows <= 16 + 8
    walked = explain(model, asked, Params(budget=15), np.random.default_rng(1)).found
    np.testing.assert_allclose(walked.base_value + walked.values.sum(axis=1), walked.output, atol=1e-9)
    assert np.abs(walked.values - expected).max() > 1e-4  # two walks are no enumeration


@pytest.mark.usefixtures("by_token")
def test_walks_through_random_orders_come_within_their_standard_error(model: ModelUnderTest) -> None:
    asked = asked_of(model)
    count = len(asked.context)
    exact = explain(model, asked, Params(budget=2**count), np.random.default_rng(0)).found
    errors = []
    for seed in range(10):
        found = explain(model, asked, Params(budget=200), np.random.default_rng(seed)).found
        errors.append(((found.values - exact.values) / found.standard_error)[-2:])
    assert np.abs(np.mean(errors, axis=0)).max() < 1.5  # ten of them: far outside for a biased estimate
    assert 0.6 < math.sqrt(float(np.mean(np.square(errors)))) < 1.8


@pytest.mark.usefixtures("by_token")
def test_integrated_gradients_are_those_of_captum_at_the_embedding(model: ModelUnderTest) -> None:
    asked = asked_of(model)
    found = explain(model, asked, Params(method="integrated_gradients", n_steps=64), np.random.default_rng(0)).found
    whole = np.concatenate([asked.context, asked.classes[:-1] + FIRST_TOKEN])
    ids = torch.tensor(whole)[None]
    start = torch.where(torch.arange(len(whole)) < len(asked.context), HIDDEN + FIRST_TOKEN, ids)
    scores = ContinuationScores(model, torch.tensor(asked.classes), asked.foil, context=len(asked.context))
    layer = LayerIntegratedGradients(scores, token_embedding(model.module, ids, where="", fix="")[1])
    for target in range(len(found.values)):
        expected = layer.attribute(ids, baselines=start, target=target, n_steps=64, method="gausslegendre")
        tokens = expected.detach().sum(dim=2)[0, : len(asked.context)].numpy()
        np.testing.assert_allclose(found.values[target], tokens, atol=2e-4)
    gap = found.base_value + found.values.sum(axis=1) - found.output
    assert np.abs(gap).max() < 5e-3


@pytest.mark.parametrize("make", [gpt2, llama])
def test_every_place_is_what_transformers_gives_there(make: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "model")
    model, _ = opened(folder, tmp_path)
    ids = ids_of(model, "cats and dogs and mats")
    own = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = own(torch.from_numpy(ids - FIRST_TOKEN)[None]).logits.log_softmax(2)
        found = following(model, torch.from_numpy(ids)[None])
        part = following(model, torch.tensor([[*ids, 0, 0]]), 3)[:, : len(ids) - 3]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(part, expected[:, 3:], atol=1e-5, rtol=0)


def test_a_model_that_gives_the_last_place_alone_is_asked_for_each() -> None:
    subject = decoder_subject()
    ids = torch.tensor([[2, 5, 4, 3, 7], [9, 8, 2, 2, 6]])

    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = subject.model.module

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            assert rows.shape[1] == 7
            logits: torch.Tensor = self.network(rows)
            return logits

    alone = replace(subject.model, module=Alone().eval())
    with torch.no_grad():
        torch.testing.assert_close(following(alone, ids, 1), following(subject.model, ids, 1), atol=1e-5, rtol=0)
        assert greedy(alone, ids[0, :3], 3).tolist() == greedy(subject.model, ids[0, :3], 3).tolist()


@pytest.mark.parametrize("make", [gpt2, llama])
def test_the_lens_reads_the_hidden_states_that_transformers_gives(make: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "model")
    model, context = opened(folder, tmp_path)
    ids = model.encode(context.data.take(np.arange(6)).inputs)
    lens = lens_of(model, ids)
    own = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    norm = own.transformer.ln_f if make is gpt2 else own.model.norm
    states, _ = lens.states(model, ids)
    assert len(states) == own.config.num_hidden_layers + 1
    for row, tokens in enumerate(ids):
        seen = tokens[tokens != 0] - FIRST_TOKEN
        with torch.no_grad():
            given = own(seen[None], output_hidden_states=True)
            expected = [own.lm_head(norm(state[0, -1])) for state in given.hidden_states[:-1]]
            expected.append(given.logits[0, -1])
            found = lens.read(states[:, row])
        torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_the_lens_of_a_decoder_of_this_product_ends_in_its_outputs() -> None:
    subject = decoder_subject(layers=3)
    ids = subject.model.encode(subject.data.take(np.arange(5)).inputs)
    network: Any = subject.model.module
    lens = lens_of(subject.model, ids)
    states, outputs = lens.states(subject.model, ids)
    with torch.no_grad():
        length = ids.shape[1]
        state = network.embedding(ids) + network.position_embedding.weight[:length]
        later = nn.Transformer.generate_square_subsequent_mask(length)
        last = (ids != 0).sum(dim=1) - 1
        for layer in range(4):
            torch.testing.assert_close(states[layer], state[torch.arange(5), last], atol=1e-5, rtol=0)
            if layer < 3:
                state = network.layers[layer](state, later, None, True)
        torch.testing.assert_close(lens.read(states[-1]), outputs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("counted", ["shared", "all"])
def test_likelihoods_of_pairs_are_sums_over_single_tokens(folder: Path, model: ModelUnderTest, counted: Any) -> None:
    own = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    pairs = [
        ("the cat sat on the mat", "the film sat on the mat"),
        ("dogs bark and bark", "cats and hats bark and bark"),
    ]
    found = likelihoods(model, [a for a, _ in pairs], [b for _, b in pairs], counted=counted)
    assert found.left_out == ("", "")
    for pair, texts in enumerate(pairs):
        ids = [tokenizer(text)["input_ids"] for text in texts]
        back = next(at for at, (a, b) in enumerate(zip(ids[0][::-1], ids[1][::-1], strict=False)) if a != b)
        for side, row in enumerate(ids):
            scores = naive_scores(own, row[:1], row[1:], 0)[:-2]
            expected = scores.sum() if counted == "all" else scores[len(scores) - back :].sum()
            assert (found.more, found.less)[side][pair] == pytest.approx(expected, abs=1e-4)
