from __future__ import annotations

import re
import tomllib
import unicodedata
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.special import softmax as scipy_softmax

import auditbench_html
from auditbench.findings import Message
from auditbench.messages import Catalogue, load_messages
from auditbench.safe_text import LONGEST_NAME, safe_text
from auditbench_html.markup import plain, to_markup
from auditbench_html.view.findings import rows_to_settle
from auditbench_html.view.numbers import estimate, fixed, limit_number, share, short, signed
from auditbench_html.view.scales import round_step, scale_for
from auditbench_html.view.scores import sigmoid, softmax
from auditbench_html.view.swarm import sampled
from auditbench_html.view.text import Slugs, Text, Words, name_text, safe_templates, words
from tests.html_fixture import gate

PACKAGE = Path(auditbench_html.__file__).parent
CATALOGUE: dict[str, Any] = tomllib.loads(
    (resources.files(auditbench_html) / "messages" / "en.toml").read_text("utf-8")
)
SAY = Words(catalogue=Catalogue(language="en", templates=CATALOGUE))
KEY_IN_TEMPLATE = re.compile(r"""\bt\(\s*"([^"]+)\"""")
KEY_IN_CODE = re.compile(r"""\b(?:say\.say|say|first)\(\s*\(?\s*"([a-z_]+\.[a-z0-9_.]+)\"""")
FORMED_KEY = re.compile(r"""\bsay\(\s*f"([a-z_]+\.)""")

CHINESE = Words(
    catalogue=Catalogue(
        language="zh-CN",
        templates=tomllib.loads((resources.files(auditbench_html) / "messages" / "zh-CN.toml").read_text("utf-8")),
    )
)


@pytest.mark.parametrize(
    ("say", "row", "list_mark"),
    [(SAY, "42, token 213", "corner, patch"), (CHINESE, "42\uff0c第 213 个词元", "corner、patch")],
)
def test_rows_of_texts_and_lists_of_names_are_told_in_the_language_of_the_page(
    say: Words, row: str, list_mark: str
) -> None:
    assert str(say.row("42, token 213")) == row
    assert str(say.row("patient-17")) == "patient-17"
    said = Words(catalogue=Catalogue(language=say.language, templates={**say.catalogue.templates, "t": "{concepts}"}))
    assert str(said.say("t", concepts="corner, patch")) == list_mark


@pytest.mark.parametrize(
    ("say", "unit", "short", "long"),
    [
        (SAY, "logit", "log-odds", "log-odds"),
        (SAY, "logit per encoded unit", "log-odds per encoded unit", "log-odds per encoded unit"),
        (
            SAY,
            "value per encoded unit",
            "units of the target per encoded unit",
            "the unit of the target per encoded unit",
        ),
        (SAY, "furlong", "furlong", "furlong"),
        (SAY, "rows", "rows", "rows"),
        (CHINESE, "logit per encoded unit", "对数几率/编码单位", "对数几率/编码单位"),
        (CHINESE, "probability per encoded unit", "概率/编码单位", "概率/编码单位"),
        (CHINESE, "value per encoded unit", "目标变量单位/编码单位", "目标变量的单位/编码单位"),
    ],
)
def test_units_of_slopes_are_told_in_the_language_of_the_page(say: Words, unit: str, short: str, long: str) -> None:
    assert (str(say.unit(unit)), str(say.long_unit(unit))) == (short, long)
    of_unit = Words(catalogue=Catalogue(language=say.language, templates={**say.catalogue.templates, "t": "{unit}"}))
    assert str(of_unit.tell(Message(key="t", values={"unit": unit}))) == short


def templates() -> list[Path]:
    return sorted(PACKAGE.glob("templates/**/*.html"))


