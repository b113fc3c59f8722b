"""Integrated gradients at the embedding of tokens, against captum's layer integrated gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from auditbench.data.inputs import PADDING
from auditbench.data.subwords import kept_ids, subword_input, subwords_of
from auditbench.errors import AnalyzerNotPossible
from auditbench.masking.explained_input import mask_token
from auditbench_captum import integrated_gradients
from auditbench_captum.cell_gradients import without_words
from auditbench_captum.embedded import Embedded
from tests.huggingface_folders import word_pieces


class Recurrent(nn.Module):
    """A classifier that looks at its ids twice: for their vectors, and for where the text ends."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.places = nn.Embedding(20, 6), nn.Embedding(8, 6)
        self.rnn, self.last = nn.GRU(6, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        there = (ids != 0).unsqueeze(2)
        vectors = self.embedding(ids) + self.places(torch.arange(ids.shape[1])).unsqueeze(0)
        states, _ = self.rnn(vectors * there)
        return self.last((states * there).sum(dim=1) / there.sum(dim=1))


class Bert(nn.Module):
    """A BERT whose attention leaves padding out."""

    def __init__(self) -> None:
        super().__init__()
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
        config = BertConfig(vocab_size=20, num_labels=3, max_position_embeddings=12, **sizes)
        self.bert = BertForSequenceClassification(config)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.bert(input_ids=ids, attention_mask=(ids != 0).long()).logits


@pytest.fixture
def texts() -> torch.Tensor:
    ids = torch.randint(2, 20, (3, 8), generator=torch.Generator().manual_seed(0))
    ids[1, 5:] = 0
    return ids


@pytest.mark.parametrize(
    ("network", "layer"), [(Recurrent, "embedding"), (Bert, "bert.bert.embeddings.word_embeddings")]
)
def test_contributions_at_the_embedding_are_captums(network: type[nn.Module], layer: str, texts: torch.Tensor) -> None:
    torch.manual_seed(1)
    module = network().double().eval()
    baseline = torch.where(texts != 0, 1, 0)
    embedded = Embedded(module, texts[:1])
    assert embedded.name == layer

    starts, ends = embedded.rows(baseline), embedded.rows(texts)
    starts[:, :, -1] = ends[:, :, -1]
    found = integrated_gradients(embedded, ends, baseline=starts, steps=40)

    target = dict(module.named_modules())[layer]
    for output in range(3):
        explained = attr.LayerIntegratedGradients(module, target).attribute(
            texts, baselines=baseline, target=output, n_steps=40, method="gausslegendre"
        )
        np.testing.assert_allclose(found.values[:, output, :, :-1], explained.detach().numpy(), atol=1e-9)
    assert np.abs(found.values[:, :, :, -1]).max() == 0
    assert np.abs(found.completeness_gap).max() < 1e-4


def test_a_path_begins_at_mask_tokens_between_the_special_ones() -> None:
    item = subword_input(word_pieces().to_str(), length=12)
    (ids,) = kept_ids(["the film was good"], item)
    texts = torch.tensor([[*ids, *[PADDING] * (12 - len(ids))]])
    subwords = subwords_of(item.tokenizer)
    around = len(subwords.leading), len(ids) - len(subwords.trailing)
    started = without_words(texts, item)[0]
    assert started[: around[0]].tolist() == list(subwords.leading)
    assert started[around[1] : len(ids)].tolist() == list(subwords.trailing)
    assert set(started[around[0] : around[1]].tolist()) == {mask_token(item)}
    assert set(started[len(ids) :].tolist()) == {PADDING}
    assert min(len(subwords.leading), len(subwords.trailing)) > 0


def test_a_text_of_one_word_again_and_again_is_followed() -> None:
    assert Embedded(Recurrent().eval(), torch.full((1, 8), 5)).name == "embedding"
    assert Embedded(Recurrent().eval(), torch.zeros((1, 8), dtype=torch.int64)).name == "embedding"


def test_ids_that_half_numbers_do_not_hold_are_refused() -> None:
    module = nn.Sequential(nn.Embedding(5000, 4), nn.Flatten(), nn.Linear(12, 1)).bfloat16().eval()
    embedded = Embedded(module, torch.tensor([[5, 6, 7]]))
    with pytest.raises(AnalyzerNotPossible) as refused:
        embedded.rows(torch.tensor([[4097, 6, 7]]))
    assert "4,097 in torch.bfloat16" in refused.value.problems[0].found


def test_two_embeddings_of_the_tokens_are_refused(texts: torch.Tensor) -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Embedding(20, 4), nn.Embedding(20, 4)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return (self.one(ids) + self.two(ids)).sum(dim=1)

    with pytest.raises(AnalyzerNotPossible) as refused:
        Embedded(Both().eval(), texts[:1])
    assert refused.value.problems[0].found == "one, two"


def test_a_network_without_an_embedding_is_refused(texts: torch.Tensor) -> None:
    class Counts(nn.Module):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(ids, 20).double().sum(dim=1)

    with pytest.raises(AnalyzerNotPossible, match="has not one such layer"):
        Embedded(Counts().eval(), texts[:1])
