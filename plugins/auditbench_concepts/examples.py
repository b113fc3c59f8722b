"""Which rows are examples of a concept, by the rules of the config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from auditbench.data import TableInput, TextInput
from auditbench.data.texts import tokens_of
from auditbench.data.words import words_of
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.findings import Message, Scalar
from auditbench_concepts.fitting import TAKES, column_rule, fitting_rules, group_rule, nearest, quoted, rule_to_type
from auditbench_concepts.params import PATTERNS, Pattern, Rule
from auditbench_concepts.planted import planted_inputs

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
        rule: Which rows are examples, in words.
        pattern: What was planted; None where rows are examples as they are.
        planted: Raw inputs of the planted copies, in the order of these rows; None without a pattern.
        sensitive: Whether it is a group of a sensitive feature.
    """

    name: str
    marked: Flags
    rule: Message
    sensitive: bool = False
    pattern: Pattern | None = None
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
        AnalyzerNotPossible: Without rules there is no sensitive feature with a group that is large enough.
        ConfigError: A rule names what the data do not have, or does not fit them.
    """
    if rules:
        return tuple(_concept(name, rule, data, pool, carriers, rng) for name, rule in rules.items())
    groups = [(name, group, values) for name, values in pool.sensitive_features.items() for group in _groups(values)]
    if not groups:
        raise AnalyzerNotPossible(
            "no concept is described, and no sensitive feature has a group that is large enough to be one",
            where="analyzers.concepts.examples",
            found=f"no table of examples; sensitive features: {', '.join(pool.sensitive_features) or 'none'}",
            allowed=f"{fitting_rules(data)}; groups of {FEWEST} rows",
            fix=rule_to_type(data),
        )
    return tuple(
        Concept(
            name=f"{feature}: {group}",
            marked=values == group,
            rule=_said("values", column=feature, values=group),
            sensitive=True,
        )
        for feature, group, values in groups
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
        return _planted(name, rule.planted, data, pool, carriers, rng)
    if rule.classes:
        if not data.classes:
            _refuse(
                name,
                data,
                f"{where}.classes",
                "the labels are numbers, not classes",
                f"classes = [{quoted(rule.classes)}]",
            )
        _known(rule.classes, data.classes, where, "classes")
        wanted = [index for index, label in enumerate(data.classes) if label in rule.classes]
        said = _said("classes", classes=", ".join(rule.classes))
        return Concept(name=name, marked=np.isin(pool.y_true, wanted), rule=said)
    if rule.words:
        said = _said("words", words=", ".join(rule.words))
        return Concept(name=name, marked=_with_words(name, rule.words, data, pool), rule=said)
    marked = _in_column(name, rule, data, pool)
    return Concept(name=name, marked=marked, rule=_column_said(rule), sensitive=rule.column in pool.sensitive_features)


def _column_said(rule: Rule) -> Message:
    if rule.values:
        return _said("values", column=rule.column, values=", ".join(rule.values))
    bounds = {key: value for key, value in (("at_least", rule.at_least), ("below", rule.below)) if value is not None}
    return _said("_".join(bounds), column=rule.column, **bounds)


def _said(key: str, **values: Scalar) -> Message:
    return Message(key=f"concepts.rule.{key}", values=values)


def _planted(
    name: str, pattern: Pattern, data: EvaluationData, pool: Rows, carriers: int, rng: np.random.Generator
) -> Concept:
    chosen = np.sort(rng.choice(len(pool), min(carriers, max(1, int(_CARRIERS * len(pool)))), replace=False))
    copies = planted_inputs({each: array[chosen] for each, array in pool.inputs.items()}, data.inputs, pattern)
    if not copies:
        raise ConfigError(
            "this pattern cannot be planted into what the model takes",
            where=f"analyzers.concepts.examples.{name}.planted",
            found=f"{quoted([pattern])}, and the model takes {TAKES[data.modality]}",
            allowed=f"{PATTERNS}. Here {fitting_rules(data)}",
            fix=rule_to_type(data, name),
        )
    marked = np.zeros(len(pool), dtype=np.bool_)
    marked[chosen] = True
    return Concept(name=name, marked=marked, rule=_said("planted", pattern=pattern), pattern=pattern, planted=copies)


def _with_words(name: str, words: tuple[str, ...], data: EvaluationData, pool: Rows) -> Flags:
    """Rows of which the model sees one of the words."""
    where = f"analyzers.concepts.examples.{name}.words"
    texts = {each: item for each, item in data.inputs.items() if isinstance(item, TextInput)}
    if not texts:
        found = f"words = [{quoted(words)}], and the model takes {TAKES[data.modality]}"
        _refuse(name, data, where, "the model takes no text", found)
    cut = [tokens_of(word, "words") for word in words]
    if any(len(tokens) != 1 for tokens in cut):
        single = quoted(dict.fromkeys(token for tokens in cut for token in tokens)) or '"good"'
        raise ConfigError(
            "expected words one by one, of letters and digits",
            where=where,
            found=quoted(word for word, tokens in zip(words, cut, strict=True) if len(tokens) != 1),
            allowed="words; a row is an example where it has one of them",
            fix=f"write words = [{single}]",
        )
    wanted = {token for tokens in cut for token in tokens}
    marked = np.zeros(len(pool), dtype=np.bool_)
    for each, item in texts.items():
        said = pool.texts.get(each)
        seen = words_of(item, pool.inputs[each], None if said is None else list(said))
        marked |= np.asarray([not wanted.isdisjoint(tokens_of("".join(word.said), "words")) for word in seen])
    return marked


def _in_column(name: str, rule: Rule, data: EvaluationData, pool: Rows) -> Flags:
    """Rows whose cell of the column is one of the values, or within the bounds."""
    where = f"analyzers.concepts.examples.{name}"
    features = {
        feature.name: (feature, pool.inputs[each][:, place])
        for each, item in data.inputs.items()
        if isinstance(item, TableInput)
        for place, feature in enumerate(item.features)
    }
    groups = pool.sensitive_features.get(rule.column)
    if groups is not None and rule.values:
        _known(rule.values, data.groups(rule.column), where, "values")
        return np.isin(groups, rule.values)
    columns = dict.fromkeys([*features, *pool.sensitive_features])
    if not columns:
        found = quoted([rule.column])
        _refuse(name, data, f"{where}.column", "the data have neither columns nor sensitive features", found)
    if rule.column not in columns:
        raise _no_column(
            rule, {each: feature for each, (feature, _) in features.items()}, pool.sensitive_features, where
        )
    if groups is not None and rule.column not in features:
        raise _misfit(rule.column, where, "groups", "values", group_rule(rule.column, groups))
    return _of_feature(rule, *features[rule.column], where)


def _no_column(
    rule: Rule, features: Mapping[str, FeatureSpec], groups: Mapping[str, npt.NDArray[np.str_]], where: str
) -> ConfigError:
    close = nearest(rule.column, [*features, *groups])
    fits = bool(rule.values) == (close not in features or features[close].kind != "number")
    whole = column_rule(features[close]) if close in features else group_rule(close, groups[close])
    return ConfigError(
        "the data have no column of this name",
        where=f"{where}.column",
        found=quoted([rule.column]),
        allowed=quoted([*features, *groups]),
        fix=f"write {f'column = {quoted([close])}' if fits else whole}",
    )


def _of_feature(rule: Rule, feature: FeatureSpec, cells: npt.NDArray[np.float64], where: str) -> Flags:
    if feature.kind == "number":
        if rule.values:
            raise _misfit(rule.column, where, "numbers", "at_least, below", column_rule(feature))
        low = -np.inf if rule.at_least is None else rule.at_least
        high = np.inf if rule.below is None else rule.below
        return np.asarray((cells >= low) & (cells < high))
    if not rule.values:
        raise _misfit(rule.column, where, "categories", "values", column_rule(feature))
    _known(rule.values, feature.categories, where, "values")
    return np.isin(cells, [feature.categories.index(value) for value in rule.values])


def _known(named: tuple[str, ...], allowed: Sequence[str], where: str, key: str) -> None:
    unknown = [name for name in named if name not in allowed]
    if unknown:
        raise ConfigError(
            "the data have nothing of this name",
            where=f"{where}.{key}",
            found=quoted(unknown),
            allowed=quoted(allowed),
            fix=f"write {key} = [{quoted([nearest(unknown[0], allowed)])}]",
        )


def _misfit(column: str, where: str, holds: str, keys: str, typed: str) -> ConfigError:
    return ConfigError(
        f"the column holds {holds}, which other keys choose from",
        where=f"{where}.column",
        found=f"{quoted([column])}, of {holds}",
        allowed=f"column = {quoted([column])} with {keys}",
        fix=f"write {typed}",
    )


def _refuse(name: str, data: EvaluationData, where: str, message: str, found: str) -> NoReturn:
    """Raise that a kind of rule does not fit these data, and which do."""
    raise ConfigError(message, where=where, found=found, allowed=fitting_rules(data), fix=rule_to_type(data, name))
