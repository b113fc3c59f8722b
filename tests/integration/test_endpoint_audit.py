"""Audits of a model behind an address, from the command line: figures, faults on the way, and no credential anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.endpoint_models import small_network
from tests.inference_server import InferenceServer, serve_network
from tests.integration.small_audit import write_rows
from tests.plugin_site import installed_site

CREDENTIAL = "tok-9fQ27xLm-Zr8+/w31"
CONFIG = """
[audit]
name = "small"
[model]
format = "endpoint"
path = "{address}"
task = "binary-classification"
output = "logit"
[model.parameters]
rows_per_request = 64
{parameters}
[data]
test = "rows.csv"
split = "split"
target = "bought"
positive = "yes"
sensitive = ["sex"]
[analyzers.performance]
replicates = 40
{analyzers}
[report]
formats = [{formats}]
cases = 2
[limits]
memory_gib = 3
"""
EXPLAINERS = (
    "[analyzers.fairness]\n[analyzers.shap]\nrows = 6\nbackground = 8\n[analyzers.lime]\nrows = 4\nnum_samples = 200\n"
)


ASKED_FOR = 'token_environment = "MODEL_TOKEN"\nretries = 2\nlongest_wait_seconds = 0.1'


@pytest.fixture(scope="module")
def server() -> Iterator[InferenceServer]:
    with InferenceServer(serve_network(small_network(), 5), token=CREDENTIAL) as running:
        yield running


@pytest.fixture(scope="module")
def home(server: InferenceServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A folder with an audit that met no fault, and how many requests for outputs it took."""
    folder = tmp_path_factory.mktemp("endpoint")
    code, said = audit(folder, server, ASKED_FOR, analyzers=EXPLAINERS)
    assert code == 0, said
    assert not holds_token(said)
    assert all(seen.headers["Authorization"] == f"Bearer {CREDENTIAL}" for seen in server.seen)
    return folder, len(server.inferences)


def audit(
    folder: Path, server: InferenceServer, parameters: str = "", *, analyzers: str = "", name: str = "run", **more: str
) -> tuple[int, str]:
    """Exit code, and what was written to the terminal; with the token in the environment."""
    if not (folder / "rows.csv").exists():
        write_rows(folder)
    (folder / "audit.toml").write_text(
        CONFIG.format(
            **{"address": server.url, "formats": '"html"', "parameters": parameters, "analyzers": analyzers, **more}
        )
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "auditbench",
            "audit",
            str(folder / "audit.toml"),
            "--out",
            str(folder / name),
            "--debug",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MODEL_TOKEN": CREDENTIAL, "http_proxy": "http://127.0.0.1:9", "OMP_NUM_THREADS": "1"},
    )
    return done.returncode, done.stdout + done.stderr


def stable(folder: Path) -> dict[str, Any]:
    run = json.loads((folder / "run.json").read_text())
    assert isinstance(run, dict)
    return {name: part for name, part in run.items() if name != "volatile"}


def holds_token(text: str) -> bool:
    return any(CREDENTIAL[start : start + 8].lower() in text.lower() for start in range(len(CREDENTIAL) - 7))


def test_the_model_is_a_black_box_that_every_explainer_takes(home: tuple[Path, int]) -> None:
    run = stable(home[0] / "run")
    assert {result["analyzer"]: result["status"] for result in run["results"]} == dict.fromkeys(
        ("performance", "fairness", "shap", "lime"), "ok"
    )
    assert run["model"]["capabilities"] == ["black_box"]
    assert [limit["key"] for limit in run["model"]["limits"]] == ["core.model_endpoint"]
    assert run["warnings"] == []


def test_faults_on_the_way_leave_no_trace_in_the_record(home: tuple[Path, int], server: InferenceServer) -> None:
    folder, asked = home
    faults = ["", "", "503", "drop", "", "drop-within", "", "", "", "502-page", "500", "", "", "drop"]
    server.seen.clear()
    server.faults.extend(faults)
    code, said = audit(folder, server, ASKED_FOR, analyzers=EXPLAINERS, name="faults")
    assert code == 0, said
    assert not server.faults
    assert stable(folder / "faults") == stable(folder / "run")
    assert len(server.inferences) == asked + sum(1 for fault in faults if fault)


