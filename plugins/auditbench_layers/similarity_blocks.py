"""Blocks on how alike layers are, within the network and with another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.contracts import model_name_problem
from auditbench.data import ModelInput, Rows, TableInput, TextInput
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.findings import Message
from auditbench.models.layers import Layer
from auditbench.results import AnalysisResult, Matrix, Metric, Note
from auditbench.statistics import Clusters, IntervalEstimate, clusters_of
from auditbench_layers.chosen import chosen_layers
from auditbench_layers.facts import CKA
from auditbench_layers.kernels import FEWEST_ROWS
from auditbench_layers.measures import estimated, message, student, undefined
from auditbench_layers.passes import activity_of_rows
from auditbench_layers.similarity import Similarities, chance_level, similarities

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.models import ModelUnderTest
    from auditbench.statistics import UndefinedReason
    from auditbench_layers.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]

PERMUTATIONS = 100


def similarity_blocks(
    context: AuditContext, layers: Sequence[Layer], means: Mapping[str, Numbers], rows: Rows, params: Params
) -> AnalysisResult:
    """Alignment of the layers with each other, and with those of a further model where there is one.

    Args:
        means: What the units gave for these rows, shape `(rows, units)`, by name of the layer.

    Raises:
        ConfigError: The further model is not one of those that the config names, or none is named and there are several.
    """
    if len(rows) < FEWEST_ROWS:
        text = message("limit.few_rows", n=len(rows), fewest=FEWEST_ROWS)
        return AnalysisResult(methods=(CKA,), notes=(Note(kind="limit", text=text),))
    clusters = clusters_of(rows.clusters)
    within = [means[layer.label] for layer in layers]
    names = [layer.label for layer in layers]
    found = similarities(within, within, rng=context.rng("blocks"), clusters=clusters)
    metrics = [
        _metric("similarity_to_next", found, (at, at + 1), {"layer": one, "next": another}, len(rows), clusters)
        for at, (one, another) in enumerate(pairwise(names))
    ]
    notes = _notes(context, within, found, len(rows), clusters)
    between = _between(context, names, within, rows, params)
    return AnalysisResult(
        methods=(CKA,),
        metrics=(*metrics, *between.metrics),
        matrices=(_matrix("similarity", found, names, names, message("column.layer"), len(rows)), *between.matrices),
        notes=(*notes, *between.notes),
    )


def _between(
    context: AuditContext, names: Sequence[str], within: Sequence[Numbers], rows: Rows, params: Params
) -> AnalysisResult:
    """Alignment of these layers with those of the further model; nothing where there is none."""
    other = _other_model(context, params)
    try:
        layers = chosen_layers(other, context.data, (), params.most_layers) if other is not None else ()
        activity = activity_of_rows(context, other, layers, rows, step="similarity") if other is not None else {}
    except AnalyzerNotPossible:  # the audited network has layers, and that is enough for all else
        layers = ()
    if other is None or not layers:
        text = message("limit.other_model")
        return AnalysisResult(notes=(Note(kind="limit", text=text),) if context.models else ())
    clusters = clusters_of(rows.clusters)
    opposite = [activity[layer.name]["mean"].astype(np.float64) for layer in layers]
    found = similarities(within, opposite, rng=context.rng("blocks"), clusters=clusters)
    theirs, model = [layer.label for layer in layers], other.facts.name
    return AnalysisResult(
        metrics=tuple(
            _metric(
                "similarity_to_model",
                found,
                (at, theirs.index(name)),
                {"layer": name, "model": model},
                len(rows),
                clusters,
            )
            for at, name in enumerate(names)
            if name in theirs
        ),
        matrices=(
            _matrix("similarity_to_model", found, names, theirs, message("column.layer_of", model=model), len(rows)),
        ),
        notes=(Note(kind="method", text=message("note.model", model=model, n=len(theirs))),),
    )


def _other_model(context: AuditContext, params: Params) -> ModelUnderTest | None:
    """The further model to compare with, where its layers can be looked at."""
    problem = model_name_problem(params.with_model, context.models, where="analyzers.layers.with_model")
    if problem is not None:
        raise ConfigError(problem.message, problems=(problem,))
    if not context.models:
        return None
    other = context.models[params.with_model] if params.with_model else next(iter(context.models.values()))
    same = context.model.inputs.keys() == other.inputs.keys() and all(
        _raw_form(item) == _raw_form(other.inputs[name]) for name, item in context.model.inputs.items()
    )
    return other if same and "hooks" in other.facts.capabilities else None


def _raw_form(item: ModelInput) -> tuple[object, ...]:
    """What decides how rows of files become raw arrays; means and scales are a model's own."""
    if isinstance(item, TableInput):
        return tuple((one.name, one.kind, one.categories) for one in item.features)
    if isinstance(item, TextInput):
        return item.unit, item.length, item.kept, item.vocabulary, item.tokenizer
    return item.modality, item.shape


