"""What a contribution belongs to: an input of a table, or a word, a stretch of a series or a region of an image."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from auditbench.results import Metric
from auditbench_html.view.draft import Draft
from auditbench_html.view.text import Text, Words, capital, name_text, words

Kind: TypeAlias = Literal["input", "word", "segment", "region"]

_OF_MODALITY: dict[str, Kind] = {"text": "word", "series": "segment", "image": "region"}
_PATTERNS = {
    "superpixel": re.compile(r"superpixel (?P<number>\d+)"),
    "grid": re.compile(r"grid row (?P<row>\d+), column (?P<column>\d+)"),
    "steps": re.compile(r"steps (?P<first>\d+) to (?P<last>\d+)"),
    "channel_steps": re.compile(r"channel (?P<channel>\d+), steps (?P<first>\d+) to (?P<last>\d+)"),
}


def kind_of(draft: Draft, metric: Metric) -> Kind:
    """What an importance is of: parts of the one input of a model of images, texts or series, or whole inputs."""
    inputs = draft.run.data.inputs
    if not metric.method.endswith(".formula_parts") or len(inputs) != 1:
        return "input"
    return _OF_MODALITY.get(inputs[0].modality, "input")


def noun(say: Words, kind: Kind, n: int = 1) -> Text:
    """`word`, or `words` for another number than one."""
    return say.say(f"part.{kind}", n=n)


def part_text(say: Words, kind: Kind, name: str) -> Text:
    """A part as sentences name it: an input or a word as it is, a region or steps in words."""
    key, values = _place(kind, name)
    return say.say(f"part_name.{key}", **values) if key else name_text(name)


def part_label(say: Words, kind: Kind, name: str) -> Text:
    """A part as the head of its row."""
    key, values = _place(kind, name)
    return capital(say.say(f"part_label.{key}", **values)) if key else name_text(name)


def _place(kind: Kind, name: str) -> tuple[str, dict[str, Text]]:
    """Which kind of place a part is, and its numbers; empty for a part that is none."""
    if kind in ("segment", "region"):
        for key, pattern in _PATTERNS.items():
            if found := pattern.fullmatch(name):
                return key, {part: words(number) for part, number in found.groupdict().items()}
    return "", {}
