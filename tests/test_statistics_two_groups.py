"""Two groups and pairs: t and rank tests, held to R, to enumeration and to the papers."""

import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from r_reference import HIPS, PATIENTS, R, close
from scipy import stats

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.groups.rank_distributions import rank_sum_tail, signed_rank_tail

TWO_GROUP = {name: answer for name, answer in R["two_group"].items() if name != "mtcars_like_small"}


def groups_of(name: str) -> tuple[pd.Series, pd.Series]:
    table = PATIENTS if name in ("age", "bmi") else HIPS
    return table.loc[table["group"] == 1, name], table.loc[table["group"] == 0, name]


@pytest.mark.parametrize("name", TWO_GROUP)
def test_t_tests_agree_with_r(name: str) -> None:
    expected = TWO_GROUP[name]
    first, second = groups_of(name)
    for variances in ("student", "welch"):
        result = vs.t_test(first, second, variances="equal" if variances == "student" else "unequal")
        assert [result.statistic, result.df, result.p_value] == close(expected[variances])
        assert [result.estimate.ci_low, result.estimate.ci_high] == close(expected[f"{variances}_ci"])
    groups = result.details["groups"]
    assert [groups["second"]["mean"], groups["first"]["mean"]] == close(expected["mean"])
    assert [groups["second"]["sd"], groups["first"]["sd"]] == close(expected["sd"])
    assert [groups["second"]["n"], groups["first"]["n"]] == expected["n"]
    assert result.n_missing == int(first.isna().sum() + second.isna().sum())


@pytest.mark.parametrize("name", R["two_group"])
def test_t_tests_from_summaries_agree_with_r(name: str) -> None:
    expected = R["two_group"][name]
    second, first = (
        vs.SampleSummary(mean=mean, sd=sd, n=n)
        for mean, sd, n in zip(expected["mean"], expected["sd"], expected["n"], strict=True)
    )
    student = vs.t_test_from_summary(first, second, variances="equal")
    welch = vs.t_test_from_summary(first, second)
    assert [student.statistic, student.df, student.p_value] == close(expected["student"])
    assert [welch.statistic, welch.df, welch.p_value] == close(expected["welch"])
    assert [welch.estimate.ci_low, welch.estimate.ci_high] == close(expected["welch_ci"])


@pytest.mark.parametrize("name", TWO_GROUP)
def test_mann_whitney_agrees_with_r(name: str) -> None:
    expected = TWO_GROUP[name]
    first, second = groups_of(name)
    plain = vs.mann_whitney_test(first, second, distribution="asymptotic", continuity=False)
    corrected = vs.mann_whitney_test(first, second)
    assert plain.statistic == close(expected["W"])
    assert plain.p_value == close(expected["mw_asym_nocorr"])
    assert corrected.p_value == close(expected["mw_asym_corr"])
    assert (plain.correction, corrected.correction) == ("none", "continuity")
    assert corrected.method.endswith("asymptotic")


@pytest.mark.parametrize("name", TWO_GROUP)
def test_exact_mann_whitney_with_ties_agrees_with_coin(name: str) -> None:
    first, second = groups_of(name)
    result = vs.mann_whitney_test(first, second, distribution="exact")
    assert result.p_value == close(TWO_GROUP[name]["mw_coin_exact"])


@pytest.mark.parametrize("name", TWO_GROUP)
def test_levene_and_shapiro_agree_with_r(name: str) -> None:
    expected = TWO_GROUP[name]
    first, second = groups_of(name)
    p_values = [vs.levene_test(first, second, center=center).p_value for center in ("mean", "median")]
    assert p_values == close(expected["ks_lev"])
    # R's and scipy's Shapiro-Wilk are the same algorithm with coefficients of single precision.
    found = [vs.shapiro_wilk_test(group).p_value for group in (second, first)]
    assert found == pytest.approx(expected["shapiro"], rel=1e-6)


