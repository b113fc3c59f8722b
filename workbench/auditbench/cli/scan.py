"""`auditbench scan`: what a model file would import and call, found without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from auditbench.cli.options import debug_option, example, json_option

if TYPE_CHECKING:
    from auditbench.cli.second_opinion import SecondOpinion
    from auditbench.models.opening.scanning import FoundImport, Part, Scan

CLEAN, NOT_CLEAN = 0, 1
_MOST_NAMES, _MOST_PARTS, _MOST_NAMED = 100, 200, 5


@click.command(epilog=example("auditbench scan model.pt", "auditbench scan model.pt --json | jq .parts"))
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@debug_option
def scan(file: Path, as_json: bool) -> int:
    """List what a model file would import and call, without running it.

    Pickles are found by content, in archives, arrays and compressed files too. Each name is `allowed` in a state dict,
    `not in the list`, or known as `dangerous`; what a name that is not in the list does, nobody has looked at. A file
    that this command calls clean can still be a bad model. Exit code 0: nothing outside the list. 1: something is, or
    something was not looked into. 2: the file cannot be read.
    """
    import dataclasses

    from auditbench.cli.second_opinion import second_opinion
    from auditbench.cli.terminal import say_json
    from auditbench.models.opening.files import read_file
    from auditbench.models.opening.scanning import scan_bytes

    content = read_file(file, fix="name the file itself: auditbench scan FILE")
    found = scan_bytes(content, str(file))
    other = second_opinion(file, content)
    if as_json:
        say_json({**dataclasses.asdict(found), "clean": found.clean, "picklescan": dataclasses.asdict(other)})
    else:
        _say(found, other)
    return CLEAN if found.clean else NOT_CLEAN


def _say(found: Scan, other: SecondOpinion) -> None:
    from auditbench.cli.terminal import say

    say(f"{found.path}  {found.kind}, {found.size:,} bytes", "strong")
    say(f"  sha256 {found.sha256}", "quiet")
    for part in found.parts[:_MOST_PARTS]:
        _say_part(part)
    if len(found.parts) > _MOST_PARTS:
        say(f"  and {len(found.parts) - _MOST_PARTS:,} more; --json lists all of them")
    say(f"picklescan {other.version}: {_told(other)}".replace(" :", ":"))
    _say_verdict(found)


def _say_verdict(found: Scan) -> None:
    from auditbench.cli.terminal import say
    from auditbench.safe_text import safe_text

    if found.dangerous:
        names = ", ".join(safe_text(name) for name in found.dangerous[:_MOST_NAMED])
        more = len(found.dangerous) - _MOST_NAMED
        say(
            f"DANGEROUS: opening this file calls {names}{f' and {more:,} more' if more > 0 else ''}. Do not open it.",
            "bad",
        )
    elif found.clean:
        say("Nothing outside the list of a state dict, and every part was looked into.", "good")
    else:
        say(
            f"{len(found.outside):,} imports outside the list of a state dict, "
            f"{len(found.not_seen):,} parts not looked into to their end.",
            "bad",
        )


def _say_part(part: Part) -> None:
    from auditbench.cli.terminal import say
    from auditbench.safe_text import safe_text

    if not part.imports and not part.not_seen:
        return
    say(f"  {safe_text(part.where or 'the file', 300)}  {part.kind}, {part.size:,} bytes")
    outside = [item for item in part.imports if item.verdict != "allowed"]
    for item in outside[:_MOST_NAMES]:
        say(f"    {_line(item)}", "bad" if item.verdict == "dangerous" else "caution")
    if len(outside) > _MOST_NAMES:
        say(f"    and {len(outside) - _MOST_NAMES:,} more; --json lists all of them")
    for item in part.imports:
        if item.verdict == "allowed":
            say(f"    {_line(item)}", "quiet")
    if part.not_seen:
        say(f"    not looked into: {part.not_seen}", "caution")


def _line(item: FoundImport) -> str:
    from auditbench.safe_text import safe_text

    return f"{item.verdict:<15}  {'calls' if item.called else 'names'}  {safe_text(item.name)}"


def _told(other: SecondOpinion) -> str:
    from auditbench.safe_text import safe_text

    if not other.version:
        return f"no answer, {other.failed}"
    names = ", ".join(safe_text(name) for name in (*other.dangerous, *other.suspicious)[:5])
    told = f"{len(other.dangerous)} dangerous, {len(other.suspicious)} suspicious, {other.innocuous} harmless"
    return "; ".join(part for part in (told, names, other.failed) if part)
