"""Networks of Keras against the same networks without Keras: written out in torch from the bare arrays of their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.keras_networks import KERAS2, OF_KERAS, image, opened, raw_rows

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.filterwarnings(OF_KERAS)

Arrays = dict[str, torch.Tensor]


def arrays_of(path: Path) -> Arrays:
    """Every array of a file of Keras 2, by the names of its layer and of itself, without Keras's `:0`."""
    found: Arrays = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name.startswith("model_weights/"):
            _, layer, *_, own = name.split("/")
            found[f"{layer}/{own.removesuffix(':0')}"] = torch.tensor(item[()])

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


def mini_xception(arrays: Arrays, faces: torch.Tensor) -> torch.Tensor:
    """The network of `emotion_model.hdf5`: arXiv:1710.07557, figure 2, with 8 to 128 channels; probabilities of 7 emotions."""

    def convolved(rows: torch.Tensor, name: str, *, stride: int = 1, pad: int = 0) -> torch.Tensor:
        return functional.conv2d(rows, arrays[f"{name}/kernel"].permute(3, 2, 0, 1), stride=stride, padding=pad)

    def separated(rows: torch.Tensor, name: str) -> torch.Tensor:
        depthwise = arrays[f"{name}/depthwise_kernel"].permute(2, 3, 0, 1)
        rows = functional.conv2d(rows, depthwise, padding=1, groups=len(depthwise))
        return functional.conv2d(rows, arrays[f"{name}/pointwise_kernel"].permute(3, 2, 0, 1))

    def normed(rows: torch.Tensor, name: str) -> torch.Tensor:
        mean, variance = arrays[f"{name}/moving_mean"], arrays[f"{name}/moving_variance"]
        return functional.batch_norm(rows, mean, variance, arrays[f"{name}/gamma"], arrays[f"{name}/beta"], eps=1e-3)

    rows = torch.relu(normed(convolved(faces, "conv2d_1"), "batch_normalization_1"))
    rows = torch.relu(normed(convolved(rows, "conv2d_2"), "batch_normalization_2"))
    for block in range(4):
        side = normed(convolved(rows, f"conv2d_{block + 3}", stride=2), f"batch_normalization_{3 * block + 3}")
        rows = normed(separated(rows, f"separable_conv2d_{2 * block + 1}"), f"batch_normalization_{3 * block + 4}")
        rows = normed(
            separated(torch.relu(rows), f"separable_conv2d_{2 * block + 2}"), f"batch_normalization_{3 * block + 5}"
        )
        # `same` of a window of 3 and a stride of 2 fills in behind an even side, and on both ends of an odd one.
        before = rows.shape[-1] % 2
        rows = functional.pad(rows, (before, 1, before, 1), value=-torch.inf)
        rows = functional.max_pool2d(rows, 3, 2) + side
    last = functional.conv2d(rows, arrays["conv2d_7/kernel"].permute(3, 2, 0, 1), arrays["conv2d_7/bias"], padding=1)
    return torch.softmax(last.mean(dim=(2, 3)), dim=1)


def test_a_network_of_2017_written_out() -> None:
    arrays = arrays_of(KERAS2 / "emotion_model.hdf5")
    assert sum(array.numel() for array in arrays.values()) == 58_423
    inputs = {"image": image(1, 64, 64)}
    model = opened(
        KERAS2 / "emotion_model.hdf5", inputs, task="multiclass-classification", outputs=7, output="probability"
    )
    rows = raw_rows(inputs, rows=5)
    expected = mini_xception(arrays, torch.tensor(rows["image"])).numpy()
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(model.predict(rows), expected, atol=1e-5)
