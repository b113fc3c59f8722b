"""What becomes of a missing cell of a table on its way to a model."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from auditbench.models.raw_rows import RawTableEncoder
from auditbench.models.stored_rows import StoredRowsEncoder

if TYPE_CHECKING:
    from auditbench.models.subject import ModelUnderTest
    from auditbench.run import FeatureFacts

_RULES = ("median", "own-category")


def with_own_rules(features: tuple[FeatureFacts, ...], model: ModelUnderTest) -> tuple[FeatureFacts, ...]:
    """The features with the rule that holds for a model that gets raw cells; none for one that gets nothing at all.

    A model of encoded rows has those of the data, and a cell that is refused is refused for every model.
    """
    tables = [part for part in model.encoder.modules() if isinstance(part, RawTableEncoder)]
    kept = {name for part in tables for name in part.kept}
    category = "empty-text" if model.facts.format == "endpoint" else "kept"

    def rule_of(feature: FeatureFacts) -> str:
        if feature.missing_rule not in _RULES:
            return feature.missing_rule
        if isinstance(model.encoder, StoredRowsEncoder):
            return ""
        if not tables or (feature.kind == "number" and feature.name not in kept):
            return feature.missing_rule
        return "kept" if feature.kind == "number" else category

    return tuple(dataclasses.replace(feature, missing_rule=rule_of(feature)) for feature in features)
