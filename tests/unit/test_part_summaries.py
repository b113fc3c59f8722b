"""Means of the regions of a grid: each goes by the place that it has in the image."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from auditbench.data.inputs import ImageInput
from auditbench.masking.player_params import PlayerParams
from auditbench.masking.summaries import part_metrics
from auditbench.results import Attribution


@pytest.mark.parametrize(("height", "width", "down", "across"), [(8, 8, 2, 2), (6, 12, 2, 4), (12, 6, 4, 2)])
def test_regions_of_a_grid_go_by_row_and_column(height: int, width: int, down: int, across: int) -> None:
    """The region whose pixels alone contribute is the one that is named."""
    item = ImageInput(channels=1, height=height, width=width, mean=(0.0,), scale=(1.0,))
    tall, wide = height // down, width // across
    for row in range(down):
        for column in range(across):
            values = np.zeros((2, 1, height, width))
            values[:, :, row * tall : (row + 1) * tall, column * wide : (column + 1) * wide] = 1.0
            found = named(item, values, down * across)
            assert len(found) == down * across
            assert {name for name, mean in found.items() if mean} == {f"grid row {row + 1}, column {column + 1}"}


def named(item: ImageInput, values: Any, regions: int) -> dict[str, float | None]:
    attribution = Attribution(
        name="a", method="shap.interventional", values=values, player_names=(), target_names=("yes",),
        base_values=np.zeros((2, 1)), outputs=np.zeros((2, 1)), row_ids=("1", "2"), additive=False, unit="logit",
        model_rows=1,
    )  # fmt: skip
    task = SimpleNamespace(counted=slice(0, 2), rows=_Rows())
    context = SimpleNamespace(model=SimpleNamespace(inputs={"image": item}), rng=lambda name: np.random.default_rng(0))
    params = PlayerParams(superpixels="grid", regions=regions)
    metrics = part_metrics("shap", cast("Any", context), attribution, cast("Any", task), params)
    return {metric.where["feature"]: metric.value for metric in metrics}


class _Rows:
    def __len__(self) -> int:
        return 2

    def take(self, _chosen: Any) -> _Rows:
        return self
