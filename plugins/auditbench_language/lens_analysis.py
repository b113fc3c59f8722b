"""The analyzer `language-lens`: from which layer on a language model says what it says in the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.models.following import text_input
from auditbench.results import AnalysisResult, Axis, Curve, Note, Series
from auditbench.statistics import IntervalEstimate, clusters_of, share_interval
from auditbench_language.lens import Lens, lens_of
from auditbench_language.measures import cluster_mean, mean_metric, message
from auditbench_language.methods import LENS

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_language.params import LensParams

    Numbers: TypeAlias = npt.NDArray[np.float64]

ANALYZER = "language-lens"


def analyze(context: AuditContext, params: LensParams) -> AnalysisResult:
    """Read the hidden states of every layer, at the last token of a sample of rows.

    Raises:
        AnalyzerNotPossible: The network is none whose layers can be read.
        ModelError: An output is not finite.
    """
    context.finite_outputs()
    rows = context.data.sample(params.rows, context.rng("rows"))
    name, _ = text_input(context.model)
    lens = lens_of(context.model, context.model.encode({name: rows.inputs[name][:2]}))
    found = context.map_rows(lambda part, _rng: lens_chunk(part, model=context.model, lens=lens), rows, step="layers")
    rng = context.rng("intervals")
    agreed = found["agrees"].astype(bool)
    depth = prediction_depth(agreed.astype(np.float64)) / len(lens.blocks)
    by_layer = [
        (
            share_interval(agreed[:, layer], clusters_of(rows.clusters)),
            cluster_mean(found["probability"][:, layer], rows.clusters, rng),
            cluster_mean(found["divergence"][:, layer], rows.clusters, rng),
        )
        for layer in range(len(lens.blocks) + 1)
    ]
    n = len(rows)
    curves = (
        _curve(
            "settling",
            "settling",
            ("agreement", "probability"),
            [layer[:2] for layer in by_layer],
            n,
            "axis.share",
            "1",
        ),
        _curve(
            "divergence", "divergence_title", ("divergence",), [layer[2:] for layer in by_layer], n, "axis.nats", "nat"
        ),
    )
    values = {"rows": n, "layers": len(lens.blocks)}
    return AnalysisResult(
        metrics=(mean_metric(ANALYZER, "prediction_depth", depth, rows.clusters, rng, unit="1"),),
        curves=curves,
        methods=(LENS,),
        notes=(
            Note(kind="method", text=message(f"{ANALYZER}.method", **values)),
            Note(kind="how_to_read", text=message(f"{ANALYZER}.how")),
            Note(kind="assumption", text=message(f"{ANALYZER}.assumption")),
            Note(kind="limit", text=message(f"{ANALYZER}.limit")),
        ),
    )


def lens_chunk(rows: Rows, *, model: ModelUnderTest, lens: Lens) -> dict[str, npt.NDArray[np.generic]]:
    """What each layer says of the next token, shape `(rows, layers)` each.

    `agrees`: whether its most probable token is the final one; `probability` that it gives to the final one;
    `divergence`: Kullback-Leibler divergence of it from the final distribution, in nats.
    """
    name, _ = text_input(model)
    ids = model.encode({name: rows.inputs[name]})

    def look(part: slice) -> torch.Tensor:
        states, outputs = lens.states(model, ids[part])
        final = outputs.double().log_softmax(dim=1)
        best = final.argmax(dim=1)
        layers = []
        with torch.inference_mode():
            for state in states:
                logs = lens.read(state).double().log_softmax(dim=1)
                own = logs.gather(1, best.unsqueeze(1)).squeeze(1)
                divergence = (final.exp() * (final - logs)).sum(dim=1).clamp(min=0.0)
                layers.append(torch.stack([(logs.argmax(dim=1) == best).to(own.dtype), own.exp(), divergence], dim=1))
        return torch.stack(layers, dim=1)

    found = torch.cat(model.in_batches(look, len(ids))).cpu().numpy()
    return {"agrees": found[:, :, 0], "probability": found[:, :, 1], "divergence": found[:, :, 2]}


def prediction_depth(agrees: Numbers) -> Numbers:
    """The first layer from which on every layer agrees, shape `(rows,)`; 0 is what the first block is given.

    Args:
        agrees: Shape `(rows, layers)`; the last one counts as agreeing, which it may miss by rounding where two tokens
            are as probable.

    References: Baldock, Maennel and Neyshabur, arXiv:2106.09647, section 2 (prediction depth, with a lens for probes).
    """
    differs = agrees[:, -2::-1] == 0
    last = np.where(differs.any(axis=1), differs.argmax(axis=1), differs.shape[1])
    return np.asarray(differs.shape[1] - last, dtype=np.float64)


def _curve(
    name: str,
    title: str,
    labels: tuple[str, ...],
    layers: Sequence[tuple[IntervalEstimate, ...]],
    n: int,
    axis: str,
    unit: str,
) -> Curve:
    series = [
        Series(
            label=message(f"{ANALYZER}.series.{label}"),
            x=tuple(float(layer) for layer in range(len(layers))),
            y=tuple(each[place].estimate for each in layers),
            low=tuple(each[place].low for each in layers),
            high=tuple(each[place].high for each in layers),
            n=(n,) * len(layers),
        )
        for place, label in enumerate(labels)
    ]
    return Curve(
        name=name,
        title=message(f"{ANALYZER}.{title}"),
        x=Axis(label=message(f"{ANALYZER}.axis.layer"), unit="blocks"),
        y=Axis(label=message(f"language.{axis}"), unit=unit),
        series=tuple(series),
    )
