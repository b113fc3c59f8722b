"""Sentence encoders give the embeddings that transformers gives, and a head that was fitted on the training rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from auditbench.data.inputs import PADDING
from auditbench.data.subwords import subwords_of
from auditbench.errors import AuditbenchError
from auditbench.models.loading import load_model
from auditbench.models.subject import ModelUnderTest
from tests import huggingface_folders as folders
from tests.huggingface_folders import TEXTS, frame_of, request

CLOSE = 1e-5


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BertModel without a head."""
    return folders.bert(tmp_path_factory.mktemp("models") / "encoder")


def refused(asked: Any) -> str:
    with pytest.raises(AuditbenchError) as caught:
        load_model(asked)
    return caught.value.describe()


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last"])
def test_embeddings_are_those_of_the_encoder_and_the_head_is_fitted_here(
    pooling: str, encoder: Path, tmp_path: Path
) -> None:
    frame = frame_of(["n", "p"] * 3, part=["train"] * 4 + ["test"] * 2)
    asked = request(
        encoder,
        tmp_path,
        frame,
        "binary-classification",
        data={"split": "part", "positive": "p"},
        parameters={"pooling": pooling},
    )
    model = load_model(asked)
    own = transformers.AutoModel.from_pretrained(encoder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(encoder)
    ids = _ids(model, list(TEXTS))
    found = model.module.encoder(ids)
    for row, text in enumerate(TEXTS):
        given = tokenizer(text, truncation=True, max_length=model.inputs["text"].shape[0], return_tensors="pt")
        with torch.no_grad():
            states = own(**given).last_hidden_state[0]
        pooled = {"mean": states.mean(0), "cls": states[0], "max": states.amax(0), "last": states[-1]}[pooling]
        torch.testing.assert_close(found[row], pooled, atol=CLOSE, rtol=0)
    (limit,) = model.facts.limits
    assert limit.key == "core.model_fitted_head"
    assert limit.values["rows"] == 4
    again = load_model(asked)
    assert again.facts.digest == model.facts.digest


def test_another_penalty_is_another_model(encoder: Path, tmp_path: Path) -> None:
    frame = frame_of(["n", "p"] * 3, part=["train"] * 4 + ["test"] * 2)
    keys = {"data": {"split": "part", "positive": "p"}}
    digests = {
        load_model(
            request(encoder, tmp_path, frame, "binary-classification", parameters=parameters, **keys)
        ).facts.digest
        for parameters in ({"pooling": "mean"}, {"pooling": "mean", "l2": 3.0}, {"pooling": "cls"})
    }
    assert len(digests) == 3


def test_a_sentence_encoder_says_its_pooling_itself(encoder: Path, tmp_path: Path) -> None:
    folder = sentence_encoder(encoder, tmp_path / "model")
    frame = frame_of(["n", "p"] * 3, part=["train"] * 4 + ["test"] * 2)
    keys = {"data": {"split": "part", "positive": "p"}}
    model = load_model(request(folder, tmp_path, frame, "binary-classification", **keys))
    assert model.inputs["text"].shape == (16,)
    lengths = model.module.encoder(_ids(model, list(TEXTS))).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(len(TEXTS)))
    said = refused(request(folder, tmp_path, frame, "binary-classification", parameters={"pooling": "cls"}, **keys))
    assert "model.parameters.pooling" in said


def sentence_encoder(encoder: Path, folder: Path, **pooling: bool) -> Path:
    """The folder of sentence-transformers around an encoder."""
    shutil.copytree(encoder, folder)
    own = "sentence_transformers.models."
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    listed = [{"idx": at, "name": str(at), "path": path, "type": own + kind} for at, (path, kind) in enumerate(parts)]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling or {"pooling_mode_mean_tokens": True}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 16}))
    return folder


def test_an_encoder_that_changes_its_texts_is_refused(encoder: Path, tmp_path: Path) -> None:
    folder = sentence_encoder(encoder, tmp_path / "model")
    frame = frame_of(["n", "p"] * 3, part=["train"] * 4 + ["test"] * 2)
    keys = {"data": {"split": "part", "positive": "p"}}
    lowered, prompts = folder / "sentence_bert_config.json", folder / "config_sentence_transformers.json"
    lowered.write_text(json.dumps({"do_lower_case": True}))
    prompts.write_text(json.dumps({"prompts": {"query": "query: "}, "default_prompt_name": None}))
    load_model(request(folder, tmp_path, frame, "binary-classification", **keys))  # its tokenizer lowers all texts
    prompts.write_text(json.dumps({"prompts": {"query": "query: "}, "default_prompt_name": "query"}))
    assert "'query: '" in refused(request(folder, tmp_path, frame, "binary-classification", **keys))
    prompts.unlink()
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "do_lower_case" in refused(request(folder, tmp_path, frame, "binary-classification", **keys))


def test_an_encoder_needs_rows_to_fit_its_head_on(encoder: Path, tmp_path: Path) -> None:
    asked = request(
        encoder, tmp_path, frame_of("npnpnp"), "binary-classification", data={"positive": "p"},
        parameters={"pooling": "mean"},
    )  # fmt: skip
    assert "data.held_out" in refused(asked)


def _ids(model: ModelUnderTest, texts: list[str]) -> torch.Tensor:
    item = model.inputs["text"]
    rows = subwords_of(item.tokenizer).encode(texts, length=item.length, kept=item.kept)
    return torch.tensor([row + [PADDING] * (item.length - len(row)) for row in rows])


def test_values_are_predicted_by_a_ridge_regression(encoder: Path, tmp_path: Path) -> None:
    frame = frame_of([float(len(text)) for text in TEXTS], part=["train"] * 5 + ["test"])
    asked = request(
        encoder, tmp_path, frame, "regression", data={"split": "part"}, parameters={"pooling": "mean", "l2": 1e-3}
    )
    model = load_model(asked)
    assert (model.facts.output, model.facts.classes) == ("value", ())
    with torch.no_grad():
        found = model.module(_ids(model, list(TEXTS[:5])))[:, 0]
    torch.testing.assert_close(
        found, torch.tensor(frame["label"][:5].to_numpy(), dtype=torch.float32), atol=30.0, rtol=0
    )