@pytest.mark.parametrize("path", templates(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_templates_hold_no_words_of_their_own(path: Path) -> None:
    bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", "", bare)
    assert not re.search(r"[A-Za-z]{2,}", text)
    named = re.findall(r'(?:aria-label|title|placeholder|alt|data-text)="([^"]*)"', bare)
    assert not [value for value in named if re.search(r"[A-Za-z]", value)]


def test_every_key_of_templates_and_code_is_in_the_catalogue() -> None:
    used = {key for path in templates() for key in KEY_IN_TEMPLATE.findall(path.read_text("utf-8"))}
    code = [path.read_text("utf-8") for path in PACKAGE.glob("view/*.py")]
    used |= {key for text in code for key in KEY_IN_CODE.findall(text)}
    assert len(used) > 200
    assert sorted(used - CATALOGUE.keys()) == []
    stems = {stem for text in code for stem in FORMED_KEY.findall(text)}
    assert all(any(key.startswith(stem) for key in CATALOGUE) for stem in stems)


def test_every_key_of_the_catalogue_is_used() -> None:
    sources = [*templates(), *PACKAGE.glob("view/*.py")]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    formed = set(re.findall(r'f"([a-z_]+(?:\.[a-z_]+)*[._])\{', text)) | {
        "unit.",
        "unit_long.",
        "host_label.",
        "kind.",
        "nav.group.",
    }
    formed |= {"step.decide", "step.correct", "step.settle", "step.bound", "step.finish"} | {
        f"{start}."
        for start in (
            "state_label",
            "topic",
            "analyzer",
            "no_interval",
            "how",
            "series",
            "exit",
            "month",
            "stage",
            "method",
            "base",
        )
    }
    used = {key for key in CATALOGUE if f'"{key}"' in text or key.startswith(tuple(formed))}
    # Of rows that are windows of texts; they stand in for sentences of the report and of the host.
    instead = {
        key for key in CATALOGUE if key.removesuffix("_window") in used | load_messages("auditbench")["en"].keys()
    }
    assert CATALOGUE.keys() - used - instead == set()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("a\u202eb", "a⟨U+202E⟩b", id="right-to-left-override"),
        pytest.param("a\nb\x00", "a↵b⟨U+0000⟩", id="control"),
        pytest.param("\ue000x\ue001", "⟨U+E000⟩x⟨U+E001⟩", id="private-marks-of-our-own"),
        pytest.param("年龄 عمر", "年龄 عمر", id="other-scripts-stay"),
        pytest.param("  ", "␣␣", id="blanks-alone"),
    ],
)
def test_names_show_what_would_not_be_seen(name: str, shown: str) -> None:
    assert str(name_text(name)) == shown
    assert str(SAY.say("cases.row", row=name)) == f"row {shown}"


@given(st.text(max_size=400))
def test_no_name_is_long_or_holds_a_hidden_character(name: str) -> None:
    shown = str(name_text(name))
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cs") for character in shown)
    assert len(shown) <= LONGEST_NAME


@given(st.text(max_size=60), st.text(max_size=60))
@example("", "  ")
def test_names_in_a_sentence_stay_apart_from_its_words(first: str, second: str) -> None:
    text = SAY.say("series.and", first=first, second=second)
    shown = [safe_text(name if name.strip(" ") else "␣" * len(name)) for name in (first, second) if name]
    assert [run.text for run in text.runs if run.kind == "name"] == shown
    assert "".join(run.text for run in text.runs if run.kind == "words").strip() == "and"


def test_templates_of_plugins_are_made_visible() -> None:
    templates = safe_templates({"a": "x\u202e\ue000{n}\ue001", "b": {"one": "\x00", "other": "{n:count}"}})
    assert templates == {"a": "x⟨U+202E⟩⟨U+E000⟩{n}⟨U+E001⟩", "b": {"one": "⟨U+0000⟩", "other": "{n:count}"}}


@given(st.text(max_size=60))
def test_markup_of_a_name_has_no_markup_of_its_own(name: str) -> None:
    markup = str(to_markup(name_text(name)))
    assert re.fullmatch(r"<bdi>[^<>]*</bdi>", markup)
    assert '"' not in markup


def test_message_without_template_shows_key_and_values() -> None:
    text = SAY.tell(Message(key="elsewhere.unknown", values={"n": 3}))
    assert str(text) == "elsewhere.unknown: n = 3"


def test_slugs_tell_colliding_and_empty_names_apart() -> None:
    slugs = Slugs()
    names = ("Sex gap", "sex-gap", "SEX GAP", "年龄", "收入")
    ids = [slugs.of("gate-", name) for name in names]
    assert len(set(ids)) == len(names)
    assert ids[0] == "gate-sex-gap"
    assert all(re.fullmatch(r"[a-z0-9-]+", slug) for slug in ids)


@pytest.mark.parametrize(
    ("value", "low", "high", "text", "interval"),
    [
        pytest.param(0.8417, 0.829, 0.855, "0.842", "0.829 to 0.855", id="two-digits-of-the-half-width"),
        pytest.param(18.437, 17.9, 19.1, "18.44", "17.90 to 19.10", id="half-width-below-one"),
        pytest.param(
            -0.5, -0.9, -0.1, "\N{MINUS SIGN}0.50", "\N{MINUS SIGN}0.90 to \N{MINUS SIGN}0.10", id="true-minus"
        ),
        pytest.param(0.4, None, None, "0.4", "", id="no-interval"),
    ],
)
def test_digits_follow_the_interval(
    value: float, low: float | None, high: float | None, text: str, interval: str
) -> None:
    shown = estimate(SAY, value, low=low, high=high)
    assert (str(shown.text), str(shown.interval)) == (text, interval)


