"""`model.json`: what a bundle says about its weights, and whether it is consistent."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.data.subwords import subwords_of
from auditbench.data.tokenizer_files import check_tokenizer
from auditbench.errors import DataError, ModelError, Problem
from auditbench.record import plain
from auditbench.run import OutputScale, Task, TrainingFacts

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import TypeAdapter

SCHEMA_VERSION = 2
MOST_NUMBERS = 2**28
"""Of one encoded row: 1 GiB in float32."""
_LARGEST, _SMALLEST = 3.4028234663852886e38, 1.1754943508222875e-38
_FLOAT32 = "within float32, in which rows are encoded"
_AGAIN = "train the model again: auditbench train CONFIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputScaling:
    """From what the network gives to the unit of the target: `network * scale + mean`."""

    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleDescription:
    """The content of model.json.

    Attributes:
        parameters: Of the architecture.
        classes: By index, the negative class first in binary classification; empty for regression.
        output: Declared scale of the outputs.
        inputs: What the network takes, by name.
        training: How the weights came about; None when another program made them.
    """

    schema: int = SCHEMA_VERSION
    architecture: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    task: Task
    classes: tuple[str, ...] = ()
    target: str
    output: OutputScale
    scaling: OutputScaling = field(default_factory=OutputScaling)
    inputs: Mapping[str, ModelInput]
    training: TrainingFacts | None = None


def output_count(task: Task, classes: tuple[str, ...]) -> int:
    """Outputs of a model: one for binary classification and regression, one a class otherwise."""
    return 1 if task in ("binary-classification", "regression") else len(classes)


def target_names(task: Task, classes: tuple[str, ...], target: str) -> tuple[str, ...]:
    """One name an output: the positive class, the classes, or the target's name."""
    if task == "regression":
        return (target,)
    return classes[1:] if task == "binary-classification" else classes


def canonical(description: BundleDescription) -> bytes:
    """The bytes of model.json: keys sorted, no blanks, floats so that they read back equal."""
    document = plain(description)
    for item in document["inputs"].values():
        if not item.get("tokenizer", True):
            del item["tokenizer"]  # as bundles without one always had it
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def read_description(document: dict[str, Any], path: Path) -> BundleDescription:
    """Check a parsed model.json.

    Raises:
        ModelError: It is of a later schema, does not follow the schema, or contradicts itself.
    """
    from pydantic import ValidationError

    version = document.get("schema")
    if version != SCHEMA_VERSION:
        raise ModelError(
            f"{path.name} is of a schema that this version does not read",
            where=str(path),
            found=f"schema {version!r}",
            allowed=f"schema {SCHEMA_VERSION}",
            fix=f"install the version of auditbench that wrote it, or {_AGAIN}",
        )
    known = [field.name for field in dataclasses.fields(BundleDescription)]
    if unknown := sorted(set(document) - set(known)):
        raise ModelError(
            f"{path.name} has keys that a bundle does not have",
            where=str(path),
            found=", ".join(unknown)[:160],
            allowed=", ".join(known),
            fix=_AGAIN,
        )
    try:
        description = _adapter().validate_json(json.dumps(document))
    except ValidationError as error:
        problems = tuple(
            Problem(
                message=item["msg"],
                where=".".join([path.name, *(str(part) for part in item["loc"])]),
                found=repr(item["input"])[:80],
                fix=_AGAIN,
            )
            for item in error.errors()[:20]
        )
        raise ModelError(f"{path} does not follow the schema", problems=problems) from error
    problems = _contradictions(description, path.name)
    if problems:
        helped = tuple(dataclasses.replace(problem, fix=_AGAIN) for problem in problems[:20])
        raise ModelError(f"{path} contradicts itself", problems=helped)
    return description


@functools.cache
def _adapter() -> TypeAdapter[BundleDescription]:
    from pydantic import TypeAdapter

    return TypeAdapter(BundleDescription)


def _contradictions(description: BundleDescription, file: str) -> tuple[Problem, ...]:
    problems = (
        [] if description.inputs else [Problem(message="expected an input", where=f"{file}.inputs", found="none")]
    )
    for name, item in description.inputs.items():
        where = f"{file}.inputs.{name}"
        problems += _table_problems(item, where) if isinstance(item, TableInput) else _array_problems(item, where)
    problems += _class_problems(description, file)
    problems += _vocabulary_problems(description, file)
    scaling = description.scaling
    if not (math.isfinite(scaling.mean) and 0 < scaling.scale < math.inf):
        problems.append(
            Problem(message="expected a positive scale", where=f"{file}.scaling.scale", found=str(scaling.scale))
        )
    return tuple(problems)


def _table_problems(table: TableInput, file: str) -> list[Problem]:
    problems = [problem for feature in table.features for problem in _feature_problems(feature, file)]
    names = [feature.name for feature in table.features]
    if not names or len(set(names)) != len(names):
        problems.append(
            Problem(message="expected features, each name once", where=f"{file}.features", found=f"{names[:8]}")
        )
    start = 0
    for feature in table.features:
        if feature.start != start:
            problems.append(
                Problem(
                    message="encoded columns have a gap or overlap",
                    where=f"{file}.features.{feature.name}.start",
                    found=str(feature.start),
                    allowed=str(start),
                )
            )
            break
        start = feature.stop
    return problems


