"""Texts: columns that stay text, tokens of several scripts, vocabularies, and ids that are made once."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.config import DataTable, InputTable
from auditbench.data import (
    TableSource,
    TextInput,
    build_evaluation,
    check_columns,
    class_names,
    fit_inputs,
    open_source,
)
from auditbench.data import texts as texts_module
from auditbench.data.inputs import PADDING, UNKNOWN
from auditbench.data.stored import StoredArray, stored
from auditbench.data.texts import code_texts, fit_texts, kept_tokens, tokens_of
from auditbench.errors import DataError
from auditbench.worker.read_only import read_only_data

WORDS = InputTable(modality="text")
TEXTS = ["The cat sat, the dog ran.", "A dog!", "", 'cat\ncat; "quoted" cat']


def column(texts: list[str]) -> StoredArray:
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return stored(array)


def opened(folder: Path, frame: pd.DataFrame, name: str = "test.parquet", **keys: Any) -> TableSource:
    frame.to_csv(folder / name, index=False) if name.endswith(".csv") else frame.to_parquet(folder / name, index=False)
    keys = {"test": name, "target": "label", "inputs": {"text": WORDS}, **keys}
    return open_source(DataTable(**keys), folder, {})


def refused(*arguments: Any, **keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        opened(*arguments, **keys)
    return caught.value.describe()


def frame_of(texts: list[Any], **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"text": texts, "label": ["a", "b"] * (len(texts) // 2), **columns})


@pytest.mark.parametrize("name", ["test.parquet", "test.csv"])
def test_a_text_column_stays_text(tmp_path: Path, name: str) -> None:
    source = opened(tmp_path, frame_of(TEXTS), name)
    assert source.test.inputs["text"][:].tolist() == TEXTS
    assert source.test.inputs["text"][np.asarray([3, 0])].tolist() == [TEXTS[3], TEXTS[0]]
    assert set(source.test.columns) == {"label"}
    assert source.feature_names == ()


def test_words_that_look_missing_or_like_numbers_stay_text(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\nNA,a\n007,b\nnull,a\n,b\n")
    table = DataTable(test="test.csv", target="label", inputs={"text": WORDS})
    assert open_source(table, tmp_path, {}).test.inputs["text"][:].tolist() == ["NA", "007", "null", ""]


def test_a_long_text_fits_a_cell_of_a_csv_file(tmp_path: Path) -> None:
    texts = ["word \n" * 400_000, "b"]
    assert opened(tmp_path, frame_of(texts), "test.csv").test.inputs["text"][:].tolist() == texts


@pytest.mark.parametrize("dtype", ["object", "category"])
def test_a_missing_text_is_an_empty_one_or_refused(tmp_path: Path, dtype: str) -> None:
    frame = frame_of(["cat", None, "dog", None])
    frame["text"] = frame["text"].astype(dtype)
    source = opened(tmp_path, frame)
    assert source.test.inputs["text"][:].tolist() == ["cat", "", "dog", ""]
    assert code_texts(source.test.inputs["text"], fit_texts(source.test.inputs["text"], WORDS, where="t"))[
        :
    ].tolist() == [
        [2],
        [PADDING],
        [3],
        [PADDING],
    ]
    text = refused(tmp_path, frame, missing_categories="refuse")
    assert "data.missing_categories: column 'text' of test.parquet has missing texts" in text
    assert "found: 2 missing, the first in row 2" in text


def test_texts_stay_stored_until_rows_are_taken(tmp_path: Path) -> None:
    source = opened(tmp_path, frame_of(TEXTS))
    fitted = fit_inputs(source)
    classes = class_names(source, fitted, "multiclass-classification")
    data = build_evaluation(source, fitted, task="multiclass-classification", classes=classes, seed=0)
    held = read_only_data(data.subset(np.asarray([2, 0])))
    parts: tuple[Any, ...] = (held._evaluated, held._background)
    assert all(isinstance(rows.texts["text"], StoredArray) for rows in parts)
    assert data.subset(np.asarray([2, 0])).take(np.asarray([1])).texts["text"].tolist() == [TEXTS[0]]


def test_vocabulary_is_that_of_the_training_rows(tmp_path: Path) -> None:
    frame = frame_of(["a b", "b a", "c d e", "e"], part=["train", "train", "test", "test"])
    fitted = fit_inputs(opened(tmp_path, frame, split="part"))["text"]
    assert isinstance(fitted, TextInput)
    assert (fitted.vocabulary, fitted.length) == (("a", "b"), 2)


def test_a_column_beside_a_text_is_a_feature_when_a_table_is_an_input(tmp_path: Path) -> None:
    inputs = {"body": InputTable(modality="text", column="text"), "table": InputTable(modality="tabular")}
    frame = frame_of(TEXTS, age=[1, 2, 3, 4])
    source = opened(tmp_path, frame, inputs=inputs)
    assert source.feature_names == ("age",)
    fitted = fit_inputs(source)
    classes = class_names(source, fitted, "multiclass-classification")
    data = build_evaluation(source, fitted, task="multiclass-classification", classes=classes, seed=0)
    rows = data.take(np.asarray([1]))
    assert rows.texts["body"].tolist() == ["A dog!"]
    assert rows.inputs["table"].tolist() == [[2.0]]
    assert data.modality == "mixed"


@pytest.mark.parametrize(
    ("frame", "keys", "parts"),
    [
        (frame_of([1, 2]), {}, ("data.inputs.text: column 'text' of test.parquet is no text", "found: type int64")),
        (
            frame_of(["a", "b"]).rename(columns={"text": "texts"}),
            {},
            ("data.inputs.text.column: there is no column or array 'text'", "did you mean 'texts'?"),
        ),
        (
            frame_of(["a", "b"]),
            {"inputs": {"text": InputTable(modality="series")}},
            ("column 'text' of test.parquet has one cell a row", "a .ts file"),
        ),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, frame: pd.DataFrame, keys: Any, parts: tuple[str, ...]) -> None:
    text = refused(tmp_path, frame, **keys)
    assert all(part in text for part in parts), text


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_bytes(b"text,label\ncaf\xe9,a\n")
    table = DataTable(test="test.csv", target="label", inputs={"text": WORDS})
    with pytest.raises(DataError) as caught:
        open_source(table, tmp_path, {})
    assert "column 'text' of test.csv cannot be read as text" in caught.value.describe()


def test_both_files_need_the_text(tmp_path: Path) -> None:
    frame_of(["a", "b"]).rename(columns={"text": "body"}).to_parquet(tmp_path / "train.parquet")
    text = refused(tmp_path, frame_of(["a", "b"]), train="train.parquet")
    assert "there is no column or array 'text' in train.parquet" in text
    table = DataTable(test="test.parquet", train="train.parquet", target="label", inputs={"text": WORDS})
    with pytest.raises(DataError):
        check_columns(table, tmp_path, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Don’t stop_the well-known CAFÉ!", ["don’t", "stop", "the", "well-known", "café"], id="latin"),
        pytest.param("我爱北京 PyTorch2模型", ["我", "爱", "北", "京", "pytorch2", "模", "型"], id="chinese"),
        pytest.param("日本語カタカナ、ﾃｽﾄ", [*"日本語カタカナ", *"ﾃｽﾄ"], id="japanese"),
        pytest.param("𠮷野家", ["𠮷", "野", "家"], id="beyond-the-basic-plane"),
        pytest.param("한국어 문장", ["한국어", "문장"], id="korean"),
        pytest.param("हिन्दी भाषा।", ["हिन्दी", "भाषा"], id="hindi-vowel-signs"),
        pytest.param("العَرَبِيَّة", ["العَرَبِيَّة"], id="arabic-marks"),
        pytest.param("cafe\u0301 s", ["cafe\u0301", "s"], id="combining-accent"),
        pytest.param("-a- 'b' c- 'd e-f'", ["a", "b", "c", "d", "e-f"], id="marks-only-inside"),
        pytest.param("3.5 x2", ["3", "5", "x2"], id="digits"),
    ],
)
def test_words_of_several_scripts(text: str, expected: list[str]) -> None:
    assert tokens_of(text, "words") == expected


@given(st.text())
def test_every_letter_is_in_one_token(text: str) -> None:
    lowered = text.lower()
    letters = Counter(sign for sign in lowered if sign.isalnum())
    found = Counter(sign for token in tokens_of(text, "words") for sign in token if sign.isalnum())
    assert found == letters
    assert tokens_of(text, "characters") == list(text)


@given(st.lists(st.text(alphabet="abc 北京'-", max_size=20), min_size=1), st.integers(1, 5), st.integers(1, 6))
def test_vocabulary_is_the_most_frequent_tokens(texts: list[str], size: int, block: int) -> None:
    counts = Counter(token for text in texts for token in tokens_of(text, "words"))
    table = InputTable(modality="text", vocabulary=size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditbench.data.stored._BLOCK_ROWS", block)
        if not counts:
            with pytest.raises(DataError, match="have no token"):
                fit_texts(column(texts), table, where="data.inputs.text")
            return
        item = fit_texts(column(texts), table, where="data.inputs.text")
    assert item.vocabulary == tuple(sorted(counts, key=lambda token: (-counts[token], token))[:size])
    assert item.length == max(len(tokens_of(text, "words")) for text in texts)


@given(
    st.lists(st.text(alphabet="abcd xyz", max_size=30), min_size=1),
    st.integers(1, 6),
    st.sampled_from(["first", "last"]),
    st.sampled_from(["words", "characters"]),
)
def test_ids_stand_for_tokens(texts: list[str], length: int, kept: Any, unit: Any) -> None:
    item = TextInput(unit=unit, vocabulary=("a", "b", " "), length=length, kept=kept)
    ids = code_texts(column(texts), item)
    assert ids.dtype == np.int64
    assert ids.shape == (len(texts), length)
    for text, row in zip(texts, ids[:], strict=True):
        tokens = list(text) if unit == "characters" else text.split()
        tokens = tokens[:length] if kept == "first" else tokens[-length:]
        assert kept_tokens(text, item) == tokens
        names = {PADDING: "", UNKNOWN: "?", **dict(enumerate(item.vocabulary, start=2))}
        assert [names[number] for number in row if number != PADDING] == [
            token if token in item.vocabulary else "?" for token in tokens
        ]
        assert row.tolist() == [*(number for number in row if number), *[PADDING] * (length - len(tokens))]


def test_a_text_is_cut_into_tokens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = texts_module.tokens_of

    def counting(text: str, unit: Any) -> list[str]:
        seen.append(text)
        return real(text, unit)

    monkeypatch.setattr(texts_module, "tokens_of", counting)
    item = TextInput(unit="words", vocabulary=tuple("abc"), length=4)
    ids = code_texts(column(["a b", "c", "b"]), item)
    rows: list[npt.NDArray[np.int64]] = [ids.take(np.asarray([2, 0]))[:] for _ in range(3)]
    assert sorted(seen) == ["a b", "b"]
    assert all(row.tolist() == [[3, 0, 0, 0], [2, 3, 0, 0]] for row in rows)


def test_more_ids_than_a_byte_are_kept_whole() -> None:
    vocabulary = tuple(f"w{number}" for number in range(70_000))
    for size in (200, 254, 255, 60_000, 70_000):
        item = TextInput(unit="words", vocabulary=vocabulary[:size], length=2)
        ids = code_texts(column([f"w{size - 1} w0"]), item)
        assert ids[:].tolist() == [[size + 1, 2]]


def test_normal_forms_are_letters_of_their_own() -> None:
    composed, apart = "café", unicodedata.normalize("NFD", "café")
    assert tokens_of(composed, "words") == [composed]
    assert tokens_of(apart, "words") == [apart]
