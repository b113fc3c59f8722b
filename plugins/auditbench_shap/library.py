"""The explainers of the shap library, as alternatives and as a reference for the estimators of this plugin.

Each uses the whole background and selects no feature. What the library leaves behind is put back: the state of numpy's
and torch's global generators, the level of its logger, environment variables that its imports set, and the module.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from auditbench.masking import Prediction, chosen_targets, global_seed
from auditbench_shap.library_modules import deep, gradient
from auditbench_shap.library_tables import exact, kernel, partition, permutation, sampling
from auditbench_shap.library_task import Found, Numbers, Task
from auditbench_shap.library_trees import tree

if TYPE_CHECKING:
    from auditbench.masking import Players, Target

EXPLAINERS: dict[str, Callable[[Task], Found]] = {
    "shap.kernel": kernel,
    "shap.permutation": permutation,
    "shap.sampling": sampling,
    "shap.exact": exact,
    "shap.partition": partition,
    "shap.deep": deep,
    "shap.gradient": gradient,
    "shap.tree": tree,
}
"""By the name that `explain` takes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LibraryValues:
    """Contributions as the library gives them, in the unit of the model's output.

    Attributes:
        values: Shape `(rows, targets, players)`; a player is an entry of a row, or a group.
        base_value: Shape `(rows, targets)`: mean output of the background rows.
        standard_error: Shape of `values`; 0 for `shap.exact`, None where the explainer gives none.
        model_rows: Rows that the module or predict function was called with; `shap.deep` and `shap.gradient` also walk
            back through most of them. None for `shap.tree`, which walks the trees itself and calls nothing.
    """

    values: Numbers
    base_value: Numbers
    standard_error: Numbers | None
    model_rows: int | None


def explain(
    name: str,
    model: Any,
    rows: Any,
    background: Any,
    *,
    target: Target = None,
    budget: int | None = None,
    groups: Players | None = None,
    rng: np.random.Generator,
) -> LibraryValues:
    """Contributions to the outputs of a model.

    `shap.exact`, `shap.kernel`, `shap.permutation` and `shap.sampling` estimate interventional Shapley values of a
    table's columns; `shap.tree` computes them for trees. `shap.partition` estimates Owen values: columns are hidden
    along a clustering by their correlation in the background. `shap.deep` (DeepLIFT's rules against each background
    row) and `shap.gradient` (expected gradients) give Shapley values where the module is linear, else something near.

    Args:
        name: A key of `EXPLAINERS`.
        model: A module in evaluation mode, a predict function, or the `Prediction` of either; a module for `shap.deep`
            and `shap.gradient`; for `shap.tree` a fitted estimator of scikit-learn, XGBoost or LightGBM, whose raw
            output is explained as the library defines it: probabilities of a forest, log odds of a boosted classifier.
        rows: Shape `(rows, features)`; `(rows, *row shape)` for `shap.deep` and `shap.gradient`.
        background: Shape of `rows` but for the number of rows.
        target: None for all outputs, the index of one, `"predicted"`, or one index a row; all of them are computed.
        budget: Most rows to evaluate for each explained row; what the library does of itself when absent. What is
            evaluated once for all rows, such as the background, comes on top.
        groups: Columns of each player, for `shap.kernel` alone.

    Raises:
        ValueError: No such explainer; the model, the groups or the shape of the rows are not for it; the budget is too
            small; or the library cannot explain the model.

    References: arXiv:1705.07874 (kernel, deep), arXiv:1905.04610 (tree), arXiv:1906.10670 (expected gradients).
    """
    if name not in EXPLAINERS:
        raise ValueError(f"expected one of {', '.join(EXPLAINERS)}, got {name!r}")
    if groups is not None and name != "shap.kernel":
        raise ValueError(f"expected no groups for {name}, got some; of the library's explainers shap.kernel takes them")
    if callable(getattr(background, "replacements", None)):
        raise ValueError(f"expected background rows for {name}, got the masker {type(background).__name__}")
    prediction = _prediction(name, model)
    before = 0 if prediction is None else prediction.rows
    task = Task(
        name=name, model=model, prediction=prediction, rows=rows, background=background, budget=budget, groups=groups
    )
    with quiet(), global_seed(rng, "cpu" if prediction is None else str(prediction.device)):
        found = EXPLAINERS[name](task)
    everything = _by_target(found.values)
    base_value = np.asarray(found.base_value, dtype=np.float64).reshape(-1, everything.shape[1])
    base_value = np.broadcast_to(base_value, everything.shape[:2])
    take = _selection(task, target, base_value + everything.sum(axis=2))
    return LibraryValues(
        values=take(everything),
        base_value=take(base_value),
        standard_error=None if found.standard_error is None else take(_by_target(found.standard_error)),
        model_rows=None if prediction is None else prediction.rows - before,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the library says of calls that are as they should be, and what it leaves in the environment."""
    environment = dict(os.environ)
    logger = logging.getLogger("shap")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it says that more than 100 background rows are slow
    try:
        with warnings.catch_warnings():
            # Whether it matters that DeepLIFT has no rule for a layer shows in the sum of the contributions.
            warnings.filterwarnings("ignore", message="unrecognized nn.Module", category=UserWarning)
            yield
    finally:
        logger.setLevel(level)
        for variable in os.environ.keys() - environment.keys():
            del os.environ[variable]


def _prediction(name: str, model: Any) -> Prediction | None:
    if name == "shap.tree":
        if isinstance(model, nn.Module | Prediction) or not hasattr(model, "predict"):
            raise ValueError(
                "expected a fitted tree estimator of scikit-learn, XGBoost or LightGBM for shap.tree, "
                f"got {type(model).__name__}"
            )
        return None
    prediction = model if isinstance(model, Prediction) else Prediction(model)
    if name in ("shap.deep", "shap.gradient") and prediction.module is None:
        raise ValueError(
            f"expected an nn.Module for {name}, which needs its gradients, got a predict function; "
            "shap.kernel and shap.permutation take one"
        )
    return prediction


def _by_target(values: Numbers) -> Numbers:
    """From the library's order of axes to `(rows, targets, players)`."""
    array = np.asarray(values, dtype=np.float64)
    return np.moveaxis(array, -1, 1).reshape(len(array), array.shape[-1], -1)


def _selection(task: Task, target: Target, sums: Numbers) -> Callable[[Numbers], Numbers]:
    """Takes the target's entries out of arrays of shape `(rows, targets, ...)`.

    Args:
        sums: Base value and contributions added up, which stand for the outputs of a model that is not called.
    """
    if target is None:
        return np.array
    outputs = torch.from_numpy(sums)
    if task.prediction is not None and isinstance(target, str):
        outputs = task.prediction.of_all(task.prediction.as_rows(task.rows))
    chosen = chosen_targets(target, outputs).chosen
    if chosen is None:
        return np.array
    index = chosen.cpu().numpy()
    return lambda array: array[np.arange(len(array)), index][:, np.newaxis]
