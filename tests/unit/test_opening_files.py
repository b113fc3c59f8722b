"""What a file is, its content says; what a pickle would import, its instructions say."""

from __future__ import annotations

import bz2
import collections
import gzip
import lzma
import os
import pickle
import sys
import zipfile
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auditbench.errors import ModelError, UntrustedModelError
from auditbench.models.opening import (
    content_kind,
    load_factory,
    open_program,
    read_weights,
    sha256_of,
)
from auditbench.models.opening.allowed import is_plain
from auditbench.models.opening.pickle_values import Import
from auditbench.models.opening.pickles import walk
from tests.model_files import WEIGHTS, Acting, array, exported, saved, scripted, tarred, zipped

TYPED = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
# torch writes these without a typed storage, and does not open what it wrote of them in its older form.
UNTYPED = [
    "uint16",
    "uint32",
    "uint64",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
]
FORMS = [(name, legacy) for legacy in (False, True) for name in (*TYPED, *([] if legacy else UNTYPED))]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)
MODULE = torch.nn.Linear(2, 1)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (safetensors.torch.save(WEIGHTS), "safetensors"),
        (saved(WEIGHTS), "state-dict"),
        (saved(WEIGHTS, legacy=True), "state-dict"),
        (saved(MODULE), "pickle"),
        (scripted(), "torchscript"),
        (exported(), "exported"),
        *((pickle.dumps(Acting(), protocol), "pickle") for protocol in range(6)),
        (array(np.arange(3)), "numpy"),
        (zipped(a_npy=array(np.arange(3))), "numpy-archive"),
        (gzip.compress(b"x", mtime=0), "compressed"),
        (bz2.compress(b"x"), "compressed"),
        (lzma.compress(b"x"), "compressed"),
        (zlib.compress(b"x"), "compressed"),
        (b"\x04\x22\x4d\x18" + b"0" * 20, "compressed"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 40, "hdf5"),
        (b"GGUF\3\0\0\0", "gguf"),
        (b"\x08\x09\x12\x07pytorch", "onnx"),
        (zipped(config_json=b"{}", metadata_json=b"{}", model_weights_h5=b"\x89HDF"), "keras"),
        (zipped(a_txt=b"a"), "zip"),
        (tarred(), "tar"),
        (b"7z\xbc\xaf\x27\x1c\0", "7z"),
        (b'{"a": 1}', "json"),
        (b"import torch\n", "text"),
        (b"<!DOCTYPE html><p>", "html"),
        (b"", "empty"),
        (b"\xff\xfe\0\1", "unknown"),
        (pickle.dumps(1) + saved(WEIGHTS), "polyglot"),
        (safetensors.torch.save(WEIGHTS) + saved(WEIGHTS), "polyglot"),
    ],
)
def test_content_decides(content: bytes, kind: str) -> None:
    assert content_kind(content) == kind


@given(VALUES, st.integers(0, 5))
def test_a_pickle_of_plain_values_imports_nothing_that_acts(value: Any, protocol: int) -> None:
    content = pickle.dumps(value, protocol)
    found = walk(content)
    assert (found.fault, found.end, found.opaque) == ("", len(content), False)
    assert {item.full for item in found.imports} <= {"_codecs.encode", "__builtin__.bytes", "builtins.bytes"}


@given(st.sampled_from([os.getcwd, eval, collections.ChainMap, torch.load, zlib.compress]), st.integers(0, 5))
def test_any_import_outside_the_list_is_refused(function: Any, protocol: int) -> None:
    content = pickle.dumps({"a": [function]}, protocol)
    found = walk(content)
    assert found.imports
    assert not is_plain(found)


def test_names_from_the_memo_are_seen() -> None:
    content = b"\x80\x04\x8c\x02os\x94\x8c\x06getcwd\x940h\x00h\x01\x93)R."
    assert walk(content).imports == {Import("os", "getcwd"): True}


@pytest.mark.parametrize(("name", "legacy"), FORMS)
def test_state_dicts_of_every_dtype_open_bit_equal(name: str, legacy: bool, tmp_path: Path) -> None:
    dtype = getattr(torch, name)
    tensor = torch.arange(64, dtype=torch.uint8).view(dtype) if dtype != torch.bool else torch.tensor([True, False])
    path = tmp_path / "weights"
    path.write_bytes(saved({"epoch": 3, "state_dict": {"a": tensor, "b": tensor[:2]}}, legacy=legacy))
    opened = read_weights(path)
    assert (opened.kind, opened.taken, opened.left) == ("state-dict", "state_dict", ("epoch",))
    assert opened.sha256 == sha256_of(path.read_bytes())
    for key, expected in (("a", tensor), ("b", tensor[:2])):
        found = opened.tensors[key]
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert torch.equal(found.contiguous().view(torch.uint8), expected.contiguous().view(torch.uint8))


