"""Global from local: which words, regions and segments contribute over many rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from auditbench.data.inputs import ImageInput, SeriesInput, TextInput
from auditbench.findings import Message
from auditbench.masking.cells import player_sums
from auditbench.masking.importance import IMPORTANCE
from auditbench.results import Attribution, Interval, Metric
from auditbench.statistics import bootstrap_mean_intervals

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.masking.explanation import Explained
    from auditbench.masking.player_params import PlayerParams

    Numbers = npt.NDArray[np.float64]

LEAST_ROWS = 10
"""Rows that have a word: one of fewer says little, and could point at a person."""
MOST_WORDS = 30


def part_metrics(
    analyzer: str, context: AuditContext, attribution: Attribution, task: Explained, params: PlayerParams
) -> tuple[Metric, ...]:
    """`mean_absolute_attribution` of words, segments or aligned regions, to the output that each row is explained for.

    Over the counted rows that have the part; of words those with the largest means. Regions that differ from image to
    image have none. Intervals say how far a mean over the sampled rows may lie from that over all rows; they are for
    one part at a time, and words are chosen by the same rows.
    """
    import numpy as np

    name, item = next(iter(context.model.inputs.items()))
    values = np.asarray(attribution.values, dtype=np.float64)[task.counted, :1]
    rows = task.rows.take(np.arange(len(task.rows))[task.counted])
    if isinstance(item, TextInput):
        texts = rows.texts.get(name)
        found = _by_word(
            item, rows.inputs[name], None if texts is None else [str(text) for text in texts], values[:, 0]
        )
    elif isinstance(item, SeriesInput) or (isinstance(item, ImageInput) and params.superpixels == "grid"):
        found = _by_player(item, values, params)
    else:
        return ()
    return tuple(_metric(analyzer, attribution.unit, part, sizes, context) for part, sizes in found.items())


def _by_word(
    item: TextInput, token_ids: npt.NDArray[np.int64], texts: Sequence[str] | None, values: Numbers
) -> dict[str, Numbers]:
    """|contribution| of each frequent word in the rows that have it, those with the largest means first."""
    import numpy as np

    from auditbench.data.words import words_of

    sizes: defaultdict[str, list[float]] = defaultdict(list)
    for words, row in zip(words_of(item, token_ids, texts), values, strict=True):
        sums: defaultdict[str, float] = defaultdict(float)
        for word, share in zip(words.index, row.tolist(), strict=True):
            if word is not None and (known := _plain(words.said[word])):
                sums[known] += share
        for known, total in sums.items():
            sizes[known].append(abs(total))
    frequent = {word: np.array(found) for word, found in sizes.items() if len(found) >= LEAST_ROWS}
    order = sorted(frequent, key=lambda word: (-float(frequent[word].mean()), word))
    return {word: frequent[word] for word in order[:MOST_WORDS]}


def _plain(said: str) -> str:
    """A word as summaries count it: in lower case, without the marks and blanks around it."""
    from auditbench.data.texts import word_spans

    spans = word_spans(said)
    return said[spans[0][0] : spans[-1][1]].lower() if spans else ""


def _by_player(item: ImageInput | SeriesInput, values: Numbers, params: PlayerParams) -> dict[str, Numbers]:
    """|contribution| of each segment or region, in their order; regions go by their place in the grid."""
    import numpy as np

    from auditbench.masking.explained_input import aligned_players

    players = aligned_players(item, params)
    groups = players.groups.numpy()
    owners = groups[0] if isinstance(item, ImageInput) else groups
    sums = player_sums(values, np.broadcast_to(owners, (len(values), *owners.shape)), len(players))[:, 0]
    names = _places(owners) if isinstance(item, ImageInput) else players.names
    return {name: np.abs(sums[:, place]) for place, name in enumerate(names)}


def _places(owners: npt.NDArray[np.int64]) -> list[str]:
    """`grid row 2, column 3` of each region, counted from the upper left; owners have shape `(height, width)`."""
    across = len(set(owners[0].tolist()))
    return [f"grid row {place // across + 1}, column {place % across + 1}" for place in range(int(owners.max()) + 1)]


def _metric(analyzer: str, unit: str, part: str, sizes: Numbers, context: AuditContext) -> Metric:
    n = len(sizes)
    means = bootstrap_mean_intervals(sizes[:, None], rng=context.rng(f"importance/{part}"))
    known = n > 1
    low, high = float(means.low[0]), float(means.high[0])
    return Metric(
        name=IMPORTANCE,
        value=float(means.estimate[0]) if n else None,
        unit=unit,
        interval=Interval(low=low, high=high, method=means.method) if known else None,
        no_interval="" if known else "not_estimated",
        n=n,
        where={"feature": part},
        method=f"{analyzer}.{IMPORTANCE}.formula_parts",
        reason=None if n else Message(key=f"{analyzer}.no_sampled_rows"),
    )
