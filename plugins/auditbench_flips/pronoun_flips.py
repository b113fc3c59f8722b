"""What exchanging the pronoun in the sentences of Winogender does to decisions, scores and likelihoods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.data.inputs import PADDING, UNKNOWN
from auditbench.models.following import text_input
from auditbench.results import Metric
from auditbench_flips.likelihoods import mean_log_likelihoods, whole_ids
from auditbench_flips.measures import (
    Followed,
    Versions,
    change_unit,
    followed_outputs,
    mean_metric,
    message,
    share_metric,
)
from auditbench_flips.text_rows import token_rows
from auditbench_flips.winogender import PRONOUNS, STANDS_FOR, Schema, winogender

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_flips.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Mask: TypeAlias = npt.NDArray[np.bool_]
    Pair: TypeAlias = tuple[int, int]

PAIRS: tuple[Pair, ...] = ((0, 1), (0, 2), (1, 2))
"""Places in `PRONOUNS`: the second version minus the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PronounChange:
    """What one exchange of pronouns does to one output, over the templates of one kind.

    Attributes:
        pair: Places in `PRONOUNS`.
        stands_for: Whom the pronouns of these templates stand for; empty for all of them.
        output: None for the likelihood.
        mean: Mean change; `changed` the share of other decisions, where there are decisions.
    """

    pair: Pair
    stands_for: str
    output: Followed | None
    mean: Metric
    changed: Metric | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PronounFlips:
    """What was found.

    Attributes:
        changes: Of the first output, or of the mean log-likelihood, female minus male pronoun, shape `(templates,)`.
        apart: Templates whose male and female versions the model can read and tell apart, alike.
        unknown: Share of the tokens of all sentences that the model does not know.
    """

    lines: tuple[PronounChange, ...]
    schemas: tuple[Schema, ...]
    changes: Numbers
    apart: Mask
    unknown: float

    @property
    def metrics(self) -> list[Metric]:
        """Those of all templates; the others stand in the table alone."""
        overall = [line for line in self.lines if not line.stands_for]
        shares = {metric.where["pronouns"]: metric for line in overall if (metric := line.changed) is not None}
        return [*shares.values(), *(line.mean for line in overall)]


def measure_pronouns(context: AuditContext, params: Params) -> PronounFlips:
    """Compare the versions of each template, clusters being occupations."""
    schemas = winogender()
    measure = _of_language_model if context.data.task == "next-token" else _of_outputs
    return measure(context, params, schemas)


def _of_outputs(context: AuditContext, params: Params, schemas: tuple[Schema, ...]) -> PronounFlips:
    name, item = text_input(context.model)
    ids = [token_rows(item, [schema.sentences[place] for schema in schemas]) for place in range(len(PRONOUNS))]
    outputs = [context.model.predict({name: rows}) for rows in ids]
    apart = {pair: (ids[pair[0]] != ids[pair[1]]).any(axis=1) for pair in PAIRS}
    followed = followed_outputs(context, params.most_classes)
    lines: list[PronounChange] = []
    for pair, stands_for, chosen in _parts(schemas):
        versions = Versions(before=outputs[pair[0]], after=outputs[pair[1]], clusters=_occupations(schemas))
        some = versions.among(chosen & apart[pair])
        changed = None if context.data.task == "regression" else _share(context, params, pair, some)
        changes = some.changes(context.model)
        for output in followed:
            mean = _mean(context, params, pair, stands_for, changes[:, output.place], some.clusters, output)
            lines.append(PronounChange(pair=pair, stands_for=stands_for, output=output, mean=mean, changed=changed))
    tokens = np.concatenate(ids)
    first = Versions(before=outputs[0], after=outputs[1]).changes(context.model)[:, followed[0].place]
    return PronounFlips(
        lines=tuple(lines),
        schemas=schemas,
        changes=first,
        apart=apart[PAIRS[0]],
        unknown=float((tokens == UNKNOWN).sum() / max(1, (tokens != PADDING).sum())),
    )


def _of_language_model(context: AuditContext, params: Params, schemas: tuple[Schema, ...]) -> PronounFlips:
    _, item = text_input(context.model)
    texts = [whole_ids(item, [schema.sentences[place] for schema in schemas]) for place in range(len(PRONOUNS))]
    means = [mean_log_likelihoods(context.model, ids, item.length) for ids in texts]
    lines: list[PronounChange] = []
    differences, apart = {}, {}
    for pair in PAIRS:
        differences[pair] = means[pair[1]] - means[pair[0]]
        told = [one != other for one, other in zip(texts[pair[0]], texts[pair[1]], strict=True)]
        apart[pair] = np.asarray(told, dtype=np.bool_) & np.isfinite(differences[pair])
    for pair, stands_for, chosen in _parts(schemas):
        kept = chosen & apart[pair]
        mean = _mean(context, params, pair, stands_for, differences[pair][kept], _occupations(schemas)[kept], None)
        lines.append(PronounChange(pair=pair, stands_for=stands_for, output=None, mean=mean))
    tokens = np.concatenate([np.asarray(ids) for rows in texts for ids in rows])
    return PronounFlips(
        lines=tuple(lines),
        schemas=schemas,
        changes=differences[PAIRS[0]],
        apart=apart[PAIRS[0]],
        unknown=float((tokens == UNKNOWN).mean()),
    )


def _parts(schemas: Sequence[Schema]) -> Iterator[tuple[Pair, str, Mask]]:
    """Each pair of pronouns with all templates, and with those where they stand for one or the other person."""
    who = np.asarray([schema.stands_for for schema in schemas])
    for pair in PAIRS:
        yield pair, "", np.ones(len(schemas), dtype=np.bool_)
        for stands_for in STANDS_FOR:
            yield pair, stands_for, who == stands_for


def _occupations(schemas: Sequence[Schema]) -> npt.NDArray[np.str_]:
    return np.asarray([schema.occupation for schema in schemas])


def _share(context: AuditContext, params: Params, pair: Pair, versions: Versions) -> Metric:
    return share_metric(
        "pronoun_decision_change",
        versions.changed(context.model),
        versions.clusters,
        minimum=params.minimum_group,
        where={"pronouns": f"{PRONOUNS[pair[0]]} / {PRONOUNS[pair[1]]}"},
        undefined=message("undefined.few_templates", minimum=params.minimum_group),
        sample="own",
    )


def _mean(
    context: AuditContext,
    params: Params,
    pair: Pair,
    stands_for: str,
    changes: Numbers,
    occupations: npt.NDArray[np.generic] | None,
    output: Followed | None,
) -> Metric:
    place = -1 if output is None else output.place
    return mean_metric(
        "likelihood_change" if output is None else "pronoun_score_change",
        changes,
        occupations,
        context.rng(f"pronouns {pair} {stands_for} {place}"),
        minimum=params.minimum_group,
        where={
            "pronouns": f"{PRONOUNS[pair[1]]} − {PRONOUNS[pair[0]]}",
            **({} if output is None else output.where),
        },
        undefined=message("undefined.few_templates", minimum=params.minimum_group),
        unit="nat" if output is None else change_unit(context.model),
        sample="own",
    )
