"""Proportions, two groups, pairs, power and multiplicity beside R's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import volumetry.statistics as vs

from .compared import ITERATED, UNIROOT, Cohort, Compared, Section, beside

if TYPE_CHECKING:
    import pandas as pd

LARGER = {"aetiology": [[52, 42, 52], [35, 54, 37]], "change": [[13, 40, 59], [26, 36, 12]]}
# Exact rank sums of more take seconds each; the tests have them.
MANY_ROWS = 200
METHODS = {
    "holm": "holm",
    "benjamini-hochberg": "bh",
    "bonferroni": "bonf",
    "hommel": "hommel",
    "hochberg": "hochberg",
}


def fourfold_tests(name: str, expected: dict[str, Any]) -> Iterator[Compared]:
    """Every p value of a fourfold table, and the limits of its proportions and ratios."""
    table = expected["table"]
    result = vs.two_by_two(table, primary="pearson")
    p_values = result.details["p_values"]
    yield beside(f"Pearson p, {name}", p_values["pearson"], expected["p_pearson"])
    yield beside("Pearson", result.statistic, expected["pearson"])
    for ours in ("yates", "fisher", "fisher-less", "fisher-greater"):
        yield beside(ours, p_values[ours], expected[f"p_{ours.replace('-', '_')}"])
    wald = result["risk difference (Wald)"]
    yield beside("Wald", [wald.ci_low, wald.ci_high], expected["prop_ci"])
    for method, key in (("wilson", "wilson"), ("clopper-pearson", "cp")):
        for (events, rest), limits in zip(table, expected[key], strict=True):
            estimate = vs.proportion(events, events + rest, method=method).estimate
            yield beside(method, [estimate.ci_low, estimate.ci_high], limits, floor=1e-4)


def epidemiology(expected: dict[str, Any]) -> Iterator[Compared]:
    """Ratios and attributable fractions, as epiR's."""
    (a, b), (c, d) = expected["table"]
    rows = {row["var"]: [row["est"], row["lower"], row["upper"]] for row in expected["epi"]}
    result = vs.two_by_two(expected["table"], primary="fisher")
    shares = vs.attributable_fractions(a, b, c, d)
    for found, scale, row in (
        (result["risk ratio"], 1, "Inc risk ratio"),
        (result["odds ratio"], 1, "Odds ratio"),
        (result["risk difference (Wald)"], 100, "Attrib risk *"),
        (shares["attributable fraction (exposed)"], 100, "Attrib fraction in exposed (%)"),
        (shares["attributable risk (population)"], 100, "Attrib risk in population *"),
        (shares["attributable fraction (population)"], 100, "Attrib fraction in population (%)"),
    ):
        limits = [found.value, found.ci_low, found.ci_high]
        yield beside(row, [None if x is None else scale * x for x in limits], rows[row])


def fourfold(cohort: Cohort) -> Iterator[Compared]:
    """Every fourfold table of both papers."""
    tables = cohort.r["tables_2x2"]
    for name, expected in tables.items():
        yield from fourfold_tests(name, expected)
        if name != "zero_cell":
            yield from epidemiology(expected)
    for name, expected in tables.items():
        found = vs.two_by_two(expected["table"], primary="fisher")["odds ratio (conditional)"]
        limits = [found.value, found.ci_low, found.ci_high]
        r = [expected["cond_or"], *expected["cond_or_ci"]]
        yield beside(f"conditional odds ratio, {name}", limits, r, UNIROOT)


