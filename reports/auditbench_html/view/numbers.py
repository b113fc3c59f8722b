"""Numbers as text: as many digits as the interval supports, with a true minus sign and thousands."""

from __future__ import annotations

import math
from dataclasses import dataclass

from auditbench.findings import GateDecision
from auditbench_html.view.text import EMPTY, Text, Words, joined, words

DASH = words("—")
PLAIN_UNITS = frozenset({"", "1"})
COUNTED_UNITS = frozenset({"parameters", "rows"})  # the title of such a metric says what is counted
_SIZES = (("gib", 2.0**30), ("mib", 2.0**20), ("kib", 2.0**10))
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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
) -> Estimate:
    """A value and its interval in one set of digits: two significant digits of the interval's half-width.

    Args:
        without_interval: Why there is none, as `Metric.no_interval` says.
        rows: That an exact value was taken over; not said for none or one.
    """
    if value is None:
        return Estimate(value=None, text=DASH, reason=reason)
    if unit == "bytes" and low is None and abs(value) >= _SIZES[-1][1]:
        name, size = next((name, size) for name, size in _SIZES if abs(value) >= size)
        text = say.say("quantity", number=words(f"{value / size:,.3g}"), unit=say.say(f"unit.{name}"))
        return Estimate(value=value, text=text)
    number, interval = concise(value), EMPTY
    if low is not None and high is not None:
        digits = decimals(value, low, high)
        number = fixed(value, digits)
        interval = spread(say, fixed(low, digits), fixed(high, digits))
    elif without_interval == "exact" and rows > 1:
        interval = say.say("no_interval.exact_rows", n=rows)
    elif without_interval and say.has(f"no_interval.{without_interval}"):
        interval = say.say(f"no_interval.{without_interval}")
    return Estimate(value=value, text=with_unit(say, number, unit), low=low, high=high, interval=interval)


def share(say: Words, value: float | None, *, low: float | None = None, high: float | None = None) -> Estimate:
    """A share as a percentage."""
    if value is None:
        return Estimate(value=None, text=DASH)
    digits = decimals(100 * value, None if low is None else 100 * low, None if high is None else 100 * high)
    digits = min(digits, 1) if low is not None else 1
    interval = EMPTY
    if low is not None and high is not None:
        interval = spread(say, fixed(100 * low, digits), fixed(100 * high, digits))
    return Estimate(value=value, text=words(fixed(100 * value, digits) + "%"), low=low, high=high, interval=interval)


def count(say: Words, value: int) -> Estimate:
    """A number of things."""
    return Estimate(value=float(value), text=say.say("count", n=value))


def decimals(value: float, low: float | None, high: float | None) -> int:
    """Digits after the point: by the interval where there is one, else four significant ones without closing zeros."""
    if low is not None and high is not None and high > low:
        return min(6, max(0, 1 - math.floor(math.log10((high - low) / 2))))
    if value == int(value) and abs(value) < 1e15:
        return 0
    return min(8, max(0, 3 - math.floor(math.log10(abs(value)))))


def fixed(value: float, digits: int) -> str:
    """A number with so many digits after the point, never a negative zero; huge ones with an exponent."""
    text = f"{value:.3g}" if abs(value) >= 1e15 else f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")


def signed(value: float, digits: int) -> str:
    """A number with its sign; zero has none."""
    text = fixed(value, digits)
    return f"+{text}" if value > 0 and any(character in "123456789" for character in text) else text


def short(value: float) -> str:
    """A number for an axis or a list: up to four significant digits, no closing zeros."""
    if 0 < abs(value) < 1e-4:
        mantissa, _, power = f"{value:.1e}".partition("e")
        return f"{mantissa} × 10{str(int(power)).translate(_RAISED)}".replace("-", "\N{MINUS SIGN}")
    text = fixed(value, decimals(value, None, None))
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def concise(value: float) -> str:
    """A number without an interval: three significant digits, whole ones in full."""
    return short(value if value == int(value) or abs(value) >= 1000 else float(f"{value:.3g}"))


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
    """The limits of a gate within a sentence: `at least 0.80`."""
    unit, parts = decision.unit, []
    for name in ("minimum", "maximum", "max_drop", "min_gain"):
        limit = getattr(decision, name)
        if limit is not None:
            parts.append(say.say(f"limit_words.{name}", value=with_unit(say, limit_number(limit, unit), unit)))
    return say.series(parts)


def limit_number(value: float, unit: str) -> str:
    """A limit as configured, with at least two digits where it is a share or a ratio."""
    text = short(value)
    whole, _, fraction = text.partition(".")
    padded = unit in PLAIN_UNITS and abs(value) < 10 and "×" not in text
    return f"{whole}.{fraction:0<2}" if padded else text