@settings(max_examples=40, deadline=None)
@given(shapes=st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=1, max_size=4), legacy=st.booleans())
def test_weights_of_any_shape_open_equal(
    shapes: list[list[int]], legacy: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tensors = {str(index): torch.rand(shape) for index, shape in enumerate(shapes)}
    path = tmp_path_factory.mktemp("weights") / "w"
    for content in (saved(tensors, legacy=legacy), safetensors.torch.save(tensors)):
        path.write_bytes(content)
        found = read_weights(path).tensors
        assert {name: tensor.tolist() for name, tensor in found.items()} == {k: v.tolist() for k, v in tensors.items()}


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w"
    for content in (saved(WEIGHTS), saved(WEIGHTS, legacy=True), safetensors.torch.save(WEIGHTS)):
        for length in range(0, len(content), 37):
            path.write_bytes(content[:length])
            with pytest.raises(ModelError):
                read_weights(path)


@pytest.mark.parametrize(
    ("content", "kind"), [(scripted(), "torchscript"), (exported(), "exported"), (saved(MODULE), "pickle")]
)
def test_programs_open_only_when_these_bytes_are_trusted(content: bytes, kind: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)
    sha256 = sha256_of(content)
    for trust in ((), ("0" * 64,)):
        with pytest.raises(UntrustedModelError) as caught:
            open_program(path, kind, trust=trust, device="cpu")
        assert sha256 in caught.value.describe()
    with pytest.raises(UntrustedModelError):
        read_weights(path)
    opened = open_program(path, kind, trust=(sha256.upper(),), device="cpu")
    assert opened.sha256 == sha256
    assert opened.module(torch.zeros(3, 2)).shape == (3, 1)


class Evaluated:
    """Pickled, it is the expression that runs when it is opened."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("1",)


@pytest.mark.parametrize("where", ["pickle", "exported"])
def test_a_file_that_calls_what_does_harm_is_offered_no_way_on(where: str, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(saved(Evaluated()))
    if where == "exported":
        path.write_bytes(exported())
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{archive.namelist()[0].partition('/')[0]}/data/constants/more", saved(Evaluated()))
    kind: Any = where
    for call in (lambda: open_program(path, kind, trust=(), device="cpu"), lambda: read_weights(path)):
        with pytest.raises(UntrustedModelError) as caught:
            call()
        text = caught.value.describe()
        assert text.startswith("AB303")
        assert "makes dangerous calls: __builtin__.eval\n" in text
        assert "fix: do not open it" in text
        assert "--trust-model" not in text
    path.write_bytes(exported() if where == "exported" else saved(MODULE))
    with pytest.raises(UntrustedModelError) as caught:
        open_program(path, kind, trust=(), device="cpu")
    assert f"--trust-model {sha256_of(path.read_bytes())}" in caught.value.describe()


def refused_pickle(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        open_program(path, "pickle", trust=(sha256_of(path.read_bytes()),), device="cpu")
    return caught.value.describe()


@pytest.mark.parametrize("module", ["lost_network", "lost_package.networks", "__main__"])
def test_a_class_that_cannot_be_imported_is_named_with_what_to_do(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    made_up = {"__main__": (), "lost_network": (module,)}.get(module, ("lost_package", module))
    made = type("Net", (torch.nn.Linear,), {"__module__": module})
    with monkeypatch.context() as while_saving:
        for name in made_up:
            while_saving.setitem(sys.modules, name, ModuleType(name))
        while_saving.setattr(sys.modules[module], "Net", made, raising=False)
        path.write_bytes(saved(made(2, 1)))
    text = refused_pickle(path)
    assert f"model needs {module}.Net, which cannot be" in text
    assert "on PYTHONPATH" in text
    assert "name model.factory" in text
    assert ("move the class into a module and save the model again" in text) == (module == "__main__")
    assert ("No module named" in text) == (module != "__main__")
    assert "made by a version of torch" not in text
    for name in made_up:  # the module is there, and the class is not in it
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert f"model needs {module}.Net, which cannot be" in refused_pickle(path)


def test_what_a_class_of_the_file_raises_is_no_missing_class(tmp_path: Path) -> None:
    path = tmp_path / "model"
    content = saved(MODULE)
    path.write_bytes(saved(Refusing()))
    assert "AttributeError: lens cap" in refused_pickle(path)
    path.write_bytes(content)
    assert open_program(path, "pickle", trust=(sha256_of(content),), device="cpu").module(torch.zeros(1, 2)).numel()


class Refusing(torch.nn.Linear):
    """A module whose state cannot be set again."""

    def __init__(self) -> None:
        super().__init__(2, 1)

    def __setstate__(self, state: Any) -> None:
        raise AttributeError("lens cap")


def test_a_factory_runs_exactly_the_bytes_that_were_trusted(tmp_path: Path) -> None:
    path = tmp_path / "factory.py"
    path.write_text("def make():\n    return __file__\n")
    sha256 = sha256_of(path.read_bytes())
    with pytest.raises(UntrustedModelError):
        load_factory(path, "make", trust=())
    made, found = load_factory(path, "make", trust=(sha256,))
    assert (made(), found) == (str(path), sha256)
    with pytest.raises(ModelError, match="no function 'other'"):
        load_factory(path, "other", trust=(sha256,))
