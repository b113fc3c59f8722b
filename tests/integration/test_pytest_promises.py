"""`pytest --plugin NAME` inside pytest: one test for each promise, and nothing at all without the option."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from auditbench.testing.conformance import loaders, renderers
from tests.plugin_site import installed_site
from tests.zoo.loaders import write_sample

pytest_plugins = ["pytester"]

PLUGIN = """
from auditbench.contracts import ModelLoader, Renderer
from auditbench.hookspecs import hookimpl

def draw(run, options):
    return {"probe.txt": b"nothing"}

def load(request):
    raise ValueError("no such format")

@hookimpl
def auditbench_renderers():
    yield Renderer(name="probe", summary="A page", render=draw)

@hookimpl
def auditbench_model_loaders():
    yield ModelLoader(name="probe-format", summary="A format", load=load)
"""
RENDERER = "probe::renderer probe::"
LOADER = "probe::loader probe-format::"


def test_each_promise_is_a_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    with installed_site(pytester.path / "site") as site:
        site.add("probe", PLUGIN, imports="")
        result = pytester.runpytest_subprocess("--plugin", "probe", "-v", "-rs", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1 + len(renderers.CHECKS) - 3, failed=3, skipped=len(loaders.CHECKS))
    result.stdout.fnmatch_lines_random(
        [
            "test_own.py::test_own PASSED*",
            f"{RENDERER}plain-files PASSED*",
            f"{RENDERER}tells-the-verdict FAILED*",
            f"{RENDERER}names-what-failed FAILED*",
            f"{RENDERER}shows-a-crash FAILED*",
            f"{LOADER}opens SKIPPED*",
            "the verdict stands in no file in en",
            "  promise: Tells the verdict, where its files are text.",
            "  fix: write `run.verdict`*",
            "SKIPPED*no sample is named*",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_they_can_be_run_alone_with_a_sample(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="def test_own(): raise ValueError")
    sample = write_sample(pytester.path)
    sample.write_text(sample.read_text().replace("numbers", "probe-format"))
    pytester.makepyprojecttoml(
        '[tool.pytest.ini_options]\n[tool.auditbench.conformance.samples]\n"probe-format" = "audit.toml"\n'
    )
    with installed_site(pytester.path / "site") as site:
        site.add("probe", PLUGIN, imports="")
        result = pytester.runpytest_subprocess(
            "--plugin", "probe", "-m", "promise", "-k", "loader", "-p", "no:cacheprovider"
        )
    result.assert_outcomes(failed=1, skipped=len(loaders.CHECKS) - 1, deselected=1 + len(renderers.CHECKS))
    result.stdout.fnmatch_lines(["*ValueError: no such format*"])


@pytest.mark.parametrize(
    ("pyproject", "said"),
    [
        ("", "*AB402*no installed plugin provides 'no-such-plugin'*"),
        ("[tool.auditbench.conformance]\nsample = 1\n", "*AB100*there is no such key*"),
    ],
)
@pytest.mark.parametrize("processes", ["0", "2"])
def test_what_cannot_be_found_is_a_usage_error(
    pytester: pytest.Pytester, pyproject: str, said: str, processes: str
) -> None:
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{pyproject}")
    pytester.makepyfile(test_own="def test_own(): pass")
    name = "markdown" if pyproject else "no-such-plugin"
    result = pytester.runpytest_subprocess("--plugin", name, "-n", processes, "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


def test_without_the_option_nothing_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import sys\n"
        "def test_own():\n"
        "    assert 'auditbench.pytest_conformance' in sys.modules\n"
        "    heavy = {'torch', 'numpy', 'pydantic', 'auditbench.testing', 'auditbench.registry'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    program = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        str(tmp_path),
    ]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
