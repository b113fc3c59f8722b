"""The dates of a printed report: those of the audit, so that printing a record again gives the same file."""

from __future__ import annotations

import re

_DATE = re.compile(rb"(/(?:CreationDate|ModDate) \(D:)\d{14}([^)]{0,7})\)")
_NOT_RECORDED = "20000101000000"


def with_date(printed: bytes, moment: str) -> bytes:
    """A PDF whose dates are `moment` (as `utc_moment` writes it), or the first of 2000 where none was recorded.

    Every date keeps its length, so that no offset in the file moves.
    """
    digits = re.sub(r"\D", "", moment) or _NOT_RECORDED
    return _DATE.sub(lambda date: date[1] + digits.encode("ascii") + _utc(date[2]) + b")", printed)


def _utc(zone: bytes) -> bytes:
    """Zero for every digit of a zone, so that it has its length: `+00'00'`."""
    return re.sub(rb"\d", b"0", zone).replace(b"-", b"+")
