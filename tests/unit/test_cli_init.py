"""What `init` finds in a table, and the audit.toml it writes."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditbench.cli.boundary import guarded
from auditbench.cli.data_profile import ColumnProfile
from auditbench.cli.draft import Sources, draft_config
from auditbench.cli.gates_draft import draft_gates, fitting_presets
from auditbench.cli.guesses import (
    id_reason,
    is_split,
    positive_class,
    sensitive_reason,
    target_candidates,
    task_of,
    text_reason,
)
from auditbench.cli.input_profile import DataProfile, profile_data
from auditbench.cli.toml_words import key, quoted
from auditbench.config_file import load_config
from auditbench.descriptions import AnalyzerDescription
from auditbench.errors import DataError, EmptyDataError
from auditbench.gate_file import GateFile, GateSource, read_gates
from auditbench.presets import load_preset
from auditbench.run import PluginFacts

ROWS = 200
ADULT = Path(str(resources.files("auditbench") / "data" / "adult.parquet"))
SOURCES = Sources(name="people", test="people.csv", train="")


def table(**extra: Any) -> pa.Table:
    columns = {
        "person_id": list(range(1, ROWS + 1)),
        "age": [20 + i % 50 for i in range(ROWS)],
        "gender": [i % 2 for i in range(ROWS)],
        "wage": [1000.5 + i * 7 % 333 for i in range(ROWS)],
        "city": ["A", "B", None, "C"] * (ROWS // 4),
        "approved": ["yes" if i % 5 == 0 else "no" for i in range(ROWS)],
    }
    return pa.table({**columns, **extra})


def described(name: str, summary: str = "") -> AnalyzerDescription:
    plugin = PluginFacts(name="performance", distribution="auditbench", version="0")
    return AnalyzerDescription(name=name, topic=name, summary=summary, plugin=plugin)


def whole(path: Path, content: pa.Table) -> DataProfile:
    return DataProfile(columns=tuple(profiles(path, content).values()))


def profiles(path: Path, content: pa.Table) -> dict[str, ColumnProfile]:
    pa.parquet.write_table(content, path / "t.parquet")
    return {column.name: column for column in profile_data(path / "t.parquet").columns}


def column(name: str, values: list[Any], tmp_path: Path) -> ColumnProfile:
    return profiles(tmp_path, pa.table({name: values}))[name]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_profile_counts(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"people.{suffix}"
    (pa.parquet.write_table if suffix == "parquet" else pa.csv.write_csv)(table(), path)
    found = {column.name: column for column in profile_data(path).columns}
    assert list(found) == table().column_names
    assert {name: column.kind for name, column in found.items()} == {
        "person_id": "number",
        "age": "number",
        "gender": "number",
        "wage": "number",
        "city": "category",
        "approved": "category",
    }
    assert (found["city"].rows, found["city"].missing, found["city"].distinct) == (ROWS, ROWS // 4, 3)
    assert found["gender"].values == ("0", "1")
    assert found["approved"].values == ("no", "yes")
    assert [name for name, column in found.items() if column.counts_up] == ["person_id"]
    assert found["age"].whole
    assert not found["wage"].whole


def test_a_long_sorted_file_shows_its_last_rows(tmp_path: Path) -> None:
    rows = 60_000
    content = pa.table({"n": list(range(rows)), "label": ["early"] * 59_000 + ["late"] * 1000})
    found = profiles(tmp_path, content)
    assert set(found["label"].values) == {"early", "late"}
    assert found["label"].rows < rows / 5
    assert found["n"].counts_up


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        pytest.param(b"", EmptyDataError, "empty", id="no-bytes"),
        pytest.param(b"a,b\n", EmptyDataError, "no rows", id="header-only"),
        pytest.param(b"a,a\n1,2\n", DataError, "stands twice", id="a-name-twice"),
        pytest.param(b"a,b\n1,2,3\n", DataError, "cannot be read", id="ragged"),
    ],
)
def test_bad_csv_is_refused(tmp_path: Path, content: bytes, error: type[DataError], words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(error, match=words):
        profile_data(path)


@pytest.mark.parametrize("name", ["absent.csv", "notes.txt", "broken.parquet"])
def test_bad_files_are_refused(tmp_path: Path, name: str) -> None:
    if name != "absent.csv":
        (tmp_path / name).write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError) as refused:
        profile_data(tmp_path / name)
    assert name in refused.value.problems[0].where
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("option", ["DIR", "--data", "--model", "--predictions"])
def test_a_name_that_is_too_long_is_refused_as_any_other(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pa.csv.write_csv(table(), tmp_path / "people.csv")
    given = {"DIR": str(tmp_path), "--data": str(tmp_path / "people.csv")} | {option: "m" * 300}
    folder = given.pop("DIR")
    assert guarded(["init", folder, *(part for pair in given.items() for part in pair)]) == 2
    said = capsys.readouterr().err
    assert "fix:" in said or "allowed:" in said


@pytest.mark.parametrize(
    ("name", "sensitive"),
    [
        *[
            (name, True)
            for name in ("sex", "Gender", "RACE", "age", "marital_status", "MaritalStatus", "native-country")
        ],
        *[
            (name, True)
            for name in ("性别", "客户年龄", "婚姻状况", "民族", "date_of_birth", "disability.type", "applicant age")
        ],
        *[
            (name, False)
            for name in ("wage", "sexton", "average", "mileage", "country", "birthday_gift", "城市", "trace")
        ],
    ],
)
def test_sensitive_features_are_known_by_whole_words(tmp_path: Path, name: str, sensitive: bool) -> None:
    assert bool(sensitive_reason(column(name, [1, 2, 3], tmp_path))) == sensitive


@pytest.mark.parametrize(
    ("name", "values", "is_id"),
    [
        pytest.param("customer_id", [f"c{i:04}" for i in range(50)], True, id="named"),
        pytest.param("row", list(range(50)), True, id="counts-up"),
        pytest.param("hash", [f"{i * 7919:x}" for i in range(50)], True, id="every-text-different"),
        pytest.param("amount", [i * i for i in range(50)], False, id="different-numbers"),
        pytest.param("客户编号", [i * 31 % 997 for i in range(50)], True, id="named-in-chinese"),
        pytest.param("customer_id", ["a", "b"] * 25, False, id="repeats"),
        pytest.param("row", [1, 2, 3], False, id="too-short-to-say"),
    ],
)
def test_ids(tmp_path: Path, name: str, values: list[Any], is_id: bool) -> None:
    assert bool(id_reason(column(name, values, tmp_path))) == is_id


def test_text_and_dates_are_no_features(tmp_path: Path) -> None:
    texts = [f"some words number {i % 190}" for i in range(ROWS)]
    found = profiles(tmp_path, table(remark=texts, when=pa.array([0] * ROWS, pa.date32()), empty=pa.nulls(ROWS)))
    assert text_reason(found["remark"]) == "190 different texts in 200 rows"
    assert text_reason(found["when"]) == "neither a number nor a category"
    assert text_reason(found["empty"]) == "no row has a value"
    assert text_reason(found["city"]) == ""


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 20, "binary-classification"),
        ([0, 1] * 20, "binary-classification"),
        ([1, 2, 3, 4] * 10, "multiclass-classification"),
        (["a", "b", "c", "d"] * 10, "multiclass-classification"),
        ([0.5, 1.5, 2.25, 3.0] * 10, "regression"),
        (list(range(40)), "regression"),
    ],
)
def test_task_follows_the_target(tmp_path: Path, values: list[Any], task: str) -> None:
    assert task_of(column("y", values, tmp_path)) == task


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["no"] * 3 + ["yes"] * 5, "yes"),
        (["否"] * 3 + ["是"] * 5, "是"),
        ([0] * 3 + [1] * 5, "1"),
        ([0.0] * 3 + [1.0] * 5, "1"),
        (["cat"] * 3 + ["dog"] * 5, "cat"),
    ],
)
def test_positive_class_is_named_or_rarer(tmp_path: Path, values: list[Any], positive: str) -> None:
    assert positive_class(column("y", values, tmp_path)) == positive


def test_targets_of_adult() -> None:
    columns = profile_data(ADULT).columns
    best = target_candidates(columns)[0]
    assert best.column.name == "income"
    assert best.reasons == ("its name is one that targets have", "two different values", "the last column")
    assert [column.name for column in columns if is_split(column)] == ["split"]
    assert {column.name for column in columns if sensitive_reason(column)} == {
        "age",
        "marital_status",
        "native_country",
        "race",
        "sex",
    }


def test_draft_of_a_table(tmp_path: Path) -> None:
    made = draft_config(whole(tmp_path, table()), SOURCES, target=None, analyzers=[described("shap", "Shapley values")])
    document = tomllib.loads(made.text)
    assert document["data"]["target"] == made.target == "approved"
    assert document["data"]["positive"] == "yes"
    assert document["data"]["sensitive"] == ["age", "gender"]
    assert document["data"]["types"] == {"gender": "category"}
    assert document["data"]["bins"] == {"age": [36.0, 53.0]}
    assert document["data"]["exclude"] == ["person_id"]
    assert document["analyzers"] == {"shap": {}}
    assert "# its name says 'age'" in made.text
    assert document["data"]["held_out"] == 0.2
    assert any("`held_out`" in question for question in made.open_questions)


def test_the_named_target_is_used_or_refused(tmp_path: Path) -> None:
    columns = whole(tmp_path, table(same=["x"] * ROWS))
    assert draft_config(columns, SOURCES, target="wage", analyzers=[]).task == "regression"
    for wrong, words in (("wages", "no such column"), ("same", "cannot be the target")):
        with pytest.raises(DataError, match=words):
            draft_config(columns, SOURCES, target=wrong, analyzers=[])


def test_without_any_candidate_it_asks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column could be the target"):
        draft_config(whole(tmp_path, pa.table({"x": ["same"] * 30})), SOURCES, target=None, analyzers=[])


def test_training_rows_are_found_in_a_split_or_a_file(tmp_path: Path) -> None:
    parts = whole(tmp_path, table(part=["train", "test"] * (ROWS // 2)))
    split = draft_config(parts, SOURCES, target="approved", analyzers=[])
    assert tomllib.loads(split.text)["data"]["split"] == "part"
    beside = Sources(name="people", test="people.csv", train="train.csv")
    file = draft_config(whole(tmp_path, table()), beside, target="approved", analyzers=[])
    assert tomllib.loads(file.text)["data"]["train"] == "train.csv"
    assert not [question for made in (split, file) for question in made.open_questions if "held_out" in question]


names = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(names, min_size=2, max_size=5, unique=True),
    values=st.lists(names.filter(bool), min_size=2, max_size=2, unique=True),
    path=names,
)
def test_hostile_names_and_values_stay_text(names: list[str], values: list[str], path: str) -> None:
    columns = tuple(
        ColumnProfile(name=name, kind="category", rows=10, missing=0, distinct=2, values=tuple(values))
        for name in names
    )
    sources = Sources(name=path, test=path, train=path)
    made = draft_config(
        DataProfile(columns=columns), sources, target=names[0], analyzers=[described("performance", path)]
    )
    document = tomllib.loads(made.text)
    assert document["data"]["target"] == names[0]
    assert document["data"]["test"] == path
    assert document["data"]["positive"] in values
    assert set(document["data"]["sensitive"]) <= set(names[1:])
    assert set(document) == {"audit", "model", "train", "data", "analyzers", "report"}


@given(names)
def test_quoting_is_undone_by_a_toml_reader(text: str) -> None:
    assert tomllib.loads(f"{key(text)} = {quoted(text)}") == {text: text}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two analyzers, as if they had been described by a worker."""
    monkeypatch.setattr(
        "auditbench.cli.init._installed_analyzers", lambda: [described("performance", "Metrics"), described("shap")]
    )


