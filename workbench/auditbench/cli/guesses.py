"""Guesses about a table for a first configuration, each with its reason; a person decides."""

from __future__ import annotations

import re
from dataclasses import dataclass

from auditbench.cli.data_profile import ColumnProfile
from auditbench.run import Task

# One word a line would hide the tables below.
# fmt: off
_TARGET_WORDS = frozenset((
    "target", "label", "class", "y", "outcome", "income", "default", "churn", "churned", "diagnosis", "survived",
    "fraud", "approved", "response", "result", "decision", "price", "score",
))
_TARGET_TEXT = ("目标", "标签", "类别", "结果", "是否", "收入", "违约", "流失", "诊断", "价格")
_SENSITIVE_WORDS = frozenset((
    "sex", "gender", "race", "racial", "ethnicity", "ethnic", "age", "religion", "religious", "disability",
    "disabled", "nationality", "citizenship", "marital", "pregnancy", "pregnant", "orientation", "caste",
    "veteran", "birthplace", "skin",
))
_SENSITIVE_PAIRS = (
    ("native", "country"), ("birth", "country"), ("country", "origin"), ("date", "birth"), ("birth", "year"),
)
_SENSITIVE_TEXT = (
    "性别", "年龄", "种族", "民族", "宗教", "信仰", "残疾", "残障", "国籍", "婚姻", "籍贯", "户籍", "户口", "性取向", "怀孕",
    "孕妇", "政治面貌",
)
_ID_WORDS = frozenset(("id", "uuid", "guid", "key", "ssn", "passport"))
_ID_TEXT = ("编号", "身份证", "序号", "学号", "工号", "手机号")
_SPLIT_VALUES = frozenset(("train", "test", "valid", "validation"))
_POSITIVE = ("1", "1.0", "true", "yes", "y", "positive", "approved", "good", "pass", ">50k", "是", "有", "通过")
# fmt: on
ALL_DIFFERENT = "every value is different"
"""Why a column may name the rows, where nothing else speaks for it."""
_CLASSES = 20
_MANY = 50
_SENTENCE = 3
"""Words of a cell on average, from which a column is taken for text."""
_PARAGRAPH = 30
"""Words of a cell on average, from which few cells are taken for texts, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A column that could be the target, and why; a higher score is a better guess."""

    column: ColumnProfile
    score: int
    reasons: tuple[str, ...]


def target_candidates(columns: tuple[ColumnProfile, ...]) -> list[Candidate]:
    """Columns that could be the target, the most likely first."""
    found = [
        _candidate(column, last=index == len(columns) - 1 or _only_split_follows(columns[index + 1 :]))
        for index, column in enumerate(columns)
        if column.kind != "other" and column.distinct > 1 and not id_reason(column) and not is_split(column)
    ]
    return sorted(found, key=lambda candidate: -candidate.score)


def task_of(target: ColumnProfile) -> Task:
    """The task that a target asks for: by the number of its values."""
    if target.distinct == 2:
        return "binary-classification"
    if target.kind == "number" and (not target.whole or target.distinct > _CLASSES):
        return "regression"
    return "multiclass-classification"


def positive_class(target: ColumnProfile) -> str:
    """Of two classes the one whose name says yes, else the rarer one."""
    named = [value for value in target.values if value.lower() in _POSITIVE]
    return named[0] if len(named) == 1 else target.values[-1]


def sensitive_reason(column: ColumnProfile) -> str:
    """Why a column may hold a sensitive feature; empty when nothing says so."""
    words = words_of(column.name)
    named = sorted(words & _SENSITIVE_WORDS) or [text for text in _SENSITIVE_TEXT if text in column.name]
    pairs = [f"{a} {b}" for a, b in _SENSITIVE_PAIRS if {a, b} <= words]
    reasons = named[:1] or pairs[:1]
    return f"its name says {reasons[0]!r}" if reasons else ""


def id_reason(column: ColumnProfile) -> str:
    """Why a column seems to number or name the rows; empty when it does not."""
    named = bool(words_of(column.name) & _ID_WORDS) or any(text in column.name for text in _ID_TEXT)
    if column.counts_up and column.rows >= 20:
        return "it counts the rows"
    if column.all_different and named:
        return "every value is different, and its name says so"
    if column.all_different and column.kind == "category":
        return ALL_DIFFERENT
    return ""


def text_reason(column: ColumnProfile) -> str:
    """Why a column is no feature as it is; empty when it is one."""
    if column.kind == "other":
        return "neither a number nor a category" if column.missing < column.rows else "no row has a value"
    if column.kind == "category" and column.distinct > max(_MANY, column.rows // 2):
        return f"{column.distinct:,} different texts in {column.rows:,} rows"
    return ""


def is_text(column: ColumnProfile) -> bool:
    """Whether a column holds texts: sentences, most of them different, and many or long."""
    fewest = 1 if column.words >= _PARAGRAPH else _CLASSES
    return column.kind == "category" and column.words >= _SENTENCE and column.distinct > max(fewest, column.rows // 2)


def is_split(column: ColumnProfile) -> bool:
    """Whether a column says which rows are for training and which for testing."""
    return {"train", "test"} <= set(column.values) <= _SPLIT_VALUES


def words_of(name: str) -> set[str]:
    """The lower-case words of a column name: `MaritalStatus`, `marital_status` and `marital-status` alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return {word for word in re.split(r"[^0-9a-z]+", spaced.lower()) if word}


def _candidate(column: ColumnProfile, *, last: bool) -> Candidate:
    named = bool(words_of(column.name) & _TARGET_WORDS) or any(text in column.name for text in _TARGET_TEXT)
    few = 2 < column.distinct <= _CLASSES and (column.kind == "category" or column.whole)
    unlikely = -3 if task_of(column) == "regression" else -1
    points = [
        (4, "its name is one that targets have", named),
        (3, "two different values", column.distinct == 2),
        (1, f"{column.distinct} different values", few),
        (2, "the last column", last),
        (unlikely, f"{column.missing:,} of {column.rows:,} sampled rows have no value", column.missing > 0),
        (-3, "it may be a sensitive feature", bool(sensitive_reason(column))),
        (-4, "free text", bool(text_reason(column))),
    ]
    held = [(score, reason) for score, reason, holds in points if holds]
    return Candidate(column=column, score=sum(score for score, _ in held), reasons=tuple(reason for _, reason in held))


def _only_split_follows(columns: tuple[ColumnProfile, ...]) -> bool:
    return bool(columns) and all(is_split(column) for column in columns)
