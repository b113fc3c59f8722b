"""What a worker answers when a command raises."""

from __future__ import annotations

from typing import Any

import pytest

from auditbench.wire import error_from
from auditbench.worker.serving import Worker


@pytest.mark.parametrize("raised", [RuntimeError("no ink"), SystemExit(3)])
def test_the_trace_of_an_error_travels_with_it(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> None:
    def described(registry: Any, name: str) -> None:
        raise raised

    monkeypatch.setattr("auditbench.worker.serving.describe_plugin", described)
    answer = Worker(lambda message: None).answer({"number": 1, "command": "describe", "plugins": ["x"]})
    error = error_from(answer["error"])
    assert type(raised).__name__ in str(error)
    assert "raise raised" in error.details
    assert "log" not in error.describe()


def test_the_trace_of_a_refusal_travels_too() -> None:
    message = {"number": 1, "command": "render", "renderer": "nobody", "folder": "", "language": "en", "record": ""}
    error = error_from(Worker(lambda message: None).answer(message)["error"])
    assert error.code == "AB402"
    assert "find_entry" in error.details
