"""Networks of texts as exported programs: a language model and a classifier are audited as the bundles that they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditbench.cli.boundary import guarded
from tests.in_process_worker import workers_in_this_process

CONFIG = """
[audit]
name = "words"
[model]
path = "model"
task = "{task}"
[train]
architecture = "{architecture}"
epochs = 1
[train.parameters]
width = 8
layers = 1
heads = 2
feedforward = 8
[data]
test = "texts.csv"
split = "split"
target = "{target}"
{positive}
[data.inputs.text]
modality = "text"
unit = "words"
length = 8
[analyzers.performance]
replicates = 40
[analyzers.resources]
batch_sizes = [1]
[report]
formats = []
cases = 2
"""
CASES = {
    "language-model": {"task": "next-token", "architecture": "decoder", "target": "text", "positive": ""},
    "classifier": {
        "task": "binary-classification",
        "architecture": "encoder",
        "target": "who",
        "positive": 'positive = "b"',
    },
}


@pytest.mark.parametrize("case", CASES)
def test_an_exported_network_of_texts_is_audited_as_its_bundle(case: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = np.array(["the", "cat", "sat", "on", "a", "mat", "and", "dog", "ran", "home"])
    lines = [
        f"{' '.join(rng.choice(words, 12))},{'train' if place < 14 else 'test'},{'ab'[place % 2]}"
        for place in range(24)
    ]
    (tmp_path / "texts.csv").write_text("text,split,who\n" + "\n".join(lines) + "\n")
    (tmp_path / "audit.toml").write_text(CONFIG.format(**CASES[case]))
    exported = tmp_path / "export/model/pt2"
    with workers_in_this_process():
        assert guarded(["audit", str(tmp_path / "audit.toml"), "--out", str(tmp_path / "bundle")]) == 0
        assert guarded(["export", str(tmp_path / "audit.toml"), "--to", "pt2"]) == 0
        assert guarded(["audit", str(exported / "audit.toml"), "--out", str(tmp_path / "program")]) == 0
    bundle, program = (json.loads((tmp_path / name / "run.json").read_text()) for name in ("bundle", "program"))
    assert program["model"]["capabilities"] == ["hooks", "layers", "black_box"]
    assert [gate["state"] for gate in program["gates"]] == ["pass"] * len(program["gates"]) != []
    found, expected = metrics(program), metrics(bundle)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (value if value is None else pytest.approx(value, rel=1e-4)), name


def metrics(run: Any) -> dict[str, float | None]:
    """Metrics of the performance, without what is drawn at random from probabilities."""
    (result,) = (item for item in run["results"] if item["analyzer"] == "performance")
    found = {f"{item['name']} {item.get('where')}": item["value"] for item in result["metrics"]}
    return {name: value for name, value in found.items() if "by_chance" not in name}