def test_a_server_that_fails_on_the_way_is_no_pass(home: tuple[Path, int], server: InferenceServer) -> None:
    folder, asked = home
    server.faults.extend([""] * (asked - 4))
    server.always = "echo-500"
    code, said = audit(folder, server, ASKED_FOR, analyzers=EXPLAINERS, name="failing")
    server.faults.clear()
    server.always = ""
    assert code == 3, said
    run = stable(folder / "failing")
    assert run["verdict"] == "evidence_incomplete"
    assert "failed" in {result["status"] for result in run["results"]}
    assert "the server gave no answer" in said
    assert not holds_token(said)
    unseen = [
        warning["values"]["analyzer"] for warning in run["warnings"] if warning["key"] == "core.model_not_looked_at"
    ]
    assert unseen
    assert "core.process_not_restored" not in {warning["key"] for warning in run["warnings"]}  # nobody left anything


def test_the_record_states_what_was_sent(home: tuple[Path, int], server: InferenceServer) -> None:
    folder, _ = home
    server.seen.clear()
    server.faults.extend(["", "503", "", "drop"])
    code, said = audit(folder, server, ASKED_FOR, name="stated")
    assert code == 0, said
    rows = sum(seen.document["inputs"][0]["shape"][0] for seen in server.inferences if not seen.fault)
    stated = json.loads((folder / "stated" / "run.json").read_text())["volatile"]["sent"]
    assert stated == {"requests": len(server.seen), "again": 2, "rows": rows}
    assert f"sent     {len(server.seen)} requests to servers of models, 2 of them again; {rows} rows" in said
    assert "Sent to servers of models" in (folder / "stated" / "report.html").read_text()


def test_the_credential_reaches_the_workers_that_open_the_model_alone(tmp_path: Path, server: InferenceServer) -> None:
    seen = tmp_path / "seen.txt"
    told = (
        f"with open({str(seen)!r}, 'a') as file: file.write('{{}} ' + os.environ.get('MODEL_TOKEN', 'nothing') + '\\n')"
    )
    render = f"def render(run, options):\n    {told.format('render')}\n    return {{'spy.txt': b''}}\n"
    hook = "@hookimpl\ndef auditbench_renderers():\n    yield Renderer(name='spy', summary='', render=render)\n"
    with installed_site(tmp_path / "site") as site:
        site.add("spy", f"{told.format('describe')}\n{render}{hook}")
        site.add_analyzer("asks", f"{told.format('analyze')}\nreturn AnalysisResult()")
        code, said = audit(tmp_path, server, ASKED_FOR, analyzers="[analyzers.asks]\n", formats='"spy"')
    assert code == 0, said
    assert set(seen.read_text().splitlines()) == {"describe nothing", "render nothing", f"analyze {CREDENTIAL}"}


def test_a_server_that_fails_at_once_is_refused(home: tuple[Path, int], server: InferenceServer) -> None:
    server.always = "redirect"
    code, said = audit(home[0], server, ASKED_FOR, name="refused")
    server.always = ""
    assert code == 2, said
    assert "points to another address, which is not followed" in said
    assert "withheld" in said
    assert not holds_token(said)
    assert not (home[0] / "refused" / "run.json").exists()
    assert [
        path for path in home[0].rglob("*") if path.is_file() and holds_token(path.read_bytes().decode("latin-1"))
    ] == []


@pytest.mark.parametrize(
    ("address", "parameters", "said"),
    [
        ("http://me:hunter2hunter2@127.0.0.1/v2/models/t", "", "an address holds no credentials"),
        ("http://10.0.0.1/v2/models/t", 'token_environment = "MODEL_TOKEN"', "can be read on the way"),
        ("http://127.0.0.1/v2/models/t", 'token = "hunter2hunter2"', "model.parameters.token"),
        ("http://127.0.0.1/v1/models/t", "", "this is no address of a model"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_before_anything_is_sent(
    tmp_path: Path, server: InferenceServer, address: str, parameters: str, said: str
) -> None:
    before = list(server.seen)
    code, told = audit(tmp_path, server, parameters, address=address)
    assert code == 2
    assert said in told
    assert "hunter2" not in told
    assert server.seen == before
    assert not (tmp_path / "run" / "run.json").exists()
