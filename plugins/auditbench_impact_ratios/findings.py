"""When a category's selection rate becomes a finding."""

from __future__ import annotations

from collections.abc import Sequence

from auditbench.findings import Finding
from auditbench_impact_ratios.measures import ANALYZER, FOUR_FIFTHS, message
from auditbench_impact_ratios.rates import Rates


def findings(selected: Sequence[Rates]) -> tuple[Finding, ...]:
    """Findings by one fixed rule, a feature each.

    `below_four_fifths`: the interval of the selection-rate ratio of a category lies below four fifths. The bounds of all
    categories hold together, so that many of them raise no alarm.
    """
    return tuple(finding for rates in selected if (finding := _below(rates)) is not None)


def _below(rates: Rates) -> Finding | None:
    names = rates.categories.names
    below = [
        (ratio.estimate, ratio.low, ratio.high, names[place])
        for place, ratio in enumerate(rates.ratio)
        if ratio is not None and ratio.high is not None and ratio.high < FOUR_FIFTHS
    ]
    if not below or rates.highest is None:
        return None
    value, low, high, lowest = min(below)
    return Finding(
        rule=f"{ANALYZER}.below_four_fifths",
        severity="medium",
        title=message(
            "finding.below_four_fifths",
            feature=rates.categories.feature,
            group=lowest,
            reference=names[rates.highest],
            value=value,
            low=low,
            high=high,
            n=len(below),
        ),
        action=message("finding.below_four_fifths.action"),
        metrics=(f"{ANALYZER}.smallest_impact_ratio",),
        where={"feature": rates.categories.feature},
    )
