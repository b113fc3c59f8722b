"""When a request may go out: at most so many a second, and how long to wait before it is sent again."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_FIRST_WAIT = 0.5
_LIMITS: dict[tuple[str, int], Limiter] = {}
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What time it is, and how to let it pass; tests bring their own.

    Attributes:
        now: Seconds that never go back.
        date: Seconds since 1970.
    """

    now: Callable[[], float] = time.monotonic
    date: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Limiter:
    """A bucket with room for one token, which is filled at a rate: requests never come closer together than it says."""

    def __init__(self) -> None:
        self._free = 0.0
        self._lock = threading.Lock()

    def wait(self, per_second: float | None, clock: Clock) -> None:
        """Wait until a request may go out, and take its place."""
        if per_second is None:
            return
        with self._lock:
            now = clock.now()
            start = max(now, self._free)
            self._free = start + 1 / per_second
        if start > now:
            clock.sleep(start - now)


def limiter_of(host: str, port: int) -> Limiter:
    """The one limiter of a server in this process, whatever models are asked there."""
    with _LOCK:
        return _LIMITS.setdefault((host.lower(), port), Limiter())


def pause(tries: int, *, longest: float) -> float:
    """Seconds to wait after so many tries where the server does not say: 0.5, 1, 2, ... up to the longest."""
    return float(min(longest, _FIRST_WAIT * 2.0 ** min(tries - 1, 30)))


def asked_pause(retry_after: str, date: float) -> float | None:
    """Seconds that a `Retry-After` asks for, given as such or as a date; None where it is neither.

    Args:
        date: When it was said, in seconds since 1970: by the server's clock, if it tells, since ours may be another.

    References: RFC 9110, section 10.2.3.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    until = moment(text)
    return None if until is None else max(0.0, until - date)


def moment(date: str) -> float | None:
    """A date of a header in seconds since 1970; None where it is none."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
