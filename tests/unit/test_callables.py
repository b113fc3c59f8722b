"""Functions as black boxes: what they are called with, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditbench.data.inputs import ImageInput, SeriesInput, TableInput, TextInput
from auditbench.errors import ModelError, UntrustedModelError
from auditbench.models.callables import function_of_rows, wrap_function
from auditbench.models.raw_rows import MISSING
from auditbench.models.wrapping import Interface, Origin
from tests.estimators import opened, people, predicted, sha256, write

SOURCE = """
import numpy as np

SEEN = []

def predict(frame):
    SEEN.append(frame)
    hours = frame["hours"].fillna(30.0)
    return 1 / (1 + np.exp(-(frame["age"] / 40 + hours / 40 - 2 + (frame["job"] == "clerk")))).to_numpy()

def both(frame):
    positive = predict(frame)
    return np.stack([1 - positive, positive], axis=1)

def logits(frame):
    return np.log(both(frame))

def column(frame):
    return predict(frame)[:, np.newaxis]

def ranks(frame):
    return frame["age"].rank().to_numpy() / len(frame)

def random(frame):
    return np.random.default_rng().random(len(frame))

def raising(frame):
    raise KeyError("pay")

def three(frame):
    return np.zeros((len(frame), 3))

def texts(frame):
    return ["yes"] * len(frame)

def undefined(frame):
    return np.full(len(frame), np.nan)

def nothing(frame):
    pass

def fewer(frame):
    return predict(frame)[:1]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("functions")
    write(made, people(80, 1), people(40, 2))
    (made / "score.py").write_text(SOURCE)
    return made


def loaded(folder: Path, function: str | None = None, output: str = "probability", **given: Any) -> Any:
    path = folder / "score.py"
    table = {"format": "callable", "output": output, "trust": (sha256(path),), "function": function, **given}
    return opened(path, model=table)


def expected(folder: Path) -> Any:
    scope: dict[str, Any] = {}
    exec(SOURCE, scope)  # noqa: S102 - the source above
    return scope["predict"](pd.read_csv(folder / "test.csv"))


@pytest.mark.parametrize("function", [None, "both", "column"])
def test_a_function_gives_its_own_probabilities(function: str | None, folder: Path) -> None:
    model, data = loaded(folder, function)
    np.testing.assert_allclose(predicted(model, data)[:, 0], expected(folder), rtol=1e-12)
    assert model.facts.capabilities == ("black_box",)
    assert [(program.name, program.kind) for program in model.facts.programs] == [("score.py", "callable")]


def test_of_two_logits_the_difference_is_taken(folder: Path) -> None:
    model, data = loaded(folder, "logits", output="logit")
    outputs = predicted(model, data)
    np.testing.assert_allclose(model.probabilities(outputs)[:, 1], expected(folder), rtol=1e-9)


def test_it_gets_the_columns_as_they_stand_in_the_file(folder: Path) -> None:
    model, data = loaded(folder)
    predicted(model, data)
    seen = model.module._compute.__closure__  # the function keeps what it saw in its own module
    frame = next(cell.cell_contents for cell in seen if callable(cell.cell_contents)).__globals__["SEEN"][-1]
    given = pd.read_csv(folder / "test.csv")[["age", "hours", "sex", "job"]]
    assert list(frame.columns) == list(given.columns)
    assert frame.age.dtype == frame.hours.dtype == np.float64
    pd.testing.assert_frame_equal(
        frame.reset_index(drop=True), given.astype({"age": float, "sex": object, "job": object}), check_dtype=False
    )


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("ranks", "other outputs for a row when it is evaluated alone"),
        ("random", "other outputs for a row when it is evaluated in another order"),
        ("raising", "found: KeyError: 'pay'"),
        ("three", "float64 of shape (16, 3), for 16 rows"),
        ("texts", "list, <U3 of shape (16,)"),
        ("undefined", "outputs that are not finite"),
        ("nothing", "NoneType"),
        ("fewer", "of shape (1,), for 16 rows"),
        ("absent", "has no function 'absent'"),
    ],
)
def test_what_a_function_does_wrong_is_said(function: str, says: str, folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        loaded(folder, function)
    assert says in caught.value.describe()
    assert "fix: " in caught.value.describe()


def test_a_file_that_is_not_trusted_does_not_run(tmp_path: Path) -> None:
    write(tmp_path, people(40, 1), people(20, 2))
    (tmp_path / "score.py").write_text(f"open({str(tmp_path / 'marker')!r}, 'w').close()\n{SOURCE}")
    with pytest.raises(UntrustedModelError, match="opening it runs what is in it") as caught:
        loaded(tmp_path, trust=("0" * 64,))
    said = caught.value.describe()
    assert f"--trust-model {sha256(tmp_path / 'score.py')}" in said
    assert "fix: read the file, and if you trust whoever made it" in said
    assert not (tmp_path / "marker").exists()


def test_arrays_reach_a_function_raw() -> None:
    inputs: dict[str, Any] = {
        "image": ImageInput(channels=1, height=2, width=2, mean=(0.0,), scale=(1.0,)),
        "series": SeriesInput(channels=("a",), steps=3, mean=(0.0,), scale=(1.0,)),
        "text": TextInput(unit="words", vocabulary=("one", "two"), length=4),
    }
    seen: list[Any] = []

    def function(given: Any) -> Any:
        seen.append(given)
        return given["image"].mean(axis=(1, 2, 3)) + np.nan_to_num(given["series"]).sum(axis=(1, 2))

    rng = np.random.default_rng(0)
    rows = {
        "image": rng.integers(0, 256, (5, 1, 2, 2)).astype(np.uint8),
        "series": np.where(rng.random((5, 1, 3)) < 0.3, np.nan, rng.normal(size=(5, 1, 3))),
        "text": rng.integers(0, 4, (5, 4)),
    }
    model = wrap_function(
        function,
        Interface(task="regression", classes=(), output="value", inputs=inputs),
        Origin(name="f", format="callable", architecture="f", digest="0"),
        rows,
        where="f",
    )
    outputs = model.predict(rows)
    np.testing.assert_allclose(outputs[:, 0], function(rows), rtol=1e-12)
    given = seen[-2]
    np.testing.assert_array_equal(given["image"], rows["image"])
    np.testing.assert_array_equal(given["series"], rows["series"])
    np.testing.assert_array_equal(given["text"], rows["text"])
    assert given["text"].dtype == np.int64
    assert [limit.key for limit in model.facts.limits] == ["core.model_callable_tokens"]


def test_a_category_that_is_missing_is_nan_and_a_missing_number_too() -> None:
    from auditbench.data import FeatureSpec

    features = (
        FeatureSpec(name="age", kind="number", start=0, stop=1),
        FeatureSpec(name="job", kind="category", categories=("cook", "driver"), start=1, stop=2),
    )
    called = function_of_rows(lambda frame: frame, {"features": TableInput(features=features)})
    frame = called(np.array([[1.5, 0.0], [MISSING, 1.0], [3.0, 2.0]]))
    assert frame.job.tolist()[:2] == ["cook", "driver"]
    assert frame.isna().to_numpy().tolist() == [[False, False], [True, False], [False, True]]
