"""What of the environment reaches a worker: what it needs, what the config names, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auditbench.config import LimitsTable
from auditbench.supervisor.worker_environment import MARK, worker_environment
from auditbench.supervisor.worker_pool import WorkerPool
from auditbench.supervisor.worker_process import no_event
from tests.plugin_site import installed_site

NAMED = ("MY_TOKEN", "NOT_SET")
PLANTED = "planted-value-7f3a"
SECRETS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "CI_JOB_TOKEN", "HF_TOKEN",
    "OPENAI_API_KEY", "WANDB_API_KEY", "MLFLOW_TRACKING_PASSWORD", "DATABASE_URL", "PGPASSWORD", "HTTP_PROXY",
    "https_proxy", "ALL_PROXY", "SSH_AUTH_SOCK", "GOOGLE_APPLICATION_CREDENTIALS", "PIP_INDEX_URL", "KUBECONFIG",
    "CUDA_REGISTRY_TOKEN", "NVIDIA_API_KEY", "TORCH_HUB_SECRET", "PYTHONSTARTUP", "PYTHONINSPECT", "NPM_CONFIG__AUTH",
)  # fmt: skip
DUMP = """
with open({path!r}, "w") as file:
    import json
    json.dump(dict(os.environ), file)
"""


def test_no_planted_secret_reaches_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(SECRETS) >= 20
    for name in SECRETS:
        monkeypatch.setenv(name, PLANTED)
    monkeypatch.setenv("MY_TOKEN", "wanted")
    seen = tmp_path / "seen.json"
    with installed_site(tmp_path / "site") as site:
        site.add("dump", DUMP.format(path=str(seen)))
        pool = WorkerPool(tmp_path, LimitsTable(environment=NAMED))
        try:
            pool.worker("plugin-dump").ask("describe", seconds=60, event=no_event, plugins=["dump"])
        finally:
            pool.kill()
    found = json.loads(seen.read_text())
    assert {name: found.get(name) for name in NAMED} == {"MY_TOKEN": "wanted", "NOT_SET": None}
    assert found["PYTHONPATH"].startswith(str(tmp_path / "site"))
    assert [name for name, value in found.items() if PLANTED in value] == []
    assert not any(PLANTED in path.read_text() for path in tmp_path.rglob("*.log"))


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "OMP_NUM_THREADS",
        "CUDA_VISIBLE_DEVICES",
        "CHROMIUM",
    ],
)
def test_what_programs_need_passes(name: str) -> None:
    assert worker_environment({name: "value"}, named=(), mark="m")[name] == "value"


@pytest.mark.parametrize("name", ["EDITOR", "LD", "CUDA", "PATHS", "OMP_TOKEN", "MKL_API_KEY", "AUDITBENCH_WORKER"])
def test_what_nothing_needs_does_not_pass(name: str) -> None:
    assert worker_environment({name: "value"}, named=(), mark="m").get(name) != "value"


def test_what_decides_about_bits_is_always_there() -> None:
    found = worker_environment({"PYTHONHASHSEED": "7", MARK: "theirs"}, named=("PYTHONHASHSEED", MARK), mark="ours")
    assert (found["PYTHONHASHSEED"], found[MARK], found["MPLBACKEND"]) == ("0", "ours", "Agg")
    assert found["OMP_NUM_THREADS"] == found["MKL_NUM_THREADS"]
    assert int(found["OMP_NUM_THREADS"]) >= 1


@pytest.mark.parametrize("name", ["A=b", "", "1A", "A B", "A" * 129])
def test_the_config_names_variables_and_no_values(name: str) -> None:
    with pytest.raises(ValueError, match="environment"):
        LimitsTable(environment=(name,))
