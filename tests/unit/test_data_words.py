"""The words of a text are alike for every unit of tokens, and join to the text."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from auditbench.data.inputs import PADDING, TextInput
from auditbench.data.subwords import subword_input, subwords_of
from auditbench.data.texts import coder_of, tokens_of
from auditbench.data.words import Words, words_of
from tests.huggingface_folders import byte_pairs, word_pieces

TEXT = "The film, it WAS good -- isn't it?"
SAID = ("The ", "film, ", "it ", "WAS ", "good -- ", "isn't ", "it?")


def plain(unit: str, text: str, length: int, kept: str = "first") -> tuple[TextInput, list[int]]:
    item = TextInput(unit=unit, vocabulary=tuple(sorted(set(tokens_of(text, unit)))), length=length, kept=kept)
    return item, padded(item, text)


def padded(item: TextInput, text: str) -> list[int]:
    (ids,) = coder_of(item)([text])
    return [*ids, *[PADDING] * (item.length - len(ids))]


def found(item: TextInput, ids: list[int], text: str | None) -> Words:
    return words_of(item, [ids], None if text is None else [text])[0]


def test_words_are_their_own_tokens_and_keep_what_stands_behind_them() -> None:
    item, ids = plain("words", TEXT, 9)
    assert found(item, ids, TEXT) == Words(index=(0, 1, 2, 3, 4, 5, 6, None, None), said=(*SAID[:-1], "it"))


def test_characters_are_merged_to_the_same_words() -> None:
    item, ids = plain("characters", TEXT, len(TEXT) + 2)
    words = found(item, ids, TEXT)
    assert words.said == SAID
    assert words.index[:9] == (0, 0, 0, 0, 1, 1, 1, 1, 1)
    assert words.index[-2:] == (None, None)


@pytest.mark.parametrize("tokenizer", [word_pieces, byte_pairs])
def test_subwords_are_merged_to_the_same_words_without_the_special_tokens(tokenizer: Callable[[], Tokenizer]) -> None:
    item = subword_input(tokenizer().to_str(), length=64)
    ids = padded(item, TEXT)
    words = found(item, ids, TEXT)
    assert words.said == SAID
    pieces = [len(list(group)) for word, group in itertools.groupby(words.index) if word is not None]
    assert len(pieces) == len(SAID)
    assert sum(pieces) == sum(token != PADDING for token in ids) - subwords_of(item.tokenizer).around


@pytest.mark.parametrize("unit", ["words", "characters"])
@pytest.mark.parametrize(("kept", "said"), [("first", "The"), ("last", "it")])
def test_a_text_that_is_cut_has_the_words_that_the_model_sees(unit: str, kept: str, said: str) -> None:
    item, ids = plain(unit, TEXT, 3, kept)
    words = found(item, ids, TEXT).said
    assert (words[0] if kept == "first" else words[-1]).strip(" ?") == said


def test_without_the_text_words_are_made_of_the_tokens() -> None:
    item, ids = plain("words", "a good film", 4)
    assert found(item, ids, None) == Words(index=(0, 1, 2, None), said=("a ", "good ", "film "))
    item, ids = plain("characters", "a film", 8)
    assert found(item, ids, None).said == ("a ", "film")


def test_a_text_without_words_is_one_player_if_the_model_sees_a_token() -> None:
    item, ids = plain("characters", "?!", 4)
    assert found(item, ids, "?!") == Words(index=(0, 0, None, None), said=("?!",))
    assert found(item, [PADDING] * 4, "") == Words(index=(None,) * 4, said=())


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=30), unit=st.sampled_from(["words", "characters"]), length=st.integers(1, 12))
def test_words_stand_in_order_and_each_has_a_token(text: str, unit: str, length: int) -> None:
    item, _ = plain(unit, text or "a", length)
    words = found(item, padded(item, text), text)
    index = [word for word in words.index if word is not None]
    assert index == sorted(index)
    assert set(index) == set(range(len(words.said)))
    if unit == "characters":
        assert "".join(words.said) == text[:length]
    elif text.lower() == text:
        assert "".join(words.said) in text
