"""The JSON of an Explainable Boosting Machine, read and checked in full before anything is computed with it.

`to_json` of InterpretML's classifier and regressor writes it. Version 1.0 of the format is a beta: a file of another version
is refused, not guessed at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from auditbench.errors import ModelError

VERSION = "1.0"
LARGEST = 1 << 28
"""Bytes of a file that is read: 256 MiB, beyond any model that a person could look at."""
LINKS = {"logit": "classification", "mlogit": "classification", "identity": "regression", "log": "regression"}
"""Links that are read, with the task of each. A model of two classes has the link `logit` and one output."""

Level: TypeAlias = "npt.NDArray[np.float64] | dict[str, int]"
_Type = TypeVar("_Type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A feature and its bins: first that of missing values, then those of its values, last that of values never seen.

    Attributes:
        levels: The bins in terms of one feature, of two, and so on; terms of more features take the last. Of numbers the
            rising cuts, each the lowest number of the next bin; of categories the bin by name.
    """

    name: str
    is_number: bool
    levels: tuple[Level, ...]

    def level(self, together: int) -> Level:
        """The bins in a term of so many features."""
        return self.levels[min(together, len(self.levels)) - 1]

    def bins(self, together: int) -> int:
        """How many bins there are in a term of so many features."""
        level = self.level(together)
        return (max(level.values(), default=0) if isinstance(level, dict) else len(level) + 1) + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """What some features add together.

    Attributes:
        features: Places among the features of the model.
        scores: Shape `(bins of the first feature, ..., outputs)`.
    """

    features: tuple[int, ...]
    scores: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A model: the sum of its terms and of `intercept`, shape `(outputs,)`, behind `link`.

    Attributes:
        classes: As texts, in the order of the outputs; of two, the one output is that of the second. Empty for regression.
    """

    classes: tuple[str, ...]
    link: str
    intercept: npt.NDArray[np.float64]
    features: tuple[Feature, ...]
    terms: tuple[Term, ...]


def read_document(path: Path) -> Document:
    """The model in a file; nothing of it is run.

    Raises:
        ModelError: The file cannot be read, or is no model of this format; with what stands there.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ValueError(f"{size:,} bytes, where up to {LARGEST:,} are read")
        return _document(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            "this is no Explainable Boosting Machine that can be read",
            where=str(path),
            found=str(error),
            allowed=f"JSON of InterpretML, version {VERSION}",
            fix='write it with `model.to_json("model.json", detail="minimal")`, of interpret-core 0.7',
        ) from error


def _document(content: Any) -> Document:
    version = _entry(content, "version", str)
    if version != VERSION:
        raise ValueError(f"version {version!r}")
    model = _entry(content, "ebm", dict)
    (output,) = _entry(model, "outputs", list) or ({},)
    link = _entry(output, "link", str)
    if link not in LINKS:
        raise ValueError(f"the link {link!r}; read are {', '.join(LINKS)}")
    classes = tuple(map(_class, _entry(output, "classes", list))) if LINKS[link] == "classification" else ()
    intercept = _numbers(_entry(model, "intercept", list), "intercept")
    outputs = len(classes) if link == "mlogit" else 1
    if len(set(classes)) != (2 if link == "logit" else len(classes)) or intercept.shape != (outputs,):
        raise ValueError(f"the classes {classes}, {len(intercept)} intercepts and the link {link!r}, which do not fit")
    features = tuple(_feature(item) for item in _entry(model, "features", list))
    places = {feature.name: place for place, feature in enumerate(features)}
    if len(places) < len(features):
        raise ValueError("features that share a name")
    terms = tuple(_term(item, features, places, outputs) for item in _entry(model, "terms", list))
    return Document(classes=classes, link=link, intercept=intercept, features=features, terms=terms)


def _feature(item: Any) -> Feature:
    name, kind = _entry(item, "name", str), _entry(item, "type", str)
    if kind not in ("continuous", "nominal", "ordinal"):
        raise ValueError(f"the feature {name!r} of the type {kind!r}")
    is_number = kind == "continuous"
    read = _cuts if is_number else _categories
    levels = tuple(read(level, name) for level in _entry(item, "cuts" if is_number else "categories", list))
    if not levels:
        raise ValueError(f"the feature {name!r} without bins")
    return Feature(name=name, is_number=is_number, levels=levels)


def _cuts(level: Any, name: str) -> Level:
    cuts = _numbers(level, f"cuts of {name!r}")
    if cuts.ndim != 1 or (np.diff(cuts) <= 0).any():
        raise ValueError(f"cuts of {name!r} that do not rise")
    return cuts


def _categories(level: Any, name: str) -> Level:
    """Categories by their bin; several may share one."""
    found: dict[str, int] = {}
    for place, entry in enumerate(level if isinstance(level, list) else [None], start=1):
        for category in entry if isinstance(entry, list) else [entry]:
            if not isinstance(category, str) or category in found:
                raise ValueError(f"the category {category!r} of {name!r}")
            found[category] = place
    return found


def _term(item: Any, features: tuple[Feature, ...], places: dict[str, int], outputs: int) -> Term:
    names = _entry(item, "term_features", list)
    if not names or not all(isinstance(name, str) and name in places for name in names):
        raise ValueError(f"a term of {names}, which are no features of the model")
    chosen = tuple(places[name] for name in names)
    bins = tuple(features[place].bins(len(chosen)) for place in chosen)
    scores = _numbers(_entry(item, "scores", list), f"scores of {names}")
    if scores.size != np.prod((*bins, outputs)) or scores.shape[: len(bins)] != bins:
        raise ValueError(f"scores of {names} of shape {scores.shape}, where {(*bins, outputs)} has a score a bin")
    return Term(features=chosen, scores=scores.reshape(*bins, outputs))


def _entry(table: Any, key: str, kind: type[_Type]) -> _Type:
    value = table.get(key) if isinstance(table, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"{type(value).__name__} as {key!r}, where a {kind.__name__} stands in such a file")
    return value


def _numbers(values: Any, what: str) -> npt.NDArray[np.float64]:
    """Finite numbers; the format writes others as text."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{what} that are no numbers") from None
    if not np.isfinite(numbers).all():
        raise ValueError(f"{what} that are not finite")
    return numbers


def _class(value: Any) -> str:
    """A class as a file of data writes it."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)
