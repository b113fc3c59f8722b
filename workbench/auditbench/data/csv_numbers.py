"""Numbers of CSV files that are written with a decimal comma, or with thousands separators."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from auditbench.errors import DataError

_EXPONENT = "(?:[eE][+-]?[0-9]+)?"
_WHOLE = rf"[+-]?(?:[0-9]+{_EXPONENT}|inf)"
_WITH_COMMA = rf"[+-]?(?:[0-9]+,[0-9]*|,[0-9]+){_EXPONENT}"
_WITH_POINT = rf"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+){_EXPONENT}"
_GROUPS = "[+-]?[1-9][0-9]{0,2}(?:%s[0-9]{3})+"
_BY_COMMAS = _GROUPS % "," + r"(?:\.[0-9]*)?"
_BY_POINTS = _GROUPS % r"\." + "(?:,[0-9]*)?"
_BY_BLANKS = _GROUPS % "[ '\u00a0\u2009\u202f\u2019]" + "(?:[.,][0-9]*)?"
_PLAIN = f"{_WHOLE}|{_WITH_POINT}"
_ANY_NUMBER = f"{_PLAIN}|{_WITH_COMMA}|{_BY_COMMAS}|{_BY_POINTS}|{_BY_BLANKS}"
_SHOWN = 3
_FIRST = 1_000


def with_numbers(
    table: Any, *, declared: Collection[str], points: Callable[[str], Any] | None, where: str, shown: str
) -> Any:
    """A parsed table with numbers in the place of text that has a decimal comma in every number that is not whole.

    A comma before exactly three digits may also part thousands: a column is only taken where another of its commas
    cannot, as that of `0,5`. A point is a decimal point, and doubted only between separators that go with decimal
    commas, where each in a column stands before three digits, and either other numbers of the column are whole and
    below 1000 or another column has decimal commas.

    Args:
        declared: Columns whose cells stay as they are.
        points: Reads the text of a column of numbers; None where separators do not go with decimal commas.
        where: Key path in audit.toml, and `shown` the file, for messages.

    Raises:
        DataError: The numbers of a column have thousands separators, or could be read in two ways.
    """
    commas = False
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type) and field.name not in declared:
            cells = table.column(index)
            if not _all(cells, _ANY_NUMBER) or _all(cells, _PLAIN):
                continue
            if not _all(cells, f"{_WHOLE}|{_WITH_COMMA}") or _all(cells, f"{_WHOLE}|{_BY_COMMAS}"):
                raise _refused(cells, field.name, where=where, shown=shown)
            table, commas = table.set_column(index, field.name, _decimals(cells)), True
    if points is not None:
        for index, field in enumerate(table.schema):
            if pa.types.is_floating(field.type) and _three_decimals(table.column(index), commas=commas):
                cells = points(field.name)
                if _all(cells, f"{_WHOLE}|{_BY_POINTS}") and (commas or not _all(cells, _BY_POINTS)):
                    raise _refused(cells, field.name, where=where, shown=shown)
    return table


def _all(cells: Any, pattern: str) -> bool:
    """Whether every cell that is not missing is of a pattern, the first of them before all others; True of none."""
    whole = rf"^\s*(?:{pattern})\s*$"
    return all(
        pc.all(pc.match_substring_regex(part, whole), min_count=0).as_py() for part in (cells.slice(0, _FIRST), cells)
    )


def _decimals(cells: Any) -> Any:
    return pc.replace_substring(pc.utf8_trim_whitespace(cells), ",", ".").cast(pa.float64())


def _three_decimals(numbers: Any, *, commas: bool) -> bool:
    """Whether points may part thousands in what was read as decimals, so that a look at the text is worth it."""
    whole = pc.equal(pc.floor(numbers), numbers)
    thousandths = pc.multiply(numbers, 1000.0)
    possible = pc.and_(
        pc.less(pc.abs(pc.subtract(thousandths, pc.round(thousandths))), 1e-6),
        pc.or_(whole, pc.greater_equal(pc.abs(numbers), 1.0)),
    )
    several = not pc.all(whole, min_count=0).as_py() and (commas or pc.any(whole, min_count=0).as_py())
    return bool(several and pc.all(possible, min_count=0).as_py() and pc.max(pc.abs(numbers)).as_py() < 1000)


def _refused(cells: Any, name: str, *, where: str, shown: str) -> DataError:
    parted = pc.unique(cells.filter(pc.match_substring_regex(cells, "[0-9][^0-9]")))
    some = ", ".join(repr(cell.as_py().strip()) for cell in parted[:_SHOWN])
    return DataError(
        f"column {name!r} of {shown} holds numbers of which it is not certain what stands before the decimals",
        where=where,
        found=f"{some}, among {len(cells):,} cells",
        allowed="numbers without thousands separators, all with a decimal point or all with a decimal comma",
        fix="write them without thousands separators; where a sign before three digits is a decimal sign, save the file "
        f'with commas between cells and decimal points; where they are codes, declare data.types.{name} = "category"',
    )
