"""Text of the report: sentences from a catalogue, with the names in them kept apart from the words around them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from auditbench.bands import MISSING_GROUP, read_band
from auditbench.findings import Message, Scalar
from auditbench.messages import Catalogue, Template, Templates, format_scalar
from auditbench.safe_text import LONGEST_TEXT, safe_text

RunKind: TypeAlias = Literal["words", "name"]
OF_SLOPE = " per encoded unit"
"""How the unit of slopes ends, which begins with that of the output."""
_OPEN, _CLOSE = "\ue000", "\ue001"
_NAME = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_HAN = "[\u3400-\u9fff\uf900-\ufaff]"
_LATIN = "[0-9A-Za-z\u00c0-\u024f\u0370-\u04ff]"
_LATIN_FIRST = f"(?:{_LATIN}|[−+≥≤<>])"
_CROWDED = re.compile(f"(?<={_HAN})(?={_LATIN_FIRST})|(?<={_LATIN})(?={_HAN})|(?<=[%°])(?={_HAN})")
_TERM = re.compile(r"\uff08[A-Za-z][A-Za-z0-9 .,'\u2019²/-]*\uff09")
_AND, _COMMA = " & ", ", "
_LISTS = ("concepts", "layers", "classes")
"""Values of messages that are names in a row."""
_TOKEN_ROW = re.compile(r"(.+), token (\d+)")
_LOOSE = re.compile(f"(?<={_HAN}) (?={_HAN})")


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
    """The catalogue of one language. Values that are `str` are taken for names; give `Text` for words.

    Attributes:
        computed: Sensitive features that the host computed, such as `brightness`, whose names are words of its own.
    """

    catalogue: Catalogue
    computed: frozenset[str] = frozenset()

    @property
    def language(self) -> str:
        """Language of the page."""
        return self.catalogue.language

    def has(self, key: str) -> bool:
        """Whether the catalogue knows the key."""
        return self.catalogue.has(key)

    def say(self, key: str, /, **values: Scalar | Text) -> Text:
        """The sentence for a key of the catalogue, spaced as its language is written."""
        filled = {name: _mark(self._named(name, value)) for name, value in values.items()}
        text = _split(self.catalogue.text(Message(key=key, values=filled)))
        return Text(runs=tuple(_spaced(text.runs))) if self.language.startswith("zh") else text

    def tell(self, message: Message) -> Text:
        """The sentence for a message of an analyzer or of the host; one without a template shows key and values.

        A value called `unit`, `method` or `other_method` that the catalogue knows is said in its words.
        """
        if self.has(message.key):
            return self.say(
                message.key, **{name: self._resolved(name, value) for name, value in message.values.items()}
            )
        filled = "; ".join(f"{name} = {format_scalar(value)}" for name, value in message.values.items())
        return name_text(f"{message.key}: {filled}" if filled else message.key)

    def unit(self, unit: str) -> Text:
        """A unit in words, that of a slope by the unit of its output; one that no catalogue names shows itself."""
        return self._unit(unit, ("unit.",))

    def long_unit(self, unit: str) -> Text:
        """The same where there is room: `milliseconds`."""
        return self._unit(unit, ("unit_long.", "unit."))

    def feature(self, name: str) -> Text:
        """A sensitive feature or several, `sex & brightness`; a computed one in words."""
        return _combined(name, [self._computed(part) for part in name.split(_AND)])

    def group(self, name: str) -> Text:
        """A group, or one of several features at once, `Female & under 25`; bands of numbers in words."""
        return _combined(name, [self.band(part) for part in name.split(_AND)])

    def row(self, row_id: str) -> Text:
        """The id of a row; one that a language model was given says which token of which text it is."""
        found = _TOKEN_ROW.fullmatch(row_id)
        return self.say("row.token", text=found[1], n=words(found[2])) if found else name_text(row_id)

    def band(self, text: str) -> Text | None:
        """A band of numbers, or the group without a number, in words; None for any other text."""
        if text == MISSING_GROUP:
            return self.say("band.missing")
        band = read_band(text)
        if band is None or band.kind == "single":
            return None
        return self.say(f"band.{band.kind}", low=_number(band.low), high=_number(band.high))

    def mark(self, name: str) -> str:
        """A mark between parts of a text: `comma`, `list`, `semicolon`, `colon`, `stop`, or the `gap` between sentences."""
        return str(self.say(f"mark.{name}"))

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

    def sentences(self, items: Iterable[Text]) -> Text:
        """Those sentences that are not empty, one after the other."""
        text = EMPTY
        for item in items:
            text = self.say("series.sentences", first=text, second=item) if text and item else text + item
        return text

    def labels(self, where: Mapping[str, str]) -> Text:
        """The labels of a metric in one phrase: `sex`, `sex: Female`, `fold 3`."""
        rest = dict(where)
        feature, group = rest.pop("feature", None), rest.pop("group", None)
        parts = []
        if feature is not None and group is not None:
            parts.append(self.say("label.group", feature=feature, group=group))
        elif feature is not None:
            parts.append(self.feature(feature))
        elif group is not None:
            parts.append(self.group(group))
        parts += [self._label(key, value) for key, value in sorted(rest.items())]
        return joined(*parts, mark=self.mark("comma"))

    def _unit(self, unit: str, starts: tuple[str, ...]) -> Text:
        output = unit.removesuffix(OF_SLOPE)
        told = self.first(f"{start}{output}" for start in starts) or name_text(output)
        return told if output == unit else self.say("unit_of.slope", unit=told)

    def _label(self, key: str, value: str) -> Text:
        method = self._method(value) if key == "method" else None
        name = self._computed(key) or self.first((f"where.{key}",)) or humanize(key)
        return self.say("label.entry", name=name, value=method or self.band(value) or value)

    def _method(self, name: str) -> Text | None:
        return self.first((f"{name}.name", f"analyzer.{name}", f"method.{name}"))

    def _computed(self, name: str) -> Text | None:
        if name not in self.computed:
            return None
        source, _, attribute = name.rpartition(".")
        word = self.first((f"computed.{attribute}",)) or name_text(attribute)
        return self.say("computed.of", source=source, attribute=word) if source else word

    def _named(self, name: str, value: Scalar | Text) -> Scalar | Text:
        """Names of features and groups in words, as far as these are the host's own; any other value as it is."""
        if not isinstance(value, str):
            return value
        if name == "groups":
            return _combined(value, [self.band(part) for part in value.split(_COMMA)], _COMMA, self.mark("comma"))
        if name in _LISTS:
            return joined(*map(name_text, value.split(_COMMA)), mark=self.mark("list"))
        return self.feature(value) if name == "feature" else self.group(value) if name == "group" else value

    def _resolved(self, name: str, value: Scalar) -> Scalar | Text:
        if not isinstance(value, str):
            return value
        method = self._method(value) if name in ("method", "other_method") else None
        return self.unit(value) if name == "unit" else method or value


