"""A run as a small card of HTML, which a notebook shows in place of its text: verdict, gates, where the report is.

Whatever comes from data, models or plugins passes `safe_text` and is escaped. There is no script and no style sheet,
and words have the colour of the page around them.
"""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from auditbench.arrays import StoredArray
from auditbench.findings import GateDecision
from auditbench.gate_sentences import (
    STATES,
    VERDICTS,
    analysis_sentence,
    catalogue_of,
    gate_limit,
    gate_observed,
    gate_title,
    worst_first,
)
from auditbench.messages import Catalogue
from auditbench.safe_text import safe_text

if TYPE_CHECKING:
    from auditbench.told_run import ToldRun

MOST_GATES = 10
_PAGE = "report.html"
_SIGNS = {"pass": "✓", "fail": "✕", "error": "!", "not_run": "–", "inconclusive": "?"}
# Marks beside words in the colour of the page: at least 3:1 on white and on black.
_GOOD, _BAD, _OPEN = "#2b8a3e", "#e03131", "#c26a00"
_TONES = {"pass": _GOOD, "fail": _BAD, "error": _BAD, "not_run": _OPEN, "inconclusive": _OPEN}
_VERDICT_TONES = {"ready_for_review": _GOOD, "not_ready": _BAD, "nothing_evaluated": _BAD}
_CARD = "border:1px solid #8886;border-radius:6px;padding:12px 16px;max-width:60em;line-height:1.45;text-align:start"
_TITLE = "font-weight:600;font-size:1.15em;padding-inline-start:8px;border-inline-start:4px solid "
_MARK = "padding-inline-start:6px;border-inline-start:4px solid "
_LINK = 'target="_blank" rel="noopener" style="color:inherit;text-decoration:underline"'
_CELL = "text-align:start;padding:3px 12px 3px 0;vertical-align:top;white-space:normal;overflow-wrap:anywhere"


def run_card(run: ToldRun) -> str:
    """The card of a run in the language of its report; gates beyond the worst `MOST_GATES` are counted."""
    say = catalogue_of(run)
    title = say.say("core.card_title", verdict=say.say(VERDICTS[run.verdict]), name=safe_text(run.audit.name))
    tone = _VERDICT_TONES.get(run.verdict, _OPEN)
    about = say.say("core.card_about", n=len(run.gates), rows=run.data.rows, model=safe_text(run.model.name))
    parts = [
        f'<div style="{_TITLE}{tone}">{escape(title)}</div>',
        _line(about),
        _line(say.say("core.card_interrupted")) if run.status != "complete" else "",
        _gates(say, worst_first(run.gates)),
        *(_line(analysis_sentence(say, result)) for result in run.results if result.reason is not None),
        _foot(say, run),
    ]
    return f'<div class="auditbench-run" lang="{say.language}" style="{_CARD}">{"".join(parts)}</div>'


def _line(text: str) -> str:
    return f'<div style="margin-top:4px;overflow-wrap:anywhere">{escape(text)}</div>'


def _gates(say: Catalogue, gates: tuple[GateDecision, ...]) -> str:
    """A table of the gates; nothing where there is none."""
    if not gates:
        return ""
    names = ("core.card_gate", "core.card_state", "core.card_observed", "core.card_limit")
    head = "".join(f'<th scope="col" style="{_CELL}">{escape(say.say(name))}</th>' for name in names)
    rows = "".join(_gate(say, gate) for gate in gates[:MOST_GATES])
    more = len(gates) - MOST_GATES
    rest = _line(say.say("core.card_more", n=more)) if more > 0 else ""
    # A page without a document type does not hand its colour down to tables.
    table = '<table style="border-collapse:collapse;margin:8px 0 0;font-size:inherit;color:inherit">'
    return f"{table}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}"


def _gate(say: Catalogue, gate: GateDecision) -> str:
    state = " · ".join([f"{_SIGNS[gate.state]} {say.say(STATES[gate.state])}", *_kinds(say, gate)])
    tone = _TONES[gate.state] if gate.stops_release or gate.state == "pass" else _OPEN
    cells = "".join(
        f'<td style="{_CELL}">{escape(text)}</td>' for text in (gate_observed(say, gate), gate_limit(say, gate))
    )
    title = f'<th scope="row" style="{_CELL};font-weight:400">{escape(gate_title(say, gate))}</th>'
    return f'<tr>{title}<td style="{_CELL}"><span style="{_MARK}{tone}">{escape(state)}</span></td>{cells}</tr>'


def _kinds(say: Catalogue, gate: GateDecision) -> list[str]:
    """What takes the state out of the verdict, or does so no more."""
    kinds = [] if gate.blocking else [say.say("core.card_advisory")]
    if gate.waived_until:
        key = "core.card_waived" if gate.waiver_holds else "core.card_waiver_over"
        kinds.append(say.say(key, day=safe_text(gate.waived_until)))
    return kinds


def _foot(say: Catalogue, run: ToldRun) -> str:
    """A link to the report where there is one, and the exit code."""
    code = escape(say.say("core.card_exit", code=run.exit_code))
    page = _report(run)
    if page is None:
        return f'<div style="margin-top:8px">{code}</div>'
    # Of a notebook, a path relative to its folder is a link; a leading dot keeps a folder's name from being a scheme.
    address = "./" + quote(os.path.relpath(page).replace(os.sep, "/"))
    link = f'<a href="{escape(address)}" {_LINK}>{escape(say.say("core.card_report"))}</a>'
    path = escape(safe_text(str(page)))
    return f'<div style="margin-top:8px;overflow-wrap:anywhere">{link} <code>{path}</code> · {code}</div>'


def _report(run: ToldRun) -> Path | None:
    """The report beside the arrays of a run that was read from a folder, or written to one."""
    if not isinstance(run.row_keys, StoredArray) or not run.row_keys.folder:
        return None
    page = Path(run.row_keys.folder) / _PAGE
    return page if page.is_file() else None
