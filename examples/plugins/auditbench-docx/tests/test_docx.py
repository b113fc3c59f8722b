"""The promises of a renderer, and documents read again with python-docx."""

import dataclasses
import io
from pathlib import Path

import pytest
from auditbench_docx import auditbench_renderers, render
from docx import Document
from docx.document import Document as WordDocument

from auditbench.contracts import RenderOptions
from auditbench.run import AuditRun
from auditbench.testing import check_renderer, known_runs

(RENDERER,) = auditbench_renderers()


def drawn(run: AuditRun, folder: Path, language: str = "en") -> WordDocument:
    (content,) = render(run, RenderOptions(folder=folder, language=language)).values()
    return Document(io.BytesIO(content))


def tables(document: WordDocument) -> list[list[list[str]]]:
    return [[[cell.text for cell in row.cells] for row in table.rows] for table in document.tables]


def test_every_promise_is_kept() -> None:
    check_renderer(RENDERER)


def test_the_verdict_and_what_failed_come_first(tmp_path: Path) -> None:
    document = drawn(known_runs.incomplete_run(), tmp_path)
    texts = [paragraph.text for paragraph in document.paragraphs]
    assert texts[1:4] == [
        "Not ready for release",
        "2 gates. Fail: 1, Error: 1.",
        "3 required analyses have no result; see below why.",
    ]
    _, gates, missing, *_ = tables(document)
    assert [row[0] for row in gates] == ["State", "Fail", "Error"]
    assert [row[0] for row in missing[1:]] == [
        known_runs.FAILED,
        known_runs.TIMED_OUT,
        "skipped-analyzer",
        "other-analyzer",
    ]
    assert all(row[2] for row in missing), "each with its reason"


def test_a_metric_stands_with_its_interval_and_its_rows(tmp_path: Path) -> None:
    document = drawn(known_runs.incomplete_run(), tmp_path)
    (metrics,) = [table for table in tables(document) if table[0][:2] == ["Metric", "Value (interval)"]]
    assert metrics[1][1:3] == ["0.8 (0.7 to 0.9)", "100"]
    undefined = metrics[-1]
    assert undefined[1] == "—"
    assert "no rows of one class" in undefined[3]


def test_heads_are_repeated_on_each_page(tmp_path: Path) -> None:
    document = drawn(known_runs.every_block_run(), tmp_path)
    heads = [table for table in document.tables if table._tbl.xpath("./w:tr[1]/w:trPr/w:tblHeader")]
    assert len(heads) == len(document.tables) - 1, "all but the facts, which have none"


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_table_ends_at_the_columns_that_word_opens(language: str, tmp_path: Path) -> None:
    run = known_runs.every_block_run()
    (result, *_) = run.results
    names = tuple(f"class {place}" for place in range(100))
    (matrix,) = result.matrices
    wide = dataclasses.replace(matrix, rows=names, columns=names, values=((0.0,) * 100,) * 100)
    document = drawn(
        dataclasses.replace(run, results=(dataclasses.replace(result, matrices=(wide,)),)), tmp_path, language
    )
    assert max(len(table.columns) for table in document.tables) == 63
    assert [text for paragraph in document.paragraphs if "38" in (text := paragraph.text) and "run.json" in text]


@pytest.mark.parametrize(("language", "title"), [("en", "Gates"), ("zh-CN", "门槛")])
def test_both_languages_are_spoken(language: str, title: str, tmp_path: Path) -> None:
    document = drawn(known_runs.every_block_run(), tmp_path, language)
    headings = [one.text for one in document.paragraphs if one.style and one.style.name == "Heading 1"]
    assert headings[0] == title
    assert not [one.text for one in document.paragraphs if "docx." in one.text], "every key has its sentence"
