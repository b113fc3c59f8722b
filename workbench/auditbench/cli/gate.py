"""`auditbench gate`: the verdict of other gates on a run that is finished."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auditbench.cli.options import debug_option, example, gates_option, json_option

if TYPE_CHECKING:
    from auditbench.findings import GateDecision
    from auditbench.gate_run import GatedRun
    from auditbench.messages import Catalogue
    from auditbench.run import AuditRun


@click.command(
    epilog=example(
        "auditbench gate auditbench-demo/run --gates gates.toml",
        "auditbench gate auditbench-demo/run --gates preset:binary-basics",
        "auditbench gate RUN --gates gates.toml --explain",
        "auditbench gate RUN --gates gates.toml --json | jq .verdict",
    )
)
@click.argument("run", type=click.Path(path_type=Path))
@gates_option("Decide these gates, from a file or `preset:NAME`, instead of the run's own; repeatable.")
@click.option("--explain", is_flag=True, help="Tell what the metric of each gate is, too; JSON always does.")
@json_option
@debug_option
def gate(run: Path, gate_files: tuple[str, ...], explain: bool, as_json: bool) -> int:
    """Decide gates again from a run, without running anything.

    RUN is a run folder or its run.json; nothing in it is changed. Without --gates the run's own gates are decided
    again, as of today: a waiver may have expired. The gates are listed worst first. The exit code is the verdict, as
    with an audit. 0: no gate stops the release. 1: a gate does. 2: refused: the gates do not go with the run, or its
    files are not those that the audit wrote. 3: a required analyzer has no result, or the run did not come to its end.
    4: nothing was evaluated. 5: the run met a fault of ours.
    """
    import datetime

    from auditbench.cli.terminal import complain, say_json
    from auditbench.errors import ExitCode
    from auditbench.folder_lock import unfinished
    from auditbench.gate_run import decide_again
    from auditbench.gates import worst_exit_code
    from auditbench.manifest import refuse_altered
    from auditbench.run_file import read_run
    from auditbench.store import report_files

    record = read_run(run)
    folder = run if run.is_dir() else run.parent
    refuse_altered(folder, status=record.status, reports=report_files(folder))
    today = datetime.datetime.now(datetime.UTC).date()
    gated = decide_again(record, gate_files, base=Path.cwd(), today=today)
    process = unfinished(folder)
    code = worst_exit_code(gated.exit_code, ExitCode.INCOMPLETE if process else ExitCode.PASSED)
    if process:
        complain(f"The last audit in this folder has not come to its end ({process}).")
        complain("  fix: wait for it, or run the audit again; what follows is of the audit before it")
    catalogue = _catalogue(record)
    if as_json:
        say_json({**_document(record, gated, catalogue), "exit_code": int(code), "unfinished": process or None})
    else:
        _say(record, gated, gate_files, catalogue, explain=explain)
        _say_code(code)
    return code


def _document(run: AuditRun, gated: GatedRun, catalogue: Catalogue) -> dict[str, Any]:
    from auditbench.cli.gate_lines import why
    from auditbench.gate_sentences import worst_first
    from auditbench.record import plain

    return {
        "name": run.audit.name,
        "verdict": gated.verdict,
        "rows": run.data.rows,
        "gates": [
            {
                **plain(decision),
                "reason": catalogue.text(decision.reason) if decision.reason else why(decision) or None,
                "explanation": catalogue.say(decision.explanation) or None,
                **{part: text or None for part, text in _meaning(decision, catalogue).items()},
                "stops_release": decision.stops_release,
            }
            for decision in worst_first(gated.decisions)
        ],
        "waivers": [waiver.model_dump() for waiver in gated.waivers],
    }


def _say(run: AuditRun, gated: GatedRun, files: tuple[str, ...], catalogue: Catalogue, *, explain: bool) -> None:
    from auditbench.cli.gate_lines import states_counted
    from auditbench.cli.terminal import say, say_prose
    from auditbench.cli.words import VERDICTS, counted
    from auditbench.gate_sentences import worst_first
    from auditbench.safe_text import safe_text

    title, tone = VERDICTS[gated.verdict]
    say(f"{title}: {safe_text(run.audit.name)}", tone)
    origin = ", ".join(map(safe_text, files)) or "the gates of the audit itself"
    if run.status != "complete":
        say("This run is interrupted; what had finished is kept.", "caution")
    say_prose(f"{states_counted(gated.decisions)} on {counted(run.data.rows, 'row')}, by {origin}.")
    for decision in worst_first(gated.decisions):
        say()
        _say_decision(decision, catalogue, explain=explain)
    say()


def _say_decision(decision: GateDecision, catalogue: Catalogue, *, explain: bool) -> None:
    from auditbench.cli.gate_lines import observed, state_tone, state_words, why
    from auditbench.cli.terminal import say, say_prose
    from auditbench.cli.words import labels
    from auditbench.safe_text import safe_text

    say(f"  {state_words(decision)}  {safe_text(decision.metric)}{labels(decision.where)}", state_tone(decision))
    said = catalogue.text(decision.reason) if decision.reason else why(decision)
    say_prose(f"      {observed(decision, said)}")
    if decision.explanation:
        say_prose(f"      {catalogue.say(decision.explanation)}", "quiet")
    if explain:
        for part, text in _meaning(decision, catalogue).items():
            if text:
                say_prose(f"      {part}: {text}", "quiet")
    say(f"      id {safe_text(decision.id)}", "quiet")


def _meaning(decision: GateDecision, catalogue: Catalogue) -> dict[str, str]:
    """What the metric of a gate is, by the catalogue of its analyzer; what that does not say is empty."""
    keys = {"title": "", "meaning": ".help", "formula": ".formula", "reading": ".how"}
    named = {part: f"{decision.metric}{ending}" for part, ending in keys.items()}
    return {part: catalogue.say(key) if catalogue.has(key) else "" for part, key in named.items()}


def _say_code(code: int) -> None:
    from auditbench.cli.terminal import say

    say(f"exit code {int(code)}", "quiet")


def _catalogue(run: AuditRun) -> Catalogue:
    """The sentences of the host, the presets and the analyzers of the run, in English."""
    from auditbench.messages import load_messages, merge_catalogues
    from auditbench.presets import preset_messages

    host, presets = load_messages("auditbench").get("en", {}), preset_messages().get("en", {})
    return merge_catalogues("en", host, presets, run.messages.get("en", {}))
