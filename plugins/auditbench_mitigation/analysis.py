"""From the audited model and its copies to the result of `mitigation`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from auditbench.errors import TrainingError
from auditbench.results import AnalysisResult, Note
from auditbench.statistics import clusters_of, first_half
from auditbench_mitigation.grouping import Groups, grouped
from auditbench_mitigation.measures import Measured, group_metrics, measured_rule, message, rule_metrics
from auditbench_mitigation.measuring import Measuring
from auditbench_mitigation.reduction import Networks, reduction_rules
from auditbench_mitigation.rules import AS_IS, NotRun, Rule
from auditbench_mitigation.summary import frontier, group_tables, rule_table, threshold_table
from auditbench_mitigation.thresholds import fitted_groups, threshold_rules

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.findings import Message
    from auditbench.models import ModelUnderTest
    from auditbench_mitigation import Method, Params
    from auditbench_mitigation.grouping import Codes, Mask
    from auditbench_mitigation.rules import Numbers

GAP_OF = {
    "demographic_parity": "demographic_parity_difference",
    "equalized_odds": "equalized_odds_difference",
}
LIBRARY = "fairlearn"
_OF_LIBRARY: tuple[Method, ...] = ("thresholds", "reduction")


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Make rules of decision by every method, and measure them on the rows that none of them was fitted on.

    Raises:
        ModelError: Outputs that are NaN or infinite, from which no decision follows.
        AnalyzerNotPossible: Fewer than two groups have enough rows.
        ConfigError: A feature is none of the sensitive ones.
    """
    outputs = context.finite_outputs()
    data, groups = context.data, grouped(context.data, params)
    clusters = clusters_of(data.clusters)
    fitted = first_half(len(data), context.rng("halves"), clusters)
    making = _Making(
        context=context,
        params=params,
        groups=groups,
        fitted=fitted,
        scores=context.model.probabilities(outputs)[:, 1],
        as_is=context.model.decisions(outputs) == 1,
    )
    rules = [Rule(method=AS_IS, chance=making.as_is.astype(np.float64)), *making.rules()]
    held = np.flatnonzero(~fitted)
    measuring = Measuring(
        y_true=data.y_true[held].astype(np.int64),
        of_row=groups.of_row[held],
        groups=len(groups.names),
        minimum_group=params.minimum_group,
        minimum_outcomes=params.minimum_outcomes,
        clusters=None if clusters is None else clusters.among(~fitted),
        weights=None if data.weights is None else data.weights[held],
    )
    draws = context.rng("draws").random(len(data))
    measured = tuple(_measured(measuring, rule, draws, held) for rule in rules)
    return _result(making, measuring, measured)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Making:
    """What rules are made of.

    Attributes:
        fitted: The evaluated rows that thresholds may be fitted on, shape `(rows,)`.
        scores: Probability of the positive class of the evaluated rows; `as_is` what the model decides.
        not_run: Methods that gave no rule; `trained` networks that were trained, by method.
    """

    context: AuditContext
    params: Params
    groups: Groups
    fitted: Mask
    scores: Numbers
    as_is: Mask
    not_run: list[NotRun] = field(default_factory=list)
    trained: dict[str, int] = field(default_factory=dict)

    @property
    def threshold(self) -> float:
        """Probability from which the model as it is, and every network, decides as positive."""
        threshold = self.context.model.facts.threshold
        return 0.5 if threshold is None else threshold

    def rules(self) -> Iterator[Rule]:
        """The rules of all methods, in the order of the parameters; what cannot be run is noted."""
        makers = {"reweighing": self._reweighing, "thresholds": self._thresholds, "reduction": self._reduction}
        for method in self.params.methods:
            reason = self._missing(method)
            if reason is None:
                try:
                    yield from makers[method]()
                    continue
                except _NotPossibleError as error:
                    reason = error.reason
                except TrainingError as error:
                    reason = message("not_run.training", error=error.problems[0].message)
            self.not_run.append(NotRun(method=method, reason=reason))

    def _missing(self, method: Method) -> Message | None:
        """What a method needs and has not."""
        if method in _OF_LIBRARY and importlib.util.find_spec(LIBRARY) is None:
            return message("not_run.library", package=LIBRARY)
        if method != "thresholds" and self.groups.of_background is None:
            return message("not_run.background", feature=self.groups.feature)
        return None

    def _reweighing(self) -> Iterator[Rule]:
        training = self.context.model.facts.training
        if training is not None and set(training.settings.get("reweigh", ())) == set(self.groups.features):
            raise _NotPossibleError(message("not_run.already", feature=self.groups.feature))
        model = self.context.refit(reweigh=self.groups.features, name="reweighing")
        self.trained["reweighing"] = 1
        yield Rule(method="reweighing", chance=self._decisions(model).astype(np.float64))

    def _thresholds(self) -> Iterator[Rule]:
        labels = self.context.data.y_true.astype(np.int64)
        of_row, total = self.groups.of_row, len(self.groups.names)
        chosen = fitted_groups(of_row, labels, self.fitted, self.params.minimum_group, total)
        if len(chosen) < 2:
            raise _NotPossibleError(message("not_run.few_groups", minimum=self.params.minimum_group))
        yield from threshold_rules(
            self.scores,
            labels,
            of_row,
            fitted=self.fitted,
            groups=chosen,
            as_is=self.as_is,
            constraint=self.params.constraint,
            allowed_gaps=self.params.allowed_gaps,
        )

    def _reduction(self) -> Iterator[Rule]:
        data, of_background = self.context.data, self.groups.of_background
        if of_background is None or (most := self.params.most_refits - len(self.trained)) < 1:
            raise _NotPossibleError(message("not_run.no_refits", most=self.params.most_refits))
        labels = data.background_without_inputs.y_true.astype(np.int64)
        chosen = fitted_groups(
            of_background,
            labels,
            np.ones(len(labels), dtype=np.bool_),
            self.params.minimum_group,
            len(self.groups.names),
        )
        if len(chosen) < 2:
            raise _NotPossibleError(message("not_run.few_groups", minimum=self.params.minimum_group))
        networks = Networks(train=self._network, labels=labels, constrained=np.isin(of_background, chosen), most=most)
        yield from reduction_rules(
            networks,
            of_background,
            rows=len(data),
            constraint=self.params.constraint,
            allowed_gaps=self.params.allowed_gaps,
        )

    def _network(self, labels: Codes, weights: Numbers) -> Codes:
        """Decisions of a network on the background rows, and on the evaluated rows behind them."""
        number = self.trained["reduction"] = self.trained.get("reduction", 0) + 1
        model = self.context.refit(labels=labels, weights=weights, name=f"reduction {number}")
        data = self.context.data
        background = data.background(data.background_rows, self.context.rng())
        return np.concatenate([model.decisions(model.predict(background.inputs)), self._decisions(model)])

    def _decisions(self, model: ModelUnderTest) -> Codes:
        parts = [model.predict(rows.inputs) for rows in self.context.data.batches(model.batch_rows)]
        return np.asarray(model.decisions(np.concatenate(parts)), dtype=np.int64)


