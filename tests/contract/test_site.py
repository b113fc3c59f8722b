"""The site builds without a warning, asks nothing of the network, and documents everything that there is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote, urlsplit

import click
import pytest
from pydantic import BaseModel

from auditbench import contracts, hookspecs, results, safe_text, testing
from auditbench.cli.commands import cli
from auditbench.config import AuditConfig
from auditbench.context import AuditContext
from auditbench.contracts import Analyzer
from auditbench.errors import ExitCode, error_classes
from auditbench.findings import GateState, Verdict
from auditbench.gate_file import GateFile
from auditbench.plugin_entries import list_entry_points
from auditbench.presets import load_preset, preset_names
from auditbench.registry import Registry
from auditbench.results import Status
from auditbench.results.methods import FACT_PARTS
from auditbench.run import AuditRun
from tests.docs.blocks import ROOT
from tests.docs.built_site import Page, build, pages_of, read_page
from tests.integration.pipeline_steps import read_yaml

HOOKS = {name: value for name, value in vars(hookspecs).items() if hasattr(value, "auditbench_spec")}
Read = Callable[[str], Page]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


@pytest.fixture(scope="module")
def read(site: Path) -> Read:
    known: dict[str, Page] = {}

    def page(name: str) -> Page:
        return known.setdefault(name, read_page(site / f"{name}.html"))

    return page


@pytest.fixture(scope="module")
def analyzers() -> tuple[Analyzer, ...]:
    registry = Registry()
    entries = [registry.load(entry.name) for entry in list_entry_points() if entry.first_party]
    records = [item.record for entry in entries for item in registry.provided_by(entry.name)]
    return tuple(record for record in records if isinstance(record, Analyzer))


def test_every_page_is_in_the_navigation(site: Path) -> None:
    named = {leaf.removesuffix(".md") for leaf in leaves(read_yaml("docs/mkdocs.yml")["nav"])}
    assert {file.relative_to(site).with_suffix("").as_posix() for file in pages_of(site)} == named


def test_links_and_anchors_lead_somewhere(site: Path) -> None:
    pages = {file: read_page(file) for file in pages_of(site)}
    broken = [
        f"{file.relative_to(site)}: {link}"
        for file, page in pages.items()
        for link in page.links
        if not urlsplit(link).scheme and not is_there(site, file, link, pages)
    ]
    assert broken == []


def test_nothing_is_asked_of_the_network(site: Path) -> None:
    loaded = {address for file in pages_of(site) for address in read_page(file).loaded}
    assert [address for address in sorted(loaded) if urlsplit(address).scheme or address.startswith("//")] == []
    styles = [file.read_text("utf-8") for file in site.rglob("*.css")]
    assert [found for style in styles for found in re.findall(r"url\((?!data:|['\"]?data:)[^)]*//[^)]*\)", style)] == []


def test_the_search_index_has_the_reference(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text("utf-8")
    assert "demographic_parity_ratio" in index
    assert "auditbench_run_analyzer" in index


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_documented_with_its_exact_signature_and_tested(name: str, read: Read) -> None:
    source = (ROOT / "workbench" / "auditbench" / "hookspecs.py").read_text("utf-8")
    (signature,) = re.findall(rf"^def ({name}\(.*\) -> .*?):(?:  #.*)?$", source, re.MULTILINE)
    said = read("reference/hooks").section(name).text
    assert signature in said
    for paragraph in (HOOKS[name].__doc__ or "").replace("`", "").split("\n\n"):
        assert " ".join(paragraph.split()) in said
    assert f"def {name}(" in (ROOT / "tests" / "contract" / "test_hooks.py").read_text("utf-8")


@pytest.mark.parametrize(
    ("model", "page"), [(AuditConfig, "reference/config"), (GateFile, "reference/gates")], ids=["audit", "gates"]
)
def test_every_key_of_a_file_is_documented(model: type[BaseModel], page: str, read: Read) -> None:
    keys = {(title, row[0]): row for part in read(page).sections for title in [part.title] for row in part.rows}
    found = list(keys_of(model))
    assert len(found) > 10
    for title, key, help_text in found:
        row = keys[title, key]
        assert help_text.replace("`", "") in row[-1]
        assert row[1]
        assert row[2]


def test_every_command_and_option_is_documented(read: Read) -> None:
    page = read("reference/command-line")
    for path, command in commands(cli, "auditbench"):
        part = page.section(path)
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                (row,) = [row for row in part.rows if parameter.opts[0] in re.split(r"[ ,]+", row[0])]
                assert " ".join((parameter.help or "").replace("`", "").split()) in row[-1]
            else:
                assert parameter.make_metavar(click.Context(command)) in part.text
        assert "".join((command.help or "").split("\b")[0].split())[:60].replace("`", "") in part.text.replace(" ", "")


def test_every_metric_is_documented_in_both_languages(analyzers: tuple[Analyzer, ...], read: Read) -> None:
    count = 0
    for analyzer in analyzers:
        for metric in analyzer.metrics:
            full, count = f"{analyzer.name}.{metric}", count + 1
            said = read(f"reference/analyzers/{analyzer.name}").section(full).text
            for words in analyzer.messages.values():
                for key in (full, f"{full}.help", f"{full}.formula"):
                    assert plain(words[key]) in said, key
            assert any(row[0] == full for part in read("reference/metrics").sections for row in part.rows)
    assert count > 50


def test_every_method_is_documented_in_both_languages(analyzers: tuple[Analyzer, ...], read: Read) -> None:
    methods = [(analyzer, method) for analyzer in analyzers for method in analyzer.methods]
    assert len(methods) > 20
    for analyzer, method in methods:
        said = read(f"reference/analyzers/{analyzer.name}").section(method.name).text
        assert all(source in said for source in method.source)
        for words in analyzer.messages.values():
            assert [part for part in FACT_PARTS if plain(words[method.key(part)]) not in said] == []


def test_every_parameter_is_documented(analyzers: tuple[Analyzer, ...], read: Read) -> None:
    for analyzer in analyzers:
        rows = [row for part in read(f"reference/analyzers/{analyzer.name}").sections for row in part.rows]
        titles = [part.title for part in read(f"reference/analyzers/{analyzer.name}").sections]
        for name, item in analyzer.Params.model_fields.items() if analyzer.Params else ():
            known = any(row[0] == name for row in rows)
            assert known or any(title.startswith(f"[analyzers.{analyzer.name}.{name}") for title in titles), name
            assert item.description or not known


def test_every_error_and_exit_code_is_documented(read: Read) -> None:
    page = read("reference/errors")
    for code, error in error_classes().items():
        part = page.section(f"{code} {error.__name__}")
        first = " ".join((error.__doc__ or "").split()).split(". ")[0].rstrip(".").replace("`", "")
        assert first in part.text
    assert {row[0] for row in page.section("Exit codes").rows[1:]} == {str(int(code)) for code in ExitCode}


def test_every_state_verdict_status_and_preset_is_documented(read: Read) -> None:
    page = read("reference/decisions")
    for title, names in (
        ("States of a gate", get_args(GateState)),
        ("Verdicts", get_args(Verdict)),
        ("Statuses of a result", get_args(Status)),
    ):
        assert {row[0] for row in page.section(title).rows[1:]} == set(names)
    for name in preset_names():
        preset = load_preset(name)
        if not preset.owner:
            rows = {row[0] for row in read("reference/presets").section(f"preset:{name}").rows}
            assert {str(gate.table.id) for gate in preset.gates} <= rows


@pytest.mark.parametrize(
    ("module", "page"),
    [(contracts, "contracts"), (results, "results"), (testing, "testing")],
    ids=["contracts", "results", "testing"],
)
def test_every_public_name_is_documented(module: Any, page: str, read: Read) -> None:
    titles = {part.title for part in read(f"reference/{page}").sections}
    assert set(module.__all__) <= titles


def test_what_a_renderer_makes_safe_is_documented(read: Read) -> None:
    (signature,) = re.findall(r"^def (safe_text\(.*\) -> str):$", inspect.getsource(safe_text), re.MULTILINE)
    page = read("reference/rendering")
    assert signature.replace("LONGEST_NAME", str(safe_text.LONGEST_NAME)) in page.section("safe_text").text
    for name in ("LONGEST_NAME", "LONGEST_TEXT"):
        assert f"{name} = {getattr(safe_text, name)}" in page.section(name).text


def test_every_field_of_the_context_is_described(read: Read) -> None:
    said = {row[0]: row[-1] for row in read("reference/context").section("AuditContext").rows}
    assert [field for field in AuditContext.__dataclass_fields__ if not said[field]] == []


def test_every_field_of_the_record_is_documented(read: Read) -> None:
    rows = {row[0] for row in read("reference/run").section("AuditRun").rows}
    assert {field for field in AuditRun.__dataclass_fields__ if not field.startswith("_")} <= rows


def leaves(nav: Any) -> Iterator[str]:
    """Pages of a navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for item in nav if isinstance(nav, list) else nav.values():
            yield from leaves(item)


def is_there(site: Path, file: Path, link: str, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if not target.is_file() or not target.is_relative_to(site.resolve()):
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].anchors


def keys_of(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str, str]]:
    """Every key that has help, after the heading of its table."""
    for name, item in model.model_fields.items():
        inner = [each for each in tables_in(item.annotation) if each is not model]
        where = f"{path}.{name}" if path else name
        if not inner and (path, name) != ("analyzers.NAME", "parameters"):
            listed = path in ("gates", "waivers")
            title = "Keys of the file itself" if not path else f"[[{path}]]" if listed else f"[{path}]"
            yield title, name, item.description or ""
        for each in inner:
            if (path, name) != ("", "models"):  # its keys are those of [model], under their own heading
                yield from keys_of(each, f"{where}.NAME" if "Mapping" in str(item.annotation) else where)


def tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from tables_in(argument)


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def plain(template: Any) -> str:
    """A sentence of a catalogue as a page shows it."""
    text = template if isinstance(template, str) else template["other"]
    return " ".join(text.replace("`", "").split())
