"""Clauses, sentences and passages of a text, by the marks behind its words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditbench.masking.text_levels import MOST_PASSAGES, MOST_WORDS, text_levels


@pytest.mark.parametrize(
    ("words", "sentences", "clauses"),
    [
        pytest.param(["It ", "rained, ", "we ", "stayed. ", "Why? "], [0, 0, 0, 0, 1], [0, 0, 1, 1, 2], id="marks"),
        pytest.param(["He ", 'said "', 'no." ', "Then ", "left"], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1], id="a quotation"),
        pytest.param(["version ", "3.", "5 ", "is ", "out! "], [0] * 5, [0] * 5, id="a stop within a number"),
        pytest.param(["\u5929", "\u6c14\uff0c", "\u597d\u3002", "\u8d70"], [0, 0, 0, 1], [0, 0, 1, 2], id="Chinese"),
        pytest.param(
            ["Subject: ", "hello\n\n", "text ", "- ", "more"], [0, 0, 1, 1, 1], [0, 1, 2, 2, 2], id="a header"
        ),
        pytest.param(["one (", "two) ", "three"], [0, 0, 0], [0, 1, 2], id="brackets"),
        pytest.param([], [], [], id="no word"),
    ],
)
def test_marks_behind_words_end_clauses_and_sentences(
    words: list[str], sentences: list[int], clauses: list[int]
) -> None:
    found = text_levels(words)
    assert found.shape == (3, len(words))
    assert found[1].tolist() == sentences
    assert found[2].tolist() == clauses
    assert found[0].tolist() == sentences


def test_long_runs_are_cut_evenly_and_many_sentences_are_put_together() -> None:
    run = text_levels(["word "] * 30)
    assert np.bincount(run[2]).tolist() == [10, 10, 10]
    assert set(run[1].tolist()) == {0}
    many = text_levels(["word. "] * 500)
    assert many[1].max() == 499
    sizes = np.bincount(many[0])
    assert len(sizes) == MOST_PASSAGES
    assert np.ptp(sizes) <= 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a ", "b, ", "c. ", "d\n", "e"]), max_size=200))
def test_levels_lie_within_each_other_and_go_on_from_left_to_right(words: list[str]) -> None:
    passages, sentences, clauses = text_levels(words)
    for coarse, fine in ((passages, sentences), (sentences, clauses)):
        assert len(set(zip(coarse.tolist(), fine.tolist(), strict=True))) == len(set(fine.tolist()))
    for level in (passages, sentences, clauses):
        assert set(np.diff(level).tolist()) <= {0, 1}
    if words:
        assert np.bincount(clauses).max() <= MOST_WORDS