def _array_problems(item: ImageInput | TextInput | SeriesInput, where: str) -> list[Problem]:
    """Sizes that are none or too large, tokens that stand twice, and means and scales that are not one a channel."""
    problems = []
    if min(item.shape) < 1 or math.prod(item.shape) > MOST_NUMBERS:
        sizes = Problem(
            message="sizes that no input has",
            where=where,
            found=" x ".join(map(str, item.shape))[:80],
            allowed=f"sizes of at least 1, {MOST_NUMBERS:,} numbers in all",
        )
        return [sizes]
    if isinstance(item, TextInput):
        if len(set(item.vocabulary)) != len(item.vocabulary):
            twice = next(token for token, count in Counter(item.vocabulary).items() if count > 1)
            found = f"{twice!r} more than once"[:80]
            problems.append(Problem(message="expected each token once", where=f"{where}.vocabulary", found=found))
        return problems + _tokenizer_problems(item, where)
    if isinstance(item, ImageInput) and not 0 < item.largest <= _LARGEST:
        found = f"{item.largest}"
        problems.append(
            Problem(message="expected a positive brightness", where=f"{where}.largest", found=found, allowed=_FLOAT32)
        )
    least = _SMALLEST if isinstance(item, ImageInput) else 0.0  # images alone are computed in float32
    finite = all(map(_is_float32, item.mean)) and all(least < scale <= _LARGEST for scale in item.scale)
    if not finite or not len(item.mean) == len(item.scale) == item.shape[0]:
        problems.append(
            Problem(
                message="expected a finite mean and a positive scale for each channel",
                where=where,
                found=f"{item.mean} and {item.scale}"[:80],
                allowed=f"{item.shape[0]} of each, {_FLOAT32}",
            )
        )
    return problems


def _tokenizer_problems(item: TextInput, where: str) -> list[Problem]:
    """Subwords without a tokenizer, one beside words, and one that cannot be used or has more tokens than the vocabulary."""
    if (item.unit == "subwords") != bool(item.tokenizer):
        found = f"{item.unit} with {len(item.tokenizer):,} characters of tokenizer"
        return [Problem(message="expected a tokenizer for subwords alone", where=f"{where}.tokenizer", found=found)]
    if not item.tokenizer:
        return []
    try:
        check_tokenizer(item.tokenizer.encode(), where=f"{where}.tokenizer", shown="the tokenizer")
        size = subwords_of(item.tokenizer).size
    except DataError as error:
        return list(error.problems)
    if size <= len(item.vocabulary):
        return []
    found = f"{size:,} ids, and {len(item.vocabulary):,} tokens"
    return [Problem(message="expected a token for each id of the tokenizer", where=f"{where}.vocabulary", found=found)]


def _feature_problems(feature: FeatureSpec, file: str) -> list[Problem]:
    where = f"{file}.features.{feature.name}"
    width = 1 if feature.kind == "number" else len(feature.categories) + 1
    problems = []
    if feature.stop - feature.start != width:
        problems.append(
            Problem(
                message="another number of encoded columns than the feature has",
                where=where,
                found=str(feature.stop - feature.start),
                allowed=str(width),
            )
        )
    if not 0 < feature.scale <= _LARGEST:
        problems.append(
            Problem(
                message="expected a positive scale",
                where=f"{where}.scale",
                found=str(feature.scale),
                allowed=_FLOAT32,
            )
        )
    for name in ("mean", "fill"):
        if not _is_float32(getattr(feature, name)):
            found = str(getattr(feature, name))
            problems.append(
                Problem(message="expected a number", where=f"{where}.{name}", found=found, allowed=_FLOAT32)
            )
    if len(set(feature.categories)) != len(feature.categories) or (feature.kind == "number" and feature.categories):
        problems.append(
            Problem(
                message="expected each category once, and none for a number",
                where=f"{where}.categories",
                found=str(feature.categories[:8]),
            )
        )
    return problems


def _vocabulary_problems(description: BundleDescription, file: str) -> list[Problem]:
    """Of next-token prediction: a class is the token of its place, so that another order would name other tokens."""
    if description.task != "next-token":
        return []
    texts = [item for item in description.inputs.values() if isinstance(item, TextInput)]
    if len(texts) == len(description.inputs) == 1 and texts[0].vocabulary == description.classes:
        return []
    return [
        Problem(
            message="the classes of next-token are not the tokens of its text",
            where=f"{file}.classes",
            found=f"{len(description.classes):,} classes, {len(description.inputs)} inputs",
            allowed="one text as the only input, and its vocabulary as the classes, in its order",
        )
    ]


def _is_float32(number: float) -> bool:
    return math.isfinite(number) and abs(number) <= _LARGEST


def _class_problems(description: BundleDescription, file: str) -> list[Problem]:
    count = len(description.classes)
    expected = {
        "binary-classification": count == 2,
        "multiclass-classification": count >= 1,
        "regression": count == 0,
        "next-token": count >= 1,
    }
    scales = {"value"} if description.task == "regression" else {"logit", "probability"}
    problems = []
    if not expected[description.task] or len(set(description.classes)) != count:
        problems.append(
            Problem(
                message=f"the classes do not fit {description.task}",
                where=f"{file}.classes",
                found=str(description.classes[:8]),
            )
        )
    if description.output not in scales:
        problems.append(
            Problem(
                message=f"the declared output does not fit {description.task}",
                where=f"{file}.output",
                found=description.output,
                allowed=", ".join(sorted(scales)),
            )
        )
    return problems
