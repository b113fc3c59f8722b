"""Evaluated data: features, rows, readers, encoding."""

from auditbench.data.evaluation import TABULAR_INPUT, EvaluationData, Rows
from auditbench.data.features import FeatureSpec, encoded_width

__all__ = ["TABULAR_INPUT", "EvaluationData", "FeatureSpec", "Rows", "encoded_width"]
