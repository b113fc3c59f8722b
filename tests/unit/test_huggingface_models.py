"""Hugging Face folders give what transformers gives, and say what does not fit."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from captum.attr import LayerIntegratedGradients
from huggingface_hub import constants
from safetensors.torch import load_file, save_file  # noqa: TID251 - of files made here

from auditbench.data import build_evaluation
from auditbench.data.inputs import PADDING
from auditbench.data.subwords import FIRST_ID, subwords_of
from auditbench.errors import AuditbenchError, ModelError
from auditbench.models.loading import load_model
from auditbench.models.opening.huggingface_models import build_model
from auditbench.models.subject import ModelUnderTest
from tests import huggingface_folders as folders
from tests.huggingface_folders import TEXTS, frame_of, request

CLOSE = 1e-5
CLASSIFIERS: dict[str, Callable[[Path], Path]] = {
    "bert": folders.bert_classifier,
    "distilbert": folders.distilbert_classifier,
    "roberta": folders.roberta_classifier,
    "gpt2": folders.gpt2_classifier,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders by name, each written once."""
    root = tmp_path_factory.mktemp("models")
    kinds = {**CLASSIFIERS, "gpt2-lm": folders.gpt2, "llama": folders.llama, "encoder": folders.bert}
    return lambda name: root / name if (root / name).is_dir() else kinds[name](root / name)


def predictions(model: ModelUnderTest, asked: Any) -> np.ndarray[Any, Any]:
    rows = build_evaluation(asked.source, model.inputs, task=model.facts.task, classes=model.facts.classes, seed=0)
    return model.predict(rows.take(np.arange(rows.facts.rows)).inputs)


def own_logits(folder: Path, auto: Any, length: int) -> np.ndarray[Any, Any]:
    """What transformers gives for each text alone, as its own tokenizer cuts it."""
    model, tokenizer = auto.from_pretrained(folder).eval(), transformers.AutoTokenizer.from_pretrained(folder)
    found = []
    for text in TEXTS:
        given = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
        if not given["input_ids"].shape[1]:
            given = {
                "input_ids": torch.tensor([[model.config.pad_token_id or 0]]),
                "attention_mask": torch.tensor([[1]]),
            }
        with torch.no_grad():
            found.append(model(**given).logits[0].double().numpy())
    return np.stack(found)


def refused(asked: Any) -> str:
    with pytest.raises(AuditbenchError) as caught:
        load_model(asked)
    return caught.value.describe()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta"])
def test_classifiers_give_what_transformers_gives(
    name: str, attention: str, made: Callable[[str], Path], tmp_path: Path
) -> None:
    asked = request(
        made(name), tmp_path, frame_of("abcabc"), "multiclass-classification", parameters={"attention": attention}
    )
    model = load_model(asked)
    assert model.inputs["text"].shape == (24,)
    assert model.facts.classes == ("a", "b", "c")
    own = own_logits(made(name), transformers.AutoModelForSequenceClassification, 24)
    np.testing.assert_allclose(predictions(model, asked), own, atol=CLOSE)


