"""Markdown as GitHub reads it, with all that a comment there may use."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import cmarkgfm
from cmarkgfm.cmark import Options

from tests.html_page import Element, parse

# What GitHub or GitLab make of plain text after Markdown was read: mentions, references, emoji, formulas, addresses.
ACTIVE = re.compile(r"[@#!$~%&^](\w|$)|\bGH-\d|://|\bwww\.|(?<![0-9]\.)\b[0-9a-f]{7,40}\b|:\w+:")


def rendered(text: str) -> Element:
    """The page that GitHub's own parser makes of Markdown."""
    page = cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_FOOTNOTES | Options.CMARK_OPT_UNSAFE)
    assert re.findall("<[!?].*", page) in ([], ["<!-- auditbench report -->"])
    return parse(page)


def elements(tree: Element) -> Counter[tuple[str, ...]]:
    """How often each kind of element is there: its name, and the names of its attributes."""
    return Counter((element.name, *sorted(element.attributes)) for element in tree.every())


def active(tree: Element) -> list[str]:
    """Words in which a site would find something to act on."""
    return [text for text in _outside_code(tree) if ACTIVE.search(text)]


def _outside_code(tree: Element) -> Iterator[str]:
    for part in tree.parts:
        if isinstance(part, str):
            yield part
        elif part.name != "code":
            yield from _outside_code(part)
