"""Explainers of the shap library that hide columns of a table and call the model on what remains.

`exact`, `kernel`, `permutation` and `sampling` estimate Shapley values, `partition` Owen values.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.masking import NOBODY
from auditbench_shap.library_task import Found, Numbers, Task, check_shapes, numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.masking import Players

MOST_ENUMERATED = 20
"""Most features of `exact`, which holds all 2^features coalitions."""

MOST_DISTINCT = 99_999
"""Most distinct numbers a column of rows and background: codes that the library tells apart."""

ROUNDS, PARTITION_COALITIONS = 10, 500
"""Of `permutation` and `partition`, the library's defaults."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    """What the library is given.

    Attributes:
        predict: The model as a function of codes, to shape `(rows, targets)`.
        rows: Codes, shape `(rows, features)`.
        background: Codes, shape `(background rows, features)`.
        numbers: What the codes of the background stand for.
    """

    predict: Callable[[Numbers], Numbers]
    rows: Numbers
    background: Numbers
    numbers: npt.NDArray[Any]

    @property
    def features(self) -> int:
        return int(self.rows.shape[1])

    def masker(self) -> Any:
        import shap

        return shap.maskers.Independent(self.background, max_samples=len(self.background))

    def by_row(self, explainer: Any, max_evals: int) -> tuple[Numbers, Numbers]:
        """Values and base values, one call a row.

        Given several rows, shap 0.51 also evaluates main effects, unasked, for each row after the first.
        """
        found = [explainer(self.rows[i : i + 1], max_evals=max_evals, silent=True) for i in range(len(self.rows))]
        values = np.stack([np.asarray(one.values, dtype=np.float64) for one in found])
        base = np.stack([np.asarray(one.base_values, dtype=np.float64) for one in found])
        return values.reshape(*self.rows.shape, -1), base.reshape(len(self.rows), -1)


def kernel(task: Task) -> Found:
    """Regression on coalitions, without the selection of 10 features that is the library's default."""
    import shap

    table = _table(task)
    players, data = _grouped(task.groups, table.background)
    explainer = shap.KernelExplainer(table.predict, data)
    cost = len(table.background)
    coalitions = task.affordable(default=2 * players + 2048, fewest=2 * players, cost=cost, once=1)
    values = explainer.shap_values(table.rows, nsamples=coalitions, l1_reg=0, silent=True)
    return Found(values=np.reshape(values, (len(table.rows), players, -1)), base_value=explainer.expected_value)


def permutation(task: Task) -> Found:
    """One call a round, each with orders of its own, so that rounds are independent and their spread is known."""
    import shap

    table = _table(task)
    orders = 2 * table.features + 1
    rounds = task.affordable(default=ROUNDS, fewest=1, cost=orders * len(table.background))
    seed = int(np.random.randint(2**31))  # noqa: NPY002 - without one the library seeds numpy anew, from anywhere
    explainer = shap.PermutationExplainer(table.predict, table.masker(), seed=seed)
    drawn, base_values = zip(*(table.by_row(explainer, orders) for _ in range(rounds)), strict=True)
    values = np.stack(drawn)
    spread = values.std(axis=0, ddof=1) / np.sqrt(rounds) if rounds > 1 else None
    return Found(values=values.mean(axis=0), base_value=base_values[0], standard_error=spread)


