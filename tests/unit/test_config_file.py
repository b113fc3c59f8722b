"""audit.toml: everything wrong with a file in one error, each with where, found, allowed and the nearest name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field

from auditbench.config_file import load_config
from auditbench.config_problems import unknown_keys
from auditbench.errors import ConfigError, Problem
from auditbench.toml_file import MAX_BYTES

GOOD = """
[audit]
name = "toy"
[model]
task = "binary-classification"
[data]
test = "rows.csv"
target = "y"
[analyzers.shap]
rows = 5
required = false
[[gates]]
metric = "shap.gap"
max = 1
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "audit.toml"
    (folder / "rows.csv").touch()
    (folder / "model").mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(folder: Path, text: str | bytes, *overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, text), overrides)
    return caught.value.problems


def test_a_good_file(tmp_path: Path) -> None:
    loaded = load_config(write(tmp_path, GOOD))
    assert loaded.base == tmp_path
    assert loaded.config.analyzers["shap"].parameters == {"rows": 5}
    assert loaded.config.analyzers["shap"].required is False
    assert loaded.config.limits.analyzer_seconds == 900


def test_the_digest_is_of_the_content_not_the_layout(tmp_path: Path) -> None:
    first = load_config(write(tmp_path, GOOD)).digest
    assert load_config(write(tmp_path, "# a comment\n" + GOOD.replace('"toy"', "'toy'"))).digest == first
    assert load_config(write(tmp_path, GOOD), ["audit.seed=0"]).digest == first
    assert load_config(write(tmp_path, GOOD), ["audit.seed=1"]).digest != first


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        pytest.param("[audit]", "[audit]\nsede = 1", "audit.sede", "did you mean `seed`?", id="key"),
        pytest.param("[model]", "[modell]", "modell", "did you mean `model`?", id="table"),
        pytest.param("[model]", "[model]\nseed = 1", "model.seed", "it belongs in [audit]", id="wrong-table"),
        pytest.param("binary-classification", "binary", "model.task", "did you mean `binary-classification`?", id="word"),
        pytest.param("[audit]", "[audit]\nseed = -1", "audit.seed", "at least 0", id="range"),
        pytest.param("[audit]", "[audit]\nseed = 1.5", "audit.seed", "expected an integer", id="integer"),
        pytest.param("[audit]", "[audit]\nseed = '1'", "audit.seed", "expected an integer", id="text-for-integer"),
        pytest.param("[audit]", "[audit]\nseed = true", "audit.seed", "expected an integer", id="bool-for-integer"),
        pytest.param('name = "toy"', "", "audit.name", "add `name = …`", id="missing-key"),
        pytest.param("max = 1", "", "gates[0]", "expected a limit: `min`, `max`", id="no-limit"),
        pytest.param("max = 1", "min = 2\nmax = 1", "gates[0]", "`min` <= `max`", id="limits-crossed"),
        pytest.param("max = 1", "max = nan", "gates[0].max", "finite", id="nan-limit"),
        pytest.param("max = 1", "max = inf", "gates[0].max", "finite", id="infinite-limit"),
        pytest.param('"shap.gap"', '"gap"', "gates[0].metric", "`analyzer.metric`", id="metric-without-analyzer"),
        pytest.param("required = false", "required = 'no'", "analyzers.shap.required", "true or false", id="flag"),
        pytest.param("required = false", "time_limit = 0", "analyzers.shap.time_limit", "greater than 0", id="limit"),
        pytest.param("[data]", "[data]\nsensitive = 'sex'", "data.sensitive", "a list in square brackets", id="list"),
        pytest.param("[data]", "[data]\ndataset = 'adult'", "data", "exactly one of", id="two-sources"),
        pytest.param("[data]", "[data]\ntypes.a = 'text'", "data.types.a", "category", id="word-in-a-mapping"),
        pytest.param("[data]", "[data]\nbins.a = []", "data.bins.a", "at least 1 entries", id="empty-bins"),
        pytest.param("[[gates]]", "[gates]", "gates", "a list in square brackets", id="gates-as-a-table"),
        pytest.param("[analyzers.shap]\nrows = 5\nrequired = false", "[analyzers]\nshap = 1", "analyzers.shap", "a table", id="analyzer-as-a-number"),
        pytest.param("[data]", "[data]\ninputs = 'standardized'", "data.inputs", 'model.inputs = "standardized", in [model]', id="inputs-of-the-model"),
        pytest.param("[data]", "[data]\ninputs = 'image'", "data.inputs", "[data.inputs.NAME]", id="inputs-as-text"),
    ],
)  # fmt: skip
def test_one_mistake(tmp_path: Path, old: str, new: str, where: str, words: str) -> None:
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    mine = [problem for problem in found if problem.where.startswith(where)]
    assert mine, found
    assert words in "\n".join(mine[0].lines())


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("[audit]", "[audit]\nsede = 1").replace("binary-classification", "binary") + (
        "[[gates]]\nmetric = 'shap.x'\n[[gates]]\nmetric = 'shap.y'\nmin = nan\n[reports]\n"
    )
    found = problems(tmp_path, text, "audit")
    assert {problem.where for problem in found} == {
        "--set audit", "audit.sede", "model.task", "gates[1]", "gates[2].min", "reports",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tail", "where", "words"),
    [
        pytest.param("[[gates]]\nmetric = 'shap.gap'\nmin = 0", "gates[1]", "shap.gap", id="made-ids"),
        pytest.param("[[gates]]\nid = 'shap.gap'\nmetric = 'shap.b'\nmin = 0", "gates[1]", "same id", id="own-id"),
        pytest.param(
            "[[waivers]]\ngate = 'shap.gab'\nuntil = '2030-01-01'\nby = 'A'\nreason = 'B'",
            "waivers[0].gate", "did you mean `shap.gap`?", id="waiver-of-no-gate",
        ),
        pytest.param(
            "[[waivers]]\ngate = 'shap.gap'\nuntil = '2030-02-30'\nby = 'A'\nreason = 'B'",
            "waivers[0].until", "no such day", id="day",
        ),
    ],
)  # fmt: skip
def test_what_single_tables_cannot_see(tmp_path: Path, tail: str, where: str, words: str) -> None:
    (problem,) = problems(tmp_path, f"{GOOD}\n{tail}\n")
    assert problem.where == where
    assert words in "\n".join(problem.lines())


