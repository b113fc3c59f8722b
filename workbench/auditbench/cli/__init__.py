"""The command line. Results go to stdout, everything else to stderr; the exit codes are those of `ExitCode`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code.

    Nothing but `SystemExit` leaves this function: a refusal is described, a fault of ours is told in one sentence.

    Args:
        arguments: Stand in for those of the process.
    """
    try:
        from auditbench.cli.boundary import guarded
    except ImportError as error:
        sys.stderr.write(
            f"AB403 auditbench is not completely installed: {error}\n  fix: pip install --force-reinstall auditbench\n"
        )
        raise SystemExit(2) from error
    raise SystemExit(guarded(arguments))