def words(text: str) -> Text:
    """Text that holds no name: a number, a sign, a unit."""
    return Text(runs=(Run(text=safe_text(text, LONGEST_TEXT)),))


def capital(text: Text) -> Text:
    """A sentence that begins with a capital, unless it begins with a name."""
    if not text or text.runs[0].kind == "name":
        return text
    first = text.runs[0]
    return Text(runs=(Run(text=first.text[:1].upper() + first.text[1:]), *text.runs[1:]))


def name_text(name: str) -> Text:
    """A name from outside, made safe to read; one of blanks alone, such as a token of a language model, shows them."""
    return Text(runs=(Run(text=_visible(name), kind="name"),))


def text_of(sentence: str) -> Text:
    """A sentence from outside, made safe to read; longer than a name may be."""
    return Text(runs=(Run(text=safe_text(sentence, LONGEST_TEXT), kind="name"),))


def safe_templates(templates: Templates) -> Templates:
    """Templates that come with a run, as safe text: they are a plugin's, and may hold what is not seen."""
    return {key: _safe_template(template) for key, template in templates.items()}


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


def bare(title: Text) -> Text:
    """A title without the English term that a translation gives in full-width brackets: tables give it, sentences do not."""
    return Text(runs=tuple(Run(text=_TERM.sub("", run.text)) if run.kind == "words" else run for run in title.runs))


def _combined(name: str, told: list[Text | None], between: str = _AND, mark: str = _AND) -> Text:
    """A name of several parts, some of which are told in words; the whole as it is where none are."""
    if not any(told):
        return name_text(name)
    parts = zip(name.split(between), told, strict=True)
    return joined(*(text or name_text(part) for part, text in parts), mark=mark)


def _number(digits: str) -> Text:
    return words(digits.replace("-", "\N{MINUS SIGN}"))


def joined(*parts: Text, mark: str = " · ") -> Text:
    """Those parts that are not empty, one after the other."""
    text = EMPTY
    for part in parts:
        text = text + words(mark) + part if text and part else text + part
    return text


def _safe_template(template: Template) -> Template:
    if isinstance(template, str):
        return safe_text(template, LONGEST_TEXT)
    return {form: safe_text(text, LONGEST_TEXT) for form, text in template.items()}


def _mark(value: Scalar | Text) -> Scalar:
    if isinstance(value, Text):
        return "".join(_wrap(run.text) if run.kind == "name" else run.text for run in value.runs)
    if isinstance(value, str):
        return _wrap(_visible(value))
    return value


def _visible(name: str) -> str:
    return safe_text(name if name.strip(" ") else name.replace(" ", "␣"))


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


def _spaced(runs: tuple[Run, ...]) -> Iterator[Run]:
    """Runs of Chinese: a space between Han and Latin or digits, none between Han and Han; names stay as they are."""
    last = ""
    for index, run in enumerate(runs):
        text = run.text
        if run.kind == "words":
            text = _LOOSE.sub("", _CROWDED.sub(" ", text))
            following = runs[index + 1].text[:1] if index + 1 < len(runs) else ""
            if text[:1] == " " and _is_han(last) and _is_han(text[1:2] or following):
                text = text[1:]
            if text[-1:] == " " and _is_han(text[-2:-1] or last) and _is_han(following):
                text = text[:-1]
        if _CROWDED.search(last + text[:1]):
            yield Run(text=" ")
        if text:
            yield Run(text=text, kind=run.kind)
            last = text[-1]


def _is_han(character: str) -> bool:
    return bool(re.fullmatch(_HAN, character))
