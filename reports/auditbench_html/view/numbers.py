"""Numbers as text: as many digits as the interval supports, with a true minus sign and thousands."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from auditbench.findings import GateDecision
from auditbench_html.view.text import EMPTY, Text, Words, joined, words

DASH = words("—")
PLAIN_UNITS = frozenset({"", "1"})
COUNTED_UNITS = frozenset({"parameters", "rows"})  # the title of such a metric says what is counted
_SIZES = (("gib", 2.0**30), ("mib", 2.0**20), ("kib", 2.0**10))
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_HUGE, _TINY = 1e15, 1e-4
Bound: TypeAlias = tuple[float, float]
"""A limit, and whether more (1) or less (-1) than it is inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number as shown, with the number itself; `value` is None where it is undefined and `reason` says why."""

    value: float | None
    text: Text
    low: float | None = None
    high: float | None = None
    interval: Text = EMPTY
    reason: Text = EMPTY


def estimate(
    say: Words,
    value: float | None,
    *,
    low: float | None = None,
    high: float | None = None,
    unit: str = "1",
    reason: Text = EMPTY,
    without_interval: str = "",
    rows: int = 0,
    bounds: Iterable[Bound] = (),
) -> Estimate:
    """A value and its interval in one set of digits: two significant digits of the interval's half-width.

    Args:
        bounds: Limits that the number is read against, in its unit. It gets as many digits as it takes to stand on
            the side of each that it is on, and keeps the unit of the limits.
        without_interval: Why there is none, as `Metric.no_interval` says.
        rows: That an exact value was taken over; not said for none or one.
    """
    if value is None:
        return Estimate(value=None, text=DASH, reason=reason)
    bounds = tuple(bounds)
    if unit == "bytes" and low is None and not bounds and abs(value) >= _SIZES[-1][1]:
        name, size = next((name, size) for name, size in _SIZES if abs(value) >= size)
        text = say.say("quantity", number=words(concise(value / size)), unit=say.say(f"unit.{name}"))
        return Estimate(value=value, text=text)
    number, interval = concise(value, bounds), EMPTY
    if low is not None and high is not None:
        digits = digits_for((value, low, high), decimals(value, low, high), bounds)
        number = fixed(value, digits)
        interval = spread(say, fixed(low, digits), fixed(high, digits))
    elif without_interval == "exact" and rows > 1:
        interval = say.say("no_interval.exact_rows", n=rows)
    elif without_interval and say.has(f"no_interval.{without_interval}"):
        interval = say.say(f"no_interval.{without_interval}")
    return Estimate(value=value, text=with_unit(say, number, unit), low=low, high=high, interval=interval)


def share(say: Words, value: float | None, *, low: float | None = None, high: float | None = None) -> Estimate:
    """A share as a percentage; 0% and 100% stand for none and all, never for nearly so."""
    if value is None:
        return Estimate(value=None, text=DASH)
    parts = [100 * part for part in (value, low, high) if part is not None]
    digits = min(1, decimals(*parts)) if len(parts) == 3 else 1
    digits = digits_for(parts, digits, ((0.0, 1.0), (0.0, -1.0), (100.0, 1.0), (100.0, -1.0)))
    interval = EMPTY
    if low is not None and high is not None:
        interval = spread(say, fixed(100 * low, digits), fixed(100 * high, digits))
    return Estimate(value=value, text=words(fixed(100 * value, digits) + "%"), low=low, high=high, interval=interval)


def percentage(level: float) -> Text:
    """A level of confidence as a number of per cent, none of its digits lost."""
    return words(f"{100 * level:.10g}")


def count(say: Words, value: int) -> Estimate:
    """A number of things."""
    return Estimate(value=float(value), text=say.say("count", n=value))


def decimals(value: float, low: float | None = None, high: float | None = None) -> int:
    """Digits after the point: by the interval where there is one, else four significant ones without closing zeros.

    An interval gives at most six, or six significant ones of the largest number.
    """
    half = high / 2 - low / 2 if low is not None and high is not None else 0.0
    if half > 0:
        largest = max(abs(number) for number in (value, low, high) if number is not None)
        return min(max(6, 5 - _power(largest)), max(0, 1 - _power(half)))
    if value == int(value) and abs(value) < _HUGE:
        return 0
    return max(0, 3 - _power(value))


def digits_for(numbers: Collection[float], digits: int, bounds: Iterable[Bound]) -> int:
    """So many digits, or as many more as put each number as shown on the side of each bound that it is on."""
    for limit, sign in bounds:
        inside = [sign * number >= sign * limit for number in numbers]
        while [sign * _as_shown(number, digits) >= sign * limit for number in numbers] != inside:
            digits += 1
    return digits


def fixed(value: float, digits: int) -> str:
    """A number with so many digits after the point, never a negative zero; huge and tiny ones as a power of ten."""
    shown = _as_shown(value, digits)
    if abs(shown) >= _HUGE:
        return _raised(f"{value:.{digits + 2}e}")
    if shown and digits > 6 and abs(shown) < _TINY:
        return _raised(f"{shown:.{max(0, digits + _power(shown))}e}")
    return f"{shown or 0.0:,.{digits if shown or digits <= 6 else 0}f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float, digits: int) -> str:
    """A number with its sign; zero has none."""
    text = fixed(value, digits)
    return f"+{text}" if value > 0 and any(character in "123456789" for character in text) else text


def short(value: float) -> str:
    """A number for an axis or a list: up to four significant digits, no closing zeros."""
    if 0 < abs(value) < _TINY:
        return _raised(f"{value:.1e}")
    return _trimmed(fixed(value, decimals(value)))


def concise(value: float, bounds: Iterable[Bound] = ()) -> str:
    """A number without an interval: three significant digits, whole ones in full; more where a bound asks for them."""
    digits = decimals(value)
    if 0 < abs(value) < 1000 and value != int(value):
        digits = max(0, (2 if abs(value) >= _TINY else 1) - _power(float(f"{value:.3g}")))
    return _trimmed(fixed(value, digits_for((value,), digits, bounds)))


def spread(say: Words, low: str, high: str) -> Text:
    """`0.67 to 0.75`."""
    return say.say("range", low=words(low), high=words(high))


def with_unit(say: Words, number: str, unit: str) -> Text:
    """A number and its unit; ratios and shares have none."""
    if unit in PLAIN_UNITS or unit in COUNTED_UNITS:
        return words(number)
    return say.say("quantity", number=words(number), unit=say.unit(unit))


def limit_text(say: Words, decision: GateDecision) -> Text:
    """The limits of a gate: `≥ 0.80`, `≤ 25 ms`, `drop ≤ 0.02`, or several; a dash for a gate without one."""
    unit, parts = decision.unit, []
    if decision.minimum is not None:
        parts.append(words("≥ ") + with_unit(say, limit_number(decision.minimum, unit), unit))
    if decision.maximum is not None:
        parts.append(words("≤ ") + with_unit(say, limit_number(decision.maximum, unit), unit))
    for name in ("max_drop", "min_gain"):
        limit = getattr(decision, name)
        if limit is not None:
            parts.append(say.say(f"limit.{name}", value=with_unit(say, limit_number(limit, unit), unit)))
    return joined(*parts, mark=say.mark("comma")) if parts else DASH


def limit_words(say: Words, decision: GateDecision) -> Text:
    """The limits of a gate within a sentence: `at least 0.80`; and that the estimate alone decided, where it did."""
    unit, parts = decision.unit, []
    for name in ("minimum", "maximum", "max_drop", "min_gain"):
        limit = getattr(decision, name)
        if limit is not None:
            parts.append(say.say(f"limit_words.{name}", value=with_unit(say, limit_number(limit, unit), unit)))
    limits = say.series(parts)
    return say.say("limit_words.by_estimate", limits=limits) if decision.decide == "estimate" else limits


def limit_number(value: float, unit: str) -> str:
    """A limit as configured, digit by digit; with at least two after the point where it is a share or a ratio."""
    digits = repr(float(value))
    if "e" in digits:
        return _raised(digits)
    whole, _, fraction = f"{Decimal(digits.removesuffix('.0')):,f}".replace("-", "\N{MINUS SIGN}").partition(".")
    if unit in PLAIN_UNITS and abs(value) < 10:
        fraction = f"{fraction:0<2}"
    return f"{whole}.{fraction}" if fraction else whole


def value_bounds(decision: GateDecision) -> tuple[Bound, ...]:
    """The limits of a gate on the value."""
    limits = ((decision.minimum, 1.0), (decision.maximum, -1.0))
    return tuple((limit, sign) for limit, sign in limits if limit is not None)


def gain_bounds(decision: GateDecision) -> tuple[Bound, ...]:
    """The limits of a gate on the gain since the baseline."""
    least = (None if decision.max_drop is None else -decision.max_drop, decision.min_gain)
    return tuple((limit, 1.0) for limit in least if limit is not None)


def _as_shown(value: float, digits: int) -> float:
    return float(f"{value:.{digits + 2}e}") if abs(value) >= _HUGE else round(value, digits)


def _power(value: float) -> int:
    """Power of ten of the first digit of a number that is not zero."""
    return math.floor(math.log10(abs(value)))


def _raised(text: str) -> str:
    """`1.2e-08` as `1.2 × 10⁻⁸`."""
    mantissa, _, power = text.partition("e")
    return f"{mantissa} × 10{str(int(power)).translate(_RAISED)}".replace("-", "\N{MINUS SIGN}")


def _trimmed(text: str) -> str:
    """A number without the zeros that close it."""
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text
