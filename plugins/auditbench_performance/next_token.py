"""Metrics of a language model: the surprise at what follows, and that of a bigram model beside it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data import FIRST_TOKEN
from auditbench.data.inputs import PADDING
from auditbench.results import Metric
from auditbench.statistics import mean_influence
from auditbench_performance.measures import bootstrapped, measured, proportion
from auditbench_performance.multiclass import probability_metrics, top_k_accuracy
from auditbench_performance.resampling import Sample, bootstrap_weighted, weighted_mean

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_performance import Params
    from auditbench_performance.resampling import WeightedStatistic

    Ids = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]

_AT_ONCE = 4096


def next_token_metrics(
    context: AuditContext, params: Params, probabilities: Numbers, y_true: Ids, y_pred: Ids, sample: Sample
) -> tuple[Metric, ...]:
    """All metrics of a model of the next token.

    Args:
        probabilities: Shape `(rows, tokens of the vocabulary)`.
        y_true: Class of the token that follows, shape `(rows,)`; `y_pred`, the most probable one, alike.
    """
    frequent = np.bincount(y_true, minlength=probabilities.shape[1]).argmax()
    return (
        proportion("accuracy", y_pred == y_true, reason="no_rows", clusters=sample.clusters),
        proportion("majority_class_accuracy", y_true == frequent, reason="no_rows", clusters=sample.clusters),
        *top_k_accuracy(probabilities, y_true, params.top_k, sample),
        *probability_metrics(params, probabilities, y_true, sample, context.rng("rows")),
        *_against_bigrams(context, _surprise(probabilities[np.arange(sample.n), y_true]), y_true, sample),
    )


def bigram_surprise(pairs: tuple[Ids, Ids], last: Ids, follows: Ids, classes: int) -> Numbers:
    """-ln of the probability that a bigram model gives to what follows each last token, shape `(rows,)`.

    `(count(last, follows) + 1) / (count(last) + classes)`: add-one smoothing.

    Args:
        pairs: Token ids and the classes that followed them in the training rows.
        last: Token id before what is predicted, shape `(rows,)`.
        follows: Class of what follows, shape `(rows,)`.

    Source: Jurafsky and Martin, Speech and Language Processing, section 3.6.1 (Laplace smoothing).
    """
    before, after = pairs
    seen, counts = np.unique(before * classes + after, return_counts=True)
    totals = np.bincount(before, minlength=int(max(before.max(initial=0), last.max(initial=0))) + 1)
    asked = last * classes + follows
    place = np.minimum(np.searchsorted(seen, asked), max(0, len(seen) - 1))
    found = np.where(seen[place] == asked, counts[place], 0) if len(seen) else np.zeros(len(asked))
    return np.asarray(-np.log((found + 1) / (totals[last] + classes)), dtype=np.float64)


def _against_bigrams(context: AuditContext, surprise: Numbers, y_true: Ids, sample: Sample) -> tuple[Metric, ...]:
    """Perplexity, the log loss of a bigram model of the training rows, and what the network gains over it."""
    statistics: dict[str, WeightedStatistic] = {"perplexity": _exponential(weighted_mean(surprise))}
    influences = {"perplexity": partial(_perplexity_influence, surprise)}
    if context.data.background_source == "train":
        last = np.concatenate([_last(rows.inputs[_input(context)]) for rows in context.data.batches(_AT_ONCE)])
        bigram = bigram_surprise(_training_pairs(context), last, y_true, len(context.data.classes))
        statistics |= {"bigram_log_loss": weighted_mean(bigram), "gain_over_bigram": weighted_mean(bigram - surprise)}
        influences |= {
            "bigram_log_loss": partial(mean_influence, bigram),
            "gain_over_bigram": partial(mean_influence, bigram - surprise),
        }
    estimates = bootstrap_weighted(statistics, sample, context.rng("tokens"))
    found = [
        bootstrapped(measured(name, sample), estimates, index, reason="no_rows", influence=influences[name])
        for index, name in enumerate(statistics)
    ]
    if len(found) == 1:
        absent = ("bigram_log_loss", "gain_over_bigram")
        found += [measured(name, sample).metric(None, None, "no_training_rows") for name in absent]
    return tuple(found)


def _training_pairs(context: AuditContext) -> tuple[Ids, Ids]:
    """Each known token of the training rows that follows another one, with the id of the one before it."""
    rows = context.data.background(np.iinfo(np.intp).max, context.rng("bigrams"))
    ids = rows.inputs[_input(context)]
    before, after = ids[:, :-1].ravel(), ids[:, 1:].ravel()
    known = after >= FIRST_TOKEN
    return (
        np.concatenate([before[known], _last(ids)]),
        np.concatenate([after[known] - FIRST_TOKEN, rows.y_true.astype(np.int64)]),
    )


def _input(context: AuditContext) -> str:
    return next(iter(context.data.inputs))


def _last(ids: Ids) -> Ids:
    """The last token of each row that is no padding, shape `(rows,)`."""
    lengths = np.count_nonzero(ids != PADDING, axis=1)
    return np.asarray(ids[np.arange(len(ids)), np.maximum(lengths, 1) - 1], dtype=np.int64)


def _surprise(own: Numbers) -> Numbers:
    return np.asarray(-np.log(np.clip(own, np.finfo(np.float64).eps, 1.0)), dtype=np.float64)


def _exponential(mean: WeightedStatistic) -> WeightedStatistic:
    return lambda weights: np.exp(mean(weights))


def _perplexity_influence(surprise: Numbers) -> Numbers:
    """By the delta method: exp(mean) times what each row does to the mean."""
    return np.asarray(np.exp(surprise.mean()) * mean_influence(surprise))
