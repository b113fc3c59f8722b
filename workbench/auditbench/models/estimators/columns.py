"""Which columns an estimator takes, in which order and as what, by what it keeps from its training."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.errors import ModelError
from auditbench.models.frames import ColumnForm, TableForm, is_missing, learned_values

if TYPE_CHECKING:
    from auditbench.data.features import FeatureSpec

_SHOWN = 12
_ENCODED = (
    "write these columns into the data; or, where they were coded from others, as one-hot columns are, save a Pipeline "
    'that codes them, or audit a function that does: model.format = "callable"'
)
_UNNAMED = re.compile(r"Column_\d+")


def table_form(estimator: Any, features: tuple[FeatureSpec, ...], *, where: str) -> TableForm:
    """How raw rows become the table that the estimator was fitted on.

    An estimator that was fitted on a DataFrame gets one with the same names in the same order, texts in place of categories.
    One that was fitted on an array gets an array of the numbers in the order of the data.

    Raises:
        ModelError: It was fitted on other columns, on another number of them, or on numbers where the data have categories.
    """
    names = _names(estimator)
    if not names:
        return _array_form(estimator, features, where)
    own = [_sanitised(feature.name, estimator) for feature in features]
    absent, more = [name for name in names if name not in own], [name for name in own if name not in names]
    if absent or more:
        raise ModelError(
            "the estimator was fitted on other columns than the data have",
            where=where,
            found=f"data: {_listed(own)}" + (f"; without {_listed(absent)}" if absent else ""),
            allowed=f"estimator: {_listed(names)}",
            fix=_ENCODED if absent else f"set data.features to the columns of the estimator, without {_listed(more)}",
        )
    learned = dict(_learned(estimator, names))
    forms = {}
    for name in names:
        feature = features[own.index(name)]
        values, dictionary = learned.get(name, (None, False))
        if feature.kind == "category":
            forms[feature.name] = _form(feature, values, where, dictionary=dictionary)
        elif values is not None and any(isinstance(value, str) for value in values):
            raise _other_kind(feature.name, "numbers", f"texts, such as {next(iter(values))!r}", "category", where)
    return TableForm(features=features, names=names, order=tuple(own.index(name) for name in names), forms=forms)


def _array_form(estimator: Any, features: tuple[FeatureSpec, ...], where: str) -> TableForm:
    count = _count(estimator)
    named = tuple(feature.name for feature in features)
    if count is not None and count != len(features):
        raise ModelError(
            "the estimator was fitted on another number of columns than the data have",
            where=where,
            found=f"{len(features)}: {_listed(named)}",
            allowed=f"{count}, in the order that it was fitted on",
            fix="name the columns of the estimator in data.features, in its order"
            if count < len(features)
            else _ENCODED,
        )
    texts = [feature.name for feature in features if feature.kind == "category"]
    if texts:
        raise ModelError(
            "the estimator was fitted on an array of numbers, and the data have categories",
            where=where,
            found=f"categories: {_listed(texts)}",
            allowed="numbers alone, since how categories were coded is not in the file",
            fix="fit a Pipeline that codes them, with a ColumnTransformer, on a DataFrame; or declare "
            f'data.types.{texts[0]} = "number" if these are numbers; or audit a function: model.format = "callable"',
        )
    return TableForm(features=features, names=named, order=tuple(range(len(named))), frame=False)


def in_fitted_order(form: TableForm, estimator: Any, *, where: str) -> TableForm:
    """The same table with its columns in the order that the estimator was fitted on, which LightGBM does not look at.

    A table without names stays as it is, and so does one for a ColumnTransformer, which finds its columns by name.

    Raises:
        ModelError: A column that it was fitted on is not there.
    """
    names = _names(estimator)
    if not names or not form.frame or hasattr(_first_step(estimator), "transformers_"):
        return form
    own = [_sanitised(str(name), estimator) for name in form.names]
    if absent := [name for name in names if name not in own]:
        raise ModelError(
            "the estimator was fitted on other columns than the data have",
            where=where,
            found=f"data: {_listed(own)}; without {_listed(absent)}",
            allowed=f"estimator: {_listed(names)}",
            fix="pass a DataFrame with the columns that it was fitted on",
        )
    places = [*map(own.index, names), *(place for place, name in enumerate(own) if name not in names)]
    order = tuple(form.order[place] for place in places)
    return dataclasses.replace(form, names=tuple(form.names[place] for place in places), order=order)


def by_position(form: TableForm) -> bool:
    """Whether nothing but their order says which column of the data is which of the estimator."""
    return not form.frame


def _form(feature: FeatureSpec, learned: Sequence[Any] | None, where: str, *, dictionary: bool) -> ColumnForm:
    values = learned_values(feature.categories, learned or ())
    if learned is not None and values and not set(values) & set(learned):
        shown = ", ".join(repr(one) for one in list(learned)[:5])
        raise ModelError(
            f"column {feature.name!r} has no category that the estimator learned",
            where=where,
            found=_listed(feature.categories),
            allowed=shown,
            fix=f"write the column as it was at training, or declare data.types.{feature.name}",
        )
    empty = [value for value in learned or () if is_missing(value)]
    return ColumnForm(values=values, dictionary=dictionary, missing=empty[0] if len(empty) == 1 else np.nan)


def _other_kind(name: str, found: str, allowed: str, kind: str, where: str) -> ModelError:
    return ModelError(
        f"the estimator learned other values of column {name!r} than the data have",
        where=where,
        found=found,
        allowed=allowed,
        fix=f'declare data.types.{name} = "{kind}"',
    )


def _names(estimator: Any) -> tuple[str, ...]:
    """Names of the columns that it was fitted on; none where that was an array."""
    estimator = _first_step(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        given = getattr(estimator, "feature_names", None)  # of XGBoost's Booster
        names = estimator.feature_name() if callable(getattr(estimator, "feature_name", None)) else given
    if names is None:
        return ()
    found = tuple(str(name) for name in names)
    return () if all(_UNNAMED.fullmatch(name) for name in found) else found


def _first_step(estimator: Any) -> Any:
    """The step of a pipeline that meets the columns; a pipeline whose first steps do nothing names none itself."""
    while (best := getattr(estimator, "best_estimator_", None)) is not None:
        estimator = best
    while hasattr(estimator, "steps") and not hasattr(estimator, "feature_names_in_"):
        acting = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        if not acting:
            break
        estimator = acting[0]
    return estimator


def _count(estimator: Any) -> int | None:
    estimator = _first_step(estimator)
    for name in ("n_features_in_", "num_feature", "num_features"):
        try:
            value = getattr(estimator, name, None)
        except AttributeError:
            continue
        if value is not None:
            return int(value() if callable(value) else value)
    return None


def _sanitised(name: str, estimator: Any) -> str:
    """The name as LightGBM keeps it."""
    return name.replace(" ", "_") if type(estimator).__module__.startswith("lightgbm") else name


def _learned(estimator: Any, names: Sequence[str]) -> Iterator[tuple[str, tuple[list[Any], bool]]]:
    """For columns of categories, what was learned in their place, and whether they were of pandas' dtype `category`."""
    library = type(estimator).__module__.partition(".")[0]
    if library == "xgboost":
        booster = estimator.get_booster() if hasattr(estimator, "get_booster") else estimator
        kinds = booster.feature_types or ()
        if "c" in kinds:
            for name, array in booster.get_categories(export_to_arrow=True).to_arrow():
                if array is not None:
                    yield str(name), (array.to_pylist(), True)
    elif library == "lightgbm":
        yield from _of_lightgbm(estimator, names)
    else:
        encoders = _encoders(estimator, tuple(names))
        dictionary = type(estimator).__name__.startswith("HistGradientBoosting")
        for name, values in encoders.items():
            yield name, (values, dictionary)


