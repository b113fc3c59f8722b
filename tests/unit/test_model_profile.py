"""What `init` tells of a model from its content, and the `[model]` table that it writes; nothing of the model runs."""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - makes what is to be told
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]  # noqa: TID251 - makes what is to be told
import pytest
import safetensors.torch
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from auditbench.cli.model_draft import ModelSource, draft_model, model_questions
from auditbench.cli.model_profile import ModelProfile, profile_address, profile_model
from auditbench.cli.predictions_profile import PredictionsProfile
from auditbench.config import ModelTable
from auditbench.errors import ModelError
from auditbench.models.formats import key_problems
from auditbench.models.opening import sha256_of

NETWORK = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)).eval()


def fitted() -> LogisticRegression:
    return LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])


def weights(path: Path) -> None:
    safetensors.torch.save_file(NETWORK.state_dict(), path)


def state_dict(path: Path) -> None:
    torch.save(NETWORK.state_dict(), path)


def whole_module(path: Path) -> None:
    torch.save(NETWORK, path)


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(NETWORK, (torch.zeros(2, 3),)), path)


def pickled_estimator(path: Path) -> None:
    path.write_bytes(pickle.dumps(fitted()))


def compressed_estimator(path: Path) -> None:
    joblib.dump(fitted(), path, compress=3)


def source(path: Path) -> None:
    path.write_text("import os\n\ndef _helper(): ...\n\ndef score(rows):\n    return rows\n")


def sequence_classifier(folder: Path) -> None:
    folder.mkdir()
    config = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "a", "1": "b", "2": "c"}}
    (folder / "config.json").write_text(json.dumps(config))


def language_model(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["GPT2LMHeadModel"]}))


@pytest.mark.parametrize(
    ("name", "make", "form", "task", "runs_code"),
    [
        ("model.safetensors", weights, "safetensors", None, False),
        ("model.bin", state_dict, "state-dict", None, False),
        ("model.pt", whole_module, "pickle", None, True),
        ("model.pt2", exported, "exported", None, True),
        ("model.pkl", pickled_estimator, "estimator", None, True),
        ("model.joblib", compressed_estimator, "estimator", None, True),
        ("score.py", source, "callable", None, True),
        ("bert", sequence_classifier, "huggingface", "multiclass-classification", False),
        ("gpt", language_model, "huggingface", "next-token", False),
    ],
)
def test_the_content_tells_the_format(
    tmp_path: Path, name: str, make: Callable[[Path], None], form: str, task: str | None, runs_code: bool
) -> None:
    make(tmp_path / name)
    found = profile_model(tmp_path / name)
    assert (found.form, found.task) == (form, task)
    assert found.sha256 == (sha256_of((tmp_path / name).read_bytes()) if runs_code else "")


def test_the_function_of_a_file_is_named(tmp_path: Path) -> None:
    source(tmp_path / "score.py")
    assert profile_model(tmp_path / "score.py").function == "score"


def test_a_function_that_takes_no_rows_does_not_predict(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def load():\n    return 1\n\ndef clean(rows):\n    return rows\n\n")
    assert profile_model(tmp_path / "a.py").function == "clean"
    with (tmp_path / "a.py").open("a") as file:
        file.write("def predict_proba(rows):\n    return rows\n")
    assert profile_model(tmp_path / "a.py").function == "predict_proba"


def no_function(path: Path) -> None:
    path.write_text("print(1)")


def no_source(path: Path) -> None:
    path.write_text("def broken(:")


def empty_folder(path: Path) -> None:
    path.mkdir()


def saved_model(path: Path) -> None:
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"x")


def words(path: Path) -> None:
    path.write_text("hello")


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("a.py", no_function, "no function that could predict"),
        ("a.py", no_source, "no Python source"),
        ("folder", empty_folder, "an empty folder"),
        ("folder", saved_model, "SavedModel of TensorFlow"),
        ("notes", words, "no model that is known"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, name: str, make: Callable[[Path], None], said: str) -> None:
    make(tmp_path / name)
    with pytest.raises(ModelError) as caught:
        profile_model(tmp_path / name)
    assert said in caught.value.describe()


def table_of(source: ModelSource, task: str = "binary-classification") -> dict[str, Any]:
    return dict(tomllib.loads("\n".join(draft_model(source, task, "tabular")))["model"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "form",
    ["safetensors", "state-dict", "torchscript", "exported", "pickle", "onnx", "keras", "huggingface", "estimator",
     "callable", "endpoint", "bundle"],
)  # fmt: skip
@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification", "regression"])
def test_the_table_has_the_keys_that_its_format_takes(form: str, task: str) -> None:
    outputs = 3 if task == "multiclass-classification" else 1
    profile = ModelProfile(
        form=form,
        what="a model",
        output="described" if form == "bundle" else "",
        shapes={"0.weight": (outputs, 4), "0.bias": (outputs,)},
    )
    table = ModelTable.model_validate(table_of(ModelSource(path="m", profile=profile), task))
    assert (table.format, table.task) == (form, task)
    assert list(key_problems(table, trains=False)) == []


def test_predictions_stand_for_a_model() -> None:
    source = ModelSource(predictions=PredictionsProfile(columns=("p_no", 'p "yes"')))
    table = ModelTable.model_validate(table_of(source, "multiclass-classification"))
    assert table.columns == ("p_no", 'p "yes"')
    assert list(key_problems(table, trains=False)) == []


def test_code_is_never_trusted_by_itself(tmp_path: Path) -> None:
    source(tmp_path / "score.py")
    drafted = ModelSource(path="score.py", profile=profile_model(tmp_path / "score.py"))
    assert "trust" not in table_of(drafted)
    assert any("if you trust it" in question for question in model_questions(drafted, "regression", "tabular"))


def test_the_last_operation_decides_what_the_table_says_of_the_output() -> None:
    for seen, line in (("probability", "probability"), ("logit", "logit")):
        source = ModelSource(path="m", profile=ModelProfile(form="onnx", what="a graph", output=seen))
        assert table_of(source)["output"] == line
        assert any("by its last operation" in item for item in draft_model(source, "binary-classification", "tabular"))
        assert table_of(source, "regression")["output"] == "value"


def test_the_name_of_a_file_adds_no_key(tmp_path: Path) -> None:
    source(tmp_path / 'x\ntrust = ["00"]\n.py')
    (name,) = (item.name for item in tmp_path.iterdir())
    drafted = ModelSource(path=name, profile=profile_model(tmp_path / name))
    table = table_of(drafted)
    assert "trust" not in table
    assert table["path"] == name


def test_an_address_is_an_endpoint() -> None:
    assert profile_address("http://localhost:8000/v2/models/income").form == "endpoint"
