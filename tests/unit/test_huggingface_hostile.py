"""Folders that a stranger might hand in: every one is refused, none runs its code, and none takes much memory."""

from __future__ import annotations

import json
import os
import pickle  # noqa: TID251 - makes files that must not be opened
import resource
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file  # noqa: TID251 - of files made here

from auditbench.errors import AuditbenchError
from auditbench.models.loading import load_model
from tests import huggingface_folders as folders
from tests.huggingface_folders import frame_of, request

MOST_GROWTH = 400 * 2**20
CODE = "import pathlib\npathlib.Path({marker!r}).write_text('ran')\n"


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.write_text, (self.marker, "ran")


Change = Callable[[Path, Path], None]
Files = dict[str, bytes]
HOSTILE: dict[str, Change] = {}


def hostile(change: Change) -> Change:
    HOSTILE[change.__name__.replace("_", "-")] = change
    return change


def settings(folder: Path, name: str = "config.json", **changes: Any) -> None:
    file = folder / name
    document = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**document, **changes}))


def weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@hostile
def pickled_weights(folder: Path, marker: Path) -> None:
    without_weights(folder)
    torch.save({"weight": torch.ones(2), "more": Payload(marker)}, folder / "pytorch_model.bin")


@hostile
def a_plain_pickle_as_weights(folder: Path, marker: Path) -> None:
    without_weights(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(marker)))


@hostile
def a_pickle_named_safetensors(folder: Path, marker: Path) -> None:
    (folder / "model.safetensors").write_bytes(pickle.dumps(Payload(marker)))


@hostile
def code_of_its_own(folder: Path, marker: Path) -> None:
    (folder / "modeling_own.py").write_text(
        CODE.format(marker=str(marker)) + "class Own: pass\nclass OwnConfig: pass\n"
    )
    names = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForSequenceClassification": "modeling_own.Own"}
    settings(folder, auto_map=names)


@hostile
def code_of_its_own_for_an_unknown_model(folder: Path, marker: Path) -> None:
    code_of_its_own(folder, marker)
    settings(folder, model_type="own")


@hostile
def code_in_a_part_of_the_settings(folder: Path, marker: Path) -> None:
    settings(folder, text_config={"auto_map": {"AutoModel": "modeling_own.Own"}})


