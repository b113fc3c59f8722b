"""A whole audit of images: what its cases show is stored with the run only where the audit file asks for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auditbench.api import audit_config
from auditbench.run import AuditRun
from auditbench.run_file import read_run
from tests.html_page import parse

CONFIG = """
[audit]
name = "stripes"
[model]
path = "model"
task = "binary-classification"
[train]
architecture = "cnn"
epochs = 1
[train.parameters]
channels = [2]
[data]
test = "stripes.npz"
split = "split"
target = "label"
types = { label = "category" }
positive = "1"
[data.inputs.image]
modality = "image"
[analyzers.performance]
replicates = 40
[report]
cases = 3
formats = ["html"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images of 6 x 6 pixels, with stripes across or down."""
    rng, home = np.random.default_rng(0), tmp_path_factory.mktemp("stripes")
    labels = rng.integers(0, 2, 60)
    images = rng.integers(0, 60, (60, 6, 6), dtype=np.uint8)
    images[labels == 0, ::2] += 150
    images[labels == 1, :, ::2] += 150
    split = np.where(np.arange(60) < 40, "train", "test")
    np.savez(home / "stripes.npz", image=images, label=labels, split=split)
    (home / "audit.toml").write_text(CONFIG)
    return home


def audited(folder: Path, out: str, *settings: str) -> AuditRun:
    audit_config(folder / "audit.toml", out=folder / out, overrides=settings, device="cpu")
    return read_run(folder / out)


def test_pictures_of_cases_stand_in_the_run_folder_on_request(folder: Path) -> None:
    run = audited(folder, "raw", "report.raw_inputs=true")
    images = np.load(folder / "stripes.npz")["image"]
    assert len(run.cases) == 3
    for case in run.cases:
        (shown,) = case.shown
        np.testing.assert_array_equal(np.asarray(shown.values), images[int(case.row_id) - 1])
    page = (folder / "raw" / "report.html").read_bytes()
    assert len(parse(page).one("section", id="cases").every("img")) == 3
    assert [item.shape for item in run.data.inputs] == [(1, 6, 6)]


def test_without_it_no_picture_leaves_the_worker(folder: Path) -> None:
    run = audited(folder, "banded")
    assert all(item.values is None and item.brightness for case in run.cases for item in case.shown)
    assert not (folder / "banded" / "arrays" / "cases").exists()
    assert not parse((folder / "banded" / "report.html").read_bytes()).every("img")
