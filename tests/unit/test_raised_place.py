"""The line of a plugin that an exception came from, as a report may name it."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from auditbench.worker.raised import place_of


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("gap.py", "gap.py:2 in read"),
        ("gap/__init__.py", "gap/__init__.py:2 in read"),
        ("gap/rows.py", "rows.py:2 in read"),
    ],
)
def test_the_innermost_line_of_the_plugin_is_named_without_its_folders(tmp_path: Path, file: str, place: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("def read():\n    int('x')\n")
    spec = spec_from_file_location("gap", path)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module := module_from_spec(spec))
    with pytest.raises(ValueError, match="invalid literal") as caught:
        module.read()
    assert place_of(caught.value, lambda name: name == str(path)) == place
    assert place_of(caught.value, lambda name: False) == ""
