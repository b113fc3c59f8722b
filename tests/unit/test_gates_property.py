"""Whatever a metric holds, a gate passes on finite numbers inside its limits and on nothing else."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from hypothesis import assume, event, example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from auditbench.config import GateTable
from auditbench.errors import RecordError, ResultError
from auditbench.gates import decide, verdict
from auditbench.record import validate
from auditbench.results import AnalysisResult, Interval, Metric

TODAY = datetime.date(2026, 5, 1)
NUMBERS = st.floats() | st.sampled_from([0.0, 0.5, 0.8, 1.0, -0.0, math.nan, math.inf, -math.inf])
VALUES = st.none() | NUMBERS | st.booleans() | st.sampled_from(["0.9", ""])
LIMITS = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 0.8, 1.0])


def unchecked(kind: type[Any], **fields: Any) -> Any:
    """A record that holds what its own checks would refuse, as a plugin could make one."""
    made = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def metric(value: Any, bounds: tuple[Any, Any] | None, no_interval: str = "exact") -> Metric:
    interval = None
    if bounds is not None:
        interval = unchecked(Interval, low=bounds[0], high=bounds[1], level=0.95, method="wilson")
    known = Metric(name="score", value=0.5, n=10, no_interval=no_interval or "exact")
    fields = {name: getattr(known, name) for name in Metric.__slots__}
    fields |= {"value": value, "interval": interval, "no_interval": no_interval}
    return unchecked(Metric, **fields)  # type: ignore[no-any-return]


@example(value=0.9, bounds=(0.85, 0.95), no_interval="", low=0.8, high=None, by="interval", crossing="warn")
@example(value=0.9, bounds=None, no_interval="exact", low=0.8, high=None, by="interval", crossing="fail")
@example(value=math.nan, bounds=None, no_interval="exact", low=0.8, high=None, by="estimate", crossing="warn")
@example(value=0.9, bounds=(math.nan, math.nan), no_interval="", low=0.8, high=None, by="interval", crossing="warn")
@example(value=True, bounds=None, no_interval="exact", low=0.8, high=None, by="estimate", crossing="warn")
@given(
    value=VALUES,
    bounds=st.none() | st.tuples(NUMBERS, NUMBERS),
    no_interval=st.sampled_from(["", "exact", "count", "not_estimated"]),
    low=LIMITS,
    high=LIMITS,
    by=st.sampled_from(["interval", "estimate"]),
    crossing=st.sampled_from(["fail", "warn"]),
)
def test_a_pass_is_a_finite_number_inside(
    value: Any,
    bounds: tuple[Any, Any] | None,
    no_interval: str,
    low: float | None,
    high: float | None,
    by: Any,
    crossing: Any,
) -> None:
    assume((low is not None or high is not None) and (low is None or high is None or low <= high))
    gate = GateTable(metric="toy.score", min=low, max=high, decide=by, inconclusive=crossing)
    result = AnalysisResult(analyzer="toy", metrics=(metric(value, bounds, no_interval),))
    (decision,) = decide((gate,), (result,), today=TODAY)
    event(decision.state)
    judged = [value, *(bounds if bounds is not None and by == "interval" else ())]
    numbers = all(isinstance(part, float) and math.isfinite(part) for part in judged)
    if decision.state == "pass":
        assert numbers
        assert all((low is None or part >= low) and (high is None or part <= high) for part in judged)
        assert by == "estimate" or bounds is not None or no_interval in ("exact", "count")
    if not numbers:
        assert decision.state == "error"
        assert verdict((decision,), (result,), rows=5)[1] != 0


@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", ["min", "max"])
def test_a_limit_is_a_finite_number(side: str, limit: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        GateTable.model_validate({"metric": "toy.score", side: limit})


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("value", True),
        ("value", "0.9"),
        ("value", math.nan),
        ("value", math.inf),
        ("n", "10"),
        ("n", True),
        ("n", None),
    ],
)
def test_what_is_no_number_is_none_when_it_is_read(part: str, value: Any) -> None:
    document = {"analyzer": "toy", "metrics": [{"name": "score", "value": 0.9, "n": 10, "no_interval": "exact"}]}
    assert validate(AnalysisResult, document, where="result").metrics[0].value == 0.9
    document["metrics"][0][part] = value  # type: ignore[index]
    with pytest.raises((RecordError, ResultError)):
        validate(AnalysisResult, document, where="result")
