"""How sure a language model is: entropy of what follows, beside how surprised it was, over tokens and by their context."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.data import FIRST_TOKEN
from auditbench.data.inputs import PADDING, UNKNOWN
from auditbench.models.following import following, text_input
from auditbench.results import Axis, Curve, Metric, Series
from auditbench_language.measures import cluster_mean, mean_metric, message

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest

    Numbers: TypeAlias = npt.NDArray[np.float64]

MOST_POINTS = 24
_LEAST = 1e-45
_AT_ONCE = 1024
"""Rows whose probabilities are held at a time: a vocabulary may be large."""


def uncertainty_metrics(context: AuditContext) -> tuple[Metric, ...]:
    """Entropy of the distribution of the next token over the evaluated rows, and surprise less entropy.

    A model whose probabilities are right is as surprised on the mean as its entropy says.
    """
    outputs, y_true = context.finite_outputs(), context.data.y_true.astype(np.int64)
    entropy, surprise = np.empty(len(outputs)), np.empty(len(outputs))
    for start in range(0, len(outputs), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        probabilities = context.model.probabilities(outputs[part])
        logs = np.log(np.clip(probabilities, _LEAST, 1.0))
        entropy[part] = -(probabilities * logs).sum(axis=1)
        surprise[part] = -np.take_along_axis(logs, y_true[part, np.newaxis], axis=1)[:, 0]
    ids, rng = context.data.clusters, context.rng("entropy")
    return (
        mean_metric("language", "entropy", entropy, ids, rng, unit="nat", by_row=True),
        mean_metric("language", "excess_surprise", surprise - entropy, ids, rng, unit="nat", by_row=True),
    )


def place_chunk(rows: Rows, _rng: np.random.Generator, *, model: ModelUnderTest) -> dict[str, npt.NDArray[np.generic]]:
    """Entropy and surprise at every place of some rows, shape `(rows, length)`; NaN where there is nothing to predict."""
    name, item = text_input(model)
    ids = model.encode({name: rows.inputs[name]})
    after = torch.cat([ids[:, 1:], torch.zeros_like(ids[:, :1])], dim=1)
    ends = torch.count_nonzero(ids != PADDING, dim=1) - 1
    last = torch.as_tensor(rows.y_true.astype(np.int64), device=ids.device) + FIRST_TOKEN
    after[torch.arange(len(ids)), ends] = last
    known = (after != PADDING) & (after != UNKNOWN)

    def measure(part: slice) -> torch.Tensor:
        with torch.inference_mode():
            logs = following(model, ids[part])
            entropy = torch.special.entr(logs.exp()).sum(dim=2)
            own = (after[part] - FIRST_TOKEN).clamp(min=0).unsqueeze(2)
            return torch.stack([entropy, -logs.gather(2, own).squeeze(2)], dim=1).double()

    found = torch.cat(model.in_batches(measure, len(ids), rows_each=item.length))
    both = found.masked_fill(~known.unsqueeze(1), torch.nan).cpu().numpy()
    return {"entropy": both[:, 0], "surprise": both[:, 1]}


def context_curve(context: AuditContext, windows: int) -> Curve:
    """Mean entropy and surprise by how many tokens the model has seen, over a sample of rows.

    Intervals are for one place at a time.
    """
    rng = context.rng("windows")
    rows = context.data.sample(windows, rng)
    found = context.map_rows(lambda part, own: place_chunk(part, own, model=context.model), rows, step="windows")
    width = found["entropy"].shape[1]
    places = np.unique(np.round(np.geomspace(1, width, MOST_POINTS)).astype(int)) - 1
    series = [_series(name, found[name][:, places], places, rows, rng) for name in ("entropy", "surprise")]
    return Curve(
        name="by_context",
        title=message("language.by_context"),
        kind="line",
        x=Axis(label=message("language.axis.context"), unit="tokens", log=True),
        y=Axis(label=message("language.axis.nats"), unit="nat"),
        series=tuple(series),
    )


def _series(name: str, values: Numbers, places: npt.NDArray[np.int64], rows: Rows, rng: np.random.Generator) -> Series:
    points = []
    for column, place in zip(values.T, places, strict=True):
        there = np.isfinite(column)
        ids = None if rows.clusters is None else rows.clusters[there]
        if there.any():
            points.append((float(place + 1), cluster_mean(column[there], ids, rng), int(there.sum())))
    return Series(
        label=message(f"language.series.{name}"),
        x=tuple(x for x, _, _ in points),
        y=tuple(mean.estimate for _, mean, _ in points),
        low=tuple(mean.low for _, mean, _ in points),
        high=tuple(mean.high for _, mean, _ in points),
        n=tuple(n for _, _, n in points),
    )
