"""Folders as transformers writes them: config.json, safetensors, tokenizer.json. No code of a folder runs, and nothing is fetched.

Source: `PreTrainedModel.save_pretrained` and the loading of transformers 5.23.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.data.subwords import subwords_of
from auditbench.data.tokenizer_files import MAX_BYTES, check_tokenizer
from auditbench.digests import digest_of
from auditbench.errors import ModelError
from auditbench.models.opening.files import parse_json, read_file, sha256_of
from auditbench.models.opening.limits import MAX_JSON_BYTES, MAX_TENSORS
from auditbench.models.opening.tensors import parse_tensors, read_weights

if TYPE_CHECKING:
    import torch

CONFIG, TOKENIZER, SETTINGS = "config.json", "tokenizer.json", "tokenizer_config.json"
WEIGHTS, INDEX, PICKLED = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors")
_REPEATED = re.compile(r"layer|block|expert|stage|depth|num_labels|groups|branch")
_ANY_SIZE = re.compile(r"theta|base|token_id|max_length|factor|seed")
_MOST_REPEATED, _LARGEST, _MOST_ENTRIES = 1024, 2**24, 100_000
_DROPPED = (
    "attn_implementation",
    "dtype",
    "experts_implementation",
    "gradient_checkpointing",
    "kernel_config",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "torch_dtype",
    "torchscript",
    "use_cache",
    "use_kernels",
)
"""Keys of config.json that say how a model is run and not what it is."""

_REFUSED = {
    "auto_map": (
        "needs code of its own",
        'code of a folder is never run: name a model of transformers itself, or export it: model.format = "exported"',
    ),
    "quantization_config": ("has quantised weights", "save the model that it was made from, in float32 or float16"),
    "compression_config": ("has compressed weights", "save the model that it was made from, in float32 or float16"),
    "transformers_weights": ("takes its weights from another file", "save it again with save_pretrained"),
    "fusion_config": ("exchanges parts of the network", "save it again without fusion_config"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFolder:
    """What a folder holds.

    Attributes:
        config: config.json, without what says how a model is run.
        tensors: By name, on the CPU.
        tokenizer: The checked text of tokenizer.json.
        modules: modules.json of a sentence encoder, in order; None where there is none.
        pooling: The settings of its pooling.
        longest: Most tokens of a text that a sentence encoder was made for; None where it does not say.
        sha256: Over everything that was parsed.
    """

    config: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    tokenizer: str
    modules: tuple[str, ...] | None
    pooling: dict[str, Any]
    longest: int | None
    sha256: str


def open_folder(path: Path) -> OpenedFolder:
    """Read a folder completely; every file is read once, without following links, and what is hashed is what is parsed.

    Raises:
        DataError: tokenizer.json is no usable tokenizer.
        ModelError: It is no such folder, lacks a part, or asks for what is not done: code, adapters, quantised weights.
        UntrustedModelError: The weights are a pickle of more than tensors.
    """
    _check_folder(path)
    config = _config(_json(path, CONFIG), path)
    if is_there(path, SETTINGS) and "auto_map" in (settings := _json(path, SETTINGS)):
        raise _refuse(path / SETTINGS, "auto_map", str(settings["auto_map"]))
    tokenizer = _tokenizer(path)
    modules, pooling, longest = _sentence_encoder(path, tokenizer)
    tensors, weights = _weights(path)
    parts = {"config": config, "tokenizer": sha256_of(tokenizer.encode()), "weights": weights}
    return OpenedFolder(
        config=config,
        tensors=tensors,
        tokenizer=tokenizer,
        modules=modules,
        pooling=pooling,
        longest=longest,
        sha256=digest_of({**parts, "modules": modules, "pooling": pooling, "longest": longest}),
    )


def is_there(path: Path, name: str) -> bool:
    """Whether something of this name is in the folder, be it a link to nowhere."""
    try:
        (path / name).lstat()
    except (OSError, ValueError):
        return False
    return True


def checked_config(config: dict[str, Any], path: Path) -> dict[str, Any]:
    """The same settings without what says how a model is run.

    Raises:
        ModelError: They ask for code or for another form of weights, or have sizes that no model has.
    """
    for where, key, value in _entries(config):
        if key in _REFUSED and value:
            raise _refuse(path, f"{where}{key}", str(value))
        if (fault := _size_fault(key, value)) is not None:
            raise ModelError(
                f"{path.name} has sizes that no model has",
                where=f"{path}: {where}{key}",
                found=fault[0],
                allowed=fault[1],
                fix="copy the folder again from where it was made",
            )
    return {key: _without_dropped(value) for key, value in config.items() if not _is_dropped(key)}


def _check_folder(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except (OSError, ValueError) as error:
        raise _no_folder(path, getattr(error, "strerror", None) or str(error)) from error
    if not stat.S_ISDIR(kind):
        raise _no_folder(path, "a symbolic link" if stat.S_ISLNK(kind) else "no folder")
    if is_there(path, "adapter_config.json"):
        raise ModelError(
            f"{path.name} is an adapter, and no model",
            where=str(path / "adapter_config.json"),
            found="changes to the weights of another model",
            allowed="a complete model",
            fix="merge it: model.merge_and_unload().save_pretrained(FOLDER), of peft",
        )


def _no_folder(path: Path, found: str) -> ModelError:
    return ModelError(
        f"there is no folder {path.name} that can be opened",
        where=str(path),
        found=found,
        allowed="a folder as save_pretrained of transformers writes it, or a .gguf file",
        fix="name the folder itself in model.path",
    )


def _json(path: Path, name: str) -> dict[str, Any]:
    fix = "save the model again: model.save_pretrained(FOLDER), and tokenizer.save_pretrained(FOLDER)"
    return parse_json(read_file(path / name, most=MAX_JSON_BYTES, fix=fix), path / name, fix=fix)


def _config(config: dict[str, Any], path: Path) -> dict[str, Any]:
    if not isinstance(config.get("model_type"), str):
        raise ModelError(
            f"{CONFIG} does not say which model it is",
            where=str(path / CONFIG),
            found=f"model_type {config.get('model_type')!r}"[:80],
            allowed="the name of a model of transformers, such as bert",
            fix="save the model again: model.save_pretrained(FOLDER)",
        )
    return checked_config(config, path / CONFIG)


def _tokenizer(path: Path) -> str:
    if not is_there(path, TOKENIZER):
        raise ModelError(
            "the folder has no tokenizer.json",
            where=str(path / TOKENIZER),
            found="nothing, or a tokenizer that is Python code",
            allowed="a fast tokenizer, which is data",
            fix="save it as one: AutoTokenizer.from_pretrained(FOLDER, use_fast=True).save_pretrained(FOLDER)",
        )
    content = read_file(path / TOKENIZER, most=MAX_BYTES)
    return check_tokenizer(content, where=str(path / TOKENIZER), shown=TOKENIZER)


def _sentence_encoder(path: Path, tokenizer: str) -> tuple[tuple[str, ...] | None, dict[str, Any], int | None]:
    """The modules of sentence-transformers by the last part of their class, the pooling, and the longest text.

    Only the names are read; the classes that they name are not.
    """
    if not is_there(path, "modules.json"):
        return None, {}, None
    content = read_file(path / "modules.json", most=MAX_JSON_BYTES)
    listed = parse_json(b'{"modules": ' + content + b"}", path / "modules.json")["modules"]
    fits = isinstance(listed, list) and 1 <= len(listed) <= 8 and all(isinstance(item, dict) for item in listed)
    if not fits or not all(isinstance(item.get(key), str) for item in listed for key in ("type", "path")):
        raise _wrong_modules(path, str(listed)[:160])
    own = (
        "sentence_transformers.models.",
        "sentence_transformers.sentence_transformer.",
        "sentence_transformers.base.",
    )
    if foreign := [item["type"] for item in listed if not item["type"].startswith(own)]:
        raise _wrong_modules(path, ", ".join(foreign)[:160])
    pooling: dict[str, Any] = {}
    for item in listed:
        if item["type"].endswith(".Pooling"):
            if item["path"] in ("", ".", "..") or not re.fullmatch(r"[A-Za-z0-9_.-]+", item["path"]):
                raise _wrong_modules(path, f"the path {item['path'][:80]!r}")
            _check_folder(path / item["path"])
            pooling = _json(path / item["path"], CONFIG)
    settings = _json(path, "sentence_bert_config.json") if is_there(path, "sentence_bert_config.json") else {}
    _refuse_changed_texts(path, settings, tokenizer)
    longest = settings.get("max_seq_length")
    kinds = tuple(item["type"].rpartition(".")[2] for item in listed)
    return kinds, pooling, longest if isinstance(longest, int) and longest > 0 else None


def _refuse_changed_texts(path: Path, settings: Mapping[str, Any], tokenizer: str) -> None:
    """Refuse an encoder that sees other texts than its tokenizer is given: in lower case, or behind a prompt."""
    encode = subwords_of(tokenizer).encode
    lowered = settings.get("do_lower_case") is True and encode(["A B C"]) != encode(["a b c"])
    name = "config_sentence_transformers.json"
    own = _json(path, name) if is_there(path, name) else {}
    prompts, prompt = own.get("prompts"), own.get("default_prompt_name")
    shown = prompts.get(prompt) if isinstance(prompts, dict) and isinstance(prompt, str) else prompt
    if not lowered and not shown:
        return
    raise ModelError(
        "the sentence encoder changes texts before its tokenizer sees them",
        where=str(path / "sentence_bert_config.json") if lowered else str(path / name),
        found="do_lower_case" if lowered else f"default_prompt_name {prompt!r}: {shown!r}"[:160],
        allowed="texts as they stand in the data",
        fix="put a Lowercase normalizer into tokenizer.json, and set do_lower_case to false"
        if lowered
        else "put the prompt in front of each text of the data, and set default_prompt_name to null",
    )


def _wrong_modules(path: Path, found: str) -> ModelError:
    return ModelError(
        "modules.json names other parts than sentence encoders are opened with",
        where=str(path / "modules.json"),
        found=found,
        allowed="Transformer, Pooling and Normalize of sentence-transformers, in folders beside it",
        fix="export the encoder as a whole, with torch.export or to ONNX",
    )


def _weights(path: Path) -> tuple[dict[str, torch.Tensor], Any]:
    """The tensors, and the digests of the files that they are from."""
    if is_there(path, WEIGHTS):
        content = read_file(path / WEIGHTS)
        return parse_tensors(content, path / WEIGHTS), sha256_of(content)
    if is_there(path, INDEX):
        return _sharded(path)
    if is_there(path, PICKLED):
        opened = read_weights(path / PICKLED)
        return opened.tensors, opened.sha256
    raise ModelError(
        f"the folder has no {WEIGHTS}",
        where=str(path),
        found=", ".join(sorted(item.name for item in path.iterdir())[:12]),
        allowed=f"{WEIGHTS}, or {INDEX} with the files that it names",
        fix="save the model again: model.save_pretrained(FOLDER, safe_serialization=True)",
    )


def _sharded(path: Path) -> tuple[dict[str, torch.Tensor], Any]:
    places = _json(path, INDEX).get("weight_map")
    if (
        not isinstance(places, dict)
        or len(places) > MAX_TENSORS
        or not all(isinstance(name, str) for name in places.values())
    ):
        raise _wrong_index(path, "no weight_map of names", "the file of each tensor, by name")
    files = sorted(set(places.values()))
    for name in files:
        if not _PLAIN_NAME.fullmatch(name):
            raise _wrong_index(path, f"the file {name[:80]!r}", "names of .safetensors files in this folder")
    tensors: dict[str, torch.Tensor] = {}
    digests: dict[str, str] = {}
    for file in files:
        content = read_file(path / file)
        found, digests[file] = parse_tensors(content, path / file), sha256_of(content)
        listed = {name for name, place in places.items() if place == file}
        if set(found) != listed:
            other = sorted(set(found) ^ listed)[0]
            raise _wrong_index(path, f"{other[:80]!r}, which only one of them has", f"the tensors of {file}")
        tensors |= found
    return tensors, digests


def _wrong_index(path: Path, found: str, allowed: str) -> ModelError:
    return ModelError(
        f"{INDEX} does not fit the files beside it",
        where=str(path / INDEX),
        found=found,
        allowed=allowed,
        fix="copy the folder again from where it was made",
    )


def _entries(config: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, str, Any]]:
    for key, value in config.items():
        yield where, key, value
        if isinstance(value, Mapping) and len(where) < 200:
            yield from _entries(value, f"{where}{key}.")


def _size_fault(key: str, value: Any) -> tuple[str, str] | None:
    """What is too large, and how large it may be."""
    if isinstance(value, (Mapping, list)) and len(value) > _MOST_ENTRIES:
        return f"{len(value):,} entries", f"at most {_MOST_ENTRIES:,}"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or _ANY_SIZE.search(key):
        return None
    most = _MOST_REPEATED if _REPEATED.search(key) and isinstance(value, int) else _LARGEST
    if key == "num_labels":
        most = _MOST_ENTRIES
    return (f"{value:,}", f"at most {most:,}") if abs(value) > most else None


def _is_dropped(key: str) -> bool:
    return key.startswith("_") or key in _DROPPED


def _without_dropped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_dropped(item) for key, item in value.items() if not _is_dropped(str(key))}
    return value


def _refuse(path: Path, key: str, found: str) -> ModelError:
    what, fix = _REFUSED[key.rpartition(".")[2]]
    return ModelError(
        f"the model {what}", where=f"{path}: {key}", found=found[:160], allowed=f"no {key} in {path.name}", fix=fix
    )
