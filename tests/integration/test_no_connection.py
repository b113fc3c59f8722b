"""No telemetry and no connection of any kind: heard inside every process, and forbidden by the kernel."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import without_network
from tests.integration.every_analyzer import auditbench, stable_part, write_audit

ALONE = [sys.executable, "-P", str(Path(without_network.__file__))]
HOOK = '''
"""Imported by every interpreter that has this folder on its path: writes down what would reach a network."""

import os
import sys

LOG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "events.log")
NAMES = {
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
    "socket.gethostbyaddr", "socket.getnameinfo", "urllib.Request", "http.client.connect", "http.client.send",
    "ftplib.connect", "smtplib.connect", "imaplib.open", "poplib.connect", "telnetlib.Telnet.open",
}


def write(*words):
    handle = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, (" ".join(map(str, (os.getpid(), *words))) + "\\n").encode())
    finally:
        os.close(handle)


def hear(event, arguments):
    if event in NAMES and not (event.startswith("socket.") and is_local(arguments)):
        write(event, ascii(arguments[-1]))


def is_local(arguments):
    """Whether the socket of an event belongs to a family that stays on this machine's file system."""
    return getattr(arguments[0], "family", None) == 1


write("hooked", ascii(sys.argv))
sys.addaudithook(hear)
'''
CONNECTS = "import socket, urllib.request\nfor call in ({calls}):\n    try:\n        call()\n    except OSError:\n        pass\n"
WAYS = {
    "socket.connect": "lambda: socket.create_connection(('127.0.0.1', 9), 1)",
    "socket.getaddrinfo": "lambda: socket.getaddrinfo('localhost', 80)",
    "socket.sendto": "lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "socket.bind": "lambda: socket.socket(socket.AF_INET6).bind(('::1', 0))",
    "urllib.Request": "lambda: urllib.request.urlopen('http://127.0.0.1:9/')",
}


class Ear:
    """The folder with the hook, and what it heard."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(HOOK)
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.folder)}

    def heard(self) -> tuple[list[str], int]:
        """Lines of events, and how many processes had the hook."""
        lines = (self.folder / "events.log").read_text().splitlines()
        processes = {line.split()[0] for line in lines if line.split()[1] == "hooked"}
        return [line for line in lines if line.split()[1] != "hooked"], len(processes)


@pytest.fixture(scope="module")
def ear(tmp_path_factory: pytest.TempPathFactory) -> Ear:
    return Ear(tmp_path_factory.mktemp("ear") / "hook")


@pytest.fixture(scope="module")
def audited(ear: Ear, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of every analyzer with a report, made while the hook listened."""
    config = write_audit(tmp_path_factory.mktemp("quiet") / "audit")
    done = auditbench("audit", config, "--out", config.parent / "run", environment=ear.environment)
    assert done.returncode == 1, done.stderr
    assert (config.parent / "run" / "report.html").exists()
    return config.parent


def test_no_process_of_an_audit_connects(ear: Ear, audited: Path) -> None:
    events, processes = ear.heard()
    assert events == []
    assert processes >= 2, "the supervisor and at least one worker were listened to"


def test_no_other_command_connects(ear: Ear, audited: Path) -> None:
    run = audited / "run"
    for words in (["train", audited / "audit.toml"], ["check", audited / "audit.toml"], ["show", run], ["render", run]):
        done = auditbench(*words, environment=ear.environment)
        assert done.returncode == 0, done.stderr
    assert ear.heard()[0] == []


@pytest.mark.parametrize("way", WAYS)
def test_the_hook_hears_a_connection(way: str, tmp_path: Path) -> None:
    ear = Ear(tmp_path / "hook")
    program = CONNECTS.format(calls=f"{WAYS[way]},")
    environment = {**ear.environment, "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-P", "-c", program], env=environment, check=True)
    assert way in {line.split()[1] for line in ear.heard()[0]}


def test_an_audit_that_no_network_socket_is_given_to_makes_the_same_record(audited: Path, tmp_path: Path) -> None:
    config = write_audit(tmp_path / "audit")
    done = auditbench("audit", config, "--out", tmp_path / "run", before=ALONE)
    assert done.returncode == 1, done.stderr
    assert stable_part(tmp_path / "run") == stable_part(audited / "run")


@pytest.mark.parametrize("way", sorted(WAYS.keys() - {"socket.getaddrinfo"}))  # a name may stand in a file
def test_who_asks_for_a_network_socket_there_is_killed(way: str) -> None:
    program = CONNECTS.format(calls=f"{WAYS[way]},")
    assert subprocess.run([*ALONE, sys.executable, "-c", program], check=False).returncode == -signal.SIGSYS
    assert (
        subprocess.run([*ALONE, sys.executable, "-c", "import socket; socket.socketpair()"], check=False).returncode
        == 0
    )
