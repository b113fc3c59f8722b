"""Which version of the contracts a plugin was written for, and whether this host keeps it and has what it imports."""

from __future__ import annotations

import pkgutil
import re
import sys
import traceback

from auditbench.config_problems import nearest
from auditbench.contracts import API_VERSION
from auditbench.errors import PluginError
from auditbench.hookspecs import PROJECT

STATED_AS = "AUDITBENCH_API"
"""Name in a plugin's module, or a package around it, whose value is the version of the contracts that it was written for."""

UNSTATED = "1.0"
"""What a plugin was written for that does not say it: what stood before versions were stated."""

_ABSENT_NAME = re.compile(r"cannot import name '(\w+)'")
_VERSION = re.compile(r"(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})")


def kept_version(stated: object, *, where: str, distribution: str) -> str:
    """The version that a plugin states, if this host keeps it: of the same major, and no later minor.

    Args:
        stated: The value of `AUDITBENCH_API`.
        where: What an error calls the plugin.
        distribution: Where the plugin comes from.

    Raises:
        PluginError: It is written otherwise, or this host does not keep it; with what to install.
    """
    parts = _VERSION.fullmatch(stated) if isinstance(stated, str) else None
    if parts is None:
        raise PluginError(
            f"`{STATED_AS}` does not say which version of the contracts this plugin was written for",
            where=where,
            found=f"{type(stated).__name__} {stated!r}"[:80],
            allowed=f'text of two numbers, such as "{API_VERSION}"',
            fix=f'write `{STATED_AS} = "{API_VERSION}"` into its module',
        )
    wanted, own = (int(parts[1]), int(parts[2])), _own()
    if wanted[0] == own[0] and wanted <= own:
        return parts[0]
    newer = f"install a later Auditbench: pip install --upgrade auditbench; or a {distribution} that was written for this one"
    older = f"install a {distribution} that was written for this Auditbench: pip install --upgrade {distribution}"
    raise PluginError(
        "this plugin was written for another version of the contracts",
        where=where,
        found=f"{STATED_AS} = {stated!r}",
        allowed=f"{own[0]}.0 to {API_VERSION}" if own[1] else API_VERSION,
        fix=newer if wanted > own else older,
    )


def unmet_import(error: ImportError, *, where: str, distribution: str) -> PluginError | None:
    """The error about a module or a name that a plugin imports from Auditbench and this host has not: with its line,
    and the nearest that there is, or else what to install. None where another package is to blame.
    """
    asked = error.name or ""
    if asked.partition(".")[0] != PROJECT:
        return None
    upgrade, near = f"pip install --upgrade {PROJECT} {distribution}", _nearest_to(asked, error)
    return PluginError(
        "this plugin asks for something that this version of Auditbench has not",
        where=where + _line_of(error),
        found=str(error)[:300],
        allowed=f"what the contracts of version {API_VERSION} hold",
        fix=f"{near} If it is of a later version: {upgrade}" if near else upgrade,
    )


def _line_of(error: ImportError) -> str:
    """`: FILE:LINE` of the import, which is the innermost line outside the machinery of imports; empty where none is known."""
    steps = [
        (step.f_code.co_filename, line)
        for step, line in traceback.walk_tb(error.__traceback__)
        if not step.f_code.co_filename.startswith("<")
    ]
    return f": {steps[-1][0]}:{steps[-1][1]}" if steps else ""


def _nearest_to(asked: str, error: ImportError) -> str:
    if name := _ABSENT_NAME.match(str(error)):
        return nearest(name[1], [*_names_in(asked), *_modules_in(asked)])
    around, _, module = asked.rpartition(".")
    return nearest(module, _modules_in(around)).replace("`", f"`{around}.", 1)


def _names_in(module: str) -> list[str]:
    """What stands in a module, without what it imports from others."""
    found = sys.modules[module]
    own = [
        name for name, value in vars(found).items() if str(getattr(value, "__module__", PROJECT)).startswith(PROJECT)
    ]
    return [*getattr(found, "__all__", ()), *own]


def _modules_in(package: str) -> list[str]:
    folders = getattr(sys.modules[package], "__path__", ())
    return [module.name for module in pkgutil.iter_modules(folders) if not module.name.startswith("_")]


def _own() -> tuple[int, int]:
    major, _, minor = API_VERSION.partition(".")
    return int(major), int(minor)
