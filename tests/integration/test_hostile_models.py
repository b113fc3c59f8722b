"""Hostile model files: refused with a reason and a way on, in bounded time and memory, and without running any of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.archives import member_called
from tests.hostile.bombs import state
from tests.hostile.descriptions import good_bundle
from tests.hostile.headers import BIAS, WEIGHT, described
from tests.hostile.helper import Helper
from tests.hostile.record import HostileModel, good_legacy, good_safetensors, good_zip
from tests.hostile_models import HOSTILE_MODELS
from tests.integration.small_audit import processes_of

SECONDS = 100.0  # of the wall clock, since nothing is known of what else this machine does
MOST_GROWTH = 256 * 2**20
MOST_UNPACKED = 2 * 2**30  # address space for looking into what is packed
ACTS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]|^::", re.MULTILINE)
RECORDS = [pytest.param(record, id=record.name) for record in HOSTILE_MODELS]
LIVE = [pytest.param(record, id=record.name) for record in HOSTILE_MODELS if record.runs is not None]


@pytest.fixture(scope="module")
def helper() -> Iterator[Helper]:
    started = Helper()
    yield started
    started.end()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied afterwards, since some of these files are large."""
    path = tmp_path / "given"
    path.mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def built(record: HostileModel, folder: Path, marker: Path) -> Path:
    path = record.build(folder, marker)
    assert not marker.exists(), "the builder ran its own payload"
    return path


def size_of(path: Path) -> int:
    """Bytes that a file or a folder takes on the disk; 0 where nothing can be there."""
    if not os.path.lexists(path):
        return 0
    files = [path, *path.iterdir()] if path.is_dir() else [path]
    return sum(file.lstat().st_blocks * 512 for file in files)


@pytest.mark.parametrize("record", RECORDS)
def test_every_road_refuses(record: HostileModel, folder: Path, tmp_path: Path, helper: Helper) -> None:
    marker = tmp_path / "marker"
    path = built(record, folder, marker)
    size = size_of(path)
    rights = {"unprivileged": record.unprivileged}
    answer = helper.ask(SECONDS, do="open", pretends=record.pretends, path=str(path), bytes=size, **rights)
    assert not marker.exists(), "it ran"
    for road, tried in answer["roads"].items():
        assert tried["outcome"] == "refused", f"{road}: {tried}"
        assert_helps(tried)
    first = next(iter(answer["roads"].values()))["shown"].lower()
    assert [word for word in record.says if word.lower() not in first] == [], first
    assert answer["growth"] <= MOST_GROWTH + size


def assert_helps(tried: dict[str, Any]) -> None:
    """The refusal has a code, what was found and a way on, and no part of it acts on a terminal."""
    assert re.match(r"AB30\d ", tried["shown"])
    assert "Traceback" not in tried["shown"]
    assert not ACTS.search(tried["shown"])
    assert len(tried["shown"]) < 8000
    for problem in tried["problems"]:
        assert problem["found"], tried["shown"]
        assert problem["fix"], tried["shown"]


@pytest.mark.parametrize("record", RECORDS)
def test_a_scan_runs_nothing_and_calls_no_payload_clean(
    record: HostileModel, folder: Path, tmp_path: Path, helper: Helper
) -> None:
    marker = tmp_path / "marker"
    path = built(record, folder, marker)
    answer = helper.ask(SECONDS, do="scan", path=str(path), bytes=MOST_UNPACKED, unprivileged=record.unprivileged)
    assert not marker.exists(), "it ran"
    assert answer["scan"]["outcome"] in ("opened", "refused"), answer
    assert record.harmless_pickle or not answer["clean"], answer


@pytest.mark.parametrize("record", LIVE)
def test_every_payload_is_live(record: HostileModel, folder: Path, tmp_path: Path, helper: Helper) -> None:
    """Opened without care, it does write its marker; else a refusal would prove nothing."""
    marker = tmp_path / "marker"
    path = built(record, folder, marker)
    helper.ask(60.0, do="run", runs=record.runs, path=str(path))
    assert marker.exists()


def _directory_by_hand() -> bytes:
    """The good archive with a directory from the builder that others lie with."""
    return member_called(b"archive/data/9")()


