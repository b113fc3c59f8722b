"""What the colours of values drawn on an input stand for: contributions, slopes or maps."""

from __future__ import annotations

from auditbench.results import Shows
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Heading, Key
from auditbench_html.view.numbers import PLAIN_UNITS

_NAMES = {
    "contribution": ("values.raises", "values.lowers"),
    "slope": ("values.changes", ""),
    "map": ("values.speaks_for", "values.speaks_against"),
}


def value_keys(draft: Draft, shows: Shows, smallest: float) -> tuple[Key, ...]:
    """Orange, and blue where it can occur: contributions have either sign, a map only where a value lies below 0."""
    above, below = _NAMES[shows]
    if shows == "map" and smallest >= 0:
        below = ""
    marks = (("raises", above), ("lowers", below))
    return tuple(Key(mark=mark, label=draft.say.say(name)) for mark, name in marks if name)


def value_heading(draft: Draft, shows: Shows, unit: str) -> Heading:
    """Head of the column of such values."""
    label = draft.say.say("column.effect" if shows == "contribution" else "column.value")
    if unit not in PLAIN_UNITS:
        label = draft.say.say("column.with_unit", name=label, unit=draft.say.unit(unit))
    return Heading(label=label, number=True)
