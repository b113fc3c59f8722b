"""Chosen cases: a few rows shown in full, picked by rule, their inputs in bands unless the config asks for more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.banding import shown_inputs
from auditbench.findings import Message
from auditbench.run import Case

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenCases:
    """The rows shown in full.

    Attributes:
        indices: Positions among the evaluated rows, in the order of the cases.
        rule: How they were chosen: `core.case_rule_binary`, `core.case_rule_multiclass` or `core.case_rule_regression`,
            with the values `n` (cases), `rows` (evaluated) and, in the first, `threshold`.
    """

    indices: tuple[int, ...]
    cases: tuple[Case, ...]
    rule: Message


def choose_cases(
    model: ModelUnderTest, data: EvaluationData, outputs: npt.NDArray[Any], *, count: int, raw_inputs: bool
) -> ChosenCases:
    """Choose at most `count` different rows; equal inputs give equal rows.

    Classification, in this order: the row nearest to the threshold (`threshold`; for several classes the smallest
    lead of the first over the second, `margin`), the most confident errors (`worst_error`), for each class the row
    whose probability is nearest to the median of its class (`typical`), and for each group of the first sensitive
    feature the row nearest to the median of its group (`group`). Regression: the largest error above and below
    (`worst_error`), the median output (`typical`), the smallest and the largest output (`extreme`), and the groups.
    Ties go to the earlier row.

    Args:
        outputs: Of the evaluated rows, shape `(rows, outputs)`, in the declared scale.
        raw_inputs: Show inputs as they are, not in bands; see `auditbench.data.banding`.
    """
    picks = _distinct(_rankings(model, data, outputs), count)
    chosen = np.asarray([pick.index for pick in picks], dtype=np.intp)
    rows = data.take(chosen)
    predicted = model.decisions(outputs[chosen])
    shown = shown_inputs(data, rows, raw=raw_inputs)
    cases = tuple(
        Case(
            row_id=rows.row_ids[position],
            rule=pick.rule,
            where=pick.where,
            output=tuple(float(value) for value in outputs[pick.index]),
            predicted=_named(data, predicted[position]),
            observed=_named(data, rows.y_true[position]),
            inputs=shown[position],
        )
        for position, pick in enumerate(picks)
    )
    rule = _rule(model, {"n": len(cases), "rows": len(data)})
    return ChosenCases(indices=tuple(pick.index for pick in picks), cases=cases, rule=rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranking:
    """Rows from the best to the worst for one rule; only rows that fit it."""

    rule: str
    order: npt.NDArray[np.intp]
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pick:
    index: int
    rule: str
    where: Mapping[str, str]


def _distinct(rankings: Iterator[_Ranking], count: int) -> list[_Pick]:
    """The best row of each ranking that no earlier ranking took."""
    picks: list[_Pick] = []
    taken: set[int] = set()
    for ranking in rankings:
        if len(picks) >= count:
            break
        index = next((int(row) for row in ranking.order if int(row) not in taken), None)
        if index is not None:
            taken.add(index)
            picks.append(_Pick(index=index, rule=ranking.rule, where=ranking.where))
    return picks


def _rankings(model: ModelUnderTest, data: EvaluationData, outputs: npt.NDArray[Any]) -> Iterator[_Ranking]:
    if data.task == "regression":
        score = outputs[:, 0]
        yield from _regression(data, score)
    else:
        probabilities = model.probabilities(outputs)
        yield from _classification(model, data, probabilities, model.decisions(outputs))
        score = probabilities[:, 1] if data.task == "binary-classification" else probabilities.max(axis=1)
    yield from _groups(data, score)


def _classification(
    model: ModelUnderTest, data: EvaluationData, probabilities: npt.NDArray[Any], decisions: npt.NDArray[Any]
) -> Iterator[_Ranking]:
    everyone = np.ones(len(data), dtype=bool)
    wrong = decisions != data.y_true
    of_truth = np.take_along_axis(probabilities, data.y_true[:, None], axis=1)[:, 0]
    if data.task == "binary-classification":
        threshold = 0.5 if model.facts.threshold is None else model.facts.threshold
        yield _Ranking(rule="threshold", order=_order(np.abs(probabilities[:, 1] - threshold), everyone))
        for label in (1, 0):
            yield _Ranking(rule="worst_error", order=_order(of_truth, wrong & (decisions == label)))
    else:
        lead = np.sort(probabilities, axis=1)
        if probabilities.shape[1] > 1:
            yield _Ranking(rule="margin", order=_order(lead[:, -1] - lead[:, -2], everyone))
        for _ in range(2):
            yield _Ranking(rule="worst_error", order=_order(of_truth, wrong))
    for label, name in enumerate(data.classes):
        order = _nearest_to_median(probabilities[:, label], data.y_true == label)
        yield _Ranking(rule="typical", order=order, where={data.facts.target: name})


def _regression(data: EvaluationData, score: npt.NDArray[Any]) -> Iterator[_Ranking]:
    everyone = np.ones(len(data), dtype=bool)
    error = score - data.y_true
    yield _Ranking(rule="worst_error", order=_order(-error, error > 0))
    yield _Ranking(rule="worst_error", order=_order(error, error < 0))
    yield _Ranking(rule="typical", order=_nearest_to_median(score, everyone))
    yield _Ranking(rule="extreme", order=_order(score, everyone))
    yield _Ranking(rule="extreme", order=_order(-score, everyone))


def _groups(data: EvaluationData, score: npt.NDArray[Any]) -> Iterator[_Ranking]:
    """One ranking a group of the first sensitive feature, the largest group first."""
    for name, groups in list(data.sensitive_features.items())[:1]:
        labels, counts = np.unique(groups, return_counts=True)
        for label in labels[np.argsort(-counts, kind="stable")]:
            order = _nearest_to_median(score, groups == label)
            yield _Ranking(rule="group", order=order, where={name: str(label)})


def _order(value: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Rows of the mask, smallest value first; ties in the order of the data."""
    rows = np.flatnonzero(mask)
    return rows[np.argsort(value[rows], kind="stable")]


def _nearest_to_median(value: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    return _order(np.abs(value - np.median(value[mask])), mask) if mask.any() else np.empty(0, dtype=np.intp)


def _rule(model: ModelUnderTest, values: Mapping[str, int]) -> Message:
    task = model.facts.task
    if task == "binary-classification":
        return Message(key="core.case_rule_binary", values={**values, "threshold": model.facts.threshold})
    kind = "multiclass" if task == "multiclass-classification" else "regression"
    return Message(key=f"core.case_rule_{kind}", values={**values})


def _named(data: EvaluationData, value: float) -> str:
    """A class by its index, or a value of a regression target."""
    return data.classes[int(value)] if data.classes else f"{value:.6g}"
