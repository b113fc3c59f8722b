from __future__ import annotations

import dataclasses
import functools
import re
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auditbench.findings import Message
from auditbench_html.view.markdown import code, to_markdown
from auditbench_html.view.outline import one_line, outline
from auditbench_html.view.text import name_text, words
from auditbench_markdown.comment import LONGEST, MARK, render_comment
from auditbench_markdown.fitting import Part, fit, size
from tests.format_runs import HOSTILE, RUNS, every_run, many_gates, nothing_finished, with_baseline
from tests.hostile_run import LANGUAGES, hostile_run
from tests.hostile_texts import harmless
from tests.html_fixture import income_run
from tests.rendered_markdown import active, elements, rendered


def comment(run: object, language: str = "en") -> str:
    return render_comment(run, language=language).decode("utf-8")  # type: ignore[arg-type]


def test_the_comment_says_verdict_gates_and_findings() -> None:
    run = income_run()
    text = comment(run)
    told = outline(run, "auditbench_markdown", "en")
    assert text.startswith(f"{MARK}\n\n### ✖ Not ready for release: `Adult income model` `1.0`\n")
    bullets = [line for line in text.splitlines() if line.startswith("- **")]
    named = [re.search(r"`([a-z-]+)`:", line).group(1) for line in bullets]  # type: ignore[union-attr]
    assert named == ["parity-sex", "parity-race", "recall", "calibration", "opportunity-sex", "validity"]
    assert all(f"`{line.row.gate}`" in text for line in told.gates)
    assert "0.312 (0.287 to 0.338), outside its limit of at least 0.80." in bullets[0]
    assert "Waived until `2027-01-31`. Waived by `A. Reviewer`: `accepted for the pilot`" in bullets[3]
    assert "*Do:* Reweight or constrain by `sex`" in text
    assert "`report.html`" in text.splitlines()[-1]


def test_the_baseline_is_told_only_where_there_is_one() -> None:
    text = comment(with_baseline())
    assert "on the 16,281 rows that both runs evaluated" in text
    assert "`parity-sex`, Demographic parity ratio by `sex`: Pass in the baseline, Fail now." in text
    assert (
        "**▼ Worse** Area under the ROC curve: 0.9200 before, 0.9071 now, a change of −0.0129 (−0.0170 to −0.0090)."
        in text
    )
    assert "**✚ New finding.** Women are predicted" in text
    assert "One metric stayed within noise." in text
    assert "installed packages" in text
    assert "baseline" not in comment(income_run())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("run", every_run(), ids=RUNS)
def test_every_run_has_a_comment_within_the_limit(run: object, language: str) -> None:
    text = comment(run, language)
    assert size(text) <= LONGEST
    assert comment(run, language) == text
    assert not re.search(r"markdown\.[a-z_]+|\{[a-z]", text), "a key or a placeholder was left"


@pytest.mark.parametrize("longest", [6_000, 20_000, LONGEST])
def test_what_does_not_fit_is_counted(longest: int) -> None:
    text = render_comment(many_gates(200), longest=longest).decode("utf-8")
    shown = len(re.findall(r"^(?:- \*\*.*|\| )`a-gate", text.replace(", `a-gate", "`a-gate"), re.MULTILINE))
    left_out = sum(int(n.replace(",", "")) for n in re.findall(r"([\d,]+) more gates are left out", text))
    assert size(text) <= longest
    assert shown + left_out == 200
    assert bool(left_out) == (longest < LONGEST)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["n" * 300, "组" * 300, "😀" * 300, "`|<&*" * 60, "\x00" * 300], ids=range(5))
