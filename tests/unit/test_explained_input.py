"""Players and maskers of every modality: on linear models the contributions of players are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditbench.data.inputs import TextInput
from auditbench.errors import ConfigError
from auditbench.masking import Prediction
from auditbench.masking.explained_input import explained_input, mask_token
from auditbench.masking.player_params import HIDERS, HiddenBy, PlayerParams
from auditbench.run import Modality
from auditbench.testing import ToySubject, toy_subject
from auditbench_shap import shapley_values

PAIRS: list[tuple[Modality, HiddenBy]] = [
    (modality, hidden_by) for modality in ("tabular", "image", "series", "text") for hidden_by in HIDERS[modality]
]


@pytest.mark.parametrize(("modality", "hidden_by"), PAIRS)
def test_a_player_of_a_linear_model_contributes_what_its_entries_lose_when_hidden(
    modality: Modality, hidden_by: HiddenBy
) -> None:
    subject = toy_subject("multiclass", modality=modality)
    rows = subject.data.take(np.arange(6))
    background = subject.data.background(10, np.random.default_rng(1))
    params = PlayerParams(regions=6, superpixels="grid", segments=4, hidden_by=hidden_by)
    setting = explained_input(subject.model, rows, lambda: subject.model.encode(background.inputs), params)

    found = shapley_values(Prediction(subject.model.module), setting.rows, setting.masker, groups=setting.players)

    replaced = setting.masker.replacements(setting.rows, setting.players)
    lost = _terms(subject, setting.rows) - _terms(subject, replaced.flatten(0, 1)).view(
        *replaced.shape[:2], 3, *setting.rows.shape[1:]
    ).mean(dim=1)
    members = torch.stack([setting.players.groups == player for player in range(len(setting.players))], dim=-1)
    members = members.unsqueeze(1) if setting.players.per_row else members
    expected = (lost.unsqueeze(-1) * members).flatten(2, -2).sum(dim=2)
    np.testing.assert_allclose(found.values, expected.numpy(), atol=1e-6)
    assert len(setting.players) > 1
    assert np.abs(found.values).max() > 0.01


def _terms(subject: ToySubject, rows: torch.Tensor) -> torch.Tensor:
    """What each entry adds to each output, shape `(rows, outputs, *row shape)`."""
    weights = torch.as_tensor(subject.weights)
    if rows.dtype == torch.int64:
        return weights.T[rows].movedim(2, 1)
    return rows.double().unsqueeze(1) * weights.view(-1, *rows.shape[1:])


def test_each_modality_has_a_default_and_refuses_what_makes_no_sense_for_it() -> None:
    for modality, allowed in HIDERS.items():
        subject = toy_subject("binary", modality=modality)
        rows, background = subject.data.take(np.arange(3)), subject.data.background(4, np.random.default_rng(0))
        found = explained_input(
            subject.model, rows, lambda s=subject, b=background: s.model.encode(b.inputs), PlayerParams()
        )
        assert len(found.players) > 1
        for hidden_by in {"background", "baseline", "blur", "mean", "token"}.difference(allowed):
            with pytest.raises(ConfigError, match="hidden in this way") as refused:
                explained_input(subject.model, rows, _never, PlayerParams(hidden_by=hidden_by))
            assert refused.value.problems[0].allowed == ", ".join(allowed)


def _never() -> torch.Tensor:
    raise AssertionError("expected no background to be asked for")


def test_inputs_beside_a_table_are_a_player_each() -> None:
    subject = toy_subject("binary", modality="mixed")
    rows, background = subject.data.take(np.arange(4)), subject.data.background(5, np.random.default_rng(0))
    setting = explained_input(subject.model, rows, lambda: subject.model.encode(background.inputs), PlayerParams())
    assert setting.players.names == ("age", "hours", "work", "sex", "text")
    found = shapley_values(Prediction(subject.model.module), setting.rows, setting.masker, groups=setting.players)
    total = subject.model.predict(rows.inputs) - subject.model.predict(background.inputs).mean(axis=0)
    np.testing.assert_allclose(found.values.sum(axis=2), total, atol=1e-6)
    assert np.abs(found.values[:, 0, 4]).max() > 0.01


def test_words_of_a_text_join_to_it_and_lack_nothing() -> None:
    subject = toy_subject("binary", modality="text")
    rows, none = subject.data.take(np.arange(8)), subject.data.take(np.arange(8))
    setting = explained_input(subject.model, rows, _never, PlayerParams())
    for row, said in enumerate(setting.said):
        assert "".join(said) == rows.texts["text"][row]
        assert sum(map(bool, said)) == int((none.inputs["text"][row] != 0).sum())


def test_the_mask_token_of_words_is_the_unknown_one() -> None:
    assert mask_token(TextInput(unit="words", vocabulary=("a",), length=3)) == 1
