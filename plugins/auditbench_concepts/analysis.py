"""The `concepts` analyzer: from an audit to concepts, vectors, scores and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.errors import AnalyzerNotPossible, ConfigError, Problem
from auditbench.models.layer_outputs import layer_gradients, layer_outputs
from auditbench.models.layers import Layer, model_layers, named_layers
from auditbench_concepts.changes import planted_changes
from auditbench_concepts.examples import Concept, concepts
from auditbench_concepts.explained import Explained, explained_rows, wanted_outputs
from auditbench_concepts.measuring import Measured, measured
from auditbench_concepts.significance import Procedure, random_by_default
from auditbench_concepts.summary import Inputs, summary

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData, Rows
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult
    from auditbench_concepts.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float32]

_TRIED_ROWS = 2
"""That rules are tried on, and that a network is called with to find its layers."""


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Measure every concept at every layer, and rank it among random ones.

    Raises:
        ConfigError: A rule, `layers` or `outputs` names what is not there, or a rule does not fit the data.
        AnalyzerNotPossible: No row has one of the outputs, or a layer does not give finite numbers.
    """
    pool, evaluated = _pool(context.data, params.pool, context.rng("pool"))
    found = concepts(context.data, pool, params.examples, carriers=2 * params.size, rng=context.rng("planted"))
    explained = explained_rows(context, params)
    layers = _layers(context.model, pool, params)
    random = params.random_concepts or random_by_default(len(found) * len(layers) * len(explained.outputs))
    results = _measured(context, params, pool, found, explained, layers, random)
    changes = {
        each.name: planted_changes(context, explained.outputs, each.pattern, params.rows)
        for each in found
        if each.pattern is not None
    }
    changed_rows = sum(own[0].rows for own in changes.values())
    planted_rows = sum(int(each.marked.sum()) for each in found if each.planted is not None)
    inputs = Inputs(
        rules={each.name: each.rule for each in found},
        random=random,
        pool=len(pool),
        sample="evaluated" if evaluated else "training",
        explained=len(explained.rows),
        model_rows=len(pool) + planted_rows + changed_rows + len(layers) * len(explained.rows),
        classifiers=sum(bool(each.size) for each in results) * (1 + random) * params.runs,
    )
    dependent = context.data.clusters is not None or pool.clusters is not None
    sensitive = frozenset(each.name for each in found if each.sensitive)
    return summary(
        context,
        params,
        results,
        explained.outputs,
        inputs,
        changes=changes,
        sensitive=sensitive,
        dependent=dependent,
    )


def check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    """Refuse everything that the parameters name and the model or the data do not have; see `analyze`.

    Whether a rule fits shows on a few rows; without rules the groups of the whole pool are counted.
    """
    rng = np.random.default_rng(0)
    pool, _ = _pool(data, _TRIED_ROWS if params.examples else params.pool, rng)
    rules = [{name: rule} for name, rule in params.examples.items()] or [{}]
    looks: list[Callable[[], object]] = [
        *(partial(concepts, data, pool, rule, carriers=1, rng=rng) for rule in rules),
        partial(wanted_outputs, model, params),
        partial(_layers, model, pool, params),
    ]
    problems: list[Problem] = []
    impossible: AnalyzerNotPossible | None = None
    for look in looks:
        try:
            look()
        except ConfigError as error:
            problems += error.problems
        except AnalyzerNotPossible as error:
            impossible = impossible or error
    if problems:
        raise ConfigError("parameters do not fit the model and the data", problems=tuple(problems))
    if impossible is not None:
        raise impossible


def _measured(
    context: AuditContext,
    params: Params,
    pool: Rows,
    found: tuple[Concept, ...],
    explained: Explained,
    layers: tuple[Layer, ...],
    random: int,
) -> tuple[Measured, ...]:
    """Every concept at every layer, layer by layer."""
    model = context.model
    of_pool = layer_outputs(model, pool.inputs, layers)
    of_planted = [{} if each.planted is None else layer_outputs(model, each.planted, layers) for each in found]
    results: list[Measured] = []
    procedure = Procedure(runs=params.runs, size=params.size, penalty=params.penalty, vector=params.vector)

    def tell(done: int) -> None:
        context.progress(len(results) * random + done, len(layers) * len(found) * random, step="random_concepts")

    for layer in layers:
        gradients = layer_gradients(model, explained.rows.inputs, layer, explained.targets)
        _check_finite(layer, gradients, of_pool[layer.name], *(own[layer.name] for own in of_planted if own))
        for concept, own in zip(found, of_planted, strict=True):
            activations, marked = _rows_of(concept, of_pool[layer.name], own.get(layer.name))
            results.append(
                measured(
                    activations,
                    marked,
                    gradients,
                    explained.numbers,
                    concept=concept.name,
                    layer=layer.label,
                    outputs=len(explained.outputs),
                    most=procedure,
                    random=random,
                    rng=context.rng(f"{layer.name}/{concept.name}"),
                    progress=tell,
                )
            )
    return tuple(results)


def _check_finite(layer: Layer, *numbers: Numbers) -> None:
    if not all(np.isfinite(each).all() for each in numbers):
        raise AnalyzerNotPossible(
            "the layer gives numbers, or has derivatives, that are missing or infinite",
            where="analyzers.concepts.layers",
            found=layer.label,
            allowed="a layer with finite numbers for every row",
            fix="name another layer",
        )


def _pool(data: EvaluationData, count: int, rng: np.random.Generator) -> tuple[Rows, bool]:
    """Rows that examples are found among, and whether they are evaluated rows, as where no others have labels."""
    pool = data.background(count, rng)
    if np.isfinite(pool.y_true).all():
        return pool, data.background_source == "test"
    return data.sample(count, rng), True


def _layers(model: ModelUnderTest, pool: Rows, params: Params) -> tuple[Layer, ...]:
    """The layers that the config names, or what the last layer with weights is given."""
    every = model_layers(model, pool.take(np.arange(min(_TRIED_ROWS, len(pool)))).inputs)
    if params.layers:
        return named_layers(every, params.layers, where="analyzers.concepts.layers")
    if hidden := _last_hidden(model.module, every):
        return (hidden,)
    raise AnalyzerNotPossible(
        "the network has no layer before its outputs that gives numbers for each row",
        where="model",
        found=model.facts.architecture or model.facts.format,
        allowed="a network with layers",
        fix="leave the analyzer away; shap and lime ask for outputs alone",
    )


def _last_hidden(module: nn.Module, layers: tuple[Layer, ...]) -> Layer | None:
    """The layer before the last one with weights of its own, which gives the outputs."""
    weighted = [
        place for place, layer in enumerate(layers) if list(module.get_submodule(layer.name).parameters(recurse=False))
    ]
    before = layers[: weighted[-1] if weighted else -1]
    return before[-1] if before else None


def _rows_of(concept: Concept, of_pool: Numbers, of_planted: Numbers | None) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Activations of all rows that vectors of a concept are made from, and which of them are examples.

    Rows that a pattern was planted into give their place to the copies.
    """
    if of_planted is None:
        return of_pool, concept.marked
    others = of_pool[~concept.marked]
    marked = np.repeat([True, False], [len(of_planted), len(others)])
    return np.concatenate([of_planted, others]), marked
