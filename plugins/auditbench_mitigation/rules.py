"""`Rule`: how rows would be decided, one point of the frontier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.findings import Message

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_mitigation import Method

    Numbers: TypeAlias = npt.NDArray[np.float64]

AS_IS = "as-is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """One way in which rows of a group are decided, out of those that one is drawn from for each row.

    Attributes:
        group: Place of the group.
        share: Probability that this way is drawn.
        above: Scores above this are decided as positive, infinite for all or none; None where it is by chance alone.
        chance: Probability of a positive decision where it is by chance alone.
    """

    group: int
    share: float
    above: float | None
    chance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """How each evaluated row is decided.

    Attributes:
        method: `as-is` for the model as it is.
        allowed: Gap that it may leave where it was fitted; None for one that allows none to be chosen.
        chance: Probability that a row is decided as positive, shape `(rows,)`: 0 or 1 but where decisions are drawn.
        networks: How many the decisions come from.
        thresholds: Those of its groups, where they have their own.
    """

    method: str
    allowed: float | None = None
    chance: Numbers
    networks: int = 1
    thresholds: tuple[Threshold, ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """What tells it from the others, as metrics say it."""
        gap = {} if self.allowed is None else {"allowed_gap": f"{self.allowed:g}"}
        return {"method": self.method, **gap}

    def decided(self, draws: Numbers) -> npt.NDArray[np.bool_]:
        """Decisions of the rows, by one number a row between 0 and 1 that is the same for every rule."""
        return np.asarray(draws < self.chance, dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """A method that gave no rule, and why."""

    method: Method
    reason: Message
