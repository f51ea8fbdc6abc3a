"""Outcome statistics: tables and columns in, `StatisticResult` out.

Importing this package imports no scipy; a function's module is loaded when the function is first asked for.
The clinical rules of `volumetry.clinical` are found here, too, where version 0.1 had them.

These arguments mean the same in every function and are described here only:

data : DataFrame, optional
    Then any column may be given by its name. Without it a column is its values: an array, list or Series.
    Rows that miss a value which is needed (None, NaN, empty) are left out and counted as ``n_missing``.
first, second : column
    The values of two groups, or two measurements of the same rows; or, with `group`, `first` is the column of
    all rows.
group : column, optional
    Group of each row, instead of `second`; `cluster` is then a column, too, and no pair.
levels : pair, optional
    The two groups, the first one first; by default the two that occur, in their order.
cluster : column, optional
    The patient (or matched pair) of each row; of two samples a pair of columns. Without it, a column of
    `data` named like a patient in which a value repeats gives a `ClusteredDataWarning` and a note.
duration, event : column
    Follow-up time, 0 or more, and event (1) or censoring (0).
covariates : names of columns, mapping of names to values, DataFrame or (n, p) array
    Text and categorical columns become indicators of each level but the first; ``"a:b"`` is a product.
alternative : {'two-sided', 'less', 'greater'}
    "less": the first group has the lower values. Intervals are always two-sided.
options : dataclass, optional
    Further choices of a method, each with its default; the class describes them.
level : float
    Confidence level of the intervals, 0.95 unless given.

Every function refuses a wrong argument with `UsageError`: ``usage`` for a value of another type or an unknown
choice, ``invalid-table`` for a column that is not there, text that is no number, infinity, columns of unequal
length. `StatisticsError` ``not-estimable`` says that the data do not determine the answer, and why: no row is
complete, or what the function names.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from volumetry.clinical import MODULES as CLINICAL

if TYPE_CHECKING:
    from volumetry.clinical.collapse import CollapseProgression as CollapseProgression
    from volumetry.clinical.collapse import Depression as Depression
    from volumetry.clinical.collapse import FittedCircle as FittedCircle
    from volumetry.clinical.collapse import collapse_progression as collapse_progression
    from volumetry.clinical.collapse import fit_circle as fit_circle
    from volumetry.clinical.collapse import head_depression as head_depression
    from volumetry.clinical.follow_up import FailureTime as FailureTime
    from volumetry.clinical.follow_up import HipFollowUp as HipFollowUp
    from volumetry.clinical.follow_up import failure_time as failure_time
    from volumetry.clinical.follow_up import replacement_time as replacement_time
    from volumetry.clinical.hip_scores import WomacTotal as WomacTotal
    from volumetry.clinical.hip_scores import good_or_excellent_share as good_or_excellent_share
    from volumetry.clinical.hip_scores import harris_category as harris_category
    from volumetry.clinical.hip_scores import harris_total as harris_total
    from volumetry.clinical.hip_scores import is_good_or_excellent as is_good_or_excellent
    from volumetry.clinical.hip_scores import womac_range as womac_range
    from volumetry.clinical.hip_scores import womac_total as womac_total
    from volumetry.clinical.hip_scores import womac_total_from_items as womac_total_from_items
    from volumetry.clinical.spine import DiscHeightLoss as DiscHeightLoss
    from volumetry.clinical.spine import OozingTime as OozingTime
    from volumetry.clinical.spine import bone_density_category as bone_density_category
    from volumetry.clinical.spine import check_pain_vas as check_pain_vas
    from volumetry.clinical.spine import disc_height_loss as disc_height_loss
    from volumetry.clinical.spine import has_osteolysis as has_osteolysis
    from volumetry.clinical.spine import is_nonunion as is_nonunion
    from volumetry.clinical.spine import oozing_time as oozing_time
    from volumetry.clinical.spine import segmental_motion_degrees as segmental_motion_degrees
    from volumetry.clinical.staging import HipFindings as HipFindings
    from volumetry.clinical.staging import StageCheck as StageCheck
    from volumetry.clinical.staging import arco_stage as arco_stage
    from volumetry.clinical.staging import check_arco_stage as check_arco_stage
    from volumetry.clinical.threshold import Threshold as Threshold
    from volumetry.statistics.agreement.intraclass import icc as icc
    from volumetry.statistics.agreement.kappa import cohen_kappa as cohen_kappa
    from volumetry.statistics.agreement.kappa import cohen_kappa_of_readers as cohen_kappa_of_readers
    from volumetry.statistics.agreement.limits import bland_altman as bland_altman
    from volumetry.statistics.agreement.limits import lin_concordance as lin_concordance
    from volumetry.statistics.agreement.repeated_reads import repeatability as repeatability
    from volumetry.statistics.audit.bounds import audit_difference_sd as audit_difference_sd
    from volumetry.statistics.audit.bounds import audit_exceedance as audit_exceedance
    from volumetry.statistics.audit.bounds import audit_paired as audit_paired
    from volumetry.statistics.audit.bounds import audit_relative_change as audit_relative_change
    from volumetry.statistics.audit.bounds import audit_subgroups as audit_subgroups
    from volumetry.statistics.audit.bounds import audit_survival_interval as audit_survival_interval
    from volumetry.statistics.audit.bounds import audit_total as audit_total
    from volumetry.statistics.audit.checks import audit_counts as audit_counts
    from volumetry.statistics.audit.checks import audit_means as audit_means
    from volumetry.statistics.audit.checks import audit_percentage as audit_percentage
    from volumetry.statistics.audit.checks import audit_sample_size as audit_sample_size
    from volumetry.statistics.audit.checks import audit_share as audit_share
    from volumetry.statistics.audit.checks import grim_counts as grim_counts
    from volumetry.statistics.audit.checks import tables_behind_shares as tables_behind_shares
    from volumetry.statistics.audit.printed import Finding as Finding
    from volumetry.statistics.audit.printed import Printed as Printed
    from volumetry.statistics.audit.printed import PrintedSummary as PrintedSummary
    from volumetry.statistics.clusters import ClusteredDataWarning as ClusteredDataWarning
    from volumetry.statistics.clusters import check_clusters as check_clusters
    from volumetry.statistics.groups.baseline_table import TableOne as TableOne
    from volumetry.statistics.groups.baseline_table import TableOneDifference as TableOneDifference
    from volumetry.statistics.groups.baseline_table import TableOneRow as TableOneRow
    from volumetry.statistics.groups.baseline_table import table_one as table_one
    from volumetry.statistics.groups.clustered_proportions import compare_proportions as compare_proportions
    from volumetry.statistics.groups.contingency import compare_classes as compare_classes
    from volumetry.statistics.groups.contingency import contingency_test as contingency_test
    from volumetry.statistics.groups.contingency import cross_tabulate as cross_tabulate
    from volumetry.statistics.groups.ordered import linear_by_linear_test as linear_by_linear_test
    from volumetry.statistics.groups.ordered import mann_whitney_on_classes as mann_whitney_on_classes
    from volumetry.statistics.groups.ordered import proportional_odds as proportional_odds
    from volumetry.statistics.groups.proportions import attributable_fractions as attributable_fractions
    from volumetry.statistics.groups.proportions import proportion as proportion
    from volumetry.statistics.groups.rank_tests import mann_whitney_test as mann_whitney_test
    from volumetry.statistics.groups.rank_tests import wilcoxon_signed_rank_test as wilcoxon_signed_rank_test
    from volumetry.statistics.groups.responders import ResponderRow as ResponderRow
    from volumetry.statistics.groups.responders import ResponderTable as ResponderTable
    from volumetry.statistics.groups.responders import changes_relative_change as changes_relative_change
    from volumetry.statistics.groups.responders import relative_change as relative_change
    from volumetry.statistics.groups.responders import responder_table as responder_table
    from volumetry.statistics.groups.spread import levene_test as levene_test
    from volumetry.statistics.groups.spread import quantiles as quantiles
    from volumetry.statistics.groups.spread import shapiro_wilk_test as shapiro_wilk_test
    from volumetry.statistics.groups.standardized_difference import (
        standardized_mean_difference as standardized_mean_difference,
    )
    from volumetry.statistics.groups.t_tests import SampleSummary as SampleSummary
    from volumetry.statistics.groups.t_tests import correlation_of_paired_p as correlation_of_paired_p
    from volumetry.statistics.groups.t_tests import paired_t_test as paired_t_test
    from volumetry.statistics.groups.t_tests import paired_t_test_from_summary as paired_t_test_from_summary
    from volumetry.statistics.groups.t_tests import t_test as t_test
    from volumetry.statistics.groups.t_tests import t_test_from_summary as t_test_from_summary
    from volumetry.statistics.groups.two_by_two import two_by_two as two_by_two
    from volumetry.statistics.groups.two_groups import compare_groups as compare_groups
    from volumetry.statistics.matching.balance import BalanceTable as BalanceTable
    from volumetry.statistics.matching.balance import CovariateBalance as CovariateBalance
    from volumetry.statistics.matching.balance import balance_table as balance_table
    from volumetry.statistics.matching.balance import effective_size as effective_size
    from volumetry.statistics.matching.balance import matched_balance as matched_balance
    from volumetry.statistics.matching.matched_outcome import matched_effect as matched_effect
    from volumetry.statistics.matching.matched_outcome import mcnemar_test as mcnemar_test
    from volumetry.statistics.matching.matched_outcome import rows_of_pairs as rows_of_pairs
    from volumetry.statistics.matching.pairs import Matching as Matching
    from volumetry.statistics.matching.pairs import MatchOptions as MatchOptions
    from volumetry.statistics.matching.pairs import match_pairs as match_pairs
    from volumetry.statistics.matching.propensity import PropensityScore as PropensityScore
    from volumetry.statistics.matching.propensity import propensity_score as propensity_score
    from volumetry.statistics.matching.weighting import augmented_weighting as augmented_weighting
    from volumetry.statistics.matching.weighting import propensity_weights as propensity_weights
    from volumetry.statistics.matching.weighting import weighted_effect as weighted_effect
    from volumetry.statistics.models.concordance import concordance_index as concordance_index
    from volumetry.statistics.models.cox import CoxFit as CoxFit
    from volumetry.statistics.models.cox import CoxOptions as CoxOptions
    from volumetry.statistics.models.cox import cox_regression as cox_regression
    from volumetry.statistics.models.firth import firth_cox as firth_cox
    from volumetry.statistics.models.firth import firth_logistic as firth_logistic
    from volumetry.statistics.models.gee import GeeOptions as GeeOptions
    from volumetry.statistics.models.gee import estimating_equations as estimating_equations
    from volumetry.statistics.models.mixed import MixedOptions as MixedOptions
    from volumetry.statistics.models.mixed import mixed_model as mixed_model
    from volumetry.statistics.models.proportional_hazards import SchoenfeldResiduals as SchoenfeldResiduals
    from volumetry.statistics.models.proportional_hazards import (
        proportional_hazards_test as proportional_hazards_test,
    )
    from volumetry.statistics.models.regression import RegressionOptions as RegressionOptions
    from volumetry.statistics.models.regression import linear_regression as linear_regression
    from volumetry.statistics.models.regression import logistic_regression as logistic_regression
    from volumetry.statistics.planning.multiplicity import adjust_p_values as adjust_p_values
    from volumetry.statistics.planning.power import design_effect as design_effect
    from volumetry.statistics.planning.power import power_log_rank as power_log_rank
    from volumetry.statistics.planning.power import power_t_test as power_t_test
    from volumetry.statistics.planning.power import power_two_proportions as power_two_proportions
    from volumetry.statistics.result import Estimate as Estimate
    from volumetry.statistics.result import StatisticResult as StatisticResult
    from volumetry.statistics.time.competing_risks import IncidenceCurve as IncidenceCurve
    from volumetry.statistics.time.competing_risks import IncidenceOptions as IncidenceOptions
    from volumetry.statistics.time.competing_risks import cumulative_incidence as cumulative_incidence
    from volumetry.statistics.time.gray import gray_test as gray_test
    from volumetry.statistics.time.interval_censored import IntervalCurve as IntervalCurve
    from volumetry.statistics.time.interval_censored import (
        interval_censored_survival as interval_censored_survival,
    )
    from volumetry.statistics.time.interval_censored import interval_logrank_test as interval_logrank_test
    from volumetry.statistics.time.logrank import logrank_test as logrank_test
    from volumetry.statistics.time.restricted_mean import restricted_mean_time as restricted_mean_time
    from volumetry.statistics.time.survival import CurveOptions as CurveOptions
    from volumetry.statistics.time.survival import SurvivalCurve as SurvivalCurve
    from volumetry.statistics.time.survival import SurvivalQuantile as SurvivalQuantile
    from volumetry.statistics.time.survival import kaplan_meier as kaplan_meier

#: The public names by module: a module is imported when a name of it is first asked for.
#: tests/test_statistics_names.py holds this table and the imports above to the same names.
_NAMES = {
    "agreement.intraclass": "icc",
    "agreement.kappa": "cohen_kappa cohen_kappa_of_readers",
    "agreement.limits": "bland_altman lin_concordance",
    "agreement.repeated_reads": "repeatability",
    "audit.bounds": (
        "audit_difference_sd audit_exceedance audit_paired audit_relative_change audit_subgroups "
        "audit_survival_interval audit_total"
    ),
    "audit.checks": (
        "audit_counts audit_means audit_percentage audit_sample_size audit_share grim_counts "
        "tables_behind_shares"
    ),
    "audit.printed": "Finding Printed PrintedSummary",
    "clusters": "ClusteredDataWarning check_clusters",
    "groups.baseline_table": "TableOne TableOneDifference TableOneRow table_one",
    "groups.clustered_proportions": "compare_proportions",
    "groups.contingency": "compare_classes contingency_test cross_tabulate",
    "groups.ordered": "linear_by_linear_test mann_whitney_on_classes proportional_odds",
    "groups.proportions": "attributable_fractions proportion",
    "groups.rank_tests": "mann_whitney_test wilcoxon_signed_rank_test",
    "groups.responders": (
        "ResponderRow ResponderTable changes_relative_change relative_change responder_table"
    ),
    "groups.spread": "levene_test quantiles shapiro_wilk_test",
    "groups.standardized_difference": "standardized_mean_difference",
    "groups.t_tests": (
        "SampleSummary correlation_of_paired_p paired_t_test paired_t_test_from_summary t_test "
        "t_test_from_summary"
    ),
    "groups.two_by_two": "two_by_two",
    "groups.two_groups": "compare_groups",
    "matching.balance": "BalanceTable CovariateBalance balance_table effective_size matched_balance",
    "matching.matched_outcome": "matched_effect mcnemar_test rows_of_pairs",
    "matching.pairs": "MatchOptions Matching match_pairs",
    "matching.propensity": "PropensityScore propensity_score",
    "matching.weighting": "augmented_weighting propensity_weights weighted_effect",
    "models.concordance": "concordance_index",
    "models.cox": "CoxFit CoxOptions cox_regression",
    "models.firth": "firth_cox firth_logistic",
    "models.gee": "GeeOptions estimating_equations",
    "models.mixed": "MixedOptions mixed_model",
    "models.proportional_hazards": "SchoenfeldResiduals proportional_hazards_test",
    "models.regression": "RegressionOptions linear_regression logistic_regression",
    "planning.multiplicity": "adjust_p_values",
    "planning.power": "design_effect power_log_rank power_t_test power_two_proportions",
    "result": "Estimate StatisticResult",
    "time.competing_risks": "IncidenceCurve IncidenceOptions cumulative_incidence",
    "time.gray": "gray_test",
    "time.interval_censored": "IntervalCurve interval_censored_survival interval_logrank_test",
    "time.logrank": "logrank_test",
    "time.restricted_mean": "restricted_mean_time",
    "time.survival": "CurveOptions SurvivalCurve SurvivalQuantile kaplan_meier",
}

MODULES = {name: f"{__name__}.{home}" for home, names in _NAMES.items() for name in names.split()}
MODULES |= CLINICAL  # where version 0.1 had them

__all__ = sorted(MODULES)


if not TYPE_CHECKING:  # a checker knows the names above and refuses others

    def __getattr__(name: str) -> Any:
        if name not in MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *MODULES})
