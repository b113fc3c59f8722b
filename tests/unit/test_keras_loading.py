"""`model.format = "keras"` from a config: texts by a vocabulary or a tokenizer, several inputs, what is missing or does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditbench.config import DataTable, ModelTable
from auditbench.data import build_evaluation, open_source
from auditbench.errors import AuditbenchError
from auditbench.models import ModelUnderTest
from auditbench.models.formats import ModelRequest
from auditbench.models.loading import load_model
from tests.keras_networks import OF_KERAS, keras, saved

pytestmark = pytest.mark.filterwarnings(OF_KERAS)

WORDS = ["good", "bad", "film", "very"]
ROWS = "text,score,label\nvery good film,3,yes\nbad film,1,no\nvery very bad,0,no\nunheard good,4,yes\n"
IDS = np.array([[5, 2, 4], [3, 4, 0], [5, 5, 3], [1, 2, 0]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n")
    return tmp_path


def text_table(**keys: Any) -> dict[str, Any]:
    return {"modality": "text", "unit": "words", "tokenizer": "words.txt", "length": 3, **keys}


def opened(folder: Path, inputs: dict[str, Any], path: Path, **keys: Any) -> tuple[ModelUnderTest, Any]:
    data = DataTable.model_validate({"test": "rows.csv", "target": "label", "positive": "yes", "inputs": inputs})
    keys = {"format": "keras", "path": path.name, "output": "probability", "task": "binary-classification", **keys}
    source = open_source(data, folder, {})
    model = load_model(
        ModelRequest(
            path=path,
            base=folder,
            table=ModelTable.model_validate(keys),
            source=source,
            device="cpu",
            architectures={},
        )
    )
    evaluation = build_evaluation(
        source, model.inputs, task="binary-classification", classes=model.facts.classes, seed=0
    )
    (rows,) = evaluation.batches(100)
    return model, model.predict(rows.inputs)


def reader(k: Any) -> list[Any]:
    return [k.layers.Embedding(6, 4, mask_zero=True), k.layers.LSTM(3), k.layers.Dense(1, activation="sigmoid")]


def test_texts_by_the_vocabulary_that_the_network_knows(folder: Path) -> None:
    k = keras()
    network = k.Sequential([k.Input((3,)), *reader(k)])
    model, outputs = opened(folder, {"text": text_table()}, saved(network, folder / "model.keras"))
    np.testing.assert_allclose(outputs, network.predict(IDS, verbose=0), atol=1e-6)
    assert model.facts.format == "keras"
    assert model.facts.architecture == "Keras Sequential, 3 layers"
    assert [limit.key for limit in model.facts.limits] == ["core.model_keras_no_hooks"]
    assert model.facts.capabilities == ("black_box",)


def test_texts_beside_a_table(folder: Path) -> None:
    k = keras()
    text, score = k.Input((3,), name="text", dtype="int32"), k.Input((1,), name="numbers")
    read = k.layers.LSTM(3)(k.layers.Embedding(6, 4, mask_zero=True)(text))
    network = k.Model([score, text], k.layers.Dense(1, activation="sigmoid")(k.layers.Concatenate()([score, read])))
    inputs = {"text": text_table(), "numbers": {"modality": "tabular"}}
    model, outputs = opened(folder, inputs, saved(network, folder / "model.keras"))
    scores = np.array([[3], [1], [0], [4]], np.float32)
    np.testing.assert_allclose(outputs, network.predict([scores, IDS], verbose=0), atol=1e-6)
    assert model.facts.architecture == "Keras Functional, 4 layers"


def test_the_digest_is_of_the_file_and_of_what_it_is_given(folder: Path) -> None:
    k = keras()
    path = saved(k.Sequential([k.Input((3,)), *reader(k)]), folder / "model.keras")
    first = opened(folder, {"text": text_table()}, path)[0].facts.digest
    moved = folder / "elsewhere.h5"  # the name says nothing
    moved.write_bytes(path.read_bytes())
    assert opened(folder, {"text": text_table()}, moved)[0].facts.digest == first
    (folder / "words.txt").write_text("\n".join(reversed(WORDS)) + "\n")
    assert opened(folder, {"text": text_table()}, path)[0].facts.digest != first


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"output": None}, "what the model gives is not declared"),
        ({"output": "value"}, "does not fit binary-classification"),
        ({"path": "nowhere.keras"}, "no nowhere.keras that can be read"),
        ({"path": "rows.csv"}, "another kind than model.format says"),
    ],
)
def test_what_is_missing_or_does_not_fit(keys: dict[str, Any], says: str, folder: Path) -> None:
    k = keras()
    saved(k.Sequential([k.Input((3,)), *reader(k)]), folder / "model.keras")
    path = folder / keys.pop("path", "model.keras")
    with pytest.raises(AuditbenchError) as caught:
        opened(folder, {"text": text_table()}, path, **keys)
    said = caught.value.describe()
    assert says in said
    assert "fix:" in said


def test_more_words_than_the_network_knows(folder: Path) -> None:
    k = keras()
    (folder / "words.txt").write_text("\n".join([*WORDS, "more"]) + "\n")
    with pytest.raises(AuditbenchError, match="knows fewer tokens than the data have"):
        opened(folder, {"text": text_table()}, saved(k.Sequential([k.Input((3,)), *reader(k)]), folder / "model.keras"))
