"""Whether reported standard errors are honest: coverage of the exact values, and width beside the true spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.gold import table_gold
from benchmarks.lines import Line
from benchmarks.scenes import parity
from benchmarks.section import Scale, Section
from benchmarks.workloads import table

if TYPE_CHECKING:
    from benchmarks.workloads import Table

NAME = "intervals"
COVERAGE_FLOOR = 0.93
WIDTH_FLOOR = 2
_ROUNDS = 2
_QUANTILE = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Honesty:
    """Of many repetitions on rows with exact values.

    Attributes:
        coverage: Share of the 95 % intervals that hold the exact value.
        width: Mean standard error over the mean true spread between repetitions.
        reported: Reported relative error: length of the standard errors over that of the exact values, mean over rows.
        true: Relative error, likewise.
    """

    coverage: float
    width: float
    reported: float
    true: float


def run(scale: Scale) -> Section:
    """Two rounds, which is what is done when no budget is given; one and four are stated beside it."""
    seeds = scale.rows(200, 30)
    usual, hard = (honesty(workload, _ROUNDS, seeds) for workload in (table("syn12"), parity()))
    lines = [
        Line(section=NAME, claim=f"syn12: share of 95 % intervals that hold the exact value, {_ROUNDS} rounds",
             measured=usual.coverage, floor=COVERAGE_FLOOR),
        Line(section=NAME, claim=f"syn12: reported standard error over the true spread, {_ROUNDS} rounds",
             measured=usual.width, floor=WIDTH_FLOOR, at_least=False),
        Line(section=NAME, claim=f"parity: share of 95 % intervals that hold the exact value, {_ROUNDS} rounds",
             measured=hard.coverage, floor=COVERAGE_FLOOR),
        Line(section=NAME, claim="parity: reported relative error over the true one",
             measured=hard.reported / hard.true, floor=0.9, detail=_errors(hard)),
        Line(section=NAME, claim="parity: reported relative error over that reported on syn12",
             measured=hard.reported / usual.reported, floor=1,
             detail=f"syn12 {_errors(usual)}; parity {_errors(hard)}"),
    ]  # fmt: skip
    notes = [f"{name}, {rounds} round(s): {_stated(honesty(workload, rounds, seeds))}"
             for name, workload in (("syn12", table("syn12")), ("parity", parity())) for rounds in (1, 4)]  # fmt: skip
    return Section(name=NAME, lines=lines, notes=notes)


def honesty(workload: Table, rounds: int, seeds: int) -> Honesty:
    """Repeat our permutations from so many seeds on the rows that have gold values."""
    import numpy as np

    gold = table_gold(workload).values
    method = ours.walks(rounds, len(gold))
    answers = [method.explain(workload, workload.rows[: len(gold)], seed) for seed in range(seeds)]
    values = np.stack([answer.values for answer in answers if answer.values is not None])
    errors = np.stack([answer.standard_error for answer in answers if answer.standard_error is not None])
    length = np.linalg.norm(gold, axis=1)
    return Honesty(
        coverage=float((np.abs(values - gold) <= _QUANTILE * errors).mean()),
        width=float(errors.mean() / values.std(axis=0, ddof=1).mean()),
        reported=float((np.linalg.norm(errors, axis=2) / length).mean()),
        true=float((np.linalg.norm(values - gold, axis=2) / length).mean()),
    )


def _errors(found: Honesty) -> str:
    return f"reported {found.reported:.2%}, true {found.true:.2%}"


def _stated(found: Honesty) -> str:
    return f"coverage {found.coverage:.1%}, width {found.width:.2f} of the true spread, {_errors(found)}"
