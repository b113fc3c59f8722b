"""What a plugin promises as a whole: it can be loaded, says its version of the contracts, ships presets that can be used, speaks both languages."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

from auditbench.contracts import API_VERSION
from auditbench.descriptions import PluginDescription
from auditbench.errors import Problem
from auditbench.plugin_api import STATED_AS, UNSTATED
from auditbench.testing.conformance.promises import Conformance, Promise
from auditbench.testing.conformance.trying import Check, NotTried, conformance_of

KIND = "plugin"
_LANGUAGES = ("en", "zh-CN")


def plugin_conformance(description: PluginDescription, module: Path | None) -> Conformance:
    """Which promises a plugin keeps; raises nothing, and runs none of its code.

    Args:
        description: What it said in a process of its own.
        module: The file of its module; None where it was not found.
    """
    return conformance_of(KIND, description.plugin.name, _Plugin(description=description, module=module), CHECKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plugin:
    """A plugin from outside."""

    description: PluginDescription
    module: Path | None


def _can_be_loaded(plugin: _Plugin) -> Problem | None:
    return next(iter(plugin.description.problems), None)


def _states_its_api(plugin: _Plugin) -> Problem | None:
    if plugin.description.api not in ("", UNSTATED):
        return None  # wherever the module has it from
    if plugin.module is None:
        raise NotTried("the file of its module was not found")
    tree = ast.parse(plugin.module.read_text(encoding="utf-8"))
    targets = [
        target
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    if any(isinstance(target, ast.Name) and target.id == STATED_AS for target in targets):
        return None
    return Problem(
        message="the plugin does not say which version of the contracts it was written for",
        where=plugin.module.name,
        found=f"no `{STATED_AS}` at the top of the module",
        allowed=f'text, such as "{API_VERSION}"; without it, 1.0 is taken',
        fix=f'write `{STATED_AS} = "{API_VERSION}"`',
    )


def _speaks_both_languages(plugin: _Plugin) -> Problem | None:
    keys: dict[str, set[str]] = {}
    for language in _LANGUAGES:
        keys[language] = {
            key for analyzer in plugin.description.analyzers for key in analyzer.messages.get(language, {})
        }
        if plugin.module and (catalogue := plugin.module.parent / "messages" / f"{language}.toml").is_file():
            keys[language] |= set(tomllib.loads(catalogue.read_text(encoding="utf-8")))
    if not any(keys.values()):
        raise NotTried("it brings no words of its own")
    for language, other in (_LANGUAGES, _LANGUAGES[::-1]):
        if missing := sorted(keys[other] - keys[language]):
            return Problem(
                message=f"keys have words in {other} and none in {language}",
                where=f"messages/{language}.toml",
                found=", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else ""),
                allowed="the same keys in both languages",
                fix="write them; until then the report falls back to another language",
            )
    return None


def _ships_presets_that_work(plugin: _Plugin) -> Problem | None:
    presets = [item for item in plugin.description.provides if item.kind == "preset"]
    if not presets:
        raise NotTried("it ships no preset")
    return next((item.missing for item in presets if item.missing), None)


CHECKS: tuple[Check[_Plugin], ...] = (
    (Promise(key="can-be-loaded", sentence="Can be loaded, and provides names of its own."), _can_be_loaded),
    (Promise(key="states-its-api", sentence="Says which version of the contracts it was written for."), _states_its_api),
    (Promise(key="presets-are-usable", sentence="Ships presets whose gates its analyzers can decide."), _ships_presets_that_work),
    (Promise(key="speaks-both-languages", sentence="Says in Chinese what it says in English."), _speaks_both_languages),
)  # fmt: skip
"""Every promise of a plugin with what tries it."""
