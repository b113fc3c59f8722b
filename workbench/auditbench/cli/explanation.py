"""What `auditbench explain` knows of one name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is known about a code, a metric, a method, a gate or a preset; what does not apply is empty.

    Attributes:
        formula: How the metric, or what the method finds, is computed, in plain text.
        reading: How to read it, and its trap.
        tasks: For which the metric is given, where not for all.
        assumes: What a method takes for granted, `needs` what it needs, and `fails` how it is known to fail.
        source: Papers that define the method.
        modalities: Inputs that the method explains, where not any.
        limit: What a gate allows, and how it is decided.
        exit_code: Of the error; None for anything else.
    """

    name: str
    title: str
    text: str = ""
    formula: str = ""
    reading: str = ""
    tasks: str = ""
    assumes: str = ""
    needs: str = ""
    fails: str = ""
    source: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    limit: str = ""
    exit_code: int | None = None
