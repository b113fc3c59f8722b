"""Templates: what they may hold, and that no template takes a reader down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.findings import Message
from auditbench.messages import Catalogue, format_scalar, load_messages, shipped_messages, template_fault


@pytest.mark.parametrize(
    "template",
    [
        "plain", "{a} and {b:percent}", "{n:count} {x:signed} {y:.3g} {z:.12f} {e:.0e}",
        {"other": "{n} rows"}, {"one": "a row", "other": "{n} rows"},
    ],
)  # fmt: skip
def test_what_a_template_may_hold(template: Any) -> None:
    assert template_fault(template) == ""


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{x:d}", "percent, signed, count"), ("{x:foo}", "percent"), ("{x:.3}", "percent"), ("{x!r}", "braces"),
        ("{x.y}", "braces"), ("{X}", "braces"), ("{", "braces"), ("a } b", "braces"), ("{x:>9}", "braces"),
        ({"one": "a"}, "`other`"), ({}, "`other`"), ({"other": "{x:d}"}, "percent"), ({"other": "a", "few": "b"}, "`other`"),
        ({"other": 1}, "text"), (3, "text"), (None, "text"),
    ],
)  # fmt: skip
def test_what_it_may_not_hold(template: Any, words: str) -> None:
    assert words in template_fault(template)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1.5, "d", "1.5"), (1.5, "foo", "1.5"), (1234, "x", "1,234"), (-0.25, "percent", "\N{MINUS SIGN}25.0%"),
        (0.25, "signed", "+0.25"), (1234, "", "1,234"), (2, ".3g", "2"), (True, "d", "true"), (None, "d", "—"),
        ("text", "d", "text"),
    ],
)  # fmt: skip
def test_a_form_that_does_not_fit_shows_the_plain_value(value: Any, form: str, text: str) -> None:
    assert format_scalar(value, form) == text


SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=5)
TEMPLATES = st.text(max_size=20) | st.from_regex(r"\{[a-z]{1,2}(:[a-z0-9_.]{1,4})?\}", fullmatch=True)


@given(
    template=TEMPLATES | st.dictionaries(st.sampled_from(["one", "other"]), TEMPLATES),
    values=st.dictionaries(st.text("abn", min_size=1, max_size=2), SCALARS),
)
def test_every_template_gives_text(template: Any, values: dict[str, Any]) -> None:
    catalogue = Catalogue(language="en", templates={"k": template})
    assert isinstance(catalogue.text(Message(key="k", values=values)), str)


def test_catalogues_are_read_without_importing_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "toy_that_raises"
    (package / "messages").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "messages" / "en.toml").write_text("'toy.a' = 'A'\n'toy.b' = '{x!r}'\n'toy.c' = 3\n")
    (package / "messages" / "zh-CN.toml").write_bytes(b"'toy.a' = '\xff'")
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("toy_that_raises", "toy_that_raises.plugin", "toy_that_raises:plugin"):
        assert shipped_messages(module) == {"en": {"toy.a": "A"}}
    assert shipped_messages("toy_that_is_absent.plugin") == {}
    assert shipped_messages("json") == {}
    assert shipped_messages("auditbench") == load_messages("auditbench")
