"""What a model makes of the two texts of each pair: log-likelihoods of a language model, outputs of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch

from auditbench.data import FIRST_TOKEN, TextInput
from auditbench.data.inputs import PADDING, UNKNOWN
from auditbench.data.subwords import subwords_of
from auditbench.data.texts import coder_of, tokens_of
from auditbench.models.following import following, text_input

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.models import ModelUnderTest

    Numbers: TypeAlias = npt.NDArray[np.float64]
    LeftOut: TypeAlias = Literal["", "too_long", "unknown_token", "nothing_shared"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairLikelihoods:
    """Log-likelihoods of both texts of each pair, in nats, NaN for pairs that are left out.

    Attributes:
        more: Shape `(pairs,)`; `less` of the other text.
        left_out: Why each pair is, empty where it is not.
        model_rows: Texts that were scored.
    """

    more: Numbers
    less: Numbers
    left_out: tuple[LeftOut, ...]
    model_rows: int


def likelihoods(
    model: ModelUnderTest, more: Sequence[str], less: Sequence[str], *, counted: Literal["shared", "all"]
) -> PairLikelihoods:
    """Log-likelihoods of some tokens of each text, each given all tokens before it.

    `shared`: of the tokens that both texts of a pair have, in order, behind their common beginning, in which both have the
    same. So tokens that are frequent for other reasons, such as names, are not compared. `all`: of all tokens.

    References: Nangia et al., arXiv:2010.00133, section 3 (scoring what is unmodified, there by masked models).
    """
    _, item = text_input(model)
    ids = [token_ids(item, texts) for texts in (more, less)]
    both = [_places(one, other, item, counted) for one, other in zip(*ids, strict=True)]
    left_out = tuple(places.left_out for places in both)
    kept = [pair for pair, why in enumerate(left_out) if not why]
    found = np.full((2, len(both)), np.nan)
    for side in range(2):
        rows, places = [ids[side][pair] for pair in kept], [both[pair].of_texts[side] for pair in kept]
        found[side, kept] = _summed(model, rows, places)
    return PairLikelihoods(more=found[0], less=found[1], left_out=left_out, model_rows=2 * len(kept))


def pair_outputs(model: ModelUnderTest, texts: Sequence[str]) -> Numbers:
    """Probabilities of the classes, of a binary classifier of the positive one alone; values of a regression.

    Shape `(texts, classes)`; a text that is longer than the model reads is cut as the texts of the data are.
    """
    name, item = text_input(model)
    ids = np.full((len(texts), item.length), PADDING, dtype=np.int64)
    for row, found in enumerate(coder_of(item)(texts)):
        ids[row, : len(found)] = found
    outputs = model.predict({name: ids})
    if model.facts.task == "regression":
        return outputs
    probabilities: Numbers = model.probabilities(outputs)
    return probabilities[:, 1:] if model.facts.task == "binary-classification" else probabilities


def token_ids(item: TextInput, texts: Sequence[str]) -> list[list[int]]:
    """Ids of whole texts, behind what stands in front of every text of a language model; none is cut off."""
    if item.unit == "subwords":
        subwords = subwords_of(item.tokenizer)
        return [[*subwords.leading, *ids] for ids in subwords.encode(texts, special=False)]
    known = {token: index for index, token in enumerate(item.vocabulary, start=FIRST_TOKEN)}
    return [[known.get(token, UNKNOWN) for token in tokens_of(text, item.unit)] for text in texts]


@dataclass(frozen=True, slots=True)
class _Places:
    """Places of the tokens to score in each text of a pair; none where it is left out."""

    of_texts: tuple[list[int], list[int]] = ([], [])
    left_out: LeftOut = ""


def _places(one: list[int], other: list[int], item: TextInput, counted: Literal["shared", "all"]) -> _Places:
    if max(len(one), len(other)) > item.length:
        return _Places(left_out="too_long")
    every = list(range(1, len(one))), list(range(1, len(other)))
    places = every if counted == "all" else _shared(one, other)
    if not all(places):
        return _Places(left_out="nothing_shared")
    if any(ids[at] == UNKNOWN for ids, chosen in zip((one, other), places, strict=True) for at in chosen):
        return _Places(left_out="unknown_token")
    return _Places(of_texts=places)


def _shared(one: list[int], other: list[int]) -> tuple[list[int], list[int]]:
    """Places of the tokens that two texts share behind their common beginning: their common end, and what matches between.

    They are the same whichever text is called the more stereotypical.
    """
    if other < one:  # what is matched where several things could be depends on which comes first
        turned = _shared(other, one)
        return turned[1], turned[0]
    shortest = min(len(one), len(other))
    begin = next((at for at in range(shortest) if one[at] != other[at]), shortest)
    end = next((at for at in range(shortest - begin) if one[-1 - at] != other[-1 - at]), shortest - begin)
    middles = one[begin : len(one) - end], other[begin : len(other) - end]
    blocks = SequenceMatcher(None, *middles, autojunk=False).get_matching_blocks()
    both = [(begin + block.a + at, begin + block.b + at) for block in blocks for at in range(block.size)]
    both += [(len(one) - at, len(other) - at) for at in range(end, 0, -1)]
    told = [(a, b) for a, b in both if min(a, b) > 0]  # nothing stands before a first token
    return [a for a, _ in told], [b for _, b in told]


def _summed(model: ModelUnderTest, rows: list[list[int]], places: list[list[int]]) -> Numbers:
    """Sum of the log-probabilities of the tokens at some places of each row, shape `(rows,)`."""
    if not rows:
        return np.empty(0)
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), PADDING, dtype=torch.int64)
    scored = torch.zeros((len(rows), width - 1), dtype=torch.bool)
    for row, (tokens, chosen) in enumerate(zip(rows, places, strict=True)):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        scored[row, [at - 1 for at in chosen]] = True
    ids, scored = ids.to(model.device), scored.to(model.device)

    def score(part: slice) -> torch.Tensor:
        with torch.inference_mode():
            logs = following(model, ids[part])[:, :-1]
            own = (ids[part, 1:] - FIRST_TOKEN).clamp(min=0).unsqueeze(2)
            each = logs.gather(2, own).squeeze(2).double()
            return each.masked_fill(~scored[part], 0.0).sum(dim=1)

    return np.asarray(torch.cat(model.in_batches(score, len(rows), rows_each=width)).cpu().numpy())
