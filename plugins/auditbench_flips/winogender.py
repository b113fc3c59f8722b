"""The sentences of Winogender: one template with a male, a female and a neutral pronoun each, for 60 occupations.

Source: Rudinger, Naradowsky, Leonard and Van Durme (2018), Gender Bias in Coreference Resolution, NAACL, N18-2002; MIT.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

PRONOUNS = ("male", "female", "neutral")
STANDS_FOR = ("occupation", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A template with its three versions.

    Attributes:
        sentences: One for each of `PRONOUNS`.
        stands_for: One of `STANDS_FOR`, who the pronoun stands for: the person of the occupation, or the other person.
    """

    occupation: str
    stands_for: str
    sentences: tuple[str, str, str]


def winogender() -> tuple[Schema, ...]:
    """The 240 templates, in the order of the file."""
    text = (resources.files("auditbench_flips") / "winogender.tsv").read_text(encoding="utf-8")
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        occupation, person, answer, pronoun, _ = row["sentid"].split(".")
        found.setdefault((occupation, person, answer), {})[pronoun] = row["sentence"]
    return tuple(
        Schema(
            occupation=occupation,
            stands_for=STANDS_FOR[int(answer)],
            sentences=(versions["male"], versions["female"], versions["neutral"]),
        )
        for (occupation, _, answer), versions in found.items()
    )
