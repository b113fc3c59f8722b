"""constraints.txt pins what pyproject.toml asks for, and nothing that must stay out."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINS = dict(line.split("==") for line in LINES if not line.startswith("#"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [
    Requirement(text)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in group
]


def test_lines_are_exact_versions_in_order() -> None:
    assert all(re.fullmatch(r"#.*|[a-z0-9][a-z0-9.-]*==[0-9][0-9a-z.]*", line) for line in LINES)
    assert list(PINS) == sorted(PINS)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_pin_lies_within_the_range(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINS[requirement.name.lower()])
    assert any(clause.operator == ">=" for clause in requirement.specifier)


def test_torchvision_is_absent() -> None:
    assert "torchvision" not in PINS
    assert importlib.util.find_spec("torchvision") is None, "its wheels do not load beside the CPU build of torch"
