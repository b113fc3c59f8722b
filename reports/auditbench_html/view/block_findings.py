"""What a curve or a matrix found, in one sentence: the title of its figure."""

from __future__ import annotations

from auditbench.results import AnalysisResult, Curve, Matrix
from auditbench_html.view.draft import Draft
from auditbench_html.view.numbers import concise, fixed, share
from auditbench_html.view.text import EMPTY, Text, words


def curve_finding(draft: Draft, result: AnalysisResult | None, curve: Curve) -> Text:
    """By the measure that sums a curve up; empty where the result has no such measure, or the curve several lines."""
    if result is None or len(curve.series) != 1:
        return EMPTY
    say, known = draft.say, {metric.name: metric.value for metric in result.metrics if not metric.where}
    area, precision, base = (known.get(name) for name in ("auc", "average_precision", "base_rate"))
    error = known.get("expected_calibration_error")
    if curve.kind == "roc" and area is not None:
        return say.say("found.roc", part=share(say, area).text)
    if curve.kind == "precision_recall" and precision is not None and base is not None:
        return say.say("found.precision_recall", part=share(say, precision).text, base=share(say, base).text)
    if curve.kind == "reliability" and error is not None:
        return say.say("found.reliability", points=words(concise(round(100 * error, 1))))
    return EMPTY


def confusion_finding(draft: Draft, block: Matrix) -> Text:
    """How many rows are predicted wrongly; empty for other matrices and without rows."""
    cells = [(i == j, value or 0.0) for i, row in enumerate(block.values) for j, value in enumerate(row)]
    total = sum(value for _, value in cells)
    if block.kind != "confusion" or block.rows != block.columns or not total:
        return EMPTY
    wrong = total - sum(value for right, value in cells if right)
    part = share(draft.say, wrong / total).text
    return draft.say.say("found.confusion", n=round(wrong), total=round(total), part=part)


def agreement_finding(draft: Draft, block: Matrix, labels: tuple[Text, ...]) -> Text:
    """Which two of the methods agree least, or that all agree alike; empty for other matrices and without two methods."""
    if block.kind != "agreement":
        return EMPTY
    pairs = [
        (value, i, j) for i, row in enumerate(block.values) for j, value in enumerate(row[:i]) if value is not None
    ]
    if not pairs:
        return EMPTY
    value, i, j = min(pairs)
    shown = fixed(value, 2)
    if len(pairs) > 1 and shown == fixed(max(pairs)[0], 2):
        return draft.say.say("found.agreement_same", value=words(shown))
    key = "found.agreement" if len(pairs) == 1 else "found.agreement_least"
    return draft.say.say(key, first=labels[i], second=labels[j], value=words(shown))
