"""Train income.keras again: a network of Keras on the Adult census data that Auditbench carries.

Run as `python examples/06-keras/build_keras.py` after `pip install 'auditbench[keras]'`; it takes about two minutes, most of
which is training. Nothing here is of Auditbench but the table: this is what anyone has who trained a network with Keras.

`encode` makes the matrix that the network takes, and so says what an audit has to give it: the columns in the order of the
table; numbers as they are, since the network begins with a `Normalization` of its own; categories one-hot in the order of their
names, and behind them a column for a category that is missing or that training did not have.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pyarrow.parquet as pq

import auditbench.data

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float32]

TABLE = Path(auditbench.data.__file__).parent / "adult.parquet"
TARGET = Path(__file__).parent / "income.keras"
NOT_TAKEN = ("income", "split", "fnlwgt", "education")
"""The answer, the part, a sampling weight, and what education_num says as a number."""
ROWS = {"train": 32_561, "test": 16_281}


def main() -> None:
    """Encode, train, evaluate, and write the file that `--out` names."""
    parser = argparse.ArgumentParser(description="Train income.keras again.")
    parser.add_argument("--out", type=Path, default=TARGET, help="file to write (default: the one beside this script)")
    out: Path = parser.parse_args().out
    columns = {name: np.array(values, dtype=object) for name, values in pq.read_table(TABLE).to_pydict().items()}
    train = columns["split"] == "train"
    if (int(train.sum()), int((~train).sum())) != tuple(ROWS.values()):
        raise SystemExit(f"{TABLE}: expected {ROWS} rows")
    encoded, scaled = encode(columns, train)
    rich = (columns["income"] == ">50K").astype(np.float32)
    keras.utils.set_random_seed(0)
    network = build(encoded[train], scaled)
    network.compile(optimizer=keras.optimizers.Adam(0.001), loss="binary_crossentropy", metrics=["accuracy"])
    network.fit(encoded[train], rich[train], batch_size=256, epochs=12, validation_split=0.1, verbose=2)
    _, accuracy = network.evaluate(encoded[~train], rich[~train], batch_size=1024, verbose=0)
    network.save(out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(
        f"{out}: {network.count_params():,} weights, accuracy {accuracy:.4f}, {out.stat().st_size:,} bytes, sha256 {digest}"
    )


def encode(columns: dict[str, npt.NDArray[Any]], train: npt.NDArray[np.bool_]) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """The matrix that the network takes, and which of its columns are numbers."""
    parts: list[Numbers] = []
    scaled: list[bool] = []
    for name, values in columns.items():
        if name in NOT_TAKEN:
            continue
        if not any(isinstance(value, str) for value in values):
            parts.append(values.astype(np.float32)[:, np.newaxis])
            scaled.append(True)
            continue
        known = sorted({value for value in values[train] if value is not None})
        place = {value: index for index, value in enumerate(known)}
        one_hot = np.zeros((len(values), len(known) + 1), np.float32)
        one_hot[np.arange(len(values)), [place.get(value, len(known)) for value in values]] = 1.0
        parts.append(one_hot)
        scaled += [False] * (len(known) + 1)
    return np.concatenate(parts, axis=1), np.array(scaled)


def build(encoded: Numbers, scaled: npt.NDArray[np.bool_]) -> Any:
    """A network of two hidden layers, which standardizes the numbers itself."""
    mean = np.where(scaled, encoded.mean(axis=0), 0.0)
    variance = np.where(scaled, encoded.var(axis=0), 1.0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((encoded.shape[1],), name="census"),
            layers.Normalization(mean=mean.tolist(), variance=variance.tolist()),
            layers.Dense(64, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="income",
    )


if __name__ == "__main__":
    main()
