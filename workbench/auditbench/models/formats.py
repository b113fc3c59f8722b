"""The formats of a model that come with the product, and which keys of `[model]` go with each. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from auditbench.data.stored_outputs import has_own_file
from auditbench.errors import Problem
from auditbench.paths import is_folder_there

if TYPE_CHECKING:
    from pathlib import Path

    from auditbench.config import ModelTable
    from auditbench.data.table import TableSource
    from auditbench.models.architecture import Architecture

Content: TypeAlias = Literal[
    "bundle", "weights", "program", "graph", "keras", "huggingface", "estimator", "callable", "predictions", "endpoint"
]

FORMATS: Mapping[str, Content] = {
    "bundle": "bundle",
    "safetensors": "weights",
    "state-dict": "weights",
    "torchscript": "program",
    "exported": "program",
    "pickle": "program",
    "onnx": "graph",
    "keras": "keras",
    "huggingface": "huggingface",
    "estimator": "estimator",
    "callable": "callable",
    "predictions": "predictions",
    "endpoint": "endpoint",
}
"""By `model.format`: a folder that describes itself, numbers that need a network, a network as code, a graph of
operations, a network or an estimator of another library, a function, columns of the data, or an address."""

EXPORTS: Mapping[str, str] = {"exported": "model.pt2", "onnx": "model.onnx"}
"""The program in the folder of an export, by `model.format`; a model.json beside it describes it, as in a bundle."""

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxruntime", "onnxruntime-gpu"),
    "keras": ("keras", "h5py"),
    "huggingface": ("transformers", "tokenizers", "gguf"),
    "estimator": ("scikit-learn", "skops", "xgboost", "xgboost-cpu", "lightgbm"),
    "endpoint": ("urllib3",),
}
"""Distributions that open or compute a model, by `model.format`, where the product itself does not ask for them; of
those that stand for each other, one is installed."""

USUAL_FUNCTION = "predict"
"""Of the file of a function, where `model.function` names none."""

_OWN: Mapping[str, tuple[Content, ...]] = {
    "architecture": ("weights",),
    "factory": ("weights",),
    "weights_in": ("weights",),
    "function": ("callable",),
    "columns": ("predictions",),
    "parameters": ("weights", "huggingface", "endpoint"),
    "inputs": ("weights", "program", "graph", "keras", "endpoint"),
    "output": ("weights", "program", "graph", "keras", "callable", "predictions", "endpoint"),
    "trust": ("weights", "program", "estimator", "callable"),
}
"""Keys of `[model]` that some formats alone take."""

_CALLED: Mapping[str, str] = {
    **dict.fromkeys(
        ("torch", "pytorch", "pt", "pth", "ckpt", "lightning"),
        "`state-dict` for weights, `pickle` for a module that was saved whole, `exported` or `torchscript` for a program",
    ),
    **dict.fromkeys(("pt2", "torch.export"), "`exported`"),
    **dict.fromkeys(("jit", "torch.jit"), "`torchscript`"),
    **dict.fromkeys(("tensorflow", "tf", "h5", "hdf5"), "`keras`, for files of Keras"),
    **dict.fromkeys(
        ("sklearn", "scikit-learn", "skops", "joblib", "pkl", "xgboost", "xgb", "lightgbm", "lgbm"), "`estimator`"
    ),
    **dict.fromkeys(("transformers", "hf", "gguf"), "`huggingface`"),
    **dict.fromkeys(("python", "function"), "`callable`"),
    **dict.fromkeys(("http", "https", "rest", "api", "kserve", "triton", "mlserver"), "`endpoint`"),
    **dict.fromkeys(("csv", "parquet"), "`predictions`, for outputs that stand in columns"),
}
_OF_DESCRIPTION = ("output", "inputs")
_SAID_BY: Mapping[Content, str] = {
    "bundle": "a bundle says this itself",
    "program": "a program is the network itself",
    "graph": "a graph is the network itself",
    "keras": "the file is the network itself",
    "huggingface": "the folder says this itself",
    "estimator": "the file says this itself, and gets the columns as they are",
    "callable": "the function gets the columns as they are",
    "predictions": "nothing is computed from the columns",
    "endpoint": "the model is behind the address",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """What a loader of the product is asked for.

    Attributes:
        path: File or folder of the model.
        base: Folder that `table.factory` is relative to.
        source: The data, which say what the inputs and the classes are where the file does not.
        architectures: By name.
    """

    path: Path
    base: Path
    table: ModelTable
    source: TableSource
    device: str
    architectures: Mapping[str, Architecture]


def usual_format(name: str) -> str:
    """A suggestion for what is usually called so and is opened by another name here; empty for anything else."""
    meant = _CALLED.get(name.lower())
    return f"name {meant}" if meant else ""


def takes_trust(form: object) -> bool:
    """Whether opening a model of this format may run code, so that it may name trusted files."""
    return isinstance(form, str) and (form not in FORMATS or FORMATS[form] in _OWN["trust"])


def takes_encoded_rows(form: str) -> bool:
    """Whether a model of this format was made elsewhere and gets the columns of a table as the product encodes them."""
    return FORMATS.get(form) in ("weights", "program", "graph", "keras")


def is_file(table: ModelTable) -> bool:
    """Whether `model.path` names a file or folder, and not an address or nothing."""
    content = FORMATS.get(getattr(table, "format", ""))
    return has_own_file(table) if content == "predictions" else content != "endpoint"


def describes_itself(table: ModelTable, base: Path) -> bool:
    """Whether the model is the folder of an export, which says itself what it takes and gives.

    Args:
        base: Folder that paths start from.
    """
    return getattr(table, "format", "") in EXPORTS and is_folder_there(base / getattr(table, "path", ""))


def program_file(table: ModelTable, path: Path) -> Path:
    """The file of a program or graph: the model's path, or in the folder of an export the file named for its format."""
    return path / EXPORTS[table.format] if table.format in EXPORTS and is_folder_there(path) else path


