"""The site as it is built: pages with their sections, and where links lead."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from tests.docs.blocks import ROOT

_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}


def build(target: Path) -> subprocess.CompletedProcess[str]:
    """Build the site; with `--strict` any warning is an error, and `-q` leaves nothing else to be said."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-f", str(ROOT / "docs" / "mkdocs.yml")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # what the theme says of its own future
    return subprocess.run(
        [*command, "-d", str(target)], env=environment, capture_output=True, text=True, check=False, timeout=280
    )


@dataclass
class Section:
    """A heading, its anchor, and what stands below it until the next heading: text, and the rows of tables."""

    title: str = ""
    anchor: str = ""
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Page:
    """A page: its sections in order, every anchor, and what it links to or loads."""

    sections: list[Section]
    anchors: set[str]
    links: list[str]
    loaded: list[str]

    @property
    def text(self) -> str:
        """All that it says, headings too, on one line."""
        return " ".join(" ".join([part.title, part.text]) for part in self.sections)

    def section(self, title: str) -> Section:
        """The section under a heading."""
        return next(part for part in self.sections if part.title == title)


def read_page(file: Path) -> Page:
    """The article of a page, without the navigation around it; links and files are those of the whole page."""
    reader = _Reader()
    reader.feed(file.read_text(encoding="utf-8"))
    for part in reader.sections:
        part.text, part.title = " ".join(part.text.split()), " ".join(part.title.split())
    return Page(sections=reader.sections, anchors=reader.anchors, links=reader.links, loaded=reader.loaded)


def pages_of(site: Path) -> Iterator[Path]:
    """Every page, but for the one that a server shows where there is none."""
    return (file for file in sorted(site.rglob("*.html")) if file.name != "404.html")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sections, self.anchors, self.links, self.loaded = [Section()], set[str](), list[str](), list[str]()
        self._open: list[str] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given["id"]} if "id" in given else set()
        self.links += [given["href"]] if tag == "a" and "href" in given else []
        self.loaded += [given[name] for name in ("src", "data-src") if name in given]
        self.loaded += [given["href"]] if tag == "link" and "href" in given else []
        if tag not in _VOID:
            self._open.append("permalink" if given.get("class") == "headerlink" else tag)
        if "article" not in self._open:
            return
        if tag in _HEADINGS:
            self.sections.append(Section(anchor=given.get("id", "")))
        elif tag == "tr":
            self.sections[-1].rows.append([])
        elif tag in ("td", "th"):
            self.sections[-1].rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "li", "div", "pre", "td", "th", "tr"):
            self.sections[-1].text += " "
        if tag not in _VOID and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if "article" not in self._open or {"permalink", "script", "style"} & set(self._open):
            return
        part = self.sections[-1]
        if _HEADINGS & set(self._open):
            part.title += data
            return
        part.text += data
        if {"td", "th"} & set(self._open):
            part.rows[-1][-1] += data
