"""What the file of an estimator says to whoever does not open it: the columns that it was fitted on, and whether it is a regression."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditbench.models.opening.archives import read_archive, read_member
from auditbench.models.opening.files import Damage
from auditbench.models.opening.json_text import parse_strictly
from auditbench.models.opening.limits import MAX_JSON_BYTES

_REGRESSORS = re.compile(r"\w+Regressor|\w*SVR|(?!Logistic)\w*Regression|\w*(Ridge|Lasso|Lars|ElasticNet)(CV|IC)?")
_VALUES = re.compile(r"reg:(?!logistic)|count:|regression|poisson|huber|quantile|fair|mape|gamma|tweedie")
"""Objectives of XGBoost and LightGBM that give values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorProfile:
    """What a file says.

    Attributes:
        features: Columns that it was fitted on; empty where it does not say so.
        regression: Whether it gives values.
        numbered: Whether it knows its classes by numbers alone.
    """

    features: tuple[str, ...] = ()
    regression: bool = False
    numbered: bool = False


def profile_estimator(content: bytes, kind: str) -> EstimatorProfile:
    """What a file of skops, XGBoost or LightGBM says; nothing of it is made.

    Raises:
        Damage: It is not complete.
    """
    try:
        return {"skops": _of_skops, "xgboost": _of_xgboost, "lightgbm": _of_lightgbm}[kind](content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, Damage):
            raise
        raise Damage(
            "cannot be read",
            found=f"{type(error).__name__}: {error}"[:160],
            allowed="a complete file",
            fix="save it again",
        ) from error


def _of_skops(content: bytes) -> EstimatorProfile:
    members = read_archive(content, deflated=True)
    schema = parse_strictly(read_member(content, members["schema.json"], most=MAX_JSON_BYTES))
    features: tuple[str, ...] = ()
    regression: bool | None = None
    level = [schema]
    while level:
        for node in level:
            names = node.get("feature_names_in_")
            if not features and isinstance(names, dict) and isinstance(names.get("content"), list):
                features = tuple(str(parse_strictly(item["content"])) for item in names["content"])
        regression = _regression(level) if regression is None else regression
        level = [inner for node in level for inner in _within(node)]
    return EstimatorProfile(features=features, regression=bool(regression))


def _regression(level: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether estimators that stand beside each other give values; None where none says so.

    The outermost ones decide: a classifier may be made of trees or steps that are regressors.
    """
    classes = [str(node.get("__class__")) for node in level]
    if any("classes_" in node for node in level) or any("Classifier" in name for name in classes):
        return False
    return True if any(_REGRESSORS.fullmatch(name) for name in classes) else None


def _within(node: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for value in node.values():
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict))


def _of_xgboost(content: bytes) -> EstimatorProfile:
    from auditbench.models.opening.ubjson import parse_ubjson

    document = parse_ubjson(content) if content[1:2] == b"L" else parse_strictly(content)
    learner = document.get("Model", document)["learner"]
    regression = _VALUES.match(str(learner["objective"]["name"])) is not None
    names = tuple(map(str, learner.get("feature_names", ())))
    return EstimatorProfile(features=names, regression=regression, numbered=not regression)


def _of_lightgbm(content: bytes) -> EstimatorProfile:
    head = content.partition(b"\nTree=")[0].decode("utf-8")
    said = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    names = tuple(said["feature_names"].split(" "))
    regression = _VALUES.match(said.get("objective", "")) is not None
    unnamed = all(re.fullmatch(r"Column_\d+", name) for name in names)
    return EstimatorProfile(features=() if unnamed else names, regression=regression, numbered=not regression)