def sampling(task: Task) -> Found:
    """Draws of a feature's contribution after a random order of the others, most where they vary most."""
    import shap

    table = _table(task)
    explainer = shap.SamplingExplainer(table.predict, table.background)
    samples = task.affordable(default=1000 * table.features, fewest=2 * table.features, cost=2, once=1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", category=RuntimeWarning, module=r"shap\.explainers\._sampling")
            values = explainer.shap_values(table.rows, nsamples=samples - samples % 2, silent=True)
    except RuntimeWarning as error:
        raise ValueError(
            "expected outputs that all vary for shap.sampling, which divides by the variance of each, got one that does "
            "not; explain the other outputs alone, or use shap.permutation"
        ) from error
    return Found(values=np.reshape(values, (*table.rows.shape, -1)), base_value=explainer.expected_value)


def exact(task: Task) -> Found:
    """All coalitions."""
    import shap

    table = _table(task)
    if table.features > MOST_ENUMERATED:
        raise ValueError(f"expected at most {MOST_ENUMERATED} features for shap.exact, got {table.features}")
    coalitions = 2**table.features
    task.affordable(default=1, fewest=1, cost=coalitions * len(table.background))
    values, base_value = table.by_row(shap.ExactExplainer(table.predict, table.masker()), coalitions)
    return Found(values=values, base_value=base_value, standard_error=np.zeros_like(values))


def partition(task: Task) -> Found:
    """Owen values along the hierarchy; what the budget does not reach is shared equally below the last clusters reached."""
    import shap

    table = _table(task)
    if table.features < 2 or len(table.background) < 2:
        raise ValueError(
            "expected at least 2 features and 2 background rows for shap.partition, which clusters features by their "
            f"correlation, got {table.features} and {len(table.background)}"
        )
    coalitions = task.affordable(default=PARTITION_COALITIONS, fewest=4, cost=len(table.background))
    clustering = _clustering(table.numbers.astype(np.float64))
    masker = shap.maskers.Partition(table.background, max_samples=len(table.background), clustering=clustering)
    values, base_value = table.by_row(shap.PartitionExplainer(table.predict, masker), coalitions)
    return Found(values=values, base_value=base_value)


def _table(task: Task) -> _Table:
    """Codes of equal numbers, column by column, which the model gets as the numbers that they stand for.

    The library takes numbers that differ by 1e-8 or by a part in 1e5 for equal, and their columns for absent: small
    units, or dates in seconds. It only ever mixes rows with the background, so that codes serve it as well.
    """
    prediction = task.predicted()
    given, background = numbers(task.rows), numbers(task.background)
    check_shapes(task.name, given, background)
    if given.ndim != 2:
        raise ValueError(f"expected rows of shape (rows, features) for {task.name}, got {given.shape}")
    distinct, codes = zip(
        *(np.unique(column, return_inverse=True) for column in np.concatenate([given, background]).T), strict=True
    )
    if max(map(len, distinct)) > MOST_DISTINCT:
        raise ValueError(
            f"expected at most {MOST_DISTINCT} distinct numbers a column for {task.name}; explain fewer rows"
        )
    first = np.cumsum([0, *map(len, distinct[:-1])])
    in_order = np.concatenate(distinct)

    def predict(table: Numbers) -> Numbers:
        outputs = prediction.of_all(prediction.as_rows(in_order[table.astype(np.int64) + first]))
        return outputs.double().cpu().numpy()

    coded = np.stack(codes, axis=1).astype(np.float64)
    return _Table(predict=predict, rows=coded[: len(given)], background=coded[len(given) :], numbers=background)


def _grouped(groups: Players | None, background: Numbers) -> tuple[int, Any]:
    """The number of players, and the background as the kernel explainer takes it."""
    from shap.utils._legacy import DenseData

    width = background.shape[1]
    if groups is None:
        return width, background
    owner = groups.groups.numpy()
    if groups.per_row or (owner == NOBODY).any():
        raise ValueError("expected each column in one group, the same for all rows, for shap.kernel")
    columns = [np.flatnonzero(owner == player) for player in range(len(groups))]
    return len(groups), DenseData(background, list(groups.names), columns)


def _clustering(background: Numbers) -> Numbers:
    """A hierarchy of the columns by correlation, in scipy's form.

    The library adds noise of 1e-8 so that constant columns have a correlation; hence centred columns of one scale.
    """
    import shap

    spread = background.std(axis=0)
    scaled = (background - background.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    clustering: Numbers = shap.utils.hclust(scaled, metric="correlation")
    return clustering
