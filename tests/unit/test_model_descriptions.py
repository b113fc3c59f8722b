"""What model.json says of next-token prediction and of images, where it contradicts itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditbench.data import SeriesInput, TableInput
from auditbench.errors import ModelError
from auditbench.models.description import BundleDescription, read_description

TEXT = {"modality": "text", "unit": "words", "vocabulary": ["a", "b"], "length": 4}
IMAGE = {"modality": "image", "channels": 1, "height": 8, "width": 8, "mean": [0.0], "scale": [1.0]}


def read(inputs: dict[str, Any], **changes: Any) -> BundleDescription:
    document = {
        "schema": 2,
        "architecture": "any",
        "task": "next-token",
        "classes": ["a", "b"],
        "target": "token",
        "output": "logit",
        "inputs": inputs,
    }
    return read_description({**document, **changes}, Path("model.json"))


def test_the_classes_of_next_token_are_the_tokens_of_its_text() -> None:
    assert read({"text": TEXT}).classes == ("a", "b")


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"text": {**TEXT, "vocabulary": ["b", "a"]}}, id="another-order"),
        pytest.param({"text": {**TEXT, "vocabulary": ["a", "b", "c"]}}, id="another-token"),
        pytest.param({"text": TEXT, "other": TEXT}, id="two-texts"),
        pytest.param({"image": IMAGE}, id="no-text"),
    ],
)
def test_other_classes_of_next_token_are_refused(inputs: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="the classes of next-token are not the tokens of its text") as refused:
        read(inputs)
    assert refused.value.problems[0].where == "model.json.classes"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"largest": 0.0}, ".largest"),
        ({"largest": -1.0}, ".largest"),
        ({"largest": 1e300}, ".largest"),
        ({"mean": [1e39]}, ""),
        ({"scale": [1e-50]}, ""),
    ],
)
def test_numbers_of_an_image_are_those_of_float32(changes: dict[str, Any], place: str) -> None:
    task = {"task": "binary-classification"}
    read({"image": IMAGE}, **task)
    with pytest.raises(ModelError) as refused:
        read({"image": {**IMAGE, **changes}}, **task)
    (problem,) = refused.value.problems
    assert problem.where == f"model.json.inputs.image{place}"
    assert "float32" in problem.allowed


def test_small_scales_that_training_rows_may_have_are_read() -> None:
    feature = {"name": "x", "kind": "number", "start": 0, "stop": 1, "scale": 1e-42}
    series = {"modality": "series", "channels": ["x"], "steps": 3, "mean": [1e38], "scale": [1e-42]}
    table = read({"table": {"modality": "tabular", "features": [feature]}}, task="binary-classification").inputs[
        "table"
    ]
    assert isinstance(table, TableInput)
    assert table.features[0].scale == 1e-42
    found = read({"series": series}, task="binary-classification").inputs["series"]
    assert isinstance(found, SeriesInput)
    assert (found.mean, found.scale) == ((1e38,), (1e-42,))
