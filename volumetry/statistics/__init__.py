"""Outcome statistics: tables and columns in, `StatisticResult` out.

Importing this package imports no scipy; a function's module is loaded when the function is first asked for.
The clinical rules of `volumetry.clinical` are found here, too, where version 0.1 had them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volumetry.clinical.collapse import (
        CollapseProgression,
        Depression,
        FittedCircle,
        collapse_progression,
        fit_circle,
        head_depression,
    )
    from volumetry.clinical.follow_up import FailureTime, HipFollowUp, failure_time, replacement_time
    from volumetry.clinical.hip_scores import (
        WomacTotal,
        good_or_excellent_share,
        harris_category,
        harris_total,
        is_good_or_excellent,
        womac_range,
        womac_total,
        womac_total_from_items,
    )
    from volumetry.clinical.spine import (
        DiscHeightLoss,
        OozingTime,
        bone_density_category,
        check_pain_vas,
        disc_height_loss,
        has_osteolysis,
        is_nonunion,
        oozing_time,
        segmental_motion_degrees,
    )
    from volumetry.clinical.staging import HipFindings, StageCheck, arco_stage, check_arco_stage
    from volumetry.clinical.threshold import Threshold
    from volumetry.statistics.agreement.intraclass import icc
    from volumetry.statistics.agreement.kappa import cohen_kappa, cohen_kappa_of_readers
    from volumetry.statistics.agreement.limits import bland_altman, lin_concordance
    from volumetry.statistics.agreement.repeated_reads import repeatability
    from volumetry.statistics.audit.bounds import (
        audit_difference_sd,
        audit_exceedance,
        audit_paired,
        audit_relative_change,
        audit_subgroups,
        audit_survival_interval,
        audit_total,
    )
    from volumetry.statistics.audit.checks import (
        audit_counts,
        audit_means,
        audit_percentage,
        audit_sample_size,
        audit_share,
        grim_counts,
        tables_behind_shares,
    )
    from volumetry.statistics.audit.printed import Finding, Printed, PrintedSummary
    from volumetry.statistics.clusters import ClusteredDataWarning, check_clusters
    from volumetry.statistics.groups.baseline_table import (
        TableOne,
        TableOneDifference,
        TableOneRow,
        table_one,
    )
    from volumetry.statistics.groups.clustered_proportions import compare_proportions
    from volumetry.statistics.groups.contingency import compare_classes, contingency_test, cross_tabulate
    from volumetry.statistics.groups.ordered import (
        linear_by_linear_test,
        mann_whitney_on_classes,
        proportional_odds,
    )
    from volumetry.statistics.groups.proportions import attributable_fractions, proportion
    from volumetry.statistics.groups.rank_tests import mann_whitney_test, wilcoxon_signed_rank_test
    from volumetry.statistics.groups.responders import (
        ResponderRow,
        ResponderTable,
        changes_relative_change,
        relative_change,
        responder_table,
    )
    from volumetry.statistics.groups.spread import levene_test, quantiles, shapiro_wilk_test
    from volumetry.statistics.groups.standardized_difference import standardized_mean_difference
    from volumetry.statistics.groups.t_tests import (
        SampleSummary,
        correlation_of_paired_p,
        paired_t_test,
        paired_t_test_from_summary,
        t_test,
        t_test_from_summary,
    )
    from volumetry.statistics.groups.two_by_two import two_by_two
    from volumetry.statistics.groups.two_groups import compare_groups
    from volumetry.statistics.matching.balance import (
        BalanceTable,
        CovariateBalance,
        balance_table,
        effective_size,
        matched_balance,
    )
    from volumetry.statistics.matching.matched_outcome import matched_effect, mcnemar_test, rows_of_pairs
    from volumetry.statistics.matching.pairs import Matching, MatchOptions, match_pairs
    from volumetry.statistics.matching.propensity import PropensityScore, propensity_score
    from volumetry.statistics.matching.weighting import (
        augmented_weighting,
        propensity_weights,
        weighted_effect,
    )
    from volumetry.statistics.models.concordance import concordance_index
    from volumetry.statistics.models.cox import CoxFit, CoxOptions, cox_regression
    from volumetry.statistics.models.firth import firth_cox, firth_logistic
    from volumetry.statistics.models.gee import GeeOptions, estimating_equations
    from volumetry.statistics.models.mixed import MixedOptions, mixed_model
    from volumetry.statistics.models.proportional_hazards import (
        SchoenfeldResiduals,
        proportional_hazards_test,
    )
    from volumetry.statistics.models.regression import (
        RegressionOptions,
        linear_regression,
        logistic_regression,
    )
    from volumetry.statistics.planning.multiplicity import adjust_p_values
    from volumetry.statistics.planning.power import (
        design_effect,
        power_log_rank,
        power_t_test,
        power_two_proportions,
    )
    from volumetry.statistics.result import Estimate, StatisticResult
    from volumetry.statistics.time.competing_risks import (
        IncidenceCurve,
        IncidenceOptions,
        cumulative_incidence,
    )
    from volumetry.statistics.time.gray import gray_test
    from volumetry.statistics.time.interval_censored import (
        IntervalCurve,
        interval_censored_survival,
        interval_logrank_test,
    )
    from volumetry.statistics.time.logrank import logrank_test
    from volumetry.statistics.time.restricted_mean import restricted_mean_time
    from volumetry.statistics.time.survival import CurveOptions, SurvivalCurve, SurvivalQuantile, kaplan_meier

# Where the public names live: a module is imported when a name of it is first asked for.
# tests/test_statistics_names.py holds this table and the imports above to the same names.
_HOMES = {
    "volumetry.statistics.agreement.intraclass": ("icc",),
    "volumetry.statistics.agreement.kappa": (
        "cohen_kappa",
        "cohen_kappa_of_readers",
    ),
    "volumetry.statistics.agreement.limits": (
        "bland_altman",
        "lin_concordance",
    ),
    "volumetry.statistics.agreement.repeated_reads": ("repeatability",),
    "volumetry.statistics.audit.bounds": (
        "audit_difference_sd",
        "audit_exceedance",
        "audit_paired",
        "audit_relative_change",
        "audit_subgroups",
        "audit_survival_interval",
        "audit_total",
    ),
    "volumetry.statistics.audit.checks": (
        "audit_counts",
        "audit_means",
        "audit_percentage",
        "audit_sample_size",
        "audit_share",
        "grim_counts",
        "tables_behind_shares",
    ),
    "volumetry.statistics.audit.printed": (
        "Finding",
        "Printed",
        "PrintedSummary",
    ),
    "volumetry.clinical.collapse": (
        "CollapseProgression",
        "Depression",
        "FittedCircle",
        "collapse_progression",
        "fit_circle",
        "head_depression",
    ),
    "volumetry.clinical.follow_up": (
        "FailureTime",
        "HipFollowUp",
        "failure_time",
        "replacement_time",
    ),
    "volumetry.clinical.hip_scores": (
        "WomacTotal",
        "good_or_excellent_share",
        "harris_category",
        "harris_total",
        "is_good_or_excellent",
        "womac_range",
        "womac_total",
        "womac_total_from_items",
    ),
    "volumetry.clinical.spine": (
        "DiscHeightLoss",
        "OozingTime",
        "bone_density_category",
        "check_pain_vas",
        "disc_height_loss",
        "has_osteolysis",
        "is_nonunion",
        "oozing_time",
        "segmental_motion_degrees",
    ),
    "volumetry.clinical.staging": (
        "HipFindings",
        "StageCheck",
        "arco_stage",
        "check_arco_stage",
    ),
    "volumetry.clinical.threshold": ("Threshold",),
    "volumetry.statistics.clusters": (
        "ClusteredDataWarning",
        "check_clusters",
    ),
    "volumetry.statistics.groups.baseline_table": (
        "TableOne",
        "TableOneDifference",
        "TableOneRow",
        "table_one",
    ),
    "volumetry.statistics.groups.clustered_proportions": ("compare_proportions",),
    "volumetry.statistics.groups.contingency": (
        "compare_classes",
        "contingency_test",
        "cross_tabulate",
    ),
    "volumetry.statistics.groups.ordered": (
        "linear_by_linear_test",
        "mann_whitney_on_classes",
        "proportional_odds",
    ),
    "volumetry.statistics.groups.proportions": (
        "attributable_fractions",
        "proportion",
    ),
    "volumetry.statistics.groups.rank_tests": (
        "mann_whitney_test",
        "wilcoxon_signed_rank_test",
    ),
    "volumetry.statistics.groups.responders": (
        "ResponderRow",
        "ResponderTable",
        "changes_relative_change",
        "relative_change",
        "responder_table",
    ),
    "volumetry.statistics.groups.spread": (
        "levene_test",
        "quantiles",
        "shapiro_wilk_test",
    ),
    "volumetry.statistics.groups.standardized_difference": ("standardized_mean_difference",),
    "volumetry.statistics.groups.t_tests": (
        "SampleSummary",
        "correlation_of_paired_p",
        "paired_t_test",
        "paired_t_test_from_summary",
        "t_test",
        "t_test_from_summary",
    ),
    "volumetry.statistics.groups.two_by_two": ("two_by_two",),
    "volumetry.statistics.groups.two_groups": ("compare_groups",),
    "volumetry.statistics.matching.balance": (
        "BalanceTable",
        "CovariateBalance",
        "balance_table",
        "effective_size",
        "matched_balance",
    ),
    "volumetry.statistics.matching.matched_outcome": (
        "matched_effect",
        "mcnemar_test",
        "rows_of_pairs",
    ),
    "volumetry.statistics.matching.pairs": (
        "MatchOptions",
        "Matching",
        "match_pairs",
    ),
    "volumetry.statistics.matching.propensity": (
        "PropensityScore",
        "propensity_score",
    ),
    "volumetry.statistics.matching.weighting": (
        "augmented_weighting",
        "propensity_weights",
        "weighted_effect",
    ),
    "volumetry.statistics.models.concordance": ("concordance_index",),
    "volumetry.statistics.models.cox": (
        "CoxFit",
        "CoxOptions",
        "cox_regression",
    ),
    "volumetry.statistics.models.firth": (
        "firth_cox",
        "firth_logistic",
    ),
    "volumetry.statistics.models.gee": (
        "GeeOptions",
        "estimating_equations",
    ),
    "volumetry.statistics.models.mixed": (
        "MixedOptions",
        "mixed_model",
    ),
    "volumetry.statistics.models.proportional_hazards": (
        "SchoenfeldResiduals",
        "proportional_hazards_test",
    ),
    "volumetry.statistics.models.regression": (
        "RegressionOptions",
        "linear_regression",
        "logistic_regression",
    ),
    "volumetry.statistics.planning.multiplicity": ("adjust_p_values",),
    "volumetry.statistics.planning.power": (
        "design_effect",
        "power_log_rank",
        "power_t_test",
        "power_two_proportions",
    ),
    "volumetry.statistics.result": (
        "Estimate",
        "StatisticResult",
    ),
    "volumetry.statistics.time.competing_risks": (
        "IncidenceCurve",
        "IncidenceOptions",
        "cumulative_incidence",
    ),
    "volumetry.statistics.time.gray": ("gray_test",),
    "volumetry.statistics.time.interval_censored": (
        "IntervalCurve",
        "interval_censored_survival",
        "interval_logrank_test",
    ),
    "volumetry.statistics.time.logrank": ("logrank_test",),
    "volumetry.statistics.time.restricted_mean": ("restricted_mean_time",),
    "volumetry.statistics.time.survival": (
        "CurveOptions",
        "SurvivalCurve",
        "SurvivalQuantile",
        "kaplan_meier",
    ),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BalanceTable",
    "ClusteredDataWarning",
    "CollapseProgression",
    "CovariateBalance",
    "CoxFit",
    "CoxOptions",
    "CurveOptions",
    "Depression",
    "DiscHeightLoss",
    "Estimate",
    "FailureTime",
    "Finding",
    "FittedCircle",
    "GeeOptions",
    "HipFindings",
    "HipFollowUp",
    "IncidenceCurve",
    "IncidenceOptions",
    "IntervalCurve",
    "MatchOptions",
    "Matching",
    "MixedOptions",
    "OozingTime",
    "Printed",
    "PrintedSummary",
    "PropensityScore",
    "RegressionOptions",
    "ResponderRow",
    "ResponderTable",
    "SampleSummary",
    "SchoenfeldResiduals",
    "StageCheck",
    "StatisticResult",
    "SurvivalCurve",
    "SurvivalQuantile",
    "TableOne",
    "TableOneDifference",
    "TableOneRow",
    "Threshold",
    "WomacTotal",
    "adjust_p_values",
    "arco_stage",
    "attributable_fractions",
    "audit_counts",
    "audit_difference_sd",
    "audit_exceedance",
    "audit_means",
    "audit_paired",
    "audit_percentage",
    "audit_relative_change",
    "audit_sample_size",
    "audit_share",
    "audit_subgroups",
    "audit_survival_interval",
    "audit_total",
    "augmented_weighting",
    "balance_table",
    "bland_altman",
    "bone_density_category",
    "changes_relative_change",
    "check_arco_stage",
    "check_clusters",
    "check_pain_vas",
    "cohen_kappa",
    "cohen_kappa_of_readers",
    "collapse_progression",
    "compare_classes",
    "compare_groups",
    "compare_proportions",
    "concordance_index",
    "contingency_test",
    "correlation_of_paired_p",
    "cox_regression",
    "cross_tabulate",
    "cumulative_incidence",
    "design_effect",
    "disc_height_loss",
    "effective_size",
    "estimating_equations",
    "failure_time",
    "firth_cox",
    "firth_logistic",
    "fit_circle",
    "good_or_excellent_share",
    "gray_test",
    "grim_counts",
    "harris_category",
    "harris_total",
    "has_osteolysis",
    "head_depression",
    "icc",
    "interval_censored_survival",
    "interval_logrank_test",
    "is_good_or_excellent",
    "is_nonunion",
    "kaplan_meier",
    "levene_test",
    "lin_concordance",
    "linear_by_linear_test",
    "linear_regression",
    "logistic_regression",
    "logrank_test",
    "mann_whitney_on_classes",
    "mann_whitney_test",
    "match_pairs",
    "matched_balance",
    "matched_effect",
    "mcnemar_test",
    "mixed_model",
    "oozing_time",
    "paired_t_test",
    "paired_t_test_from_summary",
    "power_log_rank",
    "power_t_test",
    "power_two_proportions",
    "propensity_score",
    "propensity_weights",
    "proportion",
    "proportional_hazards_test",
    "proportional_odds",
    "quantiles",
    "relative_change",
    "repeatability",
    "replacement_time",
    "responder_table",
    "restricted_mean_time",
    "rows_of_pairs",
    "segmental_motion_degrees",
    "shapiro_wilk_test",
    "standardized_mean_difference",
    "t_test",
    "t_test_from_summary",
    "table_one",
    "tables_behind_shares",
    "two_by_two",
    "weighted_effect",
    "wilcoxon_signed_rank_test",
    "womac_range",
    "womac_total",
    "womac_total_from_items",
]


if not TYPE_CHECKING:  # a checker knows the names above and refuses others

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
