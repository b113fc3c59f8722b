"""Starts the server, audits the model behind it, and ends the server.

    python examples/10-endpoint/run.py [further options of `auditbench audit`]

A token is made up for the run: the server asks for it, and the audit finds it in the environment by its name.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent


def main() -> int:
    """The exit code of the audit."""
    config = HERE / "audit.toml"
    port = urlsplit(tomllib.loads(config.read_text())["model"]["path"]).port
    environment = {**os.environ, "INCOME_TOKEN": secrets.token_urlsafe(32)}
    serving = [sys.executable, str(HERE / "serve.py"), str(port)]
    with subprocess.Popen(serving, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            said = server.stdout.readline() if server.stdout else ""
            if not said:
                print(f"the server did not start; another program may listen at port {port}", file=sys.stderr)
                return 2
            print(said, end="", flush=True)
            audit = [sys.executable, "-m", "auditbench", "audit", str(config), *sys.argv[1:]]
            return subprocess.run(audit, env=environment, check=False).returncode
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
