"""The regulatory index: which part of the report holds evidence for which requirement. An index, no judgement."""

from __future__ import annotations

from auditbench_html.view.page import Requirement, Section
from auditbench_html.view.text import Words


def crosswalk_section(say: Words, requirements: tuple[Requirement, ...]) -> Section | None:
    """The index in the order given; None without requirements, which come from packs."""
    if not requirements:
        return None
    return Section(
        id="crosswalk",
        group="record",
        title=say.say("section.crosswalk"),
        lead=say.say("crosswalk.lead"),
        requirements=requirements,
    )
