"""The table that `plugins show` ends with is valid for each installed analyzer, by the words of `check`."""

from __future__ import annotations

import importlib
import re
import textwrap
import tomllib
from pathlib import Path

import pytest

from auditbench.cli.boundary import guarded
from auditbench.contracts import Analyzer
from auditbench.plugin_entries import list_entry_points
from tests.copied_example import copied_example
from tests.in_process_worker import workers_in_this_process

FURTHER = '[models.other]\nformat = "huggingface"\npath = "newsgroups-bert"\ntask = "binary-classification"\n'


def installed() -> list[tuple[str, Analyzer]]:
    """Every analyzer of every installed plugin, after the name of the plugin."""
    modules = [(entry.name, importlib.import_module(entry.module)) for entry in list_entry_points()]
    return [
        (name, analyzer) for name, module in modules for analyzer in getattr(module, "auditbench_analyzers", tuple)()
    ]


def example_for(analyzer: Analyzer) -> str:
    """An example of a task and an input to which an analyzer applies."""
    if analyzer.needs.tasks == ("next-token",):
        return "05-gpt/explained.toml"
    if analyzer.needs.tasks == ("binary-classification",) or analyzer.needs.sensitive_features:
        return "01-adult/audit.toml"
    if analyzer.needs.further_models:
        return "08-huggingface/explained.toml"
    return "03-text/explained.toml" if analyzer.needs.modalities == ("text",) else "02-image/explained.toml"


def printed_table(plugin: str, analyzer: Analyzer, capsys: pytest.CaptureFixture[str]) -> str:
    with workers_in_this_process():
        assert guarded(["plugins", "show", plugin]) == 0
    _, _, said = capsys.readouterr().out.partition(f"\nanalyzer {analyzer.name}: ")
    return textwrap.dedent(said.partition("\n  in audit.toml\n")[2].partition("\n\n")[0])


@pytest.mark.parametrize(("plugin", "analyzer"), [pytest.param(*one, id=one[1].name) for one in installed()])
def test_what_is_printed_to_begin_with_is_valid(
    plugin: str, analyzer: Analyzer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = printed_table(plugin, analyzer, capsys)
    assert set(tomllib.loads(table)["analyzers"]) == {analyzer.name}
    further = FURTHER if analyzer.needs.further_models else ""
    config = copied_example(example_for(analyzer), f"{table}\n{further}", tmp_path)
    with workers_in_this_process():
        code = guarded(["check", str(config), "--device", "cpu"])
    checked = capsys.readouterr()
    assert code == 0, checked.err
    assert re.search(rf"^ +1\.  {analyzer.name} \(", checked.out, re.MULTILINE), checked.out
