"""Every method that an analyzer of explanations can use has an entry: source, formula, assumptions, needs, failures."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench.contract_checks import misfits
from auditbench.contracts import Analyzer, MethodFacts
from auditbench.messages import LANGUAGES
from auditbench.results.methods import FACT_PARTS

PLUGINS = sorted(path.parent.name for path in Path(__file__).parents[2].glob("plugins/*/__init__.py"))
NO_METHOD = {"auto"}
"""Values of a parameter `method` that leave the choice to the analyzer."""
SOURCE = re.compile(
    r"(arXiv:\d{4}\.\d{4,5}|doi:10\.\d{4,}/\S+|\w.* (1[89]|20)\d\d, \w.*)(, (eq|sec|theorem|section|algorithm).*)?"
)
PAPER = re.compile(r"arXiv:\d{4}\.\d{4,5}|doi:10\.[\w./-]*\w", re.ASCII)


def analyzers_of(plugin: str) -> tuple[Analyzer, ...]:
    return tuple(importlib.import_module(plugin).auditbench_analyzers())


def methods_of(plugin: str) -> Iterator[tuple[Analyzer, MethodFacts]]:
    for analyzer in analyzers_of(plugin):
        for method in analyzer.methods:
            yield analyzer, method


def said(analyzer: Analyzer, language: str, key: str) -> str:
    return str(analyzer.messages.get(language, {}).get(key, ""))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_method_that_may_be_asked_for_has_facts(plugin: str) -> None:
    for analyzer in analyzers_of(plugin):
        if analyzer.topic != "explanation":
            continue
        parameters = analyzer.Params.model_json_schema()["properties"] if analyzer.Params else {}
        asked = set(parameters.get("method", {}).get("enum", ())) - NO_METHOD
        assert analyzer.methods
        assert {f"{analyzer.name}.{name}" for name in asked} <= {method.name for method in analyzer.methods}
        assert list(misfits(analyzer)) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_part_is_said_in_both_languages(plugin: str, language: str) -> None:
    stop = "。" if language == "zh-CN" else "."
    for analyzer, method in methods_of(plugin):
        parts = {part: said(analyzer, language, method.key(part)) for part in FACT_PARTS}
        assert all(text and "{" not in text for text in parts.values()), (method.name, parts)
        assert all(parts[part].endswith(stop) for part in ("assumes", "needs", "fails")), (method.name, parts)
        assert not parts["title"].endswith((".", "。"))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_sources_are_papers(plugin: str) -> None:
    for _, method in methods_of(plugin):
        assert method.source
        for source in method.source:
            assert SOURCE.fullmatch(source), source


@pytest.mark.parametrize("plugin", PLUGINS)
def test_both_languages_cite_the_same_papers(plugin: str) -> None:
    for analyzer, method in methods_of(plugin):
        for part in FACT_PARTS:
            english, chinese = (PAPER.findall(said(analyzer, language, method.key(part))) for language in LANGUAGES)
            assert english == chinese, method.key(part)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_no_words_are_left_of_a_method_that_is_gone(plugin: str) -> None:
    for analyzer in analyzers_of(plugin):
        known = {method.key(part) for method in analyzer.methods for part in FACT_PARTS}
        for language, templates in analyzer.messages.items():
            found = {key for key in templates if key.startswith(f"{analyzer.name}.facts.")}
            assert found == known, language


@pytest.mark.parametrize("plugin", PLUGINS)
def test_methods_explain_inputs_that_their_analyzer_takes(plugin: str) -> None:
    for analyzer, method in methods_of(plugin):
        if analyzer.needs.modalities:
            assert set(method.modalities) <= set(analyzer.needs.modalities), method.name
