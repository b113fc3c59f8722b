"""`auditbench doctor`: can this machine run an audit?"""

from __future__ import annotations

import click

from auditbench.cli.options import debug_option, example, json_option


@click.command(epilog=example("auditbench doctor", "auditbench doctor --json | jq '.[] | select(.ok | not)'"))
@json_option
@debug_option
def doctor(as_json: bool) -> int:
    """Check that this machine can run an audit.

    Looks at Python, torch and its device, memory, threads, the disk, and whether every installed plugin loads. Each
    problem comes with what to do about it. Exits 0 when all is well, 2 otherwise.
    """
    import dataclasses

    from auditbench.cli.health import examine
    from auditbench.cli.terminal import complain, padded, safe_line, say, say_json
    from auditbench.errors import ExitCode

    if not as_json:
        complain("Looking; torch and the plugins take a few seconds ...", "quiet")
    checks = list(examine())
    problems = [check for check in checks if not check.ok]
    if as_json:
        say_json([dataclasses.asdict(check) for check in checks])
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            line = f"{padded(safe_line(check.name), width)}  {safe_line(check.detail)}"
            say(f"ok       {line}" if check.ok else f"problem  {line}", "" if check.ok else "bad")
            if not check.ok:
                say(f"         fix: {safe_line(check.fix)}")
        say(f"{len(problems)} of {len(checks)} checks found a problem" if problems else "Everything is in order.")
    return ExitCode.REFUSED if problems else ExitCode.PASSED
