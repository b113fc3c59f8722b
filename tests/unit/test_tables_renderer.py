from __future__ import annotations

import csv
import dataclasses
import functools
import io
import itertools
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from auditbench.contracts import RenderOptions
from auditbench.findings import GateDecision, Message
from auditbench.messages import load_messages
from auditbench.registry import Registry
from auditbench.results import (
    AnalysisResult,
    Axis,
    Change,
    Curve,
    PairedChange,
    PercentileRow,
    Percentiles,
    Series,
    Table,
)
from auditbench.run import AuditRun
from auditbench.store import is_report_name
from auditbench_tables.comma_separated import file_names, inert, write_csv
from auditbench_tables.sheet import LONGEST_NAME, Sheet, uniquely_named
from auditbench_tables.sheets import sheets
from auditbench_tables.workbook import MOST_COLUMNS, write_workbook
from tests.format_runs import HOSTILE, RUNS, every_run, many_gates, with_baseline
from tests.hostile_run import LANGUAGES, hostile_run
from tests.html_fixture import gate, income_run
from tests.html_results import group_metric

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
FORMULA = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


def read_csv(content: bytes) -> list[list[object]]:
    assert content.startswith(b"\xef\xbb\xbf")
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return list(csv.reader(text, quoting=csv.QUOTE_NONNUMERIC, strict=True))


@functools.lru_cache(maxsize=1)
def workbook_parts(content: bytes) -> dict[str, ET.Element]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: ET.fromstring(archive.read(name)) for name in archive.namelist()}  # noqa: S314 - our own file


def read_workbook(content: bytes) -> dict[str, list[list[object]]]:
    """Cells of each sheet by its name; whatever is neither a number nor text is an error."""
    parts = workbook_parts(content)
    shared = ["".join(item.itertext()) for item in parts["xl/sharedStrings.xml"]]
    names = [sheet.get("name", "") for sheet in parts["xl/workbook.xml"].iter(f"{MAIN}sheet")]
    found = {}
    for index, name in enumerate(names, 1):
        rows: list[list[object]] = []
        for row in parts[f"xl/worksheets/sheet{index}.xml"].iter(f"{MAIN}row"):
            rows += [[]] * (int(row.get("r", "")) - 1 - len(rows))  # rows without a value are left out
            cells: dict[int, object] = {}
            for cell in row:
                letters = re.sub(r"\d", "", cell.get("r", ""))
                place = sum((ord(letter) - 64) * 26**power for power, letter in enumerate(reversed(letters)))
                (value,) = cell
                assert value.tag == f"{MAIN}v"
                cells[place - 1] = shared[int(value.text or "")] if cell.get("t") == "s" else float(value.text or "")
            rows.append([cells.get(place) for place in range(max(cells) + 1)])
        found[name] = rows
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("run", every_run(), ids=RUNS)
def test_workbook_and_files_hold_the_same_cells(run: AuditRun, language: str) -> None:
    found = sheets(run, language=language)
    content = write_workbook(found)
    pages = read_workbook(content)
    assert list(pages) == [sheet.name for sheet in found]
    assert content == write_workbook(sheets(run, language=language))
    for sheet in found:
        assert "tables." not in "".join(sheet.columns)
        heading, *rows = read_csv(write_csv(sheet))
        assert heading == [inert(name) for name in sheet.columns]
        assert rows == [["" if value is None else inert(value) for value in row] for row in sheet.rows]
        assert_same_cells(sheet, pages[sheet.name])


def test_gates_and_metrics_hold_the_numbers_of_the_record() -> None:
    run = income_run()
    found = {sheet.name: sheet for sheet in sheets(run)}
    gates = found["gates"]
    value, low, high = (
        gates.columns.index(name) for name in ("Value", "Low end of the interval", "High end of the interval")
    )
    assert [(row[value], row[low], row[high]) for row in gates.rows] == [(g.value, g.low, g.high) for g in run.gates]
    metrics = [metric for result in run.results for metric in result.metrics]
    assert [row[3] for row in found["metrics"].rows] == [metric.value for metric in metrics]
    tables = [block for result in run.results for block in (*result.tables, *result.curves, *result.matrices)]
    assert {block.name for block in tables} <= {name.partition(".")[2] for name in found}


