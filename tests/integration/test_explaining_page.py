"""The page on explaining: each table of analyzers that it shows runs on the example that stands above it."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from auditbench.cli.boundary import guarded
from tests.copied_example import copied_example
from tests.in_process_worker import workers_in_this_process

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|toml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def shown() -> list[tuple[str, str]]:
    """Each block of TOML on the page, with the config that the command above it names."""
    config, found = "", []
    for language, text in BLOCK.findall((ROOT / "docs" / "pages" / "explaining.md").read_text()):
        if language == "toml":
            found.append((config, text))
        else:
            config = shlex.split(text)[-1]
    return found


def test_every_kind_of_input_and_of_analyzer_has_a_table_to_copy() -> None:
    assert {Path(config).parent.name for config, _ in shown()} == {"02-image", "03-text", "04-series", "05-gpt"}
    named = {name for _, text in shown() for name in tomllib.loads(text)["analyzers"]}
    assert named >= {
        "shap",
        "captum",
        "concepts",
        "layers",
        "training-rows",
        "language",
        "language-lens",
        "language-pairs",
    }


@pytest.mark.parametrize(
    ("config", "text"),
    [pytest.param(*block, id=f"{i}-{Path(block[0]).parent.name}") for i, block in enumerate(shown())],
)
def test_a_table_is_valid_on_its_example(
    config: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = copied_example(str(Path(config).relative_to("examples")), text, tmp_path)
    with workers_in_this_process():
        code = guarded(["check", str(page), "--device", "cpu"])
    said = capsys.readouterr()
    assert code == 0, said.err
    assert "  not  " not in said.out
    planned = re.findall(r"^ +\d+\.  ([\w-]+) \(", said.out, re.MULTILINE)
    assert sorted(planned) == sorted(tomllib.loads(text)["analyzers"])
