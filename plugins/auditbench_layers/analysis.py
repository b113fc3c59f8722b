"""The `layers` analyzer: from a context to its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from auditbench.models.layers import Layer
from auditbench.models.threads import computing_threads
from auditbench.results import AnalysisResult
from auditbench.statistics import clusters_of
from auditbench_layers.activation_blocks import activation_blocks
from auditbench_layers.activity import layer_activity
from auditbench_layers.chosen import chosen_layers
from auditbench_layers.contribution_blocks import contribution_blocks
from auditbench_layers.passes import activity_of_rows
from auditbench_layers.probe_blocks import probe_blocks
from auditbench_layers.readable import INPUT, input_and_types
from auditbench_layers.similarity_blocks import similarity_blocks

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench_layers.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]

MOST_COLUMNS = 4096
"""Of an encoded input that a probe reads beside the layers."""


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Look at the layers of the network on some rows, one part after the other.

    Raises:
        AnalyzerNotPossible: The network has no layers that can be looked at, or no path for the contributions asked for.
        ModelError: An output is not finite.
    """
    context.finite_outputs()
    layers = chosen_layers(context.model, context.data, params.layers, params.most_layers)
    parts: list[AnalysisResult] = []
    if {"activations", "similarity", "probes"} & set(params.parts):
        parts += _of_activity(context, layers, params)
    if "contributions" in params.parts:
        parts.append(contribution_blocks(context, layers, params))
    return joined(parts)


def joined(parts: Sequence[AnalysisResult]) -> AnalysisResult:
    """One result with the blocks of all parts, in their order."""
    return AnalysisResult(
        metrics=tuple(block for part in parts for block in part.metrics),
        tables=tuple(block for part in parts for block in part.tables),
        curves=tuple(block for part in parts for block in part.curves),
        matrices=tuple(block for part in parts for block in part.matrices),
        notes=tuple(block for part in parts for block in part.notes),
        methods=tuple(method for part in parts for method in part.methods),
        findings=tuple(block for part in parts for block in part.findings),
    )


def _of_activity(context: AuditContext, layers: Sequence[Layer], params: Params) -> list[AnalysisResult]:
    """The parts that one pass of the rows is enough for."""
    rows = context.data.sample(params.rows, context.rng("rows"))
    found = activity_of_rows(context, context.model, layers, rows, step="activity")
    with computing_threads(0):  # many small products, each of which one core does faster than two
        return _measured(context, layers, params, rows, found)


def _measured(
    context: AuditContext,
    layers: Sequence[Layer],
    params: Params,
    rows: Rows,
    found: dict[str, dict[str, npt.NDArray[Any]]],
) -> list[AnalysisResult]:
    means = {layer.label: found[layer.name]["mean"].astype(np.float64) for layer in layers}
    parts = []
    if "activations" in params.parts:
        activity = {layer.name: layer_activity(found[layer.name], layer.kind) for layer in layers}
        clusters = clusters_of(rows.clusters)
        parts.append(
            activation_blocks(
                layers,
                activity,
                rows=len(rows),
                clusters=clusters,
                dead_share=params.dead_share,
                reads_on=context.data.task == "next-token",
            )
        )
    if "similarity" in params.parts:
        some = np.sort(context.rng("similarity").permutation(len(rows))[: params.similarity_rows])
        few = {name: mean[some] for name, mean in means.items()}
        parts.append(similarity_blocks(context, layers, few, rows.take(some), params))
    if "probes" in params.parts:
        reads_on = context.data.task == "next-token"
        given, types = input_and_types(context.model, rows, reads_on=reads_on, most_columns=MOST_COLUMNS)
        readable = means if given is None else {INPUT: given.astype(np.float64)} | means
        parts.append(probe_blocks(context, readable, rows, types, params))
    return parts
