"""The files of Keras 2 in this folder, and what TensorFlow computes with them.

Run once with Python 3.11, tf-keras 2.21.0 and TensorFlow 2.21.0 (CPU), which Auditbench itself never needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras

HERE = Path(__file__).parent
STEPS, ROWS = 12, 8


def main() -> None:
    """Write the networks, and predictions.npz with their inputs and outputs."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    layers = keras.layers
    lengths = rng.integers(4, STEPS + 1, (ROWS, 1))
    words = np.where(np.arange(STEPS) < lengths, rng.integers(1, 40, (ROWS, STEPS)), 0).astype("int32")
    series = rng.normal(size=(ROWS, 15, 3)).astype("float32")
    images = rng.random((ROWS, 12, 10, 1)).astype("float32")
    table = rng.normal(size=(ROWS, 4)).astype("float32")
    lstm = [
        layers.Embedding(40, 6, mask_zero=True, input_length=STEPS),
        layers.LSTM(8, return_sequences=True, dropout=0.2),
        layers.LSTM(5),
        layers.Dense(1, activation="sigmoid"),
    ]
    gru = [keras.Input((15, 3)), layers.Bidirectional(layers.GRU(6)), layers.Dense(3, activation="softmax")]
    hard = [
        keras.Input((15, 3)),
        layers.LSTM(4, recurrent_activation="hard_sigmoid", return_sequences=True),
        layers.TimeDistributed(layers.Dense(3, activation="hard_sigmoid")),
        layers.GRU(3, recurrent_activation="hard_sigmoid", reset_after=False),
        layers.Dense(1),
    ]
    cnn = [
        keras.Input((12, 10, 1)),
        layers.Conv2D(4, 3, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.DepthwiseConv2D(3),
        layers.SpatialDropout2D(0.2),
        layers.Conv2DTranspose(3, 2),
        layers.SeparableConv2D(3, 2),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(4, activation="softmax"),
    ]
    kept: dict[str, Any] = {}
    for name, network, inputs in (
        ("lstm", keras.Sequential(lstm), words),
        ("gru", keras.Sequential(gru), series),
        ("hard", keras.Sequential(hard), series),
        ("cnn", keras.Sequential(cnn), images),
    ):
        write(name, network, inputs, rng)
        kept |= {f"{name}_inputs": inputs, f"{name}_outputs": network.predict(inputs, verbose=0)}
    base = keras.Sequential([keras.Input((15, 3)), layers.Conv1D(4, 3), layers.BatchNormalization()], name="base")
    one, other = keras.Input((4,), name="table"), keras.Input((15, 3), name="series")
    pooled = layers.GlobalMaxPooling1D()(layers.Activation("hard_sigmoid")(base(other)))
    joined = layers.Concatenate()([layers.Dense(5, activation="tanh")(one), pooled])
    network = keras.Model([one, other], layers.Dense(1)(joined))
    write("two", network, [table, series], rng)
    kept |= {"two_table": table, "two_series": series, "two_outputs": network.predict([table, series], verbose=0)}
    emotion = keras.models.load_model(HERE / "emotion_model.hdf5", compile=False)
    faces = (rng.random((3, 64, 64, 1)) * 2 - 1).astype("float16").astype("float32")
    kept |= {"emotion_inputs": faces.astype("float16"), "emotion_outputs": emotion.predict(faces, verbose=0)}
    np.savez_compressed(HERE / "predictions.npz", **kept)


def write(name: str, network: Any, inputs: Any, rng: np.random.Generator) -> None:
    """Train the network for one epoch, so that its moments and its optimizer have a state, and save it."""
    network.compile("adam", "mse")
    network.fit(inputs, rng.random((ROWS, *network.output_shape[1:])), epochs=1, verbose=0)
    network.save(HERE / f"{name}.h5", save_format="h5")


if __name__ == "__main__":
    main()
