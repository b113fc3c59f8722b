"""`tree`: the explainer of the shap library that walks the trees of an ensemble itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench_shap.library_task import Found, Task, check_shapes, numbers

if TYPE_CHECKING:
    import numpy.typing as npt


def tree(task: Task) -> Found:
    """Interventional Shapley values of the estimator's raw output.

    Raises:
        ValueError: The library does not know the estimator, or its values do not add up to the output.
    """
    from shap.utils._exceptions import ExplainerError

    rows, background = numbers(task.rows), numbers(task.background)
    check_shapes(task.name, rows, background)
    try:
        explainer = tree_explainer(task.model, background)
        values = explainer.shap_values(rows)
    except (AssertionError, AttributeError, ExplainerError, NotImplementedError) as error:
        raise ValueError(f"expected an estimator that shap.tree can explain: {error}") from error
    return Found(values=np.reshape(values, (*rows.shape, -1)), base_value=np.atleast_1d(explainer.expected_value))


def tree_explainer(estimator: Any, background: npt.NDArray[Any]) -> Any:
    """The library's explainer of the raw output, against all background rows."""
    import shap

    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.TreeExplainer(estimator, masker, feature_perturbation="interventional")
    # Rows are rounded as the estimator rounds them before they meet thresholds; the background is not, unless here.
    explainer.data = explainer.data.astype(explainer.model.input_dtype)
    return explainer