def test_undefined_is_a_dash_with_its_reason() -> None:
    shown = estimate(SAY, None, reason=words("too few rows"))
    assert (str(shown.text), str(shown.reason), shown.value) == ("—", "too few rows", None)


def test_sizes_are_read_in_binary_units() -> None:
    assert str(estimate(SAY, 37_376.0, unit="bytes").text) == "36.5 KiB"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (2.1e-8, "2.1 × 10⁻⁸"), (123456.7, "123,457"), (0.30000000000000004, "0.3")]
)
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_fixed_never_shows_a_negative_zero(value: float, digits: int) -> None:
    assert not re.fullmatch("\N{MINUS SIGN}0(\\.0*)?", fixed(value, digits))
    assert (
        signed(value, digits).startswith(("+", "\N{MINUS SIGN}")) or float(signed(value, digits).replace(",", "")) == 0
    )


def test_limits_keep_two_digits_as_shares() -> None:
    assert (limit_number(0.8, "1"), limit_number(25.0, "ms")) == ("0.80", "25")


def test_share_is_a_percentage() -> None:
    assert str(share(SAY, 0.256, low=0.248, high=0.264).text) == "25.6%"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.booleans())
def test_scale_holds_its_values_and_its_ticks(values: list[float], zero: bool) -> None:
    scale = scale_for(values, zero=zero)
    assert all(-1e-9 <= scale.place(value) <= 1 + 1e-9 for value in values)
    assert all(-1e-9 <= scale.place(tick.value) <= 1 + 1e-9 for tick in scale.ticks)
    assert len(scale.ticks) <= 8


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=9))
def test_log_scale_keeps_order(values: list[float]) -> None:
    scale = scale_for(values, log=True)
    places = [scale.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert scale.ticks


@given(st.floats(1e-9, 1e9))
def test_round_step_is_the_next_round_number(rough: float) -> None:
    step = round_step(rough)
    assert rough * (1 - 1e-6) <= step <= rough * 2.5001


@given(st.floats(-1e300, 1e300))
def test_sigmoid_of_any_logit_equals_scipy(logit: float) -> None:
    assert sigmoid(logit) == pytest.approx(float(expit(logit)), rel=1e-12)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=6))
def test_softmax_of_any_scores_equals_scipy(scores: list[float]) -> None:
    assert softmax(scores) == pytest.approx(tuple(scipy_softmax(scores)), rel=1e-9, abs=1e-300)


def test_rows_to_settle_follow_the_square_root_law() -> None:
    decision = gate("g", "a.b", "inconclusive", minimum=0.6, value=0.61, low=0.59, high=0.63, n=1000)
    rows, factor = rows_to_settle(decision) or (0, 0.0)
    assert factor == pytest.approx(4.0)
    assert rows in (4000, 4001)


def test_rows_to_settle_say_nothing_on_the_limit() -> None:
    assert rows_to_settle(gate("g", "a.b", "inconclusive", minimum=0.6, value=0.6, low=0.5, high=0.7)) is None


@pytest.mark.parametrize(
    ("limits", "value", "low", "high", "factor"),
    [
        pytest.param((0.2, 0.8), 0.75, 0.65, 0.85, 4.0, id="only-the-upper-limit-is-crossed"),
        pytest.param((0.2, 0.8), 0.25, 0.15, 0.35, 4.0, id="only-the-lower-limit-is-crossed"),
        pytest.param((0.4, 0.6), 0.5, 0.3, 0.7, None, id="both-are-crossed"),
        pytest.param((0.1, 0.9), 0.5, 0.3, 0.7, None, id="none-is-crossed"),
    ],
)
def test_rows_to_settle_use_the_limit_within_the_interval(
    limits: tuple[float, float], value: float, low: float, high: float, factor: float | None
) -> None:
    decision = gate(
        "g", "a.b", "inconclusive", minimum=limits[0], maximum=limits[1], value=value, low=low, high=high, n=9
    )
    found = rows_to_settle(decision)
    assert found is None if factor is None else found is not None and found[1] == pytest.approx(factor)


def test_backticks_in_words_become_code_and_in_names_stay() -> None:
    text = words("try `a<b`, `") + name_text("`x`") + words("` or `")
    assert str(to_markup(text)) == "try <code>a&lt;b</code>, <code><bdi>`x`</bdi></code> or `"
    assert plain(text) == "try a<b, `x` or "


def test_rows_for_display_do_not_depend_on_their_order() -> None:
    ids = tuple(str(index) for index in range(1000))
    chosen = {ids[index] for index in sampled(ids, "shap")}
    backwards = ids[::-1]
    assert len(chosen) == 150
    assert {backwards[index] for index in sampled(backwards, "shap")} == chosen


def test_empty_text_is_false() -> None:
    assert not Text()
    assert words("x")
