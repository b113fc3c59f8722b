"""The zoo: every bad analyzer, each breaking one promise."""

from __future__ import annotations

from tests.zoo import bad_at_odd_data, bad_calls, bad_records, bad_results
from tests.zoo.bad import ZOO, Bad
from tests.zoo.good import GOOD

__all__ = ["GOOD", "ZOO", "Bad", "bad_at_odd_data", "bad_calls", "bad_records", "bad_results"]
