"""The rules of concepts that fit the data, written as they can be typed; for errors."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, get_args

from auditbench.data import ImageInput, SeriesInput, TableInput, TextInput
from auditbench_concepts.params import ImagePattern, SeriesPattern

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.data import EvaluationData, FeatureSpec

TAKES = {
    "tabular": "a table",
    "image": "images",
    "text": "texts",
    "series": "series",
    "mixed": "several inputs",
}
"""What a model takes, by modality."""
_MOST = 20


def fitting_rules(data: EvaluationData) -> str:
    """Every kind of rule that these data allow, with values that they have."""
    return "; ".join(_rules(data)) or "no rule: rows have neither classes nor groups"


def rule_to_type(data: EvaluationData, name: str = "it") -> str:
    """What to write instead for the concept of this name."""
    rules = _rules(data)
    if not rules:
        return "leave the analyzer away"
    written = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted([name])
    return f"in [analyzers.concepts.examples] write {written} = {{ {rules[0]} }}"


def column_rule(feature: FeatureSpec) -> str:
    """A rule on a column: rows of at least its mean, or with its first category."""
    if feature.kind == "number":
        return f"column = {quoted([feature.name])}, at_least = {float(f'{feature.mean:.3g}')}"
    return f"column = {quoted([feature.name])}, values = [{quoted(feature.categories[:1])}]"


def group_rule(name: str, groups: npt.NDArray[np.str_]) -> str:
    """A rule on a sensitive feature: rows of its first group."""
    return f"column = {quoted([name])}, values = [{quoted(sorted(set(groups.tolist()))[:1])}]"


def nearest(unknown: str, names: Iterable[str]) -> str:
    """The most similar name, or the first; empty without names."""
    known = list(names)
    return next(iter(difflib.get_close_matches(unknown, known, n=1) or known), "")


def quoted(names: Iterable[str]) -> str:
    """Names as TOML writes them, without brackets, the first of many."""
    known = list(names)
    more = f" and {len(known) - _MOST:,} more" if len(known) > _MOST else ""
    return ", ".join(json.dumps(name, ensure_ascii=False) for name in known[:_MOST]) + more


def _rules(data: EvaluationData) -> list[str]:
    kinds = {type(item) for item in data.inputs.values()}
    rules = [
        f"planted = {quoted(get_args(patterns)[:1])}"
        for kind, patterns in ((ImageInput, ImagePattern), (SeriesInput, SeriesPattern))
        if kind in kinds
    ]
    if data.classes:
        rules.append(f"classes = [{quoted(data.classes[:1])}]")
    features = [feature for item in data.inputs.values() if isinstance(item, TableInput) for feature in item.features]
    rules += [column_rule(feature) for feature in features[:1]]
    if TextInput in kinds:
        rules.append('words = ["good"]')
    rules += [group_rule(name, groups) for name, groups in list(data.sensitive_features.items())[:1]]
    return rules
