"""Words and sentences of a context, and what stands in front of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from auditbench.data.inputs import TextInput
from auditbench.data.subwords import subword_input
from auditbench.masking import Coalitions
from auditbench_language.context_players import context_players
from auditbench_language.continuations import players_in
from auditbench_language.walks import RowValues, hidden_one_by_one, shapley_row
from tests.huggingface_folders import byte_pairs

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz .!?,\n\u3002\u732b\u72ac")
CHARACTERS = TextInput(unit="characters", vocabulary=LETTERS, length=80)


def ids(text: str) -> list[int]:
    return [LETTERS.index(letter) + 2 for letter in text]


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("one two. three", "words", ("one ", "two. ", "three")),
        ("one two. three", "sentences", ("one two. ", "three")),
        ("is it? yes! no, it is", "sentences", ("is it? ", "yes! ", "no, it is")),
        ("a title\n\nand text", "sentences", ("a title\n\n", "and text")),
        ("one line\nof two", "sentences", ("one line\nof two",)),
        ("see a.b now. yes", "sentences", ("see a.b now. ", "yes")),
        ("\u732b\u3002\u72ac", "sentences", ("\u732b\u3002", "\u72ac")),
        ("...", "words", ("...",)),
    ],
)
def test_players_join_to_the_context(text: str, unit: str, expected: tuple[str, ...]) -> None:
    found = context_players(CHARACTERS, ids(text), unit)  # type: ignore[arg-type]
    assert found.said == expected
    assert "".join(found.said) == text
    owners = ["" if player is None else found.said[player] for player in found.index]
    assert all(letter in owner for letter, owner in zip(text, owners, strict=True))
    assert sorted(set(found.index)) == list(range(len(expected)))  # type: ignore[type-var]


def test_special_tokens_in_front_belong_to_nobody() -> None:
    from tokenizers import processors

    tokenizer = byte_pairs(("<unk>", "<s>", "</s>"))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    item = subword_input(tokenizer.to_str(), length=20)
    from auditbench.data.subwords import subwords_of

    (row,) = subwords_of(item.tokenizer).encode(["the cat sat"])
    found = players_in(item, np.asarray(row), "words")
    assert found.index[0] is None
    assert None not in found.index[1:]
    assert "".join(found.said) == "the cat sat"


@pytest.mark.parametrize("find", [partial(shapley_row, budget=8, rng=np.random.default_rng(0)), hidden_one_by_one])
def test_coalitions_are_made_where_the_rows_are(find: Callable[..., RowValues]) -> None:
    class Elsewhere:
        device = torch.device("meta")

        def outputs(self, coalitions: Coalitions) -> torch.Tensor:
            assert coalitions.kept.device == coalitions.replacements.device == self.device
            return torch.zeros((1, 1, coalitions.kept.shape[1], 2))

    assert find(Elsewhere(), 2).values.shape == (2, 2)
    assert find(Elsewhere(), 5).values.shape == (2, 5)
