"""Players of texts: tokens, or the words that they are parts of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from auditbench.masking.players import NOBODY, Players

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    TokenIds: TypeAlias = torch.Tensor | npt.NDArray[np.integer] | Sequence[Sequence[int]]
    Words: TypeAlias = Sequence[Sequence[int | None]]


def token_players(token_ids: TokenIds, *, words: Words | None = None, special: Sequence[int] = ()) -> Players:
    """The tokens of each text, or its words, counted from its beginning: `token 0`, or `word 0`, is its first one.

    A text that is shorter than another lacks the last players. What a player says in each text: `player_texts`.

    Args:
        token_ids: Shape `(texts, length)`.
        words: For each text the index of the word that each token is part of, None for a token of no word, as
            `word_ids()` of a fast tokenizer of Hugging Face gives them. Neighbours with one index are one word, so that
            a pair of texts may count each of its texts from 0. Tokens are players of their own when absent.
        special: Ids that belong to nobody and are never hidden: padding, separators, `[CLS]`. A tokenizer's
            `all_special_ids` also has the unknown token, which stands for a word that can be hidden.

    Raises:
        ValueError: The token ids are no whole numbers of this shape, there is not one word index a token, or no text
            has a player.
    """
    import numpy as np
    import torch

    ids = token_ids if isinstance(token_ids, torch.Tensor) else torch.from_numpy(np.array(token_ids))
    if ids.ndim != 2 or ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise ValueError(
            f"expected whole token ids of shape (texts, length), got {ids.dtype} of shape {tuple(ids.shape)}"
        )
    index = (
        torch.arange(ids.shape[1], device=ids.device).expand(ids.shape) if words is None else _word_index(words, ids)
    )
    never_hidden = torch.tensor(list(special), dtype=torch.int64, device=ids.device)
    hidden = (index != NOBODY) & ~torch.isin(ids.to(torch.int64), never_hidden)
    if not bool(hidden.any()):
        raise ValueError("expected a token that is neither special nor without a word, got none")
    groups = torch.where(hidden, _counted(_runs(index), hidden), NOBODY)
    name = "token" if words is None else "word"
    names = tuple(f"{name} {player}" for player in range(int(groups.max()) + 1))
    return Players(names=names, groups=groups, per_row=True)


def player_texts(
    players: Players, token_ids: TokenIds, decode: Callable[[list[int]], str]
) -> tuple[tuple[str, ...], ...]:
    """What each player says in each text, the empty text for players that it lacks.

    Args:
        players: As `token_players` gives them for these token ids.
        decode: The text of some ids, such as a tokenizer's `decode`.
    """
    texts = []
    for ids, groups in zip(token_ids, players.groups.tolist(), strict=True):
        said: list[list[int]] = [[] for _ in players.names]
        for token, player in zip(ids, groups, strict=True):
            if player != NOBODY:
                said[player].append(int(token))
        texts.append(tuple(decode(tokens) if tokens else "" for tokens in said))
    return tuple(texts)


def _word_index(words: Words, ids: torch.Tensor) -> torch.Tensor:
    """Word index of each token, `NOBODY` for None, shape `(texts, length)`."""
    import torch

    count, length = ids.shape
    if len(words) != count:
        raise ValueError(f"expected word indices of {count} texts, got {len(words)}")
    for text, each in enumerate(words):
        if len(each) != length:
            raise ValueError(f"expected {length} word indices in text {text}, one a token, got {len(each)}")
        below = next((word for word in each if word is not None and word < 0), None)
        if below is not None:
            raise ValueError(f"expected word indices from 0 or None in text {text}, got {below}")
    index = [[NOBODY if word is None else int(word) for word in each] for each in words]
    return torch.tensor(index, dtype=torch.int64, device=ids.device)


def _runs(index: torch.Tensor) -> torch.Tensor:
    """Number of each run of neighbours with one index, from 0 in each text."""
    import torch

    runs = torch.zeros_like(index, memory_format=torch.contiguous_format)
    runs[:, 1:] = (index[:, 1:] != index[:, :-1]).cumsum(dim=1)
    return runs


def _counted(runs: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Rank of each token's run among those runs of its text that have a token to hide."""
    import torch

    has = torch.zeros(runs.shape, dtype=torch.int64, device=runs.device)
    has.scatter_add_(1, runs, hidden.to(torch.int64))
    ranks = (has > 0).cumsum(dim=1) - 1
    return ranks.gather(1, runs)
