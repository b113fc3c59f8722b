"""Whether a record that a plugin provides is what `auditbench.contracts` says, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from auditbench.config import AnalyzerTable
from auditbench.contracts import Analyzer, Architecture, Cost, DatasetLoader, ModelLoader, Needs, Program, Renderer
from auditbench.messages import template_fault
from auditbench.results import MethodFacts
from auditbench.run import Capability, Modality, Task

HOST_KEYS = frozenset(AnalyzerTable.model_fields) - {"parameters"}
"""Keys of an analyzer's table that the host keeps for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A field that is not what the contract says."""

    field: str
    found: str
    allowed: str


def misfits(record: Any) -> Iterator[Misfit]:
    """Every field of a record that does not fit; a name is judged by the registry."""
    for field, (fits, allowed) in _FIELDS[type(record)].items():
        value = getattr(record, field)
        if not fits(value):
            yield Misfit(field=field, found=_shown(value), allowed=allowed)
    needs = getattr(record, "needs", None)
    if isinstance(needs, Needs):
        yield from _misfits_of_needs(needs)
    if not isinstance(record, Analyzer):
        return
    if record.Params is not None and _is_params(record.Params):
        yield from _taken_names(record.Params)
    yield from _undeclared_metrics(record)
    yield from _misnamed_methods(record)
    if _is_catalogues(record.messages):
        yield from _broken_templates(record.messages)


def _misfits_of_needs(needs: Needs) -> Iterator[Misfit]:
    choices = {
        "capabilities": get_args(Capability),
        "tasks": get_args(Task),
        "modalities": get_args(Modality),
        "packages": (),
    }
    for field, known in choices.items():
        value = getattr(needs, field)
        if not _is_names(value) or (known and not set(value) <= set(known)):
            allowed = f"a tuple of {', '.join(known)}" if known else "a tuple of texts"
            yield Misfit(field=f"needs.{field}", found=_shown(value), allowed=allowed)
    if not isinstance(needs.sensitive_features, bool):
        yield Misfit(field="needs.sensitive_features", found=_shown(needs.sensitive_features), allowed="True or False")
    if not _is_programs(needs.programs):
        yield Misfit(field="needs.programs", found=_shown(needs.programs), allowed="a tuple of Program(...)")
    if not isinstance(needs.extra, str):
        yield Misfit(field="needs.extra", found=_shown(needs.extra), allowed="text")


def _undeclared_metrics(analyzer: Analyzer) -> Iterator[Misfit]:
    """Tasks and ranges of metrics that the analyzer does not name."""
    if not (_is_names(analyzer.metrics) and _is_tasks_of_names(analyzer.metric_tasks) and _is_names(analyzer.shares)):
        return
    for field, names in (("metric_tasks", tuple(analyzer.metric_tasks)), ("shares", analyzer.shares)):
        for name in names:
            if name not in analyzer.metrics:
                allowed = f"a name in `metrics`: {', '.join(analyzer.metrics) or 'none is there'}"
                yield Misfit(field=field, found=_shown(name), allowed=allowed)


def _misnamed_methods(analyzer: Analyzer) -> Iterator[Misfit]:
    """Methods whose name does not begin with that of the analyzer, or stands twice."""
    if not _is_methods(analyzer.methods):
        return
    names = [method.name for method in analyzer.methods]
    for name in names:
        if name.partition(".")[0] != analyzer.name or not name.partition(".")[2]:
            yield Misfit(field="methods", found=_shown(name), allowed=f"a name that begins with `{analyzer.name}.`")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Misfit(field="methods", found=_shown(name), allowed="each name once")


def _taken_names(params: type[BaseModel]) -> Iterator[Misfit]:
    for name, field in params.model_fields.items():
        for taken in HOST_KEYS & {name, field.alias, field.validation_alias}:
            yield Misfit(
                field=f"Params.{name}", found=str(taken), allowed=f"any name but {', '.join(sorted(HOST_KEYS))}"
            )


def _broken_templates(messages: Mapping[str, Mapping[str, Any]]) -> Iterator[Misfit]:
    for language, templates in messages.items():
        for key, template in templates.items():
            fault = template_fault(template)
            if fault:
                yield Misfit(field=f"messages.{language}[{key!r}]", found=_shown(template), allowed=fault)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_names(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _is_tasks_of_names(value: Any) -> bool:
    known = set(get_args(Task))
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and _is_names(tasks) and tasks and set(tasks) <= known for name, tasks in value.items()
    )


def _is_methods(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(item, MethodFacts)
        and _is_text(item.name)
        and _is_names(item.source)
        and _is_names(item.modalities)
        and set(item.modalities) <= set(get_args(Modality))
        for item in value
    )


def _is_programs(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, Program) and _is_names(item.names) for item in value)


def _is_params(value: Any) -> bool:
    return value is None or (isinstance(value, type) and issubclass(value, BaseModel))


def _is_check(value: Any) -> bool:
    return value is None or callable(value)


def _is_cost(value: Any) -> bool:
    return value is None or value in get_args(Cost)


def _is_needs(value: Any) -> bool:
    return isinstance(value, Needs)


def _is_catalogues(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(language, str) and isinstance(templates, Mapping) and all(isinstance(key, str) for key in templates)
        for language, templates in value.items()
    )


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"[:120]


_Rule = tuple[Callable[[Any], bool], str]
_TEXT: _Rule = (_is_text, "text")
_NAMES: _Rule = (_is_names, 'a tuple of texts, such as ("gap",)')
_FUNCTION: _Rule = (callable, "a function")
_PARAMS: _Rule = (_is_params, "a pydantic model, or None")
_NEEDS: _Rule = (_is_needs, "Needs(...)")
_FIELDS: dict[type[Any], dict[str, _Rule]] = {
    Analyzer: {
        "topic": _TEXT,
        "summary": _TEXT,
        "analyze": _FUNCTION,
        "Params": _PARAMS,
        "check": (_is_check, "a function, or None"),
        "needs": _NEEDS,
        "after": _NAMES,
        "metrics": _NAMES,
        "metric_tasks": (_is_tasks_of_names, f"tuples of {', '.join(get_args(Task))}, by name of a metric"),
        "shares": _NAMES,
        "methods": (_is_methods, "a tuple of MethodFacts(...)"),
        "messages": (_is_catalogues, "templates by language and key"),
        "cost": (_is_cost, f"{', '.join(get_args(Cost))}, or None"),
    },
    Renderer: {"summary": _TEXT, "render": _FUNCTION, "needs": _NEEDS},
    ModelLoader: {"summary": _TEXT, "load": _FUNCTION, "needs": _NEEDS},
    DatasetLoader: {"summary": _TEXT, "load": _FUNCTION, "needs": _NEEDS},
    Architecture: {"summary": _TEXT, "build": _FUNCTION, "Params": _PARAMS, "needs": _NEEDS},
}
