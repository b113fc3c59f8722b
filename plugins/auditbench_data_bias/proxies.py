"""Proxies: how well the inputs of the model tell each sensitive feature, and which of them tell it most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Message
from auditbench.results import Cell, Column, Metric, Table
from auditbench.statistics import Clusters, clusters_of, sidak_level
from auditbench_data_bias.association import Association, counted, cramers_v
from auditbench_data_bias.estimates import nothing
from auditbench_data_bias.held_out import auc_interval, held_out_scores
from auditbench_data_bias.measures import message, metric_of
from auditbench_data_bias.telling_inputs import TellingInput, telling_input

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_data_bias.params import Params

    Codes = npt.NDArray[np.int64]

MOST_GROUPS = 10
"""Groups of one feature that are told apart, the largest first; all others are one."""


@dataclass(slots=True, kw_only=True)
class Proxies:
    """What was found of all sensitive features.

    Attributes:
        single: Each listed input by itself: sensitive feature, name of the input, and how much it tells.
        notes: What was left out, and why.
    """

    metrics: list[Metric] = field(default_factory=list)
    single: list[tuple[str, str, Association]] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    n: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Groups:
    """The groups of one sensitive feature among the sampled rows.

    Attributes:
        names: Of the groups that are told apart.
        kept: Rows of these groups, and of all others together where these are enough, shape `(rows,)`.
        classes: Place of the group of each kept row among `names`, of other groups one more.
        every: Group of every row by itself.
    """

    names: tuple[str, ...]
    kept: npt.NDArray[np.bool_]
    classes: Codes
    every: Codes


def measure_proxies(context: AuditContext, params: Params) -> Proxies:
    """Tell each sensitive feature from each input, by a model that is fitted on other rows and by single columns.

    The column of the feature itself is left out. Features that were computed from an input are too: they follow from it.
    """
    rows = context.data.sample(params.rows, context.rng("proxies"))
    seed = int(context.rng("halves").integers(1 << 31))
    clusters = clusters_of(rows.clusters)
    independent = clusters is None and rows.weights is None
    known = [(name, telling_input(name, item, rows)) for name, item in context.model.inputs.items()]
    found = Proxies(n=len(rows))
    found.notes += [message("limit.no_small_model", input=name) for name, telling in known if telling is None]
    inputs = [telling for _, telling in known if telling is not None]
    hidden = [telling for telling in inputs if telling.of_text and not context.raw_inputs]
    found.notes += [message("limit.words_hidden", input=telling.name) for telling in hidden]
    computed = set(context.data.facts.computed)
    found.notes += [message("limit.computed", feature=name) for name in rows.sensitive_features if name in computed]
    stated = {name: groups for name, groups in rows.sensitive_features.items() if name not in computed}
    for step, (feature, groups) in enumerate(stated.items() if inputs else ()):
        context.progress(step, len(stated), step="proxies")
        coded = _coded(groups, params.minimum_group)
        for each in inputs:
            telling = each.without(feature)
            if not telling.matrix.shape[1]:
                found.notes.append(message("limit.no_other_input", feature=feature))
                continue
            where = {"feature": feature, **({"input": each.name} if len(inputs) > 1 else {})}
            found.metrics += _aucs(telling, coded, params, clusters, seed, where)
            if telling.of_text and not context.raw_inputs:
                continue
            single = [(feature, *told) for told in _singly(telling, coded, params, independent=independent)]
            found.single += single[: params.most_inputs]
    if inputs:
        context.progress(len(stated), len(stated), step="proxies")
    return found


def proxy_table(found: Proxies) -> Table:
    """The area of each group, or why there is none."""
    several = any("input" in metric.where for metric in found.metrics)
    columns = (
        *(Column(name=name, label=message(f"column.{name}")) for name in ("feature", "group")),
        *((Column(name="input", label=message("column.input")),) if several else ()),
        Column(name="n", label=message("column.n"), kind="count"),
        *(Column(name=name, label=message(f"column.{name}"), kind="number") for name in ("auc", "low", "high")),
        Column(name="note", label=message("column.note")),
    )
    rows = tuple(_proxy_line(metric, several=several) for metric in found.metrics)
    return Table(name="proxies", title=message("proxies"), columns=columns, rows=rows, n=found.n)


def single_table(found: Proxies) -> Table:
    """The inputs that tell most of each sensitive feature, each by itself."""
    columns = (
        *(Column(name=name, label=message(f"column.{name}")) for name in ("feature", "input")),
        *(Column(name=name, label=message(f"column.{name}"), kind="count") for name in ("n", "levels")),
        *(Column(name=name, label=message(f"column.{name}"), kind="number") for name in ("v", "low", "high")),
        Column(name="note", label=message("column.note")),
    )
    rows = tuple(_line(feature, name, told) for feature, name, told in found.single)
    title = message("single_inputs", n=len(rows))
    return Table(name="single_inputs", title=title, columns=columns, rows=rows, n=found.n)


def _coded(groups: npt.NDArray[np.str_], minimum: int) -> _Groups:
    names, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")[:MOST_GROUPS]
    large = sorted(int(place) for place in order if sizes[place] >= minimum)
    place_of = np.full(len(names), len(large), dtype=np.int64)
    place_of[large] = np.arange(len(large))
    classes = place_of[codes]
    others = classes == len(large)
    kept = np.ones(len(classes), dtype=np.bool_) if others.sum() >= minimum else ~others
    return _Groups(
        names=tuple(str(names[place]) for place in large),
        kept=kept,
        classes=classes[kept],
        every=codes.astype(np.int64),
    )


def _aucs(
    telling: TellingInput,
    groups: _Groups,
    params: Params,
    clusters: Clusters | None,
    seed: int,
    where: dict[str, str],
) -> Iterator[Metric]:
    """The area of each group against all other rows; of two groups one area, which is that of both."""
    own = None if clusters is None else clusters.among(groups.kept)
    sizes = np.bincount(groups.classes)
    if not groups.names or len(sizes) < 2 or sizes.min() < 2 or (own is not None and own.count < 2):
        reason = message("undefined.proxy", minimum=params.minimum_group)
        yield metric_of("proxy_auc", nothing(), n=len(groups.classes), where=where, clusters=own, undefined=reason)
        return
    some = replace(telling, matrix=telling.matrix[np.flatnonzero(groups.kept)])
    held, scores = held_out_scores(some, groups.classes, own, seed)
    of_held = None if own is None else own.among(np.isin(np.arange(len(groups.classes)), held))
    two = len(sizes) == 2
    for place in range(1 if two else len(groups.names)):
        level = sidak_level(0.95, 1 if two else len(groups.names))
        found = auc_interval(scores[:, place], groups.classes[held] == place, of_held, level=level)
        told = {**where, "value": " / ".join(groups.names) if two else groups.names[place]}
        yield metric_of("proxy_auc", found, n=len(held), where=told, clusters=of_held, higher_is_better=False)


def _singly(
    telling: TellingInput, groups: _Groups, params: Params, *, independent: bool
) -> Sequence[tuple[str, Association]]:
    """Each column with what it tells, the most telling first; tokens only where enough texts have them."""
    found = []
    for column in telling.columns():
        if telling.of_text and column.codes.sum() < params.minimum_group:
            continue
        table = counted(groups.every, column.codes)
        found.append((column.name, cramers_v(table, independent=independent)))
    return sorted(found, key=lambda told: -1.0 if told[1].value is None else told[1].value, reverse=True)


def _proxy_line(metric: Metric, *, several: bool) -> tuple[Cell, ...]:
    low, high = (None, None) if metric.interval is None else (metric.interval.low, metric.interval.high)
    note: Cell = metric.reason or ("" if low is not None else message("undefined.no_bounds"))
    where = metric.where
    head = (where["feature"], where.get("value", ""), *((where["input"],) if several else ()))
    return (*head, metric.n, metric.value, low, high, note)


def _line(feature: str, name: str, told: Association) -> tuple[Cell, ...]:
    note: Cell = ""
    if told.value is None:
        note = message("undefined.one_value")
    elif told.low is None:
        note = message("undefined.dependent_rows")
    return (feature, name, told.n, told.levels, told.value, told.low, told.high, note)
