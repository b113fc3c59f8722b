"""A rendered report as a tree, for tests that ask what stands where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "input", "br", "hr", "img", "link"})


@dataclass(slots=True)
class Element:
    """One element: its name, attributes, and what it holds."""

    name: str
    attributes: dict[str, str]
    parts: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text within, white space collapsed."""
        return " ".join("".join(self._texts()).split())

    @property
    def own_text(self) -> str:
        """The text that stands in it directly, and in its names and bold words; not in a small second line."""
        within = [part if isinstance(part, str) else part.text for part in self.parts if _counts(part)]
        return " ".join("".join(within).split())

    @property
    def classes(self) -> set[str]:
        """Its classes."""
        return set(self.attributes.get("class", "").split())

    def every(self, name: str = "", wanted: Callable[[Element], bool] = lambda _: True) -> list[Element]:
        """All elements within of a name for which `wanted` holds, in order."""
        return [element for element in self._walk() if name in ("", element.name) and wanted(element)]

    def one(self, name: str = "", **attributes: str) -> Element:
        """The one element within that has these attributes."""
        found = self.every(name, lambda e: all(e.attributes.get(key) == value for key, value in attributes.items()))
        assert len(found) == 1, f"expected one {name} {attributes}, got {len(found)}"
        return found[0]

    def _walk(self) -> Iterator[Element]:
        for part in self.parts:
            if isinstance(part, Element):
                yield part
                yield from part._walk()

    def _texts(self) -> Iterator[str]:
        for part in self.parts:
            yield part if isinstance(part, str) else "".join(part._texts())


def _counts(part: Element | str) -> bool:
    return isinstance(part, str) or part.name in ("b", "bdi", "span")


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].parts.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def parse(page: bytes | str) -> Element:
    """The page as a tree; raises where an element is not closed where it should be."""
    builder = _Builder()
    builder.feed(page.decode("utf-8") if isinstance(page, bytes) else page)
    builder.close()
    assert builder.open == [builder.root], f"left open: {[element.name for element in builder.open[1:]]}"
    return builder.root


def number_of(text: str) -> float:
    """The number at the start of a text: `1,234`, `−0.5`, `12.5%`, `2.1 × 10⁻⁸`."""
    text = text.replace("\N{MINUS SIGN}", "-").replace(",", "")
    head, times, rest = text.partition(" × 10")
    if times:
        power = rest.split()[0].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        return float(head) * 10.0 ** int(power)
    head = text.split()[0]
    return float(head.rstrip("%")) / 100 if head.endswith("%") else float(head)
