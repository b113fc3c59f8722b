from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
import yaml  # noqa: TID251 - reads what others would read

from auditbench.run import AuditRun
from auditbench.safe_text import safe_text
from auditbench_model_card.card import render_card
from auditbench_model_card.fields import MARK, fields_of
from auditbench_model_card.metadata import headline_metrics
from tests.format_runs import HOSTILE, RUNS, every_run
from tests.hostile_run import LANGUAGES, hostile_run
from tests.hostile_texts import harmless
from tests.html_fixture import income_run
from tests.rendered_markdown import active, elements, rendered


def parts(run: AuditRun, language: str = "en") -> tuple[dict[str, Any], str]:
    written = render_card(run, language=language).decode("utf-8")
    start, block, text = written.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(block), text


def marks(text: str) -> int:
    return len(re.findall(rf"^- {re.escape(MARK)} ", text, re.MULTILINE))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("run", every_run(), ids=RUNS)
def test_every_run_has_a_card(run: AuditRun, language: str) -> None:
    metadata, text = parts(run, language)
    assert metadata["library_name"] == "pytorch"
    assert render_card(run, language=language) == render_card(run, language=language)
    assert not re.search(r"model_card\.|\{[a-z]", text), "a key or a placeholder was left"


def test_metadata_hold_the_numbers_of_the_record() -> None:
    run = income_run()
    metadata, _ = parts(run)
    (model,) = metadata["model-index"]
    (result,) = model["results"]
    assert model["name"] == "Adult income model 1.0"
    assert result["task"] == {"type": "tabular-classification"}
    assert result["dataset"] == {"type": "adult", "name": "adult"}
    found = [(metric["value"], metric["args"]["low"], metric["args"]["high"]) for metric in result["metrics"]]
    bounds = [(metric, metric.interval) for _, metric in headline_metrics(run)]
    assert found == [(metric.value, known.low, known.high) for metric, known in bounds if known is not None]
    assert result["metrics"][0]["type"] == "roc_auc"


def test_small_numbers_stay_numbers_in_yaml() -> None:
    run = income_run()
    performance, *others = run.results
    metric = dataclasses.replace(performance.metrics[0], value=1e-07, interval=None, no_interval="exact")
    run = dataclasses.replace(run, results=(dataclasses.replace(performance, metrics=(metric,)), *others))
    assert parts(run)[0]["model-index"][0]["results"][0]["metrics"][0]["value"] == 1e-07


@pytest.mark.parametrize("language", LANGUAGES)
def test_fields_for_people_are_marked_and_counted(language: str) -> None:
    run = income_run()
    fields = [field for section in fields_of(run).values() for field in section]
    silent = dataclasses.replace(
        run,
        audit=dataclasses.replace(run.audit, intended_use="", not_for="", owner=""),
        data=dataclasses.replace(run.data, licence=""),
    )
    for item, missing in ((run, 15), (silent, len(fields))):
        text = parts(item, language)[1]
        assert marks(text) == missing
        count = next(line for line in text.splitlines() if line.startswith("> **"))
        assert sorted(int(number) for number in re.findall(r"\d+", count)) == [missing, len(fields)]


def test_what_the_audit_file_states_is_told_whole() -> None:
    use = "Estimate the effort of a claim, never its amount. " * 8
    run = income_run()
    text = parts(dataclasses.replace(run, audit=dataclasses.replace(run.audit, intended_use=use)))[1]
    assert f"- **Direct use.** {use.strip()}" in text


def test_evidence_fills_the_sections() -> None:
    text = parts(income_run())[1]
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert "Verdict of the audit: Not ready for release." in sections["Bias, risks and limitations"]
    assert "| Area under the ROC curve | 0.9071 | 0.9022 to 0.9119 | 16,281 |" in sections["Evaluation"]
    assert "| `parity-sex` | Fail | Demographic parity ratio by `sex` is 0.312" in sections["Evaluation"]
    assert "`capital-gain`" in sections["Model examination"]
    assert "29,305 for training" in sections["Training"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text: str) -> None:
    metadata, body = parts(hostile_run(text))
    plain, plain_body = parts(hostile_run(harmless(text)))
    assert names_of(metadata) == names_of(plain)
    (model,), (named,) = metadata["model-index"], plain["model-index"]
    assert (model["name"], named["name"]) == tuple(f"{name} {name}" for name in (safe_text(text), harmless(text)))
    page = rendered(body)
    assert elements(page) == elements(rendered(plain_body))
    assert active(page) == []
    assert {line.count("|") for line in body.splitlines() if line.startswith("|")} <= {4, 5}


def test_a_harmless_card_has_no_element_that_acts() -> None:
    _, body = parts(hostile_run("x"))
    page = rendered(body)
    assert {element.name for element in page.every()} == {
        "h1", "h2", "p", "blockquote", "ul", "ol", "li", "strong", "em", "code", "input",
        "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert len(page.every("input")) == marks(body)


def names_of(document: Any) -> Any:
    """A document without its texts: names of fields, lists and numbers."""
    if isinstance(document, dict):
        return {key: names_of(value) for key, value in document.items()}
    if isinstance(document, list):
        return [names_of(value) for value in document]
    return "" if isinstance(document, str) else document
