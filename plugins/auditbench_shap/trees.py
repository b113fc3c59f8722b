"""`shap.tree` of a model under test: the trees of an estimator, walked by the shap library, against the model's own outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.errors import AnalyzerNotPossible
from auditbench_shap.library import quiet
from auditbench_shap.library_trees import tree_explainer
from auditbench_shap.shapley import ShapleyValues

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest

    Numbers = npt.NDArray[np.float64]

METHOD = "shap.tree"
_TOLERANCE = 1e-5
"""Largest gap between contributions and outputs, as a share of the largest output: boosters compute in float32."""
_FORESTS = ("RandomForest", "ExtraTrees", "DecisionTree", "ExtraTree")
_BOOSTED = ("GradientBoosting", "HistGradientBoosting", "XGB", "LGBM", "Booster")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TreesOfModel:
    """The ensemble within a model under test.

    Attributes:
        estimator: As `shap.TreeExplainer` takes it.
        order: The feature that each of its columns is.
        classes: Its number of each class of the data, in the order of the data; empty for values.
        scale: `probability` of forests, `value`, or `logit` of boosted classifiers. The library can also express the latter in
            probabilities, but not as Shapley values of these: it rescales those of the logit for each background row.
    """

    estimator: Any
    order: tuple[int, ...]
    classes: tuple[int, ...]
    scale: str


def trees_of(model: ModelUnderTest) -> TreesOfModel:
    """The ensemble of trees that a model is.

    Raises:
        AnalyzerNotPossible: It is no estimator, none of trees, has steps before its trees, or takes categories.
    """
    from auditbench.models.estimators.network import EstimatorNetwork

    network = model.module
    if not isinstance(network, EstimatorNetwork):
        raise _refused("the model is no estimator of trees", model.facts.architecture or model.facts.format)
    estimator = _last_step(network.estimator)
    name = type(estimator).__name__
    forest = name.startswith(_FORESTS)
    if not forest and not name.startswith(_BOOSTED):
        raise _refused("the estimator is not made of trees that the shap library knows", name)
    texts = [feature.name for feature in model.features if feature.kind == "category"]
    if texts:
        raise _refused("the trees split on categories, which the shap library does not follow", ", ".join(texts[:10]))
    scale = "value" if not network.classes else "probability" if forest else "logit"
    return TreesOfModel(estimator=estimator, order=network.form.order, classes=network.classes, scale=scale)


def tree_values(
    trees: TreesOfModel, model: ModelUnderTest, rows: Rows, background: Rows
) -> tuple[ShapleyValues, Numbers]:
    """Interventional Shapley values, and the outputs that they add up to, in the scale of the trees.

    Raises:
        AnalyzerNotPossible: The library cannot explain the estimator, or its values do not add up to the model's outputs.
    """
    given, behind = (_table(trees, model, part) for part in (rows, background))
    found_outputs = model.predict(rows.inputs)
    try:
        with quiet():
            explainer = tree_explainer(trees.estimator, behind)
            values = np.asarray(explainer.shap_values(given, check_additivity=False), dtype=np.float64)
            base = np.atleast_1d(np.asarray(explainer.expected_value, dtype=np.float64)) + _left_out(trees.estimator)
    except (AssertionError, AttributeError, NotImplementedError, TypeError, ValueError, KeyError, IndexError) as error:
        raise _refused(
            "the shap library cannot explain this estimator", f"{type(error).__name__}: {error}"[:200]
        ) from error
    values, base = _by_class(values.reshape(*given.shape, -1), base, trees)
    in_order = np.empty_like(values)
    in_order[:, :, list(trees.order)] = values
    outputs = base + in_order.sum(axis=2)
    _check_sums(outputs, found_outputs, trees)
    found = ShapleyValues(
        values=in_order,
        base_value=np.broadcast_to(base, outputs.shape),
        standard_error=np.zeros_like(in_order),
        reached=None,
        model_rows=0,
        method=METHOD,
        names=tuple(feature.name for feature in model.features),
    )
    return found, outputs if trees.scale == "logit" else found_outputs


def _by_class(values: Numbers, base: Numbers, trees: TreesOfModel) -> tuple[Numbers, Numbers]:
    """Values of shape `(rows, targets, features)` and base values `(targets,)`, in the order of the classes of the data."""
    values = np.moveaxis(values, 2, 1)
    if not trees.classes:
        return values, base
    if values.shape[1] == 1:  # of the second class of the estimator
        sign = 1.0 if trees.classes[1] == 1 else -1.0
        return sign * values, sign * base
    chosen = list(trees.classes[1:] if len(trees.classes) == 2 else trees.classes)
    return values[:, chosen], base[chosen]


def _left_out(estimator: Any) -> Numbers:
    """What the library leaves out of the base values of XGBoost: it adds the score of the first class to all classes."""
    booster = estimator.get_booster() if hasattr(estimator, "get_booster") else estimator
    if not hasattr(booster, "save_config"):
        return np.zeros(1)
    told = json.loads(booster.save_config())["learner"]["learner_model_param"]["base_score"]
    scores = np.atleast_1d(np.asarray(json.loads(told), dtype=np.float64))
    return np.asarray(scores - scores[0])


def _check_sums(sums: Numbers, outputs: Numbers, trees: TreesOfModel) -> None:
    if trees.scale == "logit" and sums.shape[1] == 1:
        sums = 1.0 / (1.0 + np.exp(-sums))
    elif trees.scale == "logit":
        shifted = np.exp(sums - sums.max(axis=1, keepdims=True))
        sums = shifted / shifted.sum(axis=1, keepdims=True)
    gap = float(np.abs(sums - outputs).max()) if len(outputs) else 0.0
    if gap > _TOLERANCE * max(1.0, float(np.abs(outputs).max())):
        raise _refused("what the shap library finds does not add up to the model's outputs", f"a gap of {gap:.3g}")


def _table(trees: TreesOfModel, model: ModelUnderTest, rows: Rows) -> Numbers:
    """Rows as the trees see them, NaN where a number is missing to them."""
    from auditbench.models.raw_rows import missing_as_nan

    encoded: Numbers = model.encode(rows.inputs).cpu().numpy()
    return np.ascontiguousarray(missing_as_nan(encoded)[:, list(trees.order)])


def _last_step(estimator: Any) -> Any:
    """The estimator behind steps that change nothing."""
    while True:
        if (best := getattr(estimator, "best_estimator_", None)) is not None:
            estimator = best
            continue
        steps = getattr(estimator, "steps", None)
        if steps is None:
            return estimator
        before = [step for _, step in steps[:-1] if step not in (None, "passthrough")]
        if before:
            raise _refused(
                "the trees see other columns than the data have",
                f"steps before them: {', '.join(type(step).__name__ for step in before)}",
                fix='set method = "auto", which explains any model; or fit the trees on the columns as they are',
            )
        estimator = steps[-1][1]


def _refused(
    message: str, found: str, fix: str = 'set method = "auto", which explains any model'
) -> AnalyzerNotPossible:
    return AnalyzerNotPossible(
        f"shap.tree does not apply: {message}",
        where="analyzers.shap.method",
        found=found,
        allowed="a forest, or boosted trees of scikit-learn, XGBoost or LightGBM, fitted on numbers as the data have them",
        fix=fix,
    )
