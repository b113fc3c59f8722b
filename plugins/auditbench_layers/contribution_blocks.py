"""Blocks on what the units of layers contribute to the outputs: the strongest units, and what a layer lets through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from auditbench.data.inputs import PADDING, TextInput, modality_of
from auditbench.data.subwords import subwords_of
from auditbench.errors import AnalyzerNotPossible
from auditbench.masking.explained_input import mask_token
from auditbench.models.layers import Layer
from auditbench.models.token_embedding import token_embedding
from auditbench.results import AnalysisResult, Cell, Column, Note, Table
from auditbench.statistics import Clusters, clusters_of, sidak_level
from auditbench_layers.contributing import ContributionMethod, change_of_output, layer_contributions, model_rows
from auditbench_layers.facts import CONTRIBUTIONS
from auditbench_layers.measures import message, row_mean
from auditbench_layers.passes import encoded_parts
from auditbench_layers.paths import path_to

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_layers.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]

CHUNK_ROWS = 16
LARGE = 10_000_000
"""Parameters above which `automatic` takes activation times gradient."""
COMPLETE = ("conductance", "layer_integrated_gradients")
"""Methods whose contributions add up to the change of the output where all of it passes through the layer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Start:
    """Where paths begin: a row for all, or of a text itself without its words."""

    row: torch.Tensor | None
    embedding: str | None


def contribution_blocks(context: AuditContext, layers: Sequence[Layer], params: Params) -> AnalysisResult:
    """Contributions of the units of each layer to the output of some rows.

    Raises:
        AnalyzerNotPossible: The method follows a path, and this network gives none.
    """
    model, method = context.model, contribution_method(context.model, params)
    rows = context.data.sample(params.contribution_rows, context.rng("contributions"))
    work = partial(
        _chunk, model=model, layers=layers, method=method, steps=params.steps, start=_start(context, params, method)
    )
    arrays = context.map_rows(work, rows, step="contributions", chunk_rows=CHUNK_ROWS)
    clusters = clusters_of(rows.clusters)
    gaps = _gaps(layers, arrays, method, float(np.ptp(context.outputs)))
    return AnalysisResult(
        methods=(CONTRIBUTIONS[method],),
        tables=(
            _layers_table(layers, arrays, gaps),
            _units_table(context, layers, arrays, clusters, params.top_units, method),
        ),
        notes=_notes(context, params, method, len(rows), len(layers)),
    )


def contribution_method(model: ModelUnderTest, params: Params) -> ContributionMethod:
    """The method that the parameters ask for, or that suits a network of this size and its inputs."""
    if params.contributions != "automatic":
        return params.contributions
    of_texts_and_more = len(model.inputs) > 1 and any(isinstance(item, TextInput) for item in model.inputs.values())
    size = sum(parameter.numel() for parameter in model.module.parameters())
    return "activation_x_gradient" if size > LARGE or of_texts_and_more else "conductance"


def without_words(token_ids: torch.Tensor, item: TextInput) -> torch.Tensor:
    """Texts with the mask token in place of each of their tokens; padding and special tokens stay."""
    around: tuple[int, ...] = ()
    if item.unit == "subwords":
        subwords = subwords_of(item.tokenizer)
        around = (*subwords.leading, *subwords.trailing)
    kept = torch.isin(token_ids, torch.tensor([PADDING, *around], device=token_ids.device))
    return torch.where(kept, token_ids, mask_token(item))


def _start(context: AuditContext, params: Params, method: ContributionMethod) -> _Start:
    model = context.model
    background = context.data.background(params.background, context.rng("background"))
    if modality_of(model.inputs) == "text":
        if method not in ("conductance", "internal_influence"):
            return _Start(row=None, embedding=None)
        parts = (part[[int((part != PADDING).sum(dim=1).argmax())]] for part in encoded_parts(model, background))
        longest = max(parts, key=lambda text: int((text != PADDING).sum()))
        embedding, _ = token_embedding(
            model.module,
            longest,
            where="analyzers.layers.contributions",
            fix='set contributions = "activation_x_gradient", which follows no path',
        )
        return _Start(row=None, embedding=embedding)
    texts = any(isinstance(item, TextInput) for item in model.inputs.values())
    if method != "activation_x_gradient" and texts:
        raise AnalyzerNotPossible(
            "there is no path from a baseline to a row of which a part is token ids",
            where="analyzers.layers.contributions",
            found=method,
            allowed="activation_x_gradient",
            fix='set contributions = "activation_x_gradient"',
        )
    return _Start(row=_mean_row(model, background), embedding=None)


def _mean_row(model: ModelUnderTest, rows: Rows) -> torch.Tensor:
    """The mean of the encoded rows, as one of them."""
    sums = [(part.double().sum(dim=0, keepdim=True), part.dtype) for part in encoded_parts(model, rows)]
    mean = torch.stack([each for each, _ in sums]).sum(dim=0) / len(rows)
    return mean.to(sums[0][1])


