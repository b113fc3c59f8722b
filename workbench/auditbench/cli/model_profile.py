"""What a model is, for a first configuration: told from its folder, its content or its address; nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auditbench.cli.estimator_profile import EstimatorProfile, profile_estimator
from auditbench.errors import ModelError, Problem
from auditbench.models.endpoint.address import parse_address
from auditbench.models.formats import EXPORTS
from auditbench.models.opening.checkpoints import WEIGHT_KEYS
from auditbench.models.opening.content import ESTIMATORS, Content, format_of, look_into_whole
from auditbench.models.opening.files import parse_json, read_file, refusing, sha256_of
from auditbench.models.opening.incomplete import incomplete_pickle
from auditbench.models.opening.last_operation import scale_by_last_operation
from auditbench.models.opening.limits import MAX_JSON_BYTES, MAX_SOURCE_BYTES
from auditbench.models.opening.safetensors_header import header_shapes
from auditbench.models.opening.scanning import Scan, scan
from auditbench.models.opening.state_dicts import read_layout
from auditbench.run import Task
from auditbench.safe_text import safe_text

_OF_ESTIMATORS = ("sklearn", "xgboost", "lightgbm", "imblearn")
"""Packages whose classes a pickled estimator is made of."""

_PREDICTING = ("predict", "predict_proba", "score")
"""Names of the functions of a file that are taken before others."""

_RUNS_CODE = frozenset({"torchscript", "exported", "pickle", "callable"})
_SUPPORTED = (
    "the folder of a bundle, an export or a Hugging Face model; a file of PyTorch, ONNX, Keras, skops, XGBoost, LightGBM or "
    "scikit-learn; a Python file with a function; an address that begins with http"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """What was found.

    Attributes:
        form: `model.format`.
        what: What it is, in words.
        task: Where the model says it.
        output: What it gives, where its file shows it; empty where nobody can tell.
        sha256: Of a file whose code would run, for `model.trust`; empty for any other.
        function: Of a Python file, the function that predicts.
        shapes: Of a file of weights, the shape of each tensor by its name; of several sets, those under a key of trainers.
        sets: Of weights, where several sets have these shapes, as `model.weights_in` names them.
        estimator: Of an estimator that is not pickled, what its file says.
    """

    form: str
    what: str
    task: Task | None = None
    output: str = ""
    sha256: str = ""
    function: str = ""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    sets: tuple[str, ...] = ()
    estimator: EstimatorProfile | None = None


def profile_model(place: Path) -> ModelProfile:
    """What a file or a folder is.

    Raises:
        ModelError: It is no model of a format that can be opened, or cannot be read.
    """
    return _folder(place) if place.is_dir() else _file(place)


def profile_address(address: str) -> ModelProfile:
    """What an address is: that of a model behind a server of the Open Inference Protocol.

    Raises:
        ModelError: It is no such address, or holds what may be a secret, which is not repeated.
    """
    found = parse_address(address, where="--model")
    if isinstance(found, Problem):
        raise ModelError(found.message, problems=(found,))
    return ModelProfile(form="endpoint", what=f"a model behind {safe_text(address)}")


def _folder(place: Path) -> ModelProfile:
    names = {item.name for item in place.iterdir()}
    if "model.json" in names:
        return _described(place, names)
    if "config.json" in names:
        return _hugging_face(place)
    if any(name.endswith(".gguf") for name in names):
        return ModelProfile(form="huggingface", what="a GGUF file of a language model", task="next-token")
    if "saved_model.pb" in names:
        raise ModelError(
            "this folder is a SavedModel of TensorFlow",
            where="--model",
            found=str(place),
            allowed=_SUPPORTED,
            fix="save the model as .keras, or export it to ONNX, where TensorFlow is installed",
        )
    raise ModelError(
        "this folder holds no model that is known",
        where="--model",
        found=", ".join(sorted(names)[:8]) or "an empty folder",
        allowed=_SUPPORTED,
        fix="name the file of the model itself",
    )


def _described(place: Path, names: set[str]) -> ModelProfile:
    form = next((form for form, file in EXPORTS.items() if file in names), "bundle")
    document = parse_json(read_file(place / "model.json", most=MAX_JSON_BYTES), place / "model.json")
    task = document.get("task")
    digest = sha256_of(read_file(place / EXPORTS[form])) if form in _RUNS_CODE else ""
    what = "a bundle" if form == "bundle" else f"an export of a bundle, {EXPORTS[form]}"
    return ModelProfile(form=form, what=what, task=_task(task), output="described", sha256=digest)


def _hugging_face(place: Path) -> ModelProfile:
    document = parse_json(read_file(place / "config.json", most=MAX_JSON_BYTES), place / "config.json")
    named = document.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else str(document.get("model_type", "model"))
    task: Task | None = None
    if architecture.endswith(("ForCausalLM", "LMHeadModel")):
        task = "next-token"
    elif architecture.endswith("ForSequenceClassification"):
        task = _classification(document)
    return ModelProfile(form="huggingface", what=f"a Hugging Face folder, {safe_text(architecture)}", task=task)


def _classification(document: Mapping[str, Any]) -> Task:
    labels = document.get("id2label")
    count = len(labels) if isinstance(labels, dict) else 2
    if document.get("problem_type") == "regression" or count == 1:
        return "regression"
    return "binary-classification" if count == 2 else "multiclass-classification"


def _file(place: Path) -> ModelProfile:
    if place.suffix == ".py":
        return _source(place)
    content = read_file(place, fix="name the file of the model itself")
    with refusing(place):
        looked = look_into_whole(content)
        sets = _sets(content, looked)
        estimator = profile_estimator(content, looked.kind) if looked.kind in ESTIMATORS else None
    kind = looked.kind
    form = "huggingface" if kind == "gguf" else format_of(kind)
    if kind in ("pickle", "compressed"):
        found = scan(place)
        _refuse_incomplete(found, content, place)
        if package := _pickled_package(found):
            return ModelProfile(form="estimator", what=f"an estimator of {package}, pickled", sha256=found.sha256)
    if not form:
        raise ModelError(
            "this file is no model that is known",
            where="--model",
            found=f"{place.name}: {kind}, by its content",
            allowed=_SUPPORTED,
            fix="export the model to ONNX or safetensors with the library that made it",
        )
    return ModelProfile(
        form=form,
        what=f"{kind}, by its content",
        task="next-token" if kind == "gguf" else None,
        output=scale_by_last_operation(content, kind),
        sha256=sha256_of(content) if form in _RUNS_CODE else "",
        shapes=next(iter(sets.values()), {}),
        sets=tuple(sets) if len(sets) > 1 and all(sets) else (),
        estimator=estimator,
    )


def _sets(content: bytes, looked: Content) -> Mapping[str, Mapping[str, tuple[int, ...]]]:
    """Shapes of weights by their place: those under a key of trainers, and others beside them with the same shapes."""
    if looked.kind == "safetensors":
        return {"": header_shapes(content)}
    if looked.kind != "state-dict":
        return {}
    places = {
        place: {name: view.size for name, view in views.items()}
        for place, views in read_layout(content, looked.walks).places.items()
    }
    first = next((name for name in WEIGHT_KEYS if name in places), next(iter(places)))
    return {place: shapes for place, shapes in places.items() if shapes == places[first]}


def _refuse_incomplete(found: Scan, content: bytes, place: Path) -> None:
    """Refuse a pickle that was cut off, and what is compressed and cannot be unpacked.

    Raises:
        ModelError: With what is missing.
    """
    part = next((part for part in found.parts if part.not_seen), None)
    if part is None or content.startswith(b"PK"):
        return
    if part.kind == "compressed":
        raise ModelError(
            f"{place.name} cannot be unpacked",
            where="--model",
            found=part.not_seen,
            allowed="a complete file of gzip, zlib, bzip2 or xz, as joblib writes them",
            fix="copy the file again from where it was made, or save the model again without compression",
        )
    with refusing(place):
        if found.kind == "pickle" and (damage := incomplete_pickle(content, part.not_seen)):
            raise damage


def _pickled_package(found: Scan) -> str:
    """The package of the estimator that a pickle holds, by the names that it would import; empty for any other."""
    packages = {item.name.partition(".")[0] for part in found.parts for item in part.imports}
    return next((package for package in _OF_ESTIMATORS if package in packages), "")


def _source(place: Path) -> ModelProfile:
    content = read_file(place, most=MAX_SOURCE_BYTES)
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(
            "this file is no Python source",
            where="--model",
            found=f"{place.name}: {error}"[:160],
            allowed="a file with a function that predicts",
        ) from error
    functions = [item.name for item in tree.body if isinstance(item, ast.FunctionDef) and _may_predict(item)]
    if not functions:
        raise ModelError(
            "this file has no function that could predict",
            where="--model",
            found=place.name,
            allowed="a function at the top of the file, which gets the rows and gives the outputs",
            fix="add one, such as `def predict(rows): ...`",
        )
    function = next((name for name in _PREDICTING if name in functions), functions[0])
    return ModelProfile(
        form="callable", what=f"the function {function}() of {place.name}", sha256=sha256_of(content), function=function
    )


def _may_predict(function: ast.FunctionDef) -> bool:
    return not function.name.startswith("_") and bool(function.args.posonlyargs or function.args.args)


def _task(named: Any) -> Task | None:
    known: Mapping[str, Task] = {
        "binary-classification": "binary-classification",
        "multiclass-classification": "multiclass-classification",
        "regression": "regression",
        "next-token": "next-token",
    }
    return known.get(str(named))