def test_gates_with_long_names_stay_within_the_limit(name: str, language: str) -> None:
    message = Message(key=name, values={name: name})
    gates = tuple(
        dataclasses.replace(
            decision, id=f"{index}{name}", metric=f"performance.{name}", where={name: name}, unit=name,
            waived_until=name, explanation=name * 2, reason=message if decision.value is None else None,
        )
        for index, decision in enumerate(many_gates(200).gates)
    )  # fmt: skip
    text = comment(dataclasses.replace(many_gates(200), gates=gates, warnings=(message,)), language)
    assert LONGEST - 4000 < size(text) <= LONGEST
    page = rendered(text)
    shown = [*page.every("ul")[0].every("li"), *(row for row in page.one("table").every("tr") if row.every("code"))]
    left_out = re.findall(r"(\d+) more gates|略去另外 (\d+) 项门槛", text)
    assert len(shown) + sum(int(english or chinese) for english, chinese in left_out) == 200
    assert active(page) == []


def test_nothing_finished_is_not_told_as_a_pass() -> None:
    text = comment(nothing_finished())
    assert "### ◆ Nothing was evaluated" in text
    assert "`RuntimeError: no room`" in text
    assert "✔" not in text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_does_nothing(text: str) -> None:
    shown = whole_comment(text)
    tree = rendered(shown)
    assert elements(tree) == elements_of(harmless(text))
    assert active(tree) == []
    assert {line.count("|") for line in shown.splitlines() if line.startswith("|")} == {6}


def test_a_harmless_comment_has_no_element_that_acts() -> None:
    assert {name for name, *_ in elements_of(harmless(""))} == {
        "h3", "h4", "p", "ul", "ol", "li", "strong", "em", "code", "details", "summary",
        "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip


def whole_comment(text: str) -> str:
    """The comment with a text in every slot, and nothing left out."""
    return render_comment(hostile_run(text), longest=10**7).decode("utf-8")


@functools.cache
def elements_of(text: str) -> Counter[tuple[str, ...]]:
    return elements(rendered(whole_comment(text)))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text("`*_[]()<>|~$@#:/.w&;!^-+=\\{} a1", max_size=60))
@example("0@.A")
@example("`0``0`")
def test_words_and_names_show_as_they_are(text: str) -> None:
    for shown in (words(text), name_text(text)):
        tree = rendered(f"x {to_markdown(shown)} x")
        assert {element.name for element in tree.every()} <= {"p", "code"}
        assert active(tree) == []
        assert as_typed(tree.text.replace("\N{WORD JOINER}", "")) == as_typed(f"x {one_line(shown)} x")


def as_typed(text: str) -> list[str]:
    """Words of a text, with the two characters that Markdown shows as codes."""
    return text.replace("⟨U+0060⟩", "`").replace("⟨U+007C⟩", "|").split()


def test_a_name_that_could_end_its_code_or_cell_shows_codes() -> None:
    assert code("a`b|c") == "`a⟨U+0060⟩b⟨U+007C⟩c`"


def test_a_text_is_cut_before_it_is_escaped() -> None:
    assert to_markdown(words("*" * 50), longest=10) == "\\*" * 9 + "…"


@pytest.mark.parametrize(("longest", "shown"), [(12, "three and `12`"), (11, "three and `…`"), (10, "three and…")])
def test_a_text_that_is_cut_between_two_runs_says_so(longest: int, shown: str) -> None:
    assert to_markdown(words("three and ") + name_text("12"), longest=longest) == shown


@pytest.mark.parametrize("text", ["is 0.0001234.", "0.1234567 to 0.2345678", "(12,345.00000001)"])
def test_numbers_are_left_alone(text: str) -> None:
    assert to_markdown(words(text)) == text


@pytest.mark.parametrize("text", ["see 1234567", "v0.1234567.1", "x.1234567", "0.deadbeef"])
def test_what_could_be_a_commit_is_parted(text: str) -> None:
    assert "\N{WORD JOINER}" in to_markdown(words(text))


def test_parts_keep_their_first_lines_and_their_count() -> None:
    part = Part(heading="# a", lines=("one", "two, a longer line", "three"), left_out=lambda n: f"{n} left out")
    assert fit([part], 1000) == "# a\none\ntwo, a longer line\nthree\n\n"
    assert fit([part], size("# a\none\n2 left out\n\n")) == "# a\none\n2 left out\n\n"
    assert fit([part, part], 40).count("left out") == 2
    with pytest.raises(ValueError, match="expected room"):
        fit([part], 5)
