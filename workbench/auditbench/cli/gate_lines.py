"""One gate as the terminal tells it: its state, and the sentence of what was observed, allowed, and why it came so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from auditbench.cli.terminal import Tone
from auditbench.cli.words import GATE_STATES, counted, limit, number

if TYPE_CHECKING:
    from auditbench.findings import GateDecision


def states_counted(gates: Sequence[GateDecision]) -> str:
    """How many blocking gates there are, by state."""
    states = [gate.state for gate in gates if gate.blocking]
    counts = [f"{states.count(state)} {GATE_STATES[state][0]}" for state in GATE_STATES if state in states]
    return f"{counted(len(states), 'blocking gate')}: {', '.join(counts)}" if states else "no blocking gates"


def state_words(gate: GateDecision) -> str:
    """The state, and whether a waiver or being advisory takes it out of the verdict."""
    word = GATE_STATES[gate.state][0]
    if gate.waived_until:
        return f"{word}, waived until {gate.waived_until}" + ("" if gate.waiver_holds else " (expired)")
    return word if gate.blocking else f"{word} (advisory)"


def state_tone(gate: GateDecision) -> Tone:
    """The colour of a state; one that stops nothing is less loud."""
    tone = GATE_STATES[gate.state][1]
    return tone if gate.stops_release or gate.state == "pass" else "caution"


def observed(gate: GateDecision, reason: str) -> str:
    """What was measured and what is allowed.

    Args:
        reason: Why there is no value or no decision, as a sentence; may be empty.
    """
    parts = [f"observed {number(gate.value, gate.unit)}"]
    if gate.low is not None and gate.high is not None:
        parts.append(f"interval {number(gate.low)} to {number(gate.high)}")
    if gate.gain is not None:
        parts.append(f"gain over the baseline {number(gate.gain, gate.unit)}")
        if gate.gain_low is not None and gate.gain_high is not None:
            parts.append(f"interval {number(gate.gain_low)} to {number(gate.gain_high)}")
    parts.append(f"limit {limit(gate)}")
    if gate.n is not None:
        parts.append(f"n = {gate.n:,}")
    if reason:
        parts.append(reason)
    return ", ".join(parts)


def why(gate: GateDecision) -> str:
    """How observed and allowed led to the state; empty where the gate carries a reason instead."""
    if gate.reason is not None or gate.state in ("error", "not_run"):
        return ""
    if gate.state == "inconclusive":
        return "an interval reaches across the limit"
    if gate.max_drop is not None or gate.min_gain is not None:
        return "all of it is within the limit" if gate.state == "pass" else "it is outside the limit"
    what = "the whole interval" if gate.decide == "interval" and gate.low is not None else "the value"
    return f"{what} is {'within' if gate.state == 'pass' else 'outside'} the limit"
