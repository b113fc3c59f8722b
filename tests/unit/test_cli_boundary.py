"""However a command ends, the shell gets a documented exit code and the user a sentence."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from auditbench.cli import boundary, commands, main
from auditbench.cli.boundary import guarded
from auditbench.cli.options import debug_option
from auditbench.errors import AuditbenchError, ConfigError, EmptyDataError, ExitCode, HostError, Problem, WorkerError

Answer = Callable[[], int | None]


@pytest.fixture(autouse=True)
def kept_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands in for the system's temporary one."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Puts a command in the place of `doctor` that does what it is told."""

    def put(answer: Answer) -> None:
        @click.command()
        @debug_option
        def doctor() -> int | None:
            return answer()

        monkeypatch.setattr(commands.LazyGroup, "get_command", lambda self, ctx, name: doctor)

    return put


def raising(error: BaseException) -> Answer:
    def answer() -> int | None:
        raise error

    return answer


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5])
def test_a_command_gives_its_own_code(command: Callable[[Answer], None], code: int) -> None:
    command(lambda: code)
    assert guarded(["doctor"]) == code


def test_a_command_without_a_code_has_passed(command: Callable[[Answer], None]) -> None:
    command(lambda: None)
    assert guarded(["doctor"]) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("no"), ExitCode.REFUSED),
        (EmptyDataError("no"), ExitCode.NOTHING_EVALUATED),
        (WorkerError("no"), ExitCode.INCOMPLETE),
        (HostError("no"), ExitCode.INTERNAL_ERROR),
        (click.UsageError("no"), ExitCode.REFUSED),
        (click.FileError("no"), ExitCode.REFUSED),
        (click.Abort(), ExitCode.INTERRUPTED),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (SystemExit(1), ExitCode.INTERNAL_ERROR),
        (SystemExit("bye"), ExitCode.INTERNAL_ERROR),
        (KeyError("x"), ExitCode.INTERNAL_ERROR),
        (MemoryError(), ExitCode.INTERNAL_ERROR),
        (RecursionError(), ExitCode.INTERNAL_ERROR),
        (OSError(28, "No space left on device"), ExitCode.INTERNAL_ERROR),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_exception_becomes_a_code_and_a_sentence(
    command: Callable[[Answer], None], capsys: pytest.CaptureFixture[str], error: BaseException, code: ExitCode
) -> None:
    command(raising(error))
    assert guarded(["doctor"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip()
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["--debug", "doctor"], ["doctor", "--debug"]], ids=["before", "after"])
@pytest.mark.parametrize("error", [ConfigError("wrong"), KeyError("wrong")], ids=["ours", "fault"])
def test_debug_shows_the_trace(
    command: Callable[[Answer], None], capsys: pytest.CaptureFixture[str], arguments: list[str], error: Exception
) -> None:
    command(raising(error))
    guarded(arguments)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_fault_says_where_its_details_are(
    command: Callable[[Answer], None], capsys: pytest.CaptureFixture[str], kept_traces: Path
) -> None:
    command(raising(ZeroDivisionError("division by \x1b[31mzero")))
    assert guarded(["doctor"]) == 5
    err = capsys.readouterr().err
    (kept,) = kept_traces.iterdir()
    assert str(kept) in err
    assert "ZeroDivisionError" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "⟨U+001B⟩[31mzero" in err
    assert "--debug" in err


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (AuditbenchError("no", details="Trace of a worker"), True),
        (WorkerError("no", details="Trace of a worker"), True),
        (ConfigError("no", details="Trace of a worker"), False),
        (WorkerError("no"), False),
    ],
    ids=["ours", "lost-worker", "refusal", "without"],
)
def test_what_a_worker_left_behind_is_kept_or_shown(
    command: Callable[[Answer], None],
    capsys: pytest.CaptureFixture[str],
    kept_traces: Path,
    error: AuditbenchError,
    kept: bool,
) -> None:
    command(raising(error))
    guarded(["doctor"])
    err = capsys.readouterr().err
    assert "Trace of a worker" not in err
    assert [file.read_text() for file in kept_traces.iterdir()] == (["Trace of a worker"] if kept else [])
    assert all(str(file) in err for file in kept_traces.iterdir())
    guarded(["doctor", "--debug"])
    assert ("Trace of a worker" in capsys.readouterr().err) == bool(error.details)


def test_a_fault_without_a_writable_place_is_still_told(
    command: Callable[[Answer], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    command(raising(ZeroDivisionError()))
    assert guarded(["doctor"]) == 5
    assert "details" not in capsys.readouterr().err


def test_no_part_of_an_error_breaks_out_of_its_line(
    command: Callable[[Answer], None], capsys: pytest.CaptureFixture[str]
) -> None:
    problems = (Problem(message="a", where="x\nAB000 all is well", found="\x1b[2J"), Problem(message="::error::b"))
    command(raising(ConfigError("two\nlines", problems=problems)))
    assert guarded(["doctor"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "AB100 two↵lines",
        "x↵AB000 all is well: a",
        "  found: ⟨U+001B⟩[2J",
        "⟨U+003A⟩:error::b",
    ]


def test_sigterm_is_told_and_has_its_code(
    command: Callable[[Answer], None], capsys: pytest.CaptureFixture[str]
) -> None:
    cleaned = []

    def answer() -> int | None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            cleaned.append(True)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    command(answer)
    assert guarded(["doctor"]) == ExitCode.TERMINATED
    assert cleaned == [True]
    assert signal.getsignal(signal.SIGTERM) is before
    assert "Terminated" in capsys.readouterr().err


def test_windows_is_refused_with_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert guarded(["doctor"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("AB504 ")
    assert "WSL" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["adit"], "did you mean 'audit'"),
        (["qqqq"], "commands: demo, init"),
        (["audit"], "Missing argument 'CONFIG'"),
        (["audit", "x.toml", "--device", "tpu"], "'tpu' is not one of"),
        (["show", "--jsn", "x"], "--jsn"),
        (["schema", "nothing"], "'nothing' is not one of"),
        (["\x1b[31m"], r"\x1b[31m"),
    ],
)
def test_usage_errors_exit_2(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert guarded(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "--help" in err
    assert "\x1b" not in err


def test_nothing_asked_shows_the_help_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Commands:" in err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from auditbench import __version__

    assert guarded(["--version"]) == 0
    assert capsys.readouterr().out == f"auditbench {__version__}\n"


def test_main_ends_the_process_with_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["adit"])
    assert ended.value.code == 2


def test_an_incomplete_installation_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, boundary.__name__, None)
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 2
    assert "not completely installed" in capsys.readouterr().err
