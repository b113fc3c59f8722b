"""What `auditbench check` says of a model that it did not open, and of outputs that look like something else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from auditbench.cli.boundary import guarded
from auditbench.run_file import read_run
from auditbench_html.render import render_report
from auditbench_markdown.comment import render_comment
from tests.estimators import sha256
from tests.html_page import parse
from tests.in_process_worker import workers_in_this_process
from tests.made_graphs import made, node

ROWS = 80
CONFIG = """
[audit]
name = "people"
[model]
task = "binary-classification"
{model}
[data]
test = "rows.csv"
target = "y"
positive = "yes"
[analyzers.performance]
replicates = 40
[report]
formats = []
"""
NOT_OPENED = "The model was not opened, since that runs a program, which `audit` does"
BOUNDED = "lies between 0 and 1, as probabilities do"
COLUMN = np.array([[1.0], [-2.0], [0.5]], dtype=np.float32)
DECIDED = "is 0 or 1, as decisions are"


@pytest.fixture(autouse=True)
def in_this_process() -> Iterator[None]:
    with workers_in_this_process():
        yield


def told(command: str, folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = guarded([command, str(folder / "audit.toml"), "--device", "cpu", *options])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def with_function(folder: Path, source: str, name: str) -> None:
    rows = "".join(f"{at},{'yes' if at % 3 else 'no'}\n" for at in range(ROWS))
    (folder / "rows.csv").write_text("a,y\n" + rows)
    (folder / "score.py").write_text(source)
    model = f'format = "callable"\npath = "score.py"\nfunction = "{name}"\noutput = "probability"\n'
    (folder / "audit.toml").write_text(CONFIG.format(model=f'{model}trust = ["{sha256(folder / "score.py")}"]'))


SOURCE = "from pathlib import Path\nPath(__file__ + '.ran').touch()\ndef predict(rows):\n    return rows.a / 100\n"


def test_a_program_is_said_to_be_not_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_function(tmp_path, SOURCE, "predict")
    code, said = told("check", tmp_path, capsys)
    assert (code, said.count(NOT_OPENED), (tmp_path / "score.py.ran").exists()) == (0, 1, False)
    code, said = told("check", tmp_path, capsys, "--json")
    assert [limit.startswith(NOT_OPENED) for limit in json.loads(said)["limits"]] == [True]


@pytest.mark.parametrize("command", ["check", "audit"])
def test_a_function_that_is_not_there_is_told_without_running_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with_function(tmp_path, SOURCE, "predikt")
    code, said = told(command, tmp_path, capsys)
    assert (code, (tmp_path / "score.py.ran").exists()) == (2, False)
    assert "score.py has no function 'predikt'" in said
    assert "found: predict, Path" in said
    assert 'fix: set model.function = "NAME"' in said


@pytest.mark.parametrize(
    "source",
    [
        "from other import *\n",
        "globals()['pre' + 'dikt'] = len\n",
        "if True:\n    predikt = len\n",
        "from math import sqrt as predikt\n",
        "try:\n    import predikt\nexcept ImportError:\n    pass\n",
        "no python at all",
    ],
)
def test_a_name_that_the_file_may_bind_is_left_to_the_audit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    with_function(tmp_path, source, "predikt")
    code, said = told("check", tmp_path, capsys)
    assert (code, NOT_OPENED in said) == (0, True)


def test_a_graph_of_probabilities_that_is_declared_to_give_logits_is_doubted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"{'fm'[at % 2]},{'yes' if at % 3 else 'no'}\n" for at in range(ROWS))
    (tmp_path / "rows.csv").write_text("sex,y\n" + rows)
    graph = made(node("MatMul", ["x", "v"], ["l"]), node("Sigmoid", ["l"], ["y"]), constants={"v": COLUMN})
    graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
    (tmp_path / "net.onnx").write_bytes(graph.SerializeToString())
    for output, doubted in (("logit", True), ("probability", False)):
        (tmp_path / "audit.toml").write_text(
            CONFIG.format(model=f'format = "onnx"\npath = "net.onnx"\noutput = "{output}"')
        )
        code, said = told("check", tmp_path, capsys)
        assert (code, f"Every output on 64 rows {BOUNDED}" in said) == (0, doubted), said


@pytest.mark.parametrize(
    ("output", "scores", "doubt"),
    [
        ("probability", "01", DECIDED),
        ("logit", ["0.2", "0.7"], BOUNDED),
        ("probability", ["0.2", "0.7"], ""),
    ],
)
def test_stored_outputs_are_doubted_by_check_and_among_the_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, scores: str, doubt: str
) -> None:
    rows = "".join(f"{at},{scores[at % 2]},{'yes' if at % 3 else 'no'}\n" for at in range(ROWS))
    (tmp_path / "rows.csv").write_text("a,score,y\n" + rows)
    model = f'format = "predictions"\ncolumns = ["score"]\noutput = "{output}"'
    (tmp_path / "audit.toml").write_text(CONFIG.format(model=model))
    code, said = told("check", tmp_path, capsys)
    told_of = [one for one in (DECIDED, BOUNDED) if f"Every output on {ROWS} rows {one}" in said]
    assert (code, told_of) == (0, [doubt] if doubt else [])
    assert told("audit", tmp_path, capsys, "--out", str(tmp_path / "run"))[0] == 0
    run = read_run(tmp_path / "run" / "run.json")
    title = "The outputs may not be what they are declared to be"
    page = parse(render_report(run))
    found = [item for item in page.every("ol", lambda part: "findings" in part.classes) if title in item.text]
    assert [doubt in item.text for item in found] == ([True] if doubt else [])
    assert (title in render_comment(run).decode()) is bool(doubt)
    assert ("输出可能与所声明的不符" in render_report(run, language="zh-CN").decode()) is bool(doubt)
