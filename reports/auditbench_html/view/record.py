"""The record: what has no result, how to do it again, and the fields for people."""

from __future__ import annotations

from auditbench.results import AnalysisResult
from auditbench.run import Provenance
from auditbench.safe_text import safe_text
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import BarRow, BarRows, Cell, Chip, Figure, Grid, Heading, Tone
from auditbench_html.view.numbers import DASH, Estimate
from auditbench_html.view.page import Fact, FactList, Link, Section, StateBox
from auditbench_html.view.scales import scale_for
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words

TONES: dict[str, Tone] = {
    "ok": "pass",
    "failed": "error",
    "timed_out": "error",
    "skipped": "none",
    "not_applicable": "none",
}
MOST_PACKAGES = 200
MOST_STAGES = 20
_LONGEST_COMMAND = 400
_MEMORY = (
    "core.out_of_memory",
    "core.out_of_memory_limit",
    "core.out_of_memory_limit_silent",
    "core.memory_limit",
    "core.worker_out_of_memory",
)
_STAGES = ("start", "train", "load", "guard", "compare", "render")


def incomplete_section(draft: Draft) -> Section | None:
    """What was planned and has no result; None when nothing is missing."""
    say, run = draft.say, draft.run
    missing, empty = _missing(draft), _empty(draft)
    without = sum(row.tone in ("error", "none") for row in draft.gates)
    boxes = [_interrupted(draft)] if run.status == "interrupted" else []
    boxes += [_box(draft, result) for result in missing] + [_nothing_box(draft, result) for result in empty]
    boxes += [
        StateBox(tone="warn", title=say.say("incomplete.warning"), meta=EMPTY, text=say.tell(w)) for w in run.warnings
    ]
    if not boxes:
        return None
    chip = Chip(tone="error", label=say.say("incomplete.chip", n=without)) if without else None
    return Section(
        id="incomplete",
        group="analyses",
        title=incomplete_title(draft),
        lead=_lead(draft),
        chip=chip,
        states=tuple(boxes),
    )


def incomplete_title(draft: Draft) -> Text:
    """Title of the section of what is missing: another one where it holds warnings and everything has a result."""
    without = any(row.tone in ("error", "none") for row in draft.gates)
    only_warnings = _all_finished(draft) and not _empty(draft) and not without
    return draft.say.say("section.warnings" if only_warnings else "section.incomplete")


def provenance_section(draft: Draft) -> Section:
    """Everything needed to run the audit again and get the same numbers."""
    say, run = draft.say, draft.run
    return Section(
        id="provenance",
        group="record",
        title=say.say("section.provenance"),
        lead=say.say("provenance.lead"),
        lists=(_environment(draft), _inputs(draft)),
        figures=_time(draft),
        command=safe_text(run.volatile.command, _LONGEST_COMMAND),
        log=_log(draft),
        method=(_packages(draft, run.provenance),),
    )


def signoff_section(draft: Draft) -> Section:
    """Three roles; the tool never fills these fields."""
    say = draft.say
    roles = tuple(
        FactList(title=say.say(f"signoff.{role}"), facts=(Fact(label=EMPTY, value=say.say(f"signoff.{role}_does")),))
        for role in ("owner", "validator", "risk")
    )
    return Section(
        id="signoff", group="record", title=say.say("section.signoff"), lead=say.say("signoff.lead"), lists=roles
    )


def tool(draft: Draft) -> Text:
    """The tool that made the run, with its version."""
    return draft.say.say("provenance.tool_value", version=draft.run.provenance.product)


