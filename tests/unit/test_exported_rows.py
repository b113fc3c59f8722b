"""What is said of a program that was exported for other rows than it gets."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import TableInput
from auditbench.errors import ModelError
from auditbench.models.wrapping import Interface, Origin, wrap_network

WIDTH = 5
INTERFACE = Interface(
    task="regression",
    classes=(),
    output="value",
    inputs={
        "features": TableInput(
            features=tuple(
                FeatureSpec(name=f"x{index}", kind="number", start=index, stop=index + 1) for index in range(WIDTH)
            )
        )
    },
)
ORIGIN = Origin(name="net", format="exported", architecture="net", digest="0", where="nets/net.pt2")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((8, WIDTH), ("takes only so many rows", "does not take 2 rows: Guard failed", "torch.export.Dim.DYNAMIC")),
        ((2, WIDTH), ("takes only so many rows", "took 2 rows, and not 1", "torch.export.Dim.DYNAMIC")),
        ((2, WIDTH + 2), ("rows of another width", "allowed: 7 columns, by the rows that it was exported with")),
    ],
)
def test_a_program_exported_for_other_rows_says_for_which(shape: tuple[int, int], words: tuple[str, ...]) -> None:
    module = nn.Sequential(nn.Linear(shape[1], 1)).eval()
    program = torch.export.export(module, (torch.zeros(shape),)).module()
    with pytest.raises(ModelError) as caught:
        wrap_network(program, INTERFACE, ORIGIN, device="cpu", capabilities=())
    text = caught.value.describe()
    assert text.startswith("AB300 nets/net.pt2: the module takes")
    assert all(word in text for word in words), text
    assert "wrap the module" not in text


def test_what_the_fix_says_is_taken() -> None:
    module = nn.Sequential(nn.Linear(WIDTH, 1)).eval()
    rows = torch.zeros(8, WIDTH)
    program = torch.export.export(module, (rows,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)).module()
    model = wrap_network(program, INTERFACE, ORIGIN, device="cpu", capabilities=())
    torch.testing.assert_close(model.module(rows[:3]), module(rows[:3]))
