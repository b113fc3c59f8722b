"""What runs the blocks of a page finds what does not hold, and every command line on every page has options that there are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from auditbench.cli.commands import cli
from auditbench.cli.options import Session
from auditbench.config_file import load_config
from auditbench.gate_file import GateFile
from tests.docs.blocks import (
    HAND_WRITTEN,
    PAGES,
    ROOT,
    RUN_ELSEWHERE,
    Block,
    PageFolder,
    blocks_of,
    command_lines,
    commands_of,
    matches,
)

BASE = {
    "audit": '[audit]\nname = "a"\n',
    "model": '[model]\ntask = "binary-classification"\n',
    "data": '[data]\ntest = "a.csv"\ntarget = "y"\n',
}
"""Tables that an audit.toml must have, where a page shows others."""
OF_THE_REPOSITORY = [
    *("README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md"),
    *sorted(file.relative_to(ROOT).as_posix() for file in ROOT.glob("examples/**/README.md")),
]


def test_a_page_that_runs_elsewhere_has_a_test_that_reads_it() -> None:
    for page, test in RUN_ELSEWHERE.items():
        assert page in (ROOT / test).read_text("utf-8")


@pytest.mark.parametrize("page", HAND_WRITTEN)
def test_what_is_shown_of_a_pipeline_stands_in_its_file(page: str) -> None:
    files = [file for file in (ROOT / "examples" / "pipelines").iterdir() if file.suffix in (".yml", ".yaml")]
    known = {line.strip() for file in files for line in file.read_text("utf-8").splitlines()}
    shown = [each.text for each in blocks_of((PAGES / page).read_text("utf-8")) if each.language == "yaml"]
    assert [line for text in shown for line in text.splitlines() if line.strip() not in known] == []


@pytest.mark.parametrize("page", HAND_WRITTEN)
def test_the_source_of_a_page_says_where_its_fences_are_explained(page: str) -> None:
    text = (PAGES / page).read_text("utf-8")
    assert RUN_ELSEWHERE.get(page, "tests/docs/blocks.py") in text or not list(blocks_of(text))


@pytest.mark.parametrize("page", [*(f"docs/pages/{page}" for page in HAND_WRITTEN), *OF_THE_REPOSITORY])
def test_every_command_line_has_options_that_there_are(page: str) -> None:
    for words in command_lines((ROOT / page).read_text("utf-8")):
        context, command, arguments = cli.make_context("auditbench", words[1:], obj=Session()), cli, words[1:]
        while isinstance(command, click.Group):
            name, found, arguments = command.resolve_command(context, arguments)
            assert found is not None
            context, command = found.make_context(name, list(arguments), parent=context), found


@pytest.mark.parametrize("page", OF_THE_REPOSITORY)
def test_links_to_files_of_the_repository_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?![a-z]+:|#)([^)\s#]+)", (ROOT / page).read_text("utf-8"))
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


@pytest.mark.parametrize("page", OF_THE_REPOSITORY)
def test_tables_on_other_pages_are_valid(page: str, tmp_path: Path) -> None:
    """What stands outside of the site is TOML of a project, of gates, or some or all tables of an audit.toml."""
    for each in blocks_of((ROOT / page).read_text("utf-8")):
        document = tomllib.loads(each.text) if each.language == "toml" else {"tool": {}}
        if "preset" in document:
            GateFile.model_validate(document)
        elif not document.keys() & {"project", "tool"}:
            config = tmp_path / f"{each.line}.toml"
            config.write_text("".join(text for name, text in BASE.items() if name not in document) + each.text)
            load_config(config)


def test_python_on_the_page_of_the_project_is_run() -> None:
    test = (ROOT / "tests" / "integration" / "test_readme.py").read_text("utf-8")
    asked = re.findall(r'block\("python", "([^"]+)"\)', test)
    shown = [each.text for each in blocks_of((ROOT / "README.md").read_text("utf-8")) if each.language == "python"]
    assert [sum(name in text for name in asked) for text in shown] == [1] * len(shown)


def block(text: str, language: str = "console", title: str = "") -> Block:
    return Block(line=1, language=language, title=title, text=text)


def test_a_file_is_written_and_read_by_the_next_command(tmp_path: Path) -> None:
    folder = PageFolder(tmp_path)
    folder.carry_out(block("one\n", "text", "a/b.txt"))
    folder.carry_out(block("$ cd a\n$ cat b.txt\none\n"))
    folder.carry_out(block("from pathlib import Path\nPath('c').write_text('two')", "python"))
    folder.carry_out(block("$ cat c\n...o\n"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        pytest.param("$ echo one\ntwo\n", "console", id="other-output"),
        pytest.param("$ false\n", "console", id="fails"),
        pytest.param("$ true\n$ echo $?\n1\n", "console", id="does-not-fail"),
        pytest.param("raise SystemExit(1)", "python", id="python-fails"),
        pytest.param("one", "cobol", id="nothing-runs-it"),
    ],
)
def test_what_does_not_hold_is_found(text: str, language: str, tmp_path: Path) -> None:
    folder = PageFolder(tmp_path)
    with pytest.raises(AssertionError):
        folder.carry_out(block(text, language))


def test_the_exit_code_of_a_command_is_told_behind_it() -> None:
    commands = commands_of(block("$ auditbench audit a.toml \\\n>   --set x=1\nsaid\n$ echo $?\n1\n$ true\n"))
    assert [(each.code, each.shown) for each in commands] == [(1, "said"), (0, "1"), (0, "")]


def test_three_dots_stand_for_anything() -> None:
    assert matches("a ... d\n...\nz", "a b\nc d  \n1\nz\n")
    assert not matches("a ... d", "a b c")
