"""What exchanging the words for a person in the evaluated texts does to decisions and scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data import TextInput
from auditbench.data.inputs import UNKNOWN
from auditbench.results import Metric
from auditbench_flips.measures import Versions, change_unit, followed_outputs, mean_metric, message, share_metric
from auditbench_flips.swapping import WordSwap
from auditbench_flips.text_rows import token_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_flips.params import Params

CHUNK_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class WordFlips:
    """What was found of one input of texts.

    Attributes:
        rows: Texts that were looked at; `with_words` those that have a word of a pair, as far as the model reads them.
        unread: Texts whose words stand where the model does not read.
        unknown: Texts in which a counterpart is a token that the model does not know, and the word was one that it does.
    """

    input: str
    metrics: tuple[Metric, ...]
    rows: int
    with_words: int
    unread: int
    unknown: int


def measure_words(context: AuditContext, params: Params) -> list[WordFlips]:
    """Exchange the words of each input of texts whose texts are known."""
    rows = context.data.sample(params.texts, context.rng("texts"))
    return [
        _measured(context, params, rows, name, item)
        for name, item in context.model.inputs.items()
        if isinstance(item, TextInput) and name in rows.texts
    ]


def _measured(context: AuditContext, params: Params, rows: Rows, name: str, item: TextInput) -> WordFlips:
    work = partial(_versions, model=context.model, name=name, item=item, swap=WordSwap(params.words))
    arrays = context.map_rows(work, rows, step=f"words {name}", chunk_rows=CHUNK_ROWS)
    sides, read = arrays["sides"], arrays["read"]
    there = sides.sum(axis=1) > 0
    kept = there & read
    versions = Versions(
        before=arrays["before"][kept],
        after=arrays["after"][kept],
        clusters=None if rows.clusters is None else rows.clusters[kept],
    )
    return WordFlips(
        input=name,
        metrics=tuple(_metrics(context, params, name, versions, sides[kept])),
        rows=len(rows),
        with_words=int(kept.sum()),
        unread=int((there & ~read).sum()),
        unknown=int((kept & arrays["unknown"]).sum()),
    )


def _versions(
    rows: Rows, _: np.random.Generator, *, model: ModelUnderTest, name: str, item: TextInput, swap: WordSwap
) -> dict[str, Any]:
    """Outputs of each text and of its other version, the words of each side, and what the model sees of the exchange."""
    swapped = [swap(text) for text in rows.texts[name].tolist()]
    ids = np.array(rows.inputs[name])
    there = np.flatnonzero([each.first + each.second > 0 for each in swapped])
    other = ids.copy()
    other[there] = token_rows(item, [swapped[int(row)].text for row in there])
    before = model.predict(rows.inputs)
    after = before.copy()
    read = (ids != other).any(axis=1)
    if read.any():
        inputs = {key: array[read] for key, array in {**rows.inputs, name: other}.items()}
        after[read] = model.predict(inputs)
    return {
        "before": before,
        "after": after,
        "sides": np.asarray([(each.first, each.second) for each in swapped], dtype=np.int64),
        "read": read,
        "unknown": (other == UNKNOWN).sum(axis=1) > (ids == UNKNOWN).sum(axis=1),
    }


def _metrics(
    context: AuditContext, params: Params, name: str, versions: Versions, sides: npt.NDArray[np.int64]
) -> list[Metric]:
    """Decisions over all texts with such words; scores over those with words of one side, as the second minus the first."""
    first, second = params.sides
    where = {"input": name} if len(context.model.inputs) > 1 else {}
    least = params.minimum_group
    few = message("undefined.few_texts", minimum=least)
    found: list[Metric] = []
    if context.data.task != "regression":
        changed = versions.changed(context.model)
        words = {**where, "words": f"{first} / {second}"}
        found.append(
            share_metric("word_decision_change", changed, versions.clusters, minimum=least, where=words, undefined=few)
        )
    alone = (sides == 0).any(axis=1)
    one_sided = versions.reversed_where(sides[:, 1] > 0).among(alone)
    changes = one_sided.changes(context.model)
    for output in followed_outputs(context, params.most_classes):
        found.append(
            mean_metric(
                "word_score_change",
                changes[:, output.place],
                one_sided.clusters,
                context.rng(f"words {name} {output.place}"),
                minimum=least,
                where={**where, "words": f"{second} − {first}", **output.where},
                undefined=few,
                unit=change_unit(context.model),
            )
        )
    return found
