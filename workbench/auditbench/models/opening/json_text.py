"""JSON of a model file, within the bounds of such files."""

from __future__ import annotations

from typing import Any

from auditbench.models.opening.limits import MAX_JSON_CONTAINERS
from auditbench.strict_json import parse_strictly as parse_within


def parse_strictly(content: str | bytes) -> Any:
    """The value that a text means.

    Raises:
        ValueError: It is no JSON, has too many lists and objects, has a name twice in an object, or a number that is not
            finite.
    """
    return parse_within(content, most_containers=MAX_JSON_CONTAINERS)
