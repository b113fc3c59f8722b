"""Shares of cells add up to the contributions of players."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auditbench.masking import NOBODY, Players, superpixels, time_segments, token_players
from auditbench.masking.cells import cell_shares, player_sums


def test_the_pixels_of_a_region_share_its_contribution_whatever_their_channels() -> None:
    images = torch.rand(2, 3, 6, 4, generator=torch.Generator().manual_seed(0))
    players = superpixels(images, method="grid", count=6)
    values = np.random.default_rng(0).normal(size=(2, 3, len(players)))
    shares = cell_shares(values, players, channels=True)
    assert shares.shape == (2, 3, 6, 4)
    for player in range(len(players)):
        inside = (players.groups[0] == player).numpy()
        np.testing.assert_allclose(shares[:, :, inside].sum(axis=2), values[:, :, player])
        assert np.ptp(shares[0, 0, inside]) == 0


def test_cells_of_nobody_have_no_share() -> None:
    players = token_players(np.array([[5, 6, 7, 0], [5, 0, 0, 0]]), words=[[0, 0, 1, None], [0, None, None, None]])
    shares = cell_shares(np.array([[[4.0, 1.0]], [[2.0, 0.0]]]), players, channels=False)
    np.testing.assert_array_equal(shares[:, 0], [[2, 2, 1, 0], [2, 0, 0, 0]])
    assert players.groups[1, 1] == NOBODY


def test_steps_of_a_series_have_shares_in_each_channel() -> None:
    series = torch.zeros(3, 2, 10)
    players = time_segments(series, segments=3, by_channel=True)
    values = np.random.default_rng(1).normal(size=(3, 1, 6))
    shares = cell_shares(values, players, channels=False)
    assert shares.shape == (3, 1, 2, 10)
    np.testing.assert_allclose(shares.sum(axis=(2, 3)), values.sum(axis=2))


def test_sums_of_many_regions_of_large_images_take_no_more_memory_than_the_images() -> None:
    import tracemalloc

    shares = np.ones((4, 2, 224, 224))
    owners = np.broadcast_to(np.arange(224 * 224).reshape(224, 224) // 49, (4, 224, 224))
    tracemalloc.start()
    found = player_sums(shares, owners, 1024)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found == 49).all()
    assert most < 4 * shares.nbytes


@settings(max_examples=100, deadline=None)
@given(data=st.data(), rows=st.integers(1, 4), cells=st.integers(1, 12))
def test_shares_sum_to_the_contributions(data: st.DataObject, rows: int, cells: int) -> None:
    owners = np.array(
        data.draw(
            st.lists(st.lists(st.integers(NOBODY, 3), min_size=cells, max_size=cells), min_size=rows, max_size=rows)
        )
    )
    players = Players(names=("a", "b", "c", "d"), groups=torch.from_numpy(owners), per_row=True)
    values = np.random.default_rng(rows).normal(size=(rows, 2, 4))
    present = (owners[:, :, np.newaxis] == np.arange(4)).any(axis=1)
    found = player_sums(cell_shares(values, players, channels=False), owners, 4)
    np.testing.assert_allclose(found, values * present[:, np.newaxis], atol=1e-12)
