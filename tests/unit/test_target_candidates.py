"""Which column `init` takes for the target, where several could be."""

from __future__ import annotations

from auditbench.cli.data_profile import ColumnProfile
from auditbench.cli.guesses import target_candidates


def number(name: str, missing: int) -> ColumnProfile:
    return ColumnProfile(name=name, kind="number", rows=100, missing=missing, distinct=90, values=("1.5", "2.5"))


def test_a_number_with_missing_values_ranks_below_one_without() -> None:
    columns = (number("income", 5), number("debt", 0), number("loss", 0))
    assert [one.column.name for one in target_candidates(columns)] == ["loss", "income", "debt"]
    assert target_candidates((number("income", 0), *columns[1:]))[0].column.name == "income"