def _chunk(
    rows: Rows,
    _rng: np.random.Generator,
    *,
    model: ModelUnderTest,
    layers: Sequence[Layer],
    method: ContributionMethod,
    steps: int,
    start: _Start,
) -> dict[str, npt.NDArray[Any]]:
    """Contributions by place of the layer, shape `(rows, units)`, and the `change` of the output, shape `(rows,)`."""
    encoded, axes = model.encode(rows.inputs), {layer.name: layer.unit_axis for layer in layers}
    targets = torch.from_numpy(model.predict(rows.inputs).argmax(axis=1)).to(encoded.device)

    def work(part: slice) -> torch.Tensor:
        given = encoded[part]
        item = next(iter(model.inputs.values()))
        begins = without_words(given, item) if start.row is None and isinstance(item, TextInput) else start.row
        path = path_to(model.module, given, given if begins is None else begins, start.embedding)
        found = layer_contributions(path, targets[part], axes, method=method, steps=steps)
        change = change_of_output(path, targets[part]) if method in COMPLETE else np.zeros(len(given))
        return torch.from_numpy(np.column_stack([change, *(found[name] for name in axes)]))

    joined = torch.cat(model.in_batches(work, len(encoded), rows_each=2)).numpy()
    ends = np.cumsum([1, *(layer.units for layer in layers)])
    parts = {str(place): joined[:, ends[place] : ends[place + 1]] for place in range(len(layers))}
    return {"change": joined[:, 0], **parts}


def _gaps(
    layers: Sequence[Layer], arrays: dict[str, Numbers], method: ContributionMethod, output_range: float
) -> list[float | None]:
    """How far the contributions of each layer miss the change of the output, on the worst row, in shares of its range."""
    if method not in COMPLETE or not output_range:
        return [None for _ in layers]
    sums = [arrays[str(place)].sum(axis=1) for place in range(len(layers))]
    return [float(np.abs(each - arrays["change"]).max() / output_range) for each in sums]


def _layers_table(layers: Sequence[Layer], arrays: dict[str, Numbers], gaps: Sequence[float | None]) -> Table:
    return Table(
        name="contributing_layers",
        title=message("contributing_layers"),
        columns=(
            Column(name="layer", label=message("column.layer")),
            Column(name="units", label=message("column.units"), kind="count"),
            Column(name="half", label=message("column.half"), kind="count"),
            Column(name="gap", label=message("column.gap"), kind="percent"),
        ),
        rows=tuple(
            (layer.label, layer.units, _units_for_half(arrays[str(place)]), gaps[place])
            for place, layer in enumerate(layers)
        ),
        n=len(arrays["change"]),
    )


def _units_for_half(contributions: Numbers) -> int | None:
    """How few units hold half of the mean |contributions|; None where all are 0."""
    sizes = np.sort(np.abs(contributions).mean(axis=0))[::-1]
    return int(np.searchsorted(np.cumsum(sizes), sizes.sum() / 2)) + 1 if sizes.sum() else None


def _units_table(
    context: AuditContext,
    layers: Sequence[Layer],
    arrays: dict[str, Numbers],
    clusters: Clusters | None,
    top: int,
    method: ContributionMethod,
) -> Table:
    unit = context.model.facts.output if method != "internal_influence" else ""
    return Table(
        name="units",
        title=message("units", rows=len(arrays["change"])),
        columns=(
            Column(name="layer", label=message("column.layer")),
            Column(name="unit", label=message("column.unit")),
            Column(name="size", label=message("column.size"), kind="number", unit=unit),
            Column(name="size_low", label=message("column.size_low"), kind="number", unit=unit),
            Column(name="size_high", label=message("column.size_high"), kind="number", unit=unit),
            Column(name="signed", label=message("column.signed"), kind="number", unit=unit),
            Column(name="share", label=message("column.share"), kind="percent"),
        ),
        rows=tuple(
            row for place, layer in enumerate(layers) for row in _top_units(layer, arrays[str(place)], clusters, top)
        ),
        n=len(arrays["change"]),
    )


def _top_units(layer: Layer, contributions: Numbers, clusters: Clusters | None, top: int) -> list[tuple[Cell, ...]]:
    """The units of the largest mean |contribution|, whose intervals hold for all units of the layer together."""
    sizes = np.abs(contributions)
    means, level = sizes.mean(axis=0), sidak_level(0.95, layer.units)
    found: list[tuple[Cell, ...]] = []
    for unit in np.argsort(-means, kind="stable")[:top]:
        if not means[unit]:
            break
        estimate = row_mean(sizes[:, unit], clusters, level=level)
        signed, share = float(contributions[:, unit].mean()), float(means[unit] / means.sum())
        found.append((layer.label, str(unit), estimate.estimate, estimate.low, estimate.high, signed, share))
    return found


def _notes(
    context: AuditContext, params: Params, method: ContributionMethod, rows: int, layers: int
) -> tuple[Note, ...]:
    count = model_rows(method, rows, params.steps, layers)
    modality = modality_of(context.model.inputs)
    notes = [Note(kind="method", text=message(f"note.{method}", n=rows, steps=params.steps, model_rows=count))]
    if method != "activation_x_gradient":
        key = "text" if modality == "text" else "background"
        notes.append(Note(kind="assumption", text=message(f"note.from_{key}", background=params.background)))
    if method in COMPLETE:
        notes.append(Note(kind="how_to_read", text=message("how_to_read.gap")))
    notes.append(Note(kind="how_to_read", text=message("how_to_read.units")))
    return (*notes, Note(kind="limit", text=message("limit.contributions")))
