"""Networks of other families of transformers: shared layers, relative positions, windows, states, experts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from tokenizers import processors

from auditbench.data import build_evaluation
from auditbench.data.inputs import PADDING
from auditbench.errors import ModelError
from auditbench.models.loading import load_model
from tests.huggingface_folders import (
    BERT_TOKENS,
    GPT2_TOKENS,
    LLAMA_TOKENS,
    TEXTS,
    byte_pairs,
    frame_of,
    request,
    save,
    word_pieces,
)

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
WIDE = {**SMALL, "intermediate_size": 64}
PLACES = {"max_position_embeddings": 24}
LANGUAGE: dict[str, dict[str, Any]] = {
    "OPT": {**SMALL, **PLACES, "ffn_dim": 64, "word_embed_proj_dim": 32, "pad_token_id": 1},
    "Bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
    "Gemma2": {**WIDE, **PLACES, "num_key_value_heads": 1, "head_dim": 16, "sliding_window": 4},
    "Mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    "Mixtral": {**WIDE, "num_key_value_heads": 1, "num_local_experts": 4},
}
CLASSIFIERS: dict[str, dict[str, Any]] = {
    "Albert": {**WIDE, **PLACES, "embedding_size": 16},
    "DebertaV2": {**WIDE, **PLACES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    "Electra": {**WIDE, **PLACES, "embedding_size": 16},
    "Llama": {**WIDE, **PLACES, "pad_token_id": 0},
}


@pytest.fixture(autouse=True)
def quiet() -> None:
    transformers.utils.logging.set_verbosity_error()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_of_other_families(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = word_pieces()
    settings = getattr(transformers, f"{name}Config")(
        vocab_size=tokenizer.get_vocab_size(), id2label=dict(enumerate("abc")), **CLASSIFIERS[name]
    )
    kind = getattr(transformers, f"{name}ForSequenceClassification")
    folder = save(tmp_path / "model", kind(settings), tokenizer, **BERT_TOKENS)
    asked = request(folder, tmp_path, frame_of("abcabc"), "multiclass-classification")
    model = load_model(asked)
    rows = build_evaluation(
        asked.source, model.inputs, task="multiclass-classification", classes=model.facts.classes, seed=0
    )
    found = model.predict(rows.take(np.arange(len(TEXTS))).inputs)
    own = kind.from_pretrained(folder).eval()
    tokenizer.enable_truncation(model.inputs["text"].shape[0])
    for row, text in enumerate(TEXTS):
        with torch.no_grad():
            expected = own(torch.tensor([tokenizer.encode(text).ids])).logits[0].numpy()
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


@pytest.mark.parametrize("name", LANGUAGE)
def test_language_models_of_other_families(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = byte_pairs()
    kind = getattr(transformers, f"{name}ForCausalLM")
    made = kind(getattr(transformers, f"{name}Config")(vocab_size=tokenizer.get_vocab_size(), **LANGUAGE[name]))
    for each in made.parameters():
        torch.nn.init.normal_(each, std=0.1)
    folder = save(tmp_path / "model", made, tokenizer, **GPT2_TOKENS)
    frame = pd.DataFrame({"text": list(TEXTS)})
    asked = request(folder, tmp_path, frame, "next-token", text={"length": 9}, data={"target": "text", "max_rows": 40})
    model = load_model(asked)
    rows = build_evaluation(asked.source, model.inputs, task="next-token", classes=model.facts.classes, seed=0)
    taken = rows.take(np.arange(40))
    found = model.predict(taken.inputs)
    own = kind.from_pretrained(folder).eval()
    for row, ids in enumerate(taken.inputs["text"]):
        with torch.no_grad():
            window = torch.tensor([[each - 2 for each in ids.tolist() if each != PADDING]])
            np.testing.assert_allclose(found[row], own(window).logits[0, -1].numpy(), atol=1e-5)


PADDED: dict[str, dict[str, Any]] = {
    "FNet": WIDE | PLACES,
    "XLNet": {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64},
    "ConvBert": {**WIDE, **PLACES, "head_ratio": 1, "embedding_size": 32},
    "Canine": WIDE | PLACES,
}


@pytest.mark.parametrize("name", PADDED)
def test_networks_that_do_not_see_texts_of_tokens_alone_are_refused(name: str, tmp_path: Path) -> None:
    """They mix padding into a text, or cut texts themselves."""
    torch.manual_seed(0)
    tokenizer = word_pieces()
    settings = getattr(transformers, f"{name}Config")(
        vocab_size=tokenizer.get_vocab_size(), pad_token_id=0, id2label=dict(enumerate("abc")), **PADDED[name]
    )
    made = getattr(transformers, f"{name}ForSequenceClassification")(settings)
    folder = save(tmp_path / "model", made, tokenizer, **BERT_TOKENS)
    with pytest.raises(ModelError, match="table of embeddings" if name == "Canine" else "padding behind it"):
        load_model(request(folder, tmp_path, frame_of("abcabc"), "multiclass-classification"))


def test_a_text_may_end_with_the_token_of_an_end(tmp_path: Path) -> None:
    """A decoder without padding looks at the last token, which the tokenizer puts there."""
    torch.manual_seed(0)
    tokenizer = byte_pairs(("<unk>", "<s>", "</s>"))
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), id2label=dict(enumerate("abc")), eos_token_id=2, **WIDE, **PLACES
    )
    made = transformers.LlamaForSequenceClassification(config).eval()
    folder = save(tmp_path / "model", made, tokenizer, **LLAMA_TOKENS)
    asked = request(folder, tmp_path, frame_of("abcabc"), "multiclass-classification", text={"length": 24})
    model = load_model(asked)
    rows = build_evaluation(
        asked.source, model.inputs, task="multiclass-classification", classes=model.facts.classes, seed=0
    )
    found = model.predict(rows.take(np.arange(len(TEXTS))).inputs)
    tokenizer.enable_truncation(24)
    for row, text in enumerate(TEXTS):
        with torch.no_grad():
            expected = made(torch.tensor([tokenizer.encode(text).ids])).logits[0].numpy()
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_networks_of_two_halves_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = word_pieces()
    config = transformers.T5Config(
        vocab_size=tokenizer.get_vocab_size(), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2
    )
    folder = save(tmp_path / "model", transformers.T5ForSequenceClassification(config), tokenizer, **BERT_TOKENS)
    with pytest.raises(ModelError, match="not a classifier"):
        load_model(request(folder, tmp_path, frame_of("ababab"), "multiclass-classification"))
