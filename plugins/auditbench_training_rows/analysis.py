"""The `training-rows` analyzer: training rows behind the explained rows, and training rows to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.masking.importance import sampled_rows
from auditbench.results import AnalysisResult, Matrix, Metric, Note, Table
from auditbench_training_rows.behind import (
    FEWEST_CASES,
    SHOWN,
    case_table,
    class_matrix,
    influence_table,
    neighbour_table,
)
from auditbench_training_rows.candidates import agreement_table, candidate_table, contradicted, heads, rankings
from auditbench_training_rows.findings import findings
from auditbench_training_rows.last_layer import TRIED_ROWS, LastLinear, find_last_linear
from auditbench_training_rows.methods import NEIGHBOURS, RANKINGS, TRACIN
from auditbench_training_rows.neighbours import NOT_THERE, Neighbours, nearest, nearest_others, of_own_cluster
from auditbench_training_rows.studied import Studied, check_outputs, check_space, own_positions, standardized, studied
from auditbench_training_rows.summary import FAR, MOST_CLASSES, explained_metrics, training_metrics
from auditbench_training_rows.tracin import TOP_SHARE, Influences, strongest

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData, Rows
    from auditbench.models import ModelUnderTest
    from auditbench_training_rows.params import Params

_STEPS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """What was computed once, for all blocks.

    Attributes:
        usual: Neighbours of the training rows, each without itself; `near` those of the explained rows.
        influences: None where the network has no last linear layer that can be used.
    """

    linear: LastLinear
    space: str
    train: Studied
    rows: Studied
    themselves: int
    usual: Neighbours
    near: Neighbours
    influences: Influences | None


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Explain rows by training rows, and rank the training rows by how conspicuous their labels are.

    Raises:
        ConfigError: The model has no layer of the name in `space`.
        AnalyzerNotPossible: There are no labelled training rows, or no space to find neighbours in.
        ModelError: An output is not finite.
    """
    _refuse(context.model, context.data)
    context.finite_outputs()
    train_rows = context.data.background(params.train_rows, context.rng("training rows"))
    if len(train_rows) <= params.neighbours:
        raise AnalyzerNotPossible(
            "there are fewer training rows than neighbours",
            where="analyzers.training-rows.neighbours",
            found=f"{len(train_rows)} training rows, {params.neighbours} neighbours",
            allowed=f"at most {len(train_rows) - 1}",
            fix="set fewer neighbours",
        )
    check_outputs(context.model, len(train_rows))
    found = _compute(context, params, train_rows, context.explained_rows(params.rows))
    names = context.data.classes
    orders = rankings(found.train, found.usual)
    doubtful = contradicted(found.train, found.usual)
    first = heads(orders, doubtful, params.candidates)
    chosen = int(doubtful.sum()) > params.candidates  # otherwise every ranking has the same rows at its head
    metrics = _metrics(context, found, names)
    return AnalysisResult(
        metrics=metrics,
        tables=(
            *_candidate_tables(found, orders, first, names, chosen=chosen),
            *_case_tables(context, found, names),
        ),
        matrices=_matrices(found, names),
        methods=(NEIGHBOURS, RANKINGS) if found.influences is None else (TRACIN, NEIGHBOURS, RANKINGS),
        notes=_notes(context, params, found, any(first.values())),
        findings=findings(metrics, first if chosen else {}),
    )


def check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    """Refuse a space that the model does not have; see `analyze`."""
    _refuse(model, data)
    few = data.background(TRIED_ROWS, np.random.default_rng(0))
    count = min(params.train_rows, data.background_rows)
    check_space(model, find_last_linear(model, few), params.space, few, count)


def _refuse(model: ModelUnderTest, data: EvaluationData) -> None:
    if data.background_source != "train":
        raise AnalyzerNotPossible(
            "there are no training rows to look at",
            where="data.train",
            found="evaluated rows alone",
            allowed="the labelled rows that the model was trained on",
            fix="name them in data.train, or in data.split the column that tells them apart",
        )
    if not np.isfinite(data.background(1, np.random.default_rng(0)).y_true).all():
        raise AnalyzerNotPossible(
            "the training rows have no labels",
            where="background",
            found="rows alone, as an audit of a live model is given",
            allowed="the labelled rows that the model was trained on",
            fix="audit the model by an audit.toml, whose data.train or data.split has their labels",
        )
    if model.facts.is_stored:
        raise AnalyzerNotPossible(
            "the model is not there to evaluate training rows",
            where="model.format",
            found=model.facts.format,
            allowed="a model that can be evaluated",
            fix="name the model itself in model.path",
        )


