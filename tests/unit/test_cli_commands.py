"""Every command has help with an example, and the table of commands tells the same story as the commands."""

from __future__ import annotations

import inspect

import click
import pytest

from auditbench.cli.boundary import guarded
from auditbench.cli.commands import COMMANDS, cli


def all_commands() -> list[tuple[str, ...]]:
    paths: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        paths.append((name,))
        if isinstance(command, click.Group):
            paths += [(name, part) for part in command.commands]
    return paths


@pytest.mark.parametrize("path", all_commands(), ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_has_a_sentence_and_an_example(
    capsys: pytest.CaptureFixture[str], path: tuple[str, ...], flag: str
) -> None:
    assert guarded([*path, flag]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"Usage: auditbench {' '.join(path)}")
    assert f"  auditbench {' '.join(path)}" in out.partition("Examples:")[2]
    assert "--debug" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert inspect.cleandoc(command.help or "").splitlines()[0] == COMMANDS[name]


def test_the_group_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["--help"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()] == list(
        COMMANDS
    )
    assert "auditbench demo" in out


def test_names_may_be_joined_by_commas_or_repeated() -> None:
    from auditbench.cli.audit import audit

    context = audit.make_context("audit", ["x.toml", "--only", "shap, lime", "--only", "fairness,", "--skip", "a"])
    assert context.params["only"] == ("shap", "lime", "fairness")
    assert context.params["skip"] == ("a",)
    assert context.params["formats"] == ()
