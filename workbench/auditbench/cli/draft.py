"""The text of a first audit.toml: what was found in the data, as comments beside the keys it led to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from auditbench.cli.analyzers_draft import draft_analyzers
from auditbench.cli.data_profile import ColumnProfile
from auditbench.cli.derived_columns import surely_output
from auditbench.cli.draft_refusals import SHOWN_NAMES, no_target, nothing_left
from auditbench.cli.gates_draft import fitting_presets, own_gate
from auditbench.cli.guesses import (
    ALL_DIFFERENT,
    Candidate,
    id_reason,
    is_split,
    is_text,
    positive_class,
    sensitive_reason,
    target_candidates,
    task_of,
    text_reason,
)
from auditbench.cli.input_profile import DataProfile, InputProfile
from auditbench.cli.model_draft import ModelSource, draft_model, model_questions
from auditbench.cli.predicted_target import class_order, predicted_candidates, predicted_task
from auditbench.cli.predictions_profile import PredictionsProfile
from auditbench.cli.toml_words import key, quoted
from auditbench.descriptions import AnalyzerDescription
from auditbench.errors import DataError
from auditbench.run import Modality, Task
from auditbench.safe_text import LONGEST_TEXT, safe_text

_COMPUTED: Mapping[str, tuple[str, ...]] = {
    "image": ("brightness", "contrast"),
    "text": ("tokens",),
    "series": ("steps", "energy"),
}
_SHOWN_TARGETS = 3
_FEW_VALUES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What `init` found and decided.

    Attributes:
        text: Of audit.toml.
        candidates: Columns that could be the target, the most likely first; the first is used unless one was named.
        inputs: What the model takes beside columns or instead of them, in words.
        open_questions: What the user has to see to before the audit can run, as instructions.
    """

    text: str
    target: str
    task: Task
    candidates: tuple[Candidate, ...]
    sensitive: tuple[str, ...]
    excluded: tuple[str, ...]
    inputs: tuple[str, ...]
    open_questions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What audit.toml will name; paths are relative to its folder, `train` is empty when there is no such file."""

    name: str
    test: str
    train: str
    model: ModelSource = field(default_factory=ModelSource)


def draft_config(
    data: DataProfile,
    sources: Sources,
    *,
    target: str | None,
    analyzers: Sequence[AnalyzerDescription],
    gates: str = "",
) -> Draft:
    """Write the configuration for a table, or for images, texts or series.

    Args:
        target: Column to predict, of which a text is continued; None takes the best candidate, without one a text.
        analyzers: In the order of their tables; those that do not apply stand there as comments.
        gates: File of gates to name; empty names none.

    Raises:
        DataError: The named target is no column, no column could be a target, or nothing is left for the model.
    """
    predictions, columns = sources.model.predictions, data.columns
    taken = {item.column for item in data.inputs} | set(sources.model.own_columns)
    fitted = sources.model.fitted_columns(columns)
    candidates = tuple(one for one in target_candidates(columns) if one.column.name not in taken | fitted)
    candidates = candidates if predictions is None else predicted_candidates(candidates, predictions)
    text = _continued_text(data, candidates, target, continues=_said(sources.model) == "next-token")
    candidates = candidates if text is None else ()
    chosen = _chosen(data, candidates, target if text is None else text.column)
    task: Task = _task(sources.model, chosen) if text is None else "next-token"
    inputs = [item for item in data.inputs if item.column != chosen.name] if text is None else [text]
    further = [one for one in columns if one is not chosen and not is_split(one) and one.name not in taken]
    split = next((column.name for column in columns if is_split(column) and column is not chosen), "")
    left_out = [(one, reason) for one in further if (reason := _reason_left_out(one, predictions, fitted))]
    dropped = {column.name for column, _ in left_out}
    seen = [one for one in further if one.name not in dropped and (text is None or sensitive_reason(one))]
    if not inputs and not seen:
        raise nothing_left(chosen, left_out, data)
    sensitive = [one for one in further if sensitive_reason(one) and (one in seen or not _no_feature(one))]
    # Beside images, texts or series, sensitive columns alone make no table.
    table = not sources.model.has_tokens and (not inputs or len(seen) > len(sensitive))
    modality = _modality(inputs, table=table)
    questions = tuple(_questions(sources, data, sensitive, task, modality, ranked=bool(candidates) and target is None))
    test = safe_text(sources.test, LONGEST_TEXT)
    lines = [
        f"# A first configuration for {test}. What stands here was guessed from a sample of its rows:",
        "# read every line, then run `auditbench check audit.toml`. All keys: `auditbench schema config`.",
        *(f"# TO DO: {question}" for question in questions),
        "",
        *_audit_table(sources, gates),
        *draft_model(sources.model, task, modality),
        *_data_table(sources, chosen, candidates, task, split),
        *_id_line([one for one in columns if one.name not in taken | fitted], predictions),
        *_column_lists(left_out if table else [], sensitive, inputs),
        *_input_tables(inputs, task, sources.model, table=table),
        *(_columns_seen(seen, stored=predictions is not None) if table else [""]),
        *draft_analyzers(
            analyzers,
            modality,
            task,
            sensitive=bool(sensitive),
            training=not sources.model.is_there,
            capabilities=sources.model.capabilities,
        ),
        *_closing(task, sensitive=bool(sensitive), gates=gates),
    ]
    return Draft(
        text="\n".join(lines) + "\n",
        target=chosen.name,
        task=task,
        candidates=candidates,
        sensitive=tuple(column.name for column in sensitive),
        excluded=tuple(column.name for column, _ in left_out),
        inputs=tuple(f"{item.name}: {item.what}" for item in inputs),
        open_questions=questions,
    )


def name_shown(name: str) -> str:
    """The name of a column as a line can show it; quotes where there is none."""
    return safe_text(name) or "''"


def _reason_left_out(column: ColumnProfile, predictions: PredictionsProfile | None, fitted: Collection[str]) -> str:
    """Why a column is no feature: by what the model takes, where that is known, else by what the column looks like."""
    if fitted:
        return "" if column.name in fitted else "the model was not fitted on it"
    derived = "" if predictions is None else predictions.derived.get(column.name, "")
    return derived or _no_feature(column)


def _no_feature(column: ColumnProfile) -> str:
    return id_reason(column) or text_reason(column)


def _task(model: ModelSource, target: ColumnProfile) -> Task:
    if model.predictions is not None:
        return predicted_task(target, model.predictions)
    said = _said(model) or task_of(target)
    fitted = None if model.profile is None else model.profile.estimator
    return "regression" if fitted is not None and fitted.regression and target.kind == "number" else said


def _said(model: ModelSource) -> Task | None:
    """The task that the model itself says it was made for."""
    return model.profile.task if model.profile is not None else None


def _continued_text(
    data: DataProfile, candidates: Sequence[Candidate], target: str | None, *, continues: bool
) -> InputProfile | None:
    """The text whose next token is predicted: the named one, or the only input where no column could be the target.

    Args:
        continues: Whether the model is one of language, so that a text is the target whatever the columns.
    """
    texts = [item for item in data.inputs if item.modality == "text"]
    if target is not None:
        return next((item for item in texts if item.column == target), None)
    return texts[0] if texts and len(data.inputs) == 1 and (continues or not candidates) else None


def _chosen(data: DataProfile, candidates: Sequence[Candidate], target: str | None) -> ColumnProfile:
    columns = data.columns
    names = ", ".join(repr(column.name) for column in columns[:SHOWN_NAMES])
    if not columns or (target is None and not candidates):
        raise no_target(data)
    if target is None:
        return candidates[0].column
    named = next((column for column in columns if column.name == target), None)
    if named is None:
        raise DataError("there is no such column", where="--target", found=repr(target), allowed=names)
    if named.distinct < 2:
        raise DataError(
            "this column cannot be the target",
            where="--target",
            found=f"{named.distinct} different values in the sample",
            allowed="at least 2",
        )
    return named


def _modality(inputs: Sequence[InputProfile], *, table: bool) -> Modality:
    if not inputs:
        return "tabular"
    return "mixed" if table or len(inputs) > 1 else inputs[0].modality


def _questions(
    sources: Sources,
    data: DataProfile,
    sensitive: Sequence[ColumnProfile],
    task: Task,
    modality: Modality,
    *,
    ranked: bool,
) -> Iterator[str]:
    if ranked:
        yield "check `target`: it was chosen by rank"
    yield from model_questions(sources.model, task, modality)
    if not sources.train and not sources.model.is_there and not any(is_split(column) for column in data.columns):
        yield "see whether rows belong together: `held_out` draws them one by one; else name `train` or `split`"
    outputs = [column.name for column in data.columns if surely_output(column.name)]
    if outputs and sources.model.predictions is None:
        yield f"see whether a model gave these columns, which then are no features: {', '.join(map(safe_text, outputs))}"
    if not sensitive:
        yield "name the columns whose groups are to be compared in `sensitive`; none was found by name"
    if data.left_out:
        yield f"see whether these arrays are needed; they were left out: {', '.join(map(safe_text, data.left_out))}"
    yield "say in `intended_use` what the model is for"


def _audit_table(sources: Sources, gates: str) -> list[str]:
    return [
        "[audit]",
        f"name = {quoted(sources.name[:120] or 'audit')}",
        "seed = 0",
        'intended_use = ""             # what the model decides or supports, and for whom',
        'not_for = ""                  # uses that this audit does not cover',
        'owner = ""                    # who answers for the model',
        *(
            [f"gates = {quoted(gates)}          # limits on metrics; the audit exits 1 when one is not met"]
            if gates
            else []
        ),
        "",
    ]


def _data_table(
    sources: Sources, chosen: ColumnProfile, candidates: Sequence[Candidate], task: Task, split: str
) -> list[str]:
    lines = ["[data]", f"test = {quoted(sources.test)}"]
    if split:
        lines.append(f"split = {quoted(split)}              # says `train` or `test`")
    elif sources.train:
        lines.append(f"train = {quoted(sources.train)}")
    elif sources.model.is_there:
        lines.append('# train = "train.parquet"     # training rows, as background of explanations')
    else:
        lines.append("held_out = 0.2                # share of the rows that are evaluated; the others train the model")
    if task == "next-token":
        lines.append("# The target is the text itself: the model predicts the token that follows those before it.")
    else:
        lines.append("# The target. Candidates, the most likely first:")
    for candidate in candidates[:_SHOWN_TARGETS]:
        lines.append(
            f"#   {name_shown(candidate.column.name)}: {'; '.join(candidate.reasons) or 'nothing speaks for it'}"
        )
    lines.append(f"target = {quoted(chosen.name)}")
    if task == "binary-classification":
        values = ", ".join(safe_text(value) for value in chosen.values[:2])
        lines.append(f"positive = {quoted(positive_class(chosen))}   # the classes are {values}")
    if chosen.missing and task != "next-token":
        lines.append('missing_labels = "drop"       # rows without a label are left out; "refuse" stops there instead')
    return [*lines, *_classes_line(sources.model, chosen, task)]


def _classes_line(model: ModelSource, chosen: ColumnProfile, task: Task) -> list[str]:
    """The order of the classes, where the model does not name them."""
    if model.predictions is not None and (classes := class_order(chosen, task, model.predictions)):
        return [f"classes = [{', '.join(map(quoted, classes))}]   # in the order of the predictions"]
    if model.numbers_classes and task == "multiclass-classification" and chosen.kind == "category":
        names = ", ".join(map(quoted, sorted(chosen.values)))
        return [f"classes = [{names}]   # in the order of the numbers that the model knows them by"]
    return []


def _id_line(columns: Sequence[ColumnProfile], predictions: PredictionsProfile | None) -> list[str]:
    """The column that numbers or names the rows, as their ids; texts that are all different name nothing."""
    if predictions is not None and predictions.file is not None:
        key = [column.name for column in columns if column.name == predictions.key]
        return [f"id = {quoted(name)}   # row ids, by which the predictions are found" for name in key]
    reasons = ((column, id_reason(column)) for column in columns if column.all_different and not is_text(column))
    named = next(((column, reason) for column, reason in reasons if reason and reason != ALL_DIFFERENT), None)
    return [] if named is None else [f"id = {quoted(named[0].name)}   # row ids: {named[1]}"]


def _column_lists(
    left_out: Sequence[tuple[ColumnProfile, str]], sensitive: Sequence[ColumnProfile], inputs: Sequence[InputProfile]
) -> list[str]:
    lines = ["# Columns whose groups are compared. A table holds them too, unless `exclude` names them."]
    follows = sorted({name for item in inputs for name in _COMPUTED[item.modality]})
    if follows:
        lines.append(f"# What follows from an input can stand there, too: {', '.join(follows)}.")
    lines += _list("sensitive", [(column, sensitive_reason(column)) for column in sensitive])
    if left_out:
        lines += ["# Columns the model does not see."]
        lines += _list("exclude", left_out)
    banded = [column for column in sensitive if column.kind == "number" and column.distinct > _FEW_VALUES]
    coded = [column for column in sensitive if column.kind == "number" and column.distinct <= _FEW_VALUES]
    if coded:
        lines += ["[data.types]                  # numbers that are codes of groups"]
        lines += [f'{key(column.name)} = "category"' for column in coded]
    if banded:
        lines += [
            "[data.bins]                   # numbers as groups: below the first bound, between bounds, from the last"
        ]
        lines += [f"{key(column.name)} = {list(column.quantiles)}" for column in banded]
    return lines


def _list(name: str, columns: Sequence[tuple[ColumnProfile, str]]) -> list[str]:
    if not columns:
        return [f"{name} = []"]
    return [f"{name} = [", *(f"    {quoted(column.name)},   # {reason}" for column, reason in columns), "]"]


def _input_tables(inputs: Sequence[InputProfile], task: Task, model: ModelSource, *, table: bool) -> list[str]:
    lines: list[str] = []
    for item in inputs:
        lines += ["", f"# {safe_text(item.what, LONGEST_TEXT)}", f"[data.inputs.{key(item.name)}]"]
        lines.append(f'modality = "{item.modality}"')
        if item.column and item.column != item.name:
            lines.append(f"column = {quoted(item.column)}")
        if item.size is not None:
            lines.append(
                f"size = [{item.size[0]}, {item.size[1]}]             # height and width that all are brought to"
            )
        if item.modality == "text" and model.has_tokens:
            lines.append(
                "# length = 128                # tokens of the model's own tokenizer; when absent as many as it takes"
            )
        elif task == "next-token":
            lines.append('unit = "words"                # what a token is; or "characters"')
            lines.append("length = 64                   # tokens that are read before the next one")
        elif item.modality == "text":
            lines.append("length = 256                  # tokens of a text that the model sees")
            if model.profile is not None:
                lines.append('# tokenizer = "tokenizer.json"  # what the token ids of the model stand for')
        elif model.profile is not None and not model.describes_inputs:
            lines.append(
                "# mean = [0.5]                # how the model wants it: (value - mean) / scale, images from 0 to 1"
            )
            lines.append("# scale = [0.5]")
    if inputs and table:
        lines += ["[data.inputs.columns]         # the columns beside them", 'modality = "tabular"']
    return lines


def _columns_seen(inputs: Sequence[ColumnProfile], *, stored: bool) -> list[str]:
    lines = ["", "# Columns beside the outputs:" if stored else "# What the model sees:"]
    for column in inputs:
        missing = f", {column.missing:,} missing" if column.missing else ""
        values = ", ".join(safe_text(value) for value in column.values[:4])
        some = f": {values}" if column.kind == "category" else ""
        lines.append(
            f"#   {name_shown(column.name)}  {column.kind}, {column.distinct:,} different{missing}{some}"[:120]
        )
    return [*lines, ""]


def _closing(task: Task, *, sensitive: bool, gates: str) -> list[str]:
    lines = [] if gates else [*_about_gates(task, sensitive=sensitive), ""]
    return [*lines, "[report]", 'formats = ["html"]']


def _about_gates(task: Task, *, sensitive: bool) -> list[str]:
    presets = ", ".join(f"preset:{name}" for name in fitting_presets(task, sensitive=sensitive))
    return [
        *own_gate(task),
        '# Gates may stand in a file of their own, or come with Auditbench: in [audit], `gates = ["gates.toml", ...]` with',
        f"# {presets}.",
    ]