def test_names_gates_and_files_are_said_together_with_wrong_keys(tmp_path: Path) -> None:
    text = (
        GOOD.replace('target = "y"', 'targe = "y"').replace("rows.csv", "absent.csv").replace("max = 1", "max = '1'")
        + "[analyzers.valu]\n[[gates]]\nmetric = 'nosuch.m'\nmin = 0\n[report]\nformats = ['htlm', 'json']\n"
        "[[waivers]]\ngate = 'nosuch.n'\nuntil = '2030-02-30'\nby = 'A'\n"
    ).replace("[audit]", "[audit]\nplugins = ['shap', 'shap-more', 'nobody']")
    found = {problem.where: "\n".join(problem.lines()) for problem in problems(tmp_path, text)}
    assert set(found) == {
        "data.targe", "data.target", "data.test", "analyzers.valu", "gates[0].max", "gates[1].metric", "report.formats",
        "audit.plugins[1]", "audit.plugins[2]", "waivers[0].gate", "waivers[0].until", "waivers[0].reason",
    }  # fmt: skip
    assert "did you mean `html`?" in found["report.formats"]
    assert "did you mean `shap`?" in found["audit.plugins[1]"]
    assert "did you mean `nosuch.m`?" in found["waivers[0].gate"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("analyzers = 1\ngates = 2\nwaivers = 'x'\naudit = 3\nreport = []\nmodel = 1\ndata = 0", id="no-tables"),
        pytest.param(GOOD + "[[gates]]\nmetric = 5\nwhere = 1\n[[waivers]]\ngate = 'x.y'\n", id="a-gate-without-id"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_not_checked_further(tmp_path: Path, text: str) -> None:
    found = [problem.where for problem in problems(tmp_path, text)]
    assert found
    assert not [where for where in found if where.endswith("].gate") or where.startswith("analyzers.")]


def test_toml_errors_name_line_and_column(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[audit]\nname = \n")
    assert "line 2, column 8" in problem.found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"[audit]\nname = '\xe9'\n", "audit.toml:2", id="latin-1"),
        pytest.param(b"#" * (MAX_BYTES + 1), "too long", id="too-long"),
        pytest.param(b"a = " + b"[" * 50_000, "nested", id="nested"),
        pytest.param("[audit]\n".encode("utf-16"), "not UTF-8", id="utf-16"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, content: bytes, words: str) -> None:
    (problem,) = problems(tmp_path, content)
    assert words in "\n".join(problem.lines())
    assert problem.found
    assert problem.fix


def test_a_file_that_is_not_readable_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, GOOD)

    def refused(*arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_config(tmp_path / "audit.toml")
    (problem,) = caught.value.problems
    assert (problem.found, bool(problem.fix)) == ("Permission denied", True)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())).config.audit.name == "toy"


