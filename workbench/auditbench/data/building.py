"""From a table as read to `EvaluationData`, and to the labelled rows that training needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.coding import code_groups, code_labels, count_unseen
from auditbench.data.evaluation import EvaluationData, Rows
from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import ModelInput, table_features
from auditbench.data.modalities import code_inputs, texts_of
from auditbench.data.next_tokens import text_input, token_rows
from auditbench.data.stored import some_rows
from auditbench.data.table import TablePart, TableSource, named_rows, text_of
from auditbench.data.weights import row_weights
from auditbench.errors import DataError, EmptyDataError
from auditbench.run import DataFacts, FeatureFacts, Task

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.modalities import RawInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRows:
    """Coded rows with a label each.

    Attributes:
        inputs: By name, coded as `ModelInput` says.
        y_true: Shape `(rows,)`: class index as int64, or the value as float64.
        dropped: Rows left out by rule.
        clusters: Which rows depend on each other, shape `(rows,)`; None where they are independent.
    """

    part: TablePart
    inputs: RawInputs
    y_true: npt.NDArray[Any]
    dropped: Mapping[str, int]
    clusters: npt.NDArray[np.int64] | None = None


def build_evaluation(
    source: TableSource,
    inputs: Mapping[str, ModelInput],
    *,
    task: Task,
    classes: tuple[str, ...],
    seed: int,
    identified: bool = False,
) -> EvaluationData:
    """Code the evaluated rows and the background by a model's inputs and classes.

    Args:
        classes: By index, the negative class first in binary classification; empty for regression.
        seed: Of the audit; decides which rows `data.max_rows` keeps.
        identified: Whether raw rows say which row of the file they are, for models whose outputs stand in a file.

    Raises:
        DataError: A label is missing without a rule or none of the classes, a sensitive or control column holds numbers
            without bins, a row has no cluster or no weight where a column names them, or a cell is infinite.
        EmptyDataError: There is no row to evaluate.
        ModelError: The data lack a feature or an input of the model.
    """
    table = source.table
    _check_classes(source, task, classes)
    test = labelled_rows(source, source.test, inputs, classes, overlapping=True)
    if not len(test.part):
        raise EmptyDataError(
            f"{source.test.file} has no row to evaluate",
            where="data",
            found=_nothing_left(test.dropped),
            fix="name a file with labelled rows",
        )
    _refuse_rows_of_no_cluster(test, table.cluster)
    kept = _sample(len(test.part), table.max_rows, seed)
    dropped = {**source.left_out, **test.dropped}
    if len(kept) < len(test.part):
        dropped["max_rows"] = len(test.part) - len(kept)
    train = source.train if source.train is not None and len(source.train) else None
    evaluated = _rows(test, kept, inputs, source)
    background = evaluated if train is None else _background(source, train, inputs, classes)
    facts = _facts(source, table_features(inputs), test.part.take(kept), evaluated, classes, dropped)
    if table.continued is not None and train is not None:
        facts = dataclasses.replace(facts, train_rows=len(background))
    data = EvaluationData(
        facts=facts,
        task=task,
        classes=classes,
        inputs=inputs,
        background_source="test" if train is None else "train",
        _evaluated=evaluated,
        _background=background,
    )
    return data.identified(test.part.row_numbers[kept]) if identified else data


def class_names(source: TableSource, inputs: Mapping[str, ModelInput], task: Task) -> tuple[str, ...]:
    """The classes that the config and the labels give: negative then positive, or in the declared or sorted order.

    Those of a language model are the tokens that it may give, its vocabulary.

    Labels are those of the training rows, as a model could learn no other; of the evaluated rows when there are none.

    Raises:
        DataError: The positive class does not occur and is not declared, or a binary target has more than two labels.
    """
    if task == "regression":
        return ()
    table = source.table
    if task == "next-token":
        name = table.continued or ""
        return text_input(inputs.get(name), name).vocabulary
    part = source.train if source.train is not None and len(source.train) else source.test
    labels = text_of(part.columns[table.target])
    found = {labels.names[int(code)] for code in np.unique(labels.codes) if code >= 0}
    names = tuple(table.classes) or tuple(sorted(found))
    return _binary(names, source) if task == "binary-classification" else names


def labelled_rows(
    source: TableSource,
    part: TablePart,
    inputs: Mapping[str, ModelInput],
    classes: tuple[str, ...],
    *,
    overlapping: bool = False,
) -> LabelledRows:
    """Code the rows of one part; rows without a label are refused, or dropped where the config says so.

    Where the target is the next token of a text, rows are cut from the texts.

    Args:
        overlapping: See `token_rows`.

    Raises:
        DataError: A label is missing and `data.missing_labels` is `refuse`.
    """
    table = source.table
    name = table.continued
    if name is not None:
        item = inputs[name]
        cut = token_rows(part, name, text_input(item, name), overlapping=overlapping)
        return LabelledRows(
            part=cut.part,
            inputs={name: cut.inputs},
            y_true=cut.y_true,
            dropped={"unknown_token": cut.unknown} if cut.unknown else {},
            clusters=cut.texts,
        )
    y_true, missing = code_labels(part, table.target, classes)
    dropped: dict[str, int] = {}
    if missing.any():
        if table.missing_labels == "refuse":
            raise DataError(
                f"the target {table.target!r} of {part.file} has missing labels",
                where="data.missing_labels",
                found=f"{int(missing.sum()):,} missing, {named_rows(missing, part.row_numbers)}",
                allowed="a label in every row, by the rule `refuse`",
                fix='fill them, or set data.missing_labels = "drop"',
            )
        dropped["missing_label"] = int(missing.sum())
        kept = np.flatnonzero(~missing)
        part, y_true = part.take(kept), y_true[kept]
    coded = code_inputs(part, inputs, table)
    return LabelledRows(part=part, inputs=coded, y_true=y_true, dropped=dropped, clusters=part.clusters)


def _binary(names: tuple[str, ...], source: TableSource) -> tuple[str, str]:
    table, positive = source.table, source.table.positive
    if positive is None and not table.classes and set(names) <= {"0", "1"} and names:
        return "0", "1"
    if len(names) > 2:
        raise DataError(
            f"the target {table.target!r} has {len(names)} labels, and a binary classification has two",
            where="data.target",
            found=", ".join(repr(name) for name in names[:6]),
            allowed="two labels",
            fix='correct data.target, or set model.task = "multiclass-classification"',
        )
    if positive is None:
        if table.classes and len(names) == 2:
            return names[0], names[1]
        raise DataError(
            "which class is positive is not said",
            where="data.positive",
            found="nothing",
            allowed=" or ".join(repr(name) for name in names) or "a label of the target",
            fix=f"set data.positive = {names[-1]!r}" if names else "set data.positive",
        )
    if positive not in names:
        raise DataError(
            f"the positive class {positive!r} is no label of {table.target!r}",
            where="data.positive",
            found=repr(positive),
            allowed=", ".join(repr(name) for name in names) or "no label was found",
            fix="correct data.positive, or declare both classes in data.classes",
        )
    others = [name for name in names if name != positive]
    return (others[0] if others else f"not {positive}"), positive


def _nothing_left(dropped: Mapping[str, int]) -> str:
    without = dropped.get("missing_label", 0)
    unknown = dropped.get("unknown_token", 0)
    if without:
        return f"0 rows with a label, {without} without"
    return f"0 rows that end in a known token, {unknown} in others" if unknown else "0 rows"


def _check_classes(source: TableSource, task: Task, classes: tuple[str, ...]) -> None:
    positive = source.table.positive
    if task == "binary-classification" and positive is not None and classes[1] != positive:
        raise DataError(
            f"the positive class of the model is not {positive!r}",
            where="data.positive",
            found=repr(positive),
            allowed=repr(classes[1]),
            fix=f"set data.positive = {classes[1]!r}, or train the model for {positive!r}",
        )


def _refuse_rows_of_no_cluster(rows: LabelledRows, name: str | None) -> None:
    if name is None or rows.clusters is None or not (missing := rows.clusters < 0).any():
        return
    raise DataError(
        f"the column {name!r} of {rows.part.file} does not say which rows depend on each other",
        where="data.cluster",
        found=f"{int(missing.sum()):,} missing, {named_rows(missing, rows.part.row_numbers)}",
        allowed="a value in every evaluated row",
        fix="give rows that stand alone a value of their own",
    )


def _sample(total: int, most: int | None, seed: int) -> npt.NDArray[np.intp]:
    if most is None or most >= total:
        return np.arange(total)
    return np.sort(np.random.default_rng([seed, total]).choice(total, size=most, replace=False))


def _background(
    source: TableSource, train: TablePart, inputs: Mapping[str, ModelInput], classes: tuple[str, ...]
) -> Rows:
    rows = labelled_rows(source, train, inputs, classes)
    return _rows(rows, np.arange(len(rows.part)), inputs, source)


def _rows(
    rows: LabelledRows, kept: npt.NDArray[np.intp], inputs: Mapping[str, ModelInput], source: TableSource
) -> Rows:
    part, weights = rows.part.take(kept), row_weights(rows.part, source.table.weights)
    ids = part.row_numbers if part.ids is None else part.ids
    return Rows(
        inputs=some_rows(rows.inputs, kept),
        y_true=rows.y_true[kept],
        sensitive_features=code_groups(part, source.table, "sensitive"),
        control_features=code_groups(part, source.table, "control"),
        row_ids=tuple(str(name) for name in ids.tolist()),
        texts=texts_of(part, inputs),
        clusters=None if rows.clusters is None else rows.clusters[kept],
        weights=None if weights is None else weights[kept],
    )


def _facts(
    source: TableSource,
    features: tuple[FeatureSpec, ...],
    part: TablePart,
    rows: Rows,
    classes: tuple[str, ...],
    dropped: Mapping[str, int],
) -> DataFacts:
    table = source.table
    counts = np.bincount(rows.y_true, minlength=len(classes)) if classes else ()
    return DataFacts(
        name=source.name,
        digests=source.digests,
        rows=len(rows),
        train_rows=0 if source.train is None else len(source.train),
        target=table.target,
        positive=classes[1] if len(classes) == 2 and table.positive is not None else "",
        outcomes={
            name: int(count) for name, count in zip(classes, counts, strict=True) if count or table.continued is None
        },
        features=tuple(_feature_facts(source, feature, part) for feature in features),
        sensitive=table.sensitive,
        computed=source.computed,
        control=table.control,
        weights=table.weights or "",
        dropped=dropped,
        licence=source.licence,
    )


def _feature_facts(source: TableSource, feature: FeatureSpec, part: TablePart) -> FeatureFacts:
    table = source.table
    train = None if source.train is None else source.train.columns.get(feature.name)
    column = part.columns[feature.name]
    number = feature.kind == "number"
    return FeatureFacts(
        name=feature.name,
        kind=feature.kind,
        levels=None if number else len(feature.categories),
        missing_test=int(column.missing.sum()),
        missing_train=0 if train is None else int(train.missing.sum()),
        unseen_test=count_unseen(column, feature.categories),
        missing_rule=table.missing_numbers if number else table.missing_categories,
        sensitive=feature.name in table.sensitive,
    )
