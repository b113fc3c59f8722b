"""Tables to explain: a small trained network each, 100 background rows, and held-out rows.

The clock and the peers see a workload through its counters; ours report their model rows themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.training import trained

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import nn

    Rows = npt.NDArray[np.float32]

BACKGROUND_ROWS = 100
TABLES = ("syn12", "bc30", "syn100")
EXPLAINED_ROWS = 2000


@dataclass(slots=True, kw_only=True, eq=False)
class Counter:
    """Rows that a model evaluated since the count was last taken."""

    rows: int = 0

    def take(self) -> int:
        """The count, which starts again at 0."""
        count, self.rows = self.rows, 0
        return count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A model of a table and its rows.

    Attributes:
        model: From `(rows, features)` to `(rows, 1)`, on `device`.
        training: Shape `(training rows, features)`.
        background: Shape `(100, features)`, of the training rows.
        rows: Held-out rows, shape `(2000, features)`; repeated where the data set has fewer, as the 190 of `bc30` are.
        device: `cpu` or `cuda`.
        counter: Counts what `predict` and `counted_model` evaluate.
    """

    name: str
    model: nn.Module
    training: Rows
    background: Rows
    rows: Rows
    device: str = "cpu"
    counter: Counter = field(default_factory=Counter)

    @property
    def features(self) -> int:
        """How many features a row has; each is a player."""
        return int(self.rows.shape[1])

    @property
    def baseline(self) -> Rows:
        """The mean background row, shape `(1, features)`."""
        import numpy as np

        return np.asarray(self.background.mean(axis=0, keepdims=True))

    def targets(self, rows: int) -> int:
        """The explained output of each of the first rows."""
        return 0

    def predict(self, rows: npt.NDArray[np.float64] | Rows) -> npt.NDArray[np.float32]:
        """The model as a black box: numbers in, shape `(rows, features)`, and outputs out, shape `(rows,)`."""
        import numpy as np
        import torch

        self.counter.rows += len(rows)
        given = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32)).to(self.device)
        with torch.inference_mode():
            outputs: npt.NDArray[np.float32] = self.model(given)[:, 0].cpu().numpy()
        return outputs

    def predict_in_batches(self, rows: npt.NDArray[np.float64] | Rows) -> npt.NDArray[np.float32]:
        """The same, 1,024 rows at a time, which keeps the rows in the processor's cache."""
        import numpy as np

        return np.concatenate([self.predict(rows[start : start + 1024]) for start in range(0, len(rows), 1024)])

    def counted_model(self) -> nn.Module:
        """The model as a module whose rows are counted."""
        return counted(self.model, self.counter)

    def tensor(self, rows: Rows) -> torch.Tensor:
        """Rows on the device."""
        import torch

        return torch.from_numpy(rows).to(self.device)


@cache
def table(name: str, device: str = "cpu") -> Table:
    """One of `TABLES`."""
    import numpy as np

    inputs, classes = _breast_cancer() if name == "bc30" else _synthetic(int(name.removeprefix("syn")))
    fitted = min(4000, 2 * len(inputs) // 3)
    model = trained(name, lambda: _network(inputs.shape[1]), inputs[:fitted], classes[:fitted], epochs=30)
    held_out = inputs[fitted:]
    return Table(
        name=name,
        model=model.to(device),
        training=inputs[:fitted],
        background=inputs[:BACKGROUND_ROWS].copy(),
        rows=held_out[np.arange(EXPLAINED_ROWS) % len(held_out)],
        device=device,
    )


def counted(model: nn.Module, counter: Counter) -> nn.Module:
    """A module that does what `model` does and counts the rows it is given."""
    from torch import nn

    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            counter.rows += len(rows)
            outputs: torch.Tensor = self.model(rows)
            return outputs

    return Counted().eval()


def _network(features: int) -> nn.Module:
    from torch import nn

    return nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))


def _breast_cancer() -> tuple[Rows, npt.NDArray[np.int64]]:
    """The 569 rows of the Wisconsin diagnostic data, standardised and shuffled."""
    import numpy as np
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(data.data))
    raw = data.data[order]
    return ((raw - raw.mean(axis=0)) / raw.std(axis=0)).astype(np.float32), data.target[order].astype(np.int64)


def _synthetic(features: int) -> tuple[Rows, npt.NDArray[np.int64]]:
    """Independent normal features; the class is the sign of effects of all, products of pairs, and one product of three."""
    import numpy as np

    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((6000, features)).astype(np.float32)
    scores = inputs @ rng.standard_normal(features).astype(np.float32)
    half = inputs[:, : features // 2]
    scores += (half[:, 0::2] * half[:, 1::2]).sum(axis=1) + inputs[:, 0] * inputs[:, 3] * inputs[:, 5]
    return inputs, (scores > 0).astype(np.int64)
