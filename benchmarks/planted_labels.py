"""Planted wrong labels: which of the first training rows of each ranking were labelled wrongly on purpose.

A tenth of the training labels is changed, the product trains the model of an example on them, and the analyzer
`training-rows` ranks the rows. captum's `TracInCPFast` ranks the same rows with the same model; it leaves the bias of the
last layer out, and is compared with our values without it.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from auditbench.config import AuditConfig
from auditbench.data import BUILT_IN as DATASETS
from auditbench.data import Rows, build_evaluation, open_source
from auditbench.models import ModelUnderTest, load_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.training import ensure_model
from auditbench_training_rows.candidates import rankings
from auditbench_training_rows.last_layer import LastLayer, find_last_linear
from auditbench_training_rows.neighbours import nearest_others
from auditbench_training_rows.studied import studied
from auditbench_training_rows.tracin import self_influence

EXAMPLES = Path(__file__).parents[1] / "examples"
ADULT = Path(__file__).parents[1] / "workbench/auditbench/data/adult.parquet"
WRONG = 0.1
"""Share of the training labels that is changed."""
DEPTHS = (0.1, 0.5, 1.0)
"""How far each ranking is read, as a multiple of the number of changed labels."""
NEIGHBOURS = 10

Planted = npt.NDArray[np.bool_]


def main() -> None:
    """Measure and print, a table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="how often each is trained, with other changed labels")
    parser.add_argument("--only", choices=("adult", "digits"), help="one of the data sets")
    parser.add_argument("--out", type=Path, help="a JSON file for every figure")
    options = parser.parse_args()
    found = {}
    for name in [options.only] if options.only else ["adult", "digits"]:
        runs = [measure(name, seed) for seed in range(options.seeds)]
        found[name] = runs
        _print(name, runs)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def measure(name: str, seed: int) -> dict[str, Any]:
    """Precision of each ranking at each depth, of one training."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        planted = (_plant_adult if name == "adult" else _plant_digits)(base, seed)
        started = time.perf_counter()
        model, train = _trained(name, base, seed)
        seconds = time.perf_counter() - started
    planted = planted[: len(train)]
    started = time.perf_counter()
    linear = find_last_linear(model, train)
    rows = studied(model, train, linear, "last")
    orders = rankings(rows, nearest_others(rows.places, NEIGHBOURS, distance="cosine"))
    ranked = time.perf_counter() - started
    if rows.layer is None:
        raise RuntimeError(f"expected a last linear layer in {name}")
    theirs = captum_self_influence(model, train, linear.name)
    ours = self_influence(LastLayer(activations=rows.places, gradients=rows.layer.gradients))
    orders["captum TracInCPFast"] = np.argsort(-theirs, kind="stable")
    depths = {depth: max(1, round(depth * int(planted.sum()))) for depth in DEPTHS}
    return {
        "rows": len(train),
        "planted": int(planted.sum()),
        "accuracy": float((rows.decisions == train.y_true).mean()),
        "largest_difference": float(np.abs(ours - theirs).max() / theirs.max()),
        "train_seconds": seconds,
        "rank_seconds": ranked,
        "precision": {
            ranking: {str(depth): float(planted[order[:count]].mean()) for depth, count in depths.items()}
            for ranking, order in orders.items()
        },
    }


def captum_self_influence(model: ModelUnderTest, rows: Rows, layer: str) -> npt.NDArray[np.float64]:
    """Self-influence by captum on a copy of the network, at its weights and with a step size of 1."""
    from captum.influence import TracInCPFast

    module = copy.deepcopy(model.module).requires_grad_(True)
    binary = model.facts.task == "binary-classification"
    labels = torch.from_numpy(rows.y_true)
    targets = labels.float()[:, None] if binary else labels
    loss = nn.BCEWithLogitsLoss(reduction="sum") if binary else nn.CrossEntropyLoss(reduction="sum")
    weights = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    tracin = TracInCPFast(
        module,
        layer,
        DataLoader(TensorDataset(model.encode(rows.inputs), targets), batch_size=1024),
        [weights],
        checkpoints_load_func=lambda network, state: float(bool(network.load_state_dict(state))),
        loss_fn=loss,
    )
    return np.asarray(tracin.self_influence().detach().double().numpy())


def _plant_adult(base: Path, seed: int) -> Planted:
    table = pd.read_parquet(ADULT)
    rows = np.flatnonzero((table["split"] == "train").to_numpy())
    chosen = _chosen(len(rows), seed)
    labels = table["income"].astype(str).to_numpy(dtype=object)
    names = sorted(set(labels))
    for row in rows[chosen]:
        labels[row] = names[1 - names.index(labels[row])]
    table.assign(income=labels).to_parquet(base / "rows.parquet")
    return chosen


def _plant_digits(base: Path, seed: int) -> Planted:
    arrays = dict(np.load(EXAMPLES / "02-image/digits.npz"))
    rows = np.flatnonzero(arrays["split"] == "train")
    chosen = _chosen(len(rows), seed)
    labels = arrays["label"].astype(np.int64)
    others = np.random.default_rng([seed, 1]).integers(1, 10, len(rows))
    labels[rows[chosen]] = (labels[rows[chosen]] + others[chosen]) % 10
    np.savez(base / "rows.npz", **{**arrays, "label": labels})
    return chosen


def _chosen(rows: int, seed: int) -> Planted:
    chosen = np.zeros(rows, dtype=np.bool_)
    chosen[np.random.default_rng(seed).choice(rows, size=round(WRONG * rows), replace=False)] = True
    return chosen


def _trained(name: str, base: Path, seed: int) -> tuple[ModelUnderTest, Rows]:
    """The model of an example, trained on the changed labels, and its training rows."""
    folder, file = ("01-adult", "rows.parquet") if name == "adult" else ("02-image", "rows.npz")
    keys: dict[str, Any] = tomllib.loads((EXAMPLES / folder / "audit.toml").read_text(encoding="utf-8"))
    data: Mapping[str, Any] = {key: value for key, value in keys["data"].items() if key != "dataset"}
    settings = AuditConfig.model_validate(
        {
            "audit": {"name": name, "seed": seed},
            "model": keys["model"],
            "train": keys["train"],
            "data": {**data, "test": file, "split": "split"},
        }
    )
    architectures = {item.name: item for item in BUILT_IN}
    source = open_source(settings.data, base, {item.name: item for item in DATASETS}, settings.train)
    made = ensure_model(settings, base, source, "cpu", architectures, lambda done, total, text: None)
    model = load_bundle(made.path, settings.model, "cpu", architectures)
    evaluated = build_evaluation(
        source, model.inputs, task=model.facts.task, classes=model.facts.classes, seed=settings.audit.seed
    )
    return model, evaluated.background(10**6, np.random.default_rng(0))


def _print(name: str, runs: list[dict[str, Any]]) -> None:
    first = runs[0]
    difference = max(run["largest_difference"] for run in runs)
    print(
        f"\n{name}: {first['rows']:,} training rows, {first['planted']:,} labels changed (base rate {WRONG:.0%}), "
        f"{len(runs)} trainings; accuracy on the labels as changed {np.mean([run['accuracy'] for run in runs]):.3f}; "
        f"largest difference from captum {difference:.1e} of the largest value; "
        f"ranked in {np.median([run['rank_seconds'] for run in runs]):.1f} s\n"
    )
    print("| first rows of the ranking | " + " | ".join(f"{depth:g} x planted" for depth in DEPTHS) + " |")
    print("|---" * (len(DEPTHS) + 1) + "|")
    for ranking in first["precision"]:
        cells = []
        for depth in DEPTHS:
            values = [run["precision"][ranking][str(depth)] for run in runs]
            cells.append(f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
        print(f"| {ranking} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