def test_command_writes_a_valid_configuration_once(
    installed: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "audits" / "first"
    assert guarded(["init", str(folder), "--data", str(ADULT)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "income (binary-classification)" in out
    loaded = load_config(folder / "audit.toml")
    assert (folder / str(loaded.config.data.test)).resolve() == ADULT.resolve()
    assert set(loaded.config.analyzers) == {"performance", "shap"}
    before = (folder / "audit.toml").read_bytes()
    assert guarded(["init", str(folder), "--data", str(ADULT)]) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert (folder / "audit.toml").read_bytes() == before


def test_command_finds_the_training_file_and_the_model(installed: None, tmp_path: Path) -> None:
    for name in ("credit-test.csv", "credit-train.csv"):
        pa.csv.write_csv(table(), tmp_path / name)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "model.json").write_text('{"task": "binary-classification"}')
    arguments = ["--data", str(tmp_path / "credit-test.csv"), "--model", str(tmp_path / "bundle")]
    assert guarded(["init", str(tmp_path), *arguments]) == 0
    config = load_config(tmp_path / "audit.toml").config
    assert (config.data.test, config.data.train, config.model.path) == ("credit-test.csv", "credit-train.csv", "bundle")
    assert config.train is None


def test_command_writes_gates_that_are_decided(installed: None, tmp_path: Path) -> None:
    arguments = ["init", str(tmp_path), "--data", str(ADULT), "--with-gates"]
    assert guarded(arguments) == 0
    ids = [gate.id for gate in load_config(tmp_path / "audit.toml").config.gates]
    assert ids == [table.id for table in load_preset("binary-basics").tables(())]
    text = (tmp_path / "gates.toml").read_text()
    signs = "".join(line.removeprefix("# ") + "\n" for line in text.splitlines() if not line.startswith("# A"))
    everything = tomllib.loads(signs[signs.index("[[gates]]") :])
    assert [(len(everything[table])) for table in ("gates", "waivers")] == [1, 1]
    GateFile.model_validate(everything)


@pytest.mark.parametrize("there", ["audit.toml", "gates.toml"])
def test_command_writes_both_files_or_none(installed: None, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    assert guarded(["init", str(tmp_path), "--data", str(ADULT), "--with-gates"]) == 2
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(there, "mine")]


@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification", "regression"])
@pytest.mark.parametrize("sensitive", [True, False])
def test_gates_for_each_task_can_be_read(tmp_path: Path, task: str, sensitive: bool) -> None:
    text = draft_gates(task, sensitive=sensitive)
    for name in fitting_presets(task, sensitive=sensitive):
        text = text.replace(f'    # "{name}",', f'    "{name}",')
    (tmp_path / "gates.toml").write_text(text)
    source = GateSource(text="gates.toml", base=tmp_path)
    given = read_gates([source], task=task, sensitive=["sex"] if sensitive else [])
    assert given.problems == ()
    assert len(given.gates) >= len(fitting_presets(task, sensitive=sensitive))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "absent.csv"], "absent.csv"),
        (["--data", str(ADULT), "--target", "incme"], "'incme'"),
        (["--data", str(ADULT), "--model", "absent"], "absent"),
        ([], "--data"),
    ],
)
def test_command_refuses(
    installed: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert guarded(["init", str(tmp_path), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "audit.toml").exists()


def test_command_names_a_folder_that_cannot_be_used(
    installed: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert guarded(["init", str(tmp_path / "file"), "--data", str(ADULT)]) == 2
    assert "AB502" in capsys.readouterr().err


def test_texts_that_are_all_different_are_no_row_ids(installed: None, tmp_path: Path) -> None:
    notes = [f"the {i}th note that somebody wrote about a loan, and of nobody else" for i in range(ROWS)]
    for columns, named in (({"note": notes}, "person_id"), ({"note": notes, "person_id": [7] * ROWS}, None)):
        folder = tmp_path / str(named)
        folder.mkdir()
        pa.csv.write_csv(table(**columns) if named is None else table(note=notes), folder / "people.csv")
        assert guarded(["init", str(folder), "--data", str(folder / "people.csv"), "--target", "approved"]) == 0
        assert load_config(folder / "audit.toml").config.data.id == named
