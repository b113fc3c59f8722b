"""What `check` says of the rows: for models that were made elsewhere, the columns that they get and their order."""

from __future__ import annotations

from typing import Any

import pytest

from auditbench.cli.rows_read import numbers_line, read_lines
from auditbench.config import ModelTable
from auditbench.descriptions import NumberRange
from auditbench.models.formats import FORMATS, takes_encoded_rows
from auditbench.run import DataFacts, FeatureFacts, InputFacts

READ = DataFacts(
    name="people",
    digests={},
    rows=3,
    train_rows=2,
    target="y",
    features=(
        FeatureFacts(name="age", kind="number"),
        FeatureFacts(name="sex", kind="category", levels=2),
        FeatureFacts(name="hours", kind="number"),
    ),
    inputs=(InputFacts(name="features", modality="tabular", shape=(5,)),),
)


@pytest.mark.parametrize("encoded", [True, False])
def test_encoded_columns_are_named_in_their_order(encoded: bool) -> None:
    last = ["5 encoded columns, in this order: age, sex (2 categories by name, then missing or unseen), hours"]
    assert read_lines(READ, texts=False, encoded=encoded)[1:] == [
        "input features: table of 3 columns",
        *(last if encoded else []),
    ]


def test_columns_beside_outputs_are_no_inputs() -> None:
    assert read_lines(READ, texts=False, encoded=False, stored=True)[1:] == ["table of 3 columns beside the outputs"]


@pytest.mark.parametrize(
    ("inputs", "low", "high", "words"),
    [
        (None, 0, 9000.4, "numbers as they are (model.inputs), such as debt from 0 to 9,000"),
        (
            "standardized",
            -1.23456,
            2,
            "numbers standardized by the training rows (model.inputs), such as debt from -1.235 to 2",
        ),
    ],
)
def test_how_numbers_reach_a_model_is_said(inputs: Any, low: float, high: float, words: str) -> None:
    table = ModelTable(task="regression", inputs=inputs)
    assert numbers_line(table, NumberRange(feature="debt", low=low, high=high)) == words


def test_formats_that_get_encoded_rows_are_those_of_networks() -> None:
    assert [name for name in FORMATS if takes_encoded_rows(name)] == [
        "safetensors", "state-dict", "torchscript", "exported", "pickle", "onnx", "keras",
    ]  # fmt: skip
    assert not takes_encoded_rows("of-a-plugin")
