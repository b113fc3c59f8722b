"""Presets that a plugin ships in its package: found and read without importing it, and refused by distribution and file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench import supervisor
from auditbench.cli.boundary import guarded
from auditbench.cli.gates_draft import draft_gates
from auditbench.cli.health import check_plugins
from auditbench.errors import ConfigError, Problem
from auditbench.gate_file import GateSource, read_gates
from auditbench.presets import explanation_messages, load_preset, preset_messages, preset_names, readable_presets
from auditbench.registry import Registry
from auditbench.worker.describing import describe_plugin
from tests.plugin_site import PluginSite, installed_site

GATES = """
tasks = ["binary-classification"]

[[gates]]
id = "accuracy"
metric = "performance.accuracy"
min = 0.8

[[gates]]
id = "selection"
metric = "fairness.demographic_parity_ratio"
each = "sensitive"
min = 0.8
"""
WORDS = {
    "en": ("What the bank asks.", "Four of five answers are right.", "Groups are selected at like rates."),
    "zh-CN": ("银行的要求。", "五次回答中至少四次正确。", "各组的选中率相近。"),
}
ANALYZER = """
from auditbench import Analyzer, hookimpl

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="gap", topic="gap", summary="A gap", analyze=print, metrics=("rate",), shares=("rate",))
"""
LOUD = "raise RuntimeError('imported')"


class Shipping:
    """A site whose plugins are packages with presets and catalogues."""

    def __init__(self, site: PluginSite) -> None:
        self.site = site

    def add(
        self, name: str = "gap-basics", *, plugin: str = "gap", distribution: str = "gap-tools", gates: str = GATES
    ) -> Path:
        """Ship a preset with its sentences; the folder of the package."""
        package = distribution.replace("-", "_")
        folder = self.site.path / package
        (folder / "presets").mkdir(parents=True, exist_ok=True)
        (folder / "messages").mkdir(exist_ok=True)
        (folder / "__init__.py").write_text(LOUD)
        (folder / "presets" / f"{name}.toml").write_text(gates)
        for language, (purpose, accuracy, selection) in WORDS.items():
            said = {f"preset.{name}": purpose, f"preset.{name}.accuracy": accuracy}
            said |= {f"preset.{name}.selection": selection, "gap.title": "{n} rows"}
            lines = "".join(f'"{key}" = "{text}"\n' for key, text in said.items())
            (folder / "messages" / f"{language}.toml").write_text(lines, encoding="utf-8")
        self.site.add(plugin, "", distribution=distribution, version="1.2", module=package, imports="")
        (self.site.path / f"{package}.py").unlink()
        return folder


@pytest.fixture
def shipping(tmp_path: Path) -> Iterator[Shipping]:
    with installed_site(tmp_path / "site") as site:
        yield Shipping(site)


def refused(name: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load_preset(name)
    return caught.value.problems


def test_a_preset_of_a_plugin_is_read_and_its_code_is_not_run(shipping: Shipping) -> None:
    shipping.add()
    preset = load_preset("gap-basics")
    assert "gap-basics" in preset_names()
    assert (preset.owner, preset.tasks) == ("gap-tools 1.2", ("binary-classification",))
    assert [table.id for table in preset.tables(["sex"])] == ["gap-basics.accuracy", "gap-basics.selection.sex"]
    assert "gap_tools" not in sys.modules
    with pytest.raises(Exception, match="this plugin cannot be imported"):
        Registry().load("gap")


def test_its_sentences_are_there_in_both_languages_and_no_other_key_of_its_catalogue(shipping: Shipping) -> None:
    shipping.add()
    gates = load_preset("gap-basics").tables(["sex"])
    for language, (purpose, accuracy, selection) in WORDS.items():
        assert preset_messages()[language]["preset.gap-basics"] == purpose
        assert explanation_messages(gates)[language] == {
            "preset.gap-basics.accuracy": accuracy,
            "preset.gap-basics.selection": selection,
        }
        assert "gap.title" not in preset_messages()[language]


def test_it_is_explained_and_drafted_like_those_of_the_product(
    shipping: Shipping, capsys: pytest.CaptureFixture[str]
) -> None:
    shipping.add()
    assert guarded(["explain", "preset:gap-basics"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[:2] == [
        "preset:gap-basics  for binary-classification, from gap-tools 1.2",
        "  What the bank asks.",
    ]
    assert guarded(["explain", "gap-basics.accuracy"]) == 0
    assert "Four of five answers are right." in capsys.readouterr().out
    assert '# "gap-basics",   # What the bank asks.' in draft_gates("binary-classification", sensitive=True)


def test_it_stands_in_a_file_of_gates(shipping: Shipping, tmp_path: Path) -> None:
    shipping.add()
    (tmp_path / "gates.toml").write_text('preset = ["binary-basics", "gap-basics"]')
    given = read_gates([GateSource(text="gates.toml", base=tmp_path)], task="binary-classification", sensitive=["sex"])
    assert given.problems == ()
    assert "gates.toml: preset (gap-basics.selection.sex)" in given.gates


def test_a_plugin_whose_module_is_not_there_is_named_with_the_preset_that_is_missing(
    shipping: Shipping, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipping.add()
    points = shipping.site.path / "gap_tools-1.2.dist-info" / "entry_points.txt"
    points.write_text("[auditbench.plugins]\ngap = gap_toolz\n")
    (tmp_path / "gates.toml").write_text('preset = "gap-basics"')
    (within,) = read_gates(
        [GateSource(text="gates.toml", base=tmp_path)], task="binary-classification", sensitive=["sex"]
    ).problems
    (alone,) = refused("gap-basics")
    for problem in (within, alone):
        assert problem.message == "there is no such preset"
        assert problem.fix == (
            "the plugin gap (gap-tools 1.2) may ship it, but its module `gap_toolz` is not there: "
            "correct its entry point, and install it again"
        )
    assert guarded(["explain", "preset:gap-basics"]) == 2
    assert "`gap_toolz` is not there" in capsys.readouterr().err
    assert "gap_toolz" not in refused("gasp-basics")[0].fix


def test_two_distributions_with_one_name_are_told(shipping: Shipping) -> None:
    shipping.add()
    shipping.add(distribution="other-tools")
    (problem,) = refused("gap-basics")
    assert problem.found == "gap-tools 1.2 and other-tools 1.2"
    assert problem.fix == "uninstall one of them"
    assert "gap-basics" not in {preset.name for preset in readable_presets()}


def test_a_name_of_the_product_is_not_taken_over(shipping: Shipping) -> None:
    shipping.add("binary-basics", plugin="binary")
    (problem,) = refused("binary-basics")
    assert problem.found == "auditbench and gap-tools 1.2"


def test_a_name_that_is_not_the_plugins_own_takes_nothing_over(shipping: Shipping) -> None:
    shipping.add("binary-basics")
    shipping.add("bank-rules", distribution="bank-tools", plugin="bank-more")
    assert load_preset("binary-basics").owner == ""
    (problem,) = refused("bank-rules")
    assert problem.where == "bank-tools 1.2: presets/bank-rules.toml"
    assert problem.allowed == "`bank-more`, or `bank-more-` and more"
    assert "bank-rules" not in preset_names()


@pytest.mark.parametrize("name", ["gap-Basics", "gap-a b", "gap-\x1b[31m", f"gap-{'a' * 37}", "gap-a.b"], ids=ascii)
def test_a_name_that_is_no_name_is_refused_and_spoils_no_other(shipping: Shipping, name: str) -> None:
    shipping.add(name)
    (problem,) = refused(name)
    assert (problem.message, problem.found) == ("no preset can have this name", name)
    assert problem.allowed.startswith("at most 40 lower-case letters")
    assert {preset.owner for preset in readable_presets()} == {""}


def test_the_sentence_of_another_presets_gate_is_not_taken_over(shipping: Shipping) -> None:
    before = preset_messages()["en"]
    assert "preset.binary-basics.auc" in before
    shipping.add("binary-basics.auc", plugin="binary")
    assert preset_messages()["en"] == before


@pytest.mark.parametrize("gates", ["selection.sex", "selection.x.y"])
def test_a_gate_that_could_be_taken_for_one_on_a_feature_is_refused(shipping: Shipping, gates: str) -> None:
    shipping.add(gates=GATES.replace('"accuracy"', f'"{gates}"'))
    (problem,) = refused("gap-basics")
    assert problem.where == "gap-tools 1.2: presets/gap-basics.toml: gates[0].id"
    assert problem.allowed == "an id that does not begin with `selection.`"


def test_the_longer_name_of_another_plugin_counts(shipping: Shipping) -> None:
    shipping.add("gap-basics")
    shipping.add("gap-basics-strict", plugin="gap-basics", distribution="strict-tools")
    (problem,) = refused("gap-basics")
    assert problem.where == "gap-tools 1.2: presets/gap-basics.toml"
    assert problem.allowed == "`gap`, or `gap-` and more, unless it begins with the longer name of another plugin"
    assert load_preset("gap-basics-strict").owner == "strict-tools 1.2"


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        pytest.param(("[[gates]]", "[[gates"), "", "not valid TOML", id="toml"),
        pytest.param(("tasks =", "task ="), ": task", "did you mean `tasks`?", id="unknown-key"),
        pytest.param(("min = 0.8", "minn = 0.8"), ": gates[0].minn", "did you mean `min`?", id="unknown-key-of-a-gate"),
        pytest.param(("binary-", "binry-"), ": tasks[0]", "binary-classification", id="no-such-task"),
        pytest.param(('["binary-classification"]', "[]"), ": tasks", "at least 1 entries", id="no-task"),
        pytest.param(("min = 0.8", ""), ": gates[0]", "expected a limit", id="no-limit"),
        pytest.param(('id = "accuracy"\n', ""), ": gates[0].id", "this key is missing", id="no-id"),
        pytest.param(('"accuracy"', '"Accuracy"'), ": gates[0].id", "lower-case letters", id="letters"),
        pytest.param(('"accuracy"', f'"{"a" * 60}"'), ": gates[0].id", "at most 53 letters", id="long-id"),
        pytest.param(
            ('"selection"', f'"{"a" * 50}"'), ": gates[1].id", "at most 45 letters", id="no-room-for-features"
        ),
        pytest.param(('"selection"', '"accuracy"'), ": gates[1].id", "two gates have one id", id="id-twice"),
        pytest.param(('"sensitive"', '"class"'), ": gates[1].each", '"sensitive"', id="each"),
        pytest.param(("min = 0.8", 'min = 0.8\nexplanation = "a"'), ": gates[0]", "no `explanation`", id="own-words"),
        pytest.param((GATES, 'tasks = ["regression"]'), ": gates", "this key is missing", id="no-gates"),
    ],
)
def test_a_malformed_file_is_told_by_distribution_and_place(
    shipping: Shipping, change: tuple[str, str], place: str, words: str
) -> None:
    shipping.add(gates=GATES.replace(*change, 1))
    problems = {problem.where: problem for problem in refused("gap-basics")}
    problem = problems[f"gap-tools 1.2: presets/gap-basics.toml{place}"]
    assert words in " ".join([problem.message, problem.allowed, problem.fix])


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        pytest.param(('"preset.gap-basics" =', '"preset.gap" ='), "preset.gap-basics", "missing", id="purpose"),
        pytest.param(("basics.accuracy", "basics.acuracy"), "preset.gap-basics.accuracy", "missing", id="gate"),
        pytest.param(("accuracy\" = \"", "accuracy\" = \"{n} "), "preset.gap-basics.accuracy", "cannot", id="braces"),
        pytest.param(("accuracy\" = \"", "accuracy\" = \"\\n"), "preset.gap-basics.accuracy", "cannot", id="lines"),
        pytest.param(("accuracy\" = \"", "accuracy\" = \"\\u001b"), "preset.gap-basics.accuracy", "cannot", id="controls"),
        pytest.param(("accuracy\" = \"", "accuracy\" = \"\\u202e"), "preset.gap-basics.accuracy", "cannot", id="direction"),
        pytest.param(("accuracy\" = \"", "accuracy\" = 3 #"), "preset.gap-basics.accuracy", "cannot", id="number"),
    ],
)  # fmt: skip
def test_a_sentence_that_is_missing_or_cannot_be_shown_is_told_in_either_language(
    shipping: Shipping, language: str, change: tuple[str, str], key: str, words: str
) -> None:
    file = shipping.add() / "messages" / f"{language}.toml"
    file.write_text(file.read_text("utf-8").replace(*change, 1), encoding="utf-8")
    (problem,) = refused("gap-basics")
    assert problem.where == f'gap-tools 1.2: messages/{language}.toml: "{key}"'
    assert words in problem.message


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_catalogue_that_is_absent_or_broken_is_told(shipping: Shipping, language: str) -> None:
    file = shipping.add() / "messages" / f"{language}.toml"
    file.write_text("= broken", encoding="utf-8")
    (broken,) = refused("gap-basics")
    file.unlink()
    (absent,) = refused("gap-basics")
    assert {broken.where, absent.where} == {f"gap-tools 1.2: messages/{language}.toml"}
    assert (broken.message, absent.message) == ("the file is not valid TOML", "there is no such file")
    assert "gap-tools" in absent.fix


def test_a_broken_preset_spoils_no_other(shipping: Shipping, tmp_path: Path) -> None:
    shipping.add(gates="tasks = 3")
    assert "gap-basics" not in {preset.name for preset in readable_presets()}
    assert "preset.binary-basics" in preset_messages()["en"]
    given = read_gates([GateSource(text="preset:gap-basics", base=tmp_path)], task="regression", sensitive=())
    assert given.problems[0].where == "preset:gap-basics: gap-tools 1.2: presets/gap-basics.toml: tasks"


def test_show_names_presets_and_what_is_wrong_with_them(shipping: Shipping) -> None:
    folder = shipping.add()
    (folder / "presets" / "gap-broken.toml").write_text("tasks = 3")
    (folder / "presets" / "foreign.toml").write_text(GATES)
    hook = "from auditbench import hookimpl\n@hookimpl\ndef auditbench_audit_finished(run):\n    pass\n"
    (folder / "__init__.py").write_text(hook)
    shipping.site.modules.append("gap_tools")
    found = {item.name: item for item in describe_plugin(Registry(), "gap").provides}
    assert {item.kind for item in found.values()} == {"preset"}
    assert (found["gap-basics"].summary, found["gap-basics"].missing) == ("What the bank asks.", None)
    wrong = [found[name].missing for name in ("gap-broken", "foreign")]
    assert [problem.where for problem in wrong if problem] == [
        "gap-tools 1.2: presets/gap-broken.toml: tasks",
        "gap-tools 1.2: presets/foreign.toml",
    ]


@pytest.mark.parametrize(
    ("gate", "found", "fix"),
    [
        ('metric = "gap.rat"\nmax = 0.2', "rat", "did you mean `rate`?"),
        ('metric = "gap.rate"\nmax = 20', "20.0", "did you mean 0.2?"),
    ],
)
def test_a_gate_that_the_plugins_own_analyzer_cannot_decide_is_told(
    shipping: Shipping, gate: str, found: str, fix: str
) -> None:
    gates = f'tasks = ["binary-classification"]\n[[gates]]\nid = "accuracy"\n{gate}\n'
    (shipping.add(gates=gates) / "__init__.py").write_text(ANALYZER)
    shipping.site.modules.append("gap_tools")
    (preset,) = describe_plugin(Registry(), "gap").provides
    assert preset.missing is not None
    assert (preset.missing.found, preset.missing.fix) == (found, fix)
    assert preset.missing.where.startswith("preset:gap-basics: gap-basics.accuracy.")


@pytest.mark.parametrize("broken", [True, False])
def test_doctor_finds_a_plugin_whose_preset_cannot_be_used(
    shipping: Shipping, broken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shipping.add(gates="tasks = 3" if broken else GATES)
    (folder / "__init__.py").write_text("")
    shipping.site.modules.append("gap_tools")
    monkeypatch.setattr(supervisor, "describe", lambda _: (describe_plugin(Registry(), "gap"),))
    (check,) = check_plugins()
    assert check.ok is not broken
    assert ("gap-tools 1.2: presets/gap-basics.toml: tasks" in check.detail) is broken


def test_a_plugin_of_one_module_has_none(shipping: Shipping) -> None:
    shipping.site.add("plain", "")
    shipping.site.add("absent", "", module="absent_module")
    (shipping.site.path / "absent_module.py").unlink()
    assert not {name for name in preset_names() if name.startswith(("plain", "absent"))}


def test_a_plugin_may_ship_presets_alone(shipping: Shipping) -> None:
    folder = shipping.add()
    (folder / "__init__.py").write_text("")
    shipping.site.modules.append("gap_tools")
    found = describe_plugin(Registry(), "gap")
    assert (found.problems, found.hooks) == ((), ())
    (folder / "presets" / "gap-basics.toml").unlink()
    (problem,) = describe_plugin(Registry(), "gap").problems
    assert problem.message == "this plugin implements no hook, and ships no preset"
