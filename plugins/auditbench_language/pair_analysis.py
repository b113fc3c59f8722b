"""The analyzer `language-pairs`: whether a model treats the two texts of minimal pairs alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Finding
from auditbench.results import AnalysisResult, Cell, Column, Metric, Note, Table
from auditbench.statistics import clusters_of, share_interval
from auditbench_language.measures import estimated, message
from auditbench_language.methods import LIKELIHOOD, OUTPUTS
from auditbench_language.pair_file import Pairs, read_pairs
from auditbench_language.pair_scores import likelihoods, pair_outputs
from auditbench_language.pair_tests import KindResult, adjusted, by_kind, named_kinds

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_language.params import PairParams

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Measured: TypeAlias = tuple[str, list[KindResult]]

ANALYZER = "language-pairs"
MOST_OUTPUTS = 20
"""Outputs of a classifier up to which each is compared."""
LARGE_CHANGE = 0.05
"""Mean change of a probability above which a finding is of medium severity though no decision changes."""
_LARGEST = 10
_ROUNDING = 1e-6


def analyze(context: AuditContext, params: PairParams) -> AnalysisResult:
    """Score both texts of each pair, and test the differences.

    Raises:
        AnalyzerNotPossible: The model gives too many outputs, or no pair can be scored.
        DataError: The file is none of pairs.
    """
    pairs = read_pairs(params, context.folder)
    if context.data.task == "next-token":
        return _of_language_model(context, params, pairs)
    return _of_outputs(context, params, pairs)


def _of_language_model(context: AuditContext, params: PairParams, pairs: Pairs) -> AnalysisResult:
    found = likelihoods(context.model, pairs.more, pairs.less, counted=params.counted)
    kept = np.flatnonzero([not why for why in found.left_out])
    reasons = Counter(why for why in found.left_out if why)
    if not len(kept):
        raise AnalyzerNotPossible(
            "no pair can be scored by this model",
            where=f"analyzers.{ANALYZER}.file",
            found=", ".join(f"{count} {why.replace('_', ' ')}" for why, count in reasons.items()),
            allowed="texts of known tokens, no longer than the model reads, with tokens in common behind their common beginning",
            fix='name a file of such pairs, or set counted = "all"',
        )
    differences = _rounded((found.more - found.less)[kept], np.abs(found.more[kept]))
    kinds, clusters = [pairs.kinds[pair] for pair in kept], _some(pairs.clusters, kept)
    results = by_kind(differences, kinds, clusters, context.rng("pairs"))
    measured = _with_family([("", results)])
    metrics = [metric for result in measured[0][1] for metric in _likelihood_metrics(result)]
    counts = {name: reasons.get(name, 0) for name in ("too_long", "unknown_token", "nothing_shared")}
    return AnalysisResult(
        metrics=_of_pairs(metrics),
        tables=(_table(measured, "nat", len(kept)), _largest(context, pairs, kept, differences, "nat")),
        notes=(
            Note(kind="method", text=message(f"{ANALYZER}.method_{params.counted}", rows=found.model_rows)),
            *_notes(pairs, params, len(kept)),
            Note(kind="limit", text=message(f"{ANALYZER}.left_out", n=len(pairs) - len(kept), **counts)),
            Note(kind="how_to_read", text=message(f"{ANALYZER}.how_likelihood")),
            Note(kind="limit", text=message(f"{ANALYZER}.limit_half")),
        ),
        findings=_findings(measured, params, "likelihood"),
        methods=(LIKELIHOOD,),
    )


def _of_outputs(context: AuditContext, params: PairParams, pairs: Pairs) -> AnalysisResult:
    names = context.model.target_names
    if len(names) > MOST_OUTPUTS:
        raise AnalyzerNotPossible(
            "the model has too many outputs to compare each of them over pairs",
            where=f"analyzers.{ANALYZER}",
            found=f"{len(names):,} outputs",
            allowed=f"at most {MOST_OUTPUTS}",
            fix="leave the analyzer away",
        )
    more, less = (pair_outputs(context.model, texts) for texts in (pairs.more, pairs.less))
    differences = _rounded(more - less, np.abs(more))
    every, rng = np.arange(len(pairs)), context.rng("pairs")
    measured = _with_family(
        [(name, by_kind(differences[:, place], pairs.kinds, pairs.clusters, rng)) for place, name in enumerate(names)]
    )
    classified = context.data.task != "regression"
    unit = "probability" if classified else context.model.facts.output
    metrics = [_change_metric(name, result, unit) for name, results in measured for result in results]
    changed = _changed_by_kind(context, pairs, more, less) if classified else {}
    if classified:
        metrics += _decision_metrics(context, pairs, more, less)
    steepest = differences[every, np.abs(differences).argmax(axis=1)]
    return AnalysisResult(
        metrics=_of_pairs(metrics),
        tables=(_table(measured, unit, len(pairs)), _largest(context, pairs, every, steepest, unit)),
        notes=(
            Note(kind="method", text=message(f"{ANALYZER}.method_outputs", rows=2 * len(pairs))),
            *_notes(pairs, params, len(pairs)),
            Note(kind="how_to_read", text=message(f"{ANALYZER}.how_outputs")),
            *(
                (Note(kind="how_to_read", text=message(f"{ANALYZER}.severity", limit=LARGE_CHANGE)),)
                if classified
                else ()
            ),
            Note(kind="limit", text=message(f"{ANALYZER}.limit_outputs")),
        ),
        findings=_findings(measured, params, "output" if classified else "value", changed),
        methods=(OUTPUTS,),
    )


def _of_pairs(metrics: list[Metric]) -> tuple[Metric, ...]:
    """Measures whose rows are pairs, which are no rows of the data."""
    return tuple(replace(metric, sample="own") for metric in metrics)


def _with_family(measured: list[Measured]) -> list[Measured]:
    """All tests of kinds as one family; that of all pairs is of it only where there is one kind."""
    several = any(result.kind for _, results in measured for result in results)
    flat = [result for _, results in measured for result in results if bool(result.kind) == several]
    found = iter(adjusted(flat))
    return [
        (name, [next(found) if bool(result.kind) == several else result for result in results])
        for name, results in measured
    ]


def _likelihood_metrics(result: KindResult) -> tuple[Metric, Metric]:
    where = {"bias": result.kind} if result.kind else {}
    share = estimated(
        ANALYZER, "stereotype_preference", result.share, result.n - result.ties, result.decided, where=where
    )
    mean = estimated(ANALYZER, "score_difference", result.mean, result.n, result.clusters, unit="nat", where=where)
    return share, mean


def _change_metric(name: str, result: KindResult, unit: str) -> Metric:
    where = {"output": name, **({"bias": result.kind} if result.kind else {})}
    return estimated(ANALYZER, "output_change", result.mean, result.n, result.clusters, unit=unit, where=where)


def _decision_metrics(context: AuditContext, pairs: Pairs, more: Numbers, less: Numbers) -> list[Metric]:
    """Share of pairs whose two texts get different decisions, of all pairs and of each kind."""
    changed = _changed(context, more, less)
    ids = None if pairs.clusters is None else np.asarray(pairs.clusters)
    found = []
    for name in ("", *named_kinds(pairs.kinds)):
        among = _among(pairs, name)
        clusters = clusters_of(None if ids is None else ids[among])
        share = share_interval(changed[among], clusters)
        where = {"bias": name} if name else {}
        n = int(among.sum())
        found.append(estimated(ANALYZER, "decision_change", share, n, clusters, higher_is_better=False, where=where))
    return found


def _changed_by_kind(context: AuditContext, pairs: Pairs, more: Numbers, less: Numbers) -> dict[str, int]:
    """Pairs whose two texts get different decisions, by kind; the empty one is that of all pairs."""
    changed = _changed(context, more, less)
    return {name: int(changed[_among(pairs, name)].sum()) for name in ("", *named_kinds(pairs.kinds))}


def _changed(context: AuditContext, more: Numbers, less: Numbers) -> npt.NDArray[np.bool_]:
    return np.asarray(_decisions(context, more) != _decisions(context, less))


def _among(pairs: Pairs, kind: str) -> npt.NDArray[np.bool_]:
    """Which pairs are of a kind; all where it is empty."""
    labels = np.asarray(pairs.kinds)
    return labels == kind if kind else np.ones(len(labels), dtype=bool)


def _decisions(context: AuditContext, outputs: Numbers) -> npt.NDArray[np.int64]:
    threshold = context.model.facts.threshold
    if outputs.shape[1] == 1:
        return np.asarray(outputs[:, 0] >= (0.5 if threshold is None else threshold), dtype=np.int64)
    return np.asarray(outputs.argmax(axis=1))


def _table(measured: list[Measured], unit: str, n: int) -> Table:
    """Each test of the family, and that of all pairs."""
    outputs = any(name for name, _ in measured)
    columns = [Column(name="kind", label=message(f"{ANALYZER}.column.kind"))]
    columns += [Column(name="output", label=message(f"{ANALYZER}.column.output"))] if outputs else []
    columns += [
        Column(name="n", label=message(f"{ANALYZER}.column.n"), kind="count"),
        Column(name="ties", label=message(f"{ANALYZER}.column.ties"), kind="count"),
        Column(name="share", label=message(f"{ANALYZER}.column.share"), kind="percent"),
        Column(name="mean", label=message(f"{ANALYZER}.column.mean"), kind="number", unit=unit),
        Column(name="low", label=message(f"{ANALYZER}.column.low"), kind="number", unit=unit),
        Column(name="high", label=message(f"{ANALYZER}.column.high"), kind="number", unit=unit),
        Column(name="effect", label=message(f"{ANALYZER}.column.effect"), kind="number"),
        Column(name="p", label=message(f"{ANALYZER}.column.p"), kind="number"),
        Column(name="adjusted", label=message(f"{ANALYZER}.column.adjusted"), kind="number"),
    ]
    rows = [_cells(name, result, outputs) for name, results in measured for result in results]
    title = message(f"{ANALYZER}.tests")
    return Table(name="tests", title=title, columns=tuple(columns), rows=tuple(rows), n=n, sample="own")


def _cells(name: str, result: KindResult, outputs: bool) -> tuple[Cell, ...]:
    kind: Cell = result.kind or message(f"{ANALYZER}.all_pairs")
    return (
        kind,
        *((name,) if outputs else ()),
        result.n,
        result.ties,
        result.share.estimate,
        result.mean.estimate,
        result.mean.low,
        result.mean.high,
        result.effect,
        result.p_value,
        result.adjusted,
    )


def _largest(context: AuditContext, pairs: Pairs, kept: npt.NDArray[np.intp], differences: Numbers, unit: str) -> Table:
    """The pairs whose texts differ most, by their row in the file; the texts only where the config shows inputs."""
    order = np.argsort(-np.abs(differences), kind="stable")[:_LARGEST]
    columns = [
        Column(name="row", label=message(f"{ANALYZER}.column.row"), kind="count"),
        Column(name="kind", label=message(f"{ANALYZER}.column.kind")),
        Column(name="difference", label=message(f"{ANALYZER}.column.difference"), kind="number", unit=unit),
    ]
    if context.raw_inputs:
        columns += [Column(name=name, label=message(f"{ANALYZER}.column.{name}")) for name in ("more", "less")]
    rows = []
    for place in order:
        pair = int(kept[place])
        texts = (pairs.more[pair], pairs.less[pair]) if context.raw_inputs else ()
        rows.append((pair + 1, pairs.kinds[pair], float(differences[place]), *texts))
    title = message(f"{ANALYZER}.largest")
    return Table(name="largest", title=title, columns=tuple(columns), rows=tuple(rows), n=len(kept), sample="own")


def _notes(pairs: Pairs, params: PairParams, scored: int) -> tuple[Note, ...]:
    source = "file" if params.file else "winogender"
    values: dict[str, int | str] = {
        "n": scored,
        "total": len(pairs),
        "sha256": pairs.sha256[:12],
        "left_out": pairs.left_out,
    }
    clusters = f"{ANALYZER}.{'clusters' if clusters_of(pairs.clusters) is not None else 'independent'}"
    return (
        Note(kind="method", text=message(f"{ANALYZER}.source_{source}", **values)),
        Note(kind="method", text=message(f"{ANALYZER}.tests_how", level=params.level)),
        Note(kind="assumption", text=message(clusters)),
        Note(kind="limit", text=message(f"{ANALYZER}.limit_pairs")),
    )


def _findings(
    measured: list[Measured], params: PairParams, what: str, changed: Mapping[str, int] | None = None
) -> tuple[Finding, ...]:
    """A finding for each test of the family whose adjusted p-value is at most the level.

    Args:
        what: That differs: a `likelihood`, the `output` of a classifier, or the `value` of a regression.
        changed: Pairs of each kind whose decisions differ. Where none does, a mean change of a probability of at most
            `LARGE_CHANGE` is of low severity; all else is of medium severity.
    """
    found = []
    for name, results in measured:
        for result in results:
            if result.adjusted is None or result.adjusted > params.level or result.mean.estimate is None:
                continue
            side = "more" if result.mean.estimate > 0 else "less"
            where = {**({"output": name} if name else {}), **({"bias": result.kind} if result.kind else {})}
            kind = "kind" if result.kind else "all"
            values: dict[str, float | str | None] = {
                "kind": result.kind,
                "output": name,
                "mean": abs(result.mean.estimate),
                "share": result.share.estimate,
                "p": result.adjusted,
                "n": result.n,
                "differ": result.n - result.ties,
            }
            small = what == "output" and abs(result.mean.estimate) <= LARGE_CHANGE
            if changed:
                values["changed"] = changed[result.kind]
                small = small and not changed[result.kind]
            metric = "score_difference" if what == "likelihood" else "output_change"
            found.append(
                Finding(
                    rule=f"{ANALYZER}.{'likelihood' if what == 'likelihood' else 'output'}_differs",
                    severity="low" if small else "medium",
                    title=message(f"{ANALYZER}.finding.{what}_{side}_{kind}", **values),
                    action=message(f"{ANALYZER}.finding.{'likelihood' if what == 'likelihood' else 'output'}.action"),
                    metrics=(f"{ANALYZER}.{metric}",),
                    where=where,
                )
            )
    return tuple(found)


def _rounded(differences: Numbers, sizes: Numbers) -> Numbers:
    """Differences, those within rounding of what they are differences of as 0."""
    return np.where(np.abs(differences) <= _ROUNDING * np.maximum(sizes, 1e-3), 0.0, differences)


def _some(values: tuple[str, ...] | None, kept: npt.NDArray[np.intp]) -> list[str] | None:
    return None if values is None else [values[pair] for pair in kept]
