"""Bundles whose description lies, or whose files are not what a bundle holds."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.containers import archived
from tests.hostile.opcodes import stream
from tests.hostile.payloads import os_system
from tests.hostile.record import Builder, HostileModel, good_safetensors, good_weights

GOOD: dict[str, Any] = {
    "schema": 2,
    "architecture": "linear",
    "parameters": {},
    "task": "binary-classification",
    "classes": ["no", "yes"],
    "target": "label",
    "output": "logit",
    "scaling": {"mean": 0.0, "scale": 1.0},
    "inputs": {
        "features": {
            "modality": "tabular",
            "features": [{"name": name, "kind": "number", "start": i, "stop": i + 1} for i, name in enumerate("abc")],
        }
    },
    "training": None,
}
DESCRIPTION, WEIGHTS, COST = "model.json", "model.safetensors", "training.json"


def good_bundle(folder: Path) -> Path:
    """A bundle that opens."""
    return bundle(folder, json.dumps(GOOD).encode(), good_safetensors())


def bundle(folder: Path, description: bytes, weights: bytes) -> Path:
    """A folder with these two files."""
    path = folder / "model"
    path.mkdir()
    (path / DESCRIPTION).write_bytes(description)
    (path / WEIGHTS).write_bytes(weights)
    return path


def _described(description: Callable[[], bytes]) -> Builder:
    return lambda folder, _marker: bundle(folder, description(), good_safetensors())


def _changed(**changes: Any) -> Builder:
    return _described(lambda: json.dumps({**copy.deepcopy(GOOD), **changes}).encode())


def _features(**changes: Any) -> Builder:
    inputs = copy.deepcopy(GOOD["inputs"])
    inputs["features"]["features"][0].update(changes)
    return _changed(inputs=inputs)


def _input(architecture: str, **item: Any) -> Builder:
    return _changed(architecture=architecture, inputs={"input": item})


def _weights(content: Callable[[], bytes]) -> Builder:
    return lambda folder, _marker: bundle(folder, json.dumps(GOOD).encode(), content())


def _payload(container: Callable[[bytes], bytes]) -> Builder:
    return lambda folder, marker: bundle(folder, json.dumps(GOOD).encode(), container(os_system(marker)))


def _pickled_description(folder: Path, marker: Path) -> Path:
    return bundle(folder, stream(os_system(marker)), good_safetensors())


def _linked(name: str) -> Builder:
    def build(folder: Path, _marker: Path) -> Path:
        path = good_bundle(folder)
        (path / name).rename(folder / name)
        (path / name).symlink_to(folder / name)
        return path

    return build


def _renamed_weights() -> bytes:
    """The good numbers under names that would act on a terminal."""
    import safetensors.torch

    weights = good_weights()
    return safetensors.torch.save(
        {
            "\x1b[31m0.weight\x1b[2J": weights["0.weight"],
            "\u202e0.bias\r\n::error::passed\nAB000 passed": weights["0.bias"],
        }
    )


def _not_finite() -> bytes:
    content = good_safetensors()
    return content[:-4] + struct.pack("<f", float("nan"))


def _cost(text: str) -> Builder:
    def build(folder: Path, _marker: Path) -> Path:
        path = good_bundle(folder)
        (path / COST).write_text(text)
        return path

    return build


def _record(name: str, build: Builder, *says: str) -> HostileModel:
    return HostileModel(name=f"bundle-{name}", pretends="bundle", build=build, says=says, harmless_pickle=True)


_TEXT = json.dumps(GOOD)

DESCRIPTIONS: tuple[HostileModel, ...] = (
    _record("with-nan", _described(lambda: _TEXT.replace('"scale": 1.0', '"scale": NaN').encode()), "NaN"),
    _record("with-infinity", _described(lambda: _TEXT.replace('"scale": 1.0', '"scale": 1e999').encode()), "1e999"),
    _record("scale-of-zero", _changed(scaling={"mean": 0.0, "scale": 0.0}), "scaling.scale"),
    _record("nested", _described(lambda: b'{"schema":' + b"[" * 10_000_000 + b"]" * 10_000_000 + b"}"), DESCRIPTION),
    _record("of-65-mib", _described(lambda: b'{"schema":"' + b"x" * (65 * 2**20) + b'"}'), "too large"),
    _record(
        "of-five-million-lists", _described(lambda: b'{"schema":[' + b"[]," * 5_000_000 + b"1]}"), DESCRIPTION, "lists"
    ),
    _record("cost-of-400-digits", _cost('{"seconds": 1' + "0" * 400 + "}"), COST, "too large"),
    _record("cost-without-end", _cost('{"seconds": 1e999}'), COST, "1e999"),
    _record("with-a-key-twice", _described(lambda: _TEXT[:-1].encode() + b', "task": "regression"}'), "task"),
    _record("with-an-unknown-key", _changed(code="import os"), "code"),
    _record("with-a-number-of-a-million-digits", _described(lambda: b'{"schema":' + b"9" * 10**6 + b"}"), DESCRIPTION),
    _record(
        "not-utf-8", _described(lambda: _TEXT.replace("label", "l\udcffbel").encode("utf-8", "surrogateescape")), "utf"
    ),
    _record("of-a-later-schema", _changed(schema=3), "schema 3"),
    _record("classes-three-for-two", _changed(classes=["a", "b", "c"]), "classes"),
    _record("classes-equal", _changed(classes=["a", "a"]), "classes"),
    _record("classes-a-million", _changed(classes=[str(i) for i in range(1_000_000)]), "classes"),
    _record(
        "multiclass-of-a-million",
        _changed(task="multiclass-classification", classes=[str(i) for i in range(10**6)]),
        "task",
    ),
    _record("sizes-of-10-to-the-9", _changed(architecture="mlp", parameters={"hidden": [10**9]}), "hidden", "16384"),
    _record("layers-of-16384", _changed(architecture="mlp", parameters={"hidden": [16_384] * 16}), "0.weight"),
    _record("a-hundred-thousand-layers", _changed(architecture="mlp", parameters={"hidden": [1] * 10**5}), "hidden"),
    _record("architecture-with-a-path", _changed(architecture="../../evil:build"), "architecture", "linear"),
    _record("features-that-overlap", _features(start=1), "features"),
    _record("features-2-to-the-62-wide", _features(stop=2**62), "features"),
    _record("features-with-the-name-of-another", _features(name="b"), "each name once"),
    _record("features-none", _input("linear", modality="tabular", features=[]), "features"),
    _record("inputs-none", _changed(inputs={}), "inputs"),
    _record("inputs-of-no-kind", _input("linear", modality="smell"), "inputs"),
    _record(
        "image-2-to-the-31-high",
        _input("cnn", modality="image", channels=1, height=2**31, width=2**31, mean=[0.0], scale=[1.0]),
        "sizes",
    ),
    _record(
        "image-of-no-height",
        _input("cnn", modality="image", channels=1, height=0, width=8, mean=[0.0], scale=[1.0]),
        "size",
    ),
    _record(
        "image-with-another-mean",
        _input("cnn", modality="image", channels=1, height=8, width=8, mean=[0.0] * 10**5, scale=[1.0]),
        "mean",
    ),
    _record(
        "text-of-10-to-the-12", _input("rnn", modality="text", unit="words", vocabulary=["a"], length=10**12), "sizes"
    ),
    _record(
        "text-with-a-token-twice",
        _input("rnn", modality="text", unit="words", vocabulary=["a", "a"], length=4),
        "token",
    ),
    _record(
        "series-with-a-scale-of-0",
        _input("cnn1d", modality="series", channels=["a"], steps=9, mean=[0.0], scale=[0.0]),
        "scale",
    ),
    _record(
        "image-as-bright-as-0",
        _input("cnn", modality="image", channels=1, height=8, width=8, largest=0.0, mean=[0.0], scale=[1.0]),
        "brightness",
    ),
    _record(
        "image-with-a-mean-beyond-float32",
        _input("cnn", modality="image", channels=1, height=8, width=8, mean=[1e300], scale=[1.0]),
        "mean",
    ),
    _record(
        "tokens-in-another-order-than-the-classes",
        _changed(
            architecture="decoder",
            task="next-token",
            classes=["b", "a"],
            inputs={"text": {"modality": "text", "unit": "words", "vocabulary": ["a", "b"], "length": 4}},
        ),
        "classes",
    ),
    _record(
        "tokens-of-two-texts",
        _changed(
            architecture="joined",
            task="next-token",
            classes=["a", "b"],
            inputs={
                name: {"modality": "text", "unit": "words", "vocabulary": ["a", "b"], "length": 4} for name in "xy"
            },
        ),
        "classes",
    ),
    *(
        _record(f"feature-with-a-{key}-of-{value:g}", _features(**{key: value}), key)
        for key, value in (("mean", 1e39), ("fill", -1e300), ("scale", 1e39), ("scale", -1e-300))
    ),
    _record("weights-are-a-pickle", _payload(stream), WEIGHTS, "header"),
    _record("weights-are-an-archive", _payload(archived), WEIGHTS, "header"),
    _record("description-is-a-pickle", _pickled_description, DESCRIPTION),
    _record("weights-with-names-that-act", _weights(_renamed_weights), "0.weight"),
    _record("weights-not-finite", _weights(_not_finite), "not finite"),
    _record("weights-are-a-link", _linked(WEIGHTS), "a symbolic link"),
    _record("description-is-a-link", _linked(DESCRIPTION), "a symbolic link"),
)
