"""Attention weights and rollout: on a network computed by hand, on torch's own layers, and on Hugging Face's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

from auditbench.data.inputs import TextInput
from auditbench.errors import AnalyzerNotPossible
from auditbench.models.architectures.networks.decoder import DecoderNetwork
from auditbench.models.architectures.networks.encoder import EncoderNetwork
from auditbench.models.architectures.parameters import DecoderParams, EncoderParams
from auditbench_captum.attention import Attention, attention
from auditbench_captum.attention_blocks import head_habits

ITEM = TextInput(length=7, unit="words", vocabulary=tuple("abcdefghij"))


def texts(length: int = 7) -> torch.Tensor:
    ids = torch.randint(2, 12, (4, length), generator=torch.Generator().manual_seed(0))
    ids[1, 4:] = 0
    return ids


class ByHand(nn.Module):
    """One layer and one head, whose attention is a softmax of given scores, read at the first token."""

    def __init__(self, scores: torch.Tensor) -> None:
        super().__init__()
        self.scores, self.embedding = nn.Parameter(scores), nn.Embedding(12, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        weights = self.scores.expand(len(ids), 1, -1, -1).softmax(dim=-1)
        return (weights[:, 0] @ self.embedding(ids))[:, 0]


def test_rollout_of_one_layer_is_half_attention_and_half_the_token_itself() -> None:
    scores = torch.log(torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2]], dtype=torch.float64))
    found = attention(ByHand(scores).double().eval(), torch.tensor([[2, 3, 4]]))
    np.testing.assert_allclose(found.weights[0, 0, 0].numpy(), scores.exp().numpy(), atol=1e-12)
    assert found.read.tolist() == [[1.0, 0.0, 0.0]]
    np.testing.assert_allclose(found.rollout(), [[0.6, 0.15, 0.25]], atol=1e-12)


def test_rollout_multiplies_layers_from_the_last_to_the_first() -> None:
    first, last = torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([[0.4, 0.6], [0.0, 1.0]])
    weights = torch.stack([first, last]).double().view(1, 2, 1, 2, 2)
    found = Attention(weights=weights, read=torch.tensor([[1.0, 0.0]]).double())
    # Half of each layer is the token itself: (0.7, 0.3) of the last one, through ((1, 0), (0.25, 0.75)) of the first.
    np.testing.assert_allclose(found.rollout(), [[0.7 + 0.3 * 0.25, 0.3 * 0.75]], atol=1e-12)


@pytest.mark.parametrize(("pooling", "places"), [("mean", 7), ("first", 8)])
def test_weights_of_an_encoder_are_those_of_its_attention(pooling: Any, places: int) -> None:
    torch.manual_seed(0)
    params = EncoderParams(width=8, heads=2, layers=2, feedforward=16, dropout=0.0, pooling=pooling)
    module, ids = EncoderNetwork(params, ITEM, 3).double().eval(), texts()
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, dtype=torch.float64)
    outputs = module(ids)
    found = attention(module, ids)
    assert found.weights.shape == (4, 2, 2, places, places)
    torch.testing.assert_close(module(ids), outputs, rtol=0, atol=0)

    entered: list[torch.Tensor] = []
    handle = module.layers[1].norm1.register_forward_hook(lambda _layer, _given, output: entered.append(output))
    module(ids)
    handle.remove()
    there = ids != 0 if pooling == "mean" else nn.functional.pad(ids != 0, (1, 0), value=True)
    _, expected = module.layers[1].self_attn(
        entered[0], entered[0], entered[0], key_padding_mask=~there, average_attn_weights=False
    )
    torch.testing.assert_close(found.weights[:, 1], expected)
    read = there / there.sum(dim=1, keepdim=True) if pooling == "mean" else torch.eye(places)[:1].expand(4, -1)
    torch.testing.assert_close(found.read, read.double())
    np.testing.assert_allclose(found.rollout().sum(axis=1), 1.0, atol=1e-12)
    assert found.rollout()[1, places - 3 :].max() == 0


def test_a_decoder_is_read_at_its_last_token_and_sees_none_later() -> None:
    torch.manual_seed(0)
    params = DecoderParams(width=8, heads=2, layers=2, feedforward=16, dropout=0.0, tied=False)
    found = attention(DecoderNetwork(params, ITEM, 3).eval(), texts())
    assert found.read.argmax(dim=1).tolist() == [6, 3, 6, 6]
    assert found.read.max(dim=1).values.tolist() == [1.0] * 4
    assert float(found.weights.triu(1).abs().max()) == 0.0


class HuggingFace(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=ids, attention_mask=(ids != 0).long()).logits


def bert(implementation: str) -> Any:
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24}
    config = BertConfig(vocab_size=20, num_labels=3, max_position_embeddings=12, **sizes)
    config._attn_implementation = implementation
    return BertForSequenceClassification(config)


def gpt(implementation: str) -> Any:
    config = GPT2Config(vocab_size=20, num_labels=3, n_positions=12, n_embd=16, n_layer=2, n_head=4, pad_token_id=0)
    config._attn_implementation = implementation
    return GPT2ForSequenceClassification(config)


@pytest.mark.parametrize(("build", "read"), [(bert, [0, 0, 0, 0]), (gpt, [6, 3, 6, 6])])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_weights_of_hugging_face_are_those_it_gives_itself(implementation: str, build: Any, read: list[int]) -> None:
    torch.manual_seed(0)
    model = build(implementation).double().eval()
    eager = build("eager").double().eval()
    eager.load_state_dict(model.state_dict())
    ids = texts()
    given = eager(input_ids=ids, attention_mask=(ids != 0).long(), output_attentions=True).attentions
    found = attention(HuggingFace(model).eval(), ids)
    there = (ids != 0)[:, None, None, :, None]
    torch.testing.assert_close(found.weights * there, torch.stack(given, dim=1) * there)
    assert found.read.argmax(dim=1).tolist() == read


def test_the_fused_function_may_be_called_by_the_names_of_its_arguments() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(12, 4)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            states = self.embedding(ids).unsqueeze(1)
            attend = nn.functional.scaled_dot_product_attention
            return attend(query=states, key=states, value=states, dropout_p=0.0, scale=0.3).mean(dim=(1, 2))

    module = Named().double().eval()
    states = module.embedding(texts())
    expected = (0.3 * states @ states.transpose(1, 2)).softmax(dim=2)
    torch.testing.assert_close(attention(module, texts()).weights[:, 0, 0], expected)


def test_habits_of_a_head_are_means_over_the_tokens_of_a_text() -> None:
    weights = torch.zeros(2, 1, 2, 3, 3)
    weights[:, 0, 0] = torch.eye(3)
    weights[:, 0, 1] = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    found = Attention(weights=weights, read=torch.ones(2, 3) / 3)
    habits = head_habits(found, torch.tensor([[5, 6, 7], [5, 6, 0]]))
    np.testing.assert_allclose(habits[0, 0, 0], [0, 1, 0, 1 / 3], atol=1e-12)
    entropy = np.log(2) / np.log(3) / 3
    np.testing.assert_allclose(habits[0, 0, 1], [entropy, 1 / 3, 1.5 / 3, 2.5 / 3], atol=1e-12)
    np.testing.assert_allclose(habits[1, 0, 1], [0, 1 / 2, 1 / 2, 1], atol=1e-12)
    assert np.isnan(head_habits(found, torch.tensor([[5, 0, 0], [5, 6, 0]]))[0]).all()


def test_a_network_without_attention_is_refused() -> None:
    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.EmbeddingBag(12, 3)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.embedding(ids)

    with pytest.raises(AnalyzerNotPossible) as refused:
        attention(Bag().eval(), texts())
    assert "no self-attention" in refused.value.problems[0].found
