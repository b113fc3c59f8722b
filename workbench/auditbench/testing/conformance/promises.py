"""`Conformance`: what a thing of a plugin promises, and which of its promises it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditbench.errors import Problem

State = Literal["kept", "broken", "not_tried"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One sentence that a plugin keeps or breaks.

    Attributes:
        key: Short name, words joined by hyphens, unique within a kind: `seeded`.
        sentence: What is promised, as a sentence whose subject is the plugin's record and is left out: `Gives the same
            result for the same call.`
    """

    key: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Whether a promise is kept.

    Attributes:
        reason: Why it was not tried; empty otherwise.
        problem: What breaks it, with found, allowed and fix; None unless it is broken.
    """

    promise: Promise
    state: State
    reason: str = ""
    problem: Problem | None = None

    def lines(self) -> list[str]:
        """The outcome for a terminal: a line, and what is wrong below it where the promise is broken."""
        head = f"{_STATES[self.state]:<9}  {self.promise.key}: {self.promise.sentence}"
        below = self.problem.lines() if self.problem else [self.reason] if self.reason else []
        return [head, *(f"{'':<11}{line}" for line in below)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance:
    """Every promise of one thing of a plugin, in the order in which they were tried.

    Attributes:
        kind: `analyzer`, `renderer`, `loader`, `architecture`, `dataset loader`.
        name: The name in its record.
    """

    kind: str
    name: str
    outcomes: tuple[Outcome, ...]

    @property
    def broken(self) -> tuple[Outcome, ...]:
        """The promises that are not kept."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "broken")

    @property
    def not_tried(self) -> tuple[Outcome, ...]:
        """The promises of which nothing is known; they never count as kept."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "not_tried")

    def describe(self, *states: State) -> str:
        """The counts, then what is broken, what was not tried and what is kept; only these states where some are named."""
        counts = [
            f"{sum(outcome.state == state for outcome in self.outcomes)} {word}" for state, word in _STATES.items()
        ]
        shown = [outcome for state in _STATES for outcome in self.outcomes if outcome.state == state]
        lines = [line for outcome in shown if not states or outcome.state in states for line in outcome.lines()]
        return "\n".join([f"{self.kind} {self.name!r}: {', '.join(counts)}", *(f"  {line}" for line in lines)])


class BrokenPromisesError(AssertionError):
    """A thing of a plugin breaks promises; the message names each with found, allowed and fix, and what was not tried."""

    def __init__(self, conformance: Conformance) -> None:
        self.conformance = conformance
        super().__init__(conformance.describe("broken", "not_tried"))


FITS = Promise(key="fits-the-contract", sentence="Fits the contract in every field of its record.")
"""What every record of a plugin promises before anything else of it can be tried."""


def kept(promise: Promise) -> Outcome:
    """The promise was tried and holds."""
    return Outcome(promise=promise, state="kept")


def broken(promise: Promise, problem: Problem) -> Outcome:
    """The promise was tried and does not hold."""
    return Outcome(promise=promise, state="broken", problem=problem)


def not_tried(promise: Promise, reason: str) -> Outcome:
    """The promise could not be tried; `reason` is a clause such as `no analysis gave a result`."""
    return Outcome(promise=promise, state="not_tried", reason=reason)


def demand(conformance: Conformance) -> Conformance:
    """The conformance, where nothing is broken.

    Raises:
        BrokenPromisesError: A promise is broken. One that was not tried does not raise.
    """
    __tracebackhide__ = True
    if conformance.broken:
        raise BrokenPromisesError(conformance)
    return conformance


_STATES: dict[State, str] = {"broken": "broken", "not_tried": "not tried", "kept": "kept"}
