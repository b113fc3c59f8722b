"""Chosen cases: a few rows shown in full, picked by rule, their inputs in bands unless the config asks for more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.banding import RARE_ROWS, RARE_VALUE, shown_inputs
from auditbench.data.case_inputs import other_inputs
from auditbench.findings import Message, Scalar
from auditbench.run import Case
from auditbench.worker.class_names import ClassNames

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.arrays import Array, IntegerArray
    from auditbench.data import EvaluationData, Rows
    from auditbench.models import ModelUnderTest


_TYPICAL_CLASSES = 50
"""More than there are cases, so that it matters for language models alone, whose classes are thousands of tokens."""
_MOST_OUTPUTS = 20
"""Of a classifier of more classes a case keeps the probabilities that are shown, and not every output."""
_MOST_PROBABLE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenCases:
    """The rows shown in full.

    Attributes:
        indices: Positions among the evaluated rows, in the order of the cases.
        rule: How they were chosen: `core.case_rule_binary`, `core.case_rule_multiclass` or `core.case_rule_regression`,
            ending in `_groups` where there is a sensitive feature. Values: `n` cases of `rows` evaluated, how many of
            them each rule gave (`worst_error`, `typical`, ...), the `cutoff` of a binary decision, and how many
            (`shown`) of the `groups` of the `feature` have a case.
    """

    indices: tuple[int, ...]
    cases: tuple[Case, ...]
    rule: Message


def choose_cases(
    model: ModelUnderTest, data: EvaluationData, outputs: npt.NDArray[Any], *, count: int, raw_inputs: bool
) -> ChosenCases:
    """Choose at most `count` different rows; equal inputs give equal rows.

    Binary classification, in this order: the row nearest to the threshold (`threshold`), the most confident wrong
    positive (`worst_error`), for each group of the first sensitive feature without a case the row nearest to the
    median of its group (`group`), the most confident wrong negative, for each class the row whose probability is
    nearest to the median of its class (`typical`), and the median of each other group. Several classes: the smallest
    lead of the first over the second (`margin`) comes first, and the errors are the two most confident ones.
    Regression: the largest error above, the median output (`typical`), groups without a case, the largest error
    below, the smallest and the largest output (`extreme`), the other groups.

    Every group gets a case as far as `count` allows: a rule is left out where its row would take the last places from
    groups without one; larger groups go first. Ties go to the earlier row.

    Args:
        outputs: Of the evaluated rows, shape `(rows, outputs)`, in the declared scale.
        raw_inputs: Show inputs as they are, not in bands; see `auditbench.data.banding` and `case_inputs`.
    """
    selection = _selected(model, data, outputs, count)
    picks = selection.picks
    chosen = np.asarray([pick.index for pick in picks], dtype=np.intp)
    rows = data.take(chosen)
    shown = _shown_classes(model, data, rows, outputs[chosen], raw=raw_inputs)
    columns, others = shown_inputs(data, rows, raw=raw_inputs), other_inputs(data, rows, raw=raw_inputs)
    cases = tuple(
        Case(
            row_id=rows.row_ids[position],
            rule=pick.rule,
            where=_labels(pick, shown[position]["observed"], raw=raw_inputs),
            output=tuple(float(value) for value in outputs[pick.index]) if outputs.shape[1] <= _MOST_OUTPUTS else (),
            **shown[position],
            inputs=columns[position],
            shown=others[position],
        )
        for position, pick in enumerate(picks)
    )
    return ChosenCases(indices=tuple(pick.index for pick in picks), cases=cases, rule=_rule(model, data, selection))


def with_stored_inputs(
    cases: tuple[Case, ...], store: Callable[[str, Any], Array | IntegerArray | None]
) -> tuple[Case, ...]:
    """The cases with each array of an input replaced by what `store` makes of its name and itself."""
    return tuple(
        replace(
            case,
            shown=tuple(
                item if item.values is None else replace(item, values=store(f"cases/{number}/{place}", item.values))
                for place, item in enumerate(case.shown)
            ),
        )
        for number, case in enumerate(cases, start=1)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranking:
    """Rows from the best to the worst for one rule; only rows that fit it.

    Attributes:
        rare: Whether it is a group so small that its name could point at a person.
    """

    rule: str
    order: npt.NDArray[np.intp]
    where: Mapping[str, str] = field(default_factory=dict)
    rare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pick:
    index: int
    rule: str
    where: Mapping[str, str]
    rare: bool


class _Selection:
    """Different rows, at most `count`, that leave room for every group.

    Attributes:
        waiting: Groups without a row so far.
    """

    def __init__(self, groups: npt.NDArray[np.str_], count: int) -> None:
        self.picks: list[_Pick] = []
        self.waiting = set(groups.tolist())
        self._groups = groups
        self._count = count
        self._taken: set[int] = set()

    def offer(self, ranking: _Ranking) -> None:
        """Take the best row that is not taken yet, unless its place is needed for a group without one."""
        index = next((int(row) for row in ranking.order if int(row) not in self._taken), None)
        places = self._count - len(self.picks)
        if index is None or places <= 0:
            return
        group = str(self._groups[index])
        if group not in self.waiting and places <= len(self.waiting):
            return
        self.waiting.discard(group)
        self._taken.add(index)
        self.picks.append(_Pick(index=index, rule=ranking.rule, where=ranking.where, rare=ranking.rare))


def _selected(model: ModelUnderTest, data: EvaluationData, outputs: npt.NDArray[Any], count: int) -> _Selection:
    if data.task == "regression":
        score = outputs[:, 0]
        first, later = _regression(data, score)
    else:
        probabilities = model.probabilities(outputs)
        first, later = _classification(model, data, probabilities, model.decisions(outputs))
        score = probabilities[:, 1] if data.task == "binary-classification" else probabilities.max(axis=1)
    _, labels = _first_sensitive(data)
    groups = _groups(data, score)
    selection = _Selection(labels, count)
    for ranking in first:
        selection.offer(ranking)
    absent = [ranking for ranking in groups if str(labels[ranking.order[0]]) in selection.waiting]
    present = [ranking for ranking in groups if str(labels[ranking.order[0]]) not in selection.waiting]
    for ranking in (*absent, *later, *present):
        selection.offer(ranking)
    return selection


def _classification(
    model: ModelUnderTest, data: EvaluationData, probabilities: npt.NDArray[Any], decisions: npt.NDArray[Any]
) -> tuple[list[_Ranking], list[_Ranking]]:
    """Rules that come before the groups, and after."""
    everyone = np.ones(len(data), dtype=bool)
    wrong = decisions != data.y_true
    of_truth = np.take_along_axis(probabilities, data.y_true[:, None], axis=1)[:, 0]
    first: list[_Ranking] = []
    if data.task == "binary-classification":
        first.append(_Ranking(rule="threshold", order=_order(np.abs(probabilities[:, 1] - _cutoff(model)), everyone)))
        errors = [_order(of_truth, wrong & (decisions == label)) for label in (1, 0)]
    else:
        lead = np.sort(probabilities, axis=1)
        if probabilities.shape[1] > 1:
            first.append(_Ranking(rule="margin", order=_order(lead[:, -1] - lead[:, -2], everyone)))
        errors = [_order(-probabilities.max(axis=1), wrong)] * 2
    first.append(_Ranking(rule="worst_error", order=errors[0]))
    later = [_Ranking(rule="worst_error", order=errors[1])]
    for label in _most_frequent(data):
        order = _nearest_to_median(probabilities[:, label], data.y_true == label)
        later.append(_Ranking(rule="typical", order=order, where={data.facts.target: data.classes[label]}))
    return first, later


def _most_frequent(data: EvaluationData) -> list[int]:
    """The classes that may have a typical case, in their order; the most frequent ones where there are many."""
    counts = np.bincount(data.y_true, minlength=len(data.classes))
    return sorted(np.argsort(-counts, kind="stable")[:_TYPICAL_CLASSES].tolist())


def _regression(data: EvaluationData, score: npt.NDArray[Any]) -> tuple[list[_Ranking], list[_Ranking]]:
    """Rules that come before the groups, and after."""
    everyone = np.ones(len(data), dtype=bool)
    error = score - data.y_true
    first = [
        _Ranking(rule="worst_error", order=_order(-error, error > 0)),
        _Ranking(rule="typical", order=_nearest_to_median(score, everyone)),
    ]
    later = [
        _Ranking(rule="worst_error", order=_order(error, error < 0)),
        _Ranking(rule="extreme", order=_order(score, everyone)),
        _Ranking(rule="extreme", order=_order(-score, everyone)),
    ]
    return first, later


def _first_sensitive(data: EvaluationData) -> tuple[str, npt.NDArray[np.str_]]:
    """Name and group of each row; one group without a name where there is no sensitive feature."""
    return next(iter(data.sensitive_features.items()), ("", np.zeros(len(data), dtype=np.str_)))


def _groups(data: EvaluationData, score: npt.NDArray[Any]) -> list[_Ranking]:
    """One ranking a group of the first sensitive feature, the largest group first."""
    name, groups = _first_sensitive(data)
    if not name:
        return []
    labels, counts = np.unique(groups, return_counts=True)
    return [
        _Ranking(
            rule="group",
            order=_nearest_to_median(score, groups == labels[place]),
            where={name: str(labels[place])},
            rare=bool(counts[place] < RARE_ROWS),
        )
        for place in np.argsort(-counts, kind="stable")
    ]


def _order(value: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Rows of the mask, smallest value first; ties in the order of the data."""
    rows = np.flatnonzero(mask)
    return rows[np.argsort(value[rows], kind="stable")]