def test_a_missing_file_a_folder_and_a_pipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="regular file"):
        load_config(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="regular file"):
        load_config(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("override", "table", "key", "value"),
    [
        ("audit.seed=7", "audit", "seed", 7),
        ("audit.name=bare word", "audit", "name", "bare word"),
        ('audit.name="quoted = word"', "audit", "name", "quoted = word"),
        ("data.sensitive=['a', 'b']", "data", "sensitive", ("a", "b")),
        ("model.threshold = 0.25", "model", "threshold", 0.25),
        ("audit.owner=a=b", "audit", "owner", "a=b"),
    ],
)
def test_overrides(tmp_path: Path, override: str, table: str, key: str, value: object) -> None:
    loaded = load_config(write(tmp_path, GOOD), [override])
    assert getattr(getattr(loaded.config, table), key) == value
    assert loaded.overrides == (override,)


def test_overrides_reach_analyzers_and_make_tables(tmp_path: Path) -> None:
    loaded = load_config(
        write(tmp_path, GOOD), ["analyzers.shap.rows=9", "analyzers.lime.time_limit=3", "limits.load_seconds=1"]
    )
    assert loaded.config.analyzers["shap"].parameters == {"rows": 9}
    assert loaded.config.analyzers["lime"].time_limit == 3
    assert loaded.config.limits.load_seconds == 1


@pytest.mark.parametrize("override", ["audit.seed", "=1", "a b=1", "gates.x=1", "audit.seed=1\nx=2", "[audit]=1"])
def test_overrides_that_are_none(tmp_path: Path, override: str) -> None:
    found = problems(tmp_path, GOOD, override)
    assert any(problem.where.startswith(("--set", "audit.seed")) for problem in found)


def test_an_override_of_null_takes_a_key_or_a_table_away(tmp_path: Path) -> None:
    taken = ["analyzers.shap.rows= null", "gates=null"]
    loaded = load_config(write(tmp_path, GOOD), taken)
    assert loaded.config.analyzers["shap"].parameters == {}
    assert loaded.config.analyzers["shap"].required is False
    assert loaded.config.gates == ()
    assert load_config(write(tmp_path, GOOD), ["audit.name='null'"]).config.audit.name == "null"


@pytest.mark.parametrize(
    ("override", "allowed"), [("data.tset=null", "test, target"), ("limits.memory_gib=null", "no keys")]
)
def test_an_override_of_null_for_an_absent_key_is_refused(tmp_path: Path, override: str, allowed: str) -> None:
    (problem,) = problems(tmp_path, GOOD, override)
    assert problem.where == f"--set {override}"
    assert allowed in problem.allowed


class Lenient(BaseModel):
    threshold: float = 0.5
    rows: int = Field(10, alias="row_count")
    seed: int = Field(0, validation_alias=AliasChoices("seed", AliasPath("random", "seed")))


@pytest.mark.parametrize(
    ("table", "named", "fix"),
    [
        ({"threshold": 1, "row_count": 3, "random": {"seed": 1}}, "", ""),
        ({"treshold": 0.1}, "analyzers.toy.treshold", "did you mean `threshold`?"),
        ({"zzz": {"a": 1}}, "analyzers.toy.zzz", "remove it"),
    ],
)
def test_keys_that_pydantic_would_pass_over_are_named(table: dict[str, object], named: str, fix: str) -> None:
    found = unknown_keys(Lenient, table, "analyzers.toy")
    assert [(problem.where, problem.fix) for problem in found] == ([(named, fix)] if named else [])
