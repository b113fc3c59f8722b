"""What an estimator gives: probabilities of the classes of the data in their order, or values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from auditbench.errors import ModelError
from auditbench.models.opening.lightgbm_files import LightgbmFacts
from auditbench.models.opening.xgboost_files import XgboostFacts

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.run import Task

    Numbers = npt.NDArray[np.float64]

_XGBOOST_VALUES = (
    *(
        "reg:squarederror",
        "reg:squaredlogerror",
        "reg:absoluteerror",
        "reg:pseudohubererror",
        "reg:gamma",
        "reg:tweedie",
    ),
    *("reg:logistic", "reg:linear", "count:poisson"),
)
_LIGHTGBM_VALUES = (
    *("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """How outputs are computed.

    Attributes:
        compute: From the table that the estimator takes to shape `(rows, outputs)`.
        classes: The estimator's number of each class of the data, in the order of the data; empty for values.
        by_index: Whether the estimator numbers its classes, so that the order of the data's classes says which is which.
    """

    compute: Callable[[Any], Numbers]
    classes: tuple[int, ...] = ()
    by_index: bool = False


def outputs_of(
    estimator: Any,
    facts: XgboostFacts | LightgbmFacts | None,
    *,
    task: Task,
    classes: tuple[str, ...],
    numbered: tuple[str, ...],
    declared: bool,
    threads: int,
    where: str,
) -> Outputs:
    """Outputs of an estimator in the order of the classes: of two the probability of the second alone.

    Args:
        facts: Of a booster's own file.
        numbered: The classes in the order of the estimator's own numbers, where it does not name them.
        declared: Whether the config names all classes in their order.

    Raises:
        ModelError: It answers another task, has other classes, or gives no probabilities.
    """
    if task == "next-token":
        raise _other_task(task, "an estimator", where)
    if type(estimator).__name__ == "Booster":
        kind, count, compute = _booster(estimator, facts, threads, where)
        _check_task(kind, task, where)
        if kind == "value":
            return Outputs(compute=lambda table: compute(table).reshape(-1, 1))
        picked = _by_index(range(max(2, count)), classes, numbered, declared=declared, where=where)
        return Outputs(compute=_picking(compute, picked), classes=tuple(picked), by_index=True)
    if task == "regression":
        if hasattr(estimator, "classes_") or hasattr(estimator, "predict_proba"):
            _check_task("probability", task, where)
        return Outputs(compute=lambda table: _one_column(np.asarray(estimator.predict(table), dtype=np.float64)))
    if not hasattr(estimator, "predict_proba"):
        raise _without_probabilities(estimator, where)
    named = getattr(estimator, "classes_", np.arange(len(classes)))
    if any(np.ndim(one) for one in named):
        raise _other_task(task, f"a classifier of {len(named)} targets at once", where)
    own = list(np.asarray(named).tolist())
    picked, by_index = _order(own, classes, numbered, declared=declared, where=where)
    return Outputs(compute=_picking(estimator.predict_proba, picked), classes=tuple(picked), by_index=by_index)


def _picking(compute: Callable[[Any], Any], picked: list[int]) -> Callable[[Any], Numbers]:
    columns = picked[1:] if len(picked) == 2 else picked

    def outputs(table: Any) -> Numbers:
        found = np.asarray(compute(table), dtype=np.float64)
        both = np.stack([1.0 - found, found], axis=1) if found.ndim == 1 else found
        chosen: Numbers = both[:, columns]
        return chosen

    return outputs


def _one_column(values: Numbers) -> Numbers:
    return values[:, np.newaxis] if values.ndim == 1 else values


def _order(
    own: list[Any], classes: tuple[str, ...], numbered: tuple[str, ...], *, declared: bool, where: str
) -> tuple[list[int], bool]:
    """The place in the estimator of each class of the data, and whether that is by index."""
    for texts in ([_text(value) for value in own], [_text(value).lower() for value in own]):
        if sorted(texts) == sorted(classes):
            return [texts.index(name) for name in classes], False
    if [_text(value) for value in own] == [str(index) for index in range(len(own))]:
        return _by_index(own, classes, numbered, declared=declared, where=where), True
    raise ModelError(
        "the estimator has other classes than the data",
        where=where,
        found=", ".join(repr(name) for name in classes),
        allowed=", ".join(repr(_text(value)) for value in own[:20]) + ", by the estimator",
        fix="correct data.target, data.positive or data.classes, or fit the estimator on these labels",
    )


def _by_index(
    own: Any, classes: tuple[str, ...], numbered: tuple[str, ...], *, declared: bool, where: str
) -> list[int]:
    if len(own) != len(classes):
        raise ModelError(
            "the estimator has another number of classes than the data",
            where=where,
            found=f"{len(classes)}: {', '.join(repr(name) for name in classes[:20])}",
            allowed=f"{len(own)}, by the estimator",
            fix="name every class in data.classes, in the order of their numbers",
        )
    if len(classes) > 2 and not declared and classes != tuple(str(index) for index in range(len(classes))):
        raise ModelError(
            "the estimator numbers its classes, and which number is which class is not said",
            where="data.classes",
            found="nothing",
            allowed=", ".join(repr(name) for name in classes[:20]) + ", in the order of their numbers",
            fix=f"set data.classes = [{', '.join(repr(name) for name in classes[:20])}], in that order",
        )
    return [numbered.index(name) for name in classes]


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _booster(
    booster: Any, facts: XgboostFacts | LightgbmFacts | None, threads: int, where: str
) -> tuple[Literal["probability", "value"], int, Callable[[Any], Numbers]]:
    """Scale, classes and function of a booster, by its objective."""
    if type(booster).__module__.startswith("lightgbm"):
        return _of_lightgbm(booster, facts, threads, where)
    return _of_xgboost(booster, facts, threads, where)


def _of_xgboost(booster: Any, facts: Any, threads: int, where: str) -> tuple[Any, int, Callable[[Any], Numbers]]:
    if not isinstance(facts, XgboostFacts):
        from auditbench.models.opening.xgboost_files import check_xgboost

        facts = check_xgboost(bytes(booster.save_raw("ubj")))
    booster.set_param({"nthread": threads})
    objective = facts.objective

    def predicted(table: Any, kind: str = "value") -> Numbers:
        if facts.booster == "gblinear":
            import xgboost

            given = booster.predict(xgboost.DMatrix(table, enable_categorical=True), output_margin=kind == "margin")
        else:
            given = booster.inplace_predict(table, predict_type=kind)
        return np.asarray(given, dtype=np.float64)

    if facts.targets == 1 and objective in ("binary:logistic", "multi:softprob"):
        return "probability", facts.classes, predicted
    if facts.targets == 1 and objective == "multi:softmax":
        return "probability", facts.classes, lambda table: _softmax(predicted(table, "margin"))
    if facts.targets == 1 and objective in _XGBOOST_VALUES:
        return "value", 0, predicted
    raise _other_objective(objective, ("binary:logistic", "multi:softprob", "multi:softmax", *_XGBOOST_VALUES), where)


def _of_lightgbm(booster: Any, facts: Any, threads: int, where: str) -> tuple[Any, int, Callable[[Any], Numbers]]:
    text = facts.objective if isinstance(facts, LightgbmFacts) else str(booster.dump_model(1).get("objective", ""))
    objective = text.partition(" ")[0]

    def predicted(table: Any) -> Numbers:
        return np.asarray(booster.predict(table, num_threads=threads), dtype=np.float64)

    if objective == "binary":
        return "probability", 2, predicted
    if objective in ("multiclass", "multiclassova"):
        return "probability", int(booster.num_model_per_iteration()), predicted
    if objective in _LIGHTGBM_VALUES:
        return "value", 0, predicted
    raise _other_objective(objective, ("binary", "multiclass", "multiclassova", *_LIGHTGBM_VALUES), where)


def _softmax(margins: Numbers) -> Numbers:
    shifted = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _check_task(kind: str, task: Task, where: str) -> None:
    if (kind == "value") != (task == "regression"):
        raise _other_task(task, "a regressor" if kind == "value" else "a classifier", where)


def _other_task(task: str, found: str, where: str) -> ModelError:
    return ModelError(
        "the estimator answers another question than model.task",
        where=where,
        found=found,
        allowed=f"what {task} needs",
        fix="correct model.task, or name another model",
    )


def _other_objective(objective: str, known: tuple[str, ...], where: str) -> ModelError:
    return ModelError(
        "what the booster gives is not known from its objective",
        where=where,
        found=repr(objective)[:80],
        allowed=", ".join(known),
        fix='audit it as a function that gives probabilities or values: model.format = "callable"',
    )


def _without_probabilities(estimator: Any, where: str) -> ModelError:
    return ModelError(
        "the classifier gives no probabilities",
        where=where,
        found=f"{type(estimator).__name__} without predict_proba",
        allowed="an estimator with predict_proba",
        fix="calibrate it: CalibratedClassifierCV(estimator).fit(X, y)",
    )