@pytest.mark.parametrize("name", R["paired"])
def test_paired_tests_agree_with_r(name: str) -> None:
    expected = R["paired"][name]
    before, after = {"hhs": ("hhs0", "hhs1"), "vol": ("vol0_r1", "vol1_r1")}[name[:3]]
    rows = HIPS[HIPS["group"] == int(name[-1])]
    result = vs.paired_t_test(rows[after], rows[before])
    assert result.n_used == expected["n"]
    assert result.n_used + result.n_missing == len(rows)
    assert [result.estimate.value, result.statistic] == close([expected["mean_diff"], expected["t"]])
    assert [result.df, result.p_value] == close([expected["df"], expected["p"]])
    assert [result.estimate.ci_low, result.estimate.ci_high] == close(expected["ci"])
    plain = vs.wilcoxon_signed_rank_test(
        rows[after], rows[before], distribution="asymptotic", continuity=False
    )
    assert [plain.statistic, plain.p_value] == close([expected["V"], expected["wilcoxon_asym_nocorr"]])
    corrected = vs.wilcoxon_signed_rank_test(rows[after], rows[before])
    assert corrected.p_value == close(expected["wilcoxon_asym_corr"])


def summary(mean: float, sd: float, n: int) -> vs.SampleSummary:
    return vs.SampleSummary(mean=mean, sd=sd, n=n)


@pytest.mark.parametrize(
    ("first", "second", "student", "welch"),
    [
        ((68.29, 19.1, 146), (60.64, 19.2, 126), 0.001151, 0.001159),
        ((13.74, 7.35, 146), (11.37, 7.83, 126), 0.010626, 0.011015),
        ((13.74, 7.35, 112), (11.37, 7.83, 74), 0.037355, 0.040172),
        ((13.74, 7.35, 98), (11.37, 7.83, 80), 0.039161, 0.040524),
        ((13.74, 7.35, 81), (11.37, 7.83, 50), 0.082730, 0.088105),
        ((11.87, 6.83, 112), (12.39, 7.81, 74), 0.631947, 0.641341),
    ],
)
def test_papers_two_sample_t(
    first: tuple[float, float, int], second: tuple[float, float, int], student: float, welch: float
) -> None:
    samples = summary(*first), summary(*second)
    assert vs.t_test_from_summary(*samples, variances="equal").p_value == pytest.approx(student, abs=5e-7)
    assert vs.t_test_from_summary(*samples).p_value == pytest.approx(welch, abs=5e-7)


@pytest.mark.parametrize(
    ("first", "second", "printed", "needed", "p_by_correlation"),
    [
        ((22.5, 8.8, 48), (48.9, 14.2, 48), 0.19, -74.5790, {-1: 3.001e-10, 0: 1.586e-14}),
        ((21.43, 17.28, 146), (16.79, 15.95, 146), 0.086, -0.9051, {0: 0.018413, 0.5: 0.000975}),
        ((11.37, 7.83, 74), (12.39, 7.81, 74), 0.4, 0.1217, {0.5: 0.265523, 0.9: 0.014330}),
    ],
)
def test_papers_paired_t(
    first: tuple[float, float, int],
    second: tuple[float, float, int],
    printed: float,
    needed: float,
    p_by_correlation: dict[float, float],
) -> None:
    samples = summary(*first), summary(*second)
    assert vs.correlation_of_paired_p(*samples, printed) == pytest.approx(needed, abs=5e-5)
    for correlation, p_value in p_by_correlation.items():
        found = vs.paired_t_test_from_summary(*samples, correlation=correlation).p_value
        assert found == pytest.approx(p_value, rel=1e-3)


