"""Runs of models that take images, texts, series or several inputs, made by code."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from auditbench.findings import Message
from auditbench.messages import load_messages
from auditbench.results import AnalysisResult
from auditbench.run import AuditRun, InitialWeights, InputFacts, Modality, ShownInput
from auditbench.testing import toy_context, toy_subject
from auditbench.worker.cases import choose_cases
from tests.html_fixture import MESSAGES, income_run

CASES = 6


def modality_run(modality: Modality, *, raw_inputs: bool, shown: tuple[ShownInput, ...] | None = None) -> AuditRun:
    """The income audit as that of a toy model of another modality, its explainers not applicable.

    Args:
        shown: Inputs of every case, instead of those of the toy model.
    """
    subject, run = toy_subject(modality=modality), income_run()
    outputs = toy_context(subject).outputs
    chosen = choose_cases(subject.model, subject.data, outputs, count=CASES, raw_inputs=raw_inputs)
    cases = tuple(dataclasses.replace(case, shown=case.shown if shown is None else shown) for case in chosen.cases)
    reason = Message(key=f"core.not_applicable_modality_{modality}", values={"allowed": "tabular"})
    results = tuple(
        AnalysisResult(
            analyzer=result.analyzer, topic=result.topic, status="not_applicable", reason=reason, version="0.1.0"
        )
        if result.topic == "explanation"
        else result
        for result in run.results
    )
    return dataclasses.replace(
        run,
        model=dataclasses.replace(run.model, classes=("no", "yes")),
        data=dataclasses.replace(
            subject.data.facts, name="toy rows", digests=run.data.digests, sensitive=("brightness",)
        ),
        cases=cases,
        case_rule=chosen.rule,
        results=results,
        config={**run.config, "report": {"raw_inputs": raw_inputs}},
        messages={language: {**MESSAGES, **words} for language, words in load_messages("auditbench").items()},
    )


def noise_run(count: int = 12) -> AuditRun:
    """Twelve cases with an image that no compression makes smaller, and a long text and series beside it."""
    rng = np.random.default_rng(1)
    image = ShownInput(
        name="photo", modality="image", size=(3, 300, 400), brightness="0.4 to under 0.5",
        values=rng.integers(0, 256, (300, 400, 3), dtype=np.uint8),
    )  # fmt: skip
    text = ShownInput(name="note", modality="text", size=(512,), text="word " * 800)
    series = ShownInput(
        name="pulse", modality="series", size=(6, 1000), values=rng.normal(size=(6, 1000)).astype(np.float32)
    )
    run = modality_run("image", raw_inputs=True, shown=(image, text, series))
    facts = (
        InputFacts(name="photo", modality="image", shape=(3, 300, 400)),
        InputFacts(name="note", modality="text", shape=(512,), unit="characters", vocabulary=70),
        InputFacts(name="pulse", modality="series", shape=(6, 1000)),
    )
    cases = tuple(dataclasses.replace(run.cases[0], row_id=f"row {index}") for index in range(count))
    return dataclasses.replace(run, cases=cases, data=dataclasses.replace(run.data, inputs=facts))


def trained_run(**facts: Any) -> AuditRun:
    """The income audit with more said about its training."""
    run = income_run()
    assert run.model.training is not None
    training = dataclasses.replace(run.model.training, **facts)
    cost = {"seconds": 24.0, "rows_per_second": 51_234.4, "peak_memory_bytes": 300.0 * 2**20}
    return dataclasses.replace(
        run,
        model=dataclasses.replace(run.model, training=training),
        volatile=dataclasses.replace(run.volatile, training=cost),
    )


BEGUN = InitialWeights(file="start.safetensors", sha256="ab" * 32, loaded=("a", "b", "c"), new=("d",))