def test_gates_hold_limits_on_change_and_the_state_of_a_waiver() -> None:
    decision = gate(
        "g", "performance.auc", "fail", max_drop=0.01, min_gain=0.002, value=0.9, gain=-0.0129, gain_low=-0.017,
        gain_high=-0.009, waived_until="2026-01-31",
    )  # fmt: skip
    names = ("max_drop", "min_gain", "gain", "gain_low", "gain_high", "waived_until", "waiver_holds")
    for language, holds in (("en", "no"), ("zh-CN", "否")):
        (gates,) = [s for s in sheets(gated(decision), language=language) if s.name == "gates"]
        catalogue = load_messages("auditbench_tables")[language]
        cells = [gates.rows[0][gates.columns.index(str(catalogue[f"tables.column_{name}"]))] for name in names]
        assert cells == [0.01, 0.002, -0.0129, -0.017, -0.009, "2026-01-31", holds]


def test_changes_since_the_baseline_have_a_sheet() -> None:
    (changes,) = [sheet for sheet in sheets(with_baseline()) if sheet.name == "changes"]
    assert [row[8] for row in changes.rows] == ["Worse", "Within noise", "Changed"]
    assert changes.rows[0][3:8] == (0.92, 0.9071, -0.0129, -0.017, -0.009)
    assert "changes" not in [sheet.name for sheet in sheets(income_run())]


def test_small_groups_are_not_counted() -> None:
    run = income_run()
    small = group_metric("selection_rate", "sex", "Other", 7, 0.4)
    fairness = dataclasses.replace(run.results[4], metrics=(small,))
    (metrics,) = [s for s in sheets(dataclasses.replace(run, results=(fairness,))) if s.name == "metrics"]
    assert metrics.rows[0][metrics.columns.index("Rows")] == "< 10"
    for where in (small.where, {"feature": "sex"}):  # labels that leave the group to be found
        decision = gate("g", "fairness.selection_rate", "pass", where=where, minimum=0.1, value=0.4, n=7)
        run = dataclasses.replace(gated(decision), results=(fairness,))
        (gates,) = [s for s in sheets(run) if s.name == "gates"]
        assert gates.rows[0][gates.columns.index("Rows")] == "< 10"


def test_few_rows_are_not_counted_in_curves_and_changes() -> None:
    label = Message(key="blocks.title")
    axis = Axis(label=label)
    line = Series(label="a", x=(0.1, 0.9), y=(0.2, 0.8), n=(7, 40))
    change = Change(label="b", before=0.2, after=0.3, low=0.0, high=0.2, higher_is_better=True, n=9)
    calls = PercentileRow(label="c", p50=1.0, p95=2.0, p99=3.0, n=8)
    result = AnalysisResult(
        analyzer="odd",
        topic="odd",
        curves=(Curve(name="curve", title=label, x=axis, y=axis, series=(line,)),),
        paired_changes=(PairedChange(name="change", title=label, rows=(change,), method="bootstrap"),),
        percentiles=(Percentiles(name="calls", title=label, unit="ms", rows=(calls,)),),
    )
    found = {sheet.name: sheet for sheet in sheets(dataclasses.replace(many_gates(0), results=(result,)))}
    last = [[row[-1] for row in found[f"odd.{name}"].rows] for name in ("curve", "change", "calls")]
    assert last == [["< 10", 40], ["< 10"], [8]]
    assert found["odd.calls"].columns[-1] == "Calls"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_cell_is_a_formula_or_a_link(text: str) -> None:
    found = sheets(hostile_run(text))
    content = write_workbook(found)
    assert names_in(content) <= harmless_names()
    for sheet, page in zip(found, read_workbook(content).values(), strict=True):
        assert_same_cells(sheet, page)
        for cell in itertools.chain.from_iterable(read_csv(write_csv(sheet))):
            parts = re.split(r"""[,;|\t"]""", cell) if isinstance(cell, str) else ()
            assert not [part for part in parts if part.strip().startswith(FORMULA)]
    assert all(is_report_name(name) for name in file_names(found))


