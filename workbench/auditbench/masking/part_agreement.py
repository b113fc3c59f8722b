"""How far two methods rank the parts of an input alike: regions of an image, words of a text, segments of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.masking.agreement import AGREEMENT, spearman
from auditbench.masking.cells import player_sums, players_present
from auditbench.masking.explained_input import cell_players
from auditbench.masking.explanation import earlier_attributions
from auditbench.results import Attribution, Interval, Metric
from auditbench.statistics import bootstrap_mean_intervals

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.masking.explanation import Explained
    from auditbench.masking.player_params import PlayerParams

    Numbers = npt.NDArray[np.float64]


def part_agreement(
    analyzer: str, context: AuditContext, task: Explained, attribution: Attribution, params: PlayerParams
) -> tuple[Metric, ...]:
    """`rank_agreement` with each method that ran before: the mean over rows of Spearman's correlation within a row.

    Parts differ from row to row, so that a row is ranked by itself: by the |contributions| of its parts to the output
    that it is explained for. Parts are those of `params`; what another method gives to their cells is added up, which is
    what it gave to the parts themselves where it had the same ones. Over the counted rows that both methods explained
    and that both rank; the interval resamples these rows.
    """
    import numpy as np

    others = {
        name: other
        for name, other in earlier_attributions(context).items()
        if not other.player_names and np.shape(other.values)[2:] == np.shape(attribution.values)[2:]
    }
    if not others:
        return ()
    index = np.arange(len(task.rows))[task.counted]
    if not len(index):
        return tuple(_metric(analyzer, name, np.empty(0), context) for name in others)
    rows = task.rows.take(index)
    players, owners = cell_players(context.model, rows, params)
    present = players_present(players, len(rows))
    metrics = []
    for name, other in others.items():
        place = {row_id: row for row, row_id in enumerate(other.row_ids)}
        both = [row for row, row_id in enumerate(rows.row_ids) if row_id in place]
        sizes = [
            np.abs(player_sums(np.asarray(part.values, dtype=np.float64)[chosen, :1], owners[both], len(players)))[:, 0]
            for part, chosen in (
                (attribution, index[both]),
                (other, [place[rows.row_ids[row]] for row in both]),
            )
        ]
        alike = np.array([spearman(*(size[i, : present[row]] for size in sizes)) for i, row in enumerate(both)])
        metrics.append(_metric(analyzer, name, alike[~np.isnan(alike)], context))
    return tuple(metrics)


def _metric(analyzer: str, other: str, alike: Numbers, context: AuditContext) -> Metric:
    n = len(alike)
    means = bootstrap_mean_intervals(alike[:, None], rng=context.rng(f"agreement/{other}"))
    return Metric(
        name=AGREEMENT,
        value=float(means.estimate[0]) if n else None,
        interval=Interval(low=float(means.low[0]), high=float(means.high[0]), method=means.method) if n > 1 else None,
        no_interval="not_estimated" if n == 1 else "",
        n=n,
        where={"method": other},
        method=f"{analyzer}.{AGREEMENT}.formula_parts",
        reason=None if n else Message(key=f"{analyzer}.no_ranking_parts"),
    )
