"""Images for a ResNet-50 and texts for a BERT-base: rows, their parts, and what hides these. All is noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench.masking import Blur, MaskToken, superpixels, token_players
from auditbench.masking.explained_input import BLUR_SHARE
from benchmarks.large_networks import BehindEmbedding, bert, resnet

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from auditbench.masking import Masker, Players

TILES = 49
TOKENS, WORDS = 128, 64
_FIRST, _LAST, _MASK, _TOKEN_IDS = 101, 102, 103, (1000, 30_000)
"""Of BERT's uncased vocabulary: what stands before and behind a text, the mask, and tokens of words."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LargeScene:
    """A network of published size, and rows of it.

    Attributes:
        network: From rows to logits, on `device`.
        rows: Shape `(rows, *row shape)`, on `device`.
        starts: Where paths to the rows begin, in their form: one row, or as many as there are rows.
        players: Tiles of an image, or words of a text, as many of each.
        masker: What hides them.
        parts: What a player is called.
        sloped: From `points` to logits: what the bare model's gradients are taken of.
        points: Some rows that `sloped` takes, on the CPU.
    """

    network: nn.Module
    rows: torch.Tensor
    starts: torch.Tensor
    players: Players
    masker: Masker
    parts: str
    sloped: nn.Module
    points: npt.NDArray[np.float32]
    device: str

    @property
    def tokens(self) -> bool:
        """Whether rows are token ids, so that gradients are taken at the embedding."""
        return not self.rows.is_floating_point()

    @property
    def parameters(self) -> int:
        """Of the network."""
        return sum(each.numel() for each in self.network.parameters())

    @property
    def weight_bytes(self) -> int:
        """What its parameters and buffers take."""
        held = [*self.network.parameters(), *self.network.buffers()]
        return sum(each.numel() * each.element_size() for each in held)


def large_images(rows: int, device: str, *, tiny: bool = False) -> LargeScene:
    """So many images of 3 x 224 x 224 in 49 equal tiles, hidden by a blur, as an audit hides them."""
    network = resnet((1, 1, 1, 1), width=8, classes=5, device=device) if tiny else resnet(device=device)
    side = 32 if tiny else 224
    pixels = np.random.default_rng(0).standard_normal((rows, 3, side, side), dtype=np.float32)
    given = torch.from_numpy(pixels).to(device)
    return LargeScene(
        network=network,
        rows=given,
        starts=torch.zeros_like(given[:1]),
        players=superpixels(given, method="grid", count=TILES),
        masker=Blur(sigma=BLUR_SHARE * side),
        parts="superpixels",
        sloped=network,
        points=pixels,
        device=device,
    )


def large_texts(rows: int, device: str, *, tiny: bool = False) -> LargeScene:
    """So many texts of 128 tokens, 126 of them in 64 words of other lengths in each text, hidden by the mask token."""
    network = bert(layers=1, width=32, heads=2, device=device) if tiny else bert(device=device)
    rng = np.random.default_rng(0)
    inner = TOKENS - 2
    ids = np.full((rows, TOKENS), _FIRST)
    ids[:, 1:-1], ids[:, -1] = rng.integers(*_TOKEN_IDS, (rows, inner)), _LAST
    begins = np.zeros((rows, inner), dtype=np.int64)
    for text in begins:
        text[rng.choice(inner - 1, WORDS - 1, replace=False) + 1] = 1
    words = [[None, *index, None] for index in begins.cumsum(axis=1).tolist()]
    given = torch.from_numpy(ids).to(device)
    masked = given.clone()
    masked[:, 1:-1] = _MASK
    with torch.no_grad():
        points = network.bert.bert.embeddings.word_embeddings(given).cpu().numpy()
    return LargeScene(
        network=network,
        rows=given,
        starts=masked,
        players=token_players(given, words=words),
        masker=MaskToken(token_id=_MASK),
        parts="words",
        sloped=BehindEmbedding(network),
        points=points,
        device=device,
    )
