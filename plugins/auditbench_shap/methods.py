"""Names of the methods: estimators of this plugin, and explainers of the shap library."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

OwnMethod: TypeAlias = Literal["exact", "permutation", "kernel"]
Method: TypeAlias = Literal[
    "auto",
    "exact",
    "permutation",
    "kernel",
    "shap.kernel",
    "shap.permutation",
    "shap.sampling",
    "shap.exact",
    "shap.partition",
    "shap.deep",
    "shap.gradient",
    "shap.tree",
]
"""All of them; `shap.tree` explains estimators made of trees."""

METHODS = get_args(Method)

WITH_TARGET_ERROR = ("auto", "exact", "permutation")
"""Those that a target error may be given with: `exact` has no error."""
