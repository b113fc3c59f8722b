"""What a plugin's record needs and this machine has not. Nothing is imported or started to find out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.errors import MissingDependencyError, MissingProgramError, PluginError
from auditbench.needs import Needs
from auditbench.plugin_folder import has_module

if TYPE_CHECKING:
    from auditbench.plugin_entries import PluginEntry


def missing_packages(needs: Needs) -> tuple[str, ...]:
    """The needed packages that are not installed."""
    return tuple(package for package in needs.packages if not has_module(package))


def missing_programs(needs: Needs) -> tuple[str, ...]:
    """The titles of needed programs that are not on this machine."""
    return tuple(program.title for program in needs.programs if program.find() is None)


def missing_dependency(needs: Needs, origin: PluginEntry, where: str) -> PluginError | None:
    """The error for packages that are not there, or else for the first program; names what to install. None when all are."""
    if packages := missing_packages(needs):
        first, *further = packages
        return MissingDependencyError(
            first, extra=needs.extra, distribution=origin.distribution, where=where, further=further
        )
    program = next((one for one in needs.programs if one.find() is None), None)
    if program is None:
        return None
    return MissingProgramError(
        f"{program.title} is not installed", where=where, found=program.looked_for(), fix=program.install
    )


def way_to_install(needs: Needs, origin: PluginEntry) -> str:
    """What to do about packages that are not there, or else the first program; empty where nothing is to be said."""
    missing = missing_dependency(needs, origin, "")
    return missing.problems[0].fix if missing else ""
