"""Two runs compared: metrics, findings, and what else is other than it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from auditbench.comparison.changes import compare_metrics
from auditbench.comparison.findings import compare_findings
from auditbench.comparison.pairing import Common, RowPairs, pair_rows
from auditbench.comparison.questions import refuse_incomparable
from auditbench.comparison.record import LEVEL, BaselineFacts, Comparison, OtherChange, OtherKind
from auditbench.errors import ComparisonError
from auditbench.findings import changed_their_subject
from auditbench.safe_text import LONGEST_NAME, shortened

if TYPE_CHECKING:
    from auditbench.run import AuditRun

_ELSEWHERE = ("gates", "waivers")


def compare(baseline: AuditRun, candidate: AuditRun, *, level: float = LEVEL) -> Comparison:
    """Compare a run with an earlier one.

    Verdicts of metrics hold together: where nothing changed, the chance that any is called better, worse or changed is
    at most 1 - `level`. Metrics that say what each row does to them are compared row by row where the two runs have at
    least 95 % of their rows in common. What an analyzer measured that left the model or the data of a run other than it
    found them is not compared.

    Raises:
        ComparisonError: The two answer different questions; see `refuse_incomparable`. Or `level` is not in (0, 1).
        ResultError: An array of a run is not the one that was recorded.
    """
    if not 0.0 < level < 1.0:
        raise ComparisonError("expected a level between 0 and 1", where="level", found=str(level))
    refuse_incomparable(baseline, candidate.model)
    pairs = pair_rows(
        baseline.row_keys,
        candidate.row_keys,
        baseline_rows=baseline.data.rows,
        candidate_rows=candidate.data.rows,
        baseline_clusters=baseline.row_clusters,
        candidate_clusters=candidate.row_clusters,
    )
    common = Common(
        rows=pairs,
        model=_answering(baseline) == _answering(candidate),
        seed=baseline.provenance.seed == candidate.provenance.seed,
    )
    changed = changed_their_subject((*baseline.warnings, *candidate.warnings))
    metrics = compare_metrics(baseline.results, candidate.results, common, level=level, changed=changed)
    return Comparison(
        baseline=_facts(baseline),
        level=level,
        rows=candidate.data.rows,
        pairs=pairs.n,
        baseline_only=pairs.baseline_only,
        candidate_only=pairs.candidate_only,
        paired=pairs.are_enough,
        tested=sum(change.p_value is not None for change in metrics),
        metrics=metrics,
        findings=compare_findings(baseline.results, candidate.results, metrics, changed=changed),
        others=tuple(_others(baseline, candidate, pairs)),
    )


def _answering(run: AuditRun) -> tuple[str, float | None]:
    """What answers for a row: the model and its threshold."""
    return run.model.digest, run.model.threshold


def _facts(run: AuditRun) -> BaselineFacts:
    return BaselineFacts(
        name=run.audit.name,
        version=run.audit.version,
        model=run.model.name,
        model_digest=run.model.digest,
        rows=run.data.rows,
        verdict=run.verdict,
        exit_code=run.exit_code,
        gates={decision.id: decision.state for decision in run.gates if decision.repeatable},
    )


def _others(baseline: AuditRun, candidate: AuditRun, pairs: RowPairs) -> Iterator[OtherChange]:
    """What differs between two runs besides metrics and findings; nothing that a clock decides."""
    yield from _differing("model", _model(baseline), _model(candidate))
    yield from _differing("data", _data(baseline, pairs.baseline_only), _data(candidate, pairs.candidate_only))
    yield from _differing("gates", _gates(baseline.config), _gates(candidate.config))
    yield from _differing("config", dict(_flat(baseline.config)), dict(_flat(candidate.config)))
    yield from _differing("packages", _packages(baseline), _packages(candidate))


def _differing(kind: OtherKind, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[OtherChange]:
    for name in dict.fromkeys([*after, *before]):
        if before.get(name, "") != after.get(name, ""):
            was, now = (shortened(side.get(name, ""), LONGEST_NAME) for side in (before, after))
            yield OtherChange(kind=kind, name=name, before=was, after=now)


def _model(run: AuditRun) -> dict[str, str]:
    facts = run.model
    return {
        "digest": facts.digest,
        "format": facts.format,
        "architecture": facts.architecture,
        "parameters": "" if facts.parameters is None else f"{facts.parameters:,}",
        "threshold": "" if facts.threshold is None else f"{facts.threshold:g}",
    }


def _data(run: AuditRun, alone: int) -> dict[str, str]:
    facts = run.data
    return {
        **facts.digests,
        "rows": f"{facts.rows:,}",
        "rows of one run alone": f"{alone:,}",
        "training rows": f"{facts.train_rows:,}",
        "target": facts.target,
        "sensitive": ", ".join(facts.sensitive),
        "control": ", ".join(facts.control),
        "weights": facts.weights,
        "features": ", ".join(feature.name for feature in facts.features),
    }


def _gates(config: Mapping[str, Any]) -> dict[str, str]:
    """What each gate asks, by its id or by metric and labels."""
    asked: dict[str, str] = {}
    for table in _tables(config.get("gates", ())):
        where = ", ".join(f"{key} = {value}" for key, value in dict(table.get("where") or {}).items())
        name = str(table.get("id") or table.get("metric", "")) + (f" ({where})" if where else "")
        last = {"metric": table.get("metric")} if table.get("id") else {}
        shown = {
            key: value for key, value in table.items() if key not in ("id", "metric", "where") and value is not None
        }
        asked[name] = ", ".join(f"{key} = {value}" for key, value in {**shown, **last}.items() if value != "")
    return asked


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """A config as text by key path, without gates and waivers."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if path or key not in _ELSEWHERE:
                yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif value is not None and value != "" and value != []:
        yield path, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _packages(run: AuditRun) -> dict[str, str]:
    facts = run.provenance
    plugins = {f"plugin {plugin.name}": f"{plugin.distribution} {plugin.version}" for plugin in facts.plugins}
    return {
        "auditbench": facts.product,
        "python": facts.python,
        "device": facts.device,
        **facts.packages,
        **plugins,
    }


def _tables(value: Any) -> Iterable[Mapping[str, Any]]:
    return [table for table in value if isinstance(table, Mapping)] if isinstance(value, (list, tuple)) else []
