"""What the fences of a page mean, and running them.

The blocks of one page share a folder and run in their order, as a reader would copy them:

- `console`: commands behind `$ `, in one shell. Where output follows, it is compared; `...` stands for anything. A command ends
  with exit code 0, unless `echo $?` behind it says another.
- any language with `title="FILE"`: is written to that file.
- `toml` without a title: is added to the end of audit.toml, or of pyproject.toml where it begins with `[tool`.
- `python` without a title: is run.
- a language of `NOT_RUN`: is not run, for the reason that stands there.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.fresh_environment import fresh_environment

ROOT = Path(__file__).parents[2]
NOT_RUN = {
    "sh": "installs Auditbench, needs what a test may not use, or takes minutes; its options are checked, see `command_lines`",
    "text": "a drawing, a formula, or an excerpt of what a command says",
    "yaml": "a file of a service that is not here; tests/integration/test_pipeline_files.py runs the whole files",
}
RUN_ELSEWHERE = {"explaining.md": "tests/integration/test_explaining_page.py"}
"""Pages whose blocks a test of their own runs, or checks where they would take minutes."""
PAGES = ROOT / "docs" / "pages"
HAND_WRITTEN = sorted(file.relative_to(PAGES).as_posix() for file in PAGES.rglob("*.md"))
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]+)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_SECONDS = 200


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fence: where it begins, its language, the file that its title names, and its text."""

    line: int
    language: str
    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command, the output that the page shows behind it, and the exit code that it tells."""

    text: str
    shown: str
    code: int


def blocks_of(page: str) -> Iterator[Block]:
    """The fences of a page, in order."""
    for match in _FENCE.finditer(page):
        language, _, rest = match["info"].strip().partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        indent = len(match["indent"])
        text = "".join(line[indent:] if line.strip() else line for line in match["text"].splitlines(keepends=True))
        yield Block(
            line=page.count("\n", 0, match.start()) + 1,
            language=language,
            title=title[1] if title else "",
            text=text,
        )


def commands_of(block: Block) -> list[Command]:
    """The commands of a `console` block; one that ends with a backslash goes on behind the next `> `."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
        else:
            assert found, f"line {block.line}: a console block begins with `$ `"
            found[-1][1].append(line)
    told = [int(shown[0]) if text == "echo $?" else None for text, shown in found]
    return [
        Command(text=text, shown="\n".join(shown), code=code or 0)
        for (text, shown), code in zip(found, [*told[1:], None], strict=True)
    ]


def command_lines(page: str) -> list[list[str]]:
    """The words of every command of Auditbench in `sh` and `console` blocks, without comments."""
    lines = [line for block in blocks_of(page) if block.language == "sh" for line in block.text.splitlines()]
    lines += [each.text for block in blocks_of(page) if block.language == "console" for each in commands_of(block)]
    parts = [part for line in lines for part in re.split(r"&&|\|", line.replace("\\\n", " "))]
    return [words for part in parts if (words := _words(part)) and words[0].rpartition("/")[2] == "auditbench"]


def matches(shown: str, said: str) -> bool:
    """Whether output is what the page shows."""
    pattern = ".*".join(re.escape(part) for part in _stripped(shown).split("..."))
    return re.fullmatch(pattern, _stripped(said), re.DOTALL) is not None


def run_page(page: str, folder: Path) -> None:
    """Carry out the blocks of a page in an empty folder; without a block that runs there is nothing to do."""
    blocks = list(blocks_of((PAGES / page).read_text("utf-8")))
    if any(block.title or block.language not in NOT_RUN for block in blocks):
        place = PageFolder(folder)
        for block in blocks:
            place.carry_out(block)


class PageFolder:
    """The folder in which the blocks of a page run, with an environment that plugins can be installed into."""

    def __init__(self, folder: Path) -> None:
        self.folder = self.here = folder / "work"
        self._home = folder
        self.folder.mkdir()
        self._environment = _environment(folder / "environment")

    def carry_out(self, block: Block) -> None:
        """Do what a block says; an AssertionError tells what came out otherwise."""
        if block.title:
            path = self.here / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            self._run(block)
        elif block.language == "toml":
            name = "pyproject.toml" if block.text.startswith("[tool") else "audit.toml"
            with (self.here / name).open("a", encoding="utf-8") as file:
                file.write(f"\n{block.text}")
        elif block.language == "python":
            done = self._shell(["python", "-W", "ignore", "-c", block.text])
            assert done.returncode == 0, f"line {block.line}: {done.stderr}"
        else:
            assert block.language in NOT_RUN, f"line {block.line}: nothing says how to run `{block.language}`"

    def _run(self, block: Block) -> None:
        commands = commands_of(block)
        record = self._home / "record"
        record.mkdir(exist_ok=True)
        steps = [
            f"{{ {each.text}\n}} > {record}/{number}.out 2>&1; code=$?; echo $code > {record}/{number}.code; (exit $code)"
            for number, each in enumerate(commands)
        ]
        done = self._shell(["bash", "--noprofile", "--norc", "-c", "\n".join([*steps, f"pwd > {record}/here"])])
        assert not done.stderr, f"line {block.line}: {done.stderr}"
        for number, each in enumerate(commands):
            said = (record / f"{number}.out").read_text(encoding="utf-8")
            code = int((record / f"{number}.code").read_text())
            where = f"line {block.line}: $ {each.text}"
            assert code == each.code, f"{where}\nended with {code}, not {each.code}\n{said}"
            assert not each.shown or matches(each.shown, said), f"{where}\nexpected\n{each.shown}\n\ngot\n{said}"
        self.here = Path((record / "here").read_text().strip())

    def _shell(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.here, env=self._environment, capture_output=True, text=True, check=False, timeout=_SECONDS
        )


def _environment(prefix: Path) -> Mapping[str, str]:
    """An environment of its own that sees every package of this one, so that installing takes no network."""
    fresh_environment(prefix)
    for name in ("auditbench", "pip", "pytest", "mypy"):
        program = prefix / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{prefix}/bin/python" -m {name} "$@"\n')
        program.chmod(0o755)
    home = prefix.parent / "home"
    home.mkdir()
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(prefix / "bin"), os.environ["PATH"]]),
        "HOME": str(home),
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads 0 as: switched off
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def _words(line: str) -> list[str]:
    """Words up to where the output goes; none where a line is no command by itself."""
    try:
        return shlex.split(line.partition(" >")[0], comments=True)
    except ValueError:
        return []


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
