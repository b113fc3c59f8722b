"""A run in a notebook that nbconvert runs: the value of a cell is the card."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from auditbench.arrays import StoredArray
from auditbench.run import AuditFacts
from auditbench.run_file import read_run
from tests.finished_run import a_run, finish

# Of each element with words of its own: WCAG contrast of its colour with the first opaque background behind it.
CONTRASTS = """card => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const linear = c => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const found = channels(getComputedStyle(element).backgroundColor);
      if (found.length === 3) return found;
    }
    return [255, 255, 255];
  };
  return [...card.querySelectorAll("*")]
    .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .map(element => {
      const pair = [light(channels(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => a - b);
      return {text: element.textContent, contrast: (pair[1] + 0.05) / (pair[0] + 0.05)};
    });
}"""
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
    export(folder, "--to", "notebook", "--execute", "--output", "ran", "book.ipynb")
    return folder


def export(folder: Path, *arguments: str) -> None:
    home = {name: str(folder / "home") for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
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


def test_the_value_of_a_cell_is_the_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (cell,) = json.loads((folder / "ran.ipynb").read_text())["cells"]
    (output,) = cell["outputs"]
    shown = "".join(output["data"]["text/html"])
    assert shown == read_run(folder / "run")._repr_html_().replace(str(folder / "run"), "run")
    assert "Not ready for release: &lt;img src=x onerror=alert(1)&gt;⟨U+202E⟩" in shown
    assert 'href="./run/report.html"' in shown
    name = HOSTILE.replace("\u202e", "⟨U+202E⟩")
    assert "".join(output["data"]["text/plain"]) == f"<AuditRun {name!r}, {read_run(folder / 'run').summary()}>"


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_exported_page_shows_the_card_and_nothing_of_the_data_acts(
    folder: Path, browser: Browser, theme: str
) -> None:
    export(folder, "--to", "html", "--theme", theme, "--output", theme, "ran.ipynb")
    page = browser.new_page(offline=True)
    page.set_content((folder / f"{theme}.html").read_text(), wait_until="domcontentloaded")
    card = page.locator(".auditbench-run")
    assert card.count() == 1
    assert card.locator("img, script, style").count() == 0
    assert card.locator("a").get_attribute("href") == "./run/report.html"
    contrasts = card.evaluate(CONTRASTS)
    page.close()
    assert len(contrasts) > 8
    assert [found for found in contrasts if found["contrast"] < 4.5] == []


@pytest.mark.browser
def test_a_page_without_a_document_type_shows_words_in_its_own_colour(folder: Path, browser: Browser) -> None:
    run = read_run(folder / "run")
    page = browser.new_page()
    page.set_content(f'<body style="background:#111;color:#eee">{run._repr_html_()}')
    contrasts = page.locator(".auditbench-run").evaluate(CONTRASTS)
    page.close()
    assert [found for found in contrasts if found["contrast"] < 4.5] == []