def _nearest_to_median(value: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    return _order(np.abs(value - np.median(value[mask])), mask) if mask.any() else np.empty(0, dtype=np.intp)


def _cutoff(model: ModelUnderTest) -> float:
    return 0.5 if model.facts.threshold is None else model.facts.threshold


def _rule(model: ModelUnderTest, data: EvaluationData, selection: _Selection) -> Message:
    filled = Counter(pick.rule for pick in selection.picks)
    binary, regression = data.task == "binary-classification", data.task == "regression"
    kind = "regression" if regression else "binary" if binary else "multiclass"
    rules = ("worst_error", "typical", "extreme" if regression else "threshold" if binary else "margin")
    values: dict[str, Scalar] = {"n": len(selection.picks), "rows": len(data), **{rule: filled[rule] for rule in rules}}
    if binary:
        values["cutoff"] = _cutoff(model)
    name, groups = _first_sensitive(data)
    if not name:
        return Message(key=f"core.case_rule_{kind}", values=values)
    total = len(np.unique(groups))
    values |= {"feature": name, "group": filled["group"], "shown": total - len(selection.waiting), "groups": total}
    return Message(key=f"core.case_rule_{kind}_groups", values=values)


def _labels(pick: _Pick, observed: str, *, raw: bool) -> Mapping[str, str]:
    """The labels of a case, without the name of a group or of a token that could point at a person."""
    if pick.rule == "typical":
        return dict.fromkeys(pick.where, observed)
    return dict.fromkeys(pick.where, RARE_VALUE) if pick.rare and not raw else pick.where


def _shown_classes(
    model: ModelUnderTest, data: EvaluationData, rows: Rows, outputs: npt.NDArray[Any], *, raw: bool
) -> list[dict[str, Any]]:
    """What each case says of classes and their probabilities, or of the values of a regression."""
    predicted = model.decisions(outputs)
    if not data.classes:
        return [
            {"predicted": f"{value:.6g}", "observed": f"{label:.6g}"}
            for value, label in zip(predicted.tolist(), rows.y_true.tolist(), strict=True)
        ]
    names, probabilities = ClassNames(data, raw=raw), model.probabilities(outputs)
    found = []
    for own, decided, label in zip(probabilities, predicted.astype(int), rows.y_true.astype(int), strict=True):
        top = np.argsort(-own, kind="stable")[:_MOST_PROBABLE] if len(own) > 2 else ()
        found.append(
            {
                "predicted": names.beside(decided, label),
                "observed": names.of(label),
                "predicted_probability": float(own[decided]),
                "observed_probability": float(own[label]),
                "most_probable": tuple((names.of(place), float(own[place])) for place in top),
            }
        )
    return found
