"""Text of the report: sentences from a catalogue, with the names in them kept apart from the words around them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from auditbench.findings import Message, Scalar
from auditbench.messages import Catalogue, format_scalar

LONGEST_NAME = 120
RunKind: TypeAlias = Literal["words", "name"]
_OPEN, _CLOSE = "\ue000", "\ue001"
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_NAME = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A stretch of text: `words` come from a catalogue, a `name` from data, configuration or a plugin."""

    text: str
    kind: RunKind = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Readable text in runs; `str()` gives it whole."""

    runs: tuple[Run, ...] = ()

    def __str__(self) -> str:
        return "".join(run.text for run in self.runs)

    def __bool__(self) -> bool:
        return any(run.text for run in self.runs)

    def __add__(self, other: Text) -> Text:
        return Text(runs=self.runs + other.runs)


EMPTY = Text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The catalogue of one language. Values that are `str` are taken for names; give `Text` for words."""

    catalogue: Catalogue

    @property
    def language(self) -> str:
        """Language of the page."""
        return self.catalogue.language

    def has(self, key: str) -> bool:
        """Whether the catalogue knows the key."""
        return self.catalogue.has(key)

    def say(self, key: str, **values: Scalar | Text) -> Text:
        """The sentence for a key of the catalogue."""
        filled = {name: _mark(value) for name, value in values.items()}
        return _split(self.catalogue.text(Message(key=key, values=filled)))

    def tell(self, message: Message) -> Text:
        """The sentence for a message of an analyzer or of the host; one without a template shows key and values."""
        if self.has(message.key):
            return self.say(message.key, **message.values)
        filled = "; ".join(f"{name} = {format_scalar(value)}" for name, value in message.values.items())
        return name_text(f"{message.key}: {filled}" if filled else message.key)

    def first(self, keys: Iterable[str], **values: Scalar | Text) -> Text | None:
        """The sentence for the first key that the catalogue knows."""
        known = next((key for key in keys if self.has(key)), None)
        return None if known is None else self.say(known, **values)

    def series(self, items: Iterable[Text]) -> Text:
        """Items as an enumeration: `a`, `a and b`, `a, b and c`."""
        parts = list(items)
        if len(parts) < 2:
            return parts[0] if parts else EMPTY
        head = parts[0]
        for part in parts[1:-1]:
            head = self.say("series.comma", first=head, second=part)
        return self.say("series.and", first=head, second=parts[-1])


def words(text: str) -> Text:
    """Text that holds no name: a number, a sign, a unit."""
    return Text(runs=(Run(text=text),))


def name_text(name: str) -> Text:
    """A name from outside, made safe to read."""
    return Text(runs=(Run(text=clean(name), kind="name"),))


def clean(name: str, limit: int = LONGEST_NAME) -> str:
    """A name with control, bidirectional and unassigned characters shown as codes, cut to a length.

    Line breaks count as control characters: a name is one line.
    """
    shown = name if len(name) <= limit else name[: limit - 1] + "…"
    return "".join(_visible(character) for character in shown)


def humanize(identifier: str) -> Text:
    """An identifier without a title in any catalogue: underscores become blanks."""
    return name_text(identifier.replace("_", " "))


@dataclass(slots=True, kw_only=True)
class Slugs:
    """Ids of page elements, from names of the configuration; two names of one slug get different ids."""

    taken: dict[str, str] = field(default_factory=dict)

    def of(self, prefix: str, name: str) -> str:
        """The id of a name: letters, digits and hyphens; with a short hash where it would clash or be empty."""
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
        digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:6]
        lossy = not slug or self.taken.get(f"{prefix}{slug}", name) != name
        key = f"{prefix}{slug}-{digest}".replace("--", "-") if lossy else f"{prefix}{slug}"
        self.taken[key] = name
        return key


def joined(*parts: Text, mark: str = " · ") -> Text:
    """Those parts that are not empty, one after the other."""
    text = EMPTY
    for part in parts:
        text = text + words(mark) + part if text and part else text + part
    return text


def labels(where: Mapping[str, str]) -> Text:
    """The labels of a metric in one phrase: `sex`, `sex: Female`, `fold 3`."""
    rest = dict(where)
    feature, group = rest.pop("feature", None), rest.pop("group", None)
    parts = []
    if feature is not None and group is not None:
        parts.append(name_text(feature) + words(": ") + name_text(group))
    elif feature is not None or group is not None:
        parts.append(name_text(feature or group or ""))
    parts += [humanize(key) + words(" ") + name_text(value) for key, value in sorted(rest.items())]
    return joined(*parts, mark=", ")


def _visible(character: str) -> str:
    if unicodedata.category(character) in _UNPRINTABLE:
        return f"⟨U+{ord(character):04X}⟩"
    return character


def _mark(value: Scalar | Text) -> Scalar:
    if isinstance(value, Text):
        return "".join(_wrap(run.text) if run.kind == "name" else run.text for run in value.runs)
    if isinstance(value, str):
        return _wrap(clean(value))
    return value


def _wrap(text: str) -> str:
    return f"{_OPEN}{text}{_CLOSE}"


def _split(marked: str) -> Text:
    runs: list[Run] = []
    position = 0
    for match in _NAME.finditer(marked):
        runs.append(Run(text=marked[position : match.start()]))
        runs.append(Run(text=match.group(1), kind="name"))
        position = match.end()
    runs.append(Run(text=marked[position:]))
    return Text(runs=tuple(run for run in runs if run.text))
