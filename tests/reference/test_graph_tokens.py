"""Classifiers of texts as transformers' exporters write them: token ids, a mask and types of tokens, all from a text."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch import nn

from auditbench.config import DataTable, InputTable, ModelTable
from auditbench.data import build_evaluation, open_source
from auditbench.data.inputs import TextInput
from auditbench.errors import ModelError
from auditbench.models.formats import ModelRequest
from auditbench.models.graph_ports import fit_ports
from auditbench.models.loading import load_model
from auditbench.models.opening.onnx import GraphPort, OpenedGraph
from tests.huggingface_folders import TEXTS, frame_of, word_pieces
from tests.keras_networks import words

LENGTH = 10
IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"


class Scores(nn.Module):
    """A classifier that takes its inputs in an order, as an exporter wants."""

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        named = dict(zip(self.names, given, strict=True))
        scores: torch.Tensor = self.network(**{MASK: (named[IDS] != 0).long(), **named}).logits
        return scores


def classifier(kind: str, tokens: int) -> Any:
    import transformers

    torch.manual_seed(0)
    if kind == "distilbert":
        sizes = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "initializer_range": 0.3}
        config = transformers.DistilBertConfig(vocab_size=tokens, max_position_embeddings=LENGTH, num_labels=3, **sizes)
        return transformers.DistilBertForSequenceClassification(config).eval()
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "initializer_range": 0.3}
    config = transformers.BertConfig(vocab_size=tokens, max_position_embeddings=LENGTH, num_labels=3, **sizes)
    return transformers.BertForSequenceClassification(config).eval()


def export(network: nn.Module, names: tuple[str, ...], path: Path) -> None:
    ids = torch.full((2, LENGTH), 5)
    ids[0, 5:] = 0
    given = {IDS: ids, MASK: (ids != 0).long(), TYPES: torch.zeros_like(ids)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():  # of the exporter about the code of transformers and about its age
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Scores(network, names).eval(),
            tuple(given[name] for name in names),
            str(path),
            dynamo=False,
            input_names=list(names),
            dynamic_axes={name: {0: "rows", 1: "tokens"} for name in names},
        )


@pytest.mark.parametrize(
    ("kind", "names"), [("distilbert", (IDS,)), ("distilbert", (IDS, MASK)), ("bert", (IDS, MASK, TYPES))]
)
def test_predictions_are_those_of_transformers(kind: str, names: tuple[str, ...], tmp_path: Path) -> None:
    tokenizer = word_pieces()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    network = classifier(kind, tokenizer.get_vocab_size())
    export(network, names, tmp_path / "net.onnx")
    frame_of("abcabc").to_parquet(tmp_path / "rows.parquet")
    text = InputTable(modality="text", tokenizer="tokenizer.json", length=LENGTH)
    source = open_source(DataTable(test="rows.parquet", target="label", inputs={"text": text}), tmp_path, {})
    table = ModelTable(format="onnx", path="net.onnx", task="multiclass-classification", output="logit")
    model = load_model(
        ModelRequest(
            path=tmp_path / "net.onnx", base=tmp_path, table=table, source=source, device="cpu", architectures={}
        )
    )
    assert (model.facts.capabilities, model.facts.limits) == (("hooks", "layers", "black_box"), ())
    rows = build_evaluation(
        source, model.inputs, task="multiclass-classification", classes=model.facts.classes, seed=0
    ).take(np.arange(len(TEXTS)))
    cut = Tokenizer.from_str(tokenizer.to_str())
    cut.enable_truncation(LENGTH)
    cut.enable_padding(length=LENGTH, pad_id=0)
    found = cut.encode_batch(list(TEXTS))
    ids, mask = (torch.tensor([getattr(each, name) for each in found]) for name in ("ids", "attention_mask"))
    with torch.no_grad():
        expected = network(input_ids=ids, attention_mask=mask).logits.numpy()
    np.testing.assert_allclose(model.predict(rows.inputs), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 1e-2


def graph(*names: str, kind: str = "tensor(int64)") -> OpenedGraph:
    return OpenedGraph(
        session=None,
        content=None,  # type: ignore[arg-type]
        inputs=tuple(GraphPort(name=name, kind=kind, shape=(None, None)) for name in names),
        outputs=(GraphPort(name="logits", kind="tensor(float)", shape=(None, 3)),),
        sha256="",
        numbers=0,
        opset=20,
    )


TEXT = {"text": words(20, 4)}


@pytest.mark.parametrize(("kind", "numbers"), [("tensor(int64)", torch.int64), ("tensor(int32)", torch.int32)])
def test_a_mask_is_1_where_a_token_is(kind: str, numbers: torch.dtype) -> None:
    ports = fit_ports(graph(TYPES, MASK, "tokens", kind=kind), TEXT, where="net.onnx", padding=9)
    feeds = ports.feeds(torch.tensor([[4, 0, 5, 9]]))
    assert {name: item.tolist() for name, item in feeds.items()} == {
        "tokens": [[4, 0, 5, 9]],
        MASK: [[1, 1, 1, 0]],
        TYPES: [[0, 0, 0, 0]],
    }
    assert {item.dtype for item in feeds.values()} == {numbers}


def test_a_mask_needs_a_padding() -> None:
    with pytest.raises(ModelError, match="takes a mask of the padding, and the tokenizer names none"):
        fit_ports(graph(IDS, MASK), TEXT, where="net.onnx", padding=None)
    assert fit_ports(graph(IDS, TYPES), TEXT, where="net.onnx", padding=None).by_input["text"].name == IDS


def test_an_input_that_follows_from_nothing_is_refused() -> None:
    assert isinstance(TEXT["text"], TextInput)
    with pytest.raises(ModelError, match="has other inputs than the model takes") as refused:
        fit_ports(graph(IDS, MASK, "pixels"), TEXT, where="net.onnx")
    assert "pixels" in str(refused.value.problems[0].found)
