"""Raw rows as the table that an estimator or a function was made for: a DataFrame with names and texts, or an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.models.raw_rows import missing_as_nan

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from auditbench.data.features import FeatureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnForm:
    """How a category is written for the model.

    Attributes:
        values: What stands for each category: its text, or what the model learned in its place, such as True for `true`.
        dictionary: Whether the column is of pandas' dtype `category`.
        missing: What stands for a missing one where it is not of that dtype: NaN, None or `pandas.NA`.
        dtype: Pandas' dtype of the column where one is known; otherwise float64 where all values are numbers, else object.
    """

    values: tuple[Any, ...]
    dictionary: bool = False
    missing: Any = np.nan
    dtype: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableForm:
    """How encoded rows become a table.

    Attributes:
        features: In the order of the encoded columns.
        names: Of the columns of the table, in its order.
        order: The encoded column of each of them.
        frame: Whether it is a DataFrame; an array of float64 otherwise.
        forms: Of categories, by name of the feature; texts where a feature is not here.
    """

    features: tuple[FeatureSpec, ...]
    names: tuple[str, ...]
    order: tuple[int, ...]
    frame: bool = True
    forms: Mapping[str, ColumnForm] = field(default_factory=dict)

    def table(self, rows: npt.NDArray[Any]) -> pd.DataFrame | npt.NDArray[np.float64]:
        """Rows of shape `(rows, features)`, float64: numbers are NaN where missing, and so are categories."""
        if not self.frame:
            return np.ascontiguousarray(missing_as_nan(rows)[:, self.order])
        import pandas as pd

        columns = {name: self._column(rows, place) for name, place in zip(self.names, self.order, strict=True)}
        return pd.DataFrame(columns, index=range(len(rows)))

    def _column(self, rows: npt.NDArray[Any], place: int) -> Any:
        import pandas as pd

        feature = self.features[place]
        if feature.kind == "number":
            return missing_as_nan(rows[:, place])
        form = self.forms.get(feature.name) or ColumnForm(values=feature.categories)
        codes = rows[:, place].astype(np.int64)
        known = (codes >= 0) & (codes < len(form.values))
        if form.dictionary:
            kind = pd.CategoricalDtype(list(form.values))
            return pd.Categorical.from_codes(np.where(known, codes, -1), dtype=kind)
        values = np.empty(len(form.values) + 1, dtype=object)
        values[:-1] = list(form.values)
        values[-1] = form.missing
        cells = values[np.where(known, codes, len(form.values))]
        numbers = len(form.values) > 0 and all(type(one) in (int, float) for one in form.values)
        return pd.Series(cells, dtype=form.dtype or (np.float64 if numbers else object))


def columns_form(features: tuple[FeatureSpec, ...]) -> TableForm:
    """A DataFrame of the features in their order, categories as text."""
    names = tuple(feature.name for feature in features)
    return TableForm(features=features, names=names, order=tuple(range(len(names))))


def learned_values(categories: Sequence[str], learned: Sequence[Any]) -> tuple[Any, ...]:
    """For each category by its text what a model learned in its place; its text where it learned nothing of that text."""
    by_text: dict[str, Any] = {}
    for value in learned:
        plain = value.item() if isinstance(value, np.generic) else value
        for text in () if is_missing(plain) else _texts(plain):
            by_text.setdefault(text, plain)
    return tuple(by_text.get(text, text) for text in categories)


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, NaN, `pandas.NA` or NaT."""
    import pandas as pd

    return value is None or value is pd.NA or bool(value != value)


def _texts(value: Any) -> tuple[str, ...]:
    """How a file may write a value that a model learned."""
    if isinstance(value, bool):
        return str(value), str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value)), str(value)
    return (str(value),)
