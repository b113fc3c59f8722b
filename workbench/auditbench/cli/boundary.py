"""The edge between Python and the shell: every way a command can end becomes words and a documented exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from auditbench.cli.commands import cli
from auditbench.cli.options import Session
from auditbench.cli.repeating import filled_in
from auditbench.cli.terminal import complain, complain_lines, prepare_streams, safe_line
from auditbench.errors import AuditbenchError, ConfigError, ExitCode
from auditbench.interruption import Terminated, sigterm_raises


def guarded(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; whatever happens becomes an exit code."""
    session = Session()
    prepare_streams()
    try:
        with sigterm_raises():
            return _run(list(sys.argv[1:] if arguments is None else arguments), session)
    except AuditbenchError as error:
        _show_trace(session)
        complain_lines(_told(error, session))
        _show_details(error, session)
        return int(error.exit_code)
    except click.ClickException as error:
        _show_usage(error)
        return int(ExitCode.REFUSED)
    except Terminated:
        complain("Terminated.")
        return int(ExitCode.TERMINATED)
    except (KeyboardInterrupt, click.Abort):
        complain("Interrupted.")
        return int(ExitCode.INTERRUPTED)
    except click.exceptions.Exit as done:
        return done.exit_code
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the last line of defence: no other exit code may escape
        _show_fault(error, session)
        return int(ExitCode.INTERNAL_ERROR)


def _run(arguments: list[str], session: Session) -> int:
    if sys.platform == "win32":
        from auditbench.provenance import check_platform  # reads the record's types, which `--help` has no need of

        check_platform()
    with cli.make_context("auditbench", arguments, obj=session) as context:
        return int(cli.invoke(context) or ExitCode.PASSED)


def _told(error: AuditbenchError, session: Session) -> str:
    """The error with the commands that it names as they are for this config, where the config itself is not at fault."""
    if isinstance(error, ConfigError):
        return error.describe()
    return filled_in(error.describe(), session.context)


def _show_usage(error: click.ClickException) -> None:
    context = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        complain_lines(error.format_message())
        return
    if context is not None:
        complain_lines(context.get_usage())
    complain(f"AB100 {error.format_message()}")
    if context is not None:
        complain(f"  fix: see `{context.command_path} --help`")


def _show_fault(error: BaseException, session: Session) -> None:
    kind = type(error).__name__
    complain(f"AB500 Something went wrong inside Auditbench: {kind}: {error}")
    if session.debug:
        _show_trace(session)
        complain("  fix: please report it with the lines above")
        return
    complain("  fix: run the same command with --debug, and report what it prints")
    import traceback

    _keep(traceback.format_exc())


def _show_trace(session: Session) -> None:
    if session.debug:
        import traceback

        complain_lines(traceback.format_exc().rstrip())


def _show_details(error: AuditbenchError, session: Session) -> None:
    """Show what a worker left behind; without `--debug` it is kept where an error is not the user's to mend."""
    if not error.details:
        return
    if session.debug:
        complain_lines(f"  details:\n{error.details.rstrip()}")
    elif error.exit_code in (ExitCode.INTERNAL_ERROR, ExitCode.INCOMPLETE):
        _keep(error.details)


def _keep(text: str) -> None:
    """Write text where only this user can read it, and say where; without a writable place there is none."""
    import tempfile

    try:
        handle, path = tempfile.mkstemp(prefix="auditbench-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(map(safe_line, text.split("\n"))))
    except OSError:
        return
    complain(f"  details: {path}")
