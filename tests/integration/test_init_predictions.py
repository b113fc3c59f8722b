"""`auditbench init --predictions` writes a config that runs: of columns of the data, and of a file that an id joins to them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditbench.cli.boundary import guarded
from tests.image_rows import folder_of
from tests.in_process_worker import workers_in_this_process

ROWS = 120


@pytest.fixture(autouse=True)
def in_this_process() -> Iterator[None]:
    with workers_in_this_process():
        yield


def people() -> pd.DataFrame:
    """Ids, two numbers, a group, labels of two and of three classes, and a value."""
    rng = np.random.default_rng(0)
    level = rng.normal(size=ROWS)
    return pd.DataFrame(
        {
            "person_id": [f"p{index:03}" for index in range(ROWS)],
            "income": (level + rng.normal(size=ROWS)).round(3),
            "debt": rng.normal(size=ROWS).round(3),
            "sex": rng.choice(["f", "m"], ROWS),
            "approved": np.where(level + rng.normal(size=ROWS) / 2 > 0, "yes", "no"),
            "grade": np.select([level < -0.5, level < 0.5], ["low", "middle"], "high"),
            "rating": np.clip((level * 2).round() + 4, 1, 7).astype(int),
        }
    )


def shares() -> Any:
    return (np.random.default_rng(1).permutation(ROWS) + 0.5).round(2) / ROWS


def init(folder: Path, rows: pd.DataFrame, arguments: Sequence[Any], target: str) -> int:
    rows.to_csv(folder / "people.csv", index=False)
    command = ["init", str(folder), "--data", str(folder / "people.csv"), *map(str, arguments)]
    return guarded([*command, "--target", target] if target else command)


def written(folder: Path, rows: pd.DataFrame, arguments: Sequence[Any], target: str = "approved") -> dict[str, Any]:
    """The configuration, when `check` takes it."""
    assert init(folder, rows, arguments, target) == 0
    assert guarded(["check", str(folder / "audit.toml")]) == 0
    return tomllib.loads((folder / "audit.toml").read_text())


def own_file(folder: Path, **columns: Any) -> Path:
    """A file of outputs with the ids, in another order."""
    table = pd.DataFrame({"person_id": people()["person_id"], **columns})
    table.sample(frac=1, random_state=0).to_csv(folder / "scores.csv", index=False)
    return folder / "scores.csv"


def test_a_file_is_joined_by_the_column_of_ids_in_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = own_file(tmp_path, income=people()["income"], score=shares(), sure=1)
    document = written(tmp_path, people(), ["--predictions", file])
    assert document["model"]["path"] == "scores.csv"
    assert (document["model"]["columns"], document["model"]["output"]) == (["score"], "probability")
    assert document["data"]["id"] == "person_id"
    said = capsys.readouterr().out
    assert "predictions from score of scores.csv, found by person_id" in said
    assert "check `columns`: they were chosen beside other columns of numbers in that file: sure (constant)" in said
    guarded(["audit", str(tmp_path / "audit.toml"), "--only", "performance", "--out", str(tmp_path / "run")])
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_column_of_a_file_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = own_file(tmp_path, first=shares(), second=10 * shares() - 3, third=shares())
    assert init(tmp_path, people(), ["--predictions", file], "approved") == 2
    said = capsys.readouterr().err
    assert "'person_id', 'first', 'second', 'third'" in said
    assert f"--predictions {file} --predictions COLUMN" in " ".join(said.split())
    document = written(tmp_path, people(), ["--predictions", "second", "--predictions", file])
    assert "check `columns`" not in capsys.readouterr().out
    assert (document["model"]["columns"], document["model"]["output"]) == (["second"], "logit")


def test_two_columns_are_those_of_the_classes_that_they_end_with(tmp_path: Path) -> None:
    file = own_file(tmp_path, p_yes=shares(), p_no=1 - shares(), seconds=np.arange(ROWS))
    document = written(tmp_path, people(), ["--predictions", file])
    assert document["model"]["columns"] == ["p_yes", "p_no"]
    assert document["data"]["classes"] == ["yes", "no"]
    assert document["data"]["positive"] == "yes"


def test_columns_of_several_classes_stand_in_their_order(tmp_path: Path) -> None:
    parts = {"high": 0.7 * shares(), "low": 0.7 - 0.7 * shares(), "middle": np.full(ROWS, 0.3)}
    rows = people().assign(**{f"p_{name}": values for name, values in parts.items()})
    rows["predicted"] = [max(parts, key=lambda name: parts[name][row]) for row in range(ROWS)]
    columns = [part for name in ("p_middle", "p_low", "p_high") for part in ("--predictions", name)]
    document = written(tmp_path, rows, columns, target="grade")
    assert document["data"]["classes"] == ["middle", "low", "high"]
    assert document["data"]["exclude"] == ["person_id", "predicted"]


def test_one_column_of_many_numbers_is_a_regression(tmp_path: Path) -> None:
    rows = people().drop(columns=["approved", "grade"]).assign(expected=people()["rating"] + shares())
    document = written(tmp_path, rows, ["--predictions", "expected"], target="rating")
    assert (document["model"]["task"], document["model"]["output"]) == ("regression", "value")
    assert "check `output`" not in (tmp_path / "audit.toml").read_text()


def test_what_follows_from_the_outputs_is_no_feature(tmp_path: Path) -> None:
    score = shares()
    rows = people().drop(columns=["grade", "rating"])
    rows = rows.assign(
        score=score,
        granted=np.where(score >= 0.5, "grant", "refuse"),
        decision=(score >= 0.3).astype(int),
        logit=np.log(score / (1 - score)).round(2),
        risk_band=np.select([score < 0.2, score < 0.7], ["A", "B"], "C"),
        credit_score=people()["rating"],
    )
    document = written(tmp_path, rows, ["--predictions", "score"], target="")
    assert document["data"]["target"] == "approved"
    assert document["data"]["exclude"] == ["person_id", "granted", "decision", "logit", "risk_band"]
    text = (tmp_path / "audit.toml").read_text()
    assert '"granted",   # it equals the decision of the predictions' in text
    assert "\"decision\",   # its name says 'decision', and it follows from the predictions" in text
    assert "#   credit_score  number" in text


def test_without_predictions_it_is_asked_what_a_model_gave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path, people().assign(y_pred=shares(), credit_score=shares()), [], "approved") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "see whether a model gave these columns, which then are no features: y_pred to do" in said


def test_decisions_beside_a_file_of_outputs_are_no_feature(tmp_path: Path) -> None:
    file = own_file(tmp_path, score=shares())
    document = written(tmp_path, people().assign(granted=shares() >= 0.5), ["--predictions", file])
    assert "granted" in document["data"]["exclude"]


def test_logits_of_an_array_are_no_probabilities(tmp_path: Path) -> None:
    signals, labels = np.zeros((ROWS, 2, 8), dtype=np.float32), np.arange(ROWS) % 2
    np.savez(tmp_path / "d.npz", signal=signals, y=labels, p=8 * shares() - 4)
    command = ["init", str(tmp_path), "--data", str(tmp_path / "d.npz"), "--predictions", "p"]
    assert guarded(command) == 0
    assert guarded(["check", str(tmp_path / "audit.toml")]) == 0


@pytest.mark.parametrize(
    ("columns", "target", "said"),
    [
        (["score"], "grade", "repeat --predictions for each class"),
        (["score", "other"], "rating", "other predictions than this target has outputs"),
        (["score", "score"], "approved", "a column is named twice"),
        (["scores"], "approved", "'scores', which is no column of --data and no file"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], columns: list[str], target: str, said: str
) -> None:
    arguments = [part for name in columns for part in ("--predictions", name)]
    assert init(tmp_path, people().assign(score=shares(), other=shares()), arguments, target) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "audit.toml").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ids: ids.replace({"p007": "p001"}), "'person_id': 'p001' stands 2 times in FILE"),
        (lambda ids: "x" + ids, "'person_id': no value of the data is in FILE, such as 'p000' in the data and 'x"),
        (lambda ids: ids.rename("id"), "FILE: 'id', 'score'; the data: 'person_id', 'income'"),
    ],
)
def test_why_no_column_of_ids_joins_a_file_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Any], Any], said: str
) -> None:
    file = own_file(tmp_path, score=shares())
    table = pd.read_csv(file)
    pd.concat([change(table["person_id"]), table["score"]], axis=1).to_csv(file, index=False)
    assert init(tmp_path, people(), ["--predictions", file], "approved") == 2
    assert said.replace("FILE", str(file)) in " ".join(capsys.readouterr().err.split())


def test_a_value_that_the_data_have_twice_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = people()
    rows.loc[7, "person_id"] = "p001"
    groups = {name: people()["sex"] for name in ("city", "housing", "job")}
    file = own_file(tmp_path, **groups, score=shares())
    assert init(tmp_path, rows.assign(**groups), ["--predictions", file], "approved") == 2
    assert "'person_id': 'p001' stands 2 times in the data" in " ".join(capsys.readouterr().err.split())


def test_the_other_output_is_no_feature(tmp_path: Path) -> None:
    rows = people().assign(p_no=1 - shares(), p_yes=shares())
    document = written(tmp_path, rows, ["--predictions", "p_yes"])
    assert document["data"]["exclude"] == ["person_id", "p_no"]
    assert "# Columns beside the outputs:" in (tmp_path / "audit.toml").read_text()


def test_a_file_without_the_ids_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame({"sex": people()["sex"], "score": shares(), "person_id": [f"q{n}" for n in range(ROWS)]})
    table.to_csv(tmp_path / "scores.csv", index=False)
    assert init(tmp_path, people(), ["--predictions", tmp_path / "scores.csv"], "approved") == 2
    assert "no column of ids joins this file to the data" in capsys.readouterr().err


@pytest.mark.parametrize("padded", ["rows", "outputs"])
def test_ids_that_are_written_otherwise_join_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], padded: str
) -> None:
    ids = {"rows": range(ROWS), "outputs": range(ROWS)} | {padded: [f"{n:04}" for n in range(ROWS)]}
    pd.DataFrame({"person_id": ids["outputs"], "score": shares()}).to_csv(tmp_path / "scores.csv", index=False)
    rows = people().assign(person_id=ids["rows"])
    assert init(tmp_path, rows, ["--predictions", tmp_path / "scores.csv"], "approved") == 2
    assert "007 is not 7" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("kind", [str, float])
def test_ids_of_other_types_join_where_an_audit_joins_them(tmp_path: Path, kind: type) -> None:
    ids = [f"{n:04}" if kind is str else str(n) for n in range(ROWS)]
    table = pd.DataFrame({"person_id": ids, "score": shares()}).astype({"person_id": kind})
    table.to_parquet(tmp_path / "scores.parquet")
    document = written(tmp_path, people().assign(person_id=ids), ["--predictions", tmp_path / "scores.parquet"])
    assert document["data"]["id"] == "person_id"


def test_a_file_of_one_name_less_column_joins_no_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{n},2,3:{'ab'[n % 2]}\n" for n in range(30))
    (tmp_path / "s.ts").write_text(f"@problemName x\n@univariate true\n@classLabel true a b\n@data\n{rows}")
    pd.DataFrame({"score": shares()[:30]}).to_csv(tmp_path / "scores.csv")
    command = ["init", str(tmp_path), "--data", str(tmp_path / "s.ts")]
    assert guarded([*command, "--predictions", str(tmp_path / "scores.csv")]) == 2
    assert "no column of ids joins this file to the data" in capsys.readouterr().err


def test_decisions_instead_of_scores_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = own_file(tmp_path, decision=(shares() > 0.5).astype(int))
    written(tmp_path, people(), ["--predictions", file])
    assert "these predictions are 0 and 1 alone, as decisions are" in " ".join(capsys.readouterr().out.split())


def test_rows_without_an_output_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = own_file(tmp_path, score=shares())
    pd.read_csv(file).iloc[:100].to_csv(file, index=False)
    assert init(tmp_path, people(), ["--predictions", file], "approved") == 0
    assert "20 rows of the sample have none" in " ".join(capsys.readouterr().out.split())


def test_rows_to_train_on_need_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = own_file(tmp_path, score=shares())
    table = pd.read_csv(file)
    table[table["person_id"] >= "p063"].to_csv(file, index=False)
    rows = people().assign(part=["train"] * 60 + ["test"] * 60)
    assert init(tmp_path, rows, ["--predictions", file], "approved") == 0
    assert ": 3 rows of the sample have none" in " ".join(capsys.readouterr().out.split())


def test_images_of_a_folder_are_found_by_their_paths(tmp_path: Path) -> None:
    names = list(folder_of(tmp_path / "pictures"))
    parts = [[0.2, 0.3, 0.5], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9], [1.0, 0.0, 0.0], [0.3, 0.3, 0.4]]
    pd.DataFrame(parts, columns=["eel", "dog", "cat"]).assign(path=names).to_csv(tmp_path / "p.csv", index=False)
    command = ["init", str(tmp_path), "--data", str(tmp_path / "pictures"), "--predictions", str(tmp_path / "p.csv")]
    assert guarded(command) == 0
    assert guarded(["check", str(tmp_path / "audit.toml")]) == 0
    document = tomllib.loads((tmp_path / "audit.toml").read_text())
    assert document["data"]["classes"] == ["eel", "dog", "cat"]
    assert "id" not in document["data"]
