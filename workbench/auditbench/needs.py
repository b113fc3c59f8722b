"""What a record of a plugin needs of the model, of the data and of this machine. Nothing heavy is imported."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from auditbench.run import Capability, Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program of this machine that a plugin starts, such as a browser.

    Attributes:
        title: What people call it: `Chromium`.
        names: What its command may be called; the first that is on the path is taken.
        variable: Environment variable that names another one; where it is set, it alone counts. Workers see it when
            `[limits] environment` names it, or the host knows it.
        install: How to get it, as an instruction.
    """

    title: str
    names: tuple[str, ...]
    variable: str = ""
    install: str = ""

    def find(self) -> str | None:
        """Path of the program; None when it is not there."""
        named = os.environ.get(self.variable) if self.variable else None
        return next((path for name in ([named] if named else self.names) if (path := shutil.which(name))), None)

    def looked_for(self) -> str:
        """What `find` looks for, for a message."""
        if self.variable and (named := os.environ.get(self.variable)):
            return f"{self.variable}={named}"
        return f"none of {', '.join(self.names)} on the path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a plugin's record needs before it can be used.

    A renderer, a loader or an architecture that lacks something, or a required analyzer that lacks a package or program,
    is refused before an audit begins; any other analyzer is `not_applicable` with the reason. Only analyzers are asked
    about more than packages and programs.

    Attributes:
        capabilities: Of the model.
        tasks: Empty means any.
        modalities: Empty means any.
        sensitive_features: Whether the data must name sensitive features.
        further_models: Whether the config must name further models.
        training: Whether the audited network must be one that can be trained again: see `AuditContext.refit`.
        packages: Import names that must be installed, looked up without importing them.
        extra: Extra of the distribution that brings these packages.
        programs: That the machine must have.
    """

    capabilities: tuple[Capability, ...] = ()
    tasks: tuple[str, ...] = ()
    modalities: tuple[Modality, ...] = ()
    sensitive_features: bool = False
    further_models: bool = False
    training: bool = False
    packages: tuple[str, ...] = ()
    extra: str = ""
    programs: tuple[Program, ...] = ()