def larger_tables(cohort: Cohort) -> Iterator[Compared]:
    """Exact and Pearson tests, trend and ranks of tables with three classes."""
    for name, table in LARGER.items():
        expected = cohort.r["tables_rxc"][name]
        result = vs.contingency_test(table, primary="exact")
        yield beside(f"exact p, {name}", result.p_value, expected["p_fisher"])
        found = [result.details["statistics"]["pearson"], result.details["p_values"]["pearson"]]
        yield beside("Pearson", found, [expected["chisq"], expected["p"]])
    change, expected = LARGER["change"], cohort.r["tables_rxc"]["change"]["trend"]
    trend = vs.linear_by_linear_test(change).statistic
    yield beside("trend", trend, expected["cochran_armitage_like"])
    for continuity, key in ((False, "wilcox_asym_nocorr"), (True, "wilcox_asym_corr")):
        yield beside(key, vs.mann_whitney_on_classes(change, continuity=continuity).p_value, expected[key])


def t_tests(name: str, expected: dict[str, Any], first: pd.Series, second: pd.Series) -> Iterator[Compared]:
    """Student's and Welch's test with their limits, means and SDs."""
    for key, variances in (("welch", "unequal"), ("student", "equal")):
        result = vs.t_test(first, second, variances=variances)
        if key == "welch":
            yield beside(f"Welch p, {name}", result.p_value, expected[key][2])
        yield beside(key, [result.statistic, result.df, result.p_value], expected[key])
        yield beside(key, [result.estimate.ci_low, result.estimate.ci_high], expected[f"{key}_ci"])
        both = [result.details["groups"][group] for group in ("second", "first")]
        for moment in ("mean", "sd", "n"):
            yield beside(moment, [group[moment] for group in both], expected[moment])


def rank_tests(expected: dict[str, Any], first: pd.Series, second: pd.Series) -> Iterator[Compared]:
    """Mann-Whitney three ways, Levene, Shapiro-Wilk and the standardised difference."""
    plain = vs.mann_whitney_test(first, second, distribution="asymptotic", continuity=False)
    yield beside("W", [plain.statistic, plain.p_value], [expected["W"], expected["mw_asym_nocorr"]])
    yield beside("corrected", vs.mann_whitney_test(first, second).p_value, expected["mw_asym_corr"])
    if sum(expected["n"]) < MANY_ROWS:
        exact = vs.mann_whitney_test(first, second, distribution="exact")
        yield beside("exact", exact.p_value, expected["mw_coin_exact"])
    levene = [vs.levene_test(first, second, center=center).p_value for center in ("mean", "median")]
    yield beside("Levene", levene, expected["ks_lev"])
    # The same algorithm, with coefficients of single precision.
    shapiro = [vs.shapiro_wilk_test(group).p_value for group in (second, first)]
    yield beside("Shapiro-Wilk", shapiro, expected["shapiro"], ITERATED)
    difference = vs.standardized_mean_difference(first, second)["SMD, pooled SD"].value
    yield beside("SMD", difference, expected["smd_pooled"])


def two_groups(cohort: Cohort) -> Iterator[Compared]:
    """Two groups of the cohort, and t tests from means and SDs alone."""
    for name, expected in cohort.r["two_group"].items():
        if name != "mtcars_like_small":
            table = cohort.patients if name in ("age", "bmi") else cohort.hips
            first, second = (table.loc[table["group"] == group, name] for group in (1, 0))
            yield from t_tests(name, expected, first, second)
            yield from rank_tests(expected, first, second)
        control, treated = (
            vs.SampleSummary(mean=mean, sd=sd, n=n)
            for mean, sd, n in zip(expected["mean"], expected["sd"], expected["n"], strict=True)
        )
        for key, variances in (("student", "equal"), ("welch", "unequal")):
            result = vs.t_test_from_summary(treated, control, variances=variances)
            yield beside(key, [result.statistic, result.df, result.p_value], expected[key])
            yield beside(key, [result.estimate.ci_low, result.estimate.ci_high], expected[f"{key}_ci"])


