"""GGUF files give what the network gives that they were made from; damaged ones are refused within their bounds."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from gguf.quants import quantize
from tokenizers import Tokenizer
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from auditbench.data import build_evaluation
from auditbench.data.inputs import PADDING
from auditbench.errors import AuditbenchError, ModelError
from auditbench.models.loading import load_model
from auditbench.models.opening.gguf_files import open_gguf
from auditbench.models.opening.gguf_models import _OF_LAYER, _TOP, open_gguf_model
from tests.huggingface_folders import TEXTS, byte_pairs, request

HEADS, GROUPS, LENGTH = 4, 2, 24
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "num_key_value_heads": GROUPS,
    "max_position_embeddings": LENGTH,
}
FACTS = {
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "block_count": "num_hidden_layers",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "context_length": "max_position_embeddings",
}


def network(family: str, *, tied: bool = True) -> Any:
    torch.manual_seed(0)
    kinds = {
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    }
    settings, kind = kinds[family]
    model = kind(settings(vocab_size=byte_pairs().get_vocab_size(), tie_word_embeddings=tied, **SIZES)).eval()
    for each in model.parameters():
        torch.nn.init.normal_(each, std=0.2)
    return model


def write(file: Path, model: Any, *, form: str = "F32", beginning: bool = False, **facts: Any) -> Path:
    """What convert_hf_to_gguf.py of llama.cpp would write of a network and the byte-level tokenizer."""
    family = model.config.model_type
    writer = gguf.GGUFWriter(file, family)
    for key, name in FACTS.items():
        writer.add_uint32(f"{family}.{key}", getattr(model.config, name))
    writer.add_float32(f"{family}.attention.layer_norm_rms_epsilon", model.config.rms_norm_eps)
    writer.add_float32(f"{family}.rope.freq_base", model.config.rope_parameters["rope_theta"])
    document = json.loads(byte_pairs().to_str())["model"]
    tokens = sorted(document["vocab"], key=document["vocab"].get)
    writer.add_string("tokenizer.ggml.model", facts.get("tokenizer", "gpt2"))
    writer.add_string("tokenizer.ggml.pre", "gpt-2")
    writer.add_array("tokenizer.ggml.tokens", tokens)
    writer.add_array("tokenizer.ggml.token_type", [3, *([1] * (len(tokens) - 1))])
    writer.add_array("tokenizer.ggml.merges", [" ".join(pair) for pair in document["merges"]])
    writer.add_uint32("tokenizer.ggml.bos_token_id", 0)
    writer.add_bool("tokenizer.ggml.add_bos_token", beginning)
    if "expert_count" in facts:
        writer.add_uint32(f"{family}.expert_count", facts["expert_count"])
    names = {own: short for short, own in (_TOP | _OF_LAYER).items()}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        body, _, last = name.rpartition(".")
        _, _, layer = body.rpartition("model.layers.")
        number, _, part = layer.partition(".")
        short = f"blk.{number}.{names[part]}.{last}" if "layers" in body else f"{names[body]}.{last}"
        values = tensor.numpy()
        if family == "llama" and part in ("self_attn.q_proj", "self_attn.k_proj"):
            heads = HEADS if part.endswith("q_proj") else GROUPS
            shape = (heads, 2, len(values) // heads // 2, *values.shape[1:])
            values = values.reshape(shape).swapaxes(1, 2).reshape(values.shape)
        kind = gguf.GGMLQuantizationType[form if values.ndim > 1 else "F32"]
        writer.add_tensor(short, quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def asked(path: Path, rows: Path, length: int = 9) -> Any:
    frame = pd.DataFrame({"text": list(TEXTS)})
    return request(path, rows, frame, "next-token", text={"length": length}, data={"target": "text"})


@pytest.mark.parametrize("beginning", [False, True])
@pytest.mark.parametrize(("family", "tied"), [("llama", True), ("llama", False), ("qwen2", True)])
def test_a_file_gives_what_its_network_gives(family: str, tied: bool, beginning: bool, tmp_path: Path) -> None:
    own = network(family, tied=tied)
    model = load_model(given := asked(write(tmp_path / "model.gguf", own, beginning=beginning), tmp_path))
    rows = build_evaluation(given.source, model.inputs, task="next-token", classes=model.facts.classes, seed=0)
    taken = rows.take(np.arange(rows.facts.rows))
    outputs = model.predict(taken.inputs)
    for row, ids in enumerate(taken.inputs["text"]):
        window = torch.tensor([[each - 2 for each in ids.tolist() if each != PADDING]])
        assert (int(window[0, 0]) == 0) == beginning
        with torch.no_grad():
            np.testing.assert_allclose(outputs[row], own(window).logits[0, -1].numpy(), atol=1e-4, rtol=1e-5)
    (limit,) = model.facts.limits
    assert limit.key == "core.model_dequantised"


@pytest.mark.parametrize("form", ["F16", "BF16", "Q8_0", "Q4_0", "Q5_1"])
def test_numbers_are_those_that_transformers_reads(form: str, tmp_path: Path) -> None:
    own = network("llama")
    file = write(tmp_path / "model.gguf", own, form=form)
    folder, opened = open_gguf_model(file)
    assert form in opened.kinds
    with torch.device("meta"):
        empty = transformers.LlamaForCausalLM(own.config)
    transformers.utils.logging.disable_progress_bar()
    expected = load_gguf_checkpoint(str(file), return_tensors=True, model_to_load=empty)["tensors"]
    assert set(expected) == set(folder.tensors)
    for name, tensor in expected.items():
        torch.testing.assert_close(folder.tensors[name], tensor.float(), atol=0, rtol=0)


def test_the_tokenizer_of_a_file_is_the_one_it_was_made_from(tmp_path: Path) -> None:
    folder, _ = open_gguf_model(write(tmp_path / "model.gguf", network("llama")))
    found = Tokenizer.from_str(folder.tokenizer)
    for text in (*TEXTS, "a <|endoftext|> b"):
        assert found.encode(text).ids == byte_pairs().encode(text).ids


def test_a_tokenizer_beside_the_file_is_used(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    file = write(tmp_path / "model" / "tiny.gguf", network("llama"), tokenizer="llama")
    with pytest.raises(ModelError, match=r"tokenizer that is not read"):
        load_model(asked(file, tmp_path))
    byte_pairs().save(str(tmp_path / "model" / "tokenizer.json"))
    assert load_model(asked(tmp_path / "model", tmp_path)).facts.architecture == "LlamaForCausalLM"


def _edited(change: Callable[[bytearray], Any]) -> Callable[[bytes], bytes]:
    def edited(content: bytes) -> bytes:
        changed = bytearray(content)
        change(changed)
        return bytes(changed)

    return edited


def _at(offset: int, form: str, value: int) -> Callable[[bytes], bytes]:
    return _edited(lambda content: struct.pack_into("<" + form, content, offset, value))


def _after(key: bytes, form: str, value: int, skip: int = 0) -> Callable[[bytes], bytes]:
    return _edited(lambda content: struct.pack_into("<" + form, content, content.index(key) + len(key) + skip, value))


NORM = b"output_norm.weight"
HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "no-magic": lambda content: b"GGML" + content[4:],
    "cut-header": lambda content: content[:100],
    "cut-tensors": lambda content: content[:-64],
    "nothing": lambda content: b"GGUF",
    "version": _at(4, "I", 1),
    "big-endian": _at(4, "I", 0x03000000),
    "tensors": _at(8, "Q", 2**40),
    "keys": _at(16, "Q", 2**40),
    "long-key": _at(24, "Q", 2**62),
    "long-text": _after(b"general.architecture", "Q", 2**60, 4),
    "unknown-kind": _after(b"general.architecture", "I", 77),
    "lists-of-lists": _after(b"tokenizer.ggml.merges", "I", 9, 4),
    "long-list": _after(b"tokenizer.ggml.merges", "Q", 2**60, 8),
    "key-twice": lambda content: content.replace(b"llama.block_count", b"llama.block_coumt").replace(
        b"llama.block_coumt", b"llama.context_len"
    ),
    "other-family": lambda content: content.replace(b"llama", b"gpt99"),
    "no-shape": _after(NORM, "I", 0),
    "many-sides": _after(NORM, "I", 2**31),
    "huge-side": _after(NORM, "Q", 2**62, 4),
    "large-side": _after(NORM, "Q", 2**30, 4),
    "unknown-form": _after(NORM, "I", 999, 12),
    "far-away": _after(NORM, "Q", 2**60, 16),
    "overlapping": _after(NORM, "Q", 32, 16),
    "other-name": lambda content: content.replace(NORM, b"output_more.weight"),
    "many-layers": _after(b"llama.block_count", "I", 10**6, 4),
    "many-heads": _after(b"llama.attention.head_count", "I", 7, 4),
    "wide": _after(b"llama.embedding_length", "I", 2**20, 4),
    "text-for-a-number": _after(b"llama.block_count", "I", 6),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("gguf") / "model.gguf", network("llama")).read_bytes()


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_files_are_refused(name: str, made: bytes, tmp_path: Path) -> None:
    changed = HOSTILE[name](made)
    assert changed != made
    (tmp_path / "model.gguf").write_bytes(changed)
    with pytest.raises(AuditbenchError) as caught:
        load_model(asked(tmp_path / "model.gguf", tmp_path))
    assert caught.value.problems[0].where
    assert caught.value.problems[0].fix


def test_experts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not read"):
        load_model(asked(write(tmp_path / "model.gguf", network("llama"), expert_count=4), tmp_path))


def test_no_change_of_a_header_does_more_than_be_refused(made: bytes, tmp_path: Path) -> None:
    """Random bytes in the header are read, or refused as errors of the model."""
    drawn = random.Random(0)  # noqa: S311 - bytes for a test
    end = made.index(b"blk.0")
    refused = 0
    for _ in range(300):
        content = bytearray(made)
        for _ in range(drawn.randint(1, 4)):
            content[drawn.randrange(4, end + 400)] = drawn.randrange(256)
        (tmp_path / "model.gguf").write_bytes(content)
        try:
            open_gguf(tmp_path / "model.gguf")
        except ModelError:
            refused += 1
    assert refused > 100


def test_links_are_refused(made: bytes, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(made)
    (tmp_path / "model.gguf").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditbenchError):
        load_model(asked(tmp_path / "model.gguf", tmp_path))
