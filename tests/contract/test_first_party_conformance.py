"""Every analyzer that comes with the product keeps the promises that it asks of others."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest

from auditbench.contracts import Analyzer
from auditbench.hookspecs import ENTRY_POINT_GROUP
from auditbench.testing import check_analyzer

SMALL: dict[str, dict[str, Any]] = {
    "captum": {"rows": 6, "background": 5},
    "concepts": {"rows": 30, "pool": 60, "size": 20, "random_concepts": 50},
    "data-bias": {"minimum_group": 5},
    "fairness": {"minimum_group": 5, "minimum_outcomes": 3},
    "flips": {"minimum_group": 5},
    "language": {"rows": 4, "tokens": 2, "budget": 8, "windows": 8},
    "language-lens": {"rows": 10},
    "language-pairs": {"most_pairs": 6},
    "layers": {"rows": 40, "contribution_rows": 4, "steps": 4, "similarity_rows": 40},
    "lime": {"rows": 6, "background": 8, "num_samples": 60},
    "mitigation": {"minimum_group": 4, "minimum_outcomes": 2, "most_refits": 3, "allowed_gaps": [0.05]},
    "performance": {"replicates": 40},
    "resources": {"batch_sizes": [1, 4], "warm_up": 0, "repetitions": 2, "memory_rows": 4},
    "shap": {"rows": 6, "background": 5},
    "slices": {"minimum_rows": 10},
    "training-rows": {"rows": 10, "train_rows": 60},
}
"""Parameters that keep the number of evaluations small, as a config would give them."""

NO_SUCH_THING: dict[str, str] = {
    "check-agrees": "it has no `check`",
    "keeps-its-cost": "sets no limit",
    "progress-counts-up": "it tells no progress",
    "stops-when-told": "it tells progress less than twice",
    "counts-model-rows": "it gives no attributions",
    "methods-are-declared": "it gives no attributions",
    "shares-are-shares": "it declares no shares",
    "intervals-hold-their-value": "it gives no interval",
    "survives-data-without-groups": "can be made so",  # it needs them
    "survives-missing-numbers": "can be made so",  # it takes texts alone
}
"""Promises of what an analyzer need not have, with the reason why they are not tried."""

NEVER_GIVEN: dict[str, str] = {
    "captum": "rank_agreement",
    "concepts": "planted_change",
    "data-bias": "representation_ratio, training_representation_ratio",
    "fairness": "conditional_demographic_parity_difference",
    "language-pairs": "stereotype_preference, score_difference",
    "layers": "saturated_activations, similarity_to_model",
    "lime": "rank_agreement",
    "slices": "difference_to_rest",
}
"""Metrics that need other parameters or data than here; tests of each analyzer look at them."""


def analyzers() -> Iterator[Analyzer]:
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.dist is not None and point.dist.name == "auditbench":
            yield from getattr(point.load(), "auditbench_analyzers", tuple)()


@pytest.fixture(autouse=True)
def short_memory_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench_resources.memory.CALLING_SECONDS", 0.01)


@pytest.mark.parametrize("analyzer", list(analyzers()), ids=lambda analyzer: analyzer.name)
def test_an_analyzer_of_ours_keeps_its_promises(analyzer: Analyzer) -> None:
    conformance = check_analyzer(analyzer, params=SMALL.get(analyzer.name))
    never = NEVER_GIVEN.get(analyzer.name)
    excuses = NO_SUCH_THING | ({"gives-every-metric": f"no toy subject gives {never}:"} if never else {})
    untried = {outcome.promise.key: outcome.reason for outcome in conformance.not_tried}
    excused = {key for key, reason in untried.items() if key in excuses and excuses[key] in reason}
    assert set(untried) == excused, conformance.describe("not_tried")


def test_every_one_of_ours_is_here() -> None:
    assert len({analyzer.name for analyzer in analyzers()}) >= 13
    assert set(SMALL) <= {analyzer.name for analyzer in analyzers()}