def pairs(cohort: Cohort) -> Iterator[Compared]:
    """Before and after, in both groups."""
    for name, expected in cohort.r["paired"].items():
        before, after = {"hhs": ("hhs0", "hhs1"), "vol": ("vol0_r1", "vol1_r1")}[name[:3]]
        rows = cohort.hips[cohort.hips["group"] == int(name[-1])]
        columns = rows[after], rows[before]
        result = vs.paired_t_test(*columns)
        e = result.estimate
        found = [result.p_value, result.n_used, e.value, result.statistic, result.df, e.ci_low, e.ci_high]
        keys = ("p", "n", "mean_diff", "t", "df")
        yield beside(f"paired t p, {name}", found, [*(expected[key] for key in keys), *expected["ci"]])
        plain = vs.wilcoxon_signed_rank_test(*columns, distribution="asymptotic", continuity=False)
        ranks = [expected["V"], expected["wilcoxon_asym_nocorr"]]
        yield beside("signed rank", [plain.statistic, plain.p_value], ranks)
        corrected = vs.wilcoxon_signed_rank_test(*columns).p_value
        yield beside("corrected", corrected, expected["wilcoxon_asym_corr"])


def power(cohort: Cohort) -> Iterator[Compared]:
    """Sample sizes before rounding up, and the power of unequal groups."""

    def size(method: str, sides: str, *, both_tails: bool = False) -> float:
        result = vs.power_two_proportions(
            0.4, 0.2, power=0.95, method=method, sides=sides, both_tails=both_tails
        )
        return float(result.details["n_unrounded"])

    found = {
        "pwr2p_two": size("arcsine", "two-sided", both_tails=True),
        "pwr2p_one": size("arcsine", "one-sided"),
        "base_two": size("normal-pooled", "two-sided"),
        "base_one": size("normal-pooled", "one-sided"),
        "base_strict": size("normal-pooled", "two-sided", both_tails=True),
        "ttest_d05_80": vs.power_t_test(0.5, power=0.8).details["n_unrounded"],
        "paired_d03_90": vs.power_t_test(0.3, power=0.9, design="paired").details["n_unrounded"],
        "pwr2p_unequal": vs.power_two_proportions(
            0.4, 0.2, n=(146, 126), method="arcsine", both_tails=True
        ).estimate.value,
        "schoenfeld_hr05_80": vs.power_log_rank(0.5, power=0.8).details["events_unrounded"],
    }
    for name, value in found.items():
        label = "n per group, arcsine, two-sided" if name == "pwr2p_two" else name
        yield beside(label, value, cohort.r["power"][name], ITERATED)


def multiplicity(cohort: Cohort) -> Iterator[Compared]:
    """Adjusted p values."""
    expected = cohort.r["multiplicity"]
    for method, key in METHODS.items():
        found = vs.adjust_p_values(expected["p"], method=method)
        yield beside(f"{method}, first of {len(found)}", found, expected[key])


def quantiles(cohort: Cohort) -> Iterator[Compared]:
    """Quartiles of three definitions."""
    expected = cohort.r["quantile_types"]
    for kind in (7, 6, 2):
        found = vs.quantiles(expected["x"], kind=kind)
        yield beside(f"lower quartile, type {kind}", found, expected[f"t{kind}"])


SECTIONS = (
    Section(
        name="tables_2x2",
        functions=("two_by_two", "proportion", "attributable_fractions"),
        compare=fourfold,
    ),
    Section(
        name="tables_rxc",
        functions=("contingency_test", "linear_by_linear_test", "mann_whitney_on_classes"),
        compare=larger_tables,
    ),
    Section(
        name="two_group",
        functions=(
            "t_test",
            "t_test_from_summary",
            "mann_whitney_test",
            "levene_test",
            "shapiro_wilk_test",
            "standardized_mean_difference",
        ),
        compare=two_groups,
    ),
    Section(name="paired", functions=("paired_t_test", "wilcoxon_signed_rank_test"), compare=pairs),
    Section(
        name="power",
        functions=("power_two_proportions", "power_t_test", "power_log_rank"),
        compare=power,
    ),
    Section(name="multiplicity", functions=("adjust_p_values",), compare=multiplicity),
    Section(name="quantile_types", functions=("quantiles",), compare=quantiles),
)
