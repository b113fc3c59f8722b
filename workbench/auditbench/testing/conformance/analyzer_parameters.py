"""Promises of an analyzer's parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from auditbench.errors import Problem
from auditbench.testing.conformance.analyzer_tryout import Tryout
from auditbench.testing.conformance.promises import Promise
from auditbench.testing.conformance.trying import Check, NotTried

_UNKNOWN = "no_parameter_of_this_name"


def _model_of(tryout: Tryout) -> type[BaseModel]:
    params: Any = tryout.record.Params
    if params is None:
        raise NotTried("it has no parameters")
    if not (isinstance(params, type) and issubclass(params, BaseModel)):
        raise NotTried("its Params is no pydantic model")
    return params


def _accepts_defaults(tryout: Tryout) -> Problem | None:
    """Pydantic does not look at defaults by itself."""
    model = _model_of(tryout)
    try:
        given = model.model_validate_json(json.dumps(tryout.given, default=str))
        model.model_validate_json(given.model_dump_json(by_alias=True, round_trip=True))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        missing = first["type"] == "missing"
        return Problem(
            message="a parameter has no default" if missing else "a default is not valid",
            where=place,
            found="none" if missing else repr(first["input"])[:80],
            allowed="a default that stands for any model and data" if missing else first["msg"],
            fix="give the field a default, or the check `params`" if missing else f"correct the default of {place}",
        )
    return None


def _has_help(tryout: Tryout) -> Problem | None:
    silent = list(_without_help(_model_of(tryout), ""))
    if not silent:
        return None
    return Problem(
        message="a parameter does not say what it is for",
        where=", ".join(silent),
        found="no description",
        allowed="one sentence",
        fix='write Field(..., description="...")',
    )


def _without_help(model: type[BaseModel], before: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if not (field.description or "").strip():
            yield f"{before}{name}"
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _without_help(part, f"{before}{name}.")


def _has_schema(tryout: Tryout) -> Problem | None:
    """The schema is made and written; whether it is valid is known where `jsonschema` is installed."""
    try:
        schema = _model_of(tryout).model_json_schema()
        json.dumps(schema, allow_nan=False)
    except NotTried:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin's own schema code
        return _schema_problem(f"{type(error).__name__}: {error}"[:200])
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError
    except ImportError:
        raise NotTried("it has a schema; whether that is valid is known with jsonschema installed") from None
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return _schema_problem(f"{'.'.join(map(str, error.absolute_path))}: {error.message}"[:200])
    return None


def _schema_problem(found: str) -> Problem:
    return Problem(
        message="its parameters have no valid JSON Schema",
        where="Params",
        found=found,
        allowed="JSON Schema 2020-12, from fields of plain types",
        fix="take types that pydantic can describe, and correct `json_schema_extra`",
    )


def _refuses_unknown(tryout: Tryout) -> Problem | None:
    try:
        _model_of(tryout).model_validate_json(json.dumps({**tryout.given, _UNKNOWN: 1}, default=str))
    except ValidationError as error:
        if any(_UNKNOWN in problem["loc"] for problem in error.errors()):
            return None
    return Problem(
        message="a misspelt parameter is taken in silence",
        where="Params",
        found=f"{_UNKNOWN} = 1 was accepted",
        allowed="an error that names it",
        fix='write model_config = ConfigDict(extra="forbid", frozen=True, strict=True)',
    )


CHECKS: tuple[Check[Tryout], ...] = (
    (
        Promise(key="defaults-are-valid", sentence="Has defaults for its parameters, and accepts them."),
        _accepts_defaults,
    ),
    (Promise(key="parameters-have-help", sentence="Says what each parameter is for."), _has_help),
    (Promise(key="parameters-have-a-schema", sentence="Describes its parameters by a valid JSON Schema."), _has_schema),
    (
        Promise(key="refuses-unknown-parameters", sentence="Refuses a parameter that it does not have."),
        _refuses_unknown,
    ),
)
