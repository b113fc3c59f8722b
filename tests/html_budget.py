"""The reports that the budgets are about: 18 gates with the figures of an audit, with all figures, and with pictures."""

from __future__ import annotations

import dataclasses

import numpy as np

from auditbench.findings import Message
from auditbench.results import ImageOverlay
from auditbench.run import AuditRun
from tests.html_every_block import block_result, every_block_run
from tests.html_fixture import gate, income_run

GATES = 18
PICTURES = 30


def usual_run() -> AuditRun:
    """The income audit, with its 15 figures."""
    return _with_gates(income_run())


def budget_run() -> AuditRun:
    """The audit with every kind of figure, twice as many as the budgets ask for."""
    return _with_gates(every_block_run())


def in_chinese(run: AuditRun) -> AuditRun:
    """The run of a Chinese page, with the English summary beside it."""
    return dataclasses.replace(run, config={**run.config, "report": {"raw_inputs": True, "second_language": "en"}})


def pictured_run() -> AuditRun:
    """The same with images that no compression makes smaller; each is drawn three times."""
    run, rng = budget_run(), np.random.default_rng(8)
    overlays = tuple(
        ImageOverlay(
            name=f"noise-{index}", title=Message(key="blocks.image"), row_id=str(index), unit="logit",
            image=rng.random((224, 224, 3)), values=rng.normal(size=(224, 224)),
        )
        for index in range(PICTURES // 3)
    )  # fmt: skip
    pictured = dataclasses.replace(block_result(), analyzer="pictures", image_overlays=overlays)
    return dataclasses.replace(run, results=(*run.results, pictured))


def _with_gates(run: AuditRun) -> AuditRun:
    more = (
        gate(f"more-{index}", "performance.accuracy", "pass", topic="performance", minimum=0.8, value=0.8532, low=0.8477, high=0.8586)
        for index in range(GATES - len(run.gates))
    )  # fmt: skip
    return dataclasses.replace(run, gates=(*run.gates, *more))
