"""What `plugins check` prints: every promise, and last what breaks the broken ones."""

from __future__ import annotations

import pytest

from auditbench.cli.boundary import guarded
from auditbench.errors import Problem
from auditbench.testing.conformance import separate
from auditbench.testing.conformance.promises import Conformance, Promise, broken, kept, not_tried

PROMISES = [Promise(key=key, sentence="Is good.") for key in ("one", "two", "three")]
WRONG = Problem(message="it is bad", found="a fault", allowed="none", fix="mend it")
FIRST = Conformance(
    kind="analyzer",
    name="gap",
    outcomes=(kept(PROMISES[0]), broken(PROMISES[1], WRONG), not_tried(PROMISES[2], "it has none")),
)
SECOND = Conformance(kind="renderer", name="gap-page", outcomes=(kept(PROMISES[0]),))


def test_what_breaks_a_promise_stands_last(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(separate, "check_plugin", lambda *_, **__: (FIRST, SECOND))
    assert guarded(["plugins", "check", "gap"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "analyzer gap",
        "  kept       one: Is good.",
        "  broken     two: Is good.",
        "  not tried  three: Is good.",
    ]
    end = lines[lines.index("renderer gap-page") + 3 :]
    assert end[:2] == ["analyzer gap", "  broken     two: Is good."]
    assert [line.strip() for line in end[2:-2]] == [line.strip() for line in WRONG.lines()]
    assert end[-1] == "2 promises kept, 1 broken, 1 not tried"
