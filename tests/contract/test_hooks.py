"""Every hook, implemented by a plugin that is installed as its own distribution."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench import hookspecs
from auditbench.registry import Registry
from auditbench.results import AnalysisResult
from auditbench.testing import toy_context
from auditbench.worker.analysis import run_analyzer
from tests.plugin_site import installed_site

CODE = """
from auditbench.contracts import Architecture, DatasetLoader, ModelLoader

def analyze(context, params):
    return AnalysisResult(metrics=(Metric(name="m", value=1.0, n=1, no_interval="exact"),))

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="probe", topic="probe", summary="An analyzer", analyze=analyze)

@hookimpl
def auditbench_renderers():
    yield Renderer(name="probe-text", summary="A renderer", render=lambda run, options: {"a.txt": b"a"})

@hookimpl
def auditbench_model_loaders():
    yield ModelLoader(name="probe-format", summary="A format", load=print)

@hookimpl
def auditbench_dataset_loaders():
    yield DatasetLoader(name="probe-data", summary="A data set", load=print)

@hookimpl
def auditbench_architectures():
    yield Architecture(name="probe-net", summary="A network", build=print)

@hookimpl(wrapper=True)
def auditbench_run_analyzer(analyzer, context):
    result = yield
    import dataclasses
    return dataclasses.replace(result, metrics=result.metrics * 2)

seen = []

@hookimpl
def auditbench_audit_finished(run):
    seen.append(run)
    raise ValueError("an observer")
"""
HOOKS = {name: value for name, value in vars(hookspecs).items() if hasattr(value, "auditbench_spec")}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with installed_site(tmp_path / "site") as site:
        site.add("probe", CODE)
        registry = Registry()
        registry.load("probe")
        yield registry


def test_every_hook_is_prefixed_typed_and_documented() -> None:
    for name, hook in HOOKS.items():
        signature = inspect.signature(hook)
        assert name.startswith("auditbench_")
        assert inspect.getdoc(hook)
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(argument.annotation is not argument.empty for argument in signature.parameters.values())


def test_every_hook_is_implemented_here() -> None:
    assert set(HOOKS) == {
        line.partition("(")[0].removeprefix("def ") for line in CODE.splitlines() if "def auditbench" in line
    }


def test_every_kind_of_record_is_found_by_name(registry: Registry) -> None:
    assert registry.analyzer("probe").record.summary == "An analyzer"
    assert registry.renderer("probe-text").record.summary == "A renderer"
    assert registry.model_loader("probe-format").record.summary == "A format"
    assert registry.dataset_loader("probe-data").record.summary == "A data set"
    assert registry.architecture("probe-net").record.summary == "A network"


def test_a_wrapper_stands_around_the_hosts_own_call(registry: Registry) -> None:
    outcome = run_analyzer(registry.analyzer("probe"), toy_context(analyzer="probe"), registry)
    assert [metric.name for metric in outcome.result.metrics] == ["m", "m"]


def test_a_plugin_may_run_the_analyzer_itself(tmp_path: Path) -> None:
    code = """
@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="taker", topic="probe", summary="", analyze=lambda context, params: 1 / 0)

@hookimpl
def auditbench_run_analyzer(analyzer, context):
    return AnalysisResult()
"""
    with installed_site(tmp_path / "site") as site:
        site.add("taker", code)
        registry = Registry()
        outcome = run_analyzer(registry.analyzer("taker"), toy_context(analyzer="taker"), registry)
    assert outcome.result == AnalysisResult(analyzer="taker", topic="probe", version="1.0")


def test_an_observer_that_raises_is_reported_and_the_next_is_told(tmp_path: Path) -> None:
    with installed_site(tmp_path / "site") as site:
        site.add("one", CODE.replace('"probe', '"one'))
        site.add("two", CODE.replace('"probe', '"two').replace("raise ValueError", "ValueError"))
        registry = Registry()
        registry.load("one")
        registry.load("two")
        raised = list(registry.audit_finished("the run"))  # type: ignore[arg-type]
        import probe_one_one  # type: ignore[import-not-found]
        import probe_two_two  # type: ignore[import-not-found]

        assert probe_one_one.seen == probe_two_two.seen == ["the run"]
    assert [(plugin, str(error)) for plugin, error in raised] == [("one", "an observer")]
