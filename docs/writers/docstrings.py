"""What a docstring says, taken apart: what a thing is, its fields or arguments, its errors and its source."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import ModuleType
from typing import Any, TypeGuard

_SECTION = re.compile(r"^(Attributes|Args|Raises|References|Returns):(.*)$")
_ITEM = re.compile(r"^ {4}(\*{0,2}[\w.]+):(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """A docstring in its parts; a part that is not there is empty.

    Attributes:
        text: Paragraphs of Markdown.
        items: By section (`Attributes`, `Args`, `Raises`), what is said of each name.
        source: Of `References`.
    """

    text: str
    items: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    source: str = ""

    def said(self, name: str) -> str:
        """What is said of a field or an argument."""
        return next((part[name] for part in (self._of("Attributes"), self._of("Args")) if name in part), "")

    def raises(self) -> Mapping[str, str]:
        """When which error is raised."""
        return self._of("Raises")

    def _of(self, section: str) -> Mapping[str, str]:
        return self.items.get(section, {})


def read_docstring(thing: Any) -> Docstring:
    """The docstring of a module, class, function or property."""
    paragraphs: list[str] = []
    items: dict[str, dict[str, str]] = {}
    source, section, name = "", "", ""
    for line in inspect.cleandoc(getattr(thing, "__doc__", None) or "").splitlines():
        if match := _SECTION.match(line):
            section, name = match[1], ""
            source += match[2].strip() if section == "References" else ""
        elif not section or (line and not line.startswith(" ")):
            section = ""
            paragraphs.append(line)
        elif section == "References":
            source += f" {line.strip()}"
        elif match := _ITEM.match(line):
            name = match[1].lstrip("*")
            items.setdefault(section, {})[name] = match[2].strip()
        elif name:
            items[section][name] += f" {line.strip()}"
    return Docstring(text=_markdown("\n".join(paragraphs)), items=items, source=source.strip())


def first_sentence(thing: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(read_docstring(thing).text.partition("\n\n")[0].split())


def said_below(package: ModuleType) -> dict[str, str]:
    """What stands as text below a constant, by its name, in a module and in those of its package that are loaded."""
    names = [name for name in sys.modules if name == package.__name__ or name.startswith(f"{package.__name__}.")]
    bodies = (ast.parse(inspect.getsource(sys.modules[name])).body for name in names)
    return {
        name.id: inspect.cleandoc(text.value.value)
        for body in bodies
        for first, text in pairwise(body)
        if isinstance(first, ast.Assign | ast.AnnAssign) and _is_text(text)
        for name in ast.walk(first)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }


def _is_text(node: ast.stmt) -> TypeGuard[Any]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _markdown(text: str) -> str:
    """Paragraphs as they are; what stands behind a double colon is code."""
    return re.sub(
        r"::\n\n((?: {4}.*\n?|\n)+)", lambda match: f":\n\n```python\n{inspect.cleandoc(match[1])}\n```\n", text
    )
