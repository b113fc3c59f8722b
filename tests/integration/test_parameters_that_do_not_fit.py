"""Parameters that do not fit the model and the data are refused before an analyzer runs, and `check` says the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import auditbench
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
    if params.said == "exits":
        raise SystemExit(1)
    if params.said == "meddles":
        model.module.weight.data.add_(1.0)

def weights(context, params):
    total = float(context.model.module.weight.detach().sum())
    return AnalysisResult(metrics=(Metric(name="total", value=total, n=1, no_interval="count"),))

def analyze(context, params):
    check(context.model, context.data, params)
    return AnalysisResult()

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="picky", topic="probe", summary="", analyze=analyze, Params=Params, check=check)
    yield Analyzer(name="picky-weights", topic="probe", summary="", analyze=weights)
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


def test_what_cannot_hide_parts_of_these_inputs_is_refused_too(folder: Path) -> None:
    (problem,) = refused(folder, '[analyzers.lime.players]\nhidden_by = "token"\n')
    assert (problem.where, problem.found) == ("analyzers.lime.players.hidden_by", "token, for tabular")
    assert problem.allowed == "background, baseline"
    assert problem.fix.startswith('set hidden_by = "background"')


def test_a_budget_that_is_too_small_fails_the_analyzer(folder: Path, tmp_path: Path) -> None:
    tail = '[analyzers.shap]\nmethod = "permutation"\nbudget = 10\n[analyzers.good]\n'
    run = audit(folder, tail, tmp_path / "run")
    failed = {result.analyzer: result for result in run.results}["shap"]
    assert (failed.status, run.exit_code) == ("failed", 3)
    assert failed.reason is not None
    assert failed.reason.key == "core.settings_refused_found_fix"
    assert failed.reason.values["found"] == "analyzers.shap.budget: 10, by the method permutation"
    assert "at least" in str(failed.reason.values["error"])


def test_everything_that_does_not_fit_is_said_at_once_by_check_and_by_audit(folder: Path, tmp_path: Path) -> None:
    rules = 'old = { column = "aeg", at_least = 1.0 }\nstriped = { planted = "stripes" }\n'
    tail = (
        '[analyzers.layers]\nlayers = ["conv9"]\n[analyzers.concepts]\nlayers = ["conv9"]\noutputs = ["maybe"]\n'
        f"[analyzers.concepts.examples]\n{rules}"
    )
    problems = refused(folder, tail)
    assert [problem.where for problem in problems] == [
        "analyzers.layers.layers",
        "analyzers.concepts.examples.old.column",
        "analyzers.concepts.examples.striped.planted",
        "analyzers.concepts.outputs",
        "analyzers.concepts.layers",
    ]
    assert all(problem.found and problem.allowed and problem.fix for problem in problems)
    with pytest.raises(ConfigError) as caught:
        audit(folder, f"[analyzers.good]\n{tail}", tmp_path / "run")
    assert caught.value.problems == problems
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_plugin_of_its_own_process_is_asked_too(folder: Path) -> None:
    (problem,) = refused(folder, '[analyzers.picky]\nsaid = "misfit"\n[analyzers.good]\n')
    assert (problem.where, problem.fix) == ("analyzers.picky.said", "say x")


def test_what_looking_raises_is_named_and_stops_no_other_analyzer(folder: Path) -> None:
    loaded = load_config(write_config(folder, '[analyzers.picky]\nsaid = "broken"\n[analyzers.good]\n'))
    reasons = {item.name: item.reason for item in supervisor.plan(loaded, device="cpu").analyzers}
    assert reasons["good"] is None
    assert reasons["picky"] is not None
    assert reasons["picky"].key == "core.analyzer_raised"
    assert reasons["picky"].values == {"type": "ZeroDivisionError", "error": "on purpose"}


@pytest.mark.parametrize("raised", ["broken", "exits"])
def test_a_check_that_raises_leaves_a_live_audit_to_go_on(site: PluginSite, raised: str) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    tables = {"picky": {"said": raised}, "performance": {}}
    run = auditbench.audit(
        nn.Linear(3, 1), rows, rows[:, 0] > 0, task="binary-classification", output="logit", analyzers=tables
    )
    assert {result.analyzer: result.status for result in run.results} == {"picky": "failed", "performance": "ok"}


def test_what_a_check_changes_of_a_live_model_reaches_no_analyzer(site: PluginSite) -> None:
    network, rows = nn.Linear(3, 1), np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    runs = [
        auditbench.audit(
            network, rows, rows[:, 0] > 0, task="binary-classification", output="logit",
            analyzers={"picky-weights": {}, "picky": {"said": said}},
        )
        for said in ("", "meddles")
    ]  # fmt: skip
    plain, meddled = ({result.analyzer: result.metrics for result in run.results} for run in runs)
    assert plain["picky-weights"] == meddled["picky-weights"] != ()


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
