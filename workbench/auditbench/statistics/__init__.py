"""Estimates with their uncertainty: the statistics that the host and the plugins share.

Each module is one concept. Functions of single numbers return `None` where a value is undefined, or an
`IntervalEstimate` whose undefined parts are `None`, with a reason; functions of arrays return NaN there. No undefined
value is ever replaced by 0. Bad arguments raise `ValueError`. numpy and `scipy.special` are imported by the functions
that compute with them, so importing this package costs next to nothing.
"""

from auditbench.statistics.bootstrap import (
    bootstrap_interval,
    fewest_replicates,
    multinomial_replicates,
    percentile_intervals,
    resampling_weights,
)
from auditbench.statistics.calibration import ReliabilityBins, expected_calibration_error, reliability_bins
from auditbench.statistics.clusters import FEWEST_CLUSTERS, Clusters, clusters_of, jackknife_error
from auditbench.statistics.influence import (
    MOST_INFLUENCES,
    auc_influence,
    average_precision_influence,
    calibration_error_influence,
    combined_influence,
    largest_difference_derivatives,
    largest_difference_to_derivatives,
    mean_influence,
    r2_influence,
    ratio_derivatives,
    ratio_of_means_influence,
    root_mean_influence,
    smallest_ratio_derivatives,
    stored_influence,
)
from auditbench.statistics.interval import IntervalEstimate, IntervalEstimates, UndefinedReason, normal_quantile
from auditbench.statistics.means import (
    bootstrap_mean_intervals,
    clustered_mean_interval,
    mean_interval,
    mean_intervals,
)
from auditbench.statistics.multiplicity import benjamini_hochberg, holm, holm_levels
from auditbench.statistics.paired import (
    PairedTest,
    mcnemar,
    paired_difference,
    paired_difference_bootstrap,
    permutation_test_paired,
)
from auditbench.statistics.proportions import (
    minimum_detectable_difference,
    newcombe_difference,
    share_interval,
    wilson_interval,
    wilson_intervals,
)
from auditbench.statistics.quantiles import quantile_interval
from auditbench.statistics.ranking import auc, average_precision, delong_interval
from auditbench.statistics.simultaneous import (
    largest_difference,
    largest_difference_to_overall,
    largest_mean_difference,
    largest_mean_difference_to_overall,
    sidak_level,
    smallest_ratio,
)

__all__ = [
    "FEWEST_CLUSTERS",
    "MOST_INFLUENCES",
    "Clusters",
    "IntervalEstimate",
    "IntervalEstimates",
    "PairedTest",
    "ReliabilityBins",
    "UndefinedReason",
    "auc",
    "auc_influence",
    "average_precision",
    "average_precision_influence",
    "benjamini_hochberg",
    "bootstrap_interval",
    "bootstrap_mean_intervals",
    "calibration_error_influence",
    "clustered_mean_interval",
    "clusters_of",
    "combined_influence",
    "delong_interval",
    "expected_calibration_error",
    "fewest_replicates",
    "holm",
    "holm_levels",
    "jackknife_error",
    "largest_difference",
    "largest_difference_derivatives",
    "largest_difference_to_derivatives",
    "largest_difference_to_overall",
    "largest_mean_difference",
    "largest_mean_difference_to_overall",
    "mcnemar",
    "mean_influence",
    "mean_interval",
    "mean_intervals",
    "minimum_detectable_difference",
    "multinomial_replicates",
    "newcombe_difference",
    "normal_quantile",
    "paired_difference",
    "paired_difference_bootstrap",
    "percentile_intervals",
    "permutation_test_paired",
    "quantile_interval",
    "r2_influence",
    "ratio_derivatives",
    "ratio_of_means_influence",
    "reliability_bins",
    "resampling_weights",
    "root_mean_influence",
    "share_interval",
    "sidak_level",
    "smallest_ratio",
    "smallest_ratio_derivatives",
    "stored_influence",
    "wilson_interval",
    "wilson_intervals",
]
