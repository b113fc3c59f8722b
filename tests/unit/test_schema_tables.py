"""Parameters of an analyzer as tables of TOML, whatever pydantic can describe; the table to begin with is valid."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from auditbench.cli.boundary import guarded
from auditbench.cli.snippets import snippet
from auditbench.contracts import Needs
from auditbench.descriptions import AnalyzerDescription, PluginDescription
from auditbench.run import PluginFacts

FACTS = PluginFacts(name="toy", distribution="toy", version="1")


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Noise(Table):
    """Noise that is put on."""

    kind: Literal["noise"] = "noise"
    size: Annotated[float, Field(gt=0, lt=1)] = 0.1


class Blur(Table):
    """Blur."""

    kind: Literal["blur"] = "blur"
    width: Annotated[int, Field(multiple_of=4, gt=1)]


class Rule(Table):
    """A rule."""

    words: tuple[str, ...] = Field((), strict=False)
    least: float | None = None


class Node(Table):
    """A node of a tree."""

    name: str = "root"
    children: list[Node] = []


class Players(Table):
    cut: Literal["slic", "grid"] = Field("slic", description="How it is cut.")
    sides: list[Literal["left", "right"]] = ["left"]


class Params(Table):
    """`[analyzers.toy]`."""

    players: Players = Field(default_factory=Players, description="What is hidden.")
    aside: Players | None = Field(None, description="Others.")
    change: Annotated[Noise | Blur, Field(discriminator="kind")] = Field(description="What is changed.")
    steps: list[Annotated[Noise | Blur, Field(discriminator="kind")]] = []
    examples: Mapping[str, Rule] = Field(default_factory=dict, examples=[{"some name": {"words": ["a"]}}])
    weights: Mapping[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict, description="By class.")
    limit: Annotated[int, Field(ge=1)] | Literal["all"] = "all"
    tree: Node = Node()
    what: str
    share: Annotated[float, Field(gt=0.25, lt=0.75)]
    most: Annotated[int, Field(le=9)]
    pair: Annotated[tuple[int, ...], Field(min_length=2, strict=False)]
    span: Annotated[tuple[int, str], Field(strict=False)]
    by: str | Rule = "none"
    way: Literal["up", "down"]


class Optional(Table):
    """Nothing of it has to be set."""

    empty: str = ""
    rows: int = 3
    other: int = 4
    method: Literal["a", "b"] = "a"
    further: Literal["c", "d"] = "c"
    players: Players = Players()


def described(params: type[BaseModel] | None, **more: Any) -> AnalyzerDescription:
    schema = params.model_json_schema() if params else {}
    return AnalyzerDescription(name="toy", topic="t", summary="A toy", plugin=FACTS, schema=schema, **more)


def shown(params: type[BaseModel], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    plugin = PluginDescription(plugin=FACTS, first_party=False, analyzers=(described(params),))
    monkeypatch.setattr("auditbench.supervisor.describe", lambda names=None: (plugin,))
    assert guarded(["plugins", "show", "toy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    return lines[lines.index("  parameters, in [analyzers.toy]") + 1 :]


def test_every_key_stands_under_the_table_in_which_it_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        shown(Params, monkeypatch, capsys)
        == """
    weights  (table of number, at least 0)
        By class.
    limit = "all"  (integer, at least 1 or "all")
    what = … (required)  (string)
    share = … (required)  (number, above 0.25, below 0.75)
    most = … (required)  (integer, at most 9)
    pair = … (required)  (list of integer, at least 2 long)
    span = … (required)  (list of integer and string, at least 2 long, at most 2 long)
    by = "none"  (string or table)
    way = … (required)  (one of up, down)
    [analyzers.toy.players]
        What is hidden.
      cut = "slic"  (one of slic, grid)
          How it is cut.
      sides = ["left"]  (list of one of left, right)
    [analyzers.toy.aside]  (not set)
        Others.
      cut = "slic"  (one of slic, grid)
          How it is cut.
      sides = ["left"]  (list of one of left, right)
    [analyzers.toy.change]  (required, with kind = "noise", one of 2 forms)
        What is changed.
        Noise that is put on.
      size = 0.1  (number, above 0, below 1)
    [analyzers.toy.change]  (required, with kind = "blur", one of 2 forms)
        Blur.
      width = … (required)  (integer, above 1, a multiple of 4)
    [[analyzers.toy.steps]]  (any number, with kind = "noise", one of 2 forms)
        Noise that is put on.
      size = 0.1  (number, above 0, below 1)
    [[analyzers.toy.steps]]  (any number, with kind = "blur", one of 2 forms)
        Blur.
      width = … (required)  (integer, above 1, a multiple of 4)
    [analyzers.toy.examples.NAME]  (NAME is yours, any number)
      words = []  (list of string)
      least, not set  (number)
    [analyzers.toy.tree]
        A node of a tree.
      name = "root"  (string)
      children = []  (list of table)
    [analyzers.toy.by]
      words = []  (list of string)
      least, not set  (number)
  in audit.toml
    [analyzers.toy]
    limit = "all"
    what = "…"
    share = 0.5
    most = 8
    pair = [1, 1]
    span = [1, "…"]
    way = "up"
    [analyzers.toy.change]
    kind = "noise"
    [analyzers.toy.examples."some name"]
    words = ["a"]
""".strip("\n").split("\n")
    )


@pytest.mark.parametrize(
    ("params", "lines"),
    [
        pytest.param(Params, None, id="what must be set"),
        pytest.param(
            Optional, ["[analyzers.toy]", "rows = 3", 'method = "a"'], id="the first key and the first choice"
        ),
        pytest.param(Noise, ["[analyzers.toy]", 'kind = "noise"'], id="no choice"),
        pytest.param(Blur, ["[analyzers.toy]", 'kind = "blur"', "width = 4"], id="limits and steps"),
        pytest.param(Table, ["[analyzers.toy]"], id="no keys"),
    ],
)
def test_the_table_to_begin_with_is_valid(params: type[BaseModel], lines: list[str] | None) -> None:
    written = list(snippet(described(params)))
    assert lines is None or written == lines
    params.model_validate(tomllib.loads("\n".join(written))["analyzers"]["toy"])


def test_without_parameters_it_is_empty() -> None:
    assert list(snippet(described(None))) == ["[analyzers.toy]"]


def test_a_further_model_is_asked_for() -> None:
    *table, asked = snippet(described(Optional, needs=Needs(further_models=True)))
    assert tomllib.loads("\n".join([*table, asked])) == {"analyzers": {"toy": {"rows": 3, "method": "a"}}}
    assert "[models.NAME]" in asked
