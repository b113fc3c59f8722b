"""Each format of model through the command line: equal numbers, no code without trust, and a report that says what ran."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from auditbench.cli.boundary import guarded
from auditbench.models.opening import read_weights
from tests.html_page import parse
from tests.in_process_worker import workers_in_this_process
from tests.integration.small_audit import write_rows

CONFIG = """
[audit]
name = "small"
[model]
path = "{path}"
task = "binary-classification"
{model}
[data]
test = "rows.csv"
split = "split"
target = "bought"
positive = "yes"
sensitive = ["sex"]
[analyzers.performance]
replicates = 40
[report]
formats = ["html"]
cases = 2
"""
WIDTH = 5  # age, hours, and the sexes with one column for missing or unseen
DECLARED = 'format = "{}"\noutput = "logit"\ninputs = "standardized"'
FACTORY = "from torch import nn\ndef build(width):\n    return nn.Sequential(nn.Linear(width, 1))\n"
NAMED = '\nfactory = "net.py:build"\nparameters = {width = 5}'


class Marking(nn.Module):
    """Pickled, it is the expression that leaves a marker and makes a network."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        leave = f"__import__('pathlib').Path({str(self.marker)!r}).touch()"
        return eval, (f"{leave} or __import__('torch').nn.Linear({WIDTH}, 1)",)


