"""Sample size and power, held to R and to the paper's 120 per group."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from r_reference import ITERATED, R
from scipy import stats

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.planning.fisher_power import fisher_power

POWER = R["power"]


def size(method: str, sides: str = "two-sided", **more: float) -> float:
    result = vs.power_two_proportions(0.4, 0.2, power=0.95, method=method, sides=sides, **more)
    return result.details["n_unrounded"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: size("arcsine", both_tails=True), "pwr2p_two"),
        (lambda: size("arcsine", "one-sided"), "pwr2p_one"),
        (lambda: size("normal-pooled"), "base_two"),
        (lambda: size("normal-pooled", "one-sided"), "base_one"),
        (lambda: size("normal-pooled", both_tails=True), "base_strict"),
        (lambda: vs.power_t_test(0.5, power=0.8).details["n_unrounded"], "ttest_d05_80"),
        (
            lambda: vs.power_t_test(0.3, power=0.9, design="paired").details["n_unrounded"],
            "paired_d03_90",
        ),
        (
            lambda: (
                vs.power_two_proportions(
                    0.4, 0.2, n=(146, 126), method="arcsine", both_tails=True
                ).estimate.value
            ),
            "pwr2p_unequal",
        ),
        (lambda: vs.power_log_rank(0.5, power=0.8).details["events_unrounded"], "schoenfeld_hr05_80"),
    ],
)
def test_sizes_agree_with_r(found: object, expected: str) -> None:
    assert found() == pytest.approx(POWER[expected], rel=ITERATED)


@pytest.mark.parametrize(
    ("method", "sides", "unrounded", "whole"),
    [
        ("normal-unpooled", "two-sided", 129.947, 130),
        ("normal-unpooled", "one-sided", 108.222, 109),
        ("normal-pooled", "two-sided", 133.460, 134),
        ("normal-pooled", "one-sided", 110.911, 111),
        ("arcsine", "two-sided", 132.945, 133),
        ("arcsine", "one-sided", 110.718, 111),
        ("fleiss", "two-sided", 143.286, 144),
        ("fleiss", "one-sided", 120.704, 121),
        ("fisher-exact", "two-sided", 143, 143),
        ("fisher-exact", "one-sided", 120, 120),
    ],
)
def test_papers_sample_size(method: str, sides: str, unrounded: float, whole: int) -> None:
    result = vs.power_two_proportions(0.4, 0.2, power=0.95, method=method, sides=sides)
    assert result.details["n_unrounded"] == pytest.approx(unrounded, abs=5e-4)
    assert [estimate.value for estimate in result.estimates] == [whole, whole]
    assert result.details["power_at_n"] >= 0.95


@pytest.mark.parametrize(
    ("n", "sides", "expected"),
    [
        (119, "one-sided", 0.9486491739896301),
        (120, "one-sided", 0.9505961325948084),
        (142, "two-sided", 0.9495857648531245),
        (143, "two-sided", 0.9511223016225727),
        (131, "one-sided", 0.9638999011204716),
        (149, "two-sided", 0.9591142633942341),
    ],
)
def test_exact_power_of_fishers_test(n: int, sides: str, expected: float) -> None:
    result = vs.power_two_proportions(0.4, 0.2, n=n, method="fisher-exact", sides=sides)
    assert result.estimate.value == pytest.approx(expected, rel=1e-9)


def test_power_of_the_paper_two_sided() -> None:
    assert vs.power_two_proportions(0.4, 0.2, n=120).estimate.value == pytest.approx(0.927267, abs=5e-7)


@pytest.mark.parametrize("two_sided", [True, False])
def test_fisher_power_is_that_of_every_outcome(two_sided: bool) -> None:
    expected = 0.0
    for a, c in itertools.product(range(10), range(13)):
        side = "two-sided" if two_sided else "greater"
        if stats.fisher_exact([[a, 9 - a], [c, 12 - c]], alternative=side).pvalue <= 0.1:
            expected += stats.binom.pmf(a, 9, 0.7) * stats.binom.pmf(c, 12, 0.25)
    assert fisher_power(0.7, 0.25, 9, 12, 0.1, two_sided=two_sided) == pytest.approx(expected)
    assert fisher_power(0.25, 0.7, 12, 9, 0.1, two_sided=two_sided) == pytest.approx(expected)


@given(
    st.floats(0.1, 0.4),
    st.floats(0.1, 0.4),
    st.sampled_from(["normal-pooled", "normal-unpooled", "arcsine", "fleiss"]),
    st.floats(0.6, 0.95),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_size_and_power_are_each_others_inverse(
    p1: float, gap: float, method: str, power: float, ratio: float
) -> None:
    solved = vs.power_two_proportions(p1, p1 + gap, power=power, method=method, ratio=ratio)
    sizes = tuple(int(estimate.value) for estimate in solved.estimates)
    reached = vs.power_two_proportions(p1, p1 + gap, n=sizes, method=method).estimate.value
    assert reached >= power - 1e-9
    assert reached == pytest.approx(solved.details["power_at_n"])


def test_two_hips_per_patient() -> None:
    clusters = [2] * 88 + [1] * 96
    assert vs.design_effect(clusters, 0.3) == pytest.approx(1.194118, abs=5e-7)
    assert vs.design_effect(clusters, 0.5) == pytest.approx(1.323529, abs=5e-7)
    # The paper's collapse p at these design effects: Pearson 5.7214 shrinks to .0286 and .0376.
    pearson = vs.two_by_two([[36, 110], [48, 78]], primary="pearson").statistic
    shrunk = [stats.chi2.sf(pearson / vs.design_effect(clusters, icc), 1) for icc in (0.3, 0.5)]
    assert shrunk == pytest.approx([0.0286, 0.0376], abs=5e-5)
    inflated = vs.power_two_proportions(0.4, 0.2, power=0.95, design_effect=1.194118)
    assert inflated.estimate.value == 160
    assert inflated.details["power_at_n"] >= 0.95
    with pytest.raises(StatisticsError, match="no clusters"):
        vs.design_effect([], 0.3)
    with pytest.raises(UsageError, match="ICC lies"):
        vs.design_effect([1, 2], 3)


def test_log_rank_events_and_subjects() -> None:
    freedman = vs.power_log_rank(0.5, power=0.8, method="freedman", event_share=0.4)
    # Freedman: (1 + HR)**2 / (1 - HR)**2 (z + z)**2 = 9 * 7.8489.
    assert freedman.details["events_unrounded"] == pytest.approx(9 * 7.848880, rel=1e-6)
    assert [e.value for e in freedman.estimates] == [71, 177]
    assert vs.power_log_rank(0.5, events=65.3456592588709).estimate.value == pytest.approx(0.8)
    assert vs.power_log_rank(2.0, events=65.3456592588709).estimate.value == pytest.approx(0.8)


def test_power_of_t_tests() -> None:
    # Against the noncentral t distribution, both tails.
    result = vs.power_t_test(0.5, n=(30, 40), both_tails=True)
    centre, df = 0.5 / (1 / 30 + 1 / 40) ** 0.5, 68
    critical = stats.t.isf(0.025, df)
    expected = stats.nct.sf(critical, df, centre) + stats.nct.cdf(-critical, df, centre)
    assert result.estimate.value == pytest.approx(expected)
    assert vs.power_t_test(0.3, power=0.9, design="paired")["n pairs"].value == 119


def test_questions_without_an_answer_are_named() -> None:
    with pytest.raises(StatisticsError, match="equal proportions"):
        vs.power_two_proportions(0.2, 0.2, power=0.8)
    with pytest.raises(StatisticsError, match="effect of 0"):
        vs.power_t_test(0, power=0.8)
    with pytest.raises(StatisticsError, match="hazard ratio of 1"):
        vs.power_log_rank(1, power=0.8)
    with pytest.raises(StatisticsError, match="no sample size below"):
        vs.power_two_proportions(0.2, 0.2 + 1e-7, power=0.8)


def test_wrong_questions_are_refused() -> None:
    for wrong in ({}, {"n": 10, "power": 0.8}, {"n": 0}, {"power": 1.0}, {"power": 0.8, "alpha": 0}):
        with pytest.raises(UsageError, match="usage"):
            vs.power_two_proportions(0.4, 0.2, **wrong)
    with pytest.raises(UsageError, match="p1 lies between"):
        vs.power_two_proportions(40, 0.2, power=0.8)
    with pytest.raises(UsageError, match="design effect"):
        vs.power_t_test(0.5, power=0.8, design_effect=0)
    with pytest.raises(UsageError, match="hazard ratio is above 0"):
        vs.power_log_rank(-1, power=0.8)
    with pytest.raises(UsageError, match="event_share"):
        vs.power_log_rank(0.5, power=0.8, event_share=0)
