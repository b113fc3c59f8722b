"""Players of a table: what its explainers share, from missing numbers to comparing methods.

A raw feature is one player, however many encoded columns it has.
"""

from auditbench.masking.agreement import agreement_matrix, agreement_metrics, spearman
from auditbench.masking.importance import additivity_gap, importance_metrics, metric_interval, sampled_rows
from auditbench.masking.table import fill_missing, value_ranks

__all__ = [
    "additivity_gap",
    "agreement_matrix",
    "agreement_metrics",
    "fill_missing",
    "importance_metrics",
    "metric_interval",
    "sampled_rows",
    "spearman",
    "value_ranks",
]
