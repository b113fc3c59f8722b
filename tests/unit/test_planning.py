"""The order of analyzers, and what is said when there is none."""

from __future__ import annotations

import pytest

from auditbench.errors import ConfigError
from auditbench.supervisor.planning import in_order


@pytest.mark.parametrize(
    ("names", "after", "expected"),
    [
        ("abc", {}, "abc"),
        ("abc", {"a": "c"}, "bca"),
        ("abc", {"a": "b", "b": "c"}, "cba"),
        ("abc", {"b": "x"}, "abc"),
    ],
)
def test_names_move_back_only_as_far_as_they_must(names: str, after: dict[str, str], expected: str) -> None:
    assert in_order(names, after) == tuple(expected)


@pytest.mark.parametrize(
    ("after", "circle"),
    [
        pytest.param({"b": "c", "c": "b"}, {"b", "c"}, id="two"),
        pytest.param({"a": "b", "b": "c", "c": "b", "d": "a"}, {"b", "c"}, id="those-that-only-wait-are-innocent"),
        pytest.param({"a": "b", "b": "c", "c": "d", "d": "b"}, {"b", "c", "d"}, id="three"),
        pytest.param({"a": "a", "b": "a"}, {"a"}, id="itself"),
    ],
)
def test_only_the_circle_is_named(after: dict[str, str], circle: set[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        in_order("abcde", after)
    assert set(caught.value.problems[0].found.split(", ")) == circle
