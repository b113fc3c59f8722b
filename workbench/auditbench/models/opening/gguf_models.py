"""GGUF files of the Llama and Qwen2 families as folders of transformers would hold them: settings, tensors, tokenizer.

Source: the names and the order of rows that `convert_hf_to_gguf.py` of llama.cpp writes, taken back.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.data.tokenizer_files import MAX_BYTES, check_tokenizer
from auditbench.digests import digest_of
from auditbench.errors import ModelError
from auditbench.models.opening.files import read_file, sha256_of
from auditbench.models.opening.gguf_files import OpenedGguf, open_gguf
from auditbench.models.opening.huggingface_folders import TOKENIZER, OpenedFolder, checked_config, is_there

if TYPE_CHECKING:
    import torch

FAMILIES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}
_SETTINGS = {
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "max_position_embeddings": "context_length",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "head_dim": "attention.key_length",
}
_NEEDED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")
_TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_OF_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_CASES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTROL, _USER = 3, 4


def is_gguf(path: Path) -> bool:
    """Whether the path is a .gguf file, or a folder with one and without config.json."""
    return _file(path) is not None


def open_gguf_model(path: Path) -> tuple[OpenedFolder, OpenedGguf]:
    """A file, or the folder of one, as `open_folder` gives a folder; a tokenizer.json beside it is used before its own.

    Raises:
        DataError: The tokenizer cannot be used.
        MissingDependencyError: The package gguf is not installed.
        ModelError: It is no such file, or of a family or with a tokenizer that is not read.
    """
    file = _file(path) or path
    opened = open_gguf(file)
    family = opened.facts.get("general.architecture")
    if family not in FAMILIES:
        raise _refused(file, "is of a family that is not read", str(family)[:80], ", ".join(FAMILIES))
    config = checked_config(_config(opened, str(family), file), file)
    beside = file.parent / TOKENIZER
    own = not is_there(file.parent, TOKENIZER)
    content = _tokenizer(opened.facts, file) if own else read_file(beside, most=MAX_BYTES)
    tokenizer = check_tokenizer(content, where=str(beside), shown=TOKENIZER)
    folder = OpenedFolder(
        config=config,
        tensors=_tensors(opened, config, str(family), file),
        tokenizer=tokenizer,
        modules=None,
        pooling={},
        longest=None,
        sha256=digest_of({"file": opened.sha256, "tokenizer": sha256_of(tokenizer.encode())}),
    )
    return folder, opened


def _file(path: Path) -> Path | None:
    try:
        kind = path.lstat().st_mode
    except (OSError, ValueError):
        return None
    if not stat.S_ISDIR(kind):
        return path if path.name.lower().endswith(".gguf") else None
    found = sorted(item for item in path.iterdir() if item.name.lower().endswith(".gguf"))
    return found[0] if len(found) == 1 and not is_there(path, "config.json") else None


def _config(opened: OpenedGguf, family: str, file: Path) -> dict[str, Any]:
    facts, tensors = opened.facts, opened.tensors
    if facts.get(f"{family}.expert_count") or facts.get(f"{family}.rope.scaling.type") not in (None, "none"):
        raise _refused(file, "has parts that are not read", "experts, or positions that are scaled", "a plain network")
    if "rope_freqs.weight" in tensors or "token_embd.weight" not in tensors:
        raise _refused(file, "has parts that are not read", "scaled positions, or no embedding", "a plain network")
    values = {name: facts.get(f"{family}.{key}") for name, key in _SETTINGS.items()}
    missing = [f"{family}.{_SETTINGS[name]}" for name in _NEEDED if not isinstance(values[name], int)]
    if missing:
        raise _refused(file, "does not say how large its network is", ", ".join(missing), "a number for each")
    config = {name: value for name, value in values.items() if value is not None}
    if family != "llama":
        config.pop("head_dim", None)
    theta = float(facts.get(f"{family}.rope.freq_base", 10_000.0))
    return config | {
        "model_type": family,
        "architectures": [FAMILIES[family]],
        "vocab_size": len(tensors["token_embd.weight"]),
        "tie_word_embeddings": "output.weight" not in tensors,
        "attention_bias": family == "llama" and "blk.0.attn_q.bias" in tensors,
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "bos_token_id": facts.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": facts.get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": None,
    }


def _tensors(opened: OpenedGguf, config: Mapping[str, Any], family: str, file: Path) -> dict[str, torch.Tensor]:
    heads = config["num_attention_heads"]
    groups = {"attn_q": heads, "attn_k": config.get("num_key_value_heads") or heads}
    found: dict[str, torch.Tensor] = {}
    for name, tensor in opened.tensors.items():
        parts = name.split(".")
        where, part, last = ".".join(parts[:-2]), parts[-2] if len(parts) > 1 else "", parts[-1]
        layer = parts[1] if len(parts) == 4 and parts[0] == "blk" else None
        known = _TOP.get(part) if not where else _OF_LAYER.get(part) if layer is not None else None
        if known is None:
            raise _refused(file, "has a tensor that is not read", repr(name[:80]), "those of a plain network")
        turned = family == "llama" and part in groups
        found[f"model.layers.{layer}.{known}.{last}" if layer is not None else f"{known}.{last}"] = (
            _heads_in_order(tensor, groups[part], name, file) if turned else tensor
        )
    return found


def _heads_in_order(tensor: torch.Tensor, heads: Any, name: str, file: Path) -> torch.Tensor:
    """Rows as transformers has them: the two halves of a head one behind the other, and not in turns."""
    if not isinstance(heads, int) or heads < 1 or len(tensor) % (2 * heads):
        raise _refused(
            file, "has a tensor that does not fit its heads", f"{name[:80]!r}: {tuple(tensor.shape)}", f"{heads} heads"
        )
    half = len(tensor) // heads // 2
    return tensor.reshape(heads, half, 2, *tensor.shape[1:]).transpose(1, 2).reshape(tensor.shape).contiguous()


def _tokenizer(facts: Mapping[str, Any], file: Path) -> bytes:
    """A tokenizer.json of the byte-level BPE in a file."""
    kind, cut = facts.get("tokenizer.ggml.model"), facts.get("tokenizer.ggml.pre")
    steps = _CUTS.get(str(cut))
    tokens, types = facts.get("tokenizer.ggml.tokens"), facts.get("tokenizer.ggml.token_type")
    merges = facts.get("tokenizer.ggml.merges")
    if kind != "gpt2" or steps is None or not isinstance(tokens, list) or not isinstance(merges, list):
        raise ModelError(
            f"{file.name} has a tokenizer that is not read",
            where=str(file),
            found=f"{kind}, cut as {cut}"[:80],
            allowed=f"byte-level BPE (gpt2) that is cut as {', '.join(_CUTS)}",
            fix=f"put the {TOKENIZER} of the model that it was made from beside it, and name the folder in model.path",
        )
    if not isinstance(types, list) or len(types) != len(tokens):
        types = [1] * len(tokens)
    pairs = [merge.split(" ") for merge in merges]
    if (
        not all(isinstance(token, str) for token in tokens)
        or len(set(tokens)) != len(tokens)
        or {len(pair) for pair in pairs} - {2}
    ):
        raise _refused(file, "has a tokenizer that is none", "tokens twice, or merges of other than two", "a BPE")
    added = [
        {"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        | {"special": types[index] == _CONTROL}
        for index, token in enumerate(tokens)
        if types[index] in (_CONTROL, _USER)
    ]
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "NFC"} if cut == "qwen2" else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "post_processor": _front(facts, tokens),
        "decoder": _BYTES,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": cut == "llama-bpe",
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": pairs,
        },
    }
    return json.dumps(document, ensure_ascii=False).encode("utf-8")


def _front(facts: Mapping[str, Any], tokens: list[str]) -> dict[str, Any] | None:
    """What puts the token of a beginning in front of every text, where the file asks for one."""
    first = facts.get("tokenizer.ggml.bos_token_id")
    if (
        facts.get("tokenizer.ggml.add_bos_token") is not True
        or not isinstance(first, int)
        or not 0 <= first < len(tokens)
    ):
        return None
    name = tokens[first]
    single = [{"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    known = {name: {"id": name, "ids": [first], "tokens": [name]}}
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": known,
    }


def _split(numbers: str) -> list[dict[str, Any]]:
    pattern = {"Regex": _CASES % numbers}
    cut = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    return [cut, {**_BYTES, "use_regex": False}]


_CUTS: Mapping[str, list[dict[str, Any]]] = {
    "gpt-2": [_BYTES],
    "smollm": [{"type": "Digits", "individual_digits": True}, _BYTES],
    "llama-bpe": _split(r"\p{N}{1,3}"),
    "qwen2": _split(r"\p{N}"),
}
"""How texts are cut before their pairs are joined, by the name that llama.cpp gives it."""


def _refused(file: Path, what: str, found: str, allowed: str) -> ModelError:
    return ModelError(
        f"{file.name} {what}",
        where=str(file),
        found=found,
        allowed=allowed,
        fix="name the folder of the model that it was made from, with model.safetensors and config.json",
    )
