"""Digests of plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def digest_of(document: Mapping[str, Any] | Sequence[Any]) -> str:
    """sha256 of JSON types, independent of the order of keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