def _metric(
    name: str,
    found: Similarities,
    place: tuple[int, int],
    where: dict[str, str],
    rows: int,
    clusters: Clusters | None,
) -> Metric:
    value, error = float(found.values[place]), float(found.errors[place])
    if np.isnan(value):
        return undefined(name, "no_variation", n=rows, where=where)
    low = high = None
    if not np.isnan(error):
        half = student(0.95, found.blocks - 1) * error
        low, high = max(-1.0, value - half), min(1.0, value + half)
    estimate = IntervalEstimate(
        estimate=value,
        low=low,
        high=high,
        level=0.95,
        method="block-jackknife",
        reason=None if low is not None else _without_interval(found, clusters),
    )
    return estimated(name, estimate, n=rows, clusters=clusters, where=where)


def _without_interval(found: Similarities, clusters: Clusters | None) -> UndefinedReason:
    """Rows or clusters are too few to leave out, or without some of them a layer does not vary."""
    if found.blocks:
        return "no_variation"
    return "too_few_rows" if clusters is None else "too_few_clusters"


def _matrix(
    name: str, found: Similarities, rows: Sequence[str], columns: Sequence[str], columns_are: Message, n: int
) -> Matrix:
    return Matrix(
        name=name,
        title=message(name),
        kind="matrix",
        row_label=message("column.layer"),
        column_label=columns_are,
        rows=_without_common_start(rows),
        columns=_without_common_start(columns),
        values=tuple(tuple(None if np.isnan(value) else float(value) for value in row) for row in found.values),
        n=n,
    )


def _without_common_start(names: Sequence[str]) -> tuple[str, ...]:
    """Dotted names, numbered from 1, without the parts that all of them begin with."""
    parts = [name.split(".") for name in names]
    common = 0
    while (
        len(names) > 1 and all(len(part) > common + 1 for part in parts) and len({part[common] for part in parts}) == 1
    ):
        common += 1
    return tuple(f"{place} {'.'.join(part[common:])}" for place, part in enumerate(parts, start=1))


def _notes(
    context: AuditContext, within: Sequence[Numbers], found: Similarities, rows: int, clusters: Clusters | None
) -> list[Note]:
    notes = [Note(kind="method", text=message("note.similarity", n=rows))]
    if clusters is None:
        chance = chance_level(within, rng=context.rng("chance"), permutations=PERMUTATIONS)
        if chance is not None:
            notes.append(
                Note(
                    kind="how_to_read",
                    text=message("how_to_read.chance", value=chance, permutations=PERMUTATIONS),
                )
            )
    else:
        notes.append(Note(kind="limit", text=message("limit.no_chance", n=clusters.count)))
    if found.blocks:
        notes.append(Note(kind="method", text=message("note.similarity_interval", n=found.blocks)))
    return [*notes, Note(kind="limit", text=message("limit.similarity"))]
