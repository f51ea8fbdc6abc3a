"""Outcome statistics: tables and columns in, `StatisticResult` out.

Importing this package imports no scipy; a function's module is loaded when the function is first asked for.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "ClusteredDataWarning": "clusters",
    "Estimate": "result",
    "ResponderRow": "responders",
    "ResponderTable": "responders",
    "SampleSummary": "t_tests",
    "StatisticResult": "result",
    "TableOne": "baseline_table",
    "TableOneDifference": "baseline_table",
    "TableOneRow": "baseline_table",
    "adjust_p_values": "multiplicity",
    "attributable_fractions": "proportions",
    "bland_altman": "agreement",
    "changes_relative_change": "responders",
    "cohen_kappa": "kappa",
    "cohen_kappa_of_readers": "kappa",
    "compare_classes": "contingency",
    "compare_groups": "two_groups",
    "compare_proportions": "clustered_proportions",
    "contingency_test": "contingency",
    "correlation_of_paired_p": "t_tests",
    "cross_tabulate": "contingency",
    "design_effect": "power",
    "icc": "intraclass",
    "levene_test": "spread",
    "lin_concordance": "agreement",
    "linear_by_linear_test": "ordered",
    "mann_whitney_on_classes": "ordered",
    "mann_whitney_test": "rank_tests",
    "paired_t_test": "t_tests",
    "paired_t_test_from_summary": "t_tests",
    "power_log_rank": "power",
    "power_t_test": "power",
    "power_two_proportions": "power",
    "proportion": "proportions",
    "proportional_odds": "ordered",
    "quantiles": "spread",
    "relative_change": "responders",
    "repeatability": "repeated_reads",
    "responder_table": "responders",
    "shapiro_wilk_test": "spread",
    "standardized_mean_difference": "standardized_difference",
    "t_test": "t_tests",
    "t_test_from_summary": "t_tests",
    "table_one": "baseline_table",
    "two_by_two": "fourfold",
    "wilcoxon_signed_rank_test": "rank_tests",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
