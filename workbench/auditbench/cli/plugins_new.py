"""`auditbench plugins new`: a project for a plugin, ready to install, check and change."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from auditbench.cli.options import debug_option, example

TEMPLATES = Path(__file__).parents[1] / "scaffold"
"""A folder of templates for each kind, and `shared` for what every project has."""

KINDS: Mapping[str, str] = {
    "analyzer": "An analyzer for Auditbench: how often a model is wrong where it is sure",
    "renderer": "A format of reports for Auditbench: reStructuredText, for a page of a Sphinx site",
    "loader": "A format of models for Auditbench: coefficients of linear models, as R writes them",
    "architecture": "A network that Auditbench can train: a perceptron of gated linear units",
}
"""What can be made, with what the project says of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Project:
    """A project to be written; `name` is that of the plugin: its entry point, and what it provides."""

    name: str
    kind: str

    @property
    def identifier(self) -> str:
        """The plugin's name as a part of names in Python."""
        return re.sub(r"[-.]", "_", self.name)

    @property
    def module(self) -> str:
        """Import package."""
        return f"auditbench_{self.identifier}"

    @property
    def distribution(self) -> str:
        """What is installed."""
        return "auditbench-" + re.sub(r"[-_.]+", "-", self.name)


@click.command(
    "new",
    epilog=example("auditbench plugins new gap", "auditbench plugins new sphinx --kind renderer --out work/sphinx"),
)
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), default="analyzer", show_default=True, help="What it provides.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the project; auditbench-NAME without it.")
@debug_option
def new_plugin(name: str, kind: str, out: Path | None) -> None:
    """Write a project for the plugin NAME, which installs and passes its tests as it is.

    It has one module with something real to change, its words in English and Chinese where it says any, tests that use the
    kit of Auditbench, a workflow for GitHub, and a README. Nothing is written outside its folder, and nothing that is there
    is overwritten.
    """
    project = _Project(name=name, kind=kind)
    _refuse_name(project)
    folder = out or Path(project.distribution)
    _refuse_existing(folder)
    _write(project, folder)
    _tell(project, folder)


def _refuse_name(project: _Project) -> None:
    """Refuse a name that no plugin may have, or that another one has.

    Raises:
        ConfigError: It is no name for a plugin.
        PluginConflictError: An installed plugin, Auditbench itself or another package has it.
    """
    from importlib.util import find_spec

    from auditbench.errors import ConfigError, PluginConflictError
    from auditbench.plugin_entries import covers, list_entry_points
    from auditbench.registry import NAME

    if not NAME.fullmatch(project.name) or not project.name[-1].isalnum():
        raise ConfigError(
            "a plugin cannot have this name",
            where="NAME",
            found=project.name,
            allowed="a lower-case letter, then up to 63 lower-case letters, digits, `_`, `.` and `-`; a letter or digit at the end",
        )
    owners = [
        f"the plugin {entry.name!r} of {entry.distribution} {entry.version}"
        for entry in list_entry_points()
        if covers(entry.name, project.name)
    ]
    if project.name in _own_names(project.kind):
        owners.append("Auditbench itself")
    if not owners and find_spec(project.module) is not None:
        owners.append(f"the import package {project.module!r}, which is installed")
    if owners:
        raise PluginConflictError(
            "this name is taken", where="NAME", found=f"{project.name}: {owners[0]}", fix="choose another name"
        )


def _own_names(kind: str) -> Collection[str]:
    """What the product itself provides of this kind, without a plugin."""
    from auditbench.models.architectures import BUILT_IN
    from auditbench.models.formats import FORMATS

    own: dict[str, Collection[str]] = {"loader": FORMATS, "architecture": [item.name for item in BUILT_IN]}
    return own.get(kind, ())


def _refuse_existing(folder: Path) -> None:
    from auditbench.errors import ConfigError

    if os.path.lexists(folder):
        raise ConfigError(
            "this folder is there already",
            where=str(folder),
            fix="name another one with --out, or move it away; nothing in it is overwritten",
        )


def _write(project: _Project, folder: Path) -> None:
    """Fill the templates, and put the whole project where it is wanted.

    They are filled elsewhere, since cookiecutter fills what looks like a template in the path of the target too.

    Raises:
        MissingDependencyError: cookiecutter is not installed.
        RunFolderError: The folder cannot be written.
    """
    from auditbench.errors import MissingDependencyError, RunFolderError

    try:
        from cookiecutter.generate import generate_files
    except ModuleNotFoundError as error:
        raise MissingDependencyError("cookiecutter", extra="author", where="auditbench plugins new") from error
    context = {"cookiecutter": _values(project)}
    try:
        with tempfile.TemporaryDirectory(prefix="auditbench-new-") as filled:
            for part in ("shared", project.kind):
                generate_files(TEMPLATES / part, context, filled, overwrite_if_exists=True, accept_hooks=False)
            shutil.copytree(Path(filled, project.distribution), folder)
    except OSError as error:
        raise RunFolderError(
            "the project cannot be written", where=str(folder), found=str(error), fix="name another folder with --out"
        ) from error


def _values(project: _Project) -> dict[str, str]:
    """What the templates ask for."""
    from auditbench import __version__
    from auditbench.contracts import API_VERSION

    return {
        "folder": project.distribution,
        "name": project.name,
        "key": f'"{project.name}"' if "." in project.name else project.name,
        "identifier": project.identifier,
        "module": project.module,
        "distribution": project.distribution,
        "kind": project.kind,
        "description": KINDS[project.kind],
        "api": API_VERSION,
        "auditbench": __version__,
        "template": "",  # ends names of files, so that no tool takes one for Python or TOML before it is filled
    }


def _tell(project: _Project, folder: Path) -> None:
    from auditbench.cli.terminal import say
    from auditbench.paths import as_argument
    from auditbench.safe_text import LONGEST_TEXT, safe_text

    say(f"Wrote {safe_text(str(folder), LONGEST_TEXT)}", "good")
    say(f"  code       src/{project.module}/__init__.py")
    if (folder / "src" / project.module / "messages").is_dir():
        say(f"  words      src/{project.module}/messages/, in English and Chinese")
    say(f"  tests      tests/test_{project.identifier}.py")
    say('  to do      choose a licence: add LICENSE, and license = "..." in pyproject.toml', "caution")
    say("next:")
    say(f"  cd {as_argument(folder)}")
    say("  pip install -e '.[test]'")
    say("  pytest")
    say("  auditbench plugins check .")
    say(f"  auditbench plugins show {project.name}")