def duration(draft: Draft, seconds: float) -> Text:
    """Seconds as people say them: `0.4 s`, `41 s`, `3 min 12 s`."""
    say = draft.say
    if seconds < 9.95:
        return say.say("duration.seconds", n=words(f"{seconds:.1f}"))
    whole = round(seconds)
    if whole < 60:
        return say.say("duration.seconds", n=words(str(whole)))
    if whole < 3600:
        return say.say("duration.minutes", minutes=whole // 60, seconds=whole % 60)
    return say.say("duration.hours", hours=whole // 3600, minutes=whole % 3600 // 60)


def digest_fact(draft: Draft, label: Text, digest: str) -> Fact:
    """A sha256, shortened for reading; the whole one stands in run.json."""
    if not digest:
        return Fact(label=label, value=draft.say.say("value.not_recorded"), missing=True)
    return Fact(label=label, value=name_text(digest[:12] + "…" if len(digest) > 12 else digest), code=True)


def _missing(draft: Draft) -> list[AnalysisResult]:
    return [result for result in draft.run.results if result.status != "ok"]


def _empty(draft: Draft) -> list[AnalysisResult]:
    return [result for result in draft.run.results if result.status == "ok" and not _says_anything(result)]


def _all_finished(draft: Draft) -> bool:
    return bool(draft.run.results) and not _missing(draft) and draft.run.status != "interrupted"


def _lead(draft: Draft) -> Text:
    say, total = draft.say, len(draft.run.results)
    if not _all_finished(draft):
        return say.say("incomplete.lead", n=total - len(_missing(draft)), total=total)
    parts = [say.say("incomplete.lead_finished")]
    parts += [say.say("incomplete.lead_nothing")] if _empty(draft) else []
    parts += [say.say("incomplete.lead_warnings")] if draft.run.warnings else []
    return say.sentences(parts)


def _box(draft: Draft, result: AnalysisResult) -> StateBox:
    say = draft.say
    name = draft.analyzer_title(result.analyzer)
    gates = [row for row in draft.gates if _gate_analyzer(draft, row.gate) == result.analyzer]
    meta = [say.say("incomplete.analyzer", analyzer=result.analyzer, version=result.version)]
    meta.append(say.say("incomplete.required" if result.required else "incomplete.optional"))
    if not gates:
        meta.append(say.say("incomplete.no_gate"))
    return StateBox(
        tone=TONES[result.status],
        title=say.say(f"incomplete.title_{result.status}", analyzer=name),
        meta=joined(*meta),
        text=say.tell(result.reason) if result.reason else EMPTY,
        gates=tuple(Link(target=row.id, label=say.say("gate.link", code=words(row.code))) for row in gates),
        remedy=_remedy(draft, result),
        hint=_hint(draft, result),
    )


def _hint(draft: Draft, result: AnalysisResult) -> Text:
    """What would help; a trace is named only where the record holds one, a remedy only where one is shown."""
    say, kind = draft.say, _kind(draft, result)
    if kind != "failed":
        return say.say(f"incomplete.hint_{kind}")
    trace = say.say("incomplete.hint_trace") if draft.run.volatile.details.get(result.analyzer) else EMPTY
    remedy = say.say("incomplete.hint_failed") if _remedy(draft, result) else EMPTY
    return say.sentences((trace, remedy))


def _kind(draft: Draft, result: AnalysisResult) -> str:
    """What the way on depends on: the status, or `memory` where more of it would help."""
    ran_out = result.reason is not None and result.reason.key in _MEMORY
    return "memory" if ran_out and _limit(draft, result, "memory_gib", "memory_gib") else result.status


def _remedy(draft: Draft, result: AnalysisResult) -> tuple[str, ...]:
    """The lines of audit.toml that would change the outcome."""
    table = f"[analyzers.{safe_text(result.analyzer)}]"
    if result.status == "timed_out":
        seconds = 2 * (_limit(draft, result, "time_limit", "analyzer_seconds") or 900)
        return (table, f"time_limit = {max(1, seconds):.0f}")
    if _kind(draft, result) == "memory":
        return (table, f"memory_gib = {2 * _limit(draft, result, 'memory_gib', 'memory_gib'):.4g}")
    if result.status == "failed" and result.required:
        return (table, "required = false")
    return ()


def _limit(draft: Draft, result: AnalysisResult, own: str, common: str) -> float:
    """A limit of an analyzer: from its table or from `[limits]`; 0 when neither says it."""
    tables, limits = (draft.run.config.get(name, {}) for name in ("analyzers", "limits"))
    table = tables.get(result.analyzer, {}) if isinstance(tables, dict) else {}
    found = (table.get(own) if isinstance(table, dict) else None) or (
        limits.get(common) if isinstance(limits, dict) else None
    )
    return float(found or 0)


def _nothing_box(draft: Draft, result: AnalysisResult) -> StateBox:
    say = draft.say
    return StateBox(
        tone="pass",
        title=say.say("incomplete.title_nothing", analyzer=draft.analyzer_title(result.analyzer)),
        meta=say.say("incomplete.analyzer", analyzer=result.analyzer, version=result.version),
        text=say.say("incomplete.nothing", n=draft.run.data.rows),
    )


def _interrupted(draft: Draft) -> StateBox:
    say = draft.say
    command = safe_text(draft.run.volatile.command, _LONGEST_COMMAND)
    return StateBox(
        tone="error",
        title=say.say("incomplete.interrupted"),
        meta=EMPTY,
        text=say.say("incomplete.resume"),
        remedy=(command,) if command else (),
    )


def _says_anything(result: AnalysisResult) -> bool:
    parts = (
        result.metrics, result.tables, result.curves, result.scatters, result.percentiles, result.paired_changes,
        result.matrices, result.attributions, result.image_overlays, result.token_attributions, result.series_attributions, result.findings,
        result.custom_blocks,
    )  # fmt: skip
    return any(parts)


def _gate_analyzer(draft: Draft, gate: str) -> str:
    return next(decision.metric.partition(".")[0] for decision in draft.run.gates if decision.id == gate)


def _environment(draft: Draft) -> FactList:
    say, run = draft.say, draft.run
    record = run.provenance
    times = EMPTY
    if run.volatile.started:
        finished = run.volatile.finished or run.volatile.started
        times = say.say("provenance.times", **_ends(run.volatile.started, finished))
    facts = [
        Fact(label=say.say("provenance.run"), value=times or say.say("value.not_recorded"), missing=not times),
        Fact(label=say.say("provenance.tool"), value=tool(draft)),
        Fact(label=say.say("provenance.exit_code"), value=_exit_code(draft)),
        Fact(label=say.say("provenance.python"), value=name_text(record.python)),
        Fact(
            label=say.say("provenance.device"),
            value=say.say("provenance.device_value", device=record.device, n=record.threads),
        ),
        Fact(label=say.say("provenance.seed"), value=words(str(record.seed))),
    ]
    facts += [
        Fact(label=_host_label(draft, name), value=name_text(value))
        for name, value in sorted(run.volatile.host.items())
    ]
    if record.determinism:
        flags = [name_text(f"{name} = {value}") for name, value in sorted(record.determinism.items())]
        facts.append(Fact(label=say.say("provenance.determinism"), value=joined(*flags, mark=say.mark("semicolon"))))
    if sent := run.volatile.sent:
        counts = {name: sent.get(name, 0) for name in ("requests", "again", "rows")}
        facts.append(Fact(label=say.say("provenance.sent"), value=say.say("provenance.sent_value", **counts)))
    return FactList(title=say.say("provenance.environment"), facts=tuple(facts))


def _host_label(draft: Draft, name: str) -> Text:
    return draft.say.first((f"host_label.{name}",)) or name_text(name)


def _exit_code(draft: Draft) -> Text:
    say, code = draft.say, draft.run.exit_code
    meaning = say.first((f"exit.{code}",))
    return say.say("provenance.exit", code=code, meaning=meaning) if meaning else words(str(code))


def _inputs(draft: Draft) -> FactList:
    say, run = draft.say, draft.run
    entries = [(say.say("facts.digest_model"), run.model.digest)]
    entries += [(name_text(program.name), program.sha256) for program in run.model.programs]
    entries += [(name_text(path), digest) for path, digest in run.data.digests.items()]
    entries.append((say.say("provenance.config"), run.provenance.config_sha256))
    facts = [
        Fact(
            label=label,
            value=name_text(digest) if digest else say.say("value.not_recorded"),
            code=bool(digest),
            missing=not digest,
        )
        for label, digest in entries
    ]
    facts.append(Fact(label=say.say("provenance.signature"), value=say.say("provenance.not_signed"), missing=True))
    return FactList(title=say.say("provenance.inputs"), facts=tuple(facts))


def _packages(draft: Draft, record: Provenance) -> FactList:
    say = draft.say
    facts = [
        Fact(label=name_text(plugin.name), value=name_text(f"{plugin.distribution} {plugin.version}"))
        for plugin in record.plugins
    ]
    facts += [
        Fact(label=name_text(name), value=name_text(version)) for name, version in sorted(record.packages.items())
    ]
    return FactList(
        title=say.say("provenance.packages", n=len(facts)),
        facts=tuple(facts[:MOST_PACKAGES]),
        more=draft.more(MOST_PACKAGES, len(facts)),
    )


def _time(draft: Draft) -> tuple[tuple[Figure, ...], ...]:
    say, seconds = draft.say, draft.run.volatile.seconds
    stages = sorted(seconds.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_STAGES]
    if not stages:
        return ()
    rows = tuple(
        BarRow(label=_stage(draft, name), estimate=Estimate(value=value, text=duration(draft, value)))
        for name, value in stages
    )
    total = sum(seconds.values())
    body = BarRows(
        heading=say.say("column.stage"),
        value=say.say("column.time"),
        track=say.say("time.track"),
        rows=rows,
        scale=scale_for([row.estimate.value for row in rows], zero=True),
    )
    title = say.say(
        "time.title", stage=rows[0].label, part=words(f"{100 * stages[0][1] / total:.0f}%" if total else "0%")
    )
    subtitle = say.say("time.sub", total=duration(draft, total))
    note = joined(say.say("time.runs"), draft.more(len(stages), len(seconds)))
    return ((draft.figure("bars", title, subtitle, body, how=EMPTY, note=note),),)


def _stage(draft: Draft, name: str) -> Text:
    if name in _STAGES:
        return draft.say.say(f"stage.{name}")
    return draft.say.first((f"stage.{name}", f"{name}.name", f"analyzer.{name}")) or name_text(name)


def _log(draft: Draft) -> Grid:
    say, run = draft.say, draft.run
    names = ("column.analyzer", "column.version", "column.time", "column.state")
    columns = tuple(Heading(label=say.say(name), number=index == 2) for index, name in enumerate(names))
    rows = []
    for result in run.results:
        seconds = run.volatile.seconds.get(result.analyzer)
        chip = Chip(tone=TONES[result.status], label=say.say(f"status.{result.status}"))
        rows.append(
            (
                Cell(text=name_text(result.analyzer)),
                Cell(text=name_text(result.version) if result.version else DASH),
                Cell(text=DASH if seconds is None else duration(draft, seconds), value=seconds),
                Cell(text=chip.label, chip=chip),
            )
        )
    return Grid(caption=say.say("provenance.log", n=len(rows)), columns=columns, rows=tuple(rows))


def _ends(started: str, finished: str) -> dict[str, Text]:
    """`2026-11-20 09:14` and `09:16 UTC` of two ISO 8601 times; the day again where it is another."""
    first, last = (stamp[:16].replace("T", " ") for stamp in (started, finished))
    zone = " UTC" if finished.endswith(("+00:00", "Z")) else ""
    return {"started": name_text(first), "finished": name_text(last.removeprefix(f"{first[:10]} ") + zone)}
