"""What `check` says of the rows: for models that were made elsewhere, the columns that they get and their order."""

from __future__ import annotations

import pytest

from auditbench.cli.rows_read import read_lines
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


def test_formats_that_get_encoded_rows_are_those_of_networks() -> None:
    assert [name for name in FORMATS if takes_encoded_rows(name)] == [
        "safetensors", "state-dict", "torchscript", "exported", "pickle", "onnx", "keras",
    ]  # fmt: skip
    assert not takes_encoded_rows("of-a-plugin")
