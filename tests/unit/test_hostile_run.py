"""The run of hostile texts has them wherever a record may hold text, so that the tests which render it leave nothing out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from auditbench.results import Attribution, ImageOverlay, SeriesAttribution
from auditbench.run import AuditRun
from auditbench.testing.filled_records import Slot, filled, slots_of, slots_with
from tests.hostile_run import hostile_run

TEXT = "<hostile>"


@dataclass(frozen=True, kw_only=True)
class Inner:
    state: Literal["good", "bad"]
    labels: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str | None
    size: int
    settings: Mapping[str, Any]
    counts: Mapping[Literal["a"], str]
    pairs: tuple[tuple[str, float], ...]
    inner: tuple[Inner, ...]


OUTER: set[Slot] = {
    (Outer, "name", "text"),
    (Outer, "settings", "key"),
    (Outer, "settings", "text"),
    (Outer, "counts", "text"),
    (Outer, "pairs", "text"),
    (Inner, "labels", "key"),
}


def test_every_slot_is_filled() -> None:
    assert slots_of(AuditRun) - slots_with(hostile_run(TEXT), TEXT) == set()


def test_what_a_run_leaves_out_when_asked_to() -> None:
    slots = slots_of(AuditRun)
    assert slots - slots_with(hostile_run(TEXT, told=False), TEXT) == {(AuditRun, "messages", "text")}
    without_arrays = slots - slots_with(hostile_run(TEXT, arrays=False), TEXT)
    assert {record for record, _, _ in without_arrays} == {Attribution, ImageOverlay, SeriesAttribution}


def test_slots_are_found_in_every_kind_of_field() -> None:
    assert slots_of(Outer) == OUTER
    assert slots_with(filled(Outer, TEXT), TEXT) == OUTER


def test_a_slot_without_the_text_is_found_missing() -> None:
    inner = (Inner(state="good", labels={"plain": 1}),)
    value = Outer(name=None, size=1, settings={TEXT: 1}, counts={"a": "plain"}, pairs=((TEXT, 0.5),), inner=inner)
    assert OUTER - slots_with(value, TEXT) == OUTER - {(Outer, "settings", "key"), (Outer, "pairs", "text")}