def _header_by_hand() -> bytes:
    return described({"0.weight": WEIGHT, "0.bias": BIAS})


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("model.safetensors", good_safetensors, "safetensors"),
        ("model.pt", good_safetensors, "safetensors"),
        ("model.pt", good_zip, "state-dict"),
        ("model.safetensors", good_zip, "state-dict"),
        ("model.bin", good_legacy, "state-dict"),
        ("model.pt", state, "state-dict"),
        ("model.pt", _directory_by_hand, "state-dict"),
        ("model.safetensors", _header_by_hand, "safetensors"),
    ],
)
def test_good_weights_open_by_their_content(name: str, content: Any, kind: str, folder: Path, helper: Helper) -> None:
    (folder / name).write_bytes(content())
    answer = helper.ask(SECONDS, do="open", pretends="state-dict", path=str(folder / name))
    assert answer["roads"]["weights"] == {"outcome": "opened", "shown": f"OpenedWeights {kind}"}


def test_a_good_bundle_opens(folder: Path, helper: Helper) -> None:
    answer = helper.ask(SECONDS, do="open", pretends="bundle", path=str(good_bundle(folder)))
    assert answer["roads"]["bundle"]["outcome"] == "opened"


CONFIG = """
[audit]
name = "strangers"
[model]
task = "binary-classification"
{model}
[data]
test = "rows.csv"
target = "label"
positive = "yes"
[analyzers.performance]
replicates = 40
[report]
formats = []
"""
WEIGHTS = 'format = "state-dict"\npath = "{path}"\narchitecture = "linear"\noutput = "logit"'
TABLES = {
    "state-dict": WEIGHTS,
    "safetensors": WEIGHTS.replace("state-dict", "safetensors"),
    "factory": 'format = "state-dict"\npath = "good.pt"\nfactory = "{path}:build"\noutput = "logit"',
    "bundle": 'path = "{path}"',
    **{kind: f'format = "{kind}"\npath = "{{path}}"\noutput = "logit"' for kind in ("exported", "torchscript")},
}
BY_COMMAND = (
    ("archive-os-system", "AB303"),
    ("exported-sample-inputs", "AB303"),
    ("torchscript-writes-when-opened", "AB303"),
    ("factory-writes-at-import", "AB303"),
    ("bundle-weights-are-a-pickle", "AB300"),
    ("pipe", "AB300"),
)


def auditbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "auditbench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, cwd=folder)


def write_audit(folder: Path, pretends: str, path: str) -> None:
    rows = [f"{i % 7},{i % 5},{i % 3},{'yes' if i % 2 else 'no'}" for i in range(40)]
    (folder / "rows.csv").write_text("\n".join(["a,b,c,label", *rows]) + "\n")
    (folder / "good.pt").write_bytes(good_zip())
    (folder / "audit.toml").write_text(CONFIG.format(model=TABLES[pretends].format(path=path)))


@pytest.mark.parametrize(("name", "code"), BY_COMMAND)
def test_an_audit_of_it_is_refused(name: str, code: str, folder: Path, tmp_path: Path) -> None:
    record = next(record for record in HOSTILE_MODELS if record.name == name)
    marker = tmp_path / "marker"
    path = built(record, folder, marker)
    write_audit(folder, record.pretends, str(path.relative_to(folder)))
    options = ["--trust-model", "0" * 64] if {"trust", "dangerous calls"} & set(record.says) else []
    done = auditbench(folder, "audit", "audit.toml", "--out", "run", *options)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert f"{code} " in done.stderr, done.stderr
    assert "fix: " in done.stderr
    assert path.name in done.stderr
    assert not marker.exists()
    assert processes_of(folder) == []


def test_an_audit_of_good_weights_passes(folder: Path) -> None:
    write_audit(folder, "state-dict", "good.pt")
    done = auditbench(folder, "audit", "audit.toml", "--out", "run")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["archive-os-system", "numpy-objects", "torchscript-writes-when-opened"])
def test_the_command_lists_what_is_in_it(name: str, folder: Path, tmp_path: Path) -> None:
    record = next(record for record in HOSTILE_MODELS if record.name == name)
    marker = tmp_path / "marker"
    path = built(record, folder, marker)
    done = auditbench(folder, "scan", path.name)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "os.system" in done.stdout or "not looked into" in done.stdout
    assert not marker.exists()
