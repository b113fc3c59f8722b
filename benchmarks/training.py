"""Small classifiers, trained the same way each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.cache import kept, key_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import nn

BATCH = 64


def trained(
    name: str,
    build: Callable[[], nn.Module],
    inputs: npt.NDArray[np.float32] | npt.NDArray[np.int64],
    classes: npt.NDArray[np.int64],
    *,
    epochs: int,
    rate: float = 1e-3,
) -> nn.Module:
    """A frozen module in evaluation mode, fitted by Adam on cross-entropy from seed 0; its weights are kept on disk.

    Args:
        build: Makes the module; one output is the log-odds of class 1, several are the logits of the classes.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build()
        key = key_of(inputs, classes, also=(epochs, rate, repr(module), torch.__version__))
        weights = kept(f"model-{name}", key, lambda: _fit(module, inputs, classes, epochs, rate))
    module.load_state_dict({part: torch.from_numpy(values) for part, values in weights.items()})
    return module.eval().requires_grad_(False)


def _fit(
    module: nn.Module,
    inputs: npt.NDArray[np.float32] | npt.NDArray[np.int64],
    classes: npt.NDArray[np.int64],
    epochs: int,
    rate: float,
) -> dict[str, npt.NDArray[np.float32]]:
    import torch
    import torch.nn.functional as F

    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    x, y = torch.from_numpy(inputs), torch.from_numpy(classes)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(BATCH):
            logits = module(x[batch])
            if logits.shape[1] == 1:
                loss = F.binary_cross_entropy_with_logits(logits[:, 0], y[batch].float())
            else:
                loss = F.cross_entropy(logits, y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return {part: values.detach().numpy().copy() for part, values in module.state_dict().items()}
