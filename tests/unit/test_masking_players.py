"""Players of tables, images, texts and series against plain loops and scikit-image."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.data import astronaut
from skimage.segmentation import felzenszwalb, slic
from skimage.transform import resize

from auditbench.data import FeatureSpec
from auditbench.errors import MissingDependencyError
from auditbench.masking import (
    NOBODY,
    Players,
    feature_players,
    player_texts,
    players_of,
    superpixels,
    time_segments,
    token_players,
)

SIZES = st.integers(1, 9)
WORD = st.none() | st.integers(0, 3)


def feature(name: str, start: int, stop: int) -> FeatureSpec:
    return FeatureSpec(name=name, kind="number", start=start, stop=stop)


@pytest.fixture(scope="module")
def photographs() -> torch.Tensor:
    """Three parts of a photograph, shape (3, 3, 48, 40), standardised as models need them."""
    whole = resize(astronaut(), (144, 40))
    parts = torch.from_numpy(whole.reshape(3, 48, 40, 3)).movedim(3, 1)
    return ((parts - 0.45) / 0.22).float()


def kept_by_loops(players: Players, kept: torch.Tensor, rows: int) -> list[Any]:
    """Which entries stay, shape (rows, coalitions, entries), entry by entry."""
    groups = players.groups.tolist() if players.per_row else [players.groups.tolist()] * rows
    return [[[owner == NOBODY or bool(one[owner]) for owner in row] for one in kept] for row in groups]


def test_importing_the_package_leaves_heavy_libraries_out() -> None:
    code = "import sys, auditbench.masking; print(sorted({'numpy', 'torch', 'skimage'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(data=st.data(), per_row=st.booleans(), rows=st.integers(1, 4), width=SIZES, count=st.integers(1, 4))
def test_kept_entries_match_a_loop_over_entries(
    data: st.DataObject, per_row: bool, rows: int, width: int, count: int
) -> None:
    owners = st.lists(st.integers(NOBODY, count - 1), min_size=width, max_size=width)
    groups = data.draw(st.lists(owners, min_size=rows, max_size=rows)) if per_row else data.draw(owners)
    players = Players(names=tuple("abcd"[:count]), groups=torch.tensor(groups), per_row=per_row)
    kept = torch.tensor(list(itertools.product([False, True], repeat=count)))
    found = players.kept_entries(kept)
    assert found.dtype == torch.bool
    assert (found if per_row else found.expand(rows, *found.shape)).tolist() == kept_by_loops(players, kept, rows)


def test_what_belongs_to_nobody_is_never_hidden() -> None:
    players = players_of([[1], [3, 4]], (6,))
    hidden = ~players.kept_entries(torch.zeros((1, 2), dtype=torch.bool))[0]
    assert hidden.nonzero().flatten().tolist() == [1, 3, 4]


def test_a_part_of_the_rows_has_their_players() -> None:
    groups = torch.tensor([[0, 1], [1, 0], [0, NOBODY]])
    players = Players(names=("a", "b"), groups=groups, per_row=True)
    assert torch.equal(players.of_rows(slice(1, 3)).groups, groups[1:])
    shared = players_of(None, (2,))
    assert shared.of_rows(slice(1, 3)) is shared


def test_a_feature_has_all_of_its_encoded_columns() -> None:
    players = feature_players((feature("age", 0, 1), feature("job", 1, 4), feature("sex", 4, 6)))
    assert players.names == ("age", "job", "sex")
    assert players.groups.tolist() == [0, 1, 1, 1, 2, 2]


def test_each_entry_is_a_player_without_groups() -> None:
    players = players_of(None, (2, 3))
    assert players.groups.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert players.names[5] == "player 5"
    assert not players.per_row


def test_groups_are_lists_or_an_index_for_all_rows_or_for_each() -> None:
    by_list = players_of([[0, 2], [1]], (3,), names=("a", "b"))
    by_index = players_of(np.array([0, 1, 0]), (3,), names=("a", "b"))
    by_row = players_of(torch.tensor([[0, 1, 0], [1, 1, 0]]), (3,), rows=2)
    assert by_list.groups.tolist() == by_index.groups.tolist() == [0, 1, 0]
    assert by_list.names == by_index.names == ("a", "b")
    assert by_row.per_row
    assert not by_index.per_row


@pytest.mark.parametrize(
    ("groups", "shape", "keywords", "message"),
    [
        pytest.param([[0], [3]], (3,), {}, "entries from 0 to 2, got 3 in group 1", id="outside"),
        pytest.param([[0, 1], [1]], (3,), {}, "each entry in one group, got 1 in 0 and 1", id="twice"),
        pytest.param([[0], []], (3,), {}, "an entry in each group, got none in group 1", id="last-player-empty"),
        pytest.param([[], [0]], (3,), {}, "an entry in each group, got none in group 0", id="first-player-empty"),
        pytest.param([], (3,), {}, "without a gap", id="no-player"),
        pytest.param(None, (0,), {}, r"rows with entries, got rows of shape \(0,\)", id="no-entry"),
        pytest.param(np.zeros((0, 3), int), (3,), {}, r"rows with entries, got groups of shape \(0, 3\)", id="no-rows"),
        pytest.param(np.array([0.5, 1.0, 0.0]), (3,), {}, "whole numbers as player indices, got", id="fractions"),
        pytest.param(np.array([True, False]), (2,), {}, "whole numbers as player indices, got", id="mask"),
        pytest.param([0, 0, 1], (3,), {}, "a list of entries for each player, or an array", id="flat-list"),
        pytest.param([[0]], (2, 2), {}, "an array of player indices", id="lists-for-images"),
        pytest.param(np.array([0, 1]), (3,), {}, r"groups of shape \(3,\)", id="shape"),
        pytest.param(np.zeros((2, 3), int), (3,), {"rows": 4}, r"groups of shape", id="rows"),
        pytest.param(np.array([0, 2, 2]), (3,), {}, "without a gap", id="gap"),
        pytest.param(np.array([0, -2, 1]), (3,), {}, "without a gap", id="below-nobody"),
        pytest.param(np.array([-1, -1, -1]), (3,), {}, "without a gap", id="all-nobody"),
        pytest.param(None, (3,), {"names": ("a",)}, "3 names of players, got 1", id="names"),
    ],
)
def test_groups_that_do_not_fit_are_refused(
    groups: Any, shape: tuple[int, ...], keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        players_of(groups, shape, **keywords)


def tiles_by_loops(height: int, width: int, count: int) -> list[list[int]]:
    down = max(1, min(height, count, round((count * height / width) ** 0.5)))
    across = max(1, min(width, round(count / down)))
    return [[(y * down // height) * across + x * across // width for x in range(width)] for y in range(height)]


@given(height=SIZES, width=SIZES, count=st.integers(1, 100), channels=st.integers(1, 4))
def test_tiles_match_a_loop_over_pixels_and_are_even(height: int, width: int, count: int, channels: int) -> None:
    players = superpixels(torch.zeros(2, channels, height, width), method="grid", count=count)
    assert not players.per_row
    assert players.groups.tolist() == [tiles_by_loops(height, width, count)] * channels
    tiles = players.groups[0]
    assert torch.unique(tiles).tolist() == list(range(len(players)))
    spans = [(tiles == tile).nonzero() for tile in range(len(players))]
    sides = torch.stack([span.amax(dim=0) - span.amin(dim=0) for span in spans])
    assert int((sides.amax(dim=0) - sides.amin(dim=0)).max()) <= 1


@pytest.mark.parametrize("size", [28, 224])
@pytest.mark.parametrize("channels", [1, 3])
def test_regions_by_default_are_of_a_sensible_number_and_follow_edges_more_closely_than_tiles(
    size: int, channels: int
) -> None:
    colours = astronaut()[: 2 * 224 : 2, : 2 * 224 : 2] if size == 224 else astronaut()[60:172:4, 180:292:4]
    image = torch.from_numpy(colours.mean(axis=2, keepdims=True) if channels == 1 else colours).permute(2, 0, 1)[None]
    tiles, follows = _held(image, "grid"), _held(image, "slic")
    assert tiles[0] == 64
    assert 20 <= follows[0] <= 80
    assert follows[1] > tiles[1]
    grown = _held(image, "felzenszwalb")
    assert 5 <= grown[0] <= 4 * 64


def _held(image: torch.Tensor, method: Any) -> tuple[int, float]:
    """How many regions, and the share of the variance of the pixels that lies between them."""
    groups = superpixels(image, method=method).groups.reshape(-1, *image.shape[1:])[0, 0].flatten()
    pixels = image[0].double().flatten(1)
    sums = torch.zeros(len(pixels), int(groups.max()) + 1, dtype=torch.float64).index_add_(1, groups, pixels)
    means = (sums / torch.bincount(groups))[:, groups]
    between = (means - pixels.mean(dim=1, keepdim=True)).square().sum()
    return sums.shape[1], float(between / (pixels - pixels.mean(dim=1, keepdim=True)).square().sum())


def test_sixty_four_tiles_of_a_square_image_are_squares() -> None:
    players = superpixels(torch.zeros(1, 1, 32, 32), method="grid", count=64)
    assert len(players) == 64
    assert torch.bincount(players.groups.flatten()).tolist() == [16] * 64


def test_slic_cuts_as_scikit_image_does(photographs: torch.Tensor) -> None:
    players = superpixels(photographs, count=24, compactness=5.0)
    assert players.per_row
    assert players.groups.shape == photographs.shape
    for image, groups in zip(photographs, players.groups, strict=True):
        expected = slic(image.movedim(0, 2).numpy(), n_segments=24, compactness=5.0, start_label=0)
        assert all(np.array_equal(channel.numpy(), expected) for channel in groups)
    assert len(players) == int(players.groups.max()) + 1
    assert len(players) > 8
    assert players.names[0] == "superpixel 0"


def test_felzenszwalb_cuts_as_scikit_image_does_on_the_scaled_image(photographs: torch.Tensor) -> None:
    players = superpixels(photographs, method="felzenszwalb", scale=40.0)
    for image, groups in zip(photographs, players.groups, strict=True):
        pixels = image.movedim(0, 2).double().numpy()
        scaled, least = (pixels - pixels.min()) / (pixels.max() - pixels.min()), pixels[..., 0].size // (4 * 64)
        expected = felzenszwalb(scaled, scale=40.0, min_size=least)
        assert np.array_equal(groups[0].numpy(), expected)
    assert len(players) > 2


@pytest.mark.parametrize("method", ["slic", "felzenszwalb", "grid"])
def test_the_cut_does_not_depend_on_where_the_channels_stand_nor_on_the_scale(
    photographs: torch.Tensor, method: Any
) -> None:
    first = superpixels(photographs, method=method, count=16)
    last = superpixels(photographs.movedim(1, 3), method=method, count=16, channel_axis=-1)
    scaled = superpixels(photographs.double().numpy() * 4 + 100, method=method, count=16)
    again = superpixels(photographs, method=method, count=16)
    assert torch.equal(last.groups.movedim(-1, -3), first.groups)
    assert torch.equal(scaled.groups, first.groups)
    assert torch.equal(again.groups, first.groups)


@pytest.mark.parametrize("method", ["slic", "felzenszwalb", "grid"])
def test_greyscale_images_with_and_without_a_channel_are_cut_alike(photographs: torch.Tensor, method: Any) -> None:
    grey = photographs.mean(dim=1)
    without = superpixels(grey, method=method, count=16, channel_axis=None)
    with_one = superpixels(grey.unsqueeze(1), method=method, count=16)
    assert torch.equal(with_one.groups.squeeze(-3), without.groups)
    if method == "slic":
        expected = slic(grey[0].numpy(), n_segments=16, compactness=0.3, start_label=0, channel_axis=None)
        assert np.array_equal(without.groups[0].numpy(), expected)


@pytest.mark.parametrize("method", ["slic", "felzenszwalb"])
def test_images_of_whole_numbers_reversed_or_of_many_channels_are_cut(method: Any) -> None:
    image = astronaut()[:32, :32].astype(np.uint8)[None]
    reversed_channels = superpixels(image[..., ::-1], method=method, count=9, channel_axis=-1)
    five = superpixels(np.concatenate([image, image[..., :2]], axis=3), method=method, count=9, channel_axis=-1)
    assert reversed_channels.groups.shape == image.shape
    assert five.groups.shape == (1, 32, 32, 5)


@pytest.mark.parametrize("method", ["slic", "felzenszwalb"])
def test_players_are_numbered_without_a_gap_and_a_plain_image_lacks_the_last(
    photographs: torch.Tensor, method: Any
) -> None:
    images = torch.stack([photographs[0], torch.zeros_like(photographs[0])])
    players = superpixels(images, method=method, count=16, scale=20.0)
    numbers = [torch.unique(groups).tolist() for groups in players.groups]
    assert all(each == list(range(len(each))) for each in numbers)
    assert len(players) == max(len(each) for each in numbers)


@pytest.mark.parametrize(
    ("images", "keywords", "message"),
    [
        pytest.param(torch.zeros(3, 8, 8), {}, r"\(images, channels, height, width\)", id="no-rows"),
        pytest.param(torch.zeros(1, 3, 8, 8), {"channel_axis": None}, r"\(images, height, width\)", id="channels"),
        pytest.param(torch.zeros(0, 3, 8, 8), {}, "got \\(0, 3, 8, 8\\)", id="no-image"),
        pytest.param(torch.zeros(1, 3, 8, 8), {"channel_axis": 2}, "channels first", id="axis"),
        pytest.param(torch.zeros(1, 3, 8, 8), {"count": 0}, "at least one superpixel", id="count"),
        pytest.param(torch.zeros(1, 3, 8, 8), {"compactness": 0.0}, "compactness=0.0", id="compactness"),
        pytest.param(torch.zeros(1, 3, 8, 8), {"scale": float("inf")}, "scale=inf", id="scale"),
        pytest.param(torch.zeros(1, 3, 8, 8), {"method": "watershed"}, "got 'watershed'", id="method"),
        pytest.param(torch.tensor([0.0, float("nan")]).view(2, 1, 1, 1), {}, "in image 1", id="nan"),
    ],
)
def test_images_that_cannot_be_cut_are_refused(images: torch.Tensor, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        superpixels(images, **keywords)


def test_without_scikit_image_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(MissingDependencyError, match="'scikit-image' is not installed") as caught:
        superpixels(torch.rand(1, 3, 8, 8))
    assert caught.value.problems[0].fix == "pip install 'scikit-image'"
    assert len(superpixels(torch.rand(1, 3, 8, 8), method="grid", count=4)) == 4


def words_by_loops(ids: list[int], words: list[int | None], special: set[int]) -> list[int]:
    """Player of each token: runs of one word index that have a token to hide, counted from 0."""
    groups, player = [NOBODY] * len(ids), -1
    for _, run in itertools.groupby(range(len(ids)), key=lambda place: words[place]):
        hidden = [place for place in run if words[place] is not None and ids[place] not in special]
        player += bool(hidden)
        for place in hidden:
            groups[place] = player
    return groups


@given(data=st.data(), texts=st.integers(1, 4), length=st.integers(1, 10))
def test_words_match_a_loop_over_tokens(data: st.DataObject, texts: int, length: int) -> None:
    ids = data.draw(
        st.lists(st.lists(st.integers(0, 5), min_size=length, max_size=length), min_size=texts, max_size=texts)
    )
    words = data.draw(st.lists(st.lists(WORD, min_size=length, max_size=length), min_size=texts, max_size=texts))
    expected = [words_by_loops(one, each, {0, 1}) for one, each in zip(ids, words, strict=True)]
    if max(max(each) for each in expected) == NOBODY:
        with pytest.raises(ValueError, match="got none"):
            token_players(ids, words=words, special=(0, 1))
        return
    players = token_players(ids, words=words, special=(0, 1))
    assert players.groups.tolist() == expected
    assert players.names == tuple(f"word {i}" for i in range(max(max(each) for each in expected) + 1))


def test_tokens_are_counted_from_the_first_that_can_be_hidden() -> None:
    padded_behind, padded_before = [101, 7, 8, 102, 0, 0], [0, 101, 7, 8, 9, 102]
    players = token_players(torch.tensor([padded_behind, padded_before]), special=(0, 101, 102))
    assert players.groups.tolist() == [[-1, 0, 1, -1, -1, -1], [-1, -1, 0, 1, 2, -1]]
    assert players.names == ("token 0", "token 1", "token 2")
    assert players.per_row


def test_a_pair_of_texts_that_each_count_their_words_from_zero_shares_no_word() -> None:
    words = [[None, 0, 0, 1, None, 0, 1, 1, None]]
    players = token_players(np.arange(9)[None], words=words)
    assert players.groups.tolist() == [[-1, 0, 0, 1, -1, 2, 3, 3, -1]]


def test_padding_and_special_tokens_are_never_hidden() -> None:
    ids = torch.tensor([[101, 7, 102, 0], [101, 7, 8, 102]])
    players = token_players(ids, special=(0, 101, 102))
    hidden = ~players.kept_entries(torch.zeros((1, len(players)), dtype=torch.bool))[:, 0]
    assert torch.equal(hidden, (ids > 0) & (ids < 100))


def test_each_text_has_its_own_words() -> None:
    vocabulary = {1: "un", 2: "seen", 3: "cat", 4: "[SEP]"}
    ids = torch.tensor([[1, 2, 3, 4], [3, 4, 4, 4]])
    players = token_players(ids, words=[[0, 0, 1, None], [0, None, None, None]])
    texts = player_texts(players, ids, lambda tokens: "".join(vocabulary[token] for token in tokens))
    assert texts == (("unseen", "cat"), ("cat", ""))


@pytest.mark.parametrize(
    ("ids", "words", "message"),
    [
        pytest.param([1, 2], None, r"shape \(texts, length\), got torch.int64 of shape \(2,\)", id="one-text"),
        pytest.param([[1.0, 2.0]], None, "whole token ids", id="numbers"),
        pytest.param([[True, False]], None, "whole token ids", id="mask"),
        pytest.param([[1, 2]], [[0, 1], [0, 1]], "word indices of 1 texts, got 2", id="texts"),
        pytest.param([[1, 2], [1, 2]], [[0, 1], [0]], "2 word indices in text 1, one a token, got 1", id="length"),
        pytest.param([[1, 2]], [[0, -1]], "from 0 or None in text 0, got -1", id="below"),
        pytest.param([[1, 2]], [[None, None]], "got none", id="nobody"),
    ],
)
def test_texts_that_do_not_fit_are_refused(ids: Any, words: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        token_players(ids, words=words)


@given(steps=st.integers(1, 30), channels=st.integers(1, 3), by_channel=st.booleans(), data=st.data())
def test_segments_match_a_loop_over_steps(steps: int, channels: int, by_channel: bool, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, steps))
    players = time_segments(torch.zeros(2, channels, steps), length=length, by_channel=by_channel)
    each = -(-steps // length)
    expected = [[step // length + channel * each * by_channel for step in range(steps)] for channel in range(channels)]
    assert players.groups.tolist() == expected
    assert len(players) == each * (channels if by_channel else 1)


@given(steps=st.integers(1, 40), data=st.data())
def test_so_many_segments_differ_by_one_step_at_most(steps: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, steps))
    players = time_segments(np.zeros((1, steps)), segments=count)
    lengths = torch.bincount(players.groups).tolist()
    assert len(lengths) == len(players) == count
    assert max(lengths) - min(lengths) <= 1
    assert players.groups.tolist() == sorted(players.groups.tolist())


def test_segments_are_named_by_their_steps_and_channels() -> None:
    series = torch.zeros(4, 2, 5)
    assert time_segments(series, length=3).names == ("steps 0 to 2", "steps 3 to 4")
    assert time_segments(series, length=3, by_channel=True).names[2] == "channel 1, steps 0 to 2"


@pytest.mark.parametrize(
    ("shape", "keywords", "message"),
    [
        pytest.param((2, 5), {}, "either segments or length", id="neither"),
        pytest.param((2, 5), {"segments": 2, "length": 2}, "either segments or length", id="both"),
        pytest.param((2, 5), {"segments": 6}, "1 to 5 segments of 5 steps, got 6", id="too-many"),
        pytest.param((2, 5), {"length": 0}, "segments of 1 to 5 steps, got 0", id="no-length"),
        pytest.param((2, 5), {"length": 2, "by_channel": True}, "for by_channel", id="no-channels"),
        pytest.param((5,), {"length": 2}, r"\(rows, channels, time\)", id="no-rows"),
        pytest.param((2, 3, 0), {"length": 2}, r"got \(2, 3, 0\)", id="no-steps"),
    ],
)
def test_series_that_do_not_fit_are_refused(shape: tuple[int, ...], keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        time_segments(torch.zeros(shape), **keywords)
