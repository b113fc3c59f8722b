"""A plugin that was written for an earlier version of the contracts, never edited since: installed, checked, audited."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench.cli.boundary import guarded
from auditbench.contracts import API_VERSION
from auditbench.registry import Registry
from auditbench.run_file import read_run
from auditbench.worker.describing import describe_plugin
from tests.frozen_plugins.digests import FOLDER, digests_of, recorded
from tests.integration.small_audit import CONFIG, write_rows

FORMATS = 'formats = ["json", "html", "markdown", "ledger-csv"]'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every frozen plugin, installed by pip into a folder that this process and its workers see."""
    home = tmp_path_factory.mktemp("frozen")
    copies = [shutil.copytree(FOLDER / name, home / name) for name in recorded()]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(home / "site"), *map(str, copies)], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(home / "site"))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(home / "site"), os.environ.get("PYTHONPATH")])))
        importlib.invalidate_caches()
        yield home / "site"


@pytest.fixture(scope="module")
def audited(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an audit by the plugin of 1.0, in `run`: its analyzer, its format, its network, its observer."""
    folder = tmp_path_factory.mktemp("audit")
    write_rows(folder)
    config = CONFIG.format(model="model").replace('name = "small"', 'name = "small"\nplugins = ["ledger"]')
    config = config.replace('architecture = "linear"', 'architecture = "ledger-line"\nparameters = { bias = true }')
    config = config.replace("formats = []", FORMATS).replace('"PROBE_TRACE"', '"LEDGER_BOOK", "PROBE_TRACE"')
    gate = '[[gates]]\nmetric = "ledger.close_decisions"\nmax = 1.0\nwhere = { feature = "sex", group = "F" }\n'
    (folder / "audit.toml").write_text(f"{config}[analyzers.performance]\n[analyzers.ledger]\nmargin = 0.01\n{gate}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEDGER_BOOK", str(folder / "book.txt"))
        assert guarded(["audit", str(folder / "audit.toml"), "--out", str(folder / "run")]) == 0
    return folder


@pytest.mark.parametrize("name", sorted(recorded()))
def test_no_file_of_a_frozen_plugin_was_edited(name: str) -> None:
    assert digests_of(FOLDER / name) == recorded()[name]


def test_every_earlier_version_has_its_plugin() -> None:
    major, minor = map(int, API_VERSION.split("."))
    assert {path.name for path in FOLDER.glob("api_*")} == set(recorded())
    assert set(recorded()) == {f"api_{major}_{earlier}" for earlier in range(minor)}


def test_the_plugin_of_1_0_is_described(site: Path) -> None:
    found = describe_plugin(Registry(), "ledger")
    assert (found.problems, found.api) == ((), "1.0")
    assert set(found.hooks) == {
        "auditbench_analyzers", "auditbench_renderers", "auditbench_architectures", "auditbench_audit_finished",
    }  # fmt: skip
    (analyzer,) = found.analyzers
    assert (analyzer.name, analyzer.cost) == ("ledger", None)
    assert [item.name for item in found.provides] == ["ledger-csv", "ledger-line"]


def test_the_plugin_of_1_0_is_checked(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["check", str(audited / "audit.toml")]) == 0
    assert "margin = 0.01, line = 0.25, shown = 5" in capsys.readouterr().out


def test_the_plugin_of_1_0_is_audited(audited: Path) -> None:
    run = read_run(audited / "run")
    result = run.result("ledger")
    assert result is not None
    assert (result.status, result.reason, result.version) == ("ok", None, "1.0.3")
    assert {metric.name for metric in result.metrics} == {"close_decisions", "flips"}
    assert all(metric.value is not None and metric.interval is not None for metric in result.metrics)
    assert len(result.tables[0].rows) == 5
    assert run.model.architecture == "ledger-line"
    assert [decision.state for decision in run.gates] == ["pass"]
    assert not [warning.key for warning in run.warnings if warning.key != "core.deprecated"]
    lines = (audited / "run" / "ledger.csv").read_text().splitlines()
    assert lines[0] == "analyzer,metric,value (en)"
    assert sum(line.startswith("ledger,close_decisions,") for line in lines) == 3
    assert (audited / "book.txt").read_text() == f"small: {run.verdict}\n"


@pytest.mark.parametrize(("language", "words"), [("en", "Close decisions"), ("zh-CN", "接近阈值的决策")])
def test_its_words_are_read_in_both_languages(audited: Path, language: str, words: str) -> None:
    assert guarded(["render", str(audited / "run"), "--format", "html,markdown", "--lang", language]) == 0
    texts = [path.read_text("utf-8") for path in (audited / "run").glob("report.*") if path.suffix in (".html", ".md")]
    assert [words in text for text in texts] == [True, True]
    assert json.loads((audited / "run" / "run.json").read_bytes())["status"] == "complete"
