"""Toy subjects that are odd in one way each, and what an analyzer promises of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch

from auditbench.data import TABULAR_INPUT, EvaluationData, Rows
from auditbench.testing.subjects import ToySubject

_Change: TypeAlias = Callable[[ToySubject], ToySubject | None]
"""May change the module that it is given, and nothing else of the subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """One way to be odd.

    Attributes:
        sentence: What an analyzer promises of it.
        words: Behind the name of a usual scene.
        change: Makes a usual subject odd; None where it cannot be.
    """

    sentence: str
    words: str
    change: _Change


def _empty_group(subject: ToySubject) -> ToySubject:
    def groups(rows: Rows) -> list[str]:
        evaluated = rows.row_ids[:1] == subject.data.row_ids[:1]
        return [("North", "South")[place % 2] if evaluated else "Islands" for place in range(len(rows))]

    return _regrouped(subject, groups)


def _group_of_one(subject: ToySubject) -> ToySubject:
    return _regrouped(subject, lambda rows: ["Islands", *["North"] * (len(rows) - 1)])


def _no_groups(subject: ToySubject) -> ToySubject:
    return _regrouped(subject, lambda rows: None)


def _one_class(subject: ToySubject) -> ToySubject:
    """Of a regression one label."""
    data = subject.data.with_rows(lambda rows: dataclasses.replace(rows, y_true=np.zeros_like(rows.y_true)))
    outcomes = dict.fromkeys(data.facts.outcomes, 0)
    if outcomes:
        outcomes[next(iter(outcomes))] = len(data)
    return _with_data(subject, dataclasses.replace(data, facts=dataclasses.replace(data.facts, outcomes=outcomes)))


def _three_rows(subject: ToySubject) -> ToySubject:
    data = subject.data.subset(np.arange(3))
    outcomes = {name: int((data.y_true == place).sum()) for place, name in enumerate(data.facts.outcomes)}
    return _with_data(
        subject, dataclasses.replace(data, facts=dataclasses.replace(data.facts, rows=3, outcomes=outcomes))
    )


def _missing_numbers(subject: ToySubject) -> ToySubject | None:
    """A third of the rows without a number of a table; None where there is no table."""
    if TABULAR_INPUT not in subject.model.inputs:
        return None

    def change(rows: Rows) -> Rows:
        raw = rows.inputs[TABULAR_INPUT].copy()
        raw[::3, 1] = np.nan
        return dataclasses.replace(rows, inputs={**rows.inputs, TABULAR_INPUT: raw})

    return _with_data(subject, subject.data.with_rows(change))


def _constant_model(subject: ToySubject) -> ToySubject:
    with torch.no_grad():
        for weights in subject.model.module.parameters():
            weights.zero_()
    return subject


def _outputs_not_finite(subject: ToySubject) -> ToySubject:
    """NaN for each row whose first output is above the median of all of them."""
    rows = subject.data.take(np.arange(len(subject.data)))
    middle = float(np.median(subject.model.predict(rows.inputs)[:, 0]))
    subject.model.module.register_forward_hook(_Undefined(middle))
    return subject


@dataclass(frozen=True, slots=True)
class _Undefined:
    """A forward hook, which copies as well as the module does."""

    above: float

    def __call__(self, module: Any, inputs: Any, outputs: torch.Tensor) -> torch.Tensor:
        return outputs.masked_fill(outputs[:, :1] > self.above, float("nan"))


def _with_data(subject: ToySubject, data: EvaluationData) -> ToySubject:
    return dataclasses.replace(subject, data=data)


def _regrouped(subject: ToySubject, groups: Callable[[Rows], Any]) -> ToySubject:
    """With one sensitive feature of these groups, or none where there are no groups."""

    def change(rows: Rows) -> Rows:
        found = groups(rows)
        return dataclasses.replace(rows, sensitive_features={} if found is None else {"region": np.asarray(found)})

    data = subject.data.with_rows(change)
    facts = dataclasses.replace(data.facts, sensitive=tuple(data.sensitive_features))
    return _with_data(subject, dataclasses.replace(data, facts=facts))


NOT_FINITE = "refuses-outputs-that-are-no-numbers"
ODD: dict[str, Oddity] = {
    "survives-an-empty-group": Oddity(
        sentence="Copes with a group that no evaluated row is in.",
        words="with a group that no evaluated row is in",
        change=_empty_group,
    ),
    "survives-a-group-of-one-row": Oddity(
        sentence="Copes with a group of one row.", words="with a group of one row", change=_group_of_one
    ),
    "survives-data-without-groups": Oddity(
        sentence="Copes with data without sensitive features.", words="without sensitive features", change=_no_groups
    ),
    "survives-one-class-alone": Oddity(
        sentence="Copes with labels that are all the same.", words="where all labels are the same", change=_one_class
    ),
    "survives-three-rows": Oddity(sentence="Copes with three rows.", words="with three rows", change=_three_rows),
    "survives-missing-numbers": Oddity(
        sentence="Copes with missing numbers.", words="with missing numbers", change=_missing_numbers
    ),
    "survives-a-constant-model": Oddity(
        sentence="Copes with a model that always gives the same.",
        words="with a constant model",
        change=_constant_model,
    ),
    NOT_FINITE: Oddity(
        sentence="Refuses outputs that are NaN, and computes nothing from them.",
        words="where outputs are NaN",
        change=_outputs_not_finite,
    ),
}
"""By the key of the promise."""
