"""Outcome statistics: tables and columns in, `StatisticResult` out.

Importing this package imports no scipy; a function's module is loaded when the function is first asked for.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "BalanceTable": "balance",
    "ClusteredDataWarning": "clusters",
    "CovariateBalance": "balance",
    "CoxFit": "cox",
    "CoxOptions": "cox",
    "CurveOptions": "survival",
    "Estimate": "result",
    "GeeOptions": "gee",
    "IncidenceCurve": "competing_risks",
    "IncidenceOptions": "competing_risks",
    "MatchOptions": "matching",
    "Matching": "matching",
    "MixedOptions": "mixed",
    "PropensityScore": "propensity",
    "RegressionOptions": "regression",
    "ResponderRow": "responders",
    "ResponderTable": "responders",
    "SampleSummary": "t_tests",
    "SchoenfeldResiduals": "proportional_hazards",
    "StatisticResult": "result",
    "SurvivalCurve": "survival",
    "SurvivalQuantile": "survival",
    "TableOne": "baseline_table",
    "TableOneDifference": "baseline_table",
    "TableOneRow": "baseline_table",
    "adjust_p_values": "multiplicity",
    "attributable_fractions": "proportions",
    "augmented_weighting": "weighting",
    "balance_table": "balance",
    "bland_altman": "agreement",
    "changes_relative_change": "responders",
    "check_clusters": "clustering",
    "cohen_kappa": "kappa",
    "cohen_kappa_of_readers": "kappa",
    "compare_classes": "contingency",
    "compare_groups": "two_groups",
    "compare_proportions": "clustered_proportions",
    "concordance_index": "concordance",
    "contingency_test": "contingency",
    "correlation_of_paired_p": "t_tests",
    "cox_regression": "cox",
    "cross_tabulate": "contingency",
    "cumulative_incidence": "competing_risks",
    "design_effect": "power",
    "effective_size": "balance",
    "estimating_equations": "gee",
    "firth_cox": "firth",
    "firth_logistic": "firth",
    "gray_test": "gray",
    "icc": "intraclass",
    "kaplan_meier": "survival",
    "levene_test": "spread",
    "lin_concordance": "agreement",
    "linear_by_linear_test": "ordered",
    "linear_regression": "regression",
    "logistic_regression": "regression",
    "logrank_test": "logrank",
    "mann_whitney_on_classes": "ordered",
    "mann_whitney_test": "rank_tests",
    "match_pairs": "matching",
    "matched_balance": "balance",
    "matched_effect": "matched_outcome",
    "mcnemar_test": "matched_outcome",
    "mixed_model": "mixed",
    "paired_t_test": "t_tests",
    "paired_t_test_from_summary": "t_tests",
    "power_log_rank": "power",
    "power_t_test": "power",
    "power_two_proportions": "power",
    "propensity_score": "propensity",
    "propensity_weights": "weighting",
    "proportion": "proportions",
    "proportional_hazards_test": "proportional_hazards",
    "proportional_odds": "ordered",
    "quantiles": "spread",
    "relative_change": "responders",
    "repeatability": "repeated_reads",
    "responder_table": "responders",
    "restricted_mean_time": "restricted_mean",
    "rows_of_pairs": "matched_outcome",
    "shapiro_wilk_test": "spread",
    "standardized_mean_difference": "standardized_difference",
    "t_test": "t_tests",
    "t_test_from_summary": "t_tests",
    "table_one": "baseline_table",
    "two_by_two": "fourfold",
    "weighted_effect": "weighting",
    "wilcoxon_signed_rank_test": "rank_tests",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
