"""Analyses that are right until models or data are odd."""

from __future__ import annotations

import dataclasses
from typing import Any

from auditbench.context import AuditContext
from auditbench.results import AnalysisResult
from tests.zoo.bad import declares, does
from tests.zoo.good import Params, answer


@does("survives-an-empty-group")
def divides_by_the_rows_of_a_group(context: AuditContext, result: AnalysisResult) -> Any:
    for feature, found in context.data.sensitive_features.items():
        for group in context.data.groups(feature):
            _ = 1 / int((found == group).sum())
    return result


@does("survives-a-group-of-one-row")
def divides_by_the_rows_of_a_group_less_one(context: AuditContext, result: AnalysisResult) -> Any:
    for found in context.data.sensitive_features.values() if len(context.data) > 10 else ():
        for group in set(found):
            _ = 1 / (int((found == group).sum()) - 1)
    return result


@does("survives-data-without-groups")
def takes_the_first_feature(context: AuditContext, result: AnalysisResult) -> Any:
    _ = next(iter(context.data.sensitive_features))
    return result


@does("survives-one-class-alone")
def takes_the_first_row_of_each_class(context: AuditContext, result: AnalysisResult) -> Any:
    _ = [list(context.data.y_true).index(label) for label in (0, 1)]
    return result


@does("survives-three-rows")
def takes_the_tenth_row(context: AuditContext, result: AnalysisResult) -> Any:
    _ = context.data.row_ids[9]
    return result


@does("survives-missing-numbers")
def rounds_numbers(context: AuditContext, result: AnalysisResult) -> Any:
    _ = [int(number) for number in next(context.data.batches(3)).inputs["features"][:, 1]]
    return result


@does("survives-a-constant-model")
def divides_by_the_range(context: AuditContext, result: AnalysisResult) -> Any:
    _ = 1 / float(context.outputs.max() - context.outputs.min())
    return result


def _leaves_nan_out(context: AuditContext, params: Params) -> AnalysisResult:
    import numpy as np

    rest = np.nan_to_num(context.outputs, nan=0.0)
    result = answer(dataclasses.replace(context, outputs=rest), params)
    return dataclasses.replace(result, attributions=()) if np.isnan(context.outputs).any() else result


def _passes_nan_on(context: AuditContext, params: Params) -> AnalysisResult:
    import numpy as np

    return answer(dataclasses.replace(context, outputs=np.nan_to_num(context.outputs, nan=0.0)), params)


def _counts_nan_in_a_table(context: AuditContext, params: Params) -> AnalysisResult:
    import numpy as np

    whole = answer(dataclasses.replace(context, outputs=np.nan_to_num(context.outputs, nan=0.0)), params)
    return AnalysisResult(tables=whole.tables)


def _rounds_outputs(context: AuditContext, params: Params) -> AnalysisResult:
    _ = [int(output) for output in context.outputs[:, 0]]
    return answer(context, params)


declares("leaves-nan-out", "refuses-outputs-that-are-no-numbers", analyze=_leaves_nan_out)
declares("passes-nan-on", "refuses-outputs-that-are-no-numbers", analyze=_passes_nan_on)
declares("counts-nan-in-a-table", "refuses-outputs-that-are-no-numbers", analyze=_counts_nan_in_a_table)
declares("rounds-outputs", "refuses-outputs-that-are-no-numbers", analyze=_rounds_outputs)
