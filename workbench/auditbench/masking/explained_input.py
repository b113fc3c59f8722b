"""From rows of any modality to what a masking explainer works on: encoded rows, their players, and what hides these."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditbench.data.inputs import (
    PADDING,
    UNKNOWN,
    ImageInput,
    ModelInput,
    SeriesInput,
    TableInput,
    TextInput,
    modality_of,
)
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.masking.cells import cell_owners
from auditbench.masking.maskers import BackgroundRows, Baseline, Blur, Masker, MaskToken, SegmentMean
from auditbench.masking.player_params import HIDERS, HiddenBy, PlayerParams, hider_problem
from auditbench.masking.players import Players, players_of
from auditbench.masking.segments import time_segments
from auditbench.masking.superpixels import superpixels
from auditbench.masking.tokens import token_players

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest

BLUR_SHARE = 1 / 8
"""Standard deviation of a blur, as a share of the shorter side of an image, or of the length of a series."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainedInput:
    """What a masking explainer of some rows works on.

    Attributes:
        rows: Encoded, shape `(rows, *encoded shape)`.
        players: Features, superpixels, words or segments; inputs beside a table are a player each.
        masker: What stands in for hidden players.
        said: The text of each player of each row, where players are words; empty otherwise.
    """

    rows: torch.Tensor
    players: Players
    masker: Masker
    said: tuple[tuple[str, ...], ...] = ()


def explained_input(
    model: ModelUnderTest, rows: Rows, background: Callable[[], torch.Tensor], params: PlayerParams
) -> ExplainedInput:
    """Players and masker of some rows.

    Args:
        background: Gives encoded background rows, shape `(background rows, *encoded shape)`; called where they are needed.

    Raises:
        ConfigError: `params.hidden_by` is not one for what the model takes.
        AnalyzerNotPossible: No text has a word.
    """
    masker_name = hidden_by(model, params)
    encoded = model.encode(rows.inputs)
    players, said = _players(model.inputs, encoded, rows, params)
    masker = _masker(masker_name, model.inputs, background)
    return ExplainedInput(rows=encoded, players=players, masker=masker, said=said)


def hidden_by(model: ModelUnderTest, params: PlayerParams) -> HiddenBy:
    """What stands in for hidden players: what the parameters say, or the default of what the model takes.

    Raises:
        ConfigError: It is none for what the model takes.
    """
    modality = modality_of(model.inputs)
    if problem := hider_problem(params.hidden_by, modality, where="players.hidden_by"):
        raise ConfigError(problem.message, problems=(problem,))
    return params.hidden_by or HIDERS[modality][0]


def cell_players(model: ModelUnderTest, rows: Rows, params: PlayerParams) -> tuple[Players, npt.NDArray[np.int64]]:
    """The players of rows of images, texts or series, and the one of each cell or `NOBODY`, shape `(rows, *cells)`."""
    players, _ = _players(model.inputs, model.encode(rows.inputs), rows, params)
    return players, cell_owners(players, len(rows), channels=modality_of(model.inputs) == "image")


def aligned_players(item: ImageInput | SeriesInput, params: PlayerParams) -> Players:
    """Players that are the same for every row: tiles of an image, segments of a series."""
    import torch

    if isinstance(item, ImageInput):
        return superpixels(torch.zeros((1, *item.shape)), method="grid", count=params.regions)
    by_channel = params.by_channel and len(item.channels) > 1
    return time_segments(
        torch.zeros((1, *item.shape)), segments=min(params.segments, item.steps), by_channel=by_channel
    )


def mask_token(item: TextInput) -> int:
    """The id that stands in for a hidden token: the tokenizer's mask, else that of what it does not know, else padding."""
    if item.unit != "subwords":
        return UNKNOWN
    from auditbench.data.subwords import FIRST_ID, subwords_of

    subwords = subwords_of(item.tokenizer)
    own = subwords.unknown if subwords.mask is None else subwords.mask
    return PADDING if own is None else own + FIRST_ID


def _players(
    inputs: Mapping[str, ModelInput], encoded: torch.Tensor, rows: Rows, params: PlayerParams
) -> tuple[Players, tuple[tuple[str, ...], ...]]:
    """The players of the rows, and what each of them says where they are words."""
    name, item = next(iter(inputs.items()))
    if len(inputs) > 1 or isinstance(item, TableInput):
        return _columns(inputs), ()
    if isinstance(item, ImageInput) and params.superpixels != "grid":
        raw = rows.inputs[name] / item.largest
        return superpixels(raw, method=params.superpixels, count=params.regions).to(encoded.device), ()
    if isinstance(item, TextInput):
        return _words(name, item, encoded, rows)
    return aligned_players(item, params).to(encoded.device), ()


def _columns(inputs: Mapping[str, ModelInput]) -> Players:
    """The features of a table; each input beside it is one player."""
    columns: dict[str, range] = {}
    place = 0
    for name, item in inputs.items():
        if isinstance(item, TableInput):
            spans = {feature.name: range(place + feature.start, place + feature.stop) for feature in item.features}
            columns |= spans
        else:
            columns[name] = range(place, place + math.prod(item.shape))
        place += math.prod(item.shape)
    return players_of(columns, (place,))


def _words(
    name: str, item: TextInput, encoded: torch.Tensor, rows: Rows
) -> tuple[Players, tuple[tuple[str, ...], ...]]:
    from auditbench.data.words import words_of

    texts = rows.texts.get(name)
    words = words_of(item, rows.inputs[name], None if texts is None else [str(text) for text in texts])
    if not any(each.said for each in words):
        raise AnalyzerNotPossible(
            "none of the explained texts has a word",
            where=f"data.inputs.{name}",
            found=f"{len(words)} texts without one",
            allowed="a text with a word",
        )
    players = token_players(encoded, words=[each.index for each in words])
    return players, tuple((*each.said, *[""] * (len(players) - len(each.said))) for each in words)


def _masker(hidden_by: HiddenBy, inputs: Mapping[str, ModelInput], background: Callable[[], torch.Tensor]) -> Masker:
    item = next(iter(inputs.values()))
    if isinstance(item, TextInput) and hidden_by == "token":
        return MaskToken(token_id=mask_token(item))
    if hidden_by == "blur":
        return Blur(sigma=BLUR_SHARE * min(item.shape[1:]))
    if hidden_by == "mean":
        return SegmentMean()
    rows = background()
    return BackgroundRows(background=rows) if hidden_by == "background" else Baseline(baseline=rows.mean(dim=0))