def test_paired_summary_is_the_paired_test() -> None:
    rows = HIPS[["hhs0", "hhs1"]].dropna()
    samples = [summary(rows[c].mean(), rows[c].std(), len(rows)) for c in ("hhs0", "hhs1")]
    raw = vs.paired_t_test(rows["hhs0"], rows["hhs1"])
    correlation = rows["hhs0"].corr(rows["hhs1"])
    assert vs.paired_t_test_from_summary(*samples, correlation=correlation).p_value == close(raw.p_value)
    assert vs.correlation_of_paired_p(*samples, raw.p_value) == close(correlation, 1e-6)
    with pytest.raises(StatisticsError, match="do not vary"):
        vs.paired_t_test_from_summary(summary(1, 2, 9), summary(2, 2, 9), correlation=1)
    with pytest.raises(UsageError, match="pairs have one size"):
        vs.correlation_of_paired_p(summary(1, 2, 9), summary(2, 2, 8), 0.5)


small = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=6)


def exact_by_enumeration(first: list[float], second: list[float]) -> tuple[float, float, float]:
    ranks = stats.rankdata(first + second)
    n, m = ranks.size, len(first)
    expected = m * ranks.mean()
    sums = np.array([sum(ranks[list(rows)]) for rows in itertools.combinations(range(n), m)])
    observed = ranks[:m].sum()
    two_sided = np.abs(sums - expected) >= abs(observed - expected) - 1e-9
    return two_sided.mean(), (sums <= observed + 1e-9).mean(), (sums >= observed - 1e-9).mean()


@given(small, small)
def test_exact_mann_whitney_counts_every_split(first: list[float], second: list[float]) -> None:
    if len(set(first + second)) == 1:
        with pytest.raises(StatisticsError, match="every rank is tied"):
            vs.mann_whitney_test(first, second)
        return
    found = [
        vs.mann_whitney_test(first, second, distribution="exact", alternative=side).p_value
        for side in ("two-sided", "less", "greater")
    ]
    assert found == pytest.approx(exact_by_enumeration(first, second))


def test_exact_mann_whitney_of_thirteen_tied_values() -> None:
    # 7 against 6 with one triple and three pairs of ties, as in R's example of 0.0722610722610723.
    expected = R["two_group"]["mtcars_like_small"]
    ties = 1 * 24 + 3 * 6
    deviation = math.sqrt(42 / 12 * (14 - ties / (13 * 12)))
    assert 2 * stats.norm.sf((expected["W"] - 21) / deviation) == close(expected["mw_asym_nocorr"])
    assert 2 * stats.norm.sf((expected["W"] - 21 - 0.5) / deviation) == close(expected["mw_asym_corr"])


@given(st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=9))
def test_exact_signed_rank_counts_every_sign(differences: list[float]) -> None:
    moved = [d for d in differences if d]
    if not moved:
        with pytest.raises(StatisticsError, match="every difference is 0"):
            vs.wilcoxon_signed_rank_test(differences)
        return
    ranks = stats.rankdata(np.abs(moved))
    signs = np.array(list(itertools.product((0, 1), repeat=len(moved))))
    sums = signs @ ranks
    observed = ranks[np.array(moved) > 0].sum()
    centre = ranks.sum() / 2
    two_sided = (np.abs(sums - centre) >= abs(observed - centre) - 1e-9).mean()
    result = vs.wilcoxon_signed_rank_test(differences)
    assert result.p_value == pytest.approx(two_sided)
    less = vs.wilcoxon_signed_rank_test(differences, alternative="less").p_value
    assert less == pytest.approx((sums <= observed + 1e-9).mean())
    assert result.details["n_zero"] == len(differences) - len(moved)


def test_untied_distributions_are_scipys() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=12), rng.normal(0.8, size=17)
    ours = vs.mann_whitney_test(first, second)
    assert ours.method.endswith("exact")
    assert ours.p_value == close(stats.mannwhitneyu(first, second, method="exact").pvalue)
    signed = vs.wilcoxon_signed_rank_test(first)
    assert signed.p_value == close(stats.wilcoxon(first, method="exact").pvalue)


