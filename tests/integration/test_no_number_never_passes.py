"""The ways to have no number for a gate: through the real command, none of them exits 0.

Unless a row says otherwise, the analyzer of the gate is not required, and another one that is required gives its number:
the exit code then comes from the gate alone. The controls at the end pass, so that the table can fail. Nothing dies in
these rows, so they have no worker processes; crashes, records and folders are in `test_no_stale_pass`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.in_process_worker import workers_in_this_process
from tests.integration.gated_audit import GATE, HEADER, PROBE, STEADY, Row, audit, copy_subject, gated_site, rows
from tests.plugin_site import PluginSite


def error(kind: str, *words: str) -> Row:
    """A result that is none: the gate has nothing to judge."""
    return Row(kind=kind, state="error", words=words)


def refused(gate: str, *words: str, more: str = "") -> Row:
    return Row(code=2, tables=f"{STEADY}{PROBE}[[gates]]\nmetric = 'probe.score'\n{gate}\n{more}", words=words)


def gate_on(metric: str, analyzer: str, *words: str, state: str = "error", test: str = "", where: str = "") -> Row:
    """A gate on an analyzer of its own table."""
    tables = f"{STEADY}{analyzer}[[gates]]\nmetric = '{metric}'\nmin = 0\nmax = 1\n{where}\n"
    return Row(tables=tables, state=state, words=words, test=test)


WAIVER = "[[waivers]]\ngate = '{}'\nuntil = '{}'\nby = 'A'\nreason = 'B'\n"
INTERVAL_GATE = GATE + "decide = 'interval'\n"
FAIRNESS = "[analyzers.fairness]\nrequired = false\n"
PERFORMANCE = "[analyzers.performance]\nreplicates = 40\nrequired = false\n"
REQUIRED = STEADY + "[analyzers.probe]\n" + GATE

TABLE = {
    "nan": error("nan", "score", "finite"),
    "plus-infinity": error("inf", "finite"),
    "minus-infinity": error("minus-inf", "finite"),
    "nan-after-rounding": error("nan-after-rounding", "finite"),
    "nan-of-numpy": error("numpy-nan", "finite"),
    "infinity-of-numpy": error("numpy-inf", "finite"),
    "undefined-with-a-reason": error("undefined"),
    "undefined-without-a-reason": error("undefined-without-a-reason", "reason"),
    "nan-past-the-check": error("smuggled-nan"),
    "infinity-past-the-check": error("smuggled-inf"),
    "null-past-the-check": error("smuggled-none"),
    "interval-of-nan": error("smuggled-interval-nan"),
    "interval-absent": Row(kind="no-interval", state="inconclusive", tables=STEADY + PROBE + INTERVAL_GATE),
    "value-true": error("true"),
    "value-true-of-numpy": error("numpy-true"),
    "value-as-text": error("text"),
    "value-as-list": error("list"),
    "row-count-as-text": error("rows-as-text"),
    "row-count-absent": error("rows-none"),
    "value-of-no-rows": error("no-rows", ">= 1"),
    "failed": error("raises", "on purpose"),
    "ended-with-status-0": error("exits", "SystemExit"),
    "required-and-failed": Row(code=3, state="error", kind="raises", tables=REQUIRED),
    "nothing-returned": error("returns-none", "AnalysisResult"),
    "something-else-returned": error("returns-a-dict", "AnalysisResult"),
    "said-failed-with-a-number": error("status-failed"),
    "spoke-for-another": Row(kind="status-of-another", state="not_run"),
    "no-metrics": error("no-metrics", "no metric probe.score"),
    "metric-of-another-name": error("another-name", "no metric probe.score"),
    "metric-twice": error("twice", "2 metrics probe.score"),
    "where-misspelt": Row(kind="labels", state="error", tables=STEADY + PROBE + GATE + "where = {group = 'c'}\n"),
    "where-of-another-label": Row(kind="labels", state="error", tables=STEADY + PROBE + GATE + "where = {grup = 'a'}\n"),
    "where-ambiguous": error("labels", "group = a; group = b"),
    "where-on-no-labels": Row(state="error", tables=STEADY + PROBE + GATE + "where = {group = 'a'}\n"),
    "not-applicable": Row(kind="not-possible", state="not_run", words=("not here",)),
    "not-applicable-and-required": Row(kind="not-possible", state="not_run", tables=REQUIRED),
    "package-missing": Row(code=2, tables=STEADY + "[analyzers.probe-needy]\n", words=("absent_package", "pip install")),
    "task-of-another-kind": gate_on("probe-regression.score", "[analyzers.probe-regression]\n", state="not_run"),
    "skipped": Row(state="not_run", options=("--skip", "probe"), words=("Left out by",)),
    "left-out-by-only": Row(state="not_run", options=("--only", "steady")),
    "skipped-and-required": Row(code=3, state="not_run", options=("--skip", "probe"), tables=REQUIRED),
    "everything-skipped": Row(code=4, state="not_run", options=("--skip", "probe,steady")),
    "nothing-but-a-failed-one": Row(code=4, state="error", kind="raises", tables=PROBE + GATE),
    "no-analyzers": Row(code=4, tables=""),
    "plugin-missing": Row(code=2, tables=f"{STEADY}[analyzers.prob]\n", words=("analyzers.prob", "`probe`")),
    "plugin-does-not-import": Row(code=2, tables=f"{STEADY}[analyzers.broken]\n", words=("broken", "no such module")),
    "analyzer-not-in-the-config": Row(code=2, tables=STEADY + GATE, words=("gates[0].metric", "analyzers.probe")),
    "unknown-metric": Row(
        code=2, tables=STEADY + "[analyzers.probe-declared]\n[[gates]]\nmetric = 'probe-declared.scor'\nmin = 0\n",
        words=("did you mean `score`?",),
    ),
    "header-only": Row(code=4, test=HEADER, words=("AB201",)),
    "no-bytes": Row(code=4, test=" ", words=("AB201",)),
    "one-class": gate_on("performance.auc", PERFORMANCE, test=rows(60, label="no")),
    "one-group": gate_on(
        "fairness.demographic_parity_ratio", FAIRNESS, test=rows(60, city="A"), where="where = {feature = 'city'}"
    ),
    "waiver-expired": Row(kind="nan", state="error", tables=STEADY + PROBE + GATE + WAIVER.format("probe.score", "2020-01-01")),
    "waiver-of-no-gate": refused("min = 0", "no gate has this id", more=WAIVER.format("probe.skore", "2999-01-01")),
    "waiver-of-no-day": refused("min = 0", "no such day", more=WAIVER.format("probe.score", "2999-02-30")),
    "limit-nan": refused("min = nan\ninconclusive = 'warn'", "gates[0].min", "a finite number"),
    "limit-infinite": refused("min = -inf", "gates[0].min", "a finite number"),
    "limit-as-text": refused("min = '0'", "gates[0].min", "a number"),
    "limit-true": refused("max = true", "gates[0].max", "a number"),
    "limits-absent": refused("", "`min`, `max`, `max_drop` or `min_gain`"),
    "limits-crossed": refused("min = 1\nmax = 0", "`min` <= `max`"),
    "gate-key-misspelt": refused("min = 0\non_fial = 'warn'", "did you mean `on_fail`?"),
    "undefined-is-not-inconclusive": Row(
        kind="undefined", state="error", tables=STEADY + PROBE + GATE + "inconclusive = 'warn'\n"
    ),
    "nan-is-not-inconclusive": Row(
        kind="smuggled-nan", state="error", tables=STEADY + PROBE + GATE + "inconclusive = 'warn'\n"
    ),
    "measured-on-a-changed-model": error("model-changed", "left the model", "another model"),
    "parameter-misspelt": Row(code=2, tables=STEADY + "[analyzers.probe-lenient]\nkidn = 'nan'\n", words=("did you mean `kind`?",)),
    "report-not-written": Row(code=3, options=("--format", "blank"), state="pass", words=("no ink",)),
}  # fmt: skip

CONTROLS = {
    "number": Row(state="pass"),
    "no-interval-by-estimate": Row(
        state="pass", kind="no-interval", tables=STEADY + PROBE + GATE + "decide = 'estimate'\n"
    ),
    "one-label-named": Row(state="pass", kind="labels", tables=STEADY + PROBE + GATE + "where = {group = 'a'}\n"),
    "advisory-gate": Row(state="error", kind="nan", tables=STEADY + PROBE + GATE + "on_fail = 'warn'\n"),
    "inconclusive-warns": Row(
        state="inconclusive", kind="no-interval", tables=STEADY + PROBE + GATE + "inconclusive = 'warn'\n"
    ),
    "waiver-holds": Row(
        state="error", kind="nan", tables=STEADY + PROBE + GATE + WAIVER.format("probe.score", "2999-01-01")
    ),
    "failed-not-required-no-gate": Row(kind="raises", tables=STEADY + PROBE),
    "not-applicable-no-gate": Row(kind="not-possible", tables=STEADY + "[analyzers.probe]\n"),
    "one-class-and-what-is-defined": gate_on("performance.accuracy", PERFORMANCE, state="pass", test=rows(60, label="no")),
    "no-gates": Row(tables=STEADY),
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    with gated_site(tmp_path_factory.mktemp("gates")) as site, workers_in_this_process():
        yield site


@pytest.fixture
def folder(site: PluginSite, tmp_path: Path) -> Path:
    return copy_subject(site, tmp_path / "audit")


@pytest.mark.parametrize("name", TABLE)
def test_no_row_exits_0(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = TABLE[name]
    told = audit(folder, row, capsys, monkeypatch)
    assert told.code == row.code != 0, told
    assert [word for word in row.words if word not in told.out + told.err] == [], told
    if row.state:
        (gate,) = told.document["gates"]  # type: ignore[misc]
        assert gate["state"] == row.state
    if told.document:
        assert told.document["verdict"] != "ready_for_review"
        record = json.loads((folder / "run" / "run.json").read_bytes())
        assert (record["exit_code"], record["verdict"]) == (row.code, told.document["verdict"])
    assert "Traceback" not in told.err


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_exit_0(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = CONTROLS[name]
    told = audit(folder, row, capsys, monkeypatch)
    assert told.code == 0, told
    assert [gate["state"] for gate in told.document["gates"]] == ([row.state] if row.state else [])  # type: ignore[attr-defined]


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 26
    assert all(row.code != 0 for row in TABLE.values())
