"""Proportions and contingency tables, held to R and to the two papers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from r_reference import CLOSED_FORM, HIPS, R, close
from scipy import stats

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError

# R's fisher.test finds its odds ratio and limits by uniroot with a tolerance of 1.2e-4.
UNIROOT = 1e-3

TABLES = R["tables_2x2"]


@pytest.mark.parametrize("name", TABLES)
def test_two_by_two_p_values_agree_with_r(name: str) -> None:
    expected = TABLES[name]
    result = vs.two_by_two(expected["table"], primary="pearson")
    p_values = result.details["p_values"]
    assert result.statistic == close(expected["pearson"])
    assert result.p_value == p_values["pearson"] == close(expected["p_pearson"])
    assert p_values["yates"] == close(expected["p_yates"])
    assert p_values["fisher"] == close(expected["p_fisher"])
    assert p_values["fisher-less"] == close(expected["p_fisher_less"])
    assert p_values["fisher-greater"] == close(expected["p_fisher_greater"])


@pytest.mark.parametrize("name", TABLES)
def test_two_by_two_effects_agree_with_r(name: str) -> None:
    expected = TABLES[name]
    result = vs.two_by_two(expected["table"], primary="fisher")
    wald = result["risk difference (Wald)"]
    assert (wald.ci_low, wald.ci_high) == close(expected["prop_ci"])
    conditional = result["odds ratio (conditional)"]
    assert conditional.value == pytest.approx(expected["cond_or"], rel=UNIROOT)
    assert (conditional.ci_low, conditional.ci_high) == pytest.approx(expected["cond_or_ci"], rel=UNIROOT)


@pytest.mark.parametrize("name", TABLES)
def test_conditional_limits_solve_their_own_equations(name: str) -> None:
    table = TABLES[name]["table"]
    limit = vs.two_by_two(table, primary="fisher")["odds ratio (conditional)"]
    (a, b), (c, d) = table
    n, row, events = a + b + c + d, a + b, a + c
    assert stats.nchypergeom_fisher.cdf(a, n, row, events, limit.ci_high) == pytest.approx(0.025, rel=1e-6)
    if a:
        lower = stats.nchypergeom_fisher.sf(a - 1, n, row, events, limit.ci_low)
        assert lower == pytest.approx(0.025, rel=1e-6)
        assert stats.nchypergeom_fisher.mean(n, row, events, limit.value) == pytest.approx(a, rel=1e-6)


@pytest.mark.parametrize("name", TABLES)
def test_single_proportions_agree_with_r(name: str) -> None:
    expected = TABLES[name]
    for (events, rest), wilson, exact in zip(
        expected["table"], expected["wilson"], expected["cp"], strict=True
    ):
        for method, limits in (("wilson", wilson), ("clopper-pearson", exact)):
            estimate = vs.proportion(events, events + rest, method=method).estimate
            assert (estimate.ci_low, estimate.ci_high) == pytest.approx(limits, rel=CLOSED_FORM, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in TABLES if name != "zero_cell"])
def test_ratios_and_attributable_fractions_agree_with_epir(name: str) -> None:
    epi = {row["var"]: [row["est"], row["lower"], row["upper"]] for row in TABLES[name]["epi"]}
    (a, b), (c, d) = TABLES[name]["table"]
    result = vs.two_by_two([[a, b], [c, d]], primary="fisher")
    attributable = vs.attributable_fractions(a, b, c, d)
    for found, scale, row in (
        (result["risk ratio"], 1, "Inc risk ratio"),
        (result["odds ratio"], 1, "Odds ratio"),
        (result["risk difference (Wald)"], 100, "Attrib risk *"),
        (attributable["attributable fraction (exposed)"], 100, "Attrib fraction in exposed (%)"),
        (attributable["attributable risk (population)"], 100, "Attrib risk in population *"),
        (attributable["attributable fraction (population)"], 100, "Attrib fraction in population (%)"),
    ):
        assert [scale * found.value, scale * found.ci_low, scale * found.ci_high] == close(epi[row])


def test_newcombe_interval_of_the_worked_example() -> None:
    # Newcombe 1998, example (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339.
    difference = vs.two_by_two([[56, 14], [48, 32]], primary="fisher")["risk difference"]
    assert difference.value == pytest.approx(0.2)
    assert (difference.ci_low, difference.ci_high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(
    ("table", "name", "printed_digits"),
    [
        ([[36, 110], [48, 78]], "fisher-less", 0.011908),
        ([[36, 110], [48, 78]], "fisher", 0.018287),
        ([[36, 110], [48, 78]], "pearson", 0.016759),
        ([[36, 110], [48, 78]], "yates", 0.023799),
        ([[36, 110], [48, 78]], "likelihood-ratio", 0.016757),
        ([[23, 123], [29, 97]], "fisher-less", 0.086371),
        ([[23, 123], [29, 97]], "fisher", 0.163775),
        ([[4, 19], [4, 25]], "fisher-greater", 0.507420),
        ([[2, 34], [9, 39]], "fisher", 0.105362),
        ([[89, 57], [90, 36]], "fisher", 0.074114),
        ([[19, 127], [9, 117]], "fisher", 0.160455),
        ([[20, 126], [24, 102]], "fisher", 0.251065),
        ([[62, 42], [34, 46]], "pearson", 0.021223),
        ([[62, 42], [34, 46]], "likelihood-ratio", 0.020972),
        ([[42, 8], [44, 6]], "pearson", 0.564351),
        ([[42, 8], [46, 4]], "fisher", 0.356661),
        ([[16, 34], [8, 42]], "fisher", 0.100045),
        ([[18, 32], [4, 46]], "fisher", 0.001313),
    ],
)
def test_papers_two_by_two(table: list[list[int]], name: str, printed_digits: float) -> None:
    result = vs.two_by_two(table, primary=name)
    assert result.p_value == pytest.approx(printed_digits, abs=5e-7)
    assert result.details["primary"] == name


def test_stage_against_collapse_mid_p_and_n_minus_one() -> None:
    deno = vs.two_by_two([[2, 17], [34, 93]], primary="mid-p")
    assert deno.p_value == close(0.12665994876742875)
    assert deno.details["p_values"]["n-1"] == close(0.12675683467153195)
    control = vs.two_by_two([[9, 0], [39, 78]], primary="mid-p")
    assert control.p_value == close(0.00010184997830206045)
    assert control.details["mid_p_by_probability"] == close(0.00010184997830206045 / 2)


@pytest.mark.parametrize("name", ["aetiology", "change"])
def test_larger_tables_agree_with_r(name: str) -> None:
    table = {"aetiology": [[52, 42, 52], [35, 54, 37]], "change": [[13, 40, 59], [26, 36, 12]]}[name]
    expected = R["tables_rxc"][name]
    result = vs.contingency_test(table, primary="exact")
    assert result.p_value == close(expected["p_fisher"])
    assert result.details["statistics"]["pearson"] == close(expected["chisq"])
    assert result.details["p_values"]["pearson"] == close(expected["p"])
    assert result.estimate.ci_low <= result.estimate.value <= result.estimate.ci_high


def test_papers_larger_tables() -> None:
    aetiology = vs.contingency_test([[52, 42, 52], [35, 54, 37]], primary="exact")
    assert aetiology.p_value == pytest.approx(0.055357, abs=5e-7)
    assert aetiology.details["p_values"]["likelihood-ratio"] == pytest.approx(0.051935, abs=5e-7)
    change = vs.contingency_test([[13, 40, 59], [26, 36, 12]], primary="likelihood-ratio")
    assert change.p_value == pytest.approx(2.131e-7, abs=5e-11)


def exact_by_brute_force(table: np.ndarray) -> float:
    """Fill all cells but the last row and column in every way."""
    rows, columns = table.sum(1), table.sum(0)
    weights, observed = [], -sum(math.lgamma(x + 1) for x in table.ravel())
    inner = (table.shape[0] - 1, table.shape[1] - 1)
    ranges = [range(min(rows[i], columns[j]) + 1) for i in range(inner[0]) for j in range(inner[1])]
    for cells in itertools.product(*ranges):
        filled = np.zeros_like(table)
        filled[:-1, :-1] = np.reshape(cells, inner)
        filled[:-1, -1] = rows[:-1] - filled[:-1].sum(1)
        filled[-1] = columns - filled[:-1].sum(0)
        if (filled >= 0).all():
            weights.append(-sum(math.lgamma(x + 1) for x in filled.ravel()))
    shares = np.exp(np.array(weights))
    return float(shares[np.array(weights) <= observed + 1e-7].sum() / shares.sum())


@pytest.mark.parametrize(
    "table",
    [
        [[3, 1, 2], [0, 4, 1], [2, 2, 2]],
        [[1, 9], [11, 3]],
        [[2, 0, 1, 3], [1, 4, 0, 1]],
        [[1, 0, 2, 1], [2, 1, 0, 1], [0, 3, 1, 1]],
        [[5, 0], [0, 4], [1, 1], [2, 3]],
    ],
)
def test_exact_test_counts_every_table(table: list[list[int]]) -> None:
    result = vs.contingency_test(table, primary="exact")
    assert result.p_value == pytest.approx(exact_by_brute_force(np.array(table)), rel=1e-9)
    turned = vs.contingency_test(np.array(table).T, primary="exact")
    assert turned.p_value == pytest.approx(result.p_value, rel=1e-9)


def test_exact_test_of_a_two_by_two_is_fishers() -> None:
    table = [[36, 110], [48, 78]]
    exact, fisher = vs.contingency_test(table, primary="exact"), vs.two_by_two(table, primary="fisher")
    assert exact.p_value == close(fisher.p_value)


def test_exact_test_of_a_large_table_does_not_overflow() -> None:
    table = np.array([[400, 300, 300], [300, 350, 350]])
    result = vs.contingency_test(table, primary="exact")
    assert "Monte Carlo" not in result.method
    assert result.p_value == pytest.approx(result.details["p_values"]["pearson"], rel=0.02)


def test_too_many_tables_are_drawn_at_random_and_the_method_says_so() -> None:
    table = [[10, 5, 3, 7], [4, 9, 8, 6], [3, 7, 9, 12]]
    exact = vs.contingency_test(table, primary="exact")
    sampled = vs.contingency_test(table, primary="exact", max_steps=1000)
    again = vs.contingency_test(table, primary="exact", max_steps=1000)
    assert "Monte Carlo with 100000 tables" in sampled.method
    assert "Monte Carlo" not in exact.method
    assert sampled.p_value == pytest.approx(exact.p_value, abs=0.005)
    assert sampled.p_value == again.p_value


@given(st.tuples(*[st.integers(0, 12)] * 4))
def test_swapping_groups_mirrors_the_answer(cells: tuple[int, int, int, int]) -> None:
    a, b, c, d = cells
    if a + b == 0 or c + d == 0:
        with pytest.raises(StatisticsError, match="not-estimable"):
            vs.two_by_two([[a, b], [c, d]], primary="fisher")
        return
    one = vs.two_by_two([[a, b], [c, d]], primary="fisher")
    two = vs.two_by_two([[c, d], [a, b]], primary="fisher")
    assert one.p_value == pytest.approx(two.p_value)
    assert one.p_value == pytest.approx(stats.fisher_exact([[a, b], [c, d]]).pvalue)
    assert one.details["p_values"]["fisher-less"] == pytest.approx(two.details["p_values"]["fisher-greater"])
    assert one.estimate.value == pytest.approx(-two.estimate.value)
    assert one.estimate.ci_low == pytest.approx(-two.estimate.ci_high)
    assert -1 <= one.estimate.ci_low <= one.estimate.value <= one.estimate.ci_high <= 1
    assert not any(math.isnan(e.value) for e in one.estimates)


def test_zero_cells_are_answered_by_name() -> None:
    result = vs.two_by_two([[0, 9], [39, 78]], primary="fisher")
    assert result["odds ratio (0.5 added to each cell)"].value > 0
    assert result["odds ratio (conditional)"].value == 0
    assert any("a cell is zero" in note for note in result.notes)
    infinite = vs.two_by_two([[9, 0], [39, 78]], primary="fisher")
    assert math.isinf(infinite["odds ratio (conditional)"].value)
    assert infinite["odds ratio (conditional)"].ci_low > 1
    assert any("infinite" in note for note in infinite.notes)
    with pytest.raises(StatisticsError, match="attributable fractions need an event"):
        vs.attributable_fractions(0, 9, 39, 78)


def test_no_event_anywhere() -> None:
    result = vs.two_by_two([[0, 9], [0, 7]], primary="pearson")
    assert result.p_value is None
    assert result.details["p_values"]["fisher"] == pytest.approx(1)
    assert result.estimate.value == 0
    assert any("not estimable" in note for note in result.notes)
    with pytest.raises(StatisticsError, match="fewer than two rows or columns"):
        vs.contingency_test([[0, 9], [0, 7]], primary="exact")


def test_perfectly_separated_table() -> None:
    result = vs.two_by_two([[5, 0], [0, 6]], primary="fisher")
    assert result.p_value == close(1 / math.comb(11, 5))
    assert result.estimate.value == 1


def test_sparse_tables_are_noted_and_empty_columns_left_out() -> None:
    assert any("below 5" in note for note in vs.two_by_two([[1, 5], [3, 4]], primary="pearson").notes)
    result = vs.contingency_test([[5, 0, 9], [7, 0, 12]])
    assert result.df == 1
    assert any("left out" in note for note in result.notes)


@pytest.mark.parametrize("table", [[[1, 2]], [[1, -2], [3, 4]], [[1.5, 2], [3, 4]], [["a", 2], [3, 4]]])
def test_wrong_tables_are_refused(table: list[list[object]]) -> None:
    with pytest.raises(UsageError, match="usage"):
        vs.two_by_two(table, primary="fisher")


def test_wrong_choices_are_refused() -> None:
    with pytest.raises(UsageError, match="Choose one of: pearson"):
        vs.two_by_two([[1, 2], [3, 4]], primary="chi2")
    with pytest.raises(UsageError, match="confidence level"):
        vs.two_by_two([[1, 2], [3, 4]], primary="fisher", level=95)
    with pytest.raises(UsageError, match="between 0 and n"):
        vs.proportion(5, 4)
    with pytest.raises(StatisticsError, match="empty group"):
        vs.proportion(0, 0)


def hips_of_group(group: int) -> tuple[list[float], list[int]]:
    rows = HIPS[HIPS["group"] == group]
    return rows["collapse"].tolist(), rows["patient"].tolist()


def test_clustered_proportions_widen_and_are_recorded() -> None:
    (treated, patients1), (control, patients2) = hips_of_group(1), hips_of_group(0)
    plain = vs.compare_proportions(treated, control, primary="pearson")
    clustered = vs.compare_proportions(treated, control, primary="pearson", cluster=(patients1, patients2))
    assert plain.p_value == close(vs.two_by_two(plain.details["table"], primary="pearson").p_value)
    assert clustered.n_clusters == 180
    assert clustered.method.startswith("Rao-Scott")
    assert clustered.details["p_values"]["pearson"] == plain.p_value
    assert clustered.estimate.standard_error > plain["risk difference (Wald)"].standard_error
    assert min(clustered.details["design_effects"]) > 1


def test_rao_scott_of_doubled_rows_halves_the_evidence() -> None:
    first, second = [1] * 12 + [0] * 18, [1] * 5 + [0] * 25
    single = vs.two_by_two([[12, 18], [5, 25]], primary="pearson")
    twice = vs.compare_proportions(
        first * 2,
        second * 2,
        primary="pearson",
        cluster=(list(range(30)) * 2, list(range(30, 60)) * 2),
    )
    assert twice.statistic == pytest.approx(single.statistic, rel=0.05)
    assert twice.details["design_effects"] == pytest.approx((2 * 30 / 29,) * 2)


def test_patients_in_both_groups_leave_the_robust_test() -> None:
    first, second = [1, 1, 0, 1, 0, 1], [0, 1, 0, 0, 0, 1]
    result = vs.compare_proportions(first, second, primary="fisher", cluster=(range(6), range(6)))
    assert result.method == "Cluster-robust z test of the risk difference"
    # For pairs the robust error is that of the mean paired difference.
    paired = np.array(first) - np.array(second)
    assert result.estimate.standard_error == close(paired.std(ddof=1) / math.sqrt(6))


def test_rows_of_single_patients_are_independent() -> None:
    first, second = [1, 0, None, 1], [0, 0, 1, float("nan")]
    result = vs.compare_proportions(first, second, primary="fisher", cluster=(list("abcd"), list("efgh")))
    assert (result.n_used, result.n_missing, result.n_clusters) == (6, 2, 6)
    assert result.method == "Fisher's exact test"


def test_events_other_than_zero_and_one_are_refused() -> None:
    with pytest.raises(UsageError, match="neither 0 nor 1"):
        vs.compare_proportions([1, 2], [0, 1], primary="fisher")
    with pytest.raises(UsageError, match="not a number"):
        vs.compare_proportions(["yes", 1], [0, 1], primary="fisher")
    with pytest.raises(StatisticsError, match="empty"):
        vs.compare_proportions([None], [0, 1], primary="fisher")
    with pytest.raises(StatisticsError, match="one cluster only in a group"):
        vs.compare_proportions([1, 0], [0, 1, 1], primary="fisher", cluster=(list("aa"), list("bcd")))


def test_classes_from_rows_heed_clusters() -> None:
    groups = ["deno"] * 6 + ["control"] * 6
    classes = ["up", "up", "same", "down", "same", "up"] * 2
    levels = {"group_levels": ("deno", "control"), "class_levels": ("up", "same", "down")}
    plain = vs.compare_classes(groups, classes, **levels)
    assert plain.statistic == pytest.approx(0)
    shifted = [*classes[:6], "down", "down", "same", "down", None, "up"]
    cluster = [1, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8]
    result = vs.compare_classes(groups, shifted, cluster=cluster, **levels)
    assert (result.n_used, result.n_missing, result.n_clusters) == (11, 1, 8)
    assert "cluster-robust" in result.method
    assert 0 < result.p_value < 1
    assert result.details["p_value_as_independent"] == vs.compare_classes(groups, shifted, **levels).p_value
    with pytest.raises(UsageError, match="not among its levels"):
        vs.compare_classes(groups, [*classes[:-1], "gone"], **levels)


def test_robust_test_of_two_classes_is_that_of_proportions() -> None:
    (treated, patients1), (control, patients2) = hips_of_group(1), hips_of_group(0)
    proportions = vs.compare_proportions(treated, control, primary="pearson", cluster=(patients1, patients2))
    classes = vs.compare_classes(
        [1] * len(treated) + [0] * len(control),
        treated + control,
        group_levels=(1, 0),
        class_levels=(1, 0),
        cluster=patients1 + patients2,
    )
    assert classes.p_value == close(proportions.details["p_values_clustered"]["cluster-robust"])