def _compute(context: AuditContext, params: Params, train_rows: Rows, explained: Rows) -> _Found:
    model = context.model
    linear = find_last_linear(model, explained)
    space = check_space(model, linear, params.space, train_rows, len(train_rows))
    train = studied(model, train_rows, linear, space)
    context.progress(1, _STEPS, step="steps")
    rows = studied(model, explained, linear, space, predicted=_of_predictions(context, params))
    if space == "inputs" and context.data.modality == "tabular":
        train, rows = standardized(train, rows)
    context.progress(2, _STEPS, step="steps")
    usual = nearest_others(train.places, params.neighbours, distance=params.distance, device=context.device)
    own = own_positions(explained, train_rows)
    near = nearest(
        rows.places, train.places, params.neighbours, own=own, distance=params.distance, device=context.device
    )
    context.progress(3, _STEPS, step="steps")
    influences = None
    if train.layer is not None and rows.layer is not None:
        classes = train.y_true if context.data.classes else np.zeros(len(train), dtype=np.int64)
        influences = strongest(
            rows.layer, train.layer, classes, n_classes=len(context.data.classes), count=min(SHOWN, len(train))
        )
    context.progress(4, _STEPS, step="steps")
    return _Found(
        linear=linear,
        space=space,
        train=train,
        rows=rows,
        themselves=int((own != NOT_THERE).sum()),
        usual=usual,
        near=near,
        influences=influences,
    )


def _of_predictions(context: AuditContext, params: Params) -> bool:
    return params.answer == "predicted" and context.data.task != "regression"


def _metrics(context: AuditContext, found: _Found, names: tuple[str, ...]) -> tuple[Metric, ...]:
    return (
        *training_metrics(found.train, found.usual, names, dependent=context.data.clusters is not None),
        *explained_metrics(
            found.rows,
            found.train,
            found.near,
            found.usual,
            names,
            concentration=None if found.influences is None else found.influences.top_share,
            counted=sampled_rows(len(found.rows), len(context.case_indices), len(context.data)),
            missing=found.linear.reason,
        ),
    )


def _candidate_tables(
    found: _Found, orders: dict[str, Any], first: dict[str, list[int]], names: tuple[str, ...], *, chosen: bool
) -> tuple[Table, ...]:
    if not any(first.values()):
        return ()
    table = candidate_table(found.train, orders, first, found.usual, names)
    return (table, agreement_table(first, len(found.train))) if chosen else (table,)


def _case_tables(context: AuditContext, found: _Found, names: tuple[str, ...]) -> tuple[Table, ...]:
    """The chosen cases stand first among the explained rows."""
    cases = min(len(context.case_indices) or FEWEST_CASES, len(found.rows))
    tables = (
        case_table(found.rows, found.train, found.near, found.usual, names, cases),
        neighbour_table(found.rows, found.train, found.near, names, cases),
    )
    if found.influences is None:
        return tables
    return (*tables, influence_table(found.rows, found.train, found.influences, names, cases))


def _matrices(found: _Found, names: tuple[str, ...]) -> tuple[Matrix, ...]:
    if found.influences is None or not 0 < len(names) <= MOST_CLASSES:
        return ()
    return (class_matrix(found.rows.answers, found.influences.by_class, names),)


def _notes(context: AuditContext, params: Params, found: _Found, candidates: bool) -> tuple[Note, ...]:
    facts = context.model.facts
    space = found.space if found.space in ("last", "inputs") else "layer"
    values = {
        "layer": found.linear.name,
        "space": found.space,
        "rows": len(found.rows),
        "n": len(found.train),
        "neighbours": params.neighbours,
        "percent": FAR,
        "top": TOP_SHARE,
        "numbers": found.train.places.shape[1],
    }

    def note(kind: Any, key: str, **more: Any) -> Note:
        return Note(kind=kind, text=Message(key=f"training-rows.{key}", values={**values, **more}))

    answer = "prediction" if _of_predictions(context, params) else "label"
    notes = [note("method", "note.rows")]
    if found.influences is not None:
        loss = "squared_error" if facts.task == "regression" else "log_loss"
        notes += [
            note("method", f"note.influence_on_{answer}"),
            note("method", f"note.{loss}"),
            note("limit", "limit.last_weights"),
            note("limit", "limit.last_layer"),
        ]
    elif found.linear.reason is not None:
        notes.append(Note(kind="limit", text=found.linear.reason))
    notes += [
        note("method", f"note.space_{space}"),
        note("method", f"note.{params.distance}"),
        note("assumption", "note.independent"),
        note("limit", "limit.candidates") if candidates else note("how_to_read", "note.no_candidates"),
        note("how_to_read", "how_to_read"),
    ]
    together = of_own_cluster(found.train.clusters, found.train.clusters, found.usual)
    if together is not None and together.any():
        notes.append(note("limit", "limit.own_cluster", share=float(together.mean())))
    if found.themselves:
        notes.append(note("limit", "limit.themselves", n=found.themselves))
    training = facts.training
    if training is None:
        notes.append(note("limit", "limit.named_rows"))
    elif training.validation_rows:
        notes.append(note("limit", "limit.validation", held_out=training.validation_rows))
    altered = () if training is None else _altered(training.settings)
    if altered:
        notes.append(note("limit", "limit.other_loss", settings=", ".join(altered)))
    return tuple(notes)


def _altered(settings: Any) -> tuple[str, ...]:
    """Settings of training that make its loss another than the one that is used here."""
    return tuple(name for name in ("label_smoothing", "class_weights", "sample_weights", "augment") if name in settings)
