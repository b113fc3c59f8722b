"""A program that knows a tokenizer's own ids is audited with the tokenizer.json that the config names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn

from auditbench.config import DataTable, InputTable, ModelTable
from auditbench.data import build_evaluation, open_source
from auditbench.data.inputs import UNKNOWN
from auditbench.data.subwords import subword_input
from auditbench.models.formats import ModelRequest
from auditbench.models.loading import load_model
from auditbench.models.own_tokens import OwnTokenIds, as_made
from tests.huggingface_folders import TEXTS, byte_pairs, frame_of, word_pieces


class Bag(nn.Module):
    """Mean of the embeddings of a tokenizer's own ids, without its padding."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        counted = (ids != 0).float().unsqueeze(2)
        pooled = (self.embedding(ids) * counted).sum(1) / counted.sum(1).clamp_min(1.0)
        outputs: torch.Tensor = self.head(pooled)
        return outputs


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return word_pieces()


def test_an_exported_program_gets_the_ids_it_was_made_for(tmp_path: Path, tokenizer: Tokenizer) -> None:
    torch.manual_seed(0)
    network = Bag(tokenizer.get_vocab_size()).eval()
    example = torch.ones((2, 10), dtype=torch.int64)
    program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    torch.export.save(program, tmp_path / "model.pt2")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    frame_of("abcabc").to_parquet(tmp_path / "rows.parquet")
    text = InputTable(modality="text", tokenizer="tokenizer.json", length=10)
    source = open_source(DataTable(test="rows.parquet", target="label", inputs={"text": text}), tmp_path, {})
    digest = hashlib.sha256((tmp_path / "model.pt2").read_bytes()).hexdigest()
    table = ModelTable(
        format="exported",
        path="model.pt2",
        task="multiclass-classification",
        output="logit",
        trust=(digest,),
    )
    request = ModelRequest(
        path=tmp_path / "model.pt2", base=tmp_path, table=table, source=source, device="cpu", architectures={}
    )
    model = load_model(request)
    rows = build_evaluation(
        source, model.inputs, task="multiclass-classification", classes=model.facts.classes, seed=0
    ).take(np.arange(len(TEXTS)))
    cut = Tokenizer.from_str(tokenizer.to_str())
    cut.enable_truncation(10)
    cut.enable_padding(length=10, pad_id=0)
    own = torch.tensor([each.ids for each in cut.encode_batch(list(TEXTS))])
    with torch.no_grad():
        np.testing.assert_allclose(model.predict(rows.inputs), network(own).numpy(), atol=1e-6)


def test_weights_of_a_factory_get_the_ids_of_their_tokenizer(tmp_path: Path, tokenizer: Tokenizer) -> None:
    torch.manual_seed(0)
    network = Bag(tokenizer.get_vocab_size()).eval()
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "make.py").write_text("from tests.unit.test_own_tokens import Bag\n")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    frame_of("abcabc").to_parquet(tmp_path / "rows.parquet")
    text = InputTable(modality="text", tokenizer="tokenizer.json", length=10)
    source = open_source(DataTable(test="rows.parquet", target="label", inputs={"text": text}), tmp_path, {})
    table = ModelTable(
        format="safetensors",
        path="model.safetensors",
        task="multiclass-classification",
        output="logit",
        factory="make.py:Bag",
        parameters={"tokens": tokenizer.get_vocab_size()},
        trust=(hashlib.sha256((tmp_path / "make.py").read_bytes()).hexdigest(),),
    )
    path = tmp_path / "model.safetensors"
    model = load_model(
        ModelRequest(path=path, base=tmp_path, table=table, source=source, device="cpu", architectures={})
    )
    rows = build_evaluation(
        source, model.inputs, task="multiclass-classification", classes=model.facts.classes, seed=0
    ).take(np.arange(len(TEXTS)))
    cut = Tokenizer.from_str(tokenizer.to_str())
    cut.enable_truncation(10)
    cut.enable_padding(length=10, pad_id=0)
    own = torch.tensor([each.ids for each in cut.encode_batch(list(TEXTS))])
    with torch.no_grad():
        np.testing.assert_allclose(model.predict(rows.inputs), network(own).numpy(), atol=1e-6)


def test_what_a_network_has_no_token_for() -> None:
    pieces = subword_input(word_pieces().to_str(), length=5)
    ids = torch.tensor([[2, 3, 4, UNKNOWN, 0]])
    assert OwnTokenIds(pieces).forward(ids).tolist() == [[0, 1, 2, 1, 0]]
    assert OwnTokenIds(pieces, padding=7).forward(ids).tolist() == [[0, 1, 2, 1, 7]]
    pairs = subword_input(byte_pairs().to_str(), length=5)
    assert OwnTokenIds(pairs).forward(ids).tolist() == [[0, 1, 2, 0, 0]]


def test_an_export_of_a_bundle_takes_the_ids_of_the_product() -> None:
    network = nn.Identity()
    inputs = {"text": subword_input(word_pieces().to_str(), length=5)}
    assert as_made(network, inputs, exported_here=True) is network
    assert as_made(network, inputs, exported_here=False) is not network
