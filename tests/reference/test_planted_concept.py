"""A network that was trained to look at a patch: what `concepts` says of the patch is what planting it changes.

The patch is a bright square in the upper left corner. In training every 4 carries one and no 9 does; the digits that are evaluated
carry none, so that the change can be measured by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

import auditbench
from auditbench.results import AnalysisResult, Metric
from tests.reference.test_planted_patch import DIGITS, Images, trained

SIDE = 7
"""A quarter of the image, as the analyzer plants it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shortcut:
    """A trained network, digits without the patch, whether each is a 9, and how the patch changes the logit of each."""

    network: nn.Module
    images: Images
    nines: npt.NDArray[np.int64]
    changes: npt.NDArray[np.float64]


def with_patch(images: Images) -> Images:
    changed = images.copy()
    changed[:, :, :SIDE, :SIDE] = 1.0
    return changed


@pytest.fixture(scope="module")
def shortcut() -> Shortcut:
    digits = np.load(DIGITS)
    chosen = np.isin(digits["label"], (4, 9))
    training, evaluated = chosen & (digits["split"] == "train"), chosen & (digits["split"] == "test")
    images = digits["image"][:, np.newaxis].astype(np.float32) / 255
    nines = (digits["label"] == 9).astype(np.int64)
    shown = np.where((nines == 0)[:, np.newaxis, np.newaxis, np.newaxis], with_patch(images), images)
    network = trained(shown[training], nines[training])
    with torch.no_grad():
        before, after = (
            network(torch.from_numpy(rows))[:, 0] for rows in (images[evaluated], with_patch(images[evaluated]))
        )
    return Shortcut(
        network=network, images=images[evaluated], nines=nines[evaluated], changes=(after - before).double().numpy()
    )


def audited(shortcut: Shortcut, **keys: object) -> AnalysisResult:
    run = auditbench.audit(
        shortcut.network,
        shortcut.images,
        shortcut.nines,
        task="binary-classification",
        output="logit",
        analyzers={"concepts": {"examples": {"patch": {"planted": "patch"}}, **keys}},
        formats=(),
    )
    return run.results[0]


def only(result: AnalysisResult, name: str) -> Metric:
    (metric,) = (each for each in result.metrics if each.name == name)
    return metric


def test_the_patch_decides_the_logit(shortcut: Shortcut) -> None:
    assert shortcut.changes.mean() < -3.0
    assert (shortcut.changes < 0).mean() > 0.95


@pytest.mark.parametrize("vector", ["pattern", "filter"])
def test_the_change_by_hand_is_the_planted_change_and_within_the_interval_of_the_effect(
    shortcut: Shortcut, vector: str
) -> None:
    by_hand = shortcut.changes.mean()
    result = audited(shortcut, vector=vector)
    effect, change = only(result, "effect"), only(result, "planted_change")
    assert change.value == pytest.approx(by_hand, rel=1e-4)
    assert change.n == len(shortcut.images)
    assert effect.interval is not None
    assert effect.interval.low < by_hand < effect.interval.high
    assert effect.value == pytest.approx(by_hand, rel=0.15)
    (finding,) = result.findings
    assert finding.title.values["change"] == change.value
    assert finding.title.values["effect"] == effect.value


def test_the_planted_change_does_not_hang_on_the_layer(shortcut: Shortcut) -> None:
    early, late = (only(audited(shortcut, layers=[layer]), "planted_change") for layer in ("1", "6"))
    assert early.value == late.value
