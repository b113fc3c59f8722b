"""`AuditContext.refit`: a copy of the audited network, trained by the same table on other labels or weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditbench.config import AuditConfig
from auditbench.context import AnalysisCancelled, AuditContext
from auditbench.data import EvaluationData, build_evaluation
from auditbench.errors import AnalyzerNotPossible, ResultError, TrainingError
from auditbench.models import ModelUnderTest, load_bundle
from auditbench.testing import QuietHost, ToySubject, ToyTrainer, given_outputs_subject, toy_context, toy_subject
from auditbench.training import trainer_of
from auditbench.training.preparing import prepare
from tests.trained_tables import ARCHITECTURES, config, make_table, source_of, train

SENSITIVE = {"sensitive": ("sex",), "missing_labels": "drop"}


@dataclass(frozen=True)
class Audited:
    """A bundle that was trained in a folder, with its data."""

    folder: Path
    settings: AuditConfig
    model: ModelUnderTest
    data: EvaluationData

    def context(self, host: QuietHost | None = None) -> AuditContext:
        trainer = trainer_of(
            self.settings,
            self.folder,
            read=lambda: source_of(self.settings, self.folder),
            model=self.model,
            data=self.data,
            architectures=ARCHITECTURES,
        )
        return toy_context(ToySubject(model=self.model, data=self.data), trainer=trainer, host=host)


def audited(folder: Path, task: str = "binary-classification", **keys: Any) -> Audited:
    frame = make_table()
    frame["sex"] = np.where(np.arange(len(frame)) % 3 == 0, "Female", "Male")
    frame["counted"] = 0.5 + np.arange(len(frame)) % 4
    frame.loc[::11, ["label", "level", "value"]] = None
    frame.to_parquet(folder / "rows.parquet")
    settings = config(task, data=SENSITIVE, **keys)
    model = opened(settings, train(settings, folder))
    data = build_evaluation(
        source_of(settings, folder), model.inputs, task=settings.model.task, classes=model.facts.classes, seed=0
    )
    return Audited(folder, settings, model, data)


def opened(settings: AuditConfig, path: Path) -> ModelUnderTest:
    return load_bundle(path, settings.model, "cpu", ARCHITECTURES)


@pytest.mark.parametrize(
    ("task", "keys"),
    [
        ("binary-classification", {}),
        ("multiclass-classification", {"class_weights": "balanced", "parameters": {"hidden": [8], "dropout": 0.2}}),
        ("regression", {"sample_weights": "counted", "schedule": "cosine"}),
        ("binary-classification", {"reweigh": ("sex",), "architecture": "linear"}),
    ],
)
def test_nothing_replaced_gives_the_bytes_of_the_audited_bundle(tmp_path: Path, task: str, keys: Any) -> None:
    one = audited(tmp_path, task, **keys)
    again = one.context().refit(name="again")
    assert again.facts.digest == one.model.facts.digest  # over the bytes of the weights and of the description
    assert again.facts.name == "again"
    assert again.facts.threshold == one.model.facts.threshold
    assert not any(weights.requires_grad for weights in again.module.parameters())


def test_its_own_labels_and_weights_replace_nothing(tmp_path: Path) -> None:
    one = audited(tmp_path, sample_weights="counted")
    kept = pd.read_parquet(tmp_path / "rows.parquet").query("part == 'train'").dropna(subset="label")
    given = one.context().refit(labels=one.data.background_without_inputs.y_true, weights=kept["counted"])
    for name, weights in one.model.module.state_dict().items():
        assert weights.equal(given.module.state_dict()[name])
    assert given.facts.digest != one.model.facts.digest  # the record says that labels were given


def test_background_rows_are_the_rows_that_training_takes(tmp_path: Path) -> None:
    one = audited(tmp_path)
    found = prepare(one.settings, source_of(one.settings, tmp_path), None, device="cpu", architectures=ARCHITECTURES)
    background = one.data.background(one.data.background_rows, np.random.default_rng(0))
    every = sorted([*found.train.positions.tolist(), *found.validation.positions.tolist()])
    assert every == list(range(len(background)))
    assert one.data.facts.dropped["missing_label"] > 0
    taken = found.train.at(np.arange(len(background))).take(slice(None))
    assert taken.inputs.equal(one.model.encode(background.inputs))
    np.testing.assert_array_equal(taken.targets.numpy(), background.y_true)


def test_labels_and_weights_are_those_that_are_given(tmp_path: Path) -> None:
    one = audited(tmp_path, epochs=40, patience=40, class_weights={"yes": 9.0})
    context, labels = one.context(), one.data.background_without_inputs.y_true
    rows = one.data.background(one.data.background_rows, np.random.default_rng(0))
    turned = context.refit(labels=1 - labels, weights=np.ones(len(labels)), name="turned")
    assert (turned.decisions(turned.predict(rows.inputs)) == 1 - labels).mean() > 0.8
    yes = context.refit(weights=np.where(labels == 1, 1.0, 0.0), name="yes")
    assert turned.facts.digest != yes.facts.digest
    assert (yes.decisions(yes.predict(rows.inputs)) == 1).all()
    twice = [context.refit(weights=1.0 + labels, name="twice").facts.digest for _ in range(2)]
    assert twice[0] == twice[1]


def test_reweighing_is_that_of_the_table(tmp_path: Path) -> None:
    one = audited(tmp_path, sample_weights="counted")
    found = one.context().refit(reweigh=("sex",))
    table = config(data=SENSITIVE, sample_weights="counted", reweigh=("sex",))
    assert found.facts.digest == opened(table, train(table, tmp_path, "reweighed")).facts.digest
    assert found.facts.digest != one.model.facts.digest
    with pytest.raises(TrainingError, match="do not say 'region'"):
        one.context().refit(reweigh=("region",))


def test_rows_that_changed_since_are_refused(tmp_path: Path) -> None:
    one = audited(tmp_path)
    make_table(300).assign(sex="Male").to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(TrainingError, match="others than the model was trained on"):
        one.context().refit()


def test_epochs_are_told_and_the_request_to_stop_is_heard_between_steps(tmp_path: Path) -> None:
    one = audited(tmp_path)
    host = QuietHost()
    one.context(host).refit(name="copy")
    assert host.steps == [("toy", "copy", epoch, 4) for epoch in (1, 2, 3, 4)]
    with pytest.raises(AnalysisCancelled):
        one.context(QuietHost(cancel_after=0)).refit()
    looked = []

    class Stopping(QuietHost):
        @property
        def cancelled(self) -> bool:
            looked.append(True)
            return len(looked) > 3

    with pytest.raises(AnalysisCancelled):
        one.context(Stopping()).refit()
    assert len(looked) == 4  # before it began, then in each of three steps of the first epoch


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"labels": np.zeros(3)}, "expected `labels` of 40 numbers, one a background row"),
        ({"labels": np.full(40, 2)}, "expected indices of classes"),
        ({"labels": np.full(40, 0.5)}, "expected indices of classes"),
        ({"labels": ["yes"] * 40}, "expected `labels` of 40 numbers"),
        ({"weights": np.ones((40, 1))}, "expected `weights` of 40 numbers"),
        ({"weights": np.full(40, -1.0)}, "expected weights"),
        ({"weights": np.full(40, np.nan)}, "expected weights"),
        ({"weights": np.full(40, 1e-20)}, "expected weights"),
        ({"weights": np.ones(40), "reweigh": ("sex",)}, "expected `weights` or `reweigh`, not both"),
    ],
)
def test_what_fits_no_background_row_is_refused(given: dict[str, Any], said: str) -> None:
    subject = toy_subject()
    with pytest.raises(ResultError, match=said):
        toy_context(subject, trainer=ToyTrainer(subject=subject)).refit(**given)


def test_weights_of_nothing_but_zeros_are_refused(tmp_path: Path) -> None:
    one = audited(tmp_path)
    rows = one.data.background_rows
    with pytest.raises(TrainingError, match="0 for every row of one side"):
        one.context().refit(weights=np.arange(rows) == rows)
    with pytest.raises(TrainingError, match="0 for every row of one side"):
        one.context().refit(weights=np.arange(rows) == 0)


def test_without_a_trainer_there_is_no_refit() -> None:
    with pytest.raises(AnalyzerNotPossible, match="cannot be trained again"):
        toy_context().refit()


def test_another_model_or_other_rows_have_no_trainer() -> None:
    found: list[AuditContext] = []
    subject = toy_subject()

    def keep(context: AuditContext) -> Any:
        found.append(context)

    host = QuietHost(analyzers={"other": keep})
    context = toy_context(subject, trainer=ToyTrainer(subject=subject), host=host)
    context.rerun("other")
    context.rerun("other", data=subject.data.subset(np.arange(5)))
    context.rerun("other", model=subject.model)
    assert [each.trainer is None for each in found] == [False, True, True]


@pytest.mark.parametrize("modality", ["tabular", "image", "text", "series", "mixed"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_toy_model_learns_what_it_is_given(kind: Any, modality: Any) -> None:
    subject = toy_subject(kind, modality=modality, background=80)
    context = toy_context(subject, trainer=ToyTrainer(subject=subject))
    rows = subject.data.background(80, np.random.default_rng(0))
    labels = np.zeros(80) if kind == "regression" else np.zeros(80, dtype=int)

    def wrong(model: ModelUnderTest) -> float:
        outputs = model.predict(rows.inputs)
        return float(np.abs(outputs).mean() if kind == "regression" else 1 - model.probabilities(outputs)[:, 0].mean())

    fitted = context.refit(labels=labels, weights=1.0 + np.arange(80) % 2)
    assert wrong(fitted) < 0.75 * wrong(subject.model)


def test_a_toy_model_of_probabilities_is_fitted_too() -> None:
    subject = given_outputs_subject(
        np.linspace(0.1, 0.9, 20), np.arange(20) % 2, sensitive_features={"sex": ["a"] * 20}
    )
    context = toy_context(subject, trainer=ToyTrainer(subject=subject))
    outputs = context.refit(labels=np.ones(20), reweigh=()).predict(subject.data.take(np.arange(20)).inputs)
    assert outputs.mean() > 0.6
