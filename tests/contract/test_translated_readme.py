"""README.zh-CN.md says what README.md says: the same headings, the same blocks, the same tables and links."""

from __future__ import annotations

import re
import shlex
import tomllib
from itertools import zip_longest

import pytest

from tests.docs.blocks import ROOT, Block, blocks_of

ENGLISH, CHINESE = (ROOT / "README.md").read_text("utf-8"), (ROOT / "README.zh-CN.md").read_text("utf-8")
BLOCKS = list(zip_longest(blocks_of(ENGLISH), blocks_of(CHINESE)))
_CHINESE_SIGN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize(
    ("english", "chinese"), [pytest.param(*pair, id=str(index)) for index, pair in enumerate(BLOCKS)]
)
def test_blocks_are_equal_but_for_their_comments(english: Block | None, chinese: Block | None) -> None:
    assert english is not None
    assert chinese is not None
    assert english.language == chinese.language
    assert without_comments(english) == without_comments(chinese)


def test_headings_are_equal_in_number_and_level() -> None:
    english, chinese = headings(ENGLISH), headings(CHINESE)
    assert [level for level, _ in english] == [level for level, _ in chinese]
    assert all(_CHINESE_SIGN.search(title) for _, title in chinese[1:])


def test_tables_have_equal_lines_and_the_same_names() -> None:
    english, chinese = table_lines(ENGLISH), table_lines(CHINESE)
    assert len(english) == len(chinese)
    assert [line.count("|") for line in english] == [line.count("|") for line in chinese]
    for first, second in zip(english, chinese, strict=True):
        assert sorted(re.findall(r"`[^`]+`", first)) == sorted(re.findall(r"`[^`]+`", second))


def test_links_and_images_lead_to_the_same_places() -> None:
    assert links(ENGLISH) - {"README.zh-CN.md"} == links(CHINESE) - {"README.md"}


def test_each_links_to_the_other() -> None:
    assert "README.md" in links(CHINESE)
    assert "README.zh-CN.md" in links(ENGLISH)


def test_paragraphs_are_translated() -> None:
    paragraphs = [part for part in re.split(r"\n\s*\n", prose(CHINESE)) if len(part) > 60 and not part.startswith("|")]
    assert len(paragraphs) > 20
    assert [part for part in paragraphs if len(_CHINESE_SIGN.findall(part)) < 10] == []


def without_comments(block: Block) -> object:
    """What a block does: words of commands, the value of TOML, the tokens of code."""
    if block.language == "toml":
        return tomllib.loads(block.text)
    if block.language == "sh":
        return [shlex.split(line, comments=True) for line in block.text.splitlines()]
    return re.sub(r"[ \t]*#[^\n]*", "", block.text)


def prose(page: str) -> str:
    """A page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)


def headings(page: str) -> list[tuple[int, str]]:
    return [(len(marks), title) for marks, title in re.findall(r"^(#+) (.+)$", prose(page), re.MULTILINE)]


def table_lines(page: str) -> list[str]:
    return [line for line in prose(page).splitlines() if line.startswith("|")]


def links(page: str) -> set[str]:
    """Where links lead; those to a heading of the page itself are named in its language."""
    return {link for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if not link.startswith("#")}
