from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from auditbench.contracts import RenderOptions
from auditbench.run import AuditRun
from auditbench.run_file import decode_run, encode_run
from auditbench_html import auditbench_renderers
from auditbench_html.render import render_report
from tests.html_fixture import income_run
from tests.html_page import Element, number_of, parse


@pytest.fixture(scope="module")
def run() -> AuditRun:
    return income_run()


@pytest.fixture(scope="module")
def page(run: AuditRun) -> bytes:
    return render_report(run)


@pytest.fixture(scope="module")
def tree(page: bytes) -> Element:
    return parse(page)


def test_same_run_gives_same_bytes(page: bytes) -> None:
    assert render_report(income_run()) == page


def test_rendering_needs_no_torch() -> None:
    code = (
        "import sys; from tests.html_fixture import income_run; from auditbench_html.render import render_report;"
        "render_report(income_run()); print(sorted({'torch', 'pandas', 'pydantic'} & sys.modules.keys()))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_hook_gives_one_renderer_that_writes_one_file(run: AuditRun, page: bytes, tmp_path: Path) -> None:
    (renderer,) = auditbench_renderers()
    assert renderer.name == "html"
    assert renderer.render(run, RenderOptions(folder=tmp_path)) == {"report.html": page}


def test_policy_names_exactly_the_style_and_scripts_of_the_page(page: bytes, tree: Element) -> None:
    policy = tree.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    text = page.decode()
    written = re.findall(r"<(style|script)>(.*?)</\1>", text, re.DOTALL)
    hashes = {base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for _, content in written}
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_no_style_attribute_no_handler_no_outside_address(tree: Element) -> None:
    for element in tree.every():
        names = element.attributes.keys()
        assert "style" not in names
        assert not [name for name in names if name.startswith("on")]
        assert element.name not in ("form", "iframe", "object", "embed", "base", "link")
        for name in ("href", "src"):
            assert element.attributes.get(name, "#").startswith(("#", "data:image/png"))


def test_ids_are_unique_and_links_lead_somewhere(tree: Element) -> None:
    ids = [element.attributes["id"] for element in tree.every() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    assert {link.attributes["href"][1:] for link in tree.every() if "href" in link.attributes} <= set(ids)


def test_headings_begin_with_one_h1_and_skip_no_level(tree: Element) -> None:
    levels = [int(element.name[1]) for element in tree.every() if re.fullmatch(r"h[1-6]", element.name)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_message_has_its_values(tree: Element) -> None:
    texts = [element for element in tree.every() if element.name not in {"style", "script", "pre", "code"}]
    assert [element.own_text for element in texts if re.search(r"\{\w+(:[^}]*)?\}", element.own_text)] == []


def test_gate_table_holds_what_was_decided(run: AuditRun, tree: Element) -> None:
    rows = tree.one("table", id="gate-table").every("tr", lambda row: "data-s" in row.attributes)
    assert len(rows) == len(run.gates)
    for decision in run.gates:
        row = next(row for row in rows if row.attributes["id"] == f"gate-{decision.id}")
        observed, limit = (cell.attributes["data-v"] for cell in row.every("td")[1:3])
        if decision.value is None:
            assert observed == ""
            assert row.every("td")[1].text.startswith("—")
        else:
            assert float(observed) == pytest.approx(decision.value, rel=1e-6)
            assert number_of(row.every("td")[1].own_text) == pytest.approx(decision.value, rel=0.02)
        wanted = decision.minimum if decision.minimum is not None else decision.maximum
        assert float(limit) == wanted


def test_gates_stand_worst_first(tree: Element) -> None:
    rows = tree.one("table", id="gate-table").every("tr", lambda row: "data-s" in row.attributes)
    order = ["fail", "error", "warn", "none", "pass"]
    places = [order.index(row.attributes["data-s"]) for row in rows]
    assert places == sorted(places)


def test_mark_of_a_gate_lies_on_the_side_of_its_state(run: AuditRun, tree: Element) -> None:
    for decision in run.gates:
        row = tree.one("tr", id=f"gate-{decision.id}")
        marks = row.every("use", lambda use: "mark" in use.classes)
        assert len(marks) == (decision.value is not None)
        if marks and decision.state in ("pass", "fail"):
            place = float(marks[0].attributes["x"].rstrip("%"))
            assert place >= 50 if decision.state == "pass" else place <= 50
        if decision.state == "inconclusive":
            line = row.one("line")
            assert float(line.attributes["x1"].rstrip("%")) <= 50 <= float(line.attributes["x2"].rstrip("%"))


def test_every_value_of_a_figure_is_a_value_of_the_run(run: AuditRun, tree: Element) -> None:
    known = np.asarray(sorted(_numbers_of(run)))
    cells = [cell for cell in tree.every("td") if cell.attributes.get("data-v") and not _within_case(tree, cell)]
    gates = tree.one("table", id="gate-table").every("td")
    values = [float(cell.attributes["data-v"]) for cell in cells if cell not in gates]
    assert len(values) > 60
    for value in values:
        nearest = known[np.abs(known - value).argmin()]
        assert value == pytest.approx(nearest, rel=1e-6, abs=1e-12)


def test_text_of_a_value_is_its_number_rounded(tree: Element) -> None:
    cells = tree.every("td", lambda cell: bool(cell.attributes.get("data-v")) and not cell.every("span"))
    assert len(cells) > 150
    for cell in cells:
        text, value = cell.own_text.lstrip("+≥≤ "), float(cell.attributes["data-v"])
        if _is_probability_of_logit(text, value) or text.endswith(" s"):
            continue
        assert number_of(text) == pytest.approx(value, rel=0.06, abs=6e-3), text


def test_tables_of_groups_hold_the_rates_of_the_run(run: AuditRun, tree: Element) -> None:
    section = tree.one("section", id="fairness")
    rows = {row.every("th")[0].own_text: row for row in section.every("tr") if len(row.every("td")) == 7}
    metrics = [
        metric for metric in run.results[4].metrics if metric.where.get("feature") == "race" and "group" in metric.where
    ]
    assert len(metrics) == 25
    for metric in metrics:
        place = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy").index(
            metric.name
        )
        cell = rows[metric.where["group"]].every("td")[1 + place]
        if metric.value is None:
            assert cell.own_text == "—"
        else:
            assert number_of(cell.own_text) == pytest.approx(metric.value, abs=5.1e-3)


def test_waterfalls_close(run: AuditRun, tree: Element) -> None:
    articles = tree.every("article")
    assert len(articles) == len(run.cases)
    for case, article in zip(run.cases, articles, strict=True):
        rows = article.every("table")[0].every("tr", lambda row: bool(row.classes & {"base", "step", "rest", "output"}))
        values = [float(row.every("td")[0].attributes["data-v"]) for row in rows]
        assert sum(values[:-1]) == pytest.approx(values[-1], abs=1e-5)
        assert values[-1] == pytest.approx(case.output[0], abs=1e-5)


def test_beeswarm_draws_every_row_but_the_chosen_cases(run: AuditRun, tree: Element) -> None:
    swarms = tree.every("svg", lambda svg: "swarm" in svg.classes)
    dots = [sum(path.attributes["d"].count("h0") for path in swarm.every("path")) for swarm in swarms]
    (block,) = run.results[1].attributions
    chosen = {case.row_id for case in run.cases}
    assert chosen <= set(block.row_ids)
    assert dots == [len(block.row_ids) - len(chosen)] * len(block.player_names)


def test_beeswarm_has_the_order_of_the_importance_figure(run: AuditRun, tree: Element) -> None:
    swarm = tree.every("table", lambda table: bool(table.every("svg", lambda svg: "swarm" in svg.classes)))[0]
    metrics = [m for m in run.results[1].metrics if m.name == "mean_absolute_attribution"]
    wanted = [m.where["feature"] for m in sorted(metrics, key=lambda m: -(m.value or 0.0))]
    assert [head.text for head in swarm.every("th", lambda th: th.attributes.get("scope") == "row")] == wanted
    means = np.abs(np.asarray(run.results[1].attributions[0].values)[:, 0]).mean(axis=0)
    assert wanted[0] in np.asarray(run.results[1].attributions[0].player_names)[np.argsort(-means)[:3]]


def test_quantiles_leave_out_the_chosen_cases(run: AuditRun, tree: Element) -> None:
    (block,) = run.results[1].attributions
    chosen = {case.row_id for case in run.cases}
    kept = [place for place, row_id in enumerate(block.row_ids) if row_id not in chosen]
    tables = [t for t in tree.every("table") if t.every("caption", lambda c: c.text.startswith("Quantiles"))]
    table = tables[-1]
    rows = [row for row in table.every("tr") if len(row.every("td")) == 5]
    assert len(rows) == len(block.player_names)
    for row in rows:
        player = block.player_names.index(row.every("th")[0].text)
        median = np.median(np.asarray(block.values)[kept, 0, player])
        assert number_of(row.every("td")[2].text.lstrip("+")) == pytest.approx(median, abs=6e-4)


def test_marks_of_other_methods_are_shares_of_their_own_sum(run: AuditRun, tree: Element) -> None:
    figure = next(
        f for f in tree.every("figure") if f.every("svg", lambda svg: "track" in svg.classes) and "SHAP first" in f.text
    )
    lime = {m.where["feature"]: m.value for m in run.results[2].metrics if m.name == "mean_absolute_attribution"}
    shap = {m.where["feature"]: m.value for m in run.results[1].metrics if m.name == "mean_absolute_attribution"}
    rows = {row.every("th")[0].text: row for row in figure.every("tr", lambda row: bool(row.every("rect")))}
    for name, row in rows.items():
        bar = float(row.every("rect")[0].attributes["width"].rstrip("%"))
        mark = float(row.every("use", lambda use: "f-c2" in use.classes)[0].attributes["x"].rstrip("%"))
        share_of_lime, share_of_shap = lime[name] / sum(lime.values()), shap[name] / sum(shap.values())
        assert mark / bar == pytest.approx(share_of_lime / share_of_shap, rel=0.02)


def test_captions_of_measured_figures_say_n_and_drawn_ones_the_seed(run: AuditRun, tree: Element) -> None:
    captions = {}
    for figure in tree.every("figure"):
        source = figure.every("p", lambda p: "src" in p.classes)[-1].text
        captions[figure.every("h3")[0].text] = source
        counted = "resources" in source and figure.every("h3")[0].text == "Where the parameters are"
        assert counted or re.search(r"\bn = [\d,]+|one run", source), source
    drawn = [source for source in captions.values() if "analyzer shap" in source]
    assert drawn
    assert all(f"seed {run.audit.seed}" in source for source in drawn)


def test_rates_say_what_they_are_shares_of(tree: Element) -> None:
    section = tree.one("section", id="fairness")
    row = section.every("tr", lambda row: row.text.startswith("Black1,561 rows"))[0]
    selected, found = (cell.text for cell in row.every("td")[:2])
    assert " of " not in selected
    assert found.endswith("· of 312")


def test_groups_of_fewer_than_ten_rows_are_not_counted_out(tree: Element) -> None:
    rows = tree.every("tr", lambda row: "Female × Other" in row.text)
    assert rows
    assert all("7" not in row.text for row in rows)
    assert all("< 10" in row.text or "fewer than 10 rows" in row.text for row in rows)


def test_rows_of_cases_are_named_only_where_the_audit_file_asks(run: AuditRun, tree: Element) -> None:
    assert not [article for article in tree.every("article") if re.search(r"\brow \d", article.text)]
    asked = dataclasses.replace(run, config={"report": {"raw_inputs": True}})
    articles = parse(render_report(asked)).every("article")
    assert [f"row {case.row_id}" in article.text for case, article in zip(run.cases, articles, strict=True)] == [
        True
    ] * 4


def test_rows_count_as_unseen_only_where_this_run_trained(run: AuditRun, tree: Element) -> None:
    unknown = "It is not known whether the model was trained on these rows."
    assert unknown in tree.one("section", id="summary").text
    trained = dataclasses.replace(run, config={"train": {"architecture": "mlp"}})
    assert "not used for training" in parse(render_report(trained)).one("section", id="summary").text
    untold = dataclasses.replace(trained, model=dataclasses.replace(run.model, training=None))
    assert unknown in parse(render_report(untold)).one("section", id="summary").text


def test_base_row_has_no_probability_and_a_dash_where_a_method_has_no_base(run: AuditRun, tree: Element) -> None:
    base = tree.one("article", id="case-1").every("tr", lambda row: "base" in row.classes)[0]
    assert base.every("th")[0].text.startswith("Base value of the method")
    cells = [cell.text for cell in base.every("td")]
    assert cells[:3] == ["−1.61", "—", "−1.61"]
    heads = [head.text for head in tree.one("article", id="case-1").every("th", lambda th: "n" in th.classes)]
    assert heads[:3] == ["SHAP", "LIME (probability)", "Integrated gradients"]
    rest = tree.one("article", id="case-1").every("tr", lambda row: "rest" in row.classes)[0]
    assert rest.every("td")[1].text == "—"


def test_steps_ask_for_a_decision_on_differences(tree: Element) -> None:
    (first, *_) = tree.one("section", id="verdict").every("li")
    assert first.text.startswith("Decide on Demographic parity ratio by sex")
    assert first.every("a")[0].text == "finding 1"


def test_actions_begin_with_a_capital_and_hold_no_backtick(tree: Element) -> None:
    actions = [p.text for p in tree.one("section", id="summary").every("p") if p.text.startswith("Do: ")]
    assert len(actions) > 4
    assert all(action[4].isupper() and "`" not in action for action in actions)


def test_exact_values_say_over_how_many_rows(tree: Element) -> None:
    assert "exact on 100 rows" in tree.one("tr", id="gate-shap-additivity").text


def test_record_read_from_disk_gives_the_same_gates(run: AuditRun) -> None:
    bare = dataclasses.replace(run, results=tuple(dataclasses.replace(r, attributions=()) for r in run.results))
    again = decode_run(encode_run(bare))
    assert {gate.id for gate in again.gates} == {gate.id for gate in bare.gates}
    assert parse(render_report(again)).one("section", id="gates").one("table", id="gate-table")


def test_what_has_no_result_is_listed_with_reason_gate_and_remedy(tree: Element) -> None:
    section = tree.one("section", id="incomplete")
    boxes = section.every("div", lambda div: "state" in div.classes)
    assert len(boxes) == 3
    late = next(box for box in boxes if "time_limit" in box.text)
    assert "212 of 500" in late.text
    assert "[analyzers.counterfactual] time_limit = 1200" in late.text
    assert late.every("a")[0].attributes["href"] == "#gate-validity"


def test_interrupted_run_says_so_first_and_names_the_way_on(run: AuditRun) -> None:
    stopped = dataclasses.replace(run, status="interrupted", verdict="evidence_incomplete", exit_code=130)
    tree = parse(render_report(stopped))
    assert "interrupted" in tree.one("section", id="verdict").text
    assert run.volatile.command in tree.one("section", id="incomplete").text


def test_waived_gate_keeps_its_state_and_says_who_and_why(tree: Element) -> None:
    row = tree.one("tr", id="gate-calibration")
    assert row.attributes["data-s"] == "fail"
    assert "Waived until 2027-01-31" in row.text
    assert "A. Reviewer: accepted for the pilot" in row.text


def test_small_groups_are_listed_and_not_estimated(tree: Element) -> None:
    rows = tree.one("section", id="fairness").every("tr", lambda row: "Other" in row.text and "24 rows" in row.text)
    assert rows
    assert "24 rows, fewer than 30: not estimated" in rows[0].text
    assert "0.0%" not in rows[0].text


def test_people_picture_fills_as_many_dots_as_it_says(tree: Element) -> None:
    pictures = tree.one("div", **{"class": "hundred"}).every("svg")
    numbers = [int(bold.text) for bold in tree.one("div", **{"class": "hundred"}).every("b")]
    for picture, number in zip(pictures, numbers, strict=True):
        empty, filled = (path.attributes["d"].count("M") for path in picture.every("path"))
        assert (filled, empty) == (number, 100 - number)


def test_language_without_a_catalogue_gives_an_english_page_that_says_so(run: AuditRun, page: bytes) -> None:
    assert render_report(run, language="eo") == page
    assert b'<html lang="en">' in page


def _within_case(tree: Element, cell: Element) -> bool:
    return any(cell in article.every("td") for article in tree.every("article"))


def _numbers_of(run: AuditRun) -> set[float]:
    found = {0.0}
    for result in run.results:
        for metric in result.metrics:
            found.update({metric.value or 0.0, float(metric.n)})
        for block in result.percentiles:
            found.update(value for row in block.rows for value in (row.p50, row.p95, row.p99))
        for matrix in result.matrices:
            found.update(value for row in matrix.values for value in row if value is not None)
    found.update(run.volatile.seconds.values())
    importances = [
        {m.where["feature"]: m.value or 0.0 for m in result.metrics if m.name == "mean_absolute_attribution"}
        for result in run.results
    ]
    methods = [values for values in importances if values]
    found.update(_spearman(a, b) for a in methods for b in methods if a is not b)
    return found


def _spearman(first: dict[str, float], second: dict[str, float]) -> float:
    names = sorted(first)
    ranks = [np.argsort(np.argsort([values[name] for name in names])) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


def _is_probability_of_logit(text: str, value: float) -> bool:
    return text.endswith("%") and abs(number_of(text) - 1 / (1 + np.exp(-value))) < 1e-3
