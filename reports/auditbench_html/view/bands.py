"""Inputs of cases as the host writes them into the record, in the language of the page: bands, rare values, missing ones."""

from __future__ import annotations

import re

from auditbench_html.view.draft import Draft
from auditbench_html.view.text import Text, name_text, words

_NUMBER = r"(-?[0-9][0-9,.]*(?:e[+-]?[0-9]+)?)"
_FORMS = (
    ("band.under", re.compile(f"under {_NUMBER}")),
    ("band.over", re.compile(f"over {_NUMBER}")),
    ("band.from", re.compile(f"{_NUMBER} and over")),
    ("band.to_under", re.compile(f"{_NUMBER} to under {_NUMBER}")),
    ("range", re.compile(f"{_NUMBER} to {_NUMBER}")),
)
_VALUES = {"rare value": "band.rare", "missing": "band.missing"}


def input_value(draft: Draft, value: str, *, banded: bool = False) -> Text:
    """A value of an input: a band or a stand-in of the host in words, any other as it is, and so all raw ones.

    Args:
        banded: Whether it is a band also where inputs are shown raw.
    """
    if draft.raw_inputs and not banded:
        return name_text(value)
    if value in _VALUES:
        return draft.say.say(_VALUES[value])
    for key, form in _FORMS:
        match = form.fullmatch(value)
        if match is not None:
            low, high = match[1], match[match.lastindex or 1]
            return draft.say.say(key, low=_number(low), high=_number(high))
    return name_text(value)


def _number(text: str) -> Text:
    return words(text.replace("-", "\N{MINUS SIGN}"))
