"""Numbers of a result are finite."""

from __future__ import annotations

import math

from auditbench.errors import ResultError


def require_finite(where: str, *values: float | None) -> None:
    """Raise ResultError when a value is NaN or infinite; None is undefined and allowed."""
    for value in values:
        if value is not None and not math.isfinite(value):
            raise ResultError("expected a finite number, or None with a reason", where=where, found=str(value))
