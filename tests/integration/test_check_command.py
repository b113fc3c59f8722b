"""`auditbench check` refuses what `auditbench audit` would refuse, in the same words, before anything is trained."""

from __future__ import annotations

import hashlib
import pickle  # noqa: TID251 - writes, and never reads
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from auditbench.cli.boundary import guarded
from auditbench.worker import trying
from tests.in_process_worker import workers_in_this_process
from tests.made_graphs import made, node

ROWS = 120
TABLE = """
[audit]
name = "people"
[model]
task = "binary-classification"
[train]
architecture = "linear"
epochs = 1
[data]
test = "test.csv"
train = "train.csv"
target = "approved"
positive = "yes"
[analyzers.performance]
replicates = 40
[report]
formats = []
"""
PHOTOS = """
[audit]
name = "photos"
[model]
task = "binary-classification"
[train]
architecture = "linear"
epochs = 1
[data]
test = "photos"
held_out = 0.25
target = "label"
positive = "dog"
[data.inputs.image]
modality = "image"
[analyzers.performance]
replicates = 40
[analyzers.shap]
[report]
formats = []
"""


def rows(count: int) -> str:
    lines = (f"{20 + i % 40},{'AB'[i % 2]},g{i % 3},{'yes' if i * i % 7 < 3 else 'no'}" for i in range(count))
    return "\n".join(["age,city,house,approved", *lines]) + "\n"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    (tmp_path / "audit.toml").write_text(TABLE)
    (tmp_path / "train.csv").write_text(rows(ROWS))
    (tmp_path / "test.csv").write_text(rows(ROWS // 2))
    return tmp_path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty photographs of cats and dogs, of one size."""
    (tmp_path / "audit.toml").write_text(PHOTOS)
    rng = np.random.default_rng(0)
    for index in range(40):
        folder = tmp_path / "photos" / ("cat" if index % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return tmp_path


def told(command: str, folder: Path, capsys: pytest.CaptureFixture[str], *settings: str) -> tuple[int, str]:
    """Exit code and everything that a command says."""
    options = [part for setting in settings for part in ("--set", setting)]
    if command == "audit":
        options += ["--out", str(folder / "run")]
    with workers_in_this_process():
        code = guarded([command, str(folder / "audit.toml"), "--device", "cpu", *options])
    captured = capsys.readouterr()
    return code, captured.out + captured.err if command == "check" else captured.err


def refused_alike(folder: Path, capsys: pytest.CaptureFixture[str], *settings: str) -> str:
    """What `check` says, which `audit` says as well, and both exit alike before anything is trained."""
    there = (folder / "model").exists()
    code, checked = told("check", folder, capsys, *settings)
    assert (code, (folder / "model").exists()) == (2, there), checked
    audit_code, audited = told("audit", folder, capsys, *settings)
    assert (audit_code, (folder / "model").exists()) == (2, there)
    assert checked.strip() in audited
    return checked


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (['data.positive="maybe"'], ["data.positive", "'maybe'", "'no', 'yes'"]),
        (['data.classes=["no", "certainly"]', 'data.positive="certainly"'], ["none of the classes", "'yes'"]),
        (['train.augment=["flip"]'], ["train.augment", "only images are varied"]),
        (['train.precision="float16"'], ["train.precision", "half precision needs a GPU"]),
        (['train.split_by="group"', 'train.split_column="hous"'], ["train.split_column", "'house'"]),
        (["train.class_weights={maybe=2.0}"], ["train.class_weights.maybe", "'no', 'yes'"]),
        (['data.sensitive=["age"]'], ["data.bins.age", "groups need bounds"]),
        (['train.reweigh=["cty"]', 'data.sensitive=["city"]'], ["train.reweigh[0]", "did you mean `city`?"]),
        (['train.reweigh=["city"]'], ["train.reweigh[0]", "add 'city' to data.sensitive"]),
        (['train.reweigh=["city"]', 'data.sensitive=["city"]', 'model.task="regression"'], ["no classes of its own"]),
        (['train.freeze=["embedding."]'], ["train.freeze", "no parameter"]),
        (['model.task="regression"'], ["data.target", "text"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_what_an_audit_refuses_is_refused(
    people: Path, capsys: pytest.CaptureFixture[str], settings: list[str], words: list[str]
) -> None:
    said = refused_alike(people, capsys, *settings)
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (
            "metric = 'performance.perplexity'\nmax = 9",
            ["gates[0].metric", "perplexity", "for next-token, not for binary-classification", "allowed: accuracy, "],
        ),
        ("metric = 'performance.acuracy'\nmin = 0.5", ["did you mean `accuracy`?", "no metric of this name for"]),
        ("metric = 'performance.accuracy'\nmin = 80", ["gates[0].min", "from 0 to 1", "did you mean 0.8?"]),
    ],
)
def test_a_gate_that_can_never_be_decided_is_refused_before_the_training(
    people: Path, capsys: pytest.CaptureFixture[str], gate: str, words: list[str]
) -> None:
    (people / "audit.toml").write_text(TABLE + f"[[gates]]\n{gate}\n")
    said = refused_alike(people, capsys)
    assert [word for word in words if word not in said] == []
    assert not {"macro_f1", "r2", "bigram_log_loss"} & set(said.replace(",", " ").split())


@pytest.mark.parametrize(
    "table",
    [
        TABLE,
        TABLE.replace("binary-classification", "regression").replace('positive = "yes"', "").replace("approved", "age"),
    ],
    ids=["classes", "values"],
)
@pytest.mark.parametrize("architecture", ["linear", "mlp"])
def test_names_that_the_network_will_not_have_are_refused_before_the_training(
    people: Path, capsys: pytest.CaptureFixture[str], table: str, architecture: str
) -> None:
    (people / "audit.toml").write_text(table.replace("linear", architecture))
    wrong = ['analyzers.layers.layers=["nope"]', 'analyzers.training-rows.space="nope"']
    said = refused_alike(people, capsys, *wrong)
    assert "analyzers.layers.layers" in said
    assert "analyzers.training-rows.space" in said
    with workers_in_this_process():
        assert guarded(["train", str(people / "audit.toml"), "--device", "cpu"]) == 0
    capsys.readouterr()
    assert refused_alike(people, capsys, *wrong) == said  # of the layers of the trained network


def test_photographs_that_stand_for_all_of_those_to_train_on_refuse_no_group_of_all(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of brightness have bounds of their own for the two photographs that are tried."""
    monkeypatch.setattr(trying, "_TRIED_ROWS", 2)

    def said(group: str) -> tuple[int, str]:
        rule = f'{{ it = {{ column = "brightness", values = ["{group}"] }} }}'
        return told("check", photos, capsys, 'data.sensitive=["brightness"]', f"analyzers.concepts.examples={rule}")

    code, refused = said("dark")
    assert (code, "analyzers.concepts.examples.it.values" in refused) == (2, True)
    (named,) = [line for line in refused.splitlines() if "allowed" in line]
    groups = re.findall(r'"([^"]+)"', named)
    assert len(groups) == 4
    assert [said(group)[0] for group in groups] == [0] * 4


def test_values_of_a_split_column_that_do_not_exist(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (people / "audit.toml").write_text(TABLE.replace('train = "train.csv"', 'split = "house"'))
    said = refused_alike(people, capsys)
    assert "no row of test.csv is a test row" in said
    assert "'house' holds 'g0', 'g1', 'g2'" in said


def test_labels_that_are_missing_or_new_among_the_evaluated_rows(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = rows(ROWS // 2)
    (people / "test.csv").write_text(whole.replace(",yes\n", ",\n", 1))
    assert "data.missing_labels" in refused_alike(people, capsys)
    (people / "test.csv").write_text(whole.replace(",yes\n", ",perhaps\n", 1))
    assert "'perhaps'" in refused_alike(people, capsys)


def test_a_file_without_rows_has_the_exit_code_of_an_audit(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (people / "test.csv").write_text("age,city,house,approved\n")
    code, said = told("check", people, capsys)
    assert (code, "AB201" in said) == (4, True)


def test_a_bundle_of_other_settings_says_which_and_both_values(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with workers_in_this_process():
        assert guarded(["train", str(people / "audit.toml"), "--device", "cpu"]) == 0
    capsys.readouterr()
    assert told("check", people, capsys)[0] == 0
    cases = {
        "train.epochs=7": "train.epochs = 1 in the model, 7 here",
        "audit.seed=3": "audit.seed = 0 in the model, 3 here",
        'data.exclude=["house"]': 'data.features = ["age", "city", "house"] in the model, ["age", "city"] here',
        'data.positive="no"': 'data.positive = "yes" in the model, "no" here',
        'data.missing_numbers="refuse"': "equal settings; other training rows",
    }
    for setting, words in cases.items():
        said = refused_alike(people, capsys, setting)
        assert "AB301" in said
        assert words in said
    shutil.rmtree(people / "model")
    assert told("check", people, capsys, "train.epochs=7")[0] == 0


def test_images_of_several_sizes_are_refused_without_one_to_bring_them_to(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = told("check", photos, capsys)
    assert code == 0, said
    Image.new("RGB", (9, 9)).save(photos / "photos" / "cat" / "odd.png")
    said = refused_alike(photos, capsys)
    assert "data.inputs.image.size" in said
    assert "[12, 12]" in said
    assert told("check", photos, capsys, "data.inputs.image.size=[12, 12]")[0] == 0


def test_explainers_of_images_are_planned(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told("check", photos, capsys)
    assert code == 0
    assert "not  shap" not in said
    assert ".  shap (limit " in said


def with_models(folder: Path, *names: str, parity: str) -> None:
    tables = "".join(f'[models.{name}]\npath = "model"\ntask = "binary-classification"\n' for name in names)
    path = folder / "audit.toml"
    path.write_text(path.read_text() + tables + f"[analyzers.parity]\n{parity}\n")


@pytest.mark.parametrize(
    ("names", "parity", "expected"),
    [
        (("first", "second"), "", ("there are several models to compare with", "first, second", "name one of them")),
        (("first",), 'with_model = "frist"', ("no further model of this name", "frist", "did you mean `first`?")),
        ((), 'with_model = "first"', ("no further model of this name", "no [models.NAME] table is there")),
    ],
)
def test_parity_names_a_further_model(
    people: Path,
    capsys: pytest.CaptureFixture[str],
    names: tuple[str, ...],
    parity: str,
    expected: tuple[str, ...],
) -> None:
    with workers_in_this_process():
        assert guarded(["train", str(people / "audit.toml"), "--device", "cpu"]) == 0
    capsys.readouterr()
    with_models(people, *names, parity=parity)
    said = refused_alike(people, capsys)
    assert "analyzers.parity.with_model" in said
    assert [word for word in expected if word not in said] == []


def test_parity_without_a_further_model_does_not_apply(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_models(people, parity="")
    code, said = told("check", people, capsys)
    assert code == 0
    assert "not  parity: It compares with a further model, and the config names none" in said


def test_rows_that_stand_for_all_never_refuse_what_all_would_pass(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditbench.worker.trying._TRIED_ROWS", 1)
    code, said = told("check", photos, capsys)
    assert code == 0, said


def test_a_column_that_parts_rows_is_looked_at(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ('train.split_by="group"', 'train.split_column="house"')
    assert told("check", people, capsys, *settings)[0] == 0
    (people / "train.csv").write_text(rows(ROWS).replace("g1", ""))
    assert "has empty cells" in refused_alike(people, capsys, *settings)


def test_a_model_of_other_classes_or_columns_is_refused(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with workers_in_this_process():
        assert guarded(["train", str(people / "audit.toml"), "--device", "cpu"]) == 0
    as_it_is = TABLE.replace('[train]\narchitecture = "linear"\nepochs = 1\n', "")
    assert as_it_is != TABLE
    (people / "audit.toml").write_text(as_it_is)
    capsys.readouterr()
    assert told("check", people, capsys)[0] == 0
    assert "the positive class of the model is not 'no'" in refused_alike(people, capsys, 'data.positive="no"')
    assert "feature 'house'" in refused_alike(people, capsys, 'data.exclude=["house"]')
    (people / "test.csv").write_text(rows(ROWS // 2).replace(",no\n", ",never\n"))
    assert "'never'" in refused_alike(people, capsys)


def test_labels_of_rows_that_do_not_stand_for_all_are_looked_at(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditbench.worker.trying._TRIED_ROWS", 12)
    paths = sorted(item.relative_to(photos).as_posix() for item in (photos / "photos").rglob("*.png"))
    lines = [f"{path},{path.split('/')[1]}" for path in paths]
    config = PHOTOS.replace('test = "photos"', 'test = "photos.csv"').replace("held_out = 0.25", 'train = "train.csv"')
    (photos / "audit.toml").write_text(config)
    (photos / "photos.csv").write_text("\n".join(["image,label", *lines[::-1]]) + "\n")
    (photos / "train.csv").write_text("\n".join(["image,label", *lines]) + "\n")
    assert told("check", photos, capsys)[0] == 0
    for row in (1, 2):  # of 40 rows, 12 at equal distances hold one of these two
        missing = [line.partition(",")[0] + "," if index == row else line for index, line in enumerate(lines)]
        (photos / "train.csv").write_text("\n".join(["image,label", *missing]) + "\n")
        assert "data.missing_labels" in refused_alike(photos, capsys)


class Touches:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_trusted_pickle_of_an_estimator_is_named_and_does_not_run(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, pickled = people / "audit.toml", people / "model.pkl"
    pickled.write_bytes(pickle.dumps({"estimator": LogisticRegression(), "more": Touches(tmp_path / "ran")}))
    sha256 = hashlib.sha256(pickled.read_bytes()).hexdigest()
    text = config.read_text().replace('[train]\narchitecture = "linear"\nepochs = 1\n', "")
    config.write_text(text.replace("[model]\n", '[model]\nformat = "estimator"\npath = "model.pkl"\n'))
    with workers_in_this_process():
        assert guarded(["check", str(config)]) == 2
        said = capsys.readouterr().err
        assert "pickle of an estimator" in said
        assert "skops.io.dump" in said
        assert guarded(["check", str(config), "--trust-model", sha256]) == 0
    assert f"model.pkl (estimator), trusted by its sha256 {sha256}" in capsys.readouterr().out
    assert not (tmp_path / "ran").exists()


GRAPHS = """
[audit]
name = "graphs"
[model]
format = "onnx"
path = "net.onnx"
task = "binary-classification"
output = "logit"
[models.other]
format = "onnx"
path = "other.onnx"
task = "binary-classification"
output = "logit"
[data]
test = "rows.csv"
target = "y"
positive = "yes"
[analyzers.performance]
[report]
formats = []
"""


def test_limits_of_a_further_model_and_the_encoded_columns_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "audit.toml").write_text(GRAPHS)
    (tmp_path / "rows.csv").write_text("sex,y\nf,no\nm,yes\nf,no\n")
    rounded = [node("QuantizeLinear", ["x", "s"], ["q"]), node("DequantizeLinear", ["q", "s"], ["d"])]
    graphs = {
        "net.onnx": made(node("MatMul", ["x", "w"], ["y"])),
        "other.onnx": made(*rounded, node("MatMul", ["d", "w"], ["y"]), constants={"s": np.float32(0.1)}),
    }
    for name, graph in graphs.items():
        (tmp_path / name).write_bytes(graph.SerializeToString())
    code, said = told("check", tmp_path, capsys)
    assert code == 0, said
    lines = [line.strip() for line in said.splitlines()]
    assert "3 encoded columns, in this order: sex (2 categories by name, then missing or unseen)" in lines
    beside = lines.index("beside    other: other.onnx (onnx, binary-classification), to compare with")
    rounds = [place for place, line in enumerate(lines) if "rounded whole numbers" in line]
    assert [place - beside in (1, 2) for place in rounds] == [True]