def test_nothing_in_a_harmless_workbook_computes_or_leads_elsewhere() -> None:
    acting = {"f", "hyperlink", "externalReference", "externalLink", "ddeLink", "oleLink", "definedName", "TargetMode"}
    assert harmless_names().isdisjoint(acting)


@functools.cache
def harmless_names() -> set[str]:
    return names_in(write_workbook(sheets(hostile_run(" =1"))))


def names_in(content: bytes) -> set[str]:
    """Names of the elements and attributes of a workbook."""
    elements = [element for part in workbook_parts(content).values() for element in part.iter()]
    return {name.rpartition("}")[2] for element in elements for name in (element.tag, *element.attrib)}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1", "'=1"),
        (" +1", " '+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        ("a;=1", "a;'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a-b", "a-b"),
        (-1.5, -1.5),
    ],
)
def test_text_that_begins_a_formula_gets_an_apostrophe(value: float | str, expected: float | str) -> None:
    assert inert(value) == expected


def test_names_of_sheets_are_short_and_differ() -> None:
    names = ["a.b", "A.B", "a/b", "x" * 40, "x" * 41, "数据", "", "con", "=1"]
    found = [sheet.name for sheet in uniquely_named(Sheet(name=name, columns=(), rows=()) for name in names)]
    assert found[0] == "a.b"
    assert len({name.lower() for name in found}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) and len(name) <= LONGEST_NAME for name in found)
    assert all(is_report_name(name) for name in file_names(Sheet(name=name, columns=(), rows=()) for name in found))


def test_only_the_workbook_needs_a_further_package(tmp_path: Path) -> None:
    registry = Registry()
    workbook, files = (registry.renderer(name).record for name in ("xlsx", "csv"))
    assert workbook.needs.packages == ("xlsxwriter",)
    assert workbook.needs.extra == "xlsx"
    assert files.needs.packages == ()
    options = RenderOptions(folder=tmp_path)
    assert set(workbook.render(many_gates(1), options)) == {"tables.xlsx"}
    assert {"table-gates.csv", "table-metrics.csv", "table-findings.csv"} <= set(files.render(many_gates(1), options))


def test_a_table_without_rows_keeps_its_heading() -> None:
    run = income_run()
    performance, *others = run.results
    empty: tuple[Table, ...] = tuple(dataclasses.replace(table, rows=()) for table in run.results[5].tables)
    run = dataclasses.replace(run, results=(dataclasses.replace(performance, tables=empty), *others))
    (sheet,) = [sheet for sheet in sheets(run) if sheet.name == f"performance.{empty[0].name}"]
    assert read_csv(write_csv(sheet)) == [list(sheet.columns)]


def test_a_table_too_large_for_a_workbook_is_refused() -> None:
    columns = tuple(f"c{index}" for index in range(MOST_COLUMNS + 1))
    assert write_workbook([Sheet(name="wide", columns=columns[:-1], rows=())])
    with pytest.raises(ValueError, match=r"at most 16384 columns in wide, got 16385; use `csv`"):
        write_workbook([Sheet(name="wide", columns=columns, rows=())])


def gated(*gates: GateDecision) -> AuditRun:
    return dataclasses.replace(income_run(), gates=gates, waivers=())


def assert_same_cells(sheet: Sheet, page: list[list[object]]) -> None:
    """Text is text and numbers are numbers on a page of the workbook, in the same places."""
    assert page[0] == list(sheet.columns)
    for cells, row in itertools.zip_longest(page[1:], sheet.rows, fillvalue=()):
        padded = [*cells, *[None] * (len(row) - len(cells))]
        assert padded == [value or None if isinstance(value, str) else _sixteen_digits(value) for value in row]


def _sixteen_digits(value: float | None) -> float | None:
    """A number as a workbook holds it."""
    return None if value is None else float(f"{value:.16G}")
