"""The card of a run in a notebook: what it says, where it leads, and that text stays text."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from auditbench.arrays import StoredArray
from auditbench.run import AuditRun
from auditbench.run_card import MOST_GATES, run_card
from auditbench.safe_text import LONGEST_TEXT, safe_text
from tests.finished_run import FAILED, NO_VALUE, PASSED, a_run
from tests.hostile_run import LANGUAGES, hostile_run
from tests.hostile_texts import PAGE, TERMINAL, packed

TEXTS = packed(text for text in (*PAGE, *TERMINAL) if len(text) < 1000)


class Card(HTMLParser):
    """The elements of a card with their attributes, and its texts."""

    def __init__(self, run: AuditRun) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(run_card(run))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def shape(self) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in self.elements]

    @property
    def rows(self) -> int:
        return sum(tag == "tr" for tag, _ in self.elements)

    @property
    def links(self) -> list[str | None]:
        return [attributes["href"] for tag, attributes in self.elements if tag == "a"]


def in_folder(folder: Path, **changes: object) -> AuditRun:
    """A run that was read from a folder."""
    keys = StoredArray(path="arrays/row_keys.npy", shape=(1,), dtype="uint64", sha256="0", folder=str(folder))
    return a_run(row_keys=keys, **changes)


def english(**changes: object) -> AuditRun:
    return a_run(config={}, **changes)


def test_a_card_says_the_verdict_the_gates_and_what_is_missing() -> None:
    waived = dataclasses.replace(FAILED, waived_until="2999-01-01", waiver_holds=True)
    ended = dataclasses.replace(FAILED, waived_until="2001-01-01")
    card = Card(english(gates=(PASSED, NO_VALUE, waived, ended, FAILED)))
    assert card.texts[:2] == ["Not ready for release: Loan Model 2", "m, 5 gates on 16,281 rows"]
    assert card.texts[2:6] == ["Gate", "State", "Observed", "Limit"]
    ratio = "fairness.demographic_parity_ratio by sex"
    assert card.texts[6:26] == [
        ratio, "✕ Fail · waiver ended on 2001-01-01", "0.3142 (0.28 to 0.34)", "at least 0.8",
        ratio, "✕ Fail", "0.3142 (0.28 to 0.34)", "at least 0.8",
        ratio, "✕ Fail · waived until 2999-01-01", "0.3142 (0.28 to 0.34)", "at least 0.8",
        ratio, "! Error · advisory", "—", "at most 0.1",
        "performance.accuracy", "✓ Pass", "—", "at least 0.8",
    ]  # fmt: skip
    assert card.texts[26:] == [
        "shap: failed. Because of lens.",
        "lime: not applicable. It needs sensitive features, and the config names none in data.sensitive.",
        "exit code 1",
    ]


def test_a_notebook_asks_the_run_itself() -> None:
    run = english()
    assert run._repr_html_() == run_card(run)
    assert run_card(run) == run_card(run)


def test_the_language_is_that_of_the_report() -> None:
    card = Card(a_run())
    assert card.elements[0][1]["lang"] == "zh-CN"
    assert card.texts[2:6] == ["门槛", "状态", "实测", "限值"]
    assert "不具备发布条件" in card.texts[0]
    assert Card(english()).elements[0][1]["lang"] == "en"
    assert Card(english()).shape == card.shape


@pytest.mark.parametrize(("count", "words"), [(0, None), (1, None), (10, None), (11, "One more gate"), (200, "190 more gates")])  # fmt: skip
def test_many_gates_are_counted(count: int, words: str | None) -> None:
    gates = tuple(dataclasses.replace(PASSED, id=f"g{nth}") for nth in range(count))
    card = Card(english(gates=gates))
    assert card.rows == (min(count, MOST_GATES) + 1 if count else 0)
    assert [text for text in card.texts if "more gate" in text] == ([f"{words} {'is' if 'One' in words else 'are'} in the report."] if words else [])  # fmt: skip


def test_a_gate_that_stops_the_release_is_never_cut() -> None:
    gates = (*(dataclasses.replace(PASSED, id=f"g{nth}") for nth in range(50)), FAILED)
    assert "✕ Fail" in Card(english(gates=gates)).texts


def test_an_interrupted_run_says_so() -> None:
    assert "This run was interrupted; what had finished is kept." in Card(english(status="interrupted")).texts


@pytest.mark.parametrize("name", ["run", "javascript:alert(1)", 'a"b<c>&d e', "ä#?%41"])
def test_the_link_leads_to_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    for given in (folder, Path(name)):
        run = in_folder(given, config={})
        (folder / "report.html").unlink(missing_ok=True)
        assert Card(run).links == []
        (folder / "report.html").write_text("<p>")
        (link,) = Card(run).links
        assert link is not None
        assert link.startswith("./")
        assert not set(link) & set("\"'<>#?: ")
        assert Path(unquote(link)).resolve() == (folder / "report.html").resolve()
        assert str(given / "report.html") in "".join(Card(run).texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_texts_stay_texts(tmp_path: Path, language: str) -> None:
    (tmp_path / "report.html").write_text("")
    keys = StoredArray(path="k", shape=(1,), dtype="uint64", sha256="0", folder=str(tmp_path))

    def card(text: str) -> Card:
        run = hostile_run(text, arrays=False)
        return Card(dataclasses.replace(run, row_keys=keys, config={"report": {"language": language}}))

    plain = card("plain")
    assert {"div", "table", "tr", "a"} <= {tag for tag, _ in plain.elements} <= {
        "div", "table", "thead", "tbody", "tr", "th", "td", "span", "a", "code",
    }  # fmt: skip
    styles = [attributes.get("style") for _, attributes in plain.elements]
    for text in TEXTS:
        hostile = card(text)
        assert hostile.shape == plain.shape
        assert [attributes.get("style") for _, attributes in hostile.elements] == styles
        assert hostile.links == plain.links
        assert any(safe_text(text) in shown for shown in hostile.texts)
        assert [shown for shown in hostile.texts if safe_text(shown, LONGEST_TEXT) != shown] == []
