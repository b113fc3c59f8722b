"""A scan finds what is packed, and calls nothing clean that it did not see."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditbench.cli.boundary import guarded
from auditbench.models.opening import scan, sha256_of
from tests.model_files import WEIGHTS, Acting, array, saved, scripted, zipped

MODULE = torch.nn.Linear(2, 1)
ACTS = b"cposix\ngetcwd\n)R."


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zlib.compress, lambda c: zipped(a=c)]
)
def test_scan_finds_what_is_packed(pack: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    path.write_bytes(pack(ACTS))
    assert [(item.name, item.called, item.verdict) for item in scan(path).outside] == [
        ("posix.getcwd", True, "dangerous")
    ]
    assert guarded(["scan", str(path), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["clean"], answer["sha256"]) == (False, sha256_of(path.read_bytes()))


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (saved(WEIGHTS), 0, "every part was looked into"),
        (saved(WEIGHTS, legacy=True), 0, "every part was looked into"),
        (b"\x04\x22\x4d\x18" + b"0" * 20, 1, "compressed with lz4"),
        (scripted(), 1, "TorchScript code runs"),
        (b"", 1, "there is nothing in it"),
        (ACTS[:-1], 1, "the walk stopped"),
    ],
)
def test_scan_never_calls_clean_what_it_did_not_see(
    content: bytes, code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert guarded(["scan", str(path)]) == code
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "last"),
    [
        (ACTS, "DANGEROUS: opening this file calls posix.getcwd. Do not open it."),
        (zipped(a=b"cos\nsystem\n0" + ACTS), "DANGEROUS: opening this file calls posix.getcwd. Do not open it."),
        # What is called is fetched by a call, so that whatever else is named may be it.
        (b"cos\nsystem\n0cbuiltins\ngetattr\n)R)R.", "calls os.system, builtins.getattr. Do not open it."),
        (b"cos\nsystem\n.", "1 imports outside the list of a state dict, 0 parts not looked into to their end."),
        (saved(MODULE), "1 imports outside the list of a state dict, 0 parts not looked into to their end."),
        (saved(WEIGHTS), "Nothing outside the list of a state dict, and every part was looked into."),
    ],
)
def test_the_last_line_tells_dangerous_calls_from_other_imports(
    content: bytes, last: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    guarded(["scan", str(path)])
    assert capsys.readouterr().out.splitlines()[-1].endswith(last)


def test_a_file_that_is_not_there_is_not_to_be_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "absent", tmp_path):
        assert guarded(["scan", str(path)]) == 2
        said = capsys.readouterr().err
        assert "fix: name the file itself: auditbench scan FILE" in said
        assert "train" not in said.replace(str(tmp_path), "")


def test_scan_of_nothing_is_refused_and_needs_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(saved(MODULE))
    program = "import sys; from auditbench.cli.boundary import guarded; print(guarded(['scan', sys.argv[1]])); \
print(not {'torch', 'numpy', 'pickle'} & set(sys.modules) - {'pickle'})"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["1", "True"]
    assert guarded(["scan", str(tmp_path / "absent")]) == 2


def with_member(name: str, content: bytes) -> bytes:
    """What torch.save writes of the weights, with one member more, or another one of that name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(WEIGHTS))) as source, zipfile.ZipFile(buffer, "w") as target:
        members = {item.filename: source.read(item) for item in source.infolist()}
        for member, data in {**members, f"archive/{name}": content}.items():
            target.writestr(member, data)
    return buffer.getvalue()


@pytest.mark.parametrize("before", [b"", b"N0" * 3000, b"GGUF12345"], ids=["bare", "padded", "as-another-kind"])
def test_a_member_called_a_pickle_is_walked_whatever_it_looks_like(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (with_member("data.pkl", before + ACTS), zipped(model_pkl=before + ACTS)):
        path.write_bytes(content)
        assert "posix.getcwd" in {item.name for item in scan(path).outside}


@pytest.mark.parametrize(
    ("content", "clean"),
    [
        (with_member("data.pkl", b"no pickle"), False),
        (with_member("handler.py", b"import os\n"), False),
        (with_member("version", b"3\n"), True),
        (zipped(handler_py=b"import os\n"), False),
        (zipped(readme_txt=b"Read this.\n"), False),
        (zipped(config_json=b"{}"), True),
        (array(np.arange(3)), True),
        (array(np.zeros(2, dtype=[("a", "<f4"), ("b", "S3")])), True),
        (array(np.arange(3)).replace(b"'<i8'", b"'\\x4f'"), False),
        (array(np.arange(3)).replace(b"{'descr'", b"{'Descr'"), False),
        (array(np.array([Acting()], dtype=object)), False),
    ],
)
def test_only_what_holds_numbers_alone_is_clean(content: bytes, clean: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert scan(path).clean == clean
