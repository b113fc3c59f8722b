"""Scores of Lighthouse for a page, as a phone sees it."""

from __future__ import annotations

import functools
import gzip
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMAND = Path(__file__).parent / "node/node_modules/lighthouse/cli/index.js"
INSTALL = "npm ci --prefix benchmarks/node"
CATEGORIES = ("performance", "accessibility", "best-practices")
_FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"


def lighthouse_scores(page: bytes, browser: str) -> tuple[dict[str, int], list[str]]:
    """Scores from 0 to 100, and what did not reach the full score.

    The page comes from this machine, compressed as servers do: Lighthouse opens no local file.

    Raises:
        FileNotFoundError: Lighthouse is not there; the message says how to install it.
    """
    if not COMMAND.is_file():
        raise FileNotFoundError(f"expected Lighthouse in {COMMAND}: run `{INSTALL}`")
    with _served(page) as address:
        command = [
            "node", str(COMMAND), address, "--quiet", "--output=json", "--output-path=stdout",
            f"--chrome-flags={_FLAGS}", f"--only-categories={','.join(CATEGORIES)}", "--no-enable-error-reporting",
        ]  # fmt: skip
        environment = {**os.environ, "CHROME_PATH": browser}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=240)
    found = json.loads(done.stdout)
    scores = {name: round(100 * found["categories"][name]["score"]) for name in CATEGORIES}
    short = [
        f"{audit['id']}: {audit.get('displayValue') or audit['title']}"
        for audit in found["audits"].values()
        if audit["score"] is not None and audit["score"] < 1
    ]
    return scores, short


@contextmanager
def _served(page: bytes) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_OnePage, gzip.compress(page)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _OnePage(BaseHTTPRequestHandler):
    def __init__(self, compressed: bytes, *rest: Any) -> None:
        self.compressed = compressed
        super().__init__(*rest)

    def do_GET(self) -> None:
        """Give the page, and nothing else."""
        if self.path != "/":
            self.send_error(404)
            return
        self.send_response(200)
        headers = {"Content-Type": "text/html", "Content-Encoding": "gzip", "Content-Length": str(len(self.compressed))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.compressed)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
        """Say nothing."""
