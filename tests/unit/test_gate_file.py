"""gates.toml: read beside an audit or alone, with everything wrong told by file and key path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from auditbench.config_file import LoadedConfig, load_config
from auditbench.errors import ConfigError, Problem
from auditbench.gate_file import GateSource, GivenGates, read_gates

AUDIT = """
[audit]
name = "toy"
{audit}
[model]
task = "{task}"
[data]
test = "rows.csv"
target = "y"
sensitive = {sensitive}
[analyzers.performance]
[analyzers.fairness]
[[gates]]
id = "own"
metric = "performance.accuracy"
min = 0.5
"""
GATES = """
[[gates]]
id = "team"
metric = "performance.auc"
min = 0.7
explanation = "What the last model had."
[[waivers]]
gate = "{waived}"
until = "2030-01-01"
by = "A"
reason = "B"
"""
BAD = {
    "key": ("[[gates]]\nmetric = 'a.b'\nmaxx = 1\n", "gates.toml: gates[0].maxx", "did you mean `max`?"),
    "audit": ("[audit]\nname = 'x'\n", "gates.toml", "the configuration of an audit"),
    "top-level-key": ("presets = 'binary-basics'\n", "gates.toml: presets", "did you mean `preset`?"),
    "no-limit": ("[[gates]]\nmetric = 'a.b'\n", "gates.toml: gates[0]", "expected a limit"),
    "limits-crossed": ("[[gates]]\nmetric = 'a.b'\nmin = 2\nmax = 1\n", "gates.toml: gates[0]", "`min` <= `max`"),
    "nan": ("[[gates]]\nmetric = 'a.b'\nmin = nan\n", "gates.toml: gates[0].min", "finite"),
    "text-for-a-number": ("[[gates]]\nmetric = 'a.b'\nmin = '1'\n", "gates.toml: gates[0].min", "expected a number"),
    "no-metric": ("[[gates]]\nmin = 1\n", "gates.toml: gates[0].metric", "this key is missing"),
    "id": ("[[gates]]\nid = 'A b'\nmetric = 'a.b'\nmin = 1\n", "gates.toml: gates[0].id", "lower-case letters"),
    "long-explanation": (f"[[gates]]\nmetric='a.b'\nmin=1\nexplanation='{'x' * 601}'", "gates.toml: gates[0].explanation", "at most 600 long"),
    "gates-as-a-table": ("[gates]\nmetric = 'a.b'\nmin = 1\n", "gates.toml: gates", "a list"),
    "preset-as-a-number": ("preset = 3\n", "gates.toml: preset", "a list"),
    "preset-of-a-number": ("preset = ['binary-basics', 3]\n", "gates.toml: preset[1]", "expected text"),
    "no-preset": ("preset = 'binary-basic'\n", "gates.toml: preset", "did you mean `binary-basics`?"),
    "preset-of-another-task": ("preset = 'regression-basics'\n", "gates.toml: preset", "for regression; the task is binary"),
    "waiver-key": ("[[waivers]]\ngate = 'own'\nuntil = 'soon'\nby = 'A'\nreason = 'B'\n", "gates.toml: waivers[0].until", "YYYY-MM-DD"),
    "waiver-of-no-gate": ("[[waivers]]\ngate = 'owm'\nuntil = '2030-01-01'\nby = 'A'\nreason = 'B'\n", "gates.toml: waivers[0].gate", "did you mean `own`?"),
    "waiver-without-such-a-day": ("[[waivers]]\ngate = 'own'\nuntil = '2030-02-30'\nby = 'A'\nreason = 'B'\n", "gates.toml: waivers[0].until", "no such day"),
    "id-of-the-audit": ("[[gates]]\nid = 'own'\nmetric = 'performance.auc'\nmin = 0\n", "gates.toml: gates[0]", "the same id as gates[0]"),
    "id-twice": ("[[gates]]\nmetric = 'performance.auc'\nmin = 0\n[[gates]]\nmetric = 'performance.auc'\nmax = 1\n", "gates.toml: gates[1]", "the same id as gates.toml: gates[0]"),
    "id-of-a-preset": ("preset = 'binary-basics'\n[[gates]]\nid = 'binary-basics.auc'\nmetric = 'performance.auc'\nmin = 0\n", "gates.toml: gates[0]", "the same id as gates.toml: preset (binary-basics.auc)"),
    "empty": ("", "gates.toml", "the file holds no gates"),
    "no-gates": ("gates = []\n", "gates.toml", "the file holds no gates"),
    "no-presets": ("preset = []\nwaivers = []\n", "gates.toml", "the file holds no gates"),
    "comment-alone": ("# nothing\n", "gates.toml", "the file holds no gates"),
    "key-of-a-preset": ("[[gates]]\nmetric = 'a.b'\nmin = 0\neach = 'sensitive'\n", "gates.toml: gates[0].each", "presets alone"),
    "no-toml": ("[[gates]\n", "gates.toml", "not valid TOML"),
}  # fmt: skip


def audit(
    folder: Path, named: str = "", *options: str, task: str = "binary-classification", sensitive: str = '["sex"]'
) -> LoadedConfig:
    (folder / "rows.csv").touch()
    (folder / "model").mkdir(exist_ok=True)
    (folder / "audit.toml").write_text(AUDIT.format(audit=named, task=task, sensitive=sensitive))
    return load_config(folder / "audit.toml", gate_files=options)


def problems(folder: Path, named: str, *options: str, **tables: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        audit(folder, named, *options, **tables)
    return caught.value.problems


def alone(folder: Path, *names: str, task: str = "binary-classification", sensitive: Sequence[str] = ()) -> GivenGates:
    return read_gates([GateSource(text=name, base=folder) for name in names], task=task, sensitive=sensitive)


@pytest.mark.parametrize(
    "named",
    ['gates = "sub/gates.toml"', 'gates = ["sub/gates.toml"]', 'gates = ["sub/gates.toml", "./sub/gates.toml"]'],
)
def test_a_file_beside_an_audit_adds_gates_and_waivers(tmp_path: Path, named: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "gates.toml").write_text(GATES.format(waived="own"))
    loaded = audit(tmp_path, named)
    assert [gate.id for gate in loaded.config.gates] == ["own", "team"]
    assert loaded.config.gates[1].explanation == "What the last model had."
    assert [waiver.gate for waiver in loaded.config.waivers] == ["own"]
    assert loaded.gate_places == ("gates[0]", "sub/gates.toml: gates[0]")


def test_the_option_starts_from_the_working_directory_and_adds_to_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("audit", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "audit" / "gates.toml").write_text("[[gates]]\nid = 'beside'\nmetric = 'performance.f1'\nmin = 0\n")
    (tmp_path / "elsewhere" / "gates.toml").write_text(GATES.format(waived="beside"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded = audit(tmp_path / "audit", 'gates = "gates.toml"', "gates.toml")
    assert [gate.id for gate in loaded.config.gates] == ["own", "beside", "team"]
    assert loaded.gate_files == ("gates.toml",)


def test_gates_of_files_are_part_of_the_digest(tmp_path: Path) -> None:
    file = tmp_path / "gates.toml"
    file.write_text(GATES.format(waived="own"))
    before = audit(tmp_path, 'gates = "gates.toml"').digest
    file.write_text("# a comment\n" + GATES.format(waived="own"))
    assert audit(tmp_path, 'gates = "gates.toml"').digest == before
    file.write_text(GATES.format(waived="own").replace("0.7", "0.71"))
    assert audit(tmp_path, 'gates = "gates.toml"').digest != before


@pytest.mark.parametrize("preset", ['"fairness-four-fifths"', '["binary-basics", "fairness-four-fifths"]'])
def test_a_preset_stands_before_the_gates_of_its_file(tmp_path: Path, preset: str) -> None:
    (tmp_path / "gates.toml").write_text(
        f"preset = {preset}\n{GATES.format(waived='fairness-four-fifths.selection.sex')}"
    )
    config = audit(tmp_path, 'gates = "gates.toml"').config
    assert [gate.id for gate in config.gates][-2:] == ["fairness-four-fifths.selection.sex", "team"]
    assert config.gates[-2].where == {"feature": "sex"}
    assert config.gates[-2].explanation == "preset.fairness-four-fifths.selection"


@pytest.mark.parametrize("named", ['gates = "preset:binary-basics"', ""])
def test_a_preset_needs_no_file(tmp_path: Path, named: str) -> None:
    loaded = audit(tmp_path, named, "preset:binary-basics")
    assert [gate.id for gate in loaded.config.gates] == [
        "own", "binary-basics.auc", "binary-basics.balanced-accuracy", "binary-basics.calibration",
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "words"), [pytest.param(*row, id=name) for name, row in BAD.items()])
def test_one_mistake_is_told_by_file_and_key(tmp_path: Path, text: str, where: str, words: str) -> None:
    (tmp_path / "gates.toml").write_text(text)
    found = problems(tmp_path, 'gates = "gates.toml"')
    mine = [problem for problem in found if problem.where.removeprefix(f"{tmp_path}{os.sep}").startswith(where)]
    assert mine, found
    assert words in "\n".join(mine[0].lines())


def test_all_files_are_told_at_once_with_the_audit(tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text("preset = 'nosuch'\n[[gates]]\nmetric = 'performance.auc'\nmin = 2\nmax = 1\n")
    (tmp_path / "more.toml").write_text("[[gates]]\nmetric = 'nobody.auc'\nmin = 0\n[[waivers]]\ngate = 'x'\n")
    named = 'gates = ["gates.toml", "more.toml", "absent.toml", "."]\nsede = 1'
    found = {problem.where: problem for problem in problems(tmp_path, named, "preset:nosuch")}
    assert set(found) == {
        "audit.sede", "gates.toml: preset", "gates.toml: gates[0]", "more.toml: gates[0].metric", "preset:nosuch",
        "more.toml: waivers[0].until", "more.toml: waivers[0].by", "more.toml: waivers[0].reason",
        str(tmp_path / "absent.toml"), str(tmp_path),
    }  # fmt: skip
    assert str(tmp_path) in found[str(tmp_path / "absent.toml")].fix


def test_a_preset_that_needs_sensitive_features_says_so(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, 'gates = "preset:fairness-four-fifths"', sensitive="[]")
    assert problem.where == "preset:fairness-four-fifths"
    assert "data.sensitive" in problem.fix


def test_a_model_of_no_task_is_not_told_of_presets(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, 'gates = "preset:fairness-four-fifths"', task="sorting")
    assert problem.where == "model.task"


def test_a_waiver_is_not_doubted_while_a_gate_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text(GATES.format(waived="from-the-other"))
    found = problems(tmp_path, 'gates = ["gates.toml", "absent.toml"]')
    assert [problem.where for problem in found] == [str(tmp_path / "absent.toml")]


@pytest.mark.parametrize("value", ["3", "[3]", "{a = 1}"])
def test_what_is_no_list_of_files_is_refused(tmp_path: Path, value: str) -> None:
    (problem,) = problems(tmp_path, f"gates = {value}")
    assert problem.where.startswith("audit.gates")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "", "preset:", "preset:../binary-basics"])
def test_names_that_no_file_has(tmp_path: Path, name: str) -> None:
    given = alone(tmp_path, name)
    assert (len(given.problems), given.complete) == (1, False)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("gates = 3\n", "begin each table with `[[gates]]`"),
        ("preset = 3\n", "put it in square brackets"),
        ("[[gates]]\nmetric = 'a.b'\nmin = nan\n", "write a number, or remove the key"),
        ("[[gates]]\nmetric = 'a.b'\nmin = '1'\n", "write the number, without quotes"),
        ("[[gates]]\nmetric = 3\nmin = 1\n", "put it in quotes"),
        ("[[gates]]\nmetric = 'a.b'\nmin = 1\nwhere = 3\n", "write it as `{ key = value }`"),
    ],
)
def test_a_value_of_another_type_says_how_to_write_it(tmp_path: Path, text: str, fix: str) -> None:
    (tmp_path / "gates.toml").write_text(text)
    (problem,) = alone(tmp_path, "gates.toml").problems
    assert (problem.fix, bool(problem.found)) == (fix, True)


@pytest.mark.parametrize("names", [("preset:binary-basics", "gates.toml"), ("gates.toml", "preset:binary-basics")])
def test_a_preset_by_its_name_and_in_a_file_counts_once(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "gates.toml").write_text("preset = ['binary-basics', 'binary-basics']\n")
    loaded = audit(tmp_path, f"gates = {list(names)}")
    assert [gate.id for gate in loaded.config.gates] == [
        "own", "binary-basics.auc", "binary-basics.balanced-accuracy", "binary-basics.calibration",
    ]  # fmt: skip


def test_one_file_by_two_paths_counts_once(tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text(GATES.format(waived="team"))
    given = alone(tmp_path, "gates.toml", str(tmp_path / "gates.toml"), "preset:binary-basics", "preset:binary-basics")
    assert [gate.id for gate in given.gates.values()] == [
        "team", "binary-basics.auc", "binary-basics.balanced-accuracy", "binary-basics.calibration",
    ]  # fmt: skip
    assert given.problems == ()
