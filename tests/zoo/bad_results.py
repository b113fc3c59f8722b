"""Results that break what a result promises, by themselves or beside the record and its words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditbench.context import AuditContext
from auditbench.results import AnalysisResult, Interval
from tests.zoo.bad import also, changed, declares, does, one
from tests.zoo.good import WORDS


def without(language: str, *keys: str) -> Mapping[str, Mapping[str, str]]:
    few = {key: text for key, text in WORDS.items() if key not in keys}
    return {"en": WORDS, "zh-CN": WORDS, language: few}


@does("gives-a-result")
def gives_a_mapping(context: AuditContext, result: AnalysisResult) -> Any:
    return {"mean": 0.5}


@does("gives-a-result")
def gives_nothing(context: AuditContext, result: AnalysisResult) -> Any:
    return None


@does("undefined-has-a-reason")
def gives_nan(context: AuditContext, result: AnalysisResult) -> Any:
    return also(result, one("gap", float("nan")))


@does("undefined-has-a-reason")
def gives_none_without_a_reason(context: AuditContext, result: AnalysisResult) -> Any:
    return also(result, one("gap", None))


@does("undefined-has-a-reason")
def gives_an_array_of_nan(context: AuditContext, result: AnalysisResult) -> Any:
    return changed(result, values=result.attributions[0].values * float("nan"))


@does("undefined-has-a-reason")
def leaves_a_cell_empty(context: AuditContext, result: AnalysisResult) -> Any:
    (table,) = result.tables
    return dataclasses.replace(result, tables=(dataclasses.replace(table, rows=(("", None, ""),)),))


@does("fits-the-record")
def gives_a_path(context: AuditContext, result: AnalysisResult) -> Any:
    return also(result, one("gap", where={"file": Path("rows.csv")}))


@does("fits-the-record")
def gives_a_list(context: AuditContext, result: AnalysisResult) -> Any:
    return dataclasses.replace(result, notes=[*result.notes])


@does("fits-the-record")
def gives_another_shape(context: AuditContext, result: AnalysisResult) -> Any:
    return changed(result, values=result.attributions[0].values[:2])


@does("names-rows-and-targets")
def names_rows_by_place(context: AuditContext, result: AnalysisResult) -> Any:
    return changed(result, row_ids=tuple(map(str, range(len(result.attributions[0].row_ids)))))


@does("names-rows-and-targets")
def names_another_target(context: AuditContext, result: AnalysisResult) -> Any:
    return changed(result, target_names=("class 1",))


@does("names-rows-and-targets")
def gives_a_short_influence(context: AuditContext, result: AnalysisResult) -> Any:
    import numpy as np

    return also(result, one("gap", influence=np.zeros(2, dtype=np.float32)))


@does("gives-declared-metrics", messages={language: {**WORDS, "good.more": "More", "good.more.help": "More.", "good.more.formula": "more"} for language in ("en", "zh-CN")})  # fmt: skip
def gives_one_more_metric(context: AuditContext, result: AnalysisResult) -> Any:
    return also(result, one("more"))


@does("gives-declared-metrics", metric_tasks={"gap": ("regression",)})
def gives_a_metric_of_another_task(context: AuditContext, result: AnalysisResult) -> Any:
    return result


@does("gives-declared-metrics")
def gives_two_alike(context: AuditContext, result: AnalysisResult) -> Any:
    return also(result, one("gap", 0.1), one("gap", 0.2))


@does("shares-are-shares")
def gives_a_share_in_percent(context: AuditContext, result: AnalysisResult) -> Any:
    return also(result, one("high", 50.0))


@does("intervals-hold-their-value")
def gives_an_interval_beside(context: AuditContext, result: AnalysisResult) -> Any:
    return also(result, one("gap", 0.5, interval=Interval(low=0.6, high=0.7, method="normal")))


@does("units-have-words")
def measures_in_furlongs(context: AuditContext, result: AnalysisResult) -> Any:
    return also(result, one("gap", unit="furlong"))


declares("method-is-not-described", "methods-are-declared", methods=())
declares("no-word-in-english", "says-it-in-english", messages=without("en", "good.note"))
declares("no-help-in-chinese", "says-it-in-chinese", messages=without("zh-CN", "good.gap.help"))
declares("no-chinese", "says-it-in-chinese", messages={"en": WORDS})


@does("says-it-in-english", messages={"en": {**WORDS, "good.note": "Means of {rows} rows."}, "zh-CN": WORDS})
def fills_no_placeholder(context: AuditContext, result: AnalysisResult) -> Any:
    return result
