"""Text from outside stays visible, short and on its line, and ordinary text stays as it is."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.errors import ConfigError, Problem
from auditbench.safe_text import LONGEST_NAME, LONGEST_TEXT, code_of, safe_text

UNSEEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp", "Zs"}
# Those of Default_Ignorable_Code_Point that are letters or marks, and a pattern of Braille without a dot.
BLANK = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
ANY_TEXT = st.text(st.characters()) | st.text(st.characters(categories=["Cc", "Cf", "Co", "Cs", "Zl", "Zp"]))
PLAIN_LETTERS = st.characters(categories=["L", "Mc", "N", "P", "S"], include_characters=" ")
PLAIN_TEXT = st.lists(PLAIN_LETTERS | st.tuples(PLAIN_LETTERS, st.text(st.characters(categories=["Mn", "Me"]), max_size=4)).map("".join)).map("".join).filter(lambda text: not BLANK.search(text))  # fmt: skip
PILES = st.text(st.sampled_from("a \n\u0301\u20dd\u034f\ufe0f"))


def holds_pile(text: str) -> bool:
    """Whether a letter has more than four marks."""
    return "MMMMM" in "".join("M" if unicodedata.category(c) in {"Mn", "Me"} else "-" for c in text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("", "", id="empty"),
        pytest.param("年龄 عمر e\u0301 😀 ½", "年龄 عمر e\u0301 😀 ½", id="other-scripts-stay"),
        pytest.param("a\u00a0b\u3000c\u2009", "a⟨U+00A0⟩b⟨U+3000⟩c⟨U+2009⟩", id="blanks-but-the-space"),
        pytest.param("age\ufe0f\u034f", "age⟨U+FE0F⟩⟨U+034F⟩", id="marks-that-draw-nothing"),
        pytest.param("\u180b\u180f\U000e0100", "⟨U+180B⟩⟨U+180F⟩⟨U+E0100⟩", id="selectors-of-variants"),
        pytest.param("ag\u17b4e\u17b5", "ag⟨U+17B4⟩e⟨U+17B5⟩", id="vowels-that-draw-nothing"),
        pytest.param("a" + 4 * "\u0301" + "b", "a" + 4 * "\u0301" + "b", id="four-marks-on-a-letter-stay"),
        pytest.param("a" + 6 * "\u0301", "a" + 4 * "\u0301" + 2 * "⟨U+0301⟩", id="no-pile-of-marks"),
        pytest.param("a" + 5 * "\u20dd", "a" + 4 * "\u20dd" + "⟨U+20DD⟩", id="no-pile-of-circles"),
        pytest.param("a\nb\rc\r\nd\te", "a↵b↵c↵d⇥e", id="line-ends-and-tabs"),
        pytest.param("\r\r\n\n", "↵↵↵", id="each-line-end-once"),
        pytest.param("\x00\x1b[31m\x7f\x9b", "⟨U+0000⟩⟨U+001B⟩[31m⟨U+007F⟩⟨U+009B⟩", id="control"),
        pytest.param("\x0b\x0c\x85\u2028\u2029", "⟨U+000B⟩⟨U+000C⟩⟨U+0085⟩⟨U+2028⟩⟨U+2029⟩", id="other-line-ends"),
        pytest.param("a\u202eb\u2066c\u200e", "a⟨U+202E⟩b⟨U+2066⟩c⟨U+200E⟩", id="direction"),
        pytest.param("a\u200b\u200d\ufeff\u00ad", "a⟨U+200B⟩⟨U+200D⟩⟨U+FEFF⟩⟨U+00AD⟩", id="without-width"),
        pytest.param("\ue000\U0010fffd", "⟨U+E000⟩⟨U+10FFFD⟩", id="private-use"),
        pytest.param("\udcff", "⟨U+DCFF⟩", id="surrogate"),
        pytest.param("\uffff\u0378", "⟨U+FFFF⟩⟨U+0378⟩", id="unassigned"),
        pytest.param("\U000e0041", "⟨U+E0041⟩", id="tag"),
        pytest.param("Female\u3164", "Female⟨U+3164⟩", id="letter-that-draws-nothing"),
        pytest.param("⟨U+0000⟩", "⟨U+0000⟩", id="text-that-looks-like-a-code-stays"),
    ],
)
def test_what_would_not_be_seen_is_shown(text: str, shown: str) -> None:
    assert safe_text(text) == shown


@pytest.mark.parametrize(
    ("text", "longest", "shown"),
    [
        pytest.param("abcdef", 6, "abcdef", id="fits"),
        pytest.param("abcdefg", 6, "abcde…", id="one-too-many"),
        pytest.param("ab\x00", 10, "ab⟨U+0000⟩", id="code-fits"),
        pytest.param("ab\x00", 9, "ab…", id="no-half-code"),
        pytest.param("\x00", 1, "…", id="only-a-dot"),
        pytest.param("\r\n" * 4, 4, "↵↵↵↵", id="pairs-count-once"),
        pytest.param("\r\n" * 5, 4, "↵↵↵…", id="too-many-pairs"),
    ],
)
def test_text_that_is_too_long_loses_its_end(text: str, longest: int, shown: str) -> None:
    assert safe_text(text, longest) == shown


def test_a_name_has_120_characters() -> None:
    assert len(safe_text("n" * 300)) == LONGEST_NAME == 120


@pytest.mark.parametrize("longest", [0, -1])
def test_no_room_is_refused(longest: int) -> None:
    with pytest.raises(ValueError, match=f"expected longest >= 1, got {longest}"):
        safe_text("", longest)


@given(ANY_TEXT | PILES, st.integers(1, 200))
def test_safe_text_is_visible_bounded_and_safe_itself(text: str, longest: int) -> None:
    safe = safe_text(text, longest)
    assert not [character for character in safe.replace(" ", "") if unicodedata.category(character) in UNSEEN]
    assert not BLANK.search(safe)
    assert not holds_pile(safe)
    assert len(safe) <= longest
    assert safe_text(safe, longest) == safe


@given(PLAIN_TEXT)
def test_plain_text_that_fits_is_unchanged(text: str) -> None:
    assert safe_text(text, max(1, len(text))) == text


@given(ANY_TEXT.filter(lambda text: not holds_pile(text)))
def test_every_character_is_itself_or_its_code(text: str) -> None:
    expected = text.replace("\r\n", "\n")
    signs = {"\n": "↵", "\r": "↵", "\t": "⇥"}
    shown = "".join(
        signs.get(c) or (code_of(c) if c != " " and (unicodedata.category(c) in UNSEEN or BLANK.match(c)) else c)
        for c in expected
    )
    assert safe_text(text, LONGEST_TEXT) == shown


def test_errors_hold_each_part_on_its_line() -> None:
    hostile = "x\n  fix: \x1b[2Jrun rm"
    error = ConfigError(hostile, where=hostile, found=hostile, allowed=hostile, fix=hostile)
    assert "\x1b" not in str(error)
    assert error.describe().count("\n") == 3
    assert [line.split(":")[0] for line in error.describe().split("\n")[1:]] == ["  found", "  allowed", "  fix"]
    assert all(note.count("\n") == 3 and "\x1b" not in note for note in error.__notes__)
    assert Problem(message=hostile).lines() == ["x↵  fix: ⟨U+001B⟩[2Jrun rm"]


def test_an_error_takes_what_a_plugin_gives_it_for_text() -> None:
    assert str(ConfigError(ValueError("no\n"))) == "no↵"  # type: ignore[arg-type]
