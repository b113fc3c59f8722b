"""Small language models for tests, opened as an audit opens them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import transformers
from torch import nn

from auditbench.context import AuditContext
from auditbench.data import build_evaluation
from auditbench.engines.local import LocalEngine
from auditbench.models import ModelUnderTest
from auditbench.models.architectures.decoder import build_decoder
from auditbench.models.architectures.parameters import DecoderParams
from auditbench.models.loading import load_model
from auditbench.testing import QuietHost, ToySubject, toy_subject
from tests.huggingface_folders import GPT2_TOKENS, byte_pairs, request, save

TALES = (
    "the cat sat on the mat. dogs bark at the moon",
    "a film that was very good and long",
    "cats and dogs and mats and hats",
    "the moon was on the mat. a cat was very bad",
)


def long_gpt2(folder: Path) -> Path:
    """A GPT2LMHeadModel with room for 256 tokens, and positions that matter as much as tokens do."""
    torch.manual_seed(0)
    tokenizer = byte_pairs()
    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        bos_token_id=0,
        eos_token_id=0,
        n_embd=32,
        n_layer=3,
        n_head=2,
        n_positions=256,
        initializer_range=0.3,
    )
    return save(folder, transformers.GPT2LMHeadModel(config), tokenizer, **GPT2_TOKENS)


def opened(folder: Path, rows: Path, length: int = 20) -> tuple[ModelUnderTest, AuditContext]:
    """A folder of a language model, and a context on the next tokens of `TALES`."""
    frame = pd.DataFrame({"text": list(TALES)})
    given = request(folder, rows, frame, "next-token", text={"length": length}, data={"target": "text"})
    model = load_model(given)
    data = build_evaluation(given.source, model.inputs, task="next-token", classes=model.facts.classes, seed=0)
    return model, context_of(model, data)


def context_of(model: ModelUnderTest, data: Any, **keys: Any) -> AuditContext:
    outputs = np.concatenate([model.predict(rows.inputs) for rows in data.batches(64)])
    known: dict[str, Any] = {"analyzer": "language", "params": None, "seed": 0, "case_indices": (3, 1)}
    return AuditContext(
        model=model, data=data, outputs=outputs, engine=LocalEngine(), host=QuietHost(), **{**known, **keys}
    )


def decoder_subject(*, width: int = 16, layers: int = 2) -> ToySubject:
    """A decoder of this product over the eight words of the toy texts, with random weights, as a language model."""
    toy = toy_subject("multiclass", modality="text")
    (name,) = toy.model.inputs
    item = toy.model.inputs[name]
    classes = item.vocabulary  # type: ignore[union-attr]
    torch.manual_seed(0)
    params = DecoderParams(width=width, layers=layers, heads=2, feedforward=32, dropout=0.0)
    network = build_decoder(params, {name: item}, len(classes)).eval().requires_grad_(False)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
    return as_language_model(toy, network, classes)


def as_language_model(toy: ToySubject, network: nn.Module, classes: tuple[str, ...]) -> ToySubject:
    capabilities = ("gradients", "hooks", "layers", "embeddings", "black_box")
    facts = replace(
        toy.model.facts, task="next-token", classes=classes, output="logit", capabilities=capabilities, threshold=None
    )
    model = replace(toy.model, module=network, facts=facts, target_names=classes)
    rng = np.random.default_rng(0)
    count = len(toy.data)

    def labelled(rows: Any) -> Any:
        labels = rng.integers(0, len(classes), len(rows))
        return replace(rows, y_true=labels, clusters=np.arange(len(rows)) // max(1, count // 10))

    data = replace(toy.data.with_rows(labelled), task="next-token", classes=classes)
    return replace(toy, model=model, data=data)
