"""Message catalogues: from a key and its values to a sentence in one language.

A catalogue is a TOML file a language, `messages/en.toml` beside the code that uses the keys. A template is a string, or
a table with `one` and `other`, chosen by the value `n`. Placeholders are `{name}`, `{name:percent}`, `{name:signed}`,
`{name:count}`, `{name:.3g}`; nothing else of Python's format language is allowed, so that a template cannot reach into
objects.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeAlias

from auditbench.findings import Message, Scalar
from auditbench.plugin_folder import plugin_folders

Template: TypeAlias = str | Mapping[str, str]
Templates: TypeAlias = Mapping[str, Template]
LANGUAGES = ("en", "zh-CN")
_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)(?::([a-z0-9_.]+))?\}")
_FORM = re.compile(r"percent|signed|count|\.[0-9]{1,2}[efg]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Templates of one language; a key without one shows as itself, so that nothing is lost."""

    language: str
    templates: Templates

    def has(self, key: str) -> bool:
        """Whether there is a template for the key."""
        return key in self.templates

    def text(self, message: Message) -> str:
        """The sentence for a message; a missing value shows as its placeholder."""
        template = self.templates.get(message.key, message.key)
        if isinstance(template, Mapping):
            form = "one" if message.values.get("n") == 1 and "one" in template else "other"
            template = template.get(form, message.key)
        return _PLACEHOLDER.sub(lambda match: self._fill(match, message.values), template)

    def say(self, key: str, **values: Scalar) -> str:
        """The sentence for a key and its values."""
        return self.text(Message(key=key, values=values))

    def _fill(self, match: re.Match[str], values: Mapping[str, Scalar]) -> str:
        name, form = match.group(1), match.group(2) or ""
        if name not in values:
            return match.group(0)
        return format_scalar(values[name], form)


def merge_catalogues(language: str, *parts: Templates) -> Catalogue:
    """One catalogue of several; an earlier part wins, so that a plugin cannot replace the host's words."""
    templates: dict[str, Template] = {}
    for part in parts:
        templates = {**part, **templates}
    return Catalogue(language=language, templates=templates)


@functools.cache
def load_messages(package: str) -> Mapping[str, Templates]:
    """The catalogues in `messages/` of an import package, by language; a language without a file is left out.

    They are read once in a process.
    """
    folder = resources.files(package) / "messages"
    files = {language: folder / f"{language}.toml" for language in LANGUAGES}
    return {language: tomllib.loads(file.read_text("utf-8")) for language, file in files.items() if file.is_file()}


def shipped_messages(module: str) -> dict[str, Templates]:
    """The catalogues of a plugin's package as `load_messages` finds them, but without importing it.

    A language that cannot be read, and whatever is no template, is left out.

    Args:
        module: What the entry point names.
    """
    found: dict[str, Templates] = {}
    for folder in plugin_folders(module):
        for language in LANGUAGES:
            with suppress(OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
                read = tomllib.loads((folder / "messages" / f"{language}.toml").read_text("utf-8"))
                found[language] = {key: template for key, template in read.items() if not template_fault(template)}
    return found


def messages_in(block: Any) -> Iterator[Message]:
    """Every message inside a block, a result, or a sequence or mapping of them."""
    if isinstance(block, Message):
        yield block
    elif dataclasses.is_dataclass(block):
        for field in dataclasses.fields(block):
            yield from messages_in(getattr(block, field.name))
    elif isinstance(block, Mapping):
        for value in block.values():
            yield from messages_in(value)
    elif isinstance(block, list | tuple):
        for value in block:
            yield from messages_in(value)


def template_fault(template: object) -> str:
    """What a template must be and is not; empty when nothing is wrong with it."""
    if isinstance(template, Mapping):
        if "other" not in template or not set(template) <= {"one", "other"}:
            return "a table with `other`, and `one` if needed"
        return next(filter(None, map(template_fault, template.values())), "")
    if not isinstance(template, str):
        return "text, or a table with `one` and `other`"
    if any(match[2] and not _FORM.fullmatch(match[2]) for match in _PLACEHOLDER.finditer(template)):
        return "one of the forms percent, signed, count, or such as .3g"
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        return "braces around placeholders alone: {name} or {name:form}, in lower case"
    return ""


def format_scalar(value: Scalar, form: str = "") -> str:
    """A value as text: U+2212 as minus, thousands with commas, None as a dash.

    Args:
        form: `percent` (0.123 -> 12.3%), `signed`, `count`, or a Python float format such as `.3g`; empty shows up to
            four significant digits, and so does a form that is none of these.
    """
    if value is None:
        return "—"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if form == "percent":
        return _minus(f"{100 * value:.1f}%")
    if form == "signed":
        return _minus(f"{value:+.4g}")
    known = bool(_FORM.fullmatch(form))
    if form == "count" or (isinstance(value, int) and not known):
        return _minus(f"{value:,.0f}")
    return _minus(format(value, form if known else ".4g"))


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}") if text.startswith("-") else text
