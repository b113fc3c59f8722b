"""A hook of mkdocs: writes the reference from the code, and takes pages of the repository into the site.

Links on every page are those of the repository, so that they can be followed in a clone, too; here they become links of
the site. A file that is no page is copied, so that nothing on the site leads to the network.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from writers.analyzers import analyzer_pages, method_page, metric_page, own_analyzers
from writers.commands import command_page
from writers.config_keys import config_page, gates_page, network_page
from writers.decisions import decision_page, preset_page
from writers.errors import error_page
from writers.interfaces import (
    context_page,
    contract_page,
    hook_page,
    promise_page,
    python_page,
    record_page,
    rendering_page,
    result_page,
    statistics_page,
    testing_page,
)

ROOT = Path(__file__).parents[1]


def _found(*patterns: str) -> list[Path]:
    """Files of the repository, as paths in it; those of hidden folders are not of it."""
    files = sorted(file.relative_to(ROOT) for pattern in patterns for file in ROOT.glob(pattern))
    return [file for file in files if not any(part.startswith(".") for part in file.parts)]


PAGES = "docs/pages"
REPOSITORY = {
    "project/changelog.md": "CHANGELOG.md",
    "project/contributing.md": "CONTRIBUTING.md",
    "project/security.md": "SECURITY.md",
    "project/benchmarks.md": "benchmarks/README.md",
    **{f"project/design/{name.name}": name.as_posix() for name in _found("docs/design/*.md")},
    **{
        f"{name.parent.as_posix()}.md": name.as_posix()
        for name in _found("examples/*/README.md", "examples/*/*/README.md")
    },
}
"""Pages that stand elsewhere in the repository, by their place on the site."""
_SITE = {source: page for page, source in REPOSITORY.items()} | {"README.md": "index.md"}
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s]+)(?=\))")
_WRITERS: dict[str, Callable[[], str]] = {
    "command-line.md": command_page,
    "config.md": config_page,
    "gates.md": gates_page,
    "networks.md": network_page,
    "decisions.md": decision_page,
    "presets.md": preset_page,
    "errors.md": error_page,
    "python.md": python_page,
    "run.md": record_page,
    "hooks.md": hook_page,
    "contracts.md": contract_page,
    "context.md": context_page,
    "results.md": result_page,
    "rendering.md": rendering_page,
    "statistics.md": statistics_page,
    "testing.md": testing_page,
    "promises.md": promise_page,
}


def on_files(files: Files, config: Any) -> Files:
    """Add the reference, the pages of the repository, and the files that pages link to."""
    pages = dict(reference_pages())
    pages |= {page: (ROOT / source).read_text("utf-8") for page, source in REPOSITORY.items()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    for page in [*REPOSITORY, *(file.src_uri for file in files.documentation_pages())]:
        source = ROOT / _source(page)
        for link in _LINK.findall(source.read_text("utf-8")) if source.is_file() else ():
            target = _target(page, link)
            place = _place(target)
            if _is_file_of_its_own(target) and files.get_file_from_path(place) is None:
                files.append(File.generated(config, place, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of the repository as links of the site; what is a folder there is no link here."""
    place = page.file.src_uri

    def replaced(match: re.Match[str]) -> str:
        link, _, anchor = match[1].partition("#")
        target = _target(place, link)
        if target.startswith(f"{PAGES}/") or not (ROOT / target).exists():
            found = target.removeprefix(f"{PAGES}/")
        else:
            found = _SITE.get(target) or _place(target)
        relative = posixpath.relpath(found, posixpath.dirname(place) or ".")
        return f"{relative}#{anchor}" if anchor else relative

    text = re.sub(
        r"\[([^\]]*)\]\(([^)\s#:]+)\)", lambda match: match[1] if _is_folder(place, match[2]) else match[0], markdown
    )
    return _LINK.sub(replaced, text)


def reference_pages() -> Iterator[tuple[str, str]]:
    """The pages that are written from code, by their place on the site."""
    analyzers = own_analyzers()
    pages = {name: write() for name, write in _WRITERS.items()}
    pages |= {**analyzer_pages(analyzers), "metrics.md": metric_page(analyzers), "methods.md": method_page(analyzers)}
    return ((f"reference/{name}", text) for name, text in pages.items())


def _source(page: str) -> str:
    """Where a page of the site stands in the repository."""
    return REPOSITORY.get(page) or f"{PAGES}/{page}"


def _target(page: str, link: str) -> str:
    """Path in the repository that a link of a page leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(_source(page)), link.partition("#")[0]))


def _place(target: str) -> str:
    """Where a file that is no page stands on the site; hidden files would be left out."""
    return "files/" + "/".join(part.removeprefix(".") for part in target.split("/"))


def _is_file_of_its_own(target: str) -> bool:
    return (ROOT / target).is_file() and target not in _SITE and not target.startswith(f"{PAGES}/")


def _is_folder(page: str, link: str) -> bool:
    return (ROOT / _target(page, link)).is_dir()