@pytest.mark.parametrize("pad", [None, 5])
def test_a_decoder_that_classifies_looks_at_the_last_token_of_each_text(
    pad: int | None, made: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = made("gpt2") if pad is None else folders.gpt2_classifier(tmp_path / "padded", pad_token_id=pad)
    asked = request(folder, tmp_path, frame_of("npnpnp"), "binary-classification", data={"classes": ("n", "p")})
    own = own_logits(folder, transformers.AutoModelForSequenceClassification, 24)
    np.testing.assert_allclose(predictions(load_model(asked), asked)[:, 0], own[:, 1] - own[:, 0], atol=CLOSE)


def test_the_positive_class_decides_the_sign(tmp_path: Path) -> None:
    folder = folders.bert_classifier(tmp_path / "model", ("spam", "ham"))
    own = own_logits(folder, transformers.AutoModelForSequenceClassification, 24)
    labels = ["spam", "ham"] * 3
    for positive, sign in (("ham", 1.0), ("spam", -1.0)):
        asked = request(folder, tmp_path, frame_of(labels), "binary-classification", data={"positive": positive})
        model = load_model(asked)
        assert model.target_names == (positive,)
        np.testing.assert_allclose(predictions(model, asked)[:, 0], sign * (own[:, 1] - own[:, 0]), atol=CLOSE)


def test_a_regression(tmp_path: Path) -> None:
    folder = folders.bert_classifier(tmp_path / "model", ("value",), problem_type="regression")
    asked = request(folder, tmp_path, frame_of([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), "regression")
    model = load_model(asked)
    own = own_logits(folder, transformers.AutoModelForSequenceClassification, 24)
    np.testing.assert_allclose(predictions(model, asked), own, atol=CLOSE)
    assert model.facts.output == "value"


@pytest.mark.parametrize(("name", "front"), [("gpt2-lm", 0), ("llama", 1)])
def test_language_models_give_what_transformers_gives_for_every_window(
    name: str, front: int, made: Callable[[str], Path], tmp_path: Path
) -> None:
    """Each window alone, without padding and with what the tokenizer puts in front of a text."""
    folder, length = made(name), 9
    frame = pd.DataFrame({"text": list(TEXTS)})
    asked = request(folder, tmp_path, frame, "next-token", text={"length": length}, data={"target": "text"})
    model = load_model(asked)
    rows = build_evaluation(asked.source, model.inputs, task="next-token", classes=model.facts.classes, seed=0)
    taken = rows.take(np.arange(rows.facts.rows))
    outputs = model.predict(taken.inputs)
    own = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert len(model.facts.classes) == own.config.vocab_size == outputs.shape[1]
    expected, following = [], []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        for end in range(1, len(ids)):
            begin = max(front, end - (length - front))
            window = torch.tensor([ids[:front] + ids[begin:end]])
            with torch.no_grad():
                expected.append(own(window).logits[0, -1].double().numpy())
            following.append(ids[end])
    np.testing.assert_allclose(outputs, np.stack(expected), atol=CLOSE)
    assert taken.y_true.tolist() == following


def test_tokens_read_as_text(made: Callable[[str], Path], tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": list(TEXTS)})
    asked = request(made("gpt2-lm"), tmp_path, frame, "next-token", text={"length": 8}, data={"target": "text"})
    model = load_model(asked)
    names = model.facts.classes
    assert " the" in names
    assert len(set(names)) == len(names)
    assert names[-1].startswith("[token ")
    rows = build_evaluation(asked.source, model.inputs, task="next-token", classes=names, seed=0)
    texts = rows.take(np.arange(rows.facts.rows)).texts["text"].tolist()
    assert any("the cat" in text for text in texts)
    assert "\u0120" not in "".join(texts)


def test_outputs_that_do_not_fit_into_memory_are_refused_before_any_is_computed(
    made: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditbench.models.huggingface.windows._memory", lambda: 2**20)
    frame = pd.DataFrame({"text": list(TEXTS)})
    keys = {"text": {"length": 8}, "data": {"target": "text"}}
    said = refused(request(made("gpt2-lm"), tmp_path, frame, "next-token", **keys))
    assert "does not fit into memory" in said
    fitting = 2**20 // 2 // (323 * 8 * 5)
    assert f"set data.max_rows = {fitting}" in said
    keys["data"]["max_rows"] = fitting
    assert load_model(request(made("gpt2-lm"), tmp_path, frame, "next-token", **keys)).facts.task == "next-token"


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert"])
def test_gradients_of_embeddings_are_complete(name: str, made: Callable[[str], Path], tmp_path: Path) -> None:
    """Contributions of the embeddings add up to the difference of the outputs."""
    asked = request(made(name), tmp_path, frame_of("abcabc"), "multiclass-classification")
    model = load_model(asked)
    assert {"hooks", "layers", "embeddings", "black_box"} <= set(model.facts.capabilities)
    assert "gradients" not in model.facts.capabilities  # token ids have none
    ids = _ids(model, [TEXTS[0], TEXTS[3]])
    other = FIRST_ID + (3 if name == "roberta" else 1)  # a RoBERTa has no position for padding, so the unknown token
    special = torch.tensor([*subwords_of(model.inputs["text"].tokenizer).leading, PADDING])
    baseline = torch.where(torch.isin(ids, special), ids, other)
    layer = model.module.model.get_input_embeddings()
    values, delta = LayerIntegratedGradients(model.module, layer).attribute(
        ids, baselines=baseline, target=1, n_steps=64, return_convergence_delta=True
    )
    assert values.abs().sum() > 1e-4
    assert delta.abs().max() < 1e-5


def test_eager_attention_gives_its_weights(made: Callable[[str], Path], tmp_path: Path) -> None:
    asked = request(
        made("bert"), tmp_path, frame_of("abcabc"), "multiclass-classification", parameters={"attention": "eager"}
    )
    model = load_model(asked)
    seen: list[Any] = []
    part = next(each for name, each in model.module.named_modules() if name.endswith("attention.self"))
    handle = part.register_forward_hook(lambda module, given, outputs: seen.append(outputs[1]))
    model.module(_ids(model, [TEXTS[0]]))
    handle.remove()
    torch.testing.assert_close(seen[0].sum(-1), torch.ones_like(seen[0].sum(-1)))


@pytest.mark.parametrize(
    ("task", "labels", "data", "text", "model", "said"),
    [
        ("multiclass-classification", "abxabx", {}, {}, {}, ("the model has 'a', 'b', 'c'", "'x'")),
        ("multiclass-classification", "abcabc", {"classes": ("a", "b")}, {}, {}, ("the data have 'a', 'b'",)),
        ("regression", [1.0] * 6, {}, {}, {}, ("correct model.task",)),
        ("next-token", "abcabc", {"target": "text"}, {}, {}, ("is not a causal language model",)),
        ("multiclass-classification", "abcabc", {}, {"length": 25}, {}, ("at most 24",)),
        ("multiclass-classification", "abcabc", {}, {"length": 2}, {}, ("more than 2",)),
        ("multiclass-classification", "abcabc", {}, {}, {"pooling": "mean"}, ("model.parameters.pooling",)),
        ("multiclass-classification", "abcabc", {}, {}, {"attention": "flash"}, ("'sdpa' or 'eager'",)),
        ("multiclass-classification", "abcabc", {}, {}, {"colour": 1}, ("model.parameters.colour",)),
    ],
)
def test_what_does_not_fit_is_said(
    task: str,
    labels: Any,
    data: dict[str, Any],
    text: dict[str, Any],
    model: dict[str, Any],
    said: tuple[str, ...],
    made: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    asked = request(made("bert"), tmp_path, frame_of(labels), task, text=text, data=data, parameters=model)
    found = refused(asked)
    assert all(part in found for part in said), found


def test_several_labels_a_text_are_refused(tmp_path: Path) -> None:
    folder = folders.bert_classifier(tmp_path / "model", problem_type="multi_label_classification")
    said = refused(request(folder, tmp_path, frame_of("abcabc"), "multiclass-classification"))
    assert "any number of labels" in said


def test_outputs_without_names_need_declared_classes(made: Callable[[str], Path], tmp_path: Path) -> None:
    said = refused(request(made("gpt2"), tmp_path, frame_of("npnpnp"), "binary-classification", data={"positive": "p"}))
    assert "set data.classes" in said
    assert "'LABEL_0', 'LABEL_1'" in said


def test_half_precision_is_computed_in_single(made: Callable[[str], Path], tmp_path: Path) -> None:
    model = transformers.AutoModelForSequenceClassification.from_pretrained(made("bert")).half()
    shutil.copytree(made("bert"), tmp_path / "half")
    model.save_pretrained(tmp_path / "half")
    asked = request(tmp_path / "half", tmp_path, frame_of("abcabc"), "multiclass-classification")
    opened = load_model(asked)
    assert {each.dtype for each in opened.module.parameters()} == {torch.float32}
    own = own_logits(made("bert"), transformers.AutoModelForSequenceClassification, 24)
    np.testing.assert_allclose(predictions(opened, asked), own, atol=5e-3)


def test_shards_are_one_model(made: Callable[[str], Path], tmp_path: Path) -> None:
    model = transformers.AutoModelForSequenceClassification.from_pretrained(made("bert"))
    shutil.copytree(made("bert"), tmp_path / "shards", ignore=shutil.ignore_patterns("*.safetensors"))
    model.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    asked = request(tmp_path / "shards", tmp_path, frame_of("abcabc"), "multiclass-classification")
    own = own_logits(made("bert"), transformers.AutoModelForSequenceClassification, 24)
    np.testing.assert_allclose(predictions(load_model(asked), asked), own, atol=CLOSE)


def test_the_digest_knows_weights_settings_and_tokenizer_and_no_path(
    made: Callable[[str], Path], tmp_path: Path
) -> None:
    def digest(name: str, change: Callable[[Path], None]) -> str:
        shutil.copytree(made("bert"), tmp_path / name)
        change(tmp_path / name)
        asked = request(tmp_path / name, tmp_path, frame_of("abcabc"), "multiclass-classification")
        return load_model(asked).facts.digest

    def changed(file: str, before: str, after: str) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            text = (folder / file).read_text()
            assert before in text
            (folder / file).write_text(text.replace(before, after))

        return change

    same = digest("one", lambda folder: None)
    assert digest("two", lambda folder: None) == same
    others = [
        digest("three", changed("config.json", '"layer_norm_eps": 1e-12', '"layer_norm_eps": 1e-05')),
        digest("four", changed("tokenizer.json", '"lowercase": true', '"lowercase": false')),
        digest("five", lambda folder: _shift(folder / "model.safetensors")),
    ]
    assert len({same, *others}) == 4


def _shift(file: Path) -> None:
    from safetensors.torch import load_file, save_file  # noqa: TID251 - of a file made here

    tensors = load_file(file)
    tensors["classifier.bias"] += 1e-3
    save_file(tensors, file, {"format": "pt"})


def _ids(model: ModelUnderTest, texts: list[str]) -> torch.Tensor:
    item = model.inputs["text"]
    rows = subwords_of(item.tokenizer).encode(texts, length=item.length, kept=item.kept)
    return torch.tensor([row + [PADDING] * (item.length - len(row)) for row in rows])


def test_declared_classes_decide_the_order_of_the_outputs(made: Callable[[str], Path], tmp_path: Path) -> None:
    own = own_logits(made("bert"), transformers.AutoModelForSequenceClassification, 24)
    data = {"classes": ("c", "a", "b")}
    asked = request(made("bert"), tmp_path, frame_of("abcabc"), "multiclass-classification", data=data)
    model = load_model(asked)
    assert model.target_names == ("c", "a", "b")
    np.testing.assert_allclose(predictions(model, asked), own[:, [2, 0, 1]], atol=CLOSE)


def test_a_class_that_the_data_lack_is_still_a_class(made: Callable[[str], Path], tmp_path: Path) -> None:
    asked = request(made("bert"), tmp_path, frame_of("ababab"), "multiclass-classification")
    assert load_model(asked).facts.classes == ("a", "b", "c")


@pytest.mark.parametrize("missing", ["transformers", "tokenizers"])
def test_without_the_packages_the_extra_is_named(
    missing: str, made: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request(made("bert"), tmp_path, frame_of("abcabc"), "multiclass-classification")
    monkeypatch.setattr(
        "auditbench.models.opening.packages.find_spec", lambda name: None if name == missing else object()
    )
    said = refused(asked)
    assert repr(missing) in said
    assert "auditbench[text]" in said


def test_parts_on_a_hub_are_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the library was imported before, and connected."""
    asked: list[Any] = []

    def refuse(*address: Any, **_: Any) -> Any:
        asked.append(address)
        raise OSError("a connection was tried")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    config = {"model_type": "detr", "backbone": "somebody/resnet", "use_pretrained_backbone": True}
    config["use_timm_backbone"] = False
    with pytest.raises(ModelError, match="cannot make"):
        build_model(config, {"x": torch.zeros(4)}, "encoder", attention="sdpa", where=tmp_path)
    assert (asked, constants.HF_HUB_OFFLINE) == ([], False)


def test_numbers_of_half_the_length_are_told(made: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(made("bert"), tmp_path / "model")
    halved = {name: each.to(torch.bfloat16) for name, each in load_file(folder / "model.safetensors").items()}
    save_file(halved, folder / "model.safetensors", metadata={"format": "pt"})
    (limit,) = load_model(request(folder, tmp_path, frame_of("abcabc"), "multiclass-classification")).facts.limits
    assert (limit.key, limit.values) == ("core.model_widened", {"precisions": "bfloat16"})
