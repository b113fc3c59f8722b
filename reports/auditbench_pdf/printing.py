"""Printing a page through a headless Chromium: no network, a profile of its own, and an end in any case."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from auditbench.errors import PluginError

SECONDS = 90.0
"""Wall-clock limit of one print, below the host's default limit of one renderer."""
FLAGS = (
    "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-sync", "--disable-quic",
    "--disable-default-apps", "--disable-breakpad", "--disable-crash-reporter", "--disable-component-update",
    "--disable-background-networking", "--no-first-run", "--no-default-browser-check", "--no-pings", "--mute-audio",
    "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9",
    "--export-tagged-pdf", "--generate-pdf-document-outline", "--no-pdf-header-footer",
)  # fmt: skip


def print_page(browser: str, page: bytes, *, seconds: float = SECONDS) -> bytes:
    """The PDF of a page; the browser and all that it started have ended when this returns.

    Raises:
        PluginError: The browser did not print within the time, or printed nothing.
    """
    with tempfile.TemporaryDirectory(prefix="auditbench-print-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        source, target, log = folder / "report.html", folder / "report.pdf", folder / "log"
        source.write_bytes(page)
        code = _run(_command(browser, folder, source, target), folder, log, seconds)
        printed = target.read_bytes() if target.is_file() else b""
        if not (printed.startswith(b"%PDF-") and printed.rstrip().endswith(b"%%EOF")):
            what = f"it did not end within {seconds:g} s" if code is None else f"it ended with code {code}"
            raise PluginError(
                "the browser printed no report",
                where="format pdf",
                found=f"{browser}: {what}",
                fix="print report.html from a browser, or name another one in CHROMIUM",
                details=log.read_text("utf-8", "replace")[-4000:],
            )
        return printed


def _command(browser: str, folder: Path, source: Path, target: Path) -> list[str]:
    """The command line; a superuser's browser cannot have its sandbox, and the page forbids itself all but its own script."""
    root = sys.platform != "win32" and os.geteuid() == 0
    sandbox = ["--no-sandbox"] if root else []
    return [
        browser, *FLAGS, *sandbox, f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={target}", source.as_uri(),
    ]  # fmt: skip


def _run(command: list[str], folder: Path, log: Path, seconds: float) -> int | None:
    """Exit code of the browser; None when it had to be ended.

    Its messages go to a file: a pipe would stay open as long as any process that it left behind.
    """
    own = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder), "TMPDIR": str(folder)}
    with log.open("wb") as messages:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                env={**os.environ, **own},
                start_new_session=True,
            )
        except OSError as error:
            raise PluginError(
                "the browser cannot be started",
                where="format pdf",
                found=str(error),
                fix="print report.html from a browser, or name another one in CHROMIUM",
            ) from error
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the browser and every process of its session that is left."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
