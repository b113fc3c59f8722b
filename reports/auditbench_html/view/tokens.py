"""Values of the words of one text: the text with its words marked in three depths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from auditbench.results import AnalysisResult, TokenAttribution
from auditbench.safe_text import safe_text
from auditbench_html.view.captions import n_words
from auditbench_html.view.draft import TABLE_ROWS, Draft
from auditbench_html.view.figures import Cell, Figure, Grid, Heading
from auditbench_html.view.marked import MarkedText, Token, depth_of
from auditbench_html.view.numbers import signed
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words
from auditbench_html.view.value_keys import value_heading, value_keys

MOST_TOKENS = 1000
_SPACE = re.compile(r"([ \t\n]+)")


def tokens_figure(draft: Draft, result: AnalysisResult, block: TokenAttribution) -> Figure:
    """The text with the words that matter marked; dots for words that are not to be shown."""
    say = draft.say
    largest = max((abs(value) for value in block.values), default=0.0) or 1.0
    pieces = (
        piece
        for token, value in list(zip(block.tokens, block.values, strict=True))[:MOST_TOKENS]
        for piece in _pieces(shown(token, hidden=not draft.raw_inputs), depth_of(value / largest))
    )
    tokens = tuple(_joined(pieces))
    title, hidden = draft.title(block.title), EMPTY if draft.raw_inputs else say.say("tokens.hidden")
    return draft.figure(
        "tokens", title, say.sentences((say.say(f"tokens.{block.shows}"), hidden)), MarkedText(tokens=tokens), result=result,
        keys=value_keys(draft, block.shows, min(block.values, default=0.0)),
        how=draft.how(result, block.name, f"tokens_{block.shows}"), data=_table(draft, block, title),
        note=joined(n_words(draft, [1]), draft.more(MOST_TOKENS, len(block.tokens))),
    )  # fmt: skip


def shown(token: str, *, hidden: bool) -> str:
    """A token as it stands on the page: white space kept, every other character visible, or a dot for each of them."""
    parts = _SPACE.split(token.replace("\r\n", "\n"))
    parts[::2] = ["•" * len(part) if hidden else safe_text(part) for part in parts[::2]]
    return "".join(parts)


def _pieces(text: str, depth: int) -> Iterator[Token]:
    """A token with its depth, the white space around it without one."""
    core = text.strip(" \t\n")
    before, after = text[: text.find(core)], text[text.find(core) + len(core) :]
    yield from (Token(text=part, depth=level) for part, level in ((before, 0), (core, depth), (after, 0)) if part)


def _joined(pieces: Iterable[Token]) -> Iterator[Token]:
    """The same text with neighbours that have no depth as one piece."""
    for marked, group in groupby(pieces, key=lambda piece: piece.depth != 0):
        if marked:
            yield from group
        else:
            yield Token(text="".join(piece.text for piece in group), depth=0)


def _table(draft: Draft, block: TokenAttribution, title: Text) -> Grid:
    """The strongest words, with their place in the text."""
    say = draft.say
    columns = (
        Heading(label=say.say("column.place")),
        Heading(label=say.say("column.word")),
        value_heading(draft, block.shows, block.unit),
    )
    order = sorted(range(len(block.tokens)), key=lambda index: -abs(block.values[index]))[:TABLE_ROWS]
    rows = tuple(
        (
            Cell(text=say.say("count", n=index + 1)),
            Cell(text=name_text(shown(block.tokens[index].strip(), hidden=not draft.raw_inputs))),
            Cell(text=words(signed(block.values[index], 3)), value=block.values[index]),
        )
        for index in order
    )
    return Grid(caption=title, columns=columns, rows=rows, more=draft.more(TABLE_ROWS, len(block.tokens)))
