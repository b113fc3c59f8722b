"""Keras as it is imported and used: torch, no settings of a person's own, nothing written, nothing left changed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from auditbench.errors import ModelError
from auditbench.models.opening.keras_files import open_keras
from auditbench.models.opening.keras_library import imported_keras
from tests.keras_networks import KERAS2, OF_KERAS, keras, made, saved

pytestmark = pytest.mark.filterwarnings(OF_KERAS)

PROGRAM = """
import os, sys
from pathlib import Path
from auditbench.models.opening.keras_files import open_keras
before = dict(os.environ)
found = open_keras(Path(sys.argv[1]), device="cpu")
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
assert "tensorflow" not in sys.modules and "jax" not in sys.modules
import torch
values = found.module(torch.ones(2, 5), training=False)
print(found.library.config.floatx(), found.library.config.image_data_format(), found.library.config.backend())
print(*values[:, 0].tolist())
"""


def test_settings_at_home_are_neither_read_nor_written(tmp_path: Path) -> None:
    network = made("mlp")
    path = saved(network, tmp_path / "model.keras")
    expected = network(torch.ones(2, 5), training=False)[:, 0].tolist()
    home = tmp_path / "home"
    settings = home / ".keras" / "keras.json"
    settings.parent.mkdir(parents=True)
    own = {"floatx": "float64", "epsilon": 0.1, "backend": "tensorflow", "image_data_format": "channels_first"}
    settings.write_text(json.dumps(own))
    for kept in (settings.parent, None):
        if kept is None:
            settings.unlink()
            settings.parent.rmdir()
        environment = {**os.environ, "HOME": str(home), "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "0"}
        command = [sys.executable, "-c", PROGRAM, str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.splitlines()
        assert first == "float32 channels_last torch"
        np.testing.assert_allclose([float(one) for one in second.split()], expected, rtol=1e-6)
        assert done.stderr == ""
        assert [each for each in home.rglob("*") if each.is_file()] == ([settings] if kept else [])
        assert not kept or json.loads(settings.read_text()) == own
    assert not settings.parent.exists()


def test_tensorflow_is_not_imported_where_it_is_installed(tmp_path: Path) -> None:
    path = saved(made("mlp"), tmp_path / "model.h5")
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("keras")
    monkeypatch.setattr(other, "config", SimpleNamespace(backend=lambda: "jax"), raising=False)
    monkeypatch.setitem(sys.modules, "keras", other)
    with pytest.raises(ModelError, match="to compute with another library") as caught:
        imported_keras("model.keras")
    assert "KERAS_BACKEND" in caught.value.describe()
    assert "jax" in caught.value.describe()


def test_what_was_set_stays_set_and_random_numbers_are_not_drawn(tmp_path: Path) -> None:
    library = keras()
    path = saved(made("cnn"), tmp_path / "model.keras")
    kept = library.config.floatx(), library.config.image_data_format(), library.config.dtype_policy()
    library.config.set_floatx("float64")
    library.config.set_image_data_format("channels_first")
    try:
        state, numbers, drawn = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
        found = open_keras(path, device="cpu")
        assert (library.config.floatx(), library.config.image_data_format()) == ("float64", "channels_first")
        assert random.getstate() == state
        assert torch.equal(torch.get_rng_state(), numbers)
        assert np.random.get_state()[1].tolist() == drawn  # noqa: NPY002
        assert {variable.dtype for variable in found.module.trainable_variables} <= {"float32"}
    finally:
        library.config.set_floatx(kept[0])
        library.config.set_image_data_format(kept[1])
        library.config.set_dtype_policy(kept[2])


def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    open_keras(KERAS2 / "gru.h5", device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from auditbench.errors import MissingDependencyError
    from auditbench.models.opening import packages

    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "h5py" else object())
    with pytest.raises(MissingDependencyError) as caught:
        open_keras(KERAS2 / "gru.h5", device="cpu")
    assert "auditbench[keras]" in caught.value.describe()
