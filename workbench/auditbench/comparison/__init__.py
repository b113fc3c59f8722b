"""A run beside an earlier one: what changed in metrics and findings beyond noise, and what else is other.

Runs are compared from their records alone; neither model nor data are opened, and no plugin is asked. numpy is imported
by the functions that compute with it; `record` and `questions` have none.
"""

from auditbench.comparison.compare import compare
from auditbench.comparison.pairing import cluster_keys, row_keys
from auditbench.comparison.questions import refuse_incomparable, refuse_without_common_metric
from auditbench.comparison.record import LEVEL, BaselineFacts, Comparison, FindingChange, MetricChange, OtherChange

__all__ = [
    "LEVEL",
    "BaselineFacts",
    "Comparison",
    "FindingChange",
    "MetricChange",
    "OtherChange",
    "cluster_keys",
    "compare",
    "refuse_incomparable",
    "refuse_without_common_metric",
    "row_keys",
]
