"""The Python interface: audit a live model in this process, or an audit.toml as the command line does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from auditbench.comparison.questions import refuse_incomparable
from auditbench.config import GateTable
from auditbench.config_file import config_from, load_config
from auditbench.errors import ConfigError, Problem
from auditbench.gate_file import GateSource, read_gates
from auditbench.listener import Listener, SilentListener
from auditbench.live_audit import LiveAudit
from auditbench.provenance import check_platform
from auditbench.run import AuditRun
from auditbench.supervisor.baseline import read_baseline

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    from torch import nn

    from auditbench.data import ModelInput
    from auditbench.data.array_inputs import Features
    from auditbench.run import OutputScale, Task

_NO_FILE = "-"
_ARGUMENTS = "the call of audit()"
_OWN_ARGUMENTS = {
    "about": {"name": "name", "seed": "seed", "gates": "gate_files", "plugins": "plugins"},
    "report": {"formats": "formats"},
}
"""Arguments that say what a key of a table says, by the argument with its further keys."""


def audit(
    model: nn.Module | Any,
    X: Features,  # noqa: N803 - the field's name of the inputs
    y: Any,
    *,
    task: Task,
    output: OutputScale,
    analyzers: Mapping[str, Mapping[str, Any]],
    sensitive_features: Mapping[str, Any] | pd.DataFrame | None = None,
    control_features: Mapping[str, Any] | pd.DataFrame | None = None,
    weights: npt.ArrayLike | None = None,
    background: Features | None = None,
    inputs: Mapping[str, ModelInput] | None = None,
    feature_names: Sequence[str] = (),
    class_names: Sequence[str] = (),
    gates: Sequence[Mapping[str, Any] | GateTable] = (),
    gate_files: Sequence[str] = (),
    waivers: Sequence[Mapping[str, Any]] = (),
    name: str = "audit",
    about: Mapping[str, Any] = MappingProxyType({}),
    seed: int = 0,
    threshold: float = 0.5,
    out: Path | str | None = None,
    formats: Sequence[str] = ("html",),
    report: Mapping[str, Any] = MappingProxyType({}),
    plugins: Sequence[str] = (),
    device: str = "cpu",
    baseline: AuditRun | Path | str | None = None,
    listener: Listener | None = None,
) -> AuditRun:
    """Audit a live model in this process; the model, torch's flags and every global generator are left as found.

    Analyzers run one after the other. One that raises has a `failed` result and the others go on; there are no time
    limits here, and a crash of the process is not survived. For both, audit a bundle through an audit.toml.
    KeyboardInterrupt ends the audit, and what analyzers log goes where the caller has logging put it.

    Args:
        model: A module that maps float32 rows of `X` to outputs of shape `(rows, outputs)`, of several inputs a mapping of them.
            Or a black box, which gets rows as they were passed, in float64 where they are numbers: a fitted estimator with
            `predict_proba`, for regression `predict`, or a function of rows.
            Or no model but its outputs for `X`, row by row: `auditbench.models.Predictions(outputs)`. Then no other row can be
            evaluated, and an analyzer that needs one does not apply.
        X: Evaluated rows, as the model takes them: a table of numbers, or images, series, with `inputs` token ids, or several of
            these by name; see `auditbench.data.from_arrays`. For a black box and for outputs also a DataFrame with categories.
        y: Labels, class indices or values, shape `(rows,)`.
        output: Declared scale of the outputs.
        analyzers: Parameters by name, as in the `[analyzers.NAME]` tables; `{"shap": {}}` takes the defaults.
        sensitive_features: Groups of the evaluated rows by name, shape `(rows,)` each.
        control_features: What groups are also compared at equal values of, alike.
        weights: How much each evaluated row counts, shape `(rows,)`; see `data.weights`.
        background: Rows to compare with; `X` when absent.
        inputs: What an array is, where its shape does not say so: `{"text": TextInput(...)}` of `auditbench.data`.
        class_names: By class index, the negative class first; the sorted labels when empty.
        gates: As the `[[gates]]` tables.
        gate_files: Files of further gates and waivers, relative to the working directory, or `preset:NAME`.
        waivers: As the `[[waivers]]` tables.
        about: Further keys of the `[audit]` table, such as `intended_use` and `owner`; none that has an argument of its own.
        report: The same of the `[report]` table: `language`, `cases`, and `raw_inputs`, which shows cases as they are.
        out: Run folder to write, where `formats` go; a run that is there is replaced. Without one arrays stay in memory.
        plugins: Further plugins to load, as in `[audit] plugins`.
        baseline: Run that this one is compared with.

    Raises:
        ConfigError: With everything wrong with analyzers, parameters and gates.
        ComparisonError: The baseline answers another question, or stands in the folder `out`.
        DataError: The arrays do not fit each other.
        ModelError: The model does not take these rows or gives another number of outputs.
    """
    from auditbench.store import RunFolder
    from auditbench.worker.determinism import borrowed_process

    check_platform()
    _refuse_keys_of_arguments(about=about, report=report)
    document = {
        "audit": {**about, "name": name, "seed": seed, "plugins": list(plugins)},
        "model": {"format": "module", "path": _NO_FILE, "task": task, "threshold": threshold},
        "data": {
            "test": _NO_FILE,
            "target": "target",
            "sensitive": _names(sensitive_features),
            "control": _names(control_features),
            "weights": None if weights is None else "weights",
        },
        "analyzers": {analyzer: dict(table) for analyzer, table in analyzers.items()},
        "gates": [_gate_table(gate) for gate in gates],
        "waivers": [dict(waiver) for waiver in waivers],
        "report": {**report, "formats": [] if out is None else list(formats)},
    }
    sources = [GateSource(text=file, base=Path.cwd()) for file in gate_files]
    given = read_gates(sources, task=task, sensitive=_names(sensitive_features))
    config = config_from(document, name=_ARGUMENTS, given=given)
    places = (*(f"gates[{index}]" for index in range(len(gates))), *given.gates)
    live = LiveAudit(config, places, listener or SilentListener(), where=_ARGUMENTS)
    compared = _baseline(baseline, out)
    folder = None if out is None else RunFolder(Path(out))
    try:
        with borrowed_process() as environment:
            live.open(
                model,
                X,
                y,
                output=output,
                sensitive_features=sensitive_features,
                control_features=control_features,
                weights=weights,
                background=background,
                inputs=inputs,
                feature_names=tuple(feature_names),
                classes=tuple(class_names),
                device=device,
            )
            if compared is not None:
                refuse_incomparable(compared, live.subject.model.facts)
            if folder is not None:
                folder.begin({"module": live.subject.model.facts.digest}, resume=False)
            live.analyze(folder)
            run = live.record(environment.threads, environment.flags, folder=folder, baseline=compared)
            return live.tell(run) if folder is None else live.write(run, folder)
    finally:
        if folder is not None:
            folder.abandon()


def audit_config(
    path: Path | str,
    *,
    out: Path | str,
    overrides: Sequence[str] = (),
    trusted: Sequence[str] = (),
    gate_files: Sequence[str] = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    device: str = "auto",
    formats: Sequence[str] | None = None,
    resume: bool = True,
    replace: bool = False,
    baseline: Path | str | None = None,
    listener: Listener | None = None,
) -> AuditRun:
    """Audit what an audit.toml describes, in worker processes, as `auditbench audit` does.

    Args:
        out: Run folder; one that holds an unfinished or finished run of the same key is gone on with.
        overrides: `table.key=value`, as with `--set`.
        trusted: sha256 of files whose code may run to open the model, as with `--trust-model`.
        gate_files: Files of further gates, or `preset:NAME`, as with `--gates`.
        only: Run these analyzers alone; the others count as skipped.
        skip: Leave these analyzers out.
        device: `auto`, `cpu` or `cuda`.
        formats: Instead of `report.formats`.
        resume: Whether to go on with a run of the same key; otherwise it is replaced.
        replace: Whether a run of another key is replaced; otherwise it is refused.
        baseline: Run that this one is compared with.

    Raises:
        AuditbenchError: The audit was refused.
    """
    from auditbench import supervisor

    return supervisor.audit(
        load_config(Path(path), overrides, trusted, gate_files),
        out=Path(out),
        only=only,
        skip=skip,
        device=device,
        formats=formats,
        resume=resume,
        replace=replace,
        baseline=None if baseline is None else Path(baseline),
        listener=listener,
    )


def _baseline(baseline: AuditRun | Path | str | None, out: Path | str | None) -> AuditRun | None:
    if baseline is None or isinstance(baseline, AuditRun):
        return baseline
    return read_baseline(Path(baseline), out=None if out is None else Path(out)).run


def _refuse_keys_of_arguments(**further: Mapping[str, Any]) -> None:
    problems = tuple(
        Problem(
            message="this key has an argument of its own",
            where=f"{table}.{key}",
            found=repr(further[table][key])[:80],
            fix=f"pass `{argument}` instead",
        )
        for table, own in _OWN_ARGUMENTS.items()
        for key, argument in own.items()
        if key in further[table]
    )
    if problems:
        raise ConfigError(f"{_ARGUMENTS} says something in two places", problems=problems)


def _names(features: Any) -> list[str]:
    return [] if features is None else [str(column) for column in features]


def _gate_table(gate: Mapping[str, Any] | GateTable) -> dict[str, Any]:
    return gate.model_dump(exclude_none=True) if isinstance(gate, GateTable) else dict(gate)
