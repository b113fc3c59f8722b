"""Which rows are examples of a concept, by the rules of the config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from auditbench.data import TableInput, TextInput
from auditbench.data.texts import tokens_of
from auditbench.data.words import words_of
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench_concepts.params import Rule
from auditbench_concepts.planted import planted

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData, FeatureSpec, Rows

    Flags: TypeAlias = npt.NDArray[np.bool_]

FEWEST = 20
"""Examples, and other rows, that a concept needs."""
_CARRIERS = 1 / 3
"""Share of the pool that a pattern is planted into, at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Concept:
    """Examples of a concept among the rows of a pool.

    Attributes:
        marked: Shape `(pool rows,)`: which rows are examples; of a planted one, into which it was planted.
        planted: Raw inputs of the planted copies, in the order of these rows; None where rows are examples as they are.
        sensitive: Whether it is a group of a sensitive feature.
    """

    name: str
    marked: Flags
    sensitive: bool = False
    planted: Mapping[str, npt.NDArray[Any]] | None = None


def concepts(
    data: EvaluationData, pool: Rows, rules: Mapping[str, Rule], *, carriers: int, rng: np.random.Generator
) -> tuple[Concept, ...]:
    """The concepts that the rules describe; without rules, the groups of the sensitive features.

    Of a sensitive feature with two groups the smaller one is enough. Groups that are too small to be measured are left out,
    as their size could point at a person.

    Args:
        pool: Rows that examples are found among.
        carriers: Most rows that a pattern is planted into.

    Raises:
        AnalyzerNotPossible: Without rules there is no sensitive feature, or a rule does not fit the data.
        ConfigError: A rule names what the data do not have.
    """
    if rules:
        return tuple(_concept(name, rule, data, pool, carriers, rng) for name, rule in rules.items())
    groups = [(name, group, values) for name, values in pool.sensitive_features.items() for group in _groups(values)]
    if not groups:
        raise AnalyzerNotPossible(
            "no concept is described, and no sensitive feature has a group that is large enough to be one",
            where="analyzers.concepts.examples",
            found="nothing",
            allowed="a table for each concept, with `classes`, `column`, `words` or `planted`",
            fix='add one, such as [analyzers.concepts.examples.striped] with planted = "stripes"',
        )
    return tuple(
        Concept(name=f"{feature}: {group}", marked=values == group, sensitive=True) for feature, group, values in groups
    )


def _groups(values: npt.NDArray[np.str_]) -> list[str]:
    names, counts = np.unique(values, return_counts=True)
    large = [str(name) for name, count in zip(names, counts, strict=True) if count >= FEWEST]
    return [str(names[counts.argmin()])] if len(names) == len(large) == 2 else large


def _concept(
    name: str, rule: Rule, data: EvaluationData, pool: Rows, carriers: int, rng: np.random.Generator
) -> Concept:
    where = f"analyzers.concepts.examples.{name}"
    if rule.planted is not None:
        return _planted(name, rule.planted, data, pool, carriers, rng, where)
    if rule.classes:
        _known(rule.classes, data.classes, f"{where}.classes")
        wanted = [index for index, label in enumerate(data.classes) if label in rule.classes]
        return Concept(name=name, marked=np.isin(pool.y_true, wanted))
    if rule.words:
        return Concept(name=name, marked=_with_words(rule.words, data, pool, f"{where}.words"))
    marked = _in_column(rule, data, pool, where)
    return Concept(name=name, marked=marked, sensitive=rule.column in pool.sensitive_features)


def _planted(
    name: str,
    pattern: Any,
    data: EvaluationData,
    pool: Rows,
    carriers: int,
    rng: np.random.Generator,
    where: str,
) -> Concept:
    chosen = np.sort(rng.choice(len(pool), min(carriers, max(1, int(_CARRIERS * len(pool)))), replace=False))
    inputs = {each: array[chosen] for each, array in pool.inputs.items()}
    changed = {each: planted(inputs[each], item, pattern) for each, item in data.inputs.items()}
    found = {each: array for each, array in changed.items() if array is not None}
    if not found:
        raise AnalyzerNotPossible(
            "this pattern cannot be planted into what the model takes",
            where=f"{where}.planted",
            found=f"{pattern}, for {data.modality}",
            allowed="stripes, patch and brighter for images; wave and rise for series",
            fix="describe the concept with `classes`, `column` or `words`",
        )
    marked = np.zeros(len(pool), dtype=np.bool_)
    marked[chosen] = True
    return Concept(name=name, marked=marked, planted={**inputs, **found})


def _with_words(words: tuple[str, ...], data: EvaluationData, pool: Rows, where: str) -> Flags:
    """Rows of which the model sees one of the words."""
    texts = {name: item for name, item in data.inputs.items() if isinstance(item, TextInput)}
    if not texts:
        raise AnalyzerNotPossible("the model takes no text", where=where, found=data.modality, allowed="text")
    wanted = {word.lower() for word in words}
    marked = np.zeros(len(pool), dtype=np.bool_)
    for name, item in texts.items():
        said = pool.texts.get(name)
        seen = words_of(item, pool.inputs[name], None if said is None else list(said))
        marked |= np.asarray([not wanted.isdisjoint(tokens_of("".join(each.said), "words")) for each in seen])
    return marked


def _in_column(rule: Rule, data: EvaluationData, pool: Rows, where: str) -> Flags:
    """Rows whose cell of the column is one of the values, or within the bounds."""
    features = {
        feature.name: (feature, pool.inputs[name][:, place])
        for name, item in data.inputs.items()
        if isinstance(item, TableInput)
        for place, feature in enumerate(item.features)
    }
    groups = pool.sensitive_features.get(rule.column)
    if groups is not None and rule.values:
        _known(rule.values, np.unique(groups).tolist(), f"{where}.values")
        return np.isin(groups, rule.values)
    _known((rule.column,), [*features, *pool.sensitive_features], f"{where}.column")
    if rule.column not in features:
        raise _misfit(rule.column, f"{where}.column", "groups, for which `values` are needed")
    return _of_feature(rule, *features[rule.column], where)


def _of_feature(rule: Rule, feature: FeatureSpec, cells: npt.NDArray[np.float64], where: str) -> Flags:
    number = feature.kind == "number"
    if number == bool(rule.values):
        needed = "numbers, for which `at_least` or `below` is needed" if number else "categories: name `values`"
        raise _misfit(rule.column, f"{where}.column", needed)
    if not number:
        _known(rule.values, feature.categories, f"{where}.values")
        return np.isin(cells, [feature.categories.index(value) for value in rule.values])
    low = -np.inf if rule.at_least is None else rule.at_least
    high = np.inf if rule.below is None else rule.below
    return np.asarray((cells >= low) & (cells < high))


def _known(named: tuple[str, ...], allowed: Any, where: str) -> None:
    unknown = [name for name in named if name not in allowed]
    if unknown:
        raise ConfigError(
            "the data have nothing of this name",
            where=where,
            found=", ".join(unknown),
            allowed=", ".join(list(allowed)[:20]) or "nothing",
        )


def _misfit(column: str, where: str, needed: str) -> AnalyzerNotPossible:
    return AnalyzerNotPossible(f"the column holds {needed}", where=where, found=column)