def test_tails_of_long_distributions() -> None:
    ranks = 2 * np.arange(1, 241)
    assert signed_rank_tail(ranks, int(ranks.sum()) // 2) == pytest.approx(0.5, abs=0.01)
    assert rank_sum_tail(ranks, 3, 12) == pytest.approx(1 / math.comb(240, 3))
    assert rank_sum_tail(np.ones(240, dtype=int), 120, 120) == pytest.approx(1)
    lowest = int(ranks[:120].sum())
    assert rank_sum_tail(ranks, 120, lowest + 2) == pytest.approx(2 / math.comb(240, 120))
    with pytest.raises(UsageError, match="too many rows"):
        vs.mann_whitney_test(range(300), range(300, 600), distribution="exact")


def test_hodges_lehmann_limits_leave_the_exact_tail() -> None:
    first, second = [1.1, 2.3, 4.0, 5.6, 7.7, 9.1], [0.2, 0.9, 2.0, 3.1, 3.3]
    shift = vs.mann_whitney_test(first, second)["Hodges-Lehmann shift"]
    differences = np.sort(np.subtract.outer(first, second), axis=None)
    assert shift.value == pytest.approx(np.median(differences))
    # qwilcox(0.025, 6, 5) is 4: the fourth difference from either end.
    assert (shift.ci_low, shift.ci_high) == (differences[3], differences[-4])
    tiny = vs.mann_whitney_test([1.0, 2.0], [3.0, 4.5])
    assert tiny["Hodges-Lehmann shift"].ci_low is None
    assert any("too few values" in note for note in tiny.notes)


def test_pseudomedian_limits() -> None:
    values = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    second = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    result = vs.wilcoxon_signed_rank_test(values, second)
    # Hollander and Wolfe's depression data: V = 40, p = 0.03906, as in R's example.
    assert (result.statistic, result.p_value) == (40, pytest.approx(0.0390625))
    differences = np.array(values) - second
    walsh = np.sort([(a + b) / 2 for i, a in enumerate(differences) for b in differences[i:]])
    assert result.estimate.value == pytest.approx(np.median(walsh))
    assert (result.estimate.ci_low, result.estimate.ci_high) == (walsh[5], walsh[-6])


def test_superiority_is_delongs() -> None:
    first, second = groups_of("hhs1")
    result = vs.mann_whitney_test(first, second)["probability of superiority"]
    a, b = first.dropna().to_numpy(), second.dropna().to_numpy()
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    variance = wins.mean(1).var(ddof=1) / a.size + wins.mean(0).var(ddof=1) / b.size
    assert result.value == close(wins.mean())
    assert result.standard_error == close(math.sqrt(variance))


def with_patients(name: str) -> tuple[pd.Series, pd.Series, tuple[pd.Series, pd.Series]]:
    first, second = (HIPS[HIPS["group"] == group] for group in (1, 0))
    return first[name], second[name], (first["patient"], second["patient"])


def test_clustered_t_is_least_squares_with_robust_errors() -> None:
    first, second, patients = with_patients("hhs1")
    result = vs.t_test(first, second, cluster=patients)
    rows = HIPS.dropna(subset=["hhs1"])
    codes = rows["patient"].to_numpy()
    fit = sm.OLS(rows["hhs1"], sm.add_constant(rows["group"])).fit(
        cov_type="cluster", cov_kwds={"groups": codes}, use_t=True
    )
    assert result.estimate.value == close(fit.params["group"])
    assert result.estimate.standard_error == close(fit.bse["group"])
    assert result.p_value == close(fit.pvalues["group"])
    assert (result.n_clusters, result.df) == (len(set(codes)), len(set(codes)) - 1)
    assert result.n_missing == 14


def test_clustered_rank_tests_of_doubled_rows_keep_the_evidence() -> None:
    rng = np.random.default_rng(8)
    first, second = rng.normal(size=40), rng.normal(0.6, size=45)
    single = vs.mann_whitney_test(first, second)["probability of superiority"]
    doubled = vs.mann_whitney_test(
        np.repeat(first, 2),
        np.repeat(second, 2),
        cluster=(np.repeat(np.arange(40), 2), np.repeat(np.arange(40, 85), 2)),
    )
    assert doubled.method == "Mann-Whitney test, clustered (Obuchowski)"
    assert doubled["probability of superiority"].standard_error == close(single.standard_error)
    assert doubled.p_value == close(single.p_value)
    signed = vs.wilcoxon_signed_rank_test(np.repeat(first, 2), cluster=np.repeat(np.arange(40), 2))
    ranks = (2 * stats.rankdata(np.abs(first)) - 0.5) * np.sign(first)
    assert signed.p_value == close(2 * stats.norm.sf(abs(ranks.sum()) / math.sqrt((ranks**2).sum())))


def test_clustered_paired_t() -> None:
    rows = HIPS.dropna(subset=["hhs0", "hhs1"])
    result = vs.paired_t_test(rows["hhs1"], rows["hhs0"], cluster=rows["patient"])
    fit = sm.OLS(rows["hhs1"] - rows["hhs0"], np.ones(len(rows))).fit(
        cov_type="cluster", cov_kwds={"groups": rows["patient"].to_numpy()}, use_t=True
    )
    assert result.estimate.standard_error == close(float(fit.bse.iloc[0]))
    assert result.p_value == close(float(fit.pvalues.iloc[0]))
    assert result.n_clusters == rows["patient"].nunique()


def test_a_test_that_cannot_heed_clusters_warns_and_records() -> None:
    first, second, patients = with_patients("hhs1")
    with pytest.warns(vs.ClusteredDataWarning, match="analysed as independent"):
        result = vs.levene_test(first, second, cluster=patients)
    assert any("analysed as independent" in note for note in result.notes)


def test_a_table_with_repeated_patients_warns_and_records() -> None:
    with pytest.warns(vs.ClusteredDataWarning, match=r"256 rows of \d+ clusters"):
        plain = vs.compare_groups(HIPS, "hhs1", group="group", levels=(1, 0))
    assert any("analysed as independent" in note for note in plain.notes)
    assert plain.p_value == close(TWO_GROUP["hhs1"]["welch"][2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clustered = vs.compare_groups(HIPS, "hhs1", group="group", levels=(1, 0), cluster="patient")
        patients = vs.compare_groups(PATIENTS, "age", group="group", levels=(1, 0), test="student")
    assert clustered.n_clusters is not None
    assert clustered.notes == ()
    assert patients.p_value == close(TWO_GROUP["age"]["student"][2])


def test_a_table_runs_every_named_test() -> None:
    table = PATIENTS.assign(
        stage=np.where(PATIENTS["age"] > 55, "late", np.where(PATIENTS["age"] > 45, "mid", "early"))
    )
    event = vs.compare_groups(table, "any_collapse", group="group", levels=(1, 0), test="fisher")
    assert event.method == "Fisher's exact test"
    ranks = vs.compare_groups(table, "age", group="group", levels=(1, 0), test="mann-whitney")
    assert ranks.statistic == close(TWO_GROUP["age"]["W"])
    classes = ("early", "mid", "late")
    odds = vs.compare_groups(
        table, "stage", group="group", levels=(1, 0), test="proportional-odds", classes=classes
    )
    assert odds.estimate.name == "common odds ratio"
    with pytest.raises(UsageError, match="needs classes="):
        vs.compare_groups(table, "stage", group="group", levels=(1, 0), test="proportional-odds")
    with pytest.raises(UsageError, match="no column 'height'"):
        vs.compare_groups(table, "height", group="group", levels=(1, 0))
    with pytest.raises(UsageError, match="Choose one of: welch"):
        vs.compare_groups(table, "age", group="group", levels=(1, 0), test="anova")


def test_every_row_of_a_table_is_accounted_for() -> None:
    table = {"arm": ["a", "b", None, "c", "a", "b", "a"], "x": [1.0, 2, 3, 4, None, 5, 6]}
    result = vs.compare_groups(table, "x", group="arm", levels=("a", "b"))
    assert (result.n_used, result.n_missing, result.details["n_other_groups"]) == (4, 2, 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [([], [1, 2, 3]), ([1], [1, 2, 3]), ([None, float("nan")], [1, 2, 3]), ([2, 2, 2], [2, 2])],
)
def test_data_that_determine_nothing_are_named(first: list[float], second: list[float]) -> None:
    with pytest.raises(StatisticsError, match="not-estimable"):
        vs.t_test(first, second)
    with pytest.raises(StatisticsError, match="not-estimable"):
        vs.levene_test(first, second)
    if len(first) != 1:
        with pytest.raises(StatisticsError, match="not-estimable"):
            vs.mann_whitney_test(first, second)


def test_pairs_that_determine_nothing_are_named() -> None:
    for first, second in (([], []), ([1], [2]), ([1, 2, 3], [2, 3, 4]), ([0.1, 0.2], [0.2, 0.3])):
        with pytest.raises(StatisticsError, match="not-estimable"):
            vs.paired_t_test(first, second)
    with pytest.raises(UsageError, match="differ in length"):
        vs.paired_t_test([1, 2], [1])
    with pytest.raises(StatisticsError, match="one cluster"):
        vs.paired_t_test([1, 2, 4], [1, 1, 1], cluster=["a", "a", "a"])
    with pytest.raises(StatisticsError, match="takes 3 to 5000"):
        vs.shapiro_wilk_test([1, 2])
    with pytest.raises(StatisticsError, match="all values are equal"):
        vs.shapiro_wilk_test([1, 1, 1])


def test_students_test_of_a_single_value_is_noted() -> None:
    result = vs.t_test([3.0], [1.0, 2.0, 1.5], variances="equal")
    assert result.p_value == close(stats.ttest_ind([3.0], [1.0, 2.0, 1.5]).pvalue)
    assert any("single value" in note for note in result.notes)


def test_wrong_clusters_and_cells_are_refused() -> None:
    with pytest.raises(UsageError, match="is a pair"):
        vs.t_test([1, 2], [3, 4], cluster=["a", "b", "c", "d"])
    with pytest.raises(UsageError, match="one label for every row"):
        vs.t_test([1, 2], [3, 4], cluster=(["a", "b"], ["c"]))
    with pytest.raises(UsageError, match="infinity"):
        vs.t_test([1, math.inf], [3, 4])
    with pytest.raises(UsageError, match="not a number"):
        vs.t_test([[1, 2], [3, 4]], [3, 4])
    with pytest.raises(StatisticsError, match="not-estimable"):
        vs.t_test([1, 2], [3, 4], cluster=(["a", "a"], ["a", "a"]))


def test_every_kind_of_missing_value_is_counted() -> None:
    result = vs.t_test([1.0, None, 2.0, pd.NA, 4.0], [math.nan, "3", 5, "", 6])
    assert (result.n_used, result.n_missing) == (6, 4)


@given(
    st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=3, max_size=8, unique=True),
    st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=3, max_size=8, unique=True),
)
def test_one_sided_halves_of_the_t_test_add_up(first: list[float], second: list[float]) -> None:
    less = vs.t_test(first, second, alternative="less").p_value
    greater = vs.t_test(first, second, alternative="greater").p_value
    both = vs.t_test(first, second)
    assert less + greater == pytest.approx(1)
    assert both.p_value == pytest.approx(2 * min(less, greater))
    assert both.p_value == pytest.approx(stats.ttest_ind(first, second, equal_var=False).pvalue, rel=1e-6)
