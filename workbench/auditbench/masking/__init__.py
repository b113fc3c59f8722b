"""Players of a table: what its explainers share, from missing numbers to comparing methods.

A raw feature is one player, however many encoded columns it has.
"""

from auditbench.masking.agreement import agreement_matrix, agreement_metrics, spearman
from auditbench.masking.explanation import Explained, earlier_attributions, explained, shared_out, table_attribution
from auditbench.masking.importance import additivity_gap, importance_metrics, metric_interval, sampled_rows
from auditbench.masking.seeding import global_seed
from auditbench.masking.table import fill_missing, value_ranks

__all__ = [
    "Explained",
    "additivity_gap",
    "agreement_matrix",
    "agreement_metrics",
    "earlier_attributions",
    "explained",
    "fill_missing",
    "global_seed",
    "importance_metrics",
    "metric_interval",
    "sampled_rows",
    "shared_out",
    "spearman",
    "table_attribution",
    "value_ranks",
]
