"""An analyzer that trains copies of the model, and keeps every promise. Light to import, as a plugin is."""

from __future__ import annotations

import dataclasses

from auditbench.context import AuditContext
from auditbench.results import AnalysisResult
from tests.zoo.good import GOOD, Params, answer


def retrained(context: AuditContext, params: Params) -> AnalysisResult:
    """What the good one says, once a copy of the model was trained on turned labels and evaluated."""
    import numpy as np

    outputs = context.finite_outputs()
    labels = context.data.background_without_inputs.y_true
    copy = context.refit(labels=1 - labels, weights=1.0 + labels, name="copy")
    others = copy.predict(context.data.take(np.arange(len(context.data))).inputs)
    if not np.isfinite(others).all() or (others == outputs).all():
        raise ValueError("expected other outputs of a copy that was trained on turned labels")
    return answer(context, params)


RETRAINING = dataclasses.replace(
    GOOD, analyze=retrained, needs=dataclasses.replace(GOOD.needs, training=True), cost="trains"
)
