"""An analyzer with a block of its own kind, and a renderer of another distribution that knows the kind and draws its data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench.run import AuditRun
from auditbench.run_file import read_run
from tests.html_page import parse
from tests.in_process_worker import workers_in_this_process
from tests.integration.probe_audit import audit, probe_site

ANALYZER = """
from auditbench.findings import Message
from auditbench.results import Column, CustomBlock, Table

def analyze(context, params):
    right = context.model.decisions(context.outputs) == context.data.y_true
    links = [["no", "right", int(right.sum())], ["no", "wrong", int((~right).sum())]]
    columns = (
        Column(name="to", label=Message(key="flow.to")),
        Column(name="n", label=Message(key="flow.rows"), kind="count"),
    )
    table = Table(name="links", title=Message(key="flow.title"), columns=columns, rows=tuple((b, n) for _, b, n in links))
    block = CustomBlock(name="links", kind="flow.sankey", data={"links": links}, table=table)
    return AnalysisResult(custom_blocks=(block,))

@hookimpl
def auditbench_analyzers():
    words = {"en": {"flow.to": "Decided", "flow.rows": "Rows", "flow.title": "Where decisions go"}}
    yield Analyzer(name="flow", topic="flow", summary="Flows", analyze=analyze, messages=words)
"""
RENDERER = """
def render(run, options):
    lines = []
    for result in run.results:
        for block in result.custom_blocks:
            if block.kind == "flow.sankey":
                lines += [f'<path stroke-width="{n}"><title>{a} to {b}</title></path>' for a, b, n in block.data["links"]]
    return {"flow.svg": f"<svg>{''.join(lines)}</svg>".encode()}

@hookimpl
def auditbench_renderers():
    yield Renderer(name="chart-of-flows", summary="Draws flow.sankey", render=render)
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AuditRun, Path]]:
    """A finished audit in four formats, of which the last is the third party's."""
    folder, out = tmp_path_factory.mktemp("flows"), tmp_path_factory.mktemp("out") / "run"
    with probe_site(folder) as site, workers_in_this_process():
        site.add("flow", ANALYZER)
        site.add("chart-of-flows", RENDERER, distribution="charts")
        formats = ["json", "html", "csv", "chart-of-flows"]
        yield audit(folder, "[analyzers.flow]\n", out, formats=formats), out


def test_a_renderer_that_knows_the_kind_draws_its_data(drawn: tuple[AuditRun, Path]) -> None:
    run, out = drawn
    (block,) = run.results[0].custom_blocks
    assert run.warnings == ()
    picture = (out / "flow.svg").read_text()
    assert [f'<path stroke-width="{n}"><title>{a} to {b}' in picture for a, b, n in block.data["links"]] == [True] * 2
    assert sum(n for _, _, n in block.data["links"]) == run.data.rows


def test_every_other_format_shows_its_table(drawn: tuple[AuditRun, Path]) -> None:
    run, out = drawn
    rows = [(name, n) for _, name, n in run.results[0].custom_blocks[0].data["links"]]
    section = parse((out / "report.html").read_bytes()).one("section", id="flow")
    assert all(f"{name}{n}" in section.one("table").text for name, n in rows)
    assert "a renderer that knows flow.sankey may draw more" in section.text
    assert all(f'"{name}",{n}\n' in (out / "table-flow.links.csv").read_text() for name, n in rows)


def test_the_record_holds_it(drawn: tuple[AuditRun, Path]) -> None:
    run, out = drawn
    assert read_run(out) == run
    (result,) = json.loads((out / "run.json").read_bytes())["results"]
    assert result["custom_blocks"][0]["kind"] == "flow.sankey"
