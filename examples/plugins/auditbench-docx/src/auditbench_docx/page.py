"""A Word document of headings, paragraphs, lists and tables: nothing in it but text, and equal bytes for equal text."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Sequence
from typing import Any

from docx import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

FONTS = {"en": "Calibri", "zh-CN": "Microsoft YaHei"}
_MADE = datetime.datetime(2000, 1, 1)  # noqa: DTZ001 - python-docx takes no zone; the same in every file
_STAMP = (1980, 1, 1, 0, 0, 0)
_HEADER = RGBColor(0x1F, 0x2A, 0x44)


class Page:
    """A document that grows downwards."""

    def __init__(self, title: str, language: str) -> None:
        """Begin with a title."""
        self._document = Document()
        self._speak()
        for section in self._document.sections:
            section.left_margin = section.right_margin = Cm(2)
            section.top_margin = section.bottom_margin = Cm(2)
        about = self._document.core_properties
        about.title, about.author, about.language, about.comments = title, "Auditbench", language, ""
        about.created = about.modified = _MADE
        self._document.add_heading(title, level=0)

    def heading(self, text: str, level: int = 1) -> None:
        """A heading, which Word lists in its navigation."""
        self._document.add_heading(text, level=level)

    def paragraph(self, text: str, *, strong: bool = False) -> None:
        """A paragraph; nothing for an empty text."""
        if text:
            self._document.add_paragraph().add_run(text).bold = strong or None

    def bullets(self, texts: Sequence[str]) -> None:
        """A list."""
        for text in texts:
            self._document.add_paragraph(text, style="List Bullet")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table whose head is repeated on each page; with an empty head none is drawn."""
        lines = [head, *rows] if any(head) else list(rows)
        table = self._document.add_table(rows=len(lines), cols=len(head), style="Table Grid")
        for line, row in zip(lines, table.rows, strict=True):
            for text, cell in zip(line, row.cells, strict=True):
                (paragraph,) = cell.paragraphs
                run = paragraph.add_run(text)
                run.font.size = Pt(9)
                if line is head:
                    run.bold, run.font.color.rgb = True, _HEADER
            row._tr.get_or_add_trPr().append(_flag("w:cantSplit"))  # noqa: SLF001 - python-docx has no name for it
        if lines and lines[0] is head:
            table.rows[0]._tr.get_or_add_trPr().append(_flag("w:tblHeader"))  # noqa: SLF001 - as above
        self._document.add_paragraph()

    def content(self) -> bytes:
        """The file; its parts bear one moment, so that equal documents are equal files."""
        written, packed = io.BytesIO(), io.BytesIO()
        self._document.save(written)
        with zipfile.ZipFile(written) as parts, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(parts.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
                archive.writestr(zipfile.ZipInfo(name, _STAMP), parts.read(name), zipfile.ZIP_DEFLATED)
        return packed.getvalue()

    def _speak(self) -> None:
        """Name fonts and languages of every style, Western and Chinese, so that Word spells and breaks lines as they do."""
        style: Any = self._document.styles["Normal"]
        style.font.name, style.font.size = FONTS["en"], Pt(10.5)
        properties = style.element.get_or_add_rPr()
        properties.rFonts.set(qn("w:eastAsia"), FONTS["zh-CN"])
        tongue = OxmlElement("w:lang")
        tongue.set(qn("w:val"), "en-GB")
        tongue.set(qn("w:eastAsia"), "zh-CN")
        properties.append(tongue)


def _flag(name: str) -> Any:
    flag = OxmlElement(name)
    flag.set(qn("w:val"), "true")
    return flag
