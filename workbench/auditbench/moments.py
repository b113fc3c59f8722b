"""Recorded moments as text."""

from __future__ import annotations

import datetime


def utc_moment(stamp: str) -> str:
    """A recorded moment (ISO 8601; without a zone, in UTC) as `2026-11-20T09:15:52` in UTC; empty for none."""
    try:
        moment = datetime.datetime.fromisoformat(stamp)
        moment = moment.astimezone(datetime.UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return ""
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")
