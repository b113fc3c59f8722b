"""The import contracts in pyproject.toml speak of the folders that exist, and light modules stay light."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINTER: dict[str, Any] = PYPROJECT["tool"]["importlinter"]
CONTRACTS: dict[str, dict[str, Any]] = {contract["id"]: contract for contract in LINTER["contracts"]}

# What a plugin may import of the host, beside `auditbench` itself.
PUBLIC = {
    "bands",
    "contracts",
    "hookspecs",
    "results",
    "findings",
    "messages",
    "context",
    "errors",
    "statistics",
    "masking",
    "models",
    "data",
    "testing",
}
# What a renderer may import of the host: the record and the types on it.
PUBLIC_TO_RENDERERS = {
    "bands",
    "contracts",
    "headline_metrics",
    "hookspecs",
    "run",
    "results",
    "findings",
    "comparison",
    "messages",
    "moments",
    "errors",
    "safe_text",
    "testing",
}

HEAVY = set(CONTRACTS["light-modules"]["forbidden_modules"])
# Start-up of the command also leaves the parser of the configuration out.
STARTUP = {"auditbench", "auditbench.cli", "auditbench.errors"}


def packages_in(folder: str) -> set[str]:
    """Import packages and modules directly in `folder`."""
    found = {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
    return found | {path.stem for path in (ROOT / folder).glob("*.py") if path.stem != "__init__"}


HOST = packages_in("workbench/auditbench")
ANALYZERS = packages_in("plugins")
RENDERERS = packages_in("reports")


def test_every_host_module_has_its_layer() -> None:
    layers = [module for layer in CONTRACTS["layers"]["layers"] for module in re.findall(r"\w+", layer)]
    assert sorted(layers) == sorted(HOST)


def test_every_plugin_is_in_each_contract() -> None:
    plugins = ANALYZERS | RENDERERS
    assert set(LINTER["root_packages"]) == plugins | {"auditbench"}
    assert set(CONTRACTS["host-without-plugins"]["forbidden_modules"]) == plugins
    assert set(CONTRACTS["independent-plugins"]["modules"]) == plugins
    assert set(CONTRACTS["plugins-use-public-modules"]["source_modules"]) == ANALYZERS
    assert set(CONTRACTS["renderers-see-the-run"]["source_modules"]) == RENDERERS


@pytest.mark.parametrize(
    ("contract", "public"),
    [("plugins-use-public-modules", PUBLIC), ("renderers-see-the-run", PUBLIC_TO_RENDERERS)],
)
def test_every_module_that_is_not_public_is_forbidden_to_plugins(contract: str, public: set[str]) -> None:
    forbidden = {name.removeprefix("auditbench.") for name in CONTRACTS[contract]["forbidden_modules"]}
    assert forbidden == HOST - public
    assert public <= HOST


def test_every_plugin_has_an_entry_point_of_its_name() -> None:
    entry_points = PYPROJECT["project"]["entry-points"]["auditbench.plugins"]
    assert {module.partition(".")[0] for module in entry_points.values()} == ANALYZERS | RENDERERS
    assert all(re.search(rf"[_.]{name.replace('-', '_')}$", module) for name, module in entry_points.items())


def test_source_roots_are_not_packages() -> None:
    assert [root for root in ("workbench", "plugins", "reports") if (ROOT / root / "__init__.py").exists()] == []


@pytest.mark.parametrize(
    "module",
    sorted({"auditbench", *CONTRACTS["light-modules"]["source_modules"], *ANALYZERS, *RENDERERS}),
)
def test_light_module_imports_alone_without_warning(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    unwanted = HEAVY | {"pydantic"} if module in STARTUP else HEAVY
    assert set(done.stdout.split()) & unwanted == set()
