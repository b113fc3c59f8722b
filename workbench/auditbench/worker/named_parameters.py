"""Parameters of analyzers that name what stands elsewhere: a further model, a file, what has to fit the data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from auditbench.config import AuditConfig
from auditbench.contracts import NAMES_A_FILE, NAMES_A_METHOD, NAMES_A_MODEL, Analyzer, model_name_problem
from auditbench.errors import Problem
from auditbench.masking.player_params import PlayerParams, hider_problem
from auditbench.paths import is_file_there
from auditbench.run import Modality


def named_models(analyzer: Analyzer, parameters: Mapping[str, Any], config: AuditConfig) -> list[Problem]:
    """What is wrong with the parameters that name a further model."""
    found = [
        model_name_problem(str(parameters[name]), config.models, where=f"analyzers.{analyzer.name}.{name}")
        for name in _marked(analyzer, NAMES_A_MODEL)
    ]
    return [problem for problem in found if problem is not None]


def named_methods(analyzer: Analyzer, parameters: Mapping[str, Any], modality: Modality) -> list[Problem]:
    """What is wrong with the parameters that name a method: it does not explain what the model takes.

    Nothing where the analyzer itself does not apply to it, which is said elsewhere.
    """
    if analyzer.needs.modalities and modality not in analyzer.needs.modalities:
        return []
    known = {method.name.partition(".")[2]: method.modalities for method in analyzer.methods}
    found: list[Problem] = []
    for name in _marked(analyzer, NAMES_A_METHOD):
        chosen = str(parameters[name])
        if modality in known.get(chosen, (modality,)):
            continue
        choices = get_args(analyzer.Params.model_fields[name].annotation) if analyzer.Params else ()
        fitting = [choice for choice in choices if modality in known.get(choice, (modality,))]
        found.append(
            Problem(
                message="this method does not explain what the model takes",
                where=f"analyzers.{analyzer.name}.{name}",
                found=f"{chosen}, for {modality}",
                allowed=", ".join(fitting),
                fix=f'set {name} = "{fitting[0]}"' if fitting else "leave the analyzer away",
            )
        )
    return found


def hidden_parts(analyzer: Analyzer, parameters: Mapping[str, Any], modality: Modality) -> list[Problem]:
    """What is wrong with the parameters that say how parts of an input are hidden."""
    fields = analyzer.Params.model_fields if analyzer.Params else {}
    found = [
        hider_problem(parameters[name]["hidden_by"], modality, where=f"analyzers.{analyzer.name}.{name}.hidden_by")
        for name, field in fields.items()
        if field.annotation is PlayerParams
    ]
    return [problem for problem in found if problem is not None]


def named_files(analyzer: Analyzer, parameters: Mapping[str, Any], base: Path) -> list[Problem]:
    """What is wrong with the parameters that name a file."""
    return [
        Problem(
            message="there is no such file",
            where=f"analyzers.{analyzer.name}.{name}",
            found=str(parameters[name])[:200],
            allowed="a file; paths are relative to the configuration file",
            fix="correct the path",
        )
        for name in _marked(analyzer, NAMES_A_FILE)
        if parameters[name] and not is_file_there(base / str(parameters[name]))
    ]


def _marked(analyzer: Analyzer, mark: str) -> list[str]:
    """Names of the parameters that have a mark in their schema."""
    fields = analyzer.Params.model_fields if analyzer.Params else {}
    return [
        name
        for name, field in fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get(mark)
    ]
