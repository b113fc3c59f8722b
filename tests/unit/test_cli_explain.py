"""`explain` knows every error code, and metrics by the catalogue of the analyzer that gives them."""

from __future__ import annotations

import dataclasses
import json

import pytest

from auditbench.cli.boundary import guarded
from auditbench.cli.explain import explain_code
from auditbench.contracts import MethodFacts
from auditbench.descriptions import AnalyzerDescription, PluginDescription
from auditbench.errors import error_classes
from auditbench.run import PluginFacts

FACTS = PluginFacts(name="toy", distribution="toy-plugin", version="1")
MESSAGES = {
    "en": {
        "toy.auc": "Toy AUC",
        "toy.auc.help": "How well toys are ranked.",
        "toy.auc.formula": "P(a > b)",
        "toy.auc.how": "0.5 is a coin toss.",
        "toy.facts.walks.title": "Toy walks",
        "toy.facts.walks.formula": "mean over walks",
        "toy.facts.walks.assumes": "Toys walk.",
        "toy.facts.walks.needs": "Toys.",
        "toy.facts.walks.fails": "They fall.",
    }
}


def analyzer(name: str, *metrics: str) -> PluginDescription:
    described = AnalyzerDescription(
        name=name, topic="t", summary=f"Summary of {name}", plugin=FACTS, metrics=metrics, messages=MESSAGES
    )
    return PluginDescription(plugin=FACTS, first_party=False, analyzers=(described,))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = analyzer("toy", "auc", "gap")
    methods = (
        MethodFacts(name="toy.walks", source=("arXiv:2104.12199", "a \x1b[31mpaper"), modalities=("text", "series")),
        MethodFacts(name="toy.toy.walks", source=()),
    )
    plugins = (
        dataclasses.replace(toy, analyzers=(dataclasses.replace(toy.analyzers[0], methods=methods),)),
        analyzer("other", "auc"),
    )
    monkeypatch.setattr("auditbench.supervisor.describe", lambda names=None: plugins)


@pytest.mark.parametrize("code", error_classes())
def test_every_code_is_explained(capsys: pytest.CaptureFixture[str], code: str) -> None:
    assert guarded(["explain", code.lower()]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"{code}  ")
    assert f"exit code: {int(error_classes()[code].exit_code)}" in out
    explanation = explain_code(code)
    assert len(explanation.title.split()) > 3
    words = (error_classes()[code].__doc__ or "").split()
    assert f"{explanation.title}. {explanation.text}".strip(". ").split() == " ".join(words).strip(". ").split()


@pytest.mark.parametrize(
    "named",
    ["TorchScript", "exported programs", "modules and estimators that were pickled", "functions", "factories", "skops"],
)
def test_whatever_needs_trust_is_named_where_it_is_explained(capsys: pytest.CaptureFixture[str], named: str) -> None:
    assert guarded(["explain", "AB303"]) == 0
    assert named in " ".join(capsys.readouterr().out.split())


def test_an_unknown_code_names_its_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["explain", "AB109"]) == 2
    assert "AB100" in capsys.readouterr().err


def test_a_metric_comes_from_its_catalogue(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["explain", "toy.auc"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "toy.auc  Toy AUC",
        "  How well toys are ranked.",
        "  formula: P(a > b)",
        "  reading: 0.5 is a coin toss.",
    ]


def test_a_short_name_shows_each_analyzer_that_has_it(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["explain", "auc", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in found] == ["toy.auc", "other.auc"]
    assert found[1]["text"] == "Summary of other"


def test_a_metric_of_some_tasks_alone_names_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = analyzer("toy", "auc")
    (described,) = plugin.analyzers
    told = dataclasses.replace(described, metric_tasks={"auc": ("binary-classification",)})
    plugins = (dataclasses.replace(plugin, analyzers=(told,)),)
    monkeypatch.setattr("auditbench.supervisor.describe", lambda names=None: plugins)
    assert guarded(["explain", "toy.auc"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "  tasks: binary-classification"


WALKS = [
    "toy.walks  Toy walks",
    "  formula: mean over walks",
    "  source: arXiv:2104.12199; a ⟨U+001B⟩[31mpaper",
    "  inputs: text, series",
    "  assumes: Toys walk.",
    "  needs: Toys.",
    "  known to fail: They fall.",
]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("walks", WALKS),
        ("toy.walks", [*WALKS, "", "toy.toy.walks  toy.toy.walks"]),
        ("toy.toy.walks", ["toy.toy.walks  toy.toy.walks"]),
        ("toy", [*WALKS, "", "toy.toy.walks  toy.toy.walks"]),
    ],
)
def test_a_method_comes_from_its_catalogue(
    installed: None, capsys: pytest.CaptureFixture[str], name: str, shown: list[str]
) -> None:
    assert guarded(["explain", name]) == 0
    assert capsys.readouterr().out.splitlines() == shown


def test_a_method_is_json(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["explain", "walks", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert {key: value for key, value in found.items() if value} == {
        "name": "toy.walks",
        "title": "Toy walks",
        "formula": "mean over walks",
        "assumes": "Toys walk.",
        "needs": "Toys.",
        "fails": "They fall.",
        "source": ["arXiv:2104.12199", "a \x1b[31mpaper"],
        "modalities": ["text", "series"],
    }


def test_a_misspelt_method_names_the_nearest(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["explain", "wakls"]) == 2
    assert "did you mean toy.walks or toy.toy.walks?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "first"),
    [("lmie", "lime"), ("performnce", "performance"), ("lim", "lime"), ("trainingrows", "training-rows")],
)
def test_a_misspelt_analyzer_names_the_nearest(capsys: pytest.CaptureFixture[str], name: str, first: str) -> None:
    assert guarded(["explain", name]) == 2
    (fix,) = [line for line in capsys.readouterr().err.splitlines() if "fix: " in line]
    assert fix.removeprefix("  fix: did you mean ").rstrip("?").split(" or ")[0] == first
    assert guarded(["explain", first]) == 0


def test_an_analyzer_without_methods_shows_its_metrics(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["explain", "other", "--json"]) == 0
    assert [item["name"] for item in json.loads(capsys.readouterr().out)] == ["other.auc"]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("integrated_gradients", "Integrated gradients"),
        ("captum.guided_grad_cam", "Guided GradCAM"),
        ("lime.masked", "LIME of parts"),
    ],
)
def test_installed_methods_are_explained(capsys: pytest.CaptureFixture[str], name: str, title: str) -> None:
    assert guarded(["explain", name]) == 0
    out = capsys.readouterr().out
    assert f"  {title}\n" in out
    assert all(label in out for label in ("formula: ", "source: arXiv:", "assumes: ", "needs: ", "known to fail: "))


def test_an_unknown_metric_names_the_nearest(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["explain", "acu"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("AB100 ")
    assert "did you mean toy.auc or other.auc?" in err
