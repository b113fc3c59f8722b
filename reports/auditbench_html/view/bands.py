"""Inputs of cases as the host writes them into the record, in the language of the page: bands, rare values, missing ones."""

from __future__ import annotations

from auditbench_html.view.draft import Draft
from auditbench_html.view.text import Text, name_text

_RARE = "rare value"


def input_value(draft: Draft, value: str, *, banded: bool = False) -> Text:
    """A value of an input: a band or a stand-in of the host in words, any other as it is, and so all raw ones.

    Args:
        banded: Whether it is a band also where inputs are shown raw.
    """
    if draft.raw_inputs and not banded:
        return name_text(value)
    if value == _RARE:
        return draft.say.say("band.rare")
    return draft.say.band(value) or name_text(value)
