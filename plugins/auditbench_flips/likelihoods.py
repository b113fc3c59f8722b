"""Mean log-likelihoods of whole texts under a causal language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench.data import FIRST_TOKEN, TextInput
from auditbench.data.inputs import PADDING, UNKNOWN
from auditbench.data.subwords import subwords_of
from auditbench.data.texts import tokens_of
from auditbench.models.following import following

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.models import ModelUnderTest


def whole_ids(item: TextInput, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of whole texts, behind what stands in front of every text of a language model; none is cut off."""
    if item.unit == "subwords":
        subwords = subwords_of(item.tokenizer)
        return [[*subwords.leading, *ids] for ids in subwords.encode(texts, special=False)]
    known = {token: index for index, token in enumerate(item.vocabulary, start=FIRST_TOKEN)}
    return [[known.get(token, UNKNOWN) for token in tokens_of(text, item.unit)] for text in texts]


def mean_log_likelihoods(model: ModelUnderTest, texts: Sequence[Sequence[int]], room: int) -> npt.NDArray[np.float64]:
    """Mean log-probability of the tokens of each text but the first, each given all before it; in nats, shape `(texts,)`.

    NaN for a text that is longer than the model reads, has a token that it does not know, or fewer than two tokens.

    Args:
        texts: Token ids; `room` how many of them the model reads.
    """
    scored = [1 < len(ids) <= room and UNKNOWN not in ids for ids in texts]
    rows = [ids for ids, told in zip(texts, scored, strict=True) if told]
    found = np.full(len(texts), np.nan)
    if not rows:
        return found
    width = max(map(len, rows))
    lengths = torch.tensor([len(ids) for ids in rows], device=model.device)
    ids = torch.full((len(rows), width), PADDING, dtype=torch.int64)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
    ids = ids.to(model.device)

    def score(part: slice) -> torch.Tensor:
        with torch.inference_mode():
            logs = following(model, ids[part])[:, :-1]
            own = (ids[part, 1:] - FIRST_TOKEN).clamp(min=0).unsqueeze(2)
            behind = torch.arange(1, width, device=model.device) >= lengths[part].unsqueeze(1)
            each = logs.gather(2, own).squeeze(2).double().masked_fill(behind, 0.0)
            return each.sum(dim=1) / (lengths[part] - 1)

    found[scored] = torch.cat(model.in_batches(score, len(rows), rows_each=width)).cpu().numpy()
    return found
