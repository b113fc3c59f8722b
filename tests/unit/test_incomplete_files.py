"""Files that were cut off are told as damaged, by name of what they were, wherever a model is told or opened."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import joblib  # type: ignore[import-untyped]  # noqa: TID251 - makes what is cut off
import numpy as np
import pytest
import skops.io
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from auditbench.cli.model_profile import profile_model
from auditbench.errors import ModelError
from auditbench.models.opening import content_kind, sha256_of
from auditbench.models.opening.estimator_files import open_estimator
from auditbench.models.opening.programs import open_program
from auditbench.models.opening.scanning import scan
from auditbench.models.opening.tensors import open_weights
from tests.keras_networks import OF_KERAS, keras

NETWORK = nn.Sequential(nn.Linear(3, 40), nn.ReLU(), nn.Linear(40, 1)).eval()
FITTED = LogisticRegression().fit(np.arange(40.0).reshape(20, 2), np.arange(20) % 2)


def state_dict(path: Path) -> None:
    torch.save({"state_dict": NETWORK.state_dict(), "epoch": 3}, path)


def scripted(path: Path) -> None:
    content = io.BytesIO()
    torch.jit.save(torch.jit.trace(NETWORK, torch.zeros(2, 3)), content)  # type: ignore[no-untyped-call]
    path.write_bytes(content.getvalue())


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(NETWORK, (torch.zeros(2, 3),)), path)


def saved_by_skops(path: Path) -> None:
    skops.io.dump(FITTED, path)


def saved_by_keras(path: Path) -> None:
    layers = keras().layers
    keras().Sequential([layers.Input((3,)), layers.Dense(40)]).save(path)


def cut(folder: Path, name: str, make: Callable[[Path], None], share: float) -> Path:
    path = folder / name
    make(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.filterwarnings(OF_KERAS)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(
    ("name", "make", "what"),
    [
        ("model.skops", saved_by_skops, "a skops file"),
        ("model.keras", saved_by_keras, "a Keras model"),
        ("model.ckpt", state_dict, "what torch.save writes"),
        ("model.pt2", exported, "an exported program"),
        ("model.pt", scripted, "a TorchScript program"),
    ],
)
def test_an_archive_without_its_end_says_what_it_was(
    tmp_path: Path, name: str, make: Callable[[Path], None], what: str, share: float
) -> None:
    path = cut(tmp_path, name, make, share)
    with pytest.raises(ModelError) as caught:
        profile_model(path)
    said = caught.value.describe()
    assert f"{name} is damaged or cut off" in said
    assert f"{what} by its first members" in said or f"{what} (.pt2) by its first members" in said
    assert "copy the file again" in said
    found = scan(path)
    assert found.kind == "damaged"
    assert not found.clean
    assert what in found.parts[0].not_seen


def test_a_complete_archive_is_not_damaged(tmp_path: Path) -> None:
    for make in (state_dict, exported, saved_by_skops):
        path = cut(tmp_path, "model", make, 1.0)
        assert content_kind(path.read_bytes()) in ("state-dict", "exported", "skops")


def test_whoever_opens_it_says_the_same(tmp_path: Path) -> None:
    opened: list[tuple[Callable[[Path], None], Callable[[Path], object]]] = [
        (state_dict, open_weights),
        (exported, lambda path: open_program(path, "exported", trust=(), device="cpu")),
        (saved_by_skops, lambda path: open_estimator(path, trust=())),
    ]
    for make, open_it in opened:
        path = cut(tmp_path, "model", make, 0.7)
        with pytest.raises(ModelError, match="model is damaged or cut off"):
            open_it(path)


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_pickle_without_its_end_is_damaged(tmp_path: Path, share: float) -> None:
    path = cut(tmp_path, "model.joblib", lambda path: joblib.dump(FITTED, path), share)
    for refused in (profile_model, lambda path: open_estimator(path, trust=(sha256_of(path.read_bytes()),))):
        with pytest.raises(ModelError) as caught:
            refused(path)
        assert "model.joblib is damaged or cut off" in caught.value.describe()
        assert "a pickle without its end" in caught.value.describe()


def test_what_is_compressed_and_was_cut_off_is_no_unknown_model(tmp_path: Path) -> None:
    path = cut(tmp_path, "model.joblib", lambda path: joblib.dump(FITTED, path, compress=3), 0.8)
    with pytest.raises(ModelError) as caught:
        profile_model(path)
    assert "cannot be unpacked" in caught.value.describe()
    assert "it is not complete" in caught.value.describe()
