"""Arrays on disk, as results hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auditbench.worker.array_store import write_array


def test_a_stored_array_is_read_from_any_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    stored = write_array(Path("run"), "a", np.arange(3.0))
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_array_equal(np.asarray(stored), [0.0, 1.0, 2.0])