@hostile
def code_for_the_tokenizer(folder: Path, marker: Path) -> None:
    (folder / "tokenization_own.py").write_text(CODE.format(marker=str(marker)))
    settings(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_own.Own", None]})


@hostile
def code_of_a_hub(folder: Path, marker: Path) -> None:
    settings(folder, auto_map={"AutoModel": "somebody/else--modeling.Own"})


@hostile
def an_unknown_model(folder: Path, marker: Path) -> None:
    settings(folder, model_type="../../evil")


@hostile
def no_model_type(folder: Path, marker: Path) -> None:
    settings(folder, model_type=["bert"])


@hostile
def a_huge_vocabulary(folder: Path, marker: Path) -> None:
    settings(folder, vocab_size=2**40)


@hostile
def a_large_vocabulary(folder: Path, marker: Path) -> None:
    settings(folder, vocab_size=2**24)


@hostile
def a_large_width(folder: Path, marker: Path) -> None:
    settings(folder, hidden_size=2**17, intermediate_size=2**20)


@hostile
def a_million_layers(folder: Path, marker: Path) -> None:
    settings(folder, num_hidden_layers=10**6)


@hostile
def a_thousand_layers(folder: Path, marker: Path) -> None:
    settings(folder, num_hidden_layers=1000)


@hostile
def a_billion_labels(folder: Path, marker: Path) -> None:
    settings(folder, num_labels=10**9, id2label=None)


@hostile
def numbers_that_are_none(folder: Path, marker: Path) -> None:
    settings(folder, hidden_size="32")


@hostile
def settings_that_contradict(folder: Path, marker: Path) -> None:
    settings(folder, num_attention_heads=5)


@hostile
def an_unknown_activation(folder: Path, marker: Path) -> None:
    settings(folder, hidden_act="os.system")


@hostile
def a_name_twice(folder: Path, marker: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace("{", '{"model_type": "gpt2", ', 1))


@hostile
def settings_nested_deep(folder: Path, marker: Path) -> None:
    (folder / "config.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)


@hostile
def settings_of_many_lists(folder: Path, marker: Path) -> None:
    (folder / "config.json").write_text('{"a": [' + "[]," * 2**20 + "[]]}")


@hostile
def quantised_weights(folder: Path, marker: Path) -> None:
    settings(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})


@hostile
def an_adapter(folder: Path, marker: Path) -> None:
    settings(folder, "adapter_config.json", base_model_name_or_path="somebody/else", peft_type="LORA")


@hostile
def weights_of_another_file(folder: Path, marker: Path) -> None:
    settings(folder, transformers_weights="/etc/passwd")


@hostile
def a_link_to_elsewhere(folder: Path, marker: Path) -> None:
    target = folder.parent / "elsewhere.safetensors"
    (folder / "model.safetensors").rename(target)
    (folder / "model.safetensors").symlink_to(target)


@hostile
def settings_that_are_a_link(folder: Path, marker: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("/etc/hostname")


@hostile
def a_pipe(folder: Path, marker: Path) -> None:
    (folder / "tokenizer.json").unlink()
    os.mkfifo(folder / "tokenizer.json")


@hostile
def an_index_that_leads_elsewhere(folder: Path, marker: Path) -> None:
    names = list(load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
    index = {"weight_map": dict.fromkeys(names, "../outside.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@hostile
def an_index_of_other_tensors(folder: Path, marker: Path) -> None:
    names = [*load_file(folder / "model.safetensors"), "classifier.more"]
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    index = {"weight_map": dict.fromkeys(names, "part.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@hostile
def an_index_of_pickles(folder: Path, marker: Path) -> None:
    names = list(load_file(folder / "model.safetensors"))
    without_weights(folder)
    (folder / "part.bin").write_bytes(pickle.dumps(Payload(marker)))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(names, "part.bin")}))


@hostile
def a_missing_tensor(folder: Path, marker: Path) -> None:
    weights(folder, lambda tensors: tensors.pop("classifier.weight"))


@hostile
def a_missing_layer(folder: Path, marker: Path) -> None:
    weights(folder, lambda tensors: [tensors.pop(name) for name in list(tensors) if ".layer.1." in name])


@hostile
def a_tensor_too_many(folder: Path, marker: Path) -> None:
    weights(folder, lambda tensors: tensors.update(more=torch.ones(3)))


@hostile
def another_shape(folder: Path, marker: Path) -> None:
    weights(folder, lambda tensors: tensors.update({"classifier.weight": torch.ones(4, 32)}))


@hostile
def no_numbers(folder: Path, marker: Path) -> None:
    weights(folder, lambda tensors: tensors["classifier.weight"].fill_(float("nan")))


@hostile
def infinite_numbers(folder: Path, marker: Path) -> None:
    weights(folder, lambda tensors: tensors["bert.embeddings.word_embeddings.weight"][0].fill_(float("inf")))


@hostile
def a_cut_file(folder: Path, marker: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-100])


@hostile
def a_header_that_promises_more(folder: Path, marker: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


@hostile
def no_tokenizer(folder: Path, marker: Path) -> None:
    (folder / "tokenizer.json").unlink()


@hostile
def a_pickled_tokenizer(folder: Path, marker: Path) -> None:
    (folder / "tokenizer.json").write_bytes(pickle.dumps(Payload(marker)))


@hostile
def a_tokenizer_that_grows(folder: Path, marker: Path) -> None:
    grow = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 100}
    settings(folder, "tokenizer.json", normalizer={"type": "Sequence", "normalizers": [grow] * 20})


@hostile
def a_tokenizer_of_more_tokens(folder: Path, marker: Path) -> None:
    document = json.loads((folder / "tokenizer.json").read_text())
    document["model"]["vocab"]["another"] = len(document["model"]["vocab"]) + 50
    (folder / "tokenizer.json").write_text(json.dumps(document))


@hostile
def a_huge_tokenizer(folder: Path, marker: Path) -> None:
    with (folder / "tokenizer.json").open("wb") as file:
        file.write(b'{"model": {')
        file.truncate(10 * 2**30)


@hostile
def modules_of_somebody(folder: Path, marker: Path) -> None:
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))
    listed = [{"idx": 0, "name": "0", "path": "", "type": "own.Module"}]
    (folder / "modules.json").write_text(json.dumps(listed))


@hostile
def a_pooling_elsewhere(folder: Path, marker: Path) -> None:
    kinds = [("", "Transformer"), ("../../../etc", "Pooling")]
    listed = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds]
    (folder / "modules.json").write_text(json.dumps(listed))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a classifier."""
    folder = folders.bert_classifier(tmp_path_factory.mktemp("model") / "model")
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def written(files: Files, folder: Path) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    tried: list[Any] = []

    def refuse(*arguments: Any, **keys: Any) -> Any:
        tried.append(arguments)
        raise OSError("a connection was tried")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert not tried


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_folders_are_refused_and_do_nothing(name: str, bert: Files, tmp_path: Path) -> None:
    folder, marker = written(bert, tmp_path / "model"), tmp_path / "ran"
    HOSTILE[name](folder, marker)
    asked = request(folder, tmp_path, frame_of("abcabc"), "multiclass-classification")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(AuditbenchError) as caught:
        load_model(asked)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert not marker.exists()
    assert grown < MOST_GROWTH
    problem = caught.value.problems[0]
    assert problem.where
    assert problem.fix


def test_the_same_folder_without_harm_is_opened(bert: Files, tmp_path: Path) -> None:
    """A chat template and a tokenizer's settings are never read, so that what stands in them does nothing."""
    folder, marker = written(bert, tmp_path / "model"), tmp_path / "ran"
    code = f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}{{% include {str(marker)!r} %}}"
    settings(folder, "tokenizer_config.json", chat_template=code)
    (folder / "chat_template.jinja").write_text(code)
    (folder / "modeling_bert.py").write_text(CODE.format(marker=str(marker)))
    settings(folder, _attn_implementation="somebody/kernels", attn_implementation="somebody/kernels")
    model = load_model(request(folder, tmp_path, frame_of("abcabc"), "multiclass-classification"))
    assert model.module.model.config._attn_implementation == "sdpa"
    assert not marker.exists()


def test_a_state_dict_of_tensors_alone_is_opened(bert: Files, tmp_path: Path) -> None:
    folder = written(bert, tmp_path / "model")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    without_weights(folder)
    assert load_model(request(folder, tmp_path, frame_of("abcabc"), "multiclass-classification")).facts.parameters


def test_the_table_is_long_enough() -> None:
    assert len(HOSTILE) >= 25
