"""A browser that tests drive: one process of node for all of them, one page at a time."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class Driven:
    """A started browser, `chromium` or `firefox`; every question is about the page that was opened last."""

    def __init__(self, name: str, executable: str, packages: Path) -> None:
        self.name, self._packages = name, packages
        self._process = subprocess.Popen(
            ["node", str(HERE / "drive.mjs"), name, executable],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def open(self, file: Path, *, width: int = 1280, dark: bool = False) -> None:
        """Open a local file in a new profile, with `checks` at hand for `ask`."""
        self._do("open", url=file.as_uri(), width=width, dark=dark)
        self.ask((HERE / "checks.js").read_text("utf-8"))

    def ask(self, expression: str) -> Any:
        """Value of an expression of JavaScript, which JSON can hold."""
        return self._do("ask", expression=expression)

    def accessibility(self) -> dict[str, Any]:
        """What axe-core finds on the page as it is now."""
        self.ask((self._packages / "axe-core" / "axe.min.js").read_text("utf-8") + "; null")
        found: dict[str, Any] = self.ask("checks.accessibility()")
        return found

    def said(self) -> list[str]:
        """What the page wrote to the console, asked for, ran into and was refused since it was opened."""
        found: list[str] = self._do("said")
        return found

    def seen(self, selector: str) -> int:
        """How many elements are drawn; those beyond the edge of the window count."""
        found: int = self.ask(f"checks.seen({json.dumps(selector)})")
        return found

    def click(self, selector: str) -> None:
        """Click into the middle of the first element."""
        self._do("click", selector=selector)

    def write(self, selector: str, text: str) -> None:
        """Put text in place of what a box holds, key by key."""
        self._do("write", selector=selector, text=text)

    def press(self, key: str) -> None:
        """Press one key."""
        self._do("press", key=key)

    def reload(self) -> None:
        """Load the same page again."""
        self._do("reload")
        self.ask((HERE / "checks.js").read_text("utf-8"))

    def close(self) -> None:
        """End the browser."""
        self._process.communicate()

    def _do(self, what: str, **how: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"what": what, **how}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"failed": "node ended"}')
        if "failed" in answer:
            raise RuntimeError(f"{self.name} could not {what} {how}: {answer['failed']}")
        return answer["found"]
