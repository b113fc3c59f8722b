"""Blocks of a plugin's own kind: what their data may hold, how they are recorded, and that every format shows their table."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema
import numpy as np
import pytest

from auditbench.contracts import Analyzer, RenderOptions
from auditbench.errors import ResultError
from auditbench.findings import Message
from auditbench.plugin_entries import PluginEntry
from auditbench.registry import Provided, Registry
from auditbench.results import AnalysisResult, Column, CustomBlock, Table
from auditbench.results.custom import MOST_DEPTH, MOST_INTEGER, MOST_VALUES
from auditbench.run import AuditRun
from auditbench.run_file import decode_run, encode_run, is_repeatable, run_schema
from auditbench.testing import messages_in, missing_words, toy_context
from auditbench.worker.analysis import Outcome, run_analyzer
from auditbench.worker.hidden_inputs import without_inputs
from auditbench.worker.result_size import MOST_TEXT
from auditbench_html.render import render_report
from tests.html_fixture import income_run
from tests.html_page import parse

LABELS = {"title": "Where decisions go", "outcome": "Outcome", "share": "Share decided alike"}
TABLE = Table(
    name="flow_shares",
    title=Message(key="flow.title"),
    columns=(
        Column(name="outcome", label=Message(key="flow.outcome")),
        Column(name="share", label=Message(key="flow.share"), kind="number"),
    ),
    rows=(("no", 0.8125), ("yes", 0.59375)),
)
MADE_ALIKE = ("markdown", "model-card", "csv", "xlsx", "sarif", "junit")


def nested(depth: int) -> dict[str, Any]:
    data: dict[str, Any] = {"end": 1}
    for _ in range(depth - 1):
        data = {"a": data}
    return data


def in_a_circle() -> dict[str, Any]:
    circle: dict[str, Any] = {}
    circle["itself"] = [circle]
    return circle


def doubled(times: int) -> dict[str, Any]:
    """Few objects that stand for two to the power of `times` values."""
    part: list[Any] = []
    for _ in range(times):
        part = [part, part]
    return {"a": part}


def block(data: Any = MappingProxyType({"links": (("no", "yes", 3),)}), **fields: Any) -> CustomBlock:
    return CustomBlock(**{"name": "flow", "kind": "flow.sankey", "data": data, "table": TABLE, **fields})


def a_run(**fields: Any) -> AuditRun:
    """The income audit and one more analyzer."""
    run = income_run()
    result = AnalysisResult(analyzer="flow-late", topic="flow", version="1", **fields)
    words = {f"flow.{name}": text for name, text in LABELS.items()}
    messages = {language: {**run.messages["en"], **words} for language in ("en", "zh-CN")}
    return dataclasses.replace(run, results=(*run.results, result), messages=messages)


def written_run(**fields: Any) -> AuditRun:
    """A run of that analyzer alone, which has no arrays in memory."""
    run = a_run(**fields)
    return dataclasses.replace(run, results=run.results[-1:])


def analyzed(*blocks: CustomBlock) -> Outcome:
    """What the host makes of them, returned by the analyzer `flow-late` of the plugin `flow`."""
    analyzer = Analyzer(
        name="flow-late", topic="flow", summary="", analyze=lambda *_: AnalysisResult(custom_blocks=blocks)
    )
    origin = PluginEntry(name="flow", module="m", distribution="flows", version="1")
    return run_analyzer(Provided(record=analyzer, origin=origin), toy_context(), Registry())


def test_data_is_kept_as_a_copy_of_plain_json() -> None:
    links = [1, (2.5, None)]
    made = block({"links": links, "names": MappingProxyType({"a": "ä", "b": True})})
    links.append(3)
    assert made.data == {"links": [1, [2.5, None]], "names": {"a": "ä", "b": True}}
    assert json.loads(json.dumps(made.data)) == made.data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (["no", "mapping"], "list"),
        ({"a": float("nan")}, "nan"),
        ({"a": [float("-inf")]}, "-inf"),
        ({"a": {1: "one"}}, "a key of type int"),
        ({"a": b"x"}, "a value of type bytes"),
        ({"a": np.float32(1)}, "a value of type float32"),
        ({"a": np.ones(2)}, "a value of type ndarray"),
        ({"a": {1.5}}, "a value of type set"),
        ({"a": -MOST_INTEGER - 1}, "an integer beyond 2**53"),
        (nested(MOST_DEPTH + 1), f"more than {MOST_DEPTH} levels"),
        (in_a_circle(), f"more than {MOST_DEPTH} levels"),
        ({"a": [0] * (MOST_VALUES - 1)}, "more than that"),
        (doubled(18), "more than that"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_data_that_is_no_plain_json_is_refused(data: Any, words: str) -> None:
    with pytest.raises(ResultError) as caught:
        block(data)
    assert (caught.value.problems[0].where, caught.value.problems[0].found) == ("flow", words)


@pytest.mark.parametrize(
    "data", [{}, nested(MOST_DEPTH), {"a": [0] * (MOST_VALUES - 2)}, {"a": -MOST_INTEGER}], ids=lambda _: ""
)
def test_data_within_the_limits_is_kept(data: dict[str, Any]) -> None:
    assert block(data).data == data


def test_a_block_is_written_and_read_back() -> None:
    run = written_run(custom_blocks=(block(),))
    content = encode_run(run)
    again = decode_run(content)
    assert again.results[-1].custom_blocks == run.results[-1].custom_blocks
    assert encode_run(again) == content
    assert json.loads(content)["results"][-1]["custom_blocks"][0]["data"] == {"links": [["no", "yes", 3]]}


@pytest.mark.parametrize("blocks", [(), (block(),)], ids=["without", "with"])
def test_the_schema_of_a_run_knows_them(blocks: tuple[CustomBlock, ...]) -> None:
    schema = run_schema()
    jsonschema.validate(json.loads(encode_run(written_run(custom_blocks=blocks))), schema)
    assert "CustomBlock" in schema["$defs"]
    broken = json.loads(encode_run(written_run(custom_blocks=(block(),))))
    del broken["results"][-1]["custom_blocks"][0]["table"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_a_run_without_them_is_written_as_before_there_were_any() -> None:
    fields = {field.name for field in dataclasses.fields(AnalysisResult)}
    (result,) = json.loads(encode_run(written_run()))["results"]
    assert fields - result.keys() == {"custom_blocks"}


def test_a_block_of_a_clock_stands_under_volatile() -> None:
    clocked = block(name="times", table=dataclasses.replace(TABLE, repeatable=False))
    run = written_run(custom_blocks=(clocked, block()))
    document = json.loads(encode_run(run))
    assert [found["name"] for found in document["results"][-1]["custom_blocks"]] == ["flow"]
    assert [found["name"] for found in document["volatile"]["results"][-1]["custom_blocks"]] == ["times"]
    assert decode_run(encode_run(run)).results[-1].custom_blocks == (block(), clocked)
    assert not is_repeatable(run.results[-1])
    assert is_repeatable(written_run(custom_blocks=(block(),)).results[-1])


@pytest.mark.parametrize("kind", ["flow.sankey", "flow.sankey.2"])
def test_a_kind_that_begins_with_the_plugin_is_taken(kind: str) -> None:
    outcome = analyzed(block(kind=kind))
    assert outcome.result.status == "ok", outcome.details
    assert outcome.result.custom_blocks == (block(kind=kind),)


@pytest.mark.parametrize("kind", ["other.sankey", "flow-late.sankey", "flow", "flow.", "flow.Sankey", "flow.a b", "flowers.a", ""])  # fmt: skip
def test_a_kind_of_somebody_else_is_refused(kind: str) -> None:
    reason = analyzed(block(kind=kind)).result.reason
    assert reason is not None
    assert reason.key == "core.invalid_result"
    assert "`flow.`" in str(reason.values["error"])


def test_two_blocks_have_two_names() -> None:
    reason = analyzed(block(), block()).result.reason
    assert reason is not None
    assert "different names for the custom blocks" in str(reason.values["error"])


@pytest.mark.parametrize("value", [7, ("x",), (TABLE,)], ids=["number", "text", "table"])
def test_something_else_in_their_place_is_no_result(value: Any) -> None:
    assert analyzed(*(value if isinstance(value, tuple) else (value,))).result.status == "failed"


def test_text_in_data_counts_for_the_size_of_a_result() -> None:
    reason = analyzed(block({"a": "x" * (MOST_TEXT + 1)})).result.reason
    assert reason is not None
    assert "characters" in str(reason.values["error"])


def test_data_stays_where_inputs_are_hidden_like_the_cells_of_a_table() -> None:
    result = AnalysisResult(custom_blocks=(block(),), tables=(TABLE,))
    assert without_inputs(result) == result


def test_the_words_of_its_table_are_looked_for() -> None:
    result = AnalysisResult(custom_blocks=(block(),))
    assert {message.key for message in messages_in(result)} == {f"flow.{name}" for name in LABELS}
    analyzer = Analyzer(name="flow", topic="flow", summary="", analyze=lambda *_: result)
    assert missing_words(analyzer, result) == tuple(sorted(f"flow.{name}" for name in LABELS))


@pytest.mark.parametrize("name", MADE_ALIKE)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_format_says_what_it_says_of_a_table_of_the_analyzer(name: str, language: str, tmp_path: Path) -> None:
    renderer = Registry().renderer(name).record
    options = RenderOptions(folder=tmp_path, language=language)
    own = renderer.render(a_run(tables=(TABLE,)), options)
    assert dict(renderer.render(a_run(custom_blocks=(block(),)), options)) == dict(own)
    if name in ("csv", "xlsx"):
        assert dict(renderer.render(a_run(), options)) != dict(own)


def test_the_page_draws_the_table_and_says_who_may_draw_more() -> None:
    def section(**fields: Any) -> Any:
        return parse(render_report(a_run(**fields))).one("section", id="flow")

    custom, own = section(custom_blocks=(block(),)), section(tables=(TABLE,))
    assert custom.one("table").text == own.one("table").text
    assert "0.8125" in custom.one("table").text
    assert custom.text == own.text.replace(*_source(own.text, "a renderer that knows flow.sankey may draw more"))


def test_a_block_alone_is_something_to_say() -> None:
    def said_of_nothing(**fields: Any) -> int:
        return render_report(a_run(**fields)).decode().count("finished with nothing to report")

    assert said_of_nothing() == said_of_nothing(custom_blocks=(block(),)) + 1


def test_a_table_without_lines_is_drawn_nowhere() -> None:
    empty = dataclasses.replace(TABLE, rows=())
    assert b"may draw more" not in render_report(a_run(custom_blocks=(block(table=empty),)))


def _source(text: str, more: str) -> tuple[str, str]:
    """The source line of the one figure of a section, and the same with one thing more."""
    start = text.index("Figure ")
    line = text[start : text.index("analyzer flow-late 1", start)] + "analyzer flow-late 1"
    return line, f"{line} · {more}"
