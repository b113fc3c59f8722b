"""Parameters that do not fit the model and the data are refused before an analyzer runs, and `check` says the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench import supervisor
from auditbench.config_file import load_config
from auditbench.errors import ConfigError, Problem
from tests.in_process_worker import workers_in_this_process
from tests.integration.probe_audit import audit, probe_site
from tests.integration.small_audit import write_config
from tests.plugin_site import PluginSite

PICKY = """
class Params(BaseModel):
    said: str = ""

def check(model, data, params):
    if params.said == "misfit":
        raise ConfigError("no such drawer", where="analyzers.picky.said", found="misfit", allowed="x", fix="say x")
    if params.said == "impossible":
        raise AnalyzerNotPossible("there are no drawers", found=f"{len(data)} rows of {len(model.features)} features")
    if params.said == "broken":
        raise ZeroDivisionError("on purpose")

def analyze(context, params):
    check(context.model, context.data, params)
    return AnalysisResult()

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="picky", topic="probe", summary="", analyze=analyze, Params=Params, check=check)
"""
IMPORTS = "from auditbench.errors import AnalyzerNotPossible, ConfigError\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    with probe_site(tmp_path_factory.mktemp("fitting")) as site, workers_in_this_process():
        site.add("picky", IMPORTS + PICKY)
        yield site


@pytest.fixture
def folder(site: PluginSite) -> Path:
    return site.path.parent


def refused(folder: Path, tail: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        supervisor.plan(load_config(write_config(folder, tail)), device="cpu")
    return caught.value.problems


@pytest.mark.parametrize(
    ("analyzer", "method", "allowed"),
    [
        ("captum", "grad_cam", "saliency"),
        ("captum", "attention", "integrated_gradients"),
        ("shap", "hierarchical", "auto"),
    ],
)
def test_a_method_of_other_inputs_is_refused_before_the_model_is_opened(
    folder: Path, tmp_path: Path, analyzer: str, method: str, allowed: str
) -> None:
    tail = f'[analyzers.{analyzer}]\nmethod = "{method}"\n'
    (problem,) = refused(folder, f"{tail}[analyzers.good]\n")
    assert (problem.where, problem.found) == (f"analyzers.{analyzer}.method", f"{method}, for tabular")
    assert allowed in problem.allowed.split(", ")
    assert method not in problem.allowed.split(", ")
    with pytest.raises(ConfigError) as caught:
        audit(folder, tail, tmp_path / "run")
    assert caught.value.problems == (problem,)


def test_every_layer_that_is_not_there_is_said_at_once_by_check_and_by_audit(folder: Path, tmp_path: Path) -> None:
    tail = '[analyzers.layers]\nlayers = ["conv9"]\n[analyzers.concepts]\nlayers = ["conv9"]\noutputs = ["maybe"]\n'
    problems = refused(folder, tail)
    assert {problem.where for problem in problems} == {"analyzers.layers.layers", "analyzers.concepts.outputs"}
    assert all(problem.found and problem.allowed and problem.fix for problem in problems)
    with pytest.raises(ConfigError) as caught:
        audit(folder, f"[analyzers.good]\n{tail}", tmp_path / "run")
    assert caught.value.problems == problems
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_plugin_of_its_own_process_is_asked_too(folder: Path) -> None:
    (problem,) = refused(folder, '[analyzers.picky]\nsaid = "misfit"\n[analyzers.good]\n')
    assert (problem.where, problem.fix) == ("analyzers.picky.said", "say x")


def test_what_looking_raises_is_named(folder: Path) -> None:
    (problem,) = refused(folder, '[analyzers.picky]\nsaid = "broken"\n')
    assert (problem.where, problem.found) == ("analyzers.picky", "ZeroDivisionError: on purpose")


def test_an_analyzer_that_will_not_apply_is_in_the_plan_with_its_reason(folder: Path) -> None:
    loaded = load_config(write_config(folder, '[analyzers.picky]\nsaid = "impossible"\n[analyzers.good]\n'))
    reasons = {item.name: item.reason for item in supervisor.plan(loaded, device="cpu").analyzers}
    assert reasons["good"] is None
    assert reasons["picky"] is not None
    assert reasons["picky"].key == "core.not_possible_found"
    assert "rows of" in str(reasons["picky"].values["found"])


def test_what_fits_is_planned_and_runs(folder: Path, tmp_path: Path) -> None:
    loaded = load_config(write_config(folder, "[analyzers.picky]\n"))
    assert [item.reason for item in supervisor.plan(loaded, device="cpu").analyzers] == [None]
    assert [result.status for result in audit(folder, "[analyzers.picky]\n", tmp_path / "run").results] == ["ok"]


def test_a_plugin_of_its_own_process_that_refuses_has_failed(folder: Path, tmp_path: Path) -> None:
    run = audit(folder, '[analyzers.picky]\nsaid = "misfit"\n[analyzers.good]\n', tmp_path / "run")
    failed = {result.analyzer: result for result in run.results}["picky"]
    assert (failed.status, run.exit_code) == ("failed", 3)
    assert failed.reason is not None
    assert failed.reason.key == "core.settings_refused_found_allowed_fix"
    assert failed.reason.values["found"] == "analyzers.picky.said: misfit"
