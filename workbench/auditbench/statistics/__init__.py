"""Estimates with their uncertainty: the statistics that the host and the plugins share.

Each module is one concept. Functions of single numbers return `None` where a value is undefined, or an
`IntervalEstimate` whose undefined parts are `None`, with a reason; functions of arrays return NaN there. No undefined
value is ever replaced by 0. Bad arguments raise `ValueError`. numpy and scipy are imported by the functions that compute
with them, so importing this package costs next to nothing.
"""

from auditbench.statistics.bootstrap import (
    bootstrap_interval,
    fewest_replicates,
    multinomial_replicates,
    percentile_intervals,
    resampling_weights,
)
from auditbench.statistics.calibration import (
    ReliabilityBins,
    calibration_error_interval,
    expected_calibration_error,
    reliability_bins,
)
from auditbench.statistics.clusters import FEWEST_CLUSTERS, Clusters, clusters_of, jackknife_error
from auditbench.statistics.contrasts import Contrast, contrast_intervals, contrast_p_values
from auditbench.statistics.group_means import GroupMeans, minimum_detectable_mean_difference
from auditbench.statistics.grouped_rows import GroupedRows
from auditbench.statistics.halves import first_half
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
from auditbench.statistics.interval import (
    IntervalEstimate,
    IntervalEstimates,
    UndefinedReason,
    normal_quantile,
    undefined_interval,
)
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
from auditbench.statistics.shares import Shares
from auditbench.statistics.simultaneous import (
    largest_contrast,
    largest_difference,
    largest_difference_to_overall,
    largest_mean_difference,
    largest_mean_difference_of,
    largest_mean_difference_to_overall,
    ratios_to_highest,
    share_ratios_to_highest,
    sidak_level,
    smallest_ratio,
)
from auditbench.statistics.stratified import StratifiedDifference, stratified_difference

__all__ = [
    "FEWEST_CLUSTERS",
    "MOST_INFLUENCES",
    "Clusters",
    "Contrast",
    "GroupMeans",
    "GroupedRows",
    "IntervalEstimate",
    "IntervalEstimates",
    "PairedTest",
    "ReliabilityBins",
    "Shares",
    "StratifiedDifference",
    "UndefinedReason",
    "auc",
    "auc_influence",
    "average_precision",
    "average_precision_influence",
    "benjamini_hochberg",
    "bootstrap_interval",
    "bootstrap_mean_intervals",
    "calibration_error_influence",
    "calibration_error_interval",
    "clustered_mean_interval",
    "clusters_of",
    "combined_influence",
    "contrast_intervals",
    "contrast_p_values",
    "delong_interval",
    "expected_calibration_error",
    "fewest_replicates",
    "first_half",
    "holm",
    "holm_levels",
    "jackknife_error",
    "largest_contrast",
    "largest_difference",
    "largest_difference_derivatives",
    "largest_difference_to_derivatives",
    "largest_difference_to_overall",
    "largest_mean_difference",
    "largest_mean_difference_of",
    "largest_mean_difference_to_overall",
    "mcnemar",
    "mean_influence",
    "mean_interval",
    "mean_intervals",
    "minimum_detectable_difference",
    "minimum_detectable_mean_difference",
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
    "ratios_to_highest",
    "reliability_bins",
    "resampling_weights",
    "root_mean_influence",
    "share_interval",
    "share_ratios_to_highest",
    "sidak_level",
    "smallest_ratio",
    "smallest_ratio_derivatives",
    "stored_influence",
    "stratified_difference",
    "undefined_interval",
    "wilson_interval",
    "wilson_intervals",
]
