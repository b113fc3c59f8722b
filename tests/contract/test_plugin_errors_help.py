"""Every error about a plugin says what its reader can do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("workbench/auditbench", "plugins", "reports")
OF_PLUGINS = {"PluginError", "PluginConflictError", "UnknownPluginError", "MissingProgramError"}
"""Those whose constructor takes a fix. What an analyzer answers, and a result that is none, are reasons in a record."""


def made(code: str) -> Iterator[ast.Call]:
    """Where such an error is made."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OF_PLUGINS:
            yield node


def helps(call: ast.Call) -> bool:
    """Whether it always has a fix, or takes its problems from elsewhere; a suggestion alone may be empty."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if "problems" in given:
        return True
    fix = given.get("fix")
    alone = isinstance(fix, ast.Call) and isinstance(fix.func, ast.Name) and fix.func.id == "nearest"
    return fix is not None and not alone and not (isinstance(fix, ast.Constant) and not fix.value)


def test_every_error_about_a_plugin_has_a_fix() -> None:
    places = {
        f"{path.relative_to(ROOT)}:{call.lineno}": helps(call)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for call in made(path.read_text())
    }
    assert len(places) > 15
    assert [place for place, helped in places.items() if not helped] == []


@pytest.mark.parametrize(
    ("arguments", "helped"),
    [
        ("'no'", False),
        ("'no', fix=''", False),
        ("'no', fix=nearest(name, names)", False),
        ("'no', fix=nearest(name, names) or 'see the list'", True),
        ("'no', fix='mend it'", True),
        ("'no', problems=found", True),
    ],
)
def test_an_error_without_a_fix_is_found(arguments: str, helped: bool) -> None:
    (call,) = made(f"raise PluginError({arguments})")
    assert helps(call) == helped