def factory_parts(factory: str) -> tuple[str, str]:
    """File and function of `file.py:function`."""
    file, _, function = factory.rpartition(":")
    return file, function


def key_problems(
    table: ModelTable, *, trains: bool, unread: Collection[str] = (), described: bool = False
) -> Iterator[Problem]:
    """Keys of `[model]` that do not go with its format or its task, and those that are missing.

    Args:
        trains: Whether there is a `[train]` table.
        unread: Keys that are there and could not be read; nothing is said about them.
        described: Whether the model is the folder of an export.
    """
    content = None if "format" in unread else FORMATS.get(table.format)
    if content is None:
        return
    if trains and content != "bundle":
        yield Problem(
            message="training makes a bundle, and the model is of another format",
            where="train",
            found=f'model.format = "{table.format}"',
            fix='remove [train] to audit the model that is there, or set model.format = "bundle"',
        )
    yield from _superfluous(table, content, described=described)
    if content == "weights" and not {"architecture", "factory"} & set(unread):
        yield from _network_problems(table)
    if content == "predictions" and not table.columns and "columns" not in unread:
        yield _no_columns()
    if content in _OWN["output"] and not described and not {"output", "task"} & set(unread):
        yield from _output_problems(table)


def _superfluous(table: ModelTable, content: Content, *, described: bool) -> Iterator[Problem]:
    superfluous = [key for key, contents in _OWN.items() if content not in contents]
    for key in (*superfluous, *(_OF_DESCRIPTION if described else ())):
        if value := getattr(table, key):
            said = (
                "the model.json of the export says this" if key in _OF_DESCRIPTION and described else _SAID_BY[content]
            )
            yield Problem(
                message=f'this key does not go with model.format = "{table.format}"',
                where=f"model.{key}",
                found=_in_words(value)[:80],
                fix=f"remove it: {said}"
                if key != "trust"
                else "remove it, or --trust-model: a model of this format runs no code of its own",
            )


def _in_words(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(dict(value) if isinstance(value, Mapping) else value)


def _no_columns() -> Problem:
    return Problem(
        message="predictions without a model stand in columns, and none is named",
        where="model.columns",
        found="nothing",
        allowed="one column for regression; one a class otherwise, in the order of data.classes, or for binary classification "
        "that of the positive class alone",
        fix='set model.columns = ["NAME"]',
    )


def _network_problems(table: ModelTable) -> Iterator[Problem]:
    if (table.architecture is None) == (table.factory is None):
        named = [name for name in ("architecture", "factory") if getattr(table, name) is not None]
        yield Problem(
            message="weights need exactly one network to be put into",
            where=f"model.{named[-1] if named else 'architecture'}",
            found="both `architecture` and `factory`" if named else "neither `architecture` nor `factory`",
            allowed="one of the two",
            fix="keep the one that made the weights"
            if named
            else 'set model.architecture, such as "mlp", with model.parameters, or model.factory = "file.py:function"',
        )


def _output_problems(table: ModelTable) -> Iterator[Problem]:
    task = getattr(table, "task", None)
    allowed = {
        "binary-classification": ("logit", "probability"),
        "multiclass-classification": ("logit", "probability"),
        "next-token": ("logit", "probability"),
        "regression": ("value",),
    }.get(str(task), ())
    if table.output is None:
        yield Problem(
            message="this key is missing",
            where="model.output",
            found="nothing",
            allowed=", ".join(allowed) or "logit, probability, value",
            fix="say what the model gives; it is never guessed",
        )
    elif allowed and table.output not in allowed:
        yield Problem(
            message=f"the declared output does not fit {task}",
            where="model.output",
            found=table.output,
            allowed=", ".join(allowed),
            fix="say what the model gives; it is never guessed",
        )
