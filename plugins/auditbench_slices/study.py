"""What was searched and what came of it, for all that is said about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditbench.findings import Message

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench_slices import Params
    from auditbench_slices.confirming import Tested
    from auditbench_slices.detectable import Detectable
    from auditbench_slices.losses import Losses

ANALYZER = "slices"
SMALLEST_SHOWN = 10
"""Rows below which no text gives their number: it could point at persons."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """A search on the first half, and the tests on the second.

    Attributes:
        columns: That were searched; `paired` how many of them in pairs.
        slices: That were tested on the first half; `worse` those significant there.
        tested: What the second half says of those that were kept.
        losses: Of all evaluated rows.
        second: Which of these are of the second half, shape `(rows,)`.
        detectable: What the search would have found.
        positive: Label of the positive class of a binary task, at a predicted probability of at least `threshold`.
    """

    params: Params
    columns: int
    paired: int
    slices: int
    worse: int
    tested: tuple[Tested, ...]
    losses: Losses
    second: npt.NDArray[np.bool_]
    detectable: tuple[Detectable, ...]
    positive: str = ""
    threshold: float = 0.5

    @property
    def halves(self) -> tuple[int, int]:
        """Rows of the first and of the second half."""
        second = int(self.second.sum())
        return len(self.second) - second, second

    @property
    def confirmed(self) -> tuple[Tested, ...]:
        """The slices that the second half confirms."""
        return tuple(each for each in self.tested if each.is_confirmed(self.params.confirmation_rate))

    def about_loss(self, key: str, **values: bool | float | str | None) -> Message:
        """A sentence that names the loss; of decisions of a binary task also the positive label and the threshold."""
        if self.losses.name == "wrong" and self.positive:
            rule: dict[str, float | str] = {"positive": self.positive, "threshold": self.threshold}
            return message(f"{key}.wrong_binary", **values, **rule)
        return message(f"{key}.{self.losses.name}", **values)


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)
