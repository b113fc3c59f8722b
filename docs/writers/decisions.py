"""Gates: the states of a decision, verdicts, the states of a result, and the presets that come with the product."""

from __future__ import annotations

from typing import get_args

from auditbench.cli.gate_explanations import explain_preset
from auditbench.findings import SEVERITIES, GateState, Verdict
from auditbench.messages import load_messages, merge_catalogues
from auditbench.presets import load_preset, preset_names
from auditbench.results import Status
from writers.markdown import code, heading, page, prose, table

_STATES: dict[GateState, str] = {
    "pass": "The value, and where `decide` is `interval` the whole of its interval, is inside the limits.",
    "inconclusive": 'The interval holds a limit: these rows cannot decide. It stops a release unless the gate says `inconclusive = "warn"`.',
    "fail": "The value or the whole interval is outside the limits.",
    "error": "The metric is undefined, and its reason is shown. Never a pass.",
    "not_run": "The analyzer has no result, so that nothing could be decided. Never a pass.",
}
_VERDICTS: dict[Verdict, str] = {
    "not_ready": "A blocking gate failed.",
    "evidence_incomplete": "A required analyzer has no result, or a blocking gate has no value.",
    "no_decision": "A blocking gate is inconclusive: these rows cannot decide. No blocking gate failed.",
    "ready_for_review": "Complete, and no gate stops the release. A person decides; the verdict never says that a model is fit for use.",
    "no_gates": "Measured, and nothing decided.",
    "nothing_evaluated": "There were no rows or no analyzers.",
}
_STATUSES: dict[Status, str] = {
    "ok": "There is a result.",
    "not_applicable": "The analyzer does not apply to this model or these data, and says why. The run is complete without it.",
    "skipped": "It was left out by `--only` or `--skip`, or what it comes after has no result.",
    "failed": "It raised, crashed, ran out of memory or returned no valid result.",
    "timed_out": "It took longer than its limit.",
}
_INTRODUCTION = (
    "A gate is a limit on one metric; [gates.toml](gates.md) has its keys, and [Why intervals](../explanation/intervals.md) says how it "
    "is decided."
)
_PRESETS = 'Gates under one name: `gates = "preset:binary-basics"` in `[audit]`, or `preset = "binary-basics"` in a gates.toml.'


def decision_page() -> str:
    """States, verdicts and statuses."""
    say = merge_catalogues("en", load_messages("auditbench")["en"])
    states = [(code(each), prose(say.say(f"core.state_{each}")), prose(_STATES[each])) for each in get_args(GateState)]
    verdicts = [
        (code(each), prose(say.say(f"core.verdict_{each}")), prose(_VERDICTS[each])) for each in get_args(Verdict)
    ]
    statuses = [(code(each), prose(_STATUSES[each])) for each in get_args(Status)]
    return page(
        "Gates, verdicts and statuses",
        _INTRODUCTION,
        heading(2, "States of a gate"),
        table(("state", "in the report", "when"), states),
        heading(2, "Verdicts"),
        table(("verdict", "in the report", "when"), verdicts),
        heading(2, "Statuses of a result"),
        table(("status", "when"), statuses),
        heading(2, "Severities of a finding"),
        "The gravest first: " + ", ".join(map(code, SEVERITIES)) + ".",
    )


def preset_page() -> str:
    """Every preset with its gates."""
    parts = []
    for name in (name for name in preset_names() if not load_preset(name).owner):  # not those of other distributions
        purpose, *gates = explain_preset(name)
        rows = [(code(gate.name), f"{prose(gate.title)}: {prose(gate.limit)}.<br>{prose(gate.text)}") for gate in gates]
        parts += [
            heading(2, code(purpose.name), anchor=name),
            prose(f"{purpose.text} ({purpose.title})"),
            table(("gate", "what it asks, and why"), rows),
        ]
    return page("Presets", _PRESETS, *parts)
