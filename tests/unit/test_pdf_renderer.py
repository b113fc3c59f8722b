from __future__ import annotations

import dataclasses
import os
import re
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from auditbench.contracts import RenderOptions
from auditbench.errors import MissingProgramError, PluginError
from auditbench.registry import Registry
from auditbench.run import AuditRun
from auditbench.worker.checking import require_renderer
from auditbench_pdf import printing
from auditbench_pdf.dates import with_date
from auditbench_pdf.printing import FLAGS, print_page
from tests.format_runs import nothing_finished
from tests.html_fixture import income_run

FAKE = "%PDF-1.4\\n/CreationDate (D:20990101000000+01'00')\\n%%EOF\\n"


@pytest.fixture
def fake_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A program in place of a browser: `run` is Python, with `target` the PDF to write and `page` the page to print."""

    def make(run: str) -> str:
        path = tmp_path / "browser"
        path.write_text(
            f"#!{sys.executable}\nimport os, sys, time\n"
            "arguments = sys.argv[1:]\n"
            "target = next(a.partition('=')[2] for a in arguments if a.startswith('--print-to-pdf='))\n"
            "page = arguments[-1].removeprefix('file://')\n"
            f"{run}\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("CHROMIUM", str(path))
        return str(path)

    return make


def render(run: AuditRun, folder: Path) -> bytes:
    files = Registry().renderer("pdf").record.render(run, RenderOptions(folder=folder))
    assert set(files) == {"report.pdf"}
    return files["report.pdf"]


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie that waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_without_a_browser_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingProgramError, match="Chromium is not installed") as caught:
        require_renderer(Registry(), "pdf", where="--format")
    assert "none of chromium, " in caught.value.describe()
    assert "apt install chromium" in caught.value.describe()


def test_a_browser_that_is_named_and_not_there_is_not_replaced(
    tmp_path: Path, fake_browser: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(fake_browser("")).rename(tmp_path / "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError) as caught:
        require_renderer(Registry(), "pdf", where="--format")
    assert f"CHROMIUM={tmp_path / 'browser'}" in caught.value.describe()
    monkeypatch.delenv("CHROMIUM")
    assert require_renderer(Registry(), "pdf", where="--format").record.name == "pdf"


def test_the_browser_prints_the_page_of_the_run(fake_browser: Callable[[str], str], tmp_path: Path) -> None:
    kept = tmp_path / "seen.html"
    fake_browser(
        f"open({str(kept)!r}, 'w').write(open(page).read()); open(target, 'w').write({FAKE!r}.replace('\\\\n', '\\n'))"
    )
    printed = render(income_run(), tmp_path)
    assert b"/CreationDate (D:20261120091552+00'00')" in printed
    page = kept.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "Adult income model" in page


def test_no_network_no_shared_profile_and_tags() -> None:
    command = printing._command("browser", Path("/own"), Path("/own/report.html"), Path("/own/report.pdf"))
    assert {"--headless", "--export-tagged-pdf", "--disable-background-networking"} <= set(command)
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in command
    assert "--user-data-dir=/own/profile" in command
    assert command[-1] == "file:///own/report.html"
    assert ("--no-sandbox" in command) == (os.geteuid() == 0)
    assert not [flag for flag in FLAGS if "web-security" in flag or "remote-debugging" in flag]


def test_a_browser_that_hangs_is_ended_with_all_it_started(fake_browser: Callable[[str], str], tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    browser = fake_browser(f"child = os.fork()\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}} ')\ntime.sleep(600)")
    with pytest.raises(PluginError) as caught:
        print_page(browser, b"<!doctype html>", seconds=5.0)
    assert "did not end within 5 s" in caught.value.describe()
    found = [int(pid) for pid in pids.read_text().split()]
    assert len(found) == 2
    assert _ends(found)


def test_processes_that_a_browser_leaves_behind_are_ended(fake_browser: Callable[[str], str], tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    browser = fake_browser(
        f"open(target, 'w').write('%PDF-1.4\\n%%EOF\\n')\nchild = os.fork()\n"
        f"if not child:\n    time.sleep(600)\nopen({str(pids)!r}, 'w').write(str(child))"
    )
    assert print_page(browser, b"<!doctype html>", seconds=60.0).startswith(b"%PDF-")
    assert _ends([int(pids.read_text())])


@pytest.mark.parametrize(
    ("run", "found"),
    [
        pytest.param("sys.stderr.write('no display'); sys.exit(21)", "it ended with code 21", id="fails"),
        pytest.param("pass", "it ended with code 0", id="prints-nothing"),
        pytest.param("open(target, 'w').write('%PDF-1.4 half')", "it ended with code 0", id="prints-half"),
    ],
)
def test_a_browser_that_prints_no_report_is_an_error(fake_browser: Callable[[str], str], run: str, found: str) -> None:
    with pytest.raises(PluginError) as caught:
        print_page(fake_browser(run), b"<!doctype html>")
    assert found in caught.value.describe()
    assert ("no display" in caught.value.details) == ("stderr" in run)


def test_dates_are_those_of_the_audit_and_nothing_moves() -> None:
    printed = b"1 0 obj /CreationDate (D:20991231235959-05'30') /ModDate (D:20991231235959Z) /Title (D:20991231235959)"
    dated = with_date(printed, "2026-11-20T09:15:52")
    assert (
        dated
        == b"1 0 obj /CreationDate (D:20261120091552+00'00') /ModDate (D:20261120091552Z) /Title (D:20991231235959)"
    )
    assert b"(D:20000101000000Z)" in with_date(printed, "")


@pytest.mark.browser
def test_the_page_becomes_a_tagged_pdf_with_equal_bytes(
    chromium_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROMIUM", chromium_path)
    run = dataclasses.replace(nothing_finished(), volatile=income_run().volatile)
    printed = render(run, tmp_path)
    assert re.search(rb"/MarkInfo\s*<<[^>]*/Marked true", printed)
    assert b"/StructTreeRoot" in printed
    assert re.search(rb"/Lang\s*\(en\)", printed)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 2
    assert render(run, tmp_path) == printed


def _ends(pids: list[int]) -> bool:
    """Whether all of these processes are gone, now or within a moment."""
    for _ in range(200):
        if not any(map(is_running, pids)):
            return True
        time.sleep(0.05)
    return False