class _NotPossibleError(Exception):
    """A method cannot be run here."""

    def __init__(self, reason: Message) -> None:
        super().__init__(reason.key)
        self.reason = reason


def _measured(measuring: Measuring, rule: Rule, draws: Numbers, held: Codes) -> Measured:
    chance = rule.chance[held]
    drawn = float(np.mean((chance > 0) & (chance < 1)))
    return measured_rule(measuring, rule, rule.decided(draws)[held], drawn)


def _result(making: _Making, measuring: Measuring, measured: tuple[Measured, ...]) -> AnalysisResult:
    name, groups = GAP_OF[making.params.constraint], making.groups
    said: dict[str, float | str] = {
        "feature": groups.feature,
        "positive": making.context.data.classes[1],
        "threshold": making.threshold,
    }
    of_groups = tuple(group_metrics(measuring, groups, measured))
    figure = frontier(measured, name, said)
    thresholds = threshold_table(groups, measured, said, int(making.fitted.sum()))
    return AnalysisResult(
        metrics=(*rule_metrics(measuring, groups, measured), *of_groups),
        scatters=() if figure is None else (figure,),
        tables=(
            rule_table(measured, making.not_run, name, said, making.trained),
            *group_tables(measuring, groups, measured, of_groups, said),
            *(() if thresholds is None else (thresholds,)),
        ),
        notes=_notes(making, measuring, measured),
    )


def _notes(making: _Making, measuring: Measuring, measured: tuple[Measured, ...]) -> tuple[Note, ...]:
    params, context = making.params, making.context
    methods = {one.rule.method for one in measured}
    notes = [
        message(
            "note.rows",
            fitted=int(making.fitted.sum()),
            held=len(measuring.y_true),
            trained=context.data.background_rows,
            positive=context.data.classes[1],
            threshold=making.threshold,
        ),
        message(f"note.{params.constraint}"),
        *(message(f"note.{method}") for method in params.methods if method in methods),
        message("note.minimum", minimum_group=params.minimum_group, minimum_outcomes=params.minimum_outcomes),
        message("note.intervals" if measuring.clusters is None else "note.intervals_clusters"),
    ]
    limits = [message("limit.one_split"), message("limit.labels"), message("limit.other_gaps")]
    if "thresholds" in methods:
        limits.append(message("limit.group_needed"))
    if any(one.drawn for one in measured):
        limits.append(message("limit.drawn"))
    if "reduction" in methods:
        limits.append(message("limit.refits", n=making.trained.get("reduction", 0)))
    if "thresholds" in methods and params.constraint == "equalized_odds":
        limits.append(message("limit.equalized_thresholds"))
    if measuring.weights is not None:
        limits.append(message("limit.weights"))
    return (
        *(Note(kind="method", text=text) for text in notes),
        Note(kind="how_to_read", text=message("how_to_read.frontier")),
        *(Note(kind="limit", text=text) for text in limits),
    )
