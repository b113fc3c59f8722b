"""Metrics of groups over a million rows: Auditbench beside fairlearn, aif360 and a groupby written by hand.

Every function takes the same workload and gives the rates of every cell, shape `(cells, metrics)`, cells in the order
of their values, so that equal results stand beside the times.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from auditbench_fairness import GroupCounts, count_groups, group_metrics, metrics_of_counts

METRICS = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy")
Kind: TypeAlias = Literal["integers", "text", "categories"]
KINDS: tuple[Kind, ...] = ("integers", "text", "categories")
REPLICATES = 1000

_SEXES = np.array(["Female", "Male"], dtype=object)
_RACES = np.array(["Amer-Indian-Eskimo", "Asian-Pac-Islander", "Black", "Other", "White"], dtype=object)
_SHARES = (0.01, 0.03, 0.1, 0.01, 0.85)

Rates = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FairnessWorkload:
    """Decisions about the rows of two sensitive features, in 10 cells.

    Attributes:
        kind: How the features are given: `integers` are int64, `text` is what pandas makes of text, `categories` are
            its categoricals.
        y_true: Labels 0 and 1 as a Series of int64, shape `(rows,)`; `y_pred` alike.
        groups: Columns `sex` and `race`.
    """

    kind: str
    y_true: pd.Series[int]
    y_pred: pd.Series[int]
    groups: pd.DataFrame


def make_workload(rows: int = 1_000_000, *, kind: Kind = "integers", seed: int = 0) -> FairnessWorkload:
    """Rows with the shares of sex and race of the Adult data, and error rates that differ between groups."""
    rng = np.random.default_rng(seed)
    sex, race = rng.choice(2, rows, p=[0.33, 0.67]), rng.choice(5, rows, p=_SHARES)
    y_true = (rng.random(rows) < np.where(sex == 1, 0.3, 0.11)).astype(np.int64)
    y_pred = (rng.random(rows) < 0.05 + 0.6 * y_true + 0.05 * (race == 4)).astype(np.int64)
    if kind == "integers":
        groups = pd.DataFrame({"sex": sex, "race": race})
    else:
        groups = pd.DataFrame({"sex": _SEXES[sex], "race": _RACES[race]})
    if kind == "categories":
        groups = groups.astype("category")
    return FairnessWorkload(kind=kind, y_true=pd.Series(y_true), y_pred=pd.Series(y_pred), groups=groups)


def crossed(workload: FairnessWorkload, *, seed: int = 1) -> FairnessWorkload:
    """The same rows with two more features, of 4 and of 10 values: up to 400 cells."""
    rng = np.random.default_rng(seed)
    rows = len(workload.y_true)
    ages = rng.choice(np.array(["under 25", "25 to 39", "40 to 59", "60 and over"], dtype=object), rows)
    regions = rng.choice(np.array([f"region {place}" for place in range(10)], dtype=object), rows)
    return dataclasses.replace(workload, groups=workload.groups.assign(age=ages, region=regions))


def ours(workload: FairnessWorkload, *, n_boot: int = 0, seed: int = 0) -> Rates:
    """Auditbench, with intervals where `n_boot` is not 0."""
    return group_metrics(
        y_true=workload.y_true,
        y_pred=workload.y_pred,
        groups=workload.groups,
        metrics=METRICS,
        n_boot=n_boot,
        rng=np.random.default_rng(seed),
    ).values


def ours_from_counts(counts: GroupCounts, *, n_boot: int, seed: int = 0) -> Rates:
    """Auditbench again, from rows that are counted already."""
    return metrics_of_counts(counts, metrics=METRICS, n_boot=n_boot, rng=np.random.default_rng(seed)).values


def counted(workload: FairnessWorkload) -> GroupCounts:
    """The rows of each cell, counted."""
    return count_groups(y_true=workload.y_true, y_pred=workload.y_pred, groups=workload.groups)


def fairlearn(workload: FairnessWorkload) -> Rates:
    """fairlearn's `MetricFrame`."""
    from fairlearn import metrics
    from sklearn.metrics import accuracy_score

    functions = {name: getattr(metrics, name, accuracy_score) for name in METRICS}
    frame = metrics.MetricFrame(
        metrics=functions, y_true=workload.y_true, y_pred=workload.y_pred, sensitive_features=workload.groups
    )
    return frame.by_group[list(METRICS)].to_numpy(dtype=np.float64)


def aif360(workload: FairnessWorkload) -> Rates:
    """aif360's `ClassificationMetric`, once for each cell; it takes numbers alone, so text is numbered first."""
    from aif360.datasets import BinaryLabelDataset
    from aif360.metrics import ClassificationMetric

    numbers = {name: pd.factorize(workload.groups[name], sort=True) for name in workload.groups}
    columns = pd.DataFrame({name: codes for name, (codes, _) in numbers.items()})
    names = list(columns)

    def dataset(labels: pd.Series[int]) -> Any:
        return BinaryLabelDataset(
            df=columns.assign(label=labels), label_names=["label"], protected_attribute_names=names
        )

    true, predicted = dataset(workload.y_true), dataset(workload.y_pred)
    rates = []
    for sex in range(len(numbers["sex"][1])):
        for race in range(len(numbers["race"][1])):
            cell = [{"sex": sex, "race": race}]
            other = [{"sex": sex, "race": index} for index in range(len(numbers["race"][1])) if index != race]
            metric = ClassificationMetric(true, predicted, unprivileged_groups=other, privileged_groups=cell)
            rates.append(
                [
                    metric.selection_rate(privileged=True),
                    metric.true_positive_rate(privileged=True),
                    metric.false_positive_rate(privileged=True),
                    metric.accuracy(privileged=True),
                ]
            )
    return np.array(rates)


def pandas_groupby(workload: FairnessWorkload) -> Rates:
    """The same by hand: one groupby over the sums that the rates are made of."""
    positive, selected = workload.y_true == 1, workload.y_pred == 1
    columns = workload.groups.assign(
        n=1, selected=selected, positive=positive, hits=positive & selected, right=positive == selected
    )
    sums = columns.groupby(["sex", "race"], observed=False).sum()
    negative = sums["n"] - sums["positive"]
    rates = {
        "selection_rate": sums["selected"] / sums["n"],
        "true_positive_rate": sums["hits"] / sums["positive"],
        "false_positive_rate": (sums["selected"] - sums["hits"]) / negative,
        "accuracy": sums["right"] / sums["n"],
    }
    return np.column_stack([rates[name].to_numpy(dtype=np.float64) for name in METRICS])