def _of_lightgbm(estimator: Any, names: Sequence[str]) -> Iterator[tuple[str, tuple[list[Any], bool]]]:
    """LightGBM keeps the categories of the columns of that dtype in their order, without names."""
    booster = getattr(estimator, "booster_", estimator)
    kept = booster.pandas_categorical or []
    infos = [line for line in booster.model_to_string(num_iteration=1).split("\n") if line.startswith("feature_infos=")]
    ranges = infos[0].partition("=")[2].split(" ") if infos else []
    columns = [name for name, info in zip(names, ranges, strict=False) if not info.startswith("[") and info != "none"]
    if len(columns) == len(kept):
        for name, values in zip(columns, kept, strict=True):
            yield name, (list(values), True)


def _encoders(part: Any, names: tuple[str, ...]) -> dict[str, list[Any]]:
    """Categories by column of the first encoder that a column meets."""
    found: dict[str, list[Any]] = {}
    categories = getattr(part, "categories_", None)
    if categories is not None and len(categories) == len(names):
        return {name: list(values) for name, values in zip(names, categories, strict=True)}
    if hasattr(part, "transformers_"):
        for _, inner, columns in part.transformers_:
            chosen = _chosen(columns, names)
            found |= _encoders(inner, chosen) if chosen else {}
        return found
    for _, step in getattr(part, "steps", ()):
        if found := _encoders(step, names):
            return found
        if hasattr(step, "transformers_"):
            return {}
    inner = getattr(part, "_preprocessor", None) or getattr(part, "best_estimator_", None)
    return _encoders(inner, names) if inner is not None else {}


def _chosen(columns: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the columns of a transformer, which may be indices, a slice or a mask."""
    if isinstance(columns, str):
        return (columns,)
    if isinstance(columns, slice):
        return names[columns] if not isinstance(columns.start, str) else ()
    listed = list(columns)
    if all(isinstance(column, str) for column in listed):
        return tuple(listed)
    if all(isinstance(column, bool) for column in listed):
        return tuple(name for name, chosen in zip(names, listed, strict=False) if chosen)
    return tuple(names[int(column)] for column in listed)


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    shown = list(names)[:_SHOWN]
    return ", ".join(map(repr, shown)) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
