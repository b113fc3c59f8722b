"""From sensitive inputs and texts to the result of `flips`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.bands import in_order
from auditbench.data import TextInput
from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.results import AnalysisResult, Note, Table
from auditbench.statistics import clusters_of
from auditbench_flips.exchanging import SensitiveInput, sensitive_inputs
from auditbench_flips.measures import message
from auditbench_flips.rules import findings
from auditbench_flips.value_flips import ValueFlips, decision_table, measure_values, score_table

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench_flips.params import Params
    from auditbench_flips.pronoun_flips import PronounFlips
    from auditbench_flips.word_flips import WordFlips


def check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    """Say where there is nothing to exchange.

    Raises:
        AnalyzerNotPossible: No sensitive feature is an input, and no input is a text.
    """
    texts = any(isinstance(item, TextInput) for item in model.inputs.values())
    columns = {spec.name for item in data.inputs.values() for spec in getattr(item, "features", ())}
    if texts or columns.intersection(data.sensitive_features):
        return
    named = ", ".join(data.sensitive_features)
    raise AnalyzerNotPossible(
        "no sensitive feature is an input of the model, so there is no value to exchange",
        where="data.sensitive",
        found=named or "no sensitive feature",
        allowed="a sensitive feature that the model takes, or an input of texts",
        fix="read `data-bias`, which says how well the other inputs tell these groups"
        if named
        else "name sensitive features, or leave the analyzer away",
    )


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Exchange values of sensitive inputs, words of the evaluated texts, and pronouns of Winogender.

    Raises:
        AnalyzerNotPossible: There is nothing to exchange.
        ModelError: Outputs that are NaN or infinite, from which no decision follows.
    """
    check(context.model, context.data, params)
    context.finite_outputs()
    sensitive = sensitive_inputs(context.data, params, context.rng("medians"))
    values = measure_values(context, sensitive, params)
    words = _words(context, params)
    pronouns = _pronouns(context, params)
    metrics = (
        *values.metrics,
        *(metric for each in words for metric in each.metrics),
        *(() if pronouns is None else pronouns.metrics),
    )
    tables: list[Table] = []
    if values.decisions:
        tables.append(decision_table(context, values))
    if values.scores:
        tables.append(score_table(context, values))
    if pronouns is not None:
        tables += _pronoun_tables(context, pronouns, params)
    return AnalysisResult(
        metrics=metrics,
        tables=tuple(tables),
        notes=(
            *_value_notes(context, sensitive, values, params),
            *_text_notes(context, params, words, pronouns),
            *(Note(kind="how_to_read", text=message(key)) for key in ("how_direction",)),
            *(Note(kind="limit", text=message(key)) for key in ("limit.others_tell", "limit.unusual")),
        ),
        findings=findings(metrics, params),
    )


def _words(context: AuditContext, params: Params) -> list[WordFlips]:
    """Nothing for a language model, whose rows are tokens of texts and not texts."""
    if context.data.task == "next-token":
        return []
    from auditbench_flips.word_flips import measure_words

    return measure_words(context, params)


def _pronouns(context: AuditContext, params: Params) -> PronounFlips | None:
    """Only of models that take a text and nothing else."""
    if not params.winogender or context.data.modality != "text":
        return None
    from auditbench_flips.pronoun_flips import measure_pronouns  # torch enters here

    return measure_pronouns(context, params)


def _pronoun_tables(context: AuditContext, found: PronounFlips, params: Params) -> list[Table]:
    from auditbench_flips.pronoun_tables import occupation_table, pronoun_table

    enough = found.apart.sum() >= params.minimum_group
    return [pronoun_table(context, found), *([occupation_table(context, found)] if enough else [])]


def _value_notes(
    context: AuditContext, sensitive: list[SensitiveInput], values: ValueFlips, params: Params
) -> tuple[Note, ...]:
    found: list[Note] = []
    taken = {each.feature for each in sensitive}
    if values.rows:
        n = max(values.rows.values())
        several = clusters_of(context.data.clusters) is not None
        found += [
            Note(
                kind="method", text=message("note.values", n=n, minimum=params.minimum_group, most=params.most_values)
            ),
            Note(kind="method", text=message("note.intervals_clusters" if several else "note.intervals")),
            Note(kind="method", text=_decision_rule(context)),
        ]
    for each in sensitive:
        if len(each.raw) < 2:
            few = message("note.one_value", feature=each.feature, minimum=params.minimum_group)
            found.append(Note(kind="limit", text=few))
            continue
        if each.of_bands:
            order = in_order(each.raw) or [*each.raw]
            medians = "; ".join(f"{group}: {each.raw[group]:.6g}" for group in order)
            found.append(Note(kind="method", text=message("note.bands", feature=each.feature, medians=medians)))
        if each.left_out:
            left = message("note.left_out", feature=each.feature, minimum=params.minimum_group)
            found.append(Note(kind="limit", text=left))
    others = [name for name in context.data.sensitive_features if name not in taken]
    if others:
        found.append(Note(kind="limit", text=message("note.no_input", names=", ".join(others), n=len(others))))
    return tuple(found)


def _text_notes(
    context: AuditContext, params: Params, words: list[WordFlips], pronouns: PronounFlips | None
) -> tuple[Note, ...]:
    found: list[Note] = []
    for each in words:
        counts = {"total": each.rows, "n": each.with_words, "unread": each.unread, "unknown": each.unknown}
        first, second = params.sides
        texts = message("note.words", input=each.input, pairs=len(params.words), first=first, second=second, **counts)
        found += [Note(kind="method", text=texts), Note(kind="limit", text=message("limit.words"))]
        if each.unread or each.unknown:
            found.append(Note(kind="limit", text=message("limit.words_unread", **counts)))
    if pronouns is not None:
        n = int(pronouns.apart.sum())
        counted = {"n": n, "alike": len(pronouns.schemas) - n, "unknown": pronouns.unknown}
        found.append(Note(kind="method", text=message("note.winogender", **counted)))
        if context.data.task == "next-token":
            found.append(Note(kind="limit", text=message("limit.likelihood")))
        if counted["alike"] or counted["unknown"]:
            found.append(Note(kind="limit", text=message("limit.winogender_unknown", **counted)))
    elif params.winogender and any(isinstance(item, TextInput) for item in context.model.inputs.values()):
        found.append(Note(kind="limit", text=message("limit.winogender_other_inputs")))
    return tuple(found)


def _decision_rule(context: AuditContext) -> Message:
    classes, threshold = context.data.classes, context.model.facts.threshold
    if context.data.task == "regression":
        return message("note.regression", target=context.data.facts.target)
    if len(classes) == 2:
        return message("note.binary", positive=classes[1], threshold=0.5 if threshold is None else threshold)
    return message("note.multiclass")
