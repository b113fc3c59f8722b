"""Tokenizers as data: ids and texts as the library gives them, windows that keep what stands around a text, hostile files."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, processors

from auditbench.config import AuditConfig, DataTable, InputTable
from auditbench.data import TextInput, build_evaluation, fit_inputs, open_source
from auditbench.data.inputs import PADDING
from auditbench.data.subwords import FIRST_ID, decoded, kept_ids, subword_input, subwords_of
from auditbench.data.tokenizer_files import check_tokenizer
from auditbench.errors import DataError, MissingDependencyError, ModelError
from auditbench.models.description import BundleDescription, canonical, read_description
from auditbench.models.own_tokens import OwnTokenIds, with_own_tokens
from auditbench.training.bundles import training_key
from tests.huggingface_folders import TEXTS, byte_pairs, frame_of, word_pieces

PIECES, PAIRS = word_pieces(), byte_pairs()
KINDS = {"pieces": PIECES, "pairs": PAIRS}


def item_of(tokenizer: Tokenizer, **keys: Any) -> TextInput:
    checked = check_tokenizer(tokenizer.to_str().encode(), where="file", shown="tokenizer.json")
    return subword_input(checked, **{"length": 12, **keys})


@pytest.mark.parametrize("name", KINDS)
@given(text=st.text(max_size=40))
def test_ids_are_those_of_the_library_plus_two(name: str, text: str) -> None:
    item = item_of(KINDS[name], length=500)
    assert kept_ids([text], item) == [[own + FIRST_ID for own in KINDS[name].encode(text).ids]]


@given(text=st.text(alphabet="thecasonmdgil \u4e2d\u6587\U0001f642", max_size=40))
def test_byte_level_texts_come_back(text: str) -> None:
    item = item_of(PAIRS, length=500)
    assert decoded(kept_ids([text], item), item) == [text.removeprefix(" ")]


@pytest.mark.parametrize("kept", ["first", "last"])
@pytest.mark.parametrize("length", [3, 4, 12])
def test_what_stands_around_a_text_stays_where_it_is_cut(kept: Any, length: int) -> None:
    item = item_of(PIECES, length=length, kept=kept)
    plain = PIECES.encode(TEXTS[2], add_special_tokens=False).ids
    (ids,) = kept_ids([TEXTS[2]], item)
    room = length - 2
    inner = plain[:room] if kept == "first" else plain[-room:]
    assert [each - FIRST_ID for each in ids] == [2, *inner, 3]


def test_no_sign_of_the_tokenizer_is_left_in_texts() -> None:
    for tokenizer in (PIECES, PAIRS):
        item = item_of(tokenizer, length=100)
        whole = kept_ids([TEXTS[2]], item)[0]
        for begin in range(len(whole) - 1):
            (text,) = decoded([whole[begin:]], item)
            assert "##" not in text
            assert "\u0120" not in text


def test_names_are_unique_and_read_as_text() -> None:
    names = subwords_of(PAIRS.to_str()).names(PAIRS.get_vocab_size() + 2)
    assert len(set(names)) == len(names) == PAIRS.get_vocab_size() + 2
    for token, own in PAIRS.get_vocab().items():
        if token.startswith("\u0120") and token[1:].isascii() and len(token) > 1:
            assert names[own] == " " + token[1:]


def test_a_tokenizer_of_the_config_cuts_texts(tmp_path: Path) -> None:
    PIECES.save(str(tmp_path / "tokenizer.json"))
    frame_of("abcabc").to_parquet(tmp_path / "rows.parquet")
    text = InputTable(modality="text", tokenizer="tokenizer.json", length=8)
    source = open_source(DataTable(test="rows.parquet", target="label", inputs={"text": text}), tmp_path, {})
    inputs = fit_inputs(source)
    item = inputs["text"]
    assert isinstance(item, TextInput)
    assert (item.unit, item.length, item.tokens) == ("subwords", 8, PIECES.get_vocab_size() + 2)
    rows = build_evaluation(source, inputs, task="multiclass-classification", classes=("a", "b", "c"), seed=0).take(
        np.arange(6)
    )
    own = OwnTokenIds(item)
    import torch

    ids = own(torch.from_numpy(rows.inputs["text"]))
    tokenizer = Tokenizer.from_str(PIECES.to_str())
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_id=0)
    assert ids.tolist() == [each.ids for each in tokenizer.encode_batch(list(TEXTS))]
    network = torch.nn.Embedding(item.tokens, 2)
    wrapped = with_own_tokens(network, inputs)
    torch.testing.assert_close(wrapped(torch.from_numpy(rows.inputs["text"])), network(ids))
    assert with_own_tokens(network, {}) is network


def test_a_list_of_words_has_the_ids_of_the_product(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("the\ncat\nmat\n")
    frame_of("abcabc").to_parquet(tmp_path / "rows.parquet")
    text = InputTable(modality="text", tokenizer="vocab.txt", length=6)
    source = open_source(DataTable(test="rows.parquet", target="label", inputs={"text": text}), tmp_path, {})
    inputs = fit_inputs(source)
    rows = build_evaluation(source, inputs, task="multiclass-classification", classes=("a", "b", "c"), seed=0).take(
        np.arange(2)
    )
    assert rows.inputs["text"].tolist() == [[2, 3, 1, 1, 2, 4], [PADDING] * 6]


def test_windows_of_a_language_model_begin_as_every_text_does() -> None:
    tokenizer = Tokenizer.from_str(PAIRS.to_str())
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
    )
    assert subwords_of(tokenizer.to_str()).leading == (FIRST_ID,)
    assert subwords_of(tokenizer.to_str()).trailing == ()


def edited(**parts: Any) -> dict[str, Any]:
    return {**json.loads(PIECES.to_str()), **parts}


def word_level(**parts: Any) -> dict[str, Any]:
    model = {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"}
    return edited(**{"model": model, "added_tokens": [], "post_processor": None, "normalizer": None, **parts})


def _nested(depth: int) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "Lowercase"}
    for _ in range(depth):
        part = {"type": "Sequence", "normalizers": [part]}
    return part


def _replace(content: str, pattern: str = "a") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def _charsmap(raw: bytes) -> dict[str, Any]:
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(raw).decode()}


TEXT = {"Sequence": {"id": "A", "type_id": 0}}
HOSTILE = {
    "no-json": b"{",
    "not-utf-8": b'{"model": "\xff"}',
    "twice": b'{"model": {}, "model": {}}',
    "no-number": b'{"model": {"a": NaN}}',
    "deep": b'{"model": ' * 5000 + b"1" + b"}" * 5000,
    "no-model": b'{"version": "1.0"}',
    "dropout": edited(model={"type": "BPE", "dropout": 0.5, "vocab": {}, "merges": []}),
    "nested": edited(normalizer=_nested(100)),
    "many-parts": edited(normalizer={"type": "Sequence", "normalizers": [{"type": "Lowercase"}] * 1000}),
    "growing": edited(normalizer={"type": "Sequence", "normalizers": [_replace("a" * 10)] * 30}),
    "huge-replacement": edited(normalizer=_replace("b" * 100_000)),
    "long-prefix": edited(normalizer={"type": "Prepend", "prepend": "x" * 100_000}),
    "text-many-times": word_level(
        post_processor={"type": "TemplateProcessing", "single": [TEXT] * 1000, "pair": [], "special_tokens": {}}
    ),
    "special-without-end": word_level(
        post_processor={
            "type": "TemplateProcessing",
            "single": [TEXT, {"SpecialToken": {"id": "x", "type_id": 0}}],
            "pair": [],
            "special_tokens": {"x": {"id": "x", "ids": [0] * 100_000, "tokens": ["x"] * 100_000}},
        }
    ),
    "short-table": edited(normalizer=_charsmap(b"\xff\xff\xff\x7f")),
    "no-table": edited(normalizer=_charsmap(b"")),
    "long-table": edited(normalizer=_charsmap(b"\0\0\0\0" + b"x" * 100_000)),
    "wild-table": edited(normalizer=_charsmap(b"\x08\0\0\0" + b"\xff" * 8)),
    "long-words": edited(model={**json.loads(PIECES.to_str())["model"], "max_input_chars_per_word": 10**9}),
    "far-ids": word_level(model={"type": "WordLevel", "vocab": {"a": 2**32 - 1, "b": 1}, "unk_token": "b"}),
    "foreign-ids": word_level(post_processor={"type": "BertProcessing", "sep": ["a", 4_000_000_000], "cls": ["a", 0]}),
    "unknown-part": edited(normalizer={"type": "Python", "code": "import os"}),
    "patient-pattern": word_level(
        pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    ),
    "wrong-pattern": edited(normalizer={"type": "Replace", "pattern": {"Regex": "("}, "content": ""}),
    "no-unknown": edited(model={"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}, added_tokens=[]),
}


def used(content: bytes) -> None:
    text = check_tokenizer(content, where="file", shown="tokenizer.json")
    kept_ids(["a" * 60 + "b", "the cat"], subword_input(text, length=10))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tokenizers_are_refused_as_errors_of_the_data(name: str) -> None:
    """Not one of them ends the process, is caught as a panic, or makes a text of many times its size."""
    content = HOSTILE[name]
    with pytest.raises(DataError) as caught:
        used(content if isinstance(content, bytes) else json.dumps(content).encode())
    assert "Tokenizer.save" in caught.value.describe()


@pytest.mark.parametrize("content", ["", "a\na\n", "a\n\nb\n"])
def test_lists_of_words_that_are_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text(content or "\n")
    pd.DataFrame({"text": ["a b"], "label": ["x"]}).to_parquet(tmp_path / "rows.parquet")
    text = InputTable(modality="text", tokenizer="vocab.txt")
    source = open_source(DataTable(test="rows.parquet", target="label", inputs={"text": text}), tmp_path, {})
    with pytest.raises(DataError, match="no vocabulary"):
        fit_inputs(source)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"text": ["a b"], "label": ["x"]}).to_parquet(tmp_path / "rows.parquet")
    for name in ("missing.json", "."):
        table = DataTable(
            test="rows.parquet", target="label", inputs={"text": InputTable(modality="text", tokenizer=name)}
        )
        with pytest.raises(DataError, match="tokenizer"):
            open_source(table, tmp_path, {})


def test_texts_must_have_room_for_a_token() -> None:
    with pytest.raises(DataError, match="raise `length`"):
        item_of(PIECES, length=2)
    assert item_of(PIECES, length=3).shape == (3,)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench.data.subwords.find_spec", lambda name: None)
    text = PIECES.to_str() + " "  # not opened before
    with pytest.raises(MissingDependencyError, match="tokenizers") as caught:
        subword_input(text, length=10)
    assert "auditbench[text]" in caught.value.describe()


def described(**changes: Any) -> BundleDescription:
    item = dataclasses.replace(item_of(PIECES), **changes)
    return BundleDescription(
        architecture="rnn",
        task="binary-classification",
        classes=("a", "b"),
        target="label",
        output="logit",
        inputs={"text": item},
    )


def test_a_bundle_keeps_its_tokenizer_and_takes_no_hostile_one() -> None:
    whole = json.loads(canonical(described()))
    assert read_description(whole, Path("model.json")).inputs == described().inputs
    grown = json.dumps(edited(normalizer=_replace("b" * 100_000)))
    for changes, said in (
        ({"tokenizer": ""}, "expected a tokenizer for subwords alone"),
        ({"unit": "words"}, "expected a tokenizer for subwords alone"),
        ({"tokenizer": grown}, "parts that no tokenizer has"),
        ({"tokenizer": "{"}, "not valid JSON"),
        ({"vocabulary": ("a", "b")}, "a token for each id"),
    ):
        document = json.loads(canonical(described(**changes)))
        with pytest.raises(ModelError) as caught:
            read_description(document, Path("model.json"))
        assert said in caught.value.describe()


def test_a_bundle_without_a_tokenizer_is_written_as_before() -> None:
    item = TextInput(unit="words", vocabulary=("a",), length=3)
    document = json.loads(canonical(dataclasses.replace(described(), inputs={"text": item})))
    assert set(document["inputs"]["text"]) == {"unit", "vocabulary", "length", "kept", "modality"}


def keyed(folder: Path, **text: Any) -> str:
    data = {
        "test": "rows.parquet",
        "target": "label",
        "split": "part",
        "inputs": {"text": {"modality": "text", **text}},
    }
    config = AuditConfig(
        audit={"name": "a"},
        model={"task": "multiclass-classification"},
        train={"architecture": "rnn"},
        data=data,
    )
    return training_key(config, open_source(config.data, folder, {}))


def test_another_file_of_tokens_asks_for_another_training(tmp_path: Path) -> None:
    frame_of("abcabc", part=["train", "test"] * 3).to_parquet(tmp_path / "rows.parquet")
    without = keyed(tmp_path)
    PIECES.save(str(tmp_path / "tokenizer.json"))
    one = keyed(tmp_path, tokenizer="tokenizer.json")
    (tmp_path / "moved.json").write_bytes((tmp_path / "tokenizer.json").read_bytes())
    assert keyed(tmp_path, tokenizer="moved.json") == one != without
    PAIRS.save(str(tmp_path / "tokenizer.json"))
    assert keyed(tmp_path, tokenizer="tokenizer.json") != one
