"""What stands in for hidden players, against loops over entries and scipy's Gaussian filter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from auditbench.masking import (
    NOBODY,
    BackgroundRows,
    Baseline,
    Blur,
    Masker,
    MaskToken,
    Players,
    SegmentMean,
    players_of,
    superpixels,
    time_segments,
    token_players,
)

SIDES = st.integers(1, 7)
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def entries(rows: torch.Tensor) -> Players:
    return players_of(None, tuple(rows.shape[1:]))


def mean_by_loops(rows: torch.Tensor, players: Players, channel_axis: int | None) -> npt.NDArray[np.float64]:
    """Each entry replaced by the mean of the entries of its row, its player and its channel, one entry at a time."""
    values = rows.double().numpy()
    groups = players.groups.expand(rows.shape).numpy()
    replaced = values.copy()
    for place in np.ndindex(values.shape):
        if groups[place] != NOBODY:
            same = (
                other
                for other in np.ndindex(values.shape)
                if other[0] == place[0]
                and groups[other] == groups[place]
                and (channel_axis is None or other[channel_axis] == place[channel_axis])
            )
            replaced[place] = math.fsum(members := [values[other] for other in same]) / len(members)
    return replaced


def test_a_background_stands_in_for_all_rows_alike() -> None:
    background = numbers(4, 3).float()
    found = BackgroundRows(background=background).replacements(rows := numbers(2, 3), entries(rows))
    assert found.shape == (1, 4, 3)
    assert found.dtype == rows.dtype
    assert torch.equal(found[0].float(), background)


def test_a_baseline_is_one_row_for_all() -> None:
    baseline = numbers(3, 4)
    found = Baseline(baseline=baseline).replacements(rows := numbers(2, 3, 4).float(), entries(rows))
    assert found.shape == (1, 1, 3, 4)
    assert found.dtype == rows.dtype
    assert torch.equal(found[0, 0], baseline.float())


@given(
    height=SIDES,
    width=SIDES,
    channels=st.integers(1, 3),
    sigma=st.floats(0.05, 6.0),
    channel_axis=st.sampled_from([1, -1]),
    seed=st.integers(0, 99),
)
def test_blur_is_the_gaussian_filter_of_scipy_with_the_nearest_mode(
    height: int, width: int, channels: int, sigma: float, channel_axis: int, seed: int
) -> None:
    rows = numbers(2, channels, height, width, seed=seed).movedim(1, channel_axis)
    found = Blur(sigma=sigma, channel_axis=channel_axis).replacements(rows, entries(rows))
    axes = (2, 3) if channel_axis == 1 else (1, 2)
    expected = gaussian_filter(rows.numpy(), sigma, mode="nearest", truncate=4.0, axes=axes)
    assert found.shape == (2, 1, *rows.shape[1:])
    np.testing.assert_allclose(found[:, 0].numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "channel_axis", "axes"),
    [
        pytest.param((3, 12), None, (1,), id="series"),
        pytest.param((3, 2, 12), 1, (2,), id="series-of-channels"),
        pytest.param((3, 6, 5), None, (1, 2), id="greyscale-images"),
        pytest.param((2, 2, 4, 5, 3), 1, (2, 3, 4), id="volumes"),
    ],
)
def test_blur_leaves_rows_and_channels_apart(
    shape: tuple[int, ...], channel_axis: int | None, axes: tuple[int, ...]
) -> None:
    rows = numbers(*shape)
    found = Blur(sigma=1.3, channel_axis=channel_axis).replacements(rows, entries(rows))
    expected = gaussian_filter(rows.numpy(), 1.3, mode="nearest", axes=axes)
    np.testing.assert_allclose(found[:, 0].numpy(), expected, rtol=0, atol=1e-12)


def test_blur_keeps_a_plain_image_and_nears_the_mean_of_a_striped_one() -> None:
    plain = torch.full((1, 1, 9, 9), 0.7)
    striped = (torch.arange(64) % 2).float().expand(1, 1, 64, 64)
    assert Blur(sigma=3.0).replacements(plain, entries(plain)).sub(0.7).abs().max() < 1e-6
    inner = Blur(sigma=3.0).replacements(striped, entries(striped))[..., 20:-20]
    assert inner.sub(0.5).abs().max() < 1e-4


@given(data=st.data(), rows=st.integers(1, 3), per_row=st.booleans(), channel_axis=st.sampled_from([1, -1, None]))
@settings(max_examples=60)
def test_the_mean_of_segments_matches_a_loop_over_entries(
    data: st.DataObject, rows: int, per_row: bool, channel_axis: int | None
) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 4)] * data.draw(st.integers(2, 3))))
    size = math.prod(shape) * (rows if per_row else 1)
    owners = data.draw(st.lists(st.integers(NOBODY, 3), min_size=size, max_size=size))
    groups = torch.tensor(owners).view(rows, *shape) if per_row else torch.tensor(owners).view(shape)
    players = Players(names=tuple("abcd"), groups=groups, per_row=per_row)
    values = numbers(rows, *shape, seed=size)
    found = SegmentMean(channel_axis=channel_axis).replacements(values, players)
    assert found.shape == (rows, 1, *shape)
    np.testing.assert_allclose(
        found[:, 0].numpy(), mean_by_loops(values, players, channel_axis), rtol=1e-12, atol=1e-14
    )


def test_the_mean_of_superpixels_and_of_segments_is_taken_by_channel() -> None:
    images, series = numbers(2, 3, 8, 8), numbers(2, 3, 10)
    tiles, together = superpixels(images, method="grid", count=4), time_segments(series, length=4)
    apart = time_segments(series, length=4, by_channel=True)
    of_images = SegmentMean().replacements(images, tiles)[:, 0]
    of_series = SegmentMean().replacements(series, together)[:, 0]
    np.testing.assert_allclose(of_images[1, 2, :4, 4:].numpy(), images[1, 2, :4, 4:].mean().item())
    np.testing.assert_allclose(of_series[0, 1, 8:].numpy(), series[0, 1, 8:].mean().item())
    assert torch.equal(SegmentMean().replacements(series, apart)[:, 0], of_series)


def test_the_mean_of_segments_leaves_what_belongs_to_nobody() -> None:
    rows = torch.tensor([[1.0, 2.0, 5.0, 100.0]])
    found = SegmentMean(channel_axis=None).replacements(rows, players_of([[0, 1, 2]], (4,)))
    assert found.tolist() == [[[pytest.approx(8 / 3), pytest.approx(8 / 3), pytest.approx(8 / 3), 100.0]]]


def test_the_mean_of_many_small_numbers_does_not_drift_in_single_precision() -> None:
    rows = torch.full((1, 1, 1 << 20), 0.1)
    found = SegmentMean().replacements(rows, time_segments(rows, segments=1))
    assert torch.equal(found[:, 0], rows)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("masker", [Blur(sigma=1.0), SegmentMean()], ids=["blur", "mean"])
def test_floating_rows_keep_their_dtype(masker: Masker, dtype: torch.dtype) -> None:
    rows = numbers(2, 1, 6, 6)
    players = superpixels(rows, method="grid", count=4)
    found = masker.replacements(rows.to(dtype), players)
    assert found.dtype == dtype
    tolerance = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(found.double(), masker.replacements(rows, players), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64], ids=str)
def test_a_mask_token_stands_in_for_every_token_and_special_ones_stay(dtype: torch.dtype) -> None:
    ids = torch.tensor([[101, 7, 8, 102], [101, 9, 102, 0]], dtype=dtype)
    players = token_players(ids, special=(0, 101, 102))
    found = MaskToken(token_id=103).replacements(ids, players)
    assert found.dtype == dtype
    assert found.tolist() == [[[103] * 4]]
    kept = players.kept_entries(torch.tensor([[False, True], [False, False]]))
    masked = torch.where(kept, ids.unsqueeze(1), found)
    assert masked.tolist() == [
        [[101, 103, 8, 102], [101, 103, 103, 102]],
        [[101, 103, 102, 0], [101, 103, 102, 0]],
    ]


@pytest.mark.parametrize("masker", [Blur(sigma=1.0), SegmentMean(), SegmentMean(channel_axis=None)])
def test_the_rows_are_left_as_they_were_and_nothing_shares_their_memory(masker: Masker) -> None:
    rows = numbers(2, 2, 5, 5)
    before = rows.clone()
    found = masker.replacements(rows, superpixels(rows, method="grid", count=4))
    found.zero_()
    assert torch.equal(rows, before)


@pytest.mark.parametrize(
    ("masker", "rows", "message"),
    [
        pytest.param(
            Blur(sigma=1.0), torch.zeros(1, 1, 4, dtype=torch.uint8), "floating numbers for a blur", id="bytes"
        ),
        pytest.param(Blur(sigma=1.0), torch.zeros(2, 4), "None for rows without channels; got 1", id="blur-of-a-table"),
        pytest.param(Blur(sigma=1.0, channel_axis=2), torch.zeros(1, 2, 3, 4), "got 2", id="blur-axis"),
        pytest.param(SegmentMean(), torch.zeros(2, 4), "None for rows without channels; got 1", id="mean-of-a-table"),
        pytest.param(SegmentMean(), torch.zeros(1, 1, 4, dtype=torch.int64), "for a mean of segments", id="tokens"),
        pytest.param(MaskToken(token_id=3), torch.zeros(1, 4), "whole token ids for a mask token", id="numbers"),
        pytest.param(MaskToken(token_id=-1), torch.zeros(1, 4, dtype=torch.int64), "got -1", id="negative"),
        pytest.param(MaskToken(token_id=300), torch.zeros(1, 4, dtype=torch.uint8), "torch.uint8 holds", id="too-big"),
    ],
)
def test_rows_that_a_masker_cannot_hide_are_refused(masker: Masker, rows: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        masker.replacements(rows, entries(rows))


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.inf, math.nan])
def test_a_blur_needs_a_positive_width(sigma: float) -> None:
    with pytest.raises(ValueError, match="positive and finite sigma"):
        Blur(sigma=sigma)


@pytest.mark.gpu
@pytest.mark.parametrize("masker", [Blur(sigma=1.5), SegmentMean()], ids=["blur", "mean"])
def test_a_gpu_gives_what_the_cpu_gives(masker: Any) -> None:
    rows = numbers(3, 3, 16, 12).float()
    players = superpixels(rows, count=9)
    on_gpu = superpixels(rows.cuda(), count=9)
    assert on_gpu.groups.is_cuda
    assert torch.equal(on_gpu.groups.cpu(), players.groups)
    found = masker.replacements(rows.cuda(), on_gpu)
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), masker.replacements(rows, players), rtol=1e-6, atol=1e-6)
