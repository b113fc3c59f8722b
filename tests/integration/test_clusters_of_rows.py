"""An audit of rows that a column of the file marks as dependent: intervals, record and report go by clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auditbench.cli.boundary import guarded
from auditbench.run import AuditRun
from auditbench.run_file import read_run
from tests.in_process_worker import workers_in_this_process

CONFIG = """
[audit]
name = "patients"
[model]
path = "model"
task = "binary-classification"
[train]
architecture = "linear"
epochs = 2
[data]
test = "rows.csv"
split = "part"
target = "ill"
positive = "yes"
sensitive = ["sex"]
features = ["age", "dose"]
{cluster}
[analyzers.performance]
replicates = 300
[analyzers.fairness]
[report]
formats = ["html"]
"""
PATIENTS = 24


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an audit by patients in `run`, and before it one of the same model by rows in `rows`."""
    folder = tmp_path_factory.mktemp("patients")
    rng = np.random.default_rng(0)
    lines = ["age,dose,patient,sex,part,ill"]
    for row in range(2 * PATIENTS * 10):
        patient = row // 20 if row % 2 else 100 + row // 20
        age = 30 + patient % 100 * 2 + rng.integers(0, 3)
        ill = "yes" if age + 30 * np.sin(patient) + 10 * rng.normal() > 54 else "no"
        part = "train" if patient < 100 else "test"
        lines.append(f"{age},{rng.integers(0, 9)},p{patient},{'FM'[patient % 2]},{part},{ill}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    with workers_in_this_process():
        for out, cluster, options in (
            ("rows", "", ()),
            ("run", 'cluster = "patient"', ("--baseline", str(folder / "rows"))),
        ):
            path = folder / f"{out}.toml"
            path.write_text(CONFIG.format(cluster=cluster))
            assert guarded(["check", str(path)]) == 0
            assert guarded(["audit", str(path), "--out", str(folder / out), *options]) == 0
    return folder


@pytest.fixture(scope="module")
def run(home: Path) -> AuditRun:
    return read_run(home / "run")


def test_intervals_are_of_patients(home: Path, run: AuditRun) -> None:
    by_row, by_patient = (item.result("performance") for item in (read_run(home / "rows"), run))
    assert by_row is not None
    assert by_patient is not None
    assert {metric.clusters for metric in by_row.metrics} == {None}
    for before, after in zip(by_row.metrics, by_patient.metrics, strict=True):
        if after.name == "temperature":  # is of half of the patients, or of the rows
            assert after.clusters == PATIENTS // 2
        elif after.name != "calibration_error_by_chance":
            assert (after.n, after.value) == (before.n, before.value)
            assert after.interval is None or after.interval.method.startswith("cluster-")
    pairs = {metric.name: metric for metric in (*by_row.metrics, *by_patient.metrics) if metric.name == "accuracy"}
    accuracy = pairs["accuracy"]
    plain = next(metric for metric in by_row.metrics if metric.name == "accuracy")
    assert (accuracy.n, accuracy.clusters) == (PATIENTS * 10, PATIENTS)
    assert accuracy.interval is not None
    assert plain.interval is not None
    assert accuracy.interval.high - accuracy.interval.low > 1.2 * (plain.interval.high - plain.interval.low)


def test_the_record_says_which_rows_are_of_one_patient(home: Path, run: AuditRun) -> None:
    assert run.row_clusters is not None
    _, rows = np.unique(np.asarray(run.row_clusters), return_counts=True)
    assert rows.tolist() == [10] * PATIENTS
    assert read_run(home / "rows").row_clusters is None
    files = [path for path in (home / "run").rglob("*") if path.is_file()]
    assert [path.name for path in files if b"p111" in path.read_bytes()] == []


def test_groups_have_intervals_of_patients(run: AuditRun) -> None:
    result = run.result("fairness")
    assert result is not None
    valued = [metric for metric in result.metrics if metric.value is not None]
    assert {metric.clusters for metric in valued if "group" in metric.where} == {PATIENTS // 2}
    methods = {metric.interval.method for metric in valued if metric.interval and "group" in metric.where}
    assert methods == {"cluster-wilson", "cluster-student-t", "cluster-logit-t"}
    assert "fairness.note.clusters" in {note.text.key for note in result.notes}


def test_the_page_counts_rows_and_patients(home: Path) -> None:
    page = (home / "run" / "report.html").read_text()
    assert f"{PATIENTS} clusters of rows" in page
    assert f"95% intervals: the {PATIENTS * 10} rows are of {PATIENTS} clusters" in page


def test_the_model_is_the_one_of_the_first_audit(home: Path, run: AuditRun) -> None:
    assert run.model.digest == read_run(home / "rows").model.digest
    assert run.baseline is not None
    assert run.baseline.pairs == PATIENTS * 10
    accuracy = next(change for change in run.baseline.metrics if change.metric == "performance.accuracy")
    assert accuracy.verdict == "within_noise"


def test_a_patient_that_is_missing_stops_check_and_audit(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (home / "rows.csv").read_text().replace(",p105,", ",,", 1)
    (home / "gap").mkdir()
    (home / "gap" / "rows.csv").write_text(text)
    (home / "gap" / "audit.toml").write_text(CONFIG.format(cluster='cluster = "patient"'))
    with workers_in_this_process():
        for command in (["check"], ["audit", "--out", str(home / "gap" / "run")]):
            assert guarded([*command, str(home / "gap" / "audit.toml")]) != 0
            assert "data.cluster" in capsys.readouterr().err
