"""Python: hooks, the contracts of plugins, what an analyzer sees and returns, statistics, tests, and the record."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

import auditbench
from auditbench import (
    context,
    contracts,
    data,
    errors,
    findings,
    hookspecs,
    messages,
    models,
    results,
    run,
    safe_text,
    statistics,
    testing,
)
from auditbench.api import audit_config
from auditbench.comparison import record as comparison
from auditbench.testing.conformance import analyzers, architectures, datasets, loaders, plugin_record, renderers
from writers.docstrings import first_sentence, read_docstring, said_below
from writers.markdown import code, fence, heading, page, prose, table
from writers.things import is_record, section, signature

_HOOKS = (
    "Every hook that a plugin can implement. A module implements one with `@hookimpl`, from `auditbench`, and the exact "
    "signature that stands here; an entry point of the group `auditbench.plugins` names the module."
)
_CONTRACTS = "`auditbench.contracts`: what a plugin provides, and what the host must know about it."
_CONTEXT = "What an analyzer gets: `AuditContext`, and the model and data in it."
_RESULTS = (
    "`auditbench.results` and `auditbench.findings`: what an analyzer returns. Numbers are finite; what is undefined is `None` "
    "with a reason; text is a `Message`, never prose."
)
_RENDERING = (
    "`auditbench.safe_text` and `auditbench.messages`: what a renderer works with beside the [record](run.md). Everything that comes "
    "from outside, such as a name of a column, passes `safe_text`; escaping it for the format is the renderer's own."
)
_STATISTICS = "`auditbench.statistics`: the estimates that the host and the plugins share."
_TESTING = "`auditbench.testing`: for the tests of plugins, and for tests that audit a model."
_PROMISES = (
    "What a plugin promises its users: a sentence each, which `auditbench plugins check`, `pytest --plugin` and the functions of "
    "[Testing](testing.md) try. Each is kept, broken or not tried; a broken one says what was found, what is allowed and how to mend it."
)
_PYTHON = "`import auditbench`: audit a live model, read and compare runs."
_RECORD = (
    "`run.json` is the record of an audit: everything a renderer sees, and everything that `show`, `render`, `gate` and `compare` "
    "read. `auditbench.read_run(folder)` gives it as an `AuditRun`; `auditbench schema run` prints its JSON Schema. What a clock, a "
    "meter or the machine decides stands under `volatile`, so that the rest is equal between equal runs. An array is a file of the "
    "folder `arrays`, which the record names with its SHA-256."
)
_CHECKS = {
    "A plugin as a whole": plugin_record.CHECKS,
    "An analyzer": analyzers.all_checks(),
    "A renderer": renderers.CHECKS,
    "A model loader": loaders.CHECKS,
    "An architecture": architectures.CHECKS,
    "A data set": datasets.CHECKS,
}


def hook_page() -> str:
    """Every hook with its exact signature."""
    hooks = {name: value for name, value in vars(hookspecs).items() if hasattr(value, "auditbench_spec")}
    parts = []
    for name, hook in hooks.items():
        first = "The first result that is not None counts." if hook.auditbench_spec["firstresult"] else ""
        shown = fence("python", f"@hookimpl\ndef {signature(name, hook)}: ...")
        parts += [heading(2, code(name), anchor=name), shown, read_docstring(hook).text, first]
    return page("Hooks", _HOOKS, *parts)


def contract_page() -> str:
    """Records of the contracts."""
    return page("Contracts", _CONTRACTS, *_public(contracts))


def context_page() -> str:
    """What an analyzer sees."""
    parts = [section(name, getattr(context, name)) for name in ("AuditContext", "AnalysisCancelled")]
    parts += [
        section("ModelUnderTest", models.ModelUnderTest),
        section("EvaluationData", data.EvaluationData),
        section("Rows", data.Rows),
    ]
    inputs = ("FeatureSpec", "TableInput", "ImageInput", "TextInput", "SeriesInput")
    return page("What an analyzer sees", _CONTEXT, *parts, *(section(name, getattr(data, name)) for name in inputs))


def result_page() -> str:
    """What an analyzer returns, and the errors that it may raise."""
    raised = [
        (code(f"errors.{error.__name__}"), prose(first_sentence(error)))
        for error in (
            errors.AnalyzerNotPossible,
            errors.DataError,
            errors.ModelError,
            errors.ConfigError,
            errors.MissingDependencyError,
        )
    ]
    said = [section(name, getattr(findings, name)) for name in ("Message", "Finding")]
    catalogue = [
        heading(2, "Catalogues", anchor="catalogues"),
        read_docstring(messages).text,
        section("load_messages", messages.load_messages, level=3),
    ]
    return page(
        "What an analyzer returns", _RESULTS, *_public(results), *said, *catalogue,
        heading(2, "Errors that an analyzer may raise"), table(("error", "what it says"), raised),
    )  # fmt: skip


def rendering_page() -> str:
    """What a renderer uses beside the record."""
    bounds = [
        _constant(name, vars(safe_text)[name], said_below(safe_text)) for name in ("LONGEST_NAME", "LONGEST_TEXT")
    ]
    words = ("load_messages", "merge_catalogues", "Catalogue", "format_scalar")
    return page(
        "What a renderer uses",
        _RENDERING,
        section("safe_text", safe_text.safe_text),
        *bounds,
        *(section(name, getattr(messages, name)) for name in words),
    )


def statistics_page() -> str:
    """Estimates with their uncertainty."""
    return page("Statistics", _STATISTICS, read_docstring(statistics).text, *_public(statistics))


def testing_page() -> str:
    """Functions for tests."""
    functions_first = sorted(testing.__all__, key=lambda name: (isinstance(getattr(testing, name), type), name))
    return page("Testing", _TESTING, *_public(testing, functions_first))


def promise_page() -> str:
    """Every promise that the kit tries, by kind of thing."""
    found = {title: [check[0] for check in checks] for title, checks in _CHECKS.items()}
    parts = []
    for title, promises in found.items():
        rows = [(code(promise.key), prose(promise.sentence)) for promise in promises]
        parts += [heading(2, title), table(("key", "promise"), rows)]
    return page("Promises", _PROMISES, *parts)


def python_page() -> str:
    """The Python interface."""
    own = [section(name, getattr(auditbench, name)) for name in ("audit", "compare", "read_run")]
    records = [
        section("AuditRun", run.AuditRun),
        section("Comparison", comparison.Comparison),
        section("MetricChange", comparison.MetricChange),
    ]
    return page("Python", _PYTHON, *own, section("api.audit_config", audit_config, anchor="audit_config"), *records)


def record_page() -> str:
    """The records that run.json is made of, the whole first; blocks of results have a page of their own."""
    own = [
        section(name, thing)
        for name, thing in vars(run).items()
        if is_record(thing) and thing.__module__ == run.__name__
    ]
    decisions = [section(name, getattr(findings, name)) for name in ("GateDecision", "Waiver")]
    further = "Results hold the blocks of [What an analyzer returns](results.md); a comparison is on the page of [Python](python.md#Comparison)."
    return page(
        "run.json",
        _RECORD,
        fence("python", f"SCHEMA_VERSION = {run.SCHEMA_VERSION!r}"),
        *reversed(own),
        *decisions,
        further,
    )


def _public(module: ModuleType, names: Iterable[str] = ()) -> Iterator[str]:
    """What a module lists as public, in that order or in another: records and functions, then constants and types."""
    things = {name: getattr(module, name) for name in names or module.__all__}
    yield from (section(name, thing) for name, thing in things.items() if _is_described(thing))
    rest = {name: thing for name, thing in things.items() if not _is_described(thing)}
    said = said_below(module)
    yield heading(2, "Constants and types") if rest else ""
    yield from (_constant(name, thing, said) for name, thing in rest.items())


def _constant(name: str, thing: Any, said: Mapping[str, str]) -> str:
    parts = (heading(3, code(name), anchor=name), fence("python", f"{name} = {_shown(thing)}"), said.get(name, ""))
    return "\n\n".join(filter(None, parts))


def _is_described(thing: Any) -> bool:
    return inspect.isroutine(thing) or isinstance(thing, type)


def _shown(thing: Any) -> str:
    return repr(thing) if isinstance(thing, str) else str(thing).replace("typing.", "")[:400]
