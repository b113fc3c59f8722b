"""The exponentiated gradient reduction: fairlearn asks for networks on other labels and weights, and mixes them.

Source: Agarwal, Beygelzimer, Dudík, Langford and Wallach (2018), arXiv:1803.02453; fairlearn's `ExponentiatedGradient`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench_mitigation.rules import Rule

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_mitigation.grouping import Codes, Mask
    from auditbench_mitigation.rules import Numbers

ITERATIONS = 10
"""Of the gradient at most, for each allowed gap; most of them ask for networks that are there."""
LEAST_WEIGHT = 1e-12
"""Weights below this count as 0, which training takes them for anyhow."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """Networks that were trained so far, which all points of the frontier share.

    Once `most` of them are there, the best of them for the asked labels and weights stands in for one more: the reduction
    then searches their mixtures alone.

    Attributes:
        train: From labels and weights of all background rows to the decisions of a network on the background rows and,
            behind them, on the evaluated rows, shape `(background rows + rows,)`.
        labels: Of the background rows.
        constrained: Which of them are of groups that are brought nearer to each other; the others keep label and weight.
    """

    train: Callable[[Codes, Numbers], Codes]
    labels: Codes
    constrained: Mask
    most: int
    decisions: list[Codes] = field(default_factory=list)
    known: dict[bytes, Codes] = field(default_factory=dict)

    def of(self, labels: Codes, weights: Numbers) -> Codes:
        """Decisions of the network for these labels and weights of the constrained rows."""
        wanted, counted = self.labels.copy(), np.ones(len(self.labels))
        wanted[self.constrained] = labels
        counted[self.constrained] = np.where(weights < LEAST_WEIGHT, 0.0, weights)
        key = hashlib.sha256(wanted.tobytes() + counted.tobytes()).digest()
        if key not in self.known:
            if len(self.decisions) < self.most:
                self.decisions.append(self.train(wanted, counted))
                self.known[key] = self.decisions[-1]
            else:
                self.known[key] = min(self.decisions, key=lambda each: float(counted @ (each[: len(wanted)] != wanted)))
        return self.known[key]


class Oracle:
    """What fairlearn takes for an estimator: its rows are positions of background rows, and evaluated rows behind them."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._decisions: Codes | None = None

    def __sklearn_clone__(self) -> Oracle:
        return Oracle(self._networks)

    def fit(self, rows: Any, labels: npt.ArrayLike, sample_weight: npt.ArrayLike) -> Oracle:
        """Take the network for these labels and weights."""
        weights = np.asarray(sample_weight, dtype=np.float64)
        self._decisions = self._networks.of(np.asarray(labels, dtype=np.int64), weights)
        return self

    def predict(self, rows: npt.ArrayLike) -> Codes:
        """Decisions on rows of one column, their positions."""
        if self._decisions is None:
            raise ValueError("expected `fit` before `predict`")
        return self._decisions[np.asarray(rows)[:, 0].astype(np.int64)]


def reduction_rules(
    networks: Networks, of_background: Codes, *, rows: int, constraint: str, allowed_gaps: tuple[float, ...]
) -> Iterator[Rule]:
    """A rule for each allowed gap, the strictest first: it needs networks that the others can use.

    Args:
        of_background: Group of each background row.
        rows: Evaluated rows.
    """
    from fairlearn.reductions import DemographicParity, EqualizedOdds, ExponentiatedGradient

    moment = EqualizedOdds if constraint == "equalized_odds" else DemographicParity
    places = np.flatnonzero(networks.constrained)
    evaluated = np.arange(len(networks.labels), len(networks.labels) + rows)
    for allowed in sorted(allowed_gaps):
        gradient = ExponentiatedGradient(Oracle(networks), moment(difference_bound=allowed), max_iter=ITERATIONS)
        gradient.fit(places[:, np.newaxis], networks.labels[places], sensitive_features=of_background[places])
        chosen = [(gradient.predictors_[place], share) for place, share in gradient.weights_.items() if share > 0]
        chance = sum(share * predictor.predict(evaluated[:, np.newaxis]) for predictor, share in chosen)
        chance = np.clip(np.round(chance, 12), 0.0, 1.0)
        yield Rule(method="reduction", allowed=allowed, chance=chance, networks=len(chosen))
