"""Values of a sensitive input exchanged for each other, all other inputs left as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from auditbench.bands import MISSING_GROUP, in_order
from auditbench.data import TableInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData, Rows
    from auditbench.models import ModelUnderTest
    from auditbench_flips.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]

CHUNK_ROWS = 512
_BACKGROUND_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitiveInput:
    """A sensitive feature that the model takes.

    Attributes:
        feature: Its name; `input` the table that it is a column of, and `column` its place there.
        raw: What each exchanged group is exchanged for, as the model takes it: the index of a category, or the median of a
            band of numbers.
        of_bands: Whether the groups are bands of a number.
        left_out: Evaluated rows of other groups: rare, missing, or unknown to the model.
    """

    feature: str
    input: str
    column: int
    raw: Mapping[str, float]
    of_bands: bool
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exchanged:
    """Outputs for some rows as they are, and with each of the values of one feature.

    Attributes:
        rows: Those of exchanged groups.
        groups: Place of each row's own group in `values`, shape `(rows,)`.
        before: Outputs, shape `(rows, outputs)`.
        after: Shape `(rows, values, outputs)`; those with the row's own value are `before`.
    """

    values: tuple[str, ...]
    rows: Rows
    groups: npt.NDArray[np.int64]
    before: Numbers
    after: Numbers


def sensitive_inputs(data: EvaluationData, params: Params, rng: np.random.Generator) -> list[SensitiveInput]:
    """The sensitive features that are a column of an input, in the order of the data; those without two groups left out."""
    found = []
    for feature, groups in data.sensitive_features.items():
        for name, item in data.inputs.items():
            if isinstance(item, TableInput):
                columns = [place for place, spec in enumerate(item.features) if spec.name == feature]
                found += [_sensitive(data, feature, groups, name, place, params, rng) for place in columns]
    return found


def exchange(context: AuditContext, sensitive: SensitiveInput, params: Params) -> Exchanged:
    """Evaluate sampled rows with each value of the feature in turn."""
    groups = context.data.sensitive_features[sensitive.feature]
    kept = np.flatnonzero(np.isin(groups, list(sensitive.raw)))
    if len(kept) > params.rows:
        kept = np.sort(context.rng(f"rows {sensitive.feature}").choice(kept, params.rows, replace=False))
    rows = context.data.take(kept)
    work = partial(_outputs, model=context.model, sensitive=sensitive)
    arrays = context.map_rows(work, rows, step=f"exchange {sensitive.feature}", chunk_rows=CHUNK_ROWS)
    return Exchanged(
        values=tuple(sensitive.raw),
        rows=rows,
        groups=_places(rows, sensitive),
        before=context.outputs[kept],
        after=np.asarray(arrays["outputs"], dtype=np.float64),
    )


def _outputs(rows: Rows, _: np.random.Generator, *, model: ModelUnderTest, sensitive: SensitiveInput) -> dict[str, Any]:
    """Outputs of each row with each value, shape `(rows, values, outputs)`."""
    groups, raw = _places(rows, sensitive), np.asarray([*sensitive.raw.values()])
    after = np.repeat(model.predict(rows.inputs)[:, np.newaxis], len(raw), axis=1)
    for place, value in enumerate(raw):
        others = np.flatnonzero(groups != place)
        if len(others):
            inputs = {name: array[others] for name, array in rows.inputs.items()}
            table = inputs[sensitive.input].copy()
            table[:, sensitive.column] = value
            after[others, place] = model.predict({**inputs, sensitive.input: table})
    return {"outputs": after}


def _places(rows: Rows, sensitive: SensitiveInput) -> npt.NDArray[np.int64]:
    place = {name: index for index, name in enumerate(sensitive.raw)}
    return np.asarray([place[str(name)] for name in rows.sensitive_features[sensitive.feature]], dtype=np.int64)


def _sensitive(
    data: EvaluationData,
    feature: str,
    groups: npt.NDArray[np.str_],
    name: str,
    column: int,
    params: Params,
    rng: np.random.Generator,
) -> SensitiveInput:
    item = data.inputs[name]
    if not isinstance(item, TableInput):
        raise TypeError(f"expected a table, got {type(item).__name__}")
    spec = item.features[column]
    names, sizes = np.unique(groups, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    frequent = [str(names[i]) for i in order if sizes[i] >= params.minimum_group and str(names[i]) != MISSING_GROUP]
    if spec.kind == "category":
        known = {category: float(index) for index, category in enumerate(spec.categories)}
    else:
        known = _medians(data, feature, name, column, rng)
    chosen = sorted([group for group in frequent if group in known][: params.most_values])
    raw = {group: known[group] for group in in_order(chosen) or chosen}
    return SensitiveInput(
        feature=feature,
        input=name,
        column=column,
        raw=raw,
        of_bands=spec.kind == "number",
        left_out=int(np.count_nonzero(~np.isin(groups, list(raw)))),
    )


def _medians(data: EvaluationData, feature: str, name: str, column: int, rng: np.random.Generator) -> dict[str, float]:
    """Median of each band among background rows, or evaluated ones where these do not have the band."""
    found: dict[str, float] = {}
    for rows in (data.background(_BACKGROUND_ROWS, rng), data.sample(_BACKGROUND_ROWS, rng)):
        groups = rows.sensitive_features.get(feature)
        if groups is None:
            continue
        values = rows.inputs[name][:, column]
        for group in np.unique(groups).tolist():
            own = values[(groups == group) & ~np.isnan(values)]
            if len(own):
                found.setdefault(group, float(np.median(own)))
    return found
