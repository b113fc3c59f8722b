"""What changed since the baseline: measures beyond noise, findings, and what else is other than it was."""

from __future__ import annotations

from auditbench.comparison.record import Comparison, MetricChange
from auditbench_html.view.changes import VERDICTS, change_row
from auditbench_html.view.draft import TABLE_ROWS, Draft
from auditbench_html.view.figures import Cell, ChangeRows, Chip, Figure, Grid, Heading, Tone
from auditbench_html.view.numbers import DASH, percentage
from auditbench_html.view.page import Section
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words

DRAWN = 12
_MOVED = ("worse", "better", "changed")
_ORDER = ("worse", "changed", "better", "within_noise", "not_tested", "not_compared")
_STATES: dict[str, Tone] = {
    "new": "warn", "worse": "warn", "changed": "warn", "better": "pass", "fixed": "pass", "within_noise": "none",
    "not_compared": "none",
}  # fmt: skip
_KINDS = ("model", "data", "gates", "config", "packages")


def baseline_section(draft: Draft) -> Section | None:
    """The section of changes; None for an audit without a baseline."""
    comparison = draft.run.baseline
    if comparison is None:
        return None
    say = draft.say
    figures = [_measures(draft, comparison), _findings(draft, comparison), _others(draft, comparison)]
    return Section(
        id="baseline",
        group="analyses",
        title=say.say("section.baseline"),
        lead=_lead(draft, comparison),
        meta=_meta(draft, comparison),
        chip=_chip(draft, comparison),
        figures=tuple((figure,) for figure in figures if figure is not None),
        limits=tuple(_limits(draft, comparison)),
    )


def _count(comparison: Comparison, *verdicts: str) -> int:
    return sum(change.verdict in verdicts for change in comparison.metrics)


def _chip(draft: Draft, comparison: Comparison) -> Chip:
    verdict = next((verdict for verdict in _ORDER if _count(comparison, verdict)), "not_compared")
    if verdict not in _MOVED:
        return Chip(tone="none", label=draft.say.say(f"change.{verdict}"))
    label = draft.say.say(f"baseline.chip_{verdict}", n=_count(comparison, verdict))
    return Chip(tone="warn" if verdict == "worse" else "none", label=label)


def _lead(draft: Draft, comparison: Comparison) -> Text:
    """How many measures moved beyond noise, then how many findings are new or gone."""
    say = draft.say
    total = _count(comparison, *_MOVED, "within_noise")
    moved = {name: _count(comparison, name) for name in _MOVED}
    parts = [say.say(f"baseline.lead_{name}", n=n, total=total) for name, n in moved.items() if n]
    if not parts:
        parts = [say.say("baseline.lead_none" if total else "baseline.lead_untested", n=total)]
    states = [change.state for change in comparison.findings]
    parts += [say.say(f"baseline.lead_{name}", n=states.count(name)) for name in ("new", "fixed") if name in states]
    return say.sentences(parts)


def _meta(draft: Draft, comparison: Comparison) -> Text:
    say, facts = draft.say, comparison.baseline
    name = name_text(facts.name) + words(" ") + name_text(facts.version) if facts.version else name_text(facts.name)
    rows = "baseline.paired" if comparison.paired else "baseline.unpaired"
    return joined(
        say.say("baseline.of", name=name, digest=name_text(facts.model_digest[:12])),
        say.say("baseline.verdict", verdict=say.say(f"verdict.{facts.verdict}")),
        say.say(rows, n=comparison.pairs, rows=comparison.rows, before=facts.rows),
    )


def _limits(draft: Draft, comparison: Comparison) -> list[Text]:
    say = draft.say
    limits = [say.say("baseline.limit_noise"), say.say("baseline.limit_level", level=percentage(comparison.level))]
    left_out = comparison.baseline_only + comparison.candidate_only
    if comparison.paired and left_out:
        limits.append(say.say("baseline.limit_rows", n=left_out))
    if any(change.verdict in ("not_tested", "not_compared") for change in comparison.metrics):
        limits.append(say.say("baseline.limit_untested"))
    return limits


def _measures(draft: Draft, comparison: Comparison) -> Figure | None:
    """Gated measures and those that moved; those within noise fill what is left."""
    say = draft.say

    def rank(change: MetricChange) -> tuple[bool, bool, int]:
        own = draft.gate_on(change.metric, change.where) is not None
        moved = VERDICTS[change.verdict] != "none"
        return (not (own or moved), not own, _ORDER.index(change.verdict))

    compared = [change for change in comparison.metrics if change.difference is not None]
    shown = [row for change in sorted(compared, key=rank)[:DRAWN] if (row := change_row(draft, change)) is not None]
    if not shown:
        return None
    moved = sum(VERDICTS[change.verdict] != "none" for change in compared)
    title = say.say("baseline.title" if moved else "baseline.title_none", n=moved)
    body = ChangeRows(heading=say.say("column.measure"), track=say.say("changes.track"), rows=tuple(shown))
    note = joined(
        say.say("figure.n", n=comparison.pairs) if comparison.paired else EMPTY, draft.more(DRAWN, len(compared))
    )
    return draft.figure("changes", title, say.say("baseline.sub"), body, note=note)


def _findings(draft: Draft, comparison: Comparison) -> Figure | None:
    say = draft.say
    if not comparison.findings:
        return None
    order = tuple(_STATES)
    found = sorted(comparison.findings, key=lambda change: order.index(change.state))
    rows = []
    for change in found[:TABLE_ROWS]:
        chip = Chip(tone=_STATES[change.state], label=say.say(f"change.{change.state}"))
        levels = [say.say(f"severity.{level}") if level else DASH for level in (change.before, change.after)]
        rows.append(
            (Cell(text=say.tell(change.title)), Cell(text=chip.label, chip=chip), *(Cell(text=t) for t in levels))
        )
    names = ("column.finding", "column.state", "column.before", "column.after")
    return _table(draft, say.say("baseline.findings"), names, rows, len(found))


def _others(draft: Draft, comparison: Comparison) -> Figure | None:
    say = draft.say
    if not comparison.others:
        return None
    ordered = sorted(comparison.others, key=lambda other: _KINDS.index(other.kind))
    rows = [
        (
            Cell(text=say.say(f"other.{other.kind}")),
            *(Cell(text=name_text(text) if text else DASH) for text in (other.name, other.before, other.after)),
        )
        for other in ordered[:TABLE_ROWS]
    ]
    return _table(
        draft,
        say.say("baseline.others"),
        ("column.part", "column.name", "column.before", "column.after"),
        rows,
        len(ordered),
    )


def _table(draft: Draft, title: Text, names: tuple[str, ...], rows: list[tuple[Cell, ...]], total: int) -> Figure:
    columns = tuple(Heading(label=draft.say.say(name)) for name in names)
    grid = Grid(caption=title, columns=columns, rows=tuple(rows), more=draft.more(TABLE_ROWS, total))
    return draft.figure("table", title, EMPTY, grid, how=EMPTY)
