"""No English sentence counts in the plural what may be one: `{common} are in common` becomes `1 are in common`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from auditbench.messages import load_messages

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(file.parents[1].name for file in ROOT.glob("*/*/messages/en.toml"))
VERB = "(?:are|were|have|do)"
SUBJECT = re.compile(
    r"(?<![a-z] )(?<![a-z])"  # behind another word the count is mostly no subject: `of {n:count} rows that were`
    rf"\{{[a-z_]+(?::count)?\}}(?: of \{{[a-z_]+(?::count)?\}})?(?: (?!that|which|whose)[a-z-]+){{0,2}} {VERB}\b(?! needed)"
)
"""A number in front of a verb in the plural: alone, as `{n} of {total}`, or with its noun."""
AFTER_AND = re.compile(rf"and {{[a-z_]+(?::count)?}} {VERB}\b(?! needed)")
LISTS = re.compile(r"\{(titles|part)\}")
"""Placeholders of names or shares, not of a number."""
MANY = {
    "concepts.test",
    "core.batch_halved",
    "performance.finding.few_rows_more",
    "reason.evidence_incomplete_many",
}
"""Sentences that are said of several alone."""


def without_singular(templates: Mapping[str, str | Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for key, template in templates.items():
        forms = {"": template} if isinstance(template, str) else template
        if "one" not in forms and key not in MANY:
            yield from ((key, text) for text in forms.values())


def counted(text: str) -> list[str]:
    """What in a sentence would be wrong for the number one."""
    found = (match.group(0) for pattern in (SUBJECT, AFTER_AND) for match in pattern.finditer(text))
    return [words for words in found if not LISTS.search(words)]


@pytest.mark.parametrize("package", PACKAGES)
def test_what_may_be_one_has_a_singular(package: str) -> None:
    templates = load_messages(package)["en"]
    assert templates
    assert [(key, counted(text)) for key, text in without_singular(templates) if counted(text)] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Of the three inputs, {common} are in common.", True),
        ("{dead:count} of {units:count} units were active.", True),
        ("{n:count} rows have this label; {fewest:count} are needed.", True),
        ("{n:count} rows are examples and {others:count} are not.", True),
        ("the weights of epoch {best} were kept", False),
        ("{titles} are too uncertain", False),
        ("Groups with a case: {shown} of {groups}.", False),
        ("on {n:count} rows that were not used", False),
        ("{n:count} rows", False),
    ],
)
def test_the_shape_is_known(text: str, wrong: bool) -> None:
    assert bool(counted(text)) == wrong