@dataclass(frozen=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def auditbench(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def call(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        code = guarded([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ended(code=code, out=said.out, err=said.err)

    return call


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_config(folder: Path, path: str, model: str) -> Path:
    config = folder / "audit.toml"
    config.write_text(CONFIG.format(path=path, model=model))
    return config


def record(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle that was audited, and its weights in every other format."""
    folder = tmp_path_factory.mktemp("formats")
    write_rows(folder)
    config = write_config(folder, "model", "")
    config.write_text(config.read_text() + '[train]\narchitecture = "linear"\nepochs = 2\n')
    with workers_in_this_process():
        assert guarded(["audit", str(config), "--out", str(folder / "bundle")]) == 0
    weights = read_weights(folder / "model" / "model.safetensors").tensors
    network = nn.Sequential(nn.Linear(WIDTH, 1)).eval()
    network.load_state_dict(weights)
    save_file(weights, folder / "net.safetensors")
    torch.save(weights, folder / "net.pth")
    torch.save(network, folder / "net.pickle")
    example = (torch.zeros(4, WIDTH),)
    exported = torch.export.export(network, example, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    torch.export.save(exported, folder / "net.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(network).save(str(folder / "net.torchscript"))
    (folder / "net.py").write_text(FACTORY)
    return folder


@pytest.mark.parametrize(
    ("kind", "file", "network", "program"),
    [
        pytest.param("safetensors", "net.safetensors", '\narchitecture = "linear"', None, id="safetensors"),
        pytest.param("state-dict", "net.pth", NAMED, ("net.py", "factory"), id="state-dict-and-factory"),
        pytest.param("torchscript", "net.torchscript", "", ("net.torchscript", "torchscript"), id="torchscript"),
        pytest.param("exported", "net.pt2", "", ("net.pt2", "exported"), id="exported"),
        pytest.param("pickle", "net.pickle", "", ("net.pickle", "pickle"), id="pickle"),
    ],
)
def test_every_format_gives_the_numbers_of_the_bundle(
    kind: str,
    file: str,
    network: str,
    program: tuple[str, str] | None,
    home: Path,
    tmp_path: Path,
    auditbench: Callable[..., Ended],
) -> None:
    config = write_config(home, file, DECLARED.format(kind) + network)
    digest = sha256(home / program[0]) if program else ""
    trust = ["--trust-model", digest] if program else []
    with workers_in_this_process(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        done = auditbench("audit", config, "--out", tmp_path / "run", *trust)
    assert done.code == 0, done.err
    run = record(tmp_path / "run")
    assert run["results"][0]["metrics"] == record(home / "bundle")["results"][0]["metrics"]
    assert len(run["results"][0]["metrics"]) > 5
    assert run["model"]["format"] == kind
    ran = [{"name": program[0], "sha256": digest, "kind": program[1]}] if program else []
    assert run["model"]["programs"] == ran
    assert (f"--trust-model {digest}" in run["volatile"]["command"]) == bool(program)
    page = parse((tmp_path / "run" / "report.html").read_bytes())
    facts, provenance = (page.one("section", id=name).text for name in ("facts", "provenance"))
    shown = auditbench("show", tmp_path / "run")
    assert ("Opening this model ran code from" in facts) == bool(program)
    assert ("Opening the model ran code from" in shown.out) == bool(program)
    if program:
        assert f"{program[0]}, trusted by its sha256 {digest[:12]}" in facts
        assert digest in provenance
        assert f"from {program[0]} ({program[1]}), trusted by its sha256 {digest}" in shown.out


def marking(folder: Path, what: str) -> tuple[Path, str, Path]:
    """The file that leaves a marker when it is run, the keys of the model, and the marker."""
    marker = folder / "ran"
    write_rows(folder)
    if what == "pickle":
        file = folder / "net.pickle"
        torch.save(Marking(marker), file)
        return file, DECLARED.format("pickle"), marker
    file = folder / "net.py"
    file.write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n{FACTORY}")
    save_file(nn.Sequential(nn.Linear(WIDTH, 1)).state_dict(), folder / "net.safetensors")
    return file, DECLARED.format("safetensors") + NAMED, marker


@pytest.mark.parametrize("what", ["pickle", "factory"])
def test_code_runs_only_when_trusted_by_the_digest_of_its_file(
    what: str, tmp_path: Path, auditbench: Callable[..., Ended]
) -> None:
    file, keys, marker = marking(tmp_path, what)
    config = write_config(tmp_path, "net.pickle" if what == "pickle" else "net.safetensors", keys)
    digest, out = sha256(file), tmp_path / "run"
    another = ["--trust-model", "0" * 64]
    for command in (["check", config], ["audit", config, "--out", out], ["audit", config, "--out", out, *another]):
        done = auditbench(*command)
        assert done.code == 2
        assert "AB303" in done.err
        assert f"sha256 {digest}" in done.err
        assert (f"--trust-model {digest}" in done.err) == (what == "factory")
        assert ("makes dangerous calls: __builtin__.eval" in done.err) == (what == "pickle")
        assert ("what is trusted is not this file: " + "0" * 64 in done.err) == ("0" * 64 in command)
        assert "Traceback" not in done.err
    checked = auditbench("check", config, "--trust-model", digest, "--json")
    assert [item["sha256"] for item in json.loads(checked.out)["programs"]] == [digest]
    assert not marker.exists()
    done = auditbench("audit", config, "--out", out, "--trust-model", digest)
    assert done.code == 0, done.err
    assert marker.exists()
    marker.unlink()
    content = bytearray(file.read_bytes())
    place = content.index(b"pathlib")
    content[place] ^= 0x20  # `Pathlib`
    file.write_bytes(content)
    done = auditbench("audit", config, "--out", out, "--trust-model", digest)
    assert done.code == 2
    # A changed byte breaks the checksum of an archive; a factory is still a program, and another one.
    told = f"sha256 {sha256(file)}; what is trusted is not this file: {digest}\n"
    assert (told in done.err) == (what == "factory")
    assert not marker.exists()


@pytest.mark.parametrize(("kind", "file"), [("torchscript", "net.torchscript"), ("exported", "net.pt2")])
def test_a_program_without_trust_is_refused_by_audit_and_check_alike(
    kind: str, file: str, home: Path, tmp_path: Path, auditbench: Callable[..., Ended]
) -> None:
    config = write_config(home, file, DECLARED.format(kind))
    refusals = [auditbench("check", config), auditbench("audit", config, "--out", tmp_path / "run")]
    assert [done.code for done in refusals] == [2, 2]
    for done in refusals:
        assert f"AB303 {home / file}: {file} is a program" in done.err
        assert f"--trust-model {sha256(home / file)}" in done.err
    assert not (tmp_path / "run" / "run.json").exists()


def test_everything_wrong_with_a_model_is_listed_in_one_go(home: Path, auditbench: Callable[..., Ended]) -> None:
    config = write_config(home, "net.pth", DECLARED.format("safetensors") + NAMED)
    done = auditbench("check", config, "--set", "analyzers.performance.replicates=-1")
    assert done.code == 2
    assert "analyzers.performance.replicates" in done.err
    assert 'set model.format = "state-dict"' in done.err
    assert f"--trust-model {sha256(home / 'net.py')}" in done.err
    config = write_config(home, "net.pth", DECLARED.format("safetensors") + '\narchitecture = "mlp"')
    done = auditbench("check", config, "--set", "model.parameters.hidden=[0]", "--set", "model.parameters.depth=3")
    assert done.code == 2
    assert "model.parameters.hidden[0]" in done.err
    assert "model.parameters.depth" in done.err
    assert 'set model.format = "state-dict"' in done.err


def test_what_is_no_digest_cannot_be_trusted(home: Path, auditbench: Callable[..., Ended]) -> None:
    config = write_config(home, "net.pt2", DECLARED.format("exported"))
    for text in ("net.pt2", "ab" * 31, "AB" * 32, ""):
        done = auditbench("check", config, "--trust-model", text, "--set", "audit.seed=-1")
        assert done.code == 2
        assert "--trust-model: expected the sha256 of a file" in done.err
        assert "audit.seed" in done.err


def test_the_error_is_explained(auditbench: Callable[..., Ended]) -> None:
    done = auditbench("explain", "AB303")
    assert done.code == 0
    assert "--trust-model" in done.out
