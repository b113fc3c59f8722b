"""Players of a table: what its explainers share, from missing numbers to comparing methods.

A raw feature is one player, however many encoded columns it has.
"""

from auditbench.masking.agreement import rank_agreement, spearman
from auditbench.masking.importance import additivity_gap, importance_metrics, metric_interval, sampled_rows
from auditbench.masking.table import fill_missing, value_ranks

__all__ = [
    "additivity_gap",
    "fill_missing",
    "importance_metrics",
    "metric_interval",
    "rank_agreement",
    "sampled_rows",
    "spearman",
    "value_ranks",
]
