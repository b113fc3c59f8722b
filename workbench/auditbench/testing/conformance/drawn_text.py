"""What a reader learns from the files of a renderer that are text, and what the texts of a run could do there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from html.parser import HTMLParser
from pathlib import PurePath

from auditbench.errors import Problem
from auditbench.messages import load_messages, merge_catalogues
from auditbench.testing.conformance.trying import NotTried
from auditbench.testing.known_runs import FAILED, TIMED_OUT

_PAGES = (".html", ".htm", ".xhtml", ".svg", ".xml")
_MARKDOWN = (".md", ".markdown")
_TABLES = (".csv", ".tsv")
_MARKUP = re.compile(r"<script>alert|<img src=x|<b>\*", re.IGNORECASE)
_IN_TEXT = "{{7*7}}"
"""A part of the first of `HOSTILE_TEXTS`, behind quotes of both kinds."""
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"(?<!\\)\[link(?<!\\)\]\(javascript:")
_FORMULA = re.compile(r"(?:^|[,;\t])\"?=cmd", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x9b\u202e\u2066]")


def untold_verdict(files: Mapping[str, Mapping[str, bytes]], verdict: str) -> Problem | None:
    """What breaks the promise to tell the verdict, in the words of the host or as `run.verdict` has it.

    Args:
        files: By language.

    Raises:
        NotTried: No file is text.
    """
    for language, text in _texts_by_language(files):
        words = merge_catalogues(language, load_messages("auditbench")[language]).say(f"core.verdict_{verdict}")
        if not any(told.casefold() in text.casefold() for told in (verdict, verdict.replace("_", " "), words)):
            return Problem(
                message=f"the verdict stands in no file in {language}",
                allowed=f"{verdict!r} or {words!r}",
                fix="write `run.verdict`; without it, nobody sees that the model is not ready",
            )
    return None


def unnamed_failure(files: Mapping[str, Mapping[str, bytes]]) -> Problem | None:
    """What breaks the promise to name the analyzers that gave no result; raises NotTried where no file is text."""
    for language, text in _texts_by_language(files):
        unnamed = [name for name in (FAILED, TIMED_OUT) if name not in text]
        if unnamed:
            return Problem(
                message=f"an analyzer that gave no result stands in no file in {language}",
                found=f"no {' and no '.join(unnamed)}",
                allowed="the name of every result whose status is `failed`, `timed_out` or `skipped`",
                fix="go through `run.results` and write the name, the status and the reason of each that is not `ok`",
            )
    return None


def harmful_text(files: Mapping[str, bytes]) -> Problem | None:
    """The first text of a run that is more than text in a file; raises NotTried where no file is text."""
    texts = _texts(files)
    if not texts:
        raise NotTried("none of its files is text")
    for name, whole in texts.items():
        kind = PurePath(name).suffix.lower()
        text = _CODE_SPAN.sub("", whole) if kind in _MARKDOWN else whole  # where nothing is read as markup
        patterns = [(_CONTROL, "a control character or a mark of direction")]
        if kind in _PAGES and (attribute := _attribute_of_text(text)):
            return _harmful(
                name, "an attribute of its own", attribute, "escape quotes where a text stands in an attribute"
            )
        if kind in _PAGES + _MARKDOWN:
            patterns.append((_MARKUP, "markup"))
        if kind in _MARKDOWN:
            patterns.append((_LINK, "a link that runs code"))
        if kind in _TABLES:
            patterns.append((_FORMULA, "a formula"))
        for pattern, what in patterns:
            if match := pattern.search(text):
                fix = "pass texts of the run through `auditbench.safe_text.safe_text`, then escape what the format reads as its own"
                return _harmful(name, what, text[max(0, match.start() - 20) : match.end() + 20], fix)
    return None


def _harmful(name: str, what: str, found: str, fix: str) -> Problem:
    return Problem(
        message=f"a text of the run stands in the file as {what}",
        where=name,
        found=ascii(found),
        allowed="the text itself, with every sign visible",
        fix=fix,
    )


def _attribute_of_text(page: str) -> str:
    """The name of an attribute that a hostile text became by ending the one that it stands in; empty where there is none."""
    found: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(name for name, _ in attrs if _IN_TEXT in name)

    if _IN_TEXT in page:
        Tags().feed(page)
    return next(iter(found), "")


def _texts_by_language(files: Mapping[str, Mapping[str, bytes]]) -> Iterator[tuple[str, str]]:
    for language, drawn in files.items():
        texts = _texts(drawn)
        if not texts:
            raise NotTried("none of its files is text")
        yield language, unescape("\n".join(texts.values()).replace("\\", ""))


def _texts(files: Mapping[str, bytes]) -> dict[str, str]:
    """The files that are text, as text."""
    found = {}
    for name, content in files.items():
        try:
            found[name] = content.decode("utf-8")
        except (UnicodeDecodeError, AttributeError):  # no text, or no bytes, which another promise tells
            continue
    return found
