"""Progress is told on stderr: bars on a terminal, lines elsewhere, and never anything that acts."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from auditbench.cli.live_progress import LiveProgress
from auditbench.cli.progress import PlainProgress, progress_listener
from auditbench.cli.words import counted, duration, number


def tell_a_story(listener: PlainProgress | LiveProgress) -> None:
    listener.stage_started("shap", "explanation")
    listener.stage_progress("shap", "rows", 10, 100)
    listener.stage_progress("shap", "rows", 1000, 2000)
    listener.stage_finished("shap", 12.34, "ok")
    listener.stage_finished("li\x1b[2Jme", 0.5, "timed_out", "::error::[red]slow")
    listener.note("::error::[bold]note[/bold]\x07")


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 5.0, 11.0])
    tell_a_story(PlainProgress(clock=lambda: next(clock)))
    assert capsys.readouterr().err.splitlines() == [
        "shap: started (explanation)",
        "shap: rows 1,000 of 2,000",
        "shap: ok after 12.3 s",
        "li⟨U+001B⟩[2Jme: timed out after 0.50 s (::error::[red]slow)",
        "⟨U+003A⟩:error::[bold]note[/bold]⟨U+0007⟩",
    ]


def test_an_unknown_total_is_not_shown() -> None:
    lines: list[str] = []
    listener = PlainProgress(lines.append, lambda: 100.0)
    listener.stage_progress("train", "epochs", 3, 0)
    assert lines == ["train: epochs 3"]


def test_bars_become_lines() -> None:
    screen = io.StringIO()
    listener = LiveProgress(Console(file=screen, force_terminal=True, width=100, markup=False, highlight=False))
    with listener.progress:
        listener.stage_started("shap", "explanation")
        listener.stage_progress("shap", "rows", 25, 100)
        (task,) = listener.progress.tasks
        assert (task.completed, task.total, task.fields["step"]) == (25, 100, "rows")
        listener.stage_progress("shap", "models", 1, 0)
        (task,) = listener.progress.tasks
        assert (task.completed, task.total, task.fields["step"]) == (1, None, "models")
        listener.stage_finished("shap", 12.34, "ok")
        assert listener.progress.tasks == []
        tell_a_story(listener)
    shown = screen.getvalue()
    assert "12.3 s" in shown
    assert "li⟨U+001B⟩[2Jme" in shown
    assert "\x1b[2Jme" not in shown
    assert "⟨U+003A⟩:error::[red]slow" in shown
    assert "[bold]note[/bold]⟨U+0007⟩" in shown


def test_without_a_terminal_there_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_listener() as listener:
        listener.stage_started("load")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "load: started\n")


def test_on_a_terminal_there_are_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Screen())
    with progress_listener() as listener:
        assert isinstance(listener, LiveProgress)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.004, "0.00 s"),
        (0.994, "0.99 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3840, "1 h 4 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "1", "—"),
        (0.31415926, "1", "0.3142"),
        (16281, "", "16,281"),
        (1.5, "ms", "1.5 ms"),
        (-0.25, "1", "-0.25"),
        (1e-7, "1", "1e-07"),
    ],
)
def test_numbers(value: float | None, unit: str, text: str) -> None:
    assert number(value, unit) == text


def test_counts() -> None:
    assert counted(1, "row") == "1 row"
    assert counted(48842, "row") == "48,842 rows"
