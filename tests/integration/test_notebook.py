"""A run in a notebook that nbconvert runs: the value of a cell is the card."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from auditbench.arrays import StoredArray
from auditbench.run import AuditFacts
from auditbench.run_file import read_run
from tests.finished_run import a_run, finish

HOSTILE = "<img src=x onerror=alert(1)>\u202e"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook that reads the run beside it, run and exported."""
    folder = tmp_path_factory.mktemp("notebook")
    keys = StoredArray(path="arrays/row_keys.npy", shape=(1,), dtype="uint64", sha256="0")
    finish(folder / "run", a_run(audit=AuditFacts(name=HOSTILE), row_keys=keys, config={}))
    (folder / "run" / "report.html").write_text("<p>The report")
    source = "from pathlib import Path\nfrom auditbench import read_run\nread_run(Path('run'))"
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": source}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (folder / "book.ipynb").write_text(json.dumps(book))
    home = {name: str(folder / "home") for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    for form in ("notebook", "html"):
        arguments = ["--to", form, "--execute", "--output", f"ran-{form}", "book.ipynb"]
        done = subprocess.run(
            [sys.executable, "-m", "nbconvert", *arguments],
            cwd=folder,
            env={**os.environ, **home},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
    return folder


def test_the_value_of_a_cell_is_the_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (cell,) = json.loads((folder / "ran-notebook.ipynb").read_text())["cells"]
    (output,) = cell["outputs"]
    shown = "".join(output["data"]["text/html"])
    assert shown == read_run(folder / "run")._repr_html_().replace(str(folder / "run"), "run")
    assert "Not ready for release: &lt;img src=x onerror=alert(1)&gt;⟨U+202E⟩" in shown
    assert 'href="./run/report.html"' in shown


def test_the_exported_page_holds_the_card_and_no_element_of_the_data(folder: Path) -> None:
    page = (folder / "ran-html.html").read_text()
    (card,) = re.findall(r'<div class="auditbench-run".*?exit code 1</div></div>', page, flags=re.DOTALL)
    assert "<img" not in card
    assert "<script" not in card
    assert 'href="./run/report.html"' in card
