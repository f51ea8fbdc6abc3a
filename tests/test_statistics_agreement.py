"""Agreement of readers and reads, held to R."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from r_reference import HIPS, R, close
from scipy import stats

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.agreement.intraclass import ICC_FORMS

# Shrout and Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
READERS = HIPS[["vol0_r1", "vol0_r2"]]
READS = HIPS[["vol0_r1", "vol0_r1b"]]
RATINGS = {
    "shrout_fleiss": SHROUT_FLEISS,
    "hips_r1_r2": READERS,
    "hips_intra": READS,
    "hips_log_r1_r2": np.log(READERS),
}
FORMS = dict(zip(("ICC1", "ICC2", "ICC3", "ICC1k", "ICC2k", "ICC3k"), ICC_FORMS, strict=True))


@pytest.mark.parametrize("name", RATINGS)
def test_icc_agrees_with_psych(name: str) -> None:
    for expected in R["icc"][name]:
        result = vs.icc(RATINGS[name], form=FORMS[expected["type"]])
        estimate = result.estimate
        limits = [expected["lower bound"], expected["upper bound"]]
        assert estimate.value == close(expected["ICC"])
        assert [estimate.ci_low, estimate.ci_high] == close(limits)
        assert [result.statistic, *result.df] == close([expected["F"], expected["df1"], expected["df2"]])
        assert result.p_value == close(expected["p"])


@pytest.mark.parametrize("name", R["irr_icc"])
def test_icc_agrees_with_irr(name: str) -> None:
    expected = R["irr_icc"][name]
    form = {"oneway": "ICC(1,1)", "consistency": "ICC(C,1)", "agreement": "ICC(A,1)"}[name.split("_")[-1]]
    result = vs.icc(SHROUT_FLEISS if name.startswith("sf") else READERS, form=form)
    p_value = result.details["p_value_satterthwaite"] if form == "ICC(A,1)" else result.p_value
    found = [
        result.estimate.value,
        result.estimate.ci_low,
        result.estimate.ci_high,
        result.statistic,
        p_value,
    ]
    assert found == close([expected[key] for key in ("icc", "lower", "upper", "F", "p")])


def test_icc_orders_its_forms_and_counts_missing_rows() -> None:
    ratings = [*SHROUT_FLEISS, [None, 1, 2, 3]]
    result = vs.icc(ratings, form="ICC(C,1)")
    assert result.estimates[0].name == "ICC(C,1)"
    assert {estimate.name for estimate in result.estimates} == set(ICC_FORMS)
    assert (result.n_used, result.n_missing) == (6, 1)
    sem = result.details["sem"]
    assert sem["consistency"] == pytest.approx(math.sqrt(result.details["mean_squares"]["error"]))
    assert sem["absolute"] > sem["consistency"]


def test_icc_does_not_say_whether_fifteen_percent_can_be_seen() -> None:
    # The point of the note: a near-perfect ICC beside a repeatability coefficient of 12 %.
    assert vs.icc(READS).estimate.value == pytest.approx(0.9934, abs=5e-5)
    assert vs.repeatability(READS)["smallest detectable increase"].value == pytest.approx(12.65, abs=5e-3)


@pytest.mark.parametrize(
    "ratings", [[], [[1, 2]], [[1], [2], [3]], [[2, 2], [2, 2]], [[1, 1], [2, 2], [4, 4]], [[None, 1]] * 3]
)
def test_icc_of_nothing_is_named(ratings: list[list[float]]) -> None:
    if not ratings:
        with pytest.raises(UsageError, match="row per subject"):
            vs.icc(ratings)
        return
    with pytest.raises(StatisticsError, match="not-estimable"):
        vs.icc(ratings)


def test_readers_a_constant_apart() -> None:
    ratings = np.array([[1.0, 2.0], [2.0, 3.0], [4.0, 5.0]])
    with pytest.raises(StatisticsError, match="differ by a constant"):
        vs.icc(ratings)
    assert vs.icc(ratings, form="ICC(1,1)").estimate.value < 1


@pytest.mark.parametrize("name", R["bland_altman"])
def test_bland_altman_agrees_with_r(name: str) -> None:
    expected = R["bland_altman"][name]
    table = READERS if name.endswith("r1_r2") else READS
    first, second = table.iloc[:, 0], table.iloc[:, 1]
    scale = "log" if name.startswith("log") else "absolute"
    result = vs.bland_altman(first, second, scale=scale)
    bias, low, high = (result[part] for part in ("bias", "lower limit", "upper limit"))
    details = result.details
    assert result.n_used == expected["n"]
    assert [bias.value, details["sd_of_differences"]] == close([expected["bias"], expected["sd"]])
    assert [low.value, high.value] == close(expected["loa"])
    assert [bias.ci_low, bias.ci_high] == close(expected["bias_ci"])
    assert [low.ci_low, low.ci_high] == close(expected["loa_lower_ci"])
    assert [high.ci_low, high.ci_high] == close(expected["loa_upper_ci"])
    assert details["limit_error_1986"] == close(expected["loa_se_1986"])
    assert result.p_value == close(expected["slope_p"])
    found = [details["within_subject_sd"], details["repeatability_coefficient"]]
    assert found == close([expected["sw"], expected["rc"]])


@pytest.mark.parametrize("name", R["bland_altman"])
def test_concordance_agrees_with_epir(name: str) -> None:
    expected = R["bland_altman"][name]["epi_ccc"][0]
    table = READERS if name.endswith("r1_r2") else READS
    values = np.log(table) if name.startswith("log") else table
    estimate = vs.lin_concordance(values.iloc[:, 0], values.iloc[:, 1]).estimate
    found = [estimate.value, estimate.ci_low, estimate.ci_high]
    assert found == close([expected["est"], expected["lower"], expected["upper"]])


def test_bland_altman_scales() -> None:
    first, second = READERS["vol0_r1"], READERS["vol0_r2"]
    log = vs.bland_altman(first, second, scale="log")
    assert log["ratio"].value == close(math.exp(log["bias"].value))
    assert log["lower ratio"].ci_low == close(math.exp(log["lower limit"].ci_low))
    percent = vs.bland_altman(first, second, scale="percent")
    assert percent["bias"].unit == "%"
    assert percent["bias"].value == close((200 * (first - second) / (first + second)).mean())
    assert vs.bland_altman(first, second, unit="cm3")["bias"].unit == "cm3"
    with pytest.raises(StatisticsError, match="needs values above 0"):
        vs.bland_altman([0, 1, 2, 3], [1, 2, 3, 4], scale="log")


def test_bland_altman_edges() -> None:
    same = vs.bland_altman([1, 2, 3], [1, 2, 3])
    assert (same["bias"].value, same["upper limit"].value) == (0, 0)
    assert same.p_value is None
    assert any("lie on a line" in note for note in same.notes)
    flat = vs.bland_altman([1, 2, 3], [3, 2, 1])
    assert flat.p_value is None
    assert any("means do not vary" in note for note in flat.notes)
    with pytest.raises(StatisticsError, match="three pairs"):
        vs.bland_altman([1, 2, None], [1, 2, 3])
    with pytest.raises(StatisticsError, match="must vary"):
        vs.lin_concordance([1, 1, 1], [1, 2, 3])
    perfect = vs.lin_concordance([1, 2, 3], [1, 2, 3])
    assert (perfect.estimate.value, perfect.estimate.ci_low) == (pytest.approx(1), None)


def test_repeatability_agrees_with_r() -> None:
    expected = R["repeatability_percent"]
    result = vs.repeatability(READS)
    coefficient = result["repeatability coefficient, log"]
    assert result["within-lesion log SD"].value == close(expected["sw_log"])
    assert result["within-lesion CV"].value == close(100 * expected["wCV"])
    assert coefficient.value == close(expected["RC_log"])
    assert [coefficient.ci_low, coefficient.ci_high] == close(expected["ci_RC_log"])
    assert result["smallest detectable increase"].value == close(expected["RC_pct_up"])
    assert result["smallest detectable decrease"].value == close(expected["RC_pct_down"])
    assert result["repeatability coefficient, linear"].value == close(expected["RC_linear_pct"])
    assert result["false-change rate"].value == close(100 * expected["prob_false_change_15"])


def test_threshold_in_error_units() -> None:
    result = vs.repeatability(READS)
    assert result.details["largest_log_sd"] == {
        "increase": pytest.approx(0.050423, abs=5e-7),
        "decrease": pytest.approx(0.058633, abs=5e-7),
    }
    # Both sides of the threshold, by drawing changes that are error alone.
    log_sd = result["within-lesion log SD"].value
    drawn = np.exp(np.random.default_rng(1).normal(0, math.sqrt(2) * log_sd, 200_000))
    share = 100 * ((drawn > 1.15) | (drawn < 0.85)).mean()
    assert result["false-change rate"].value == pytest.approx(share, abs=0.1)
    assert vs.repeatability(READS, threshold_percent=30)["false-change rate"].value < 0.01


def test_repeatability_with_missing_reads() -> None:
    reads = [[10, 11, None], [20, 19, 21], [5, None, None], [8, 8.2, None]]
    result = vs.repeatability(reads)
    logs = [np.log([10, 11]), np.log([20, 19, 21]), np.log([8, 8.2])]
    squares = sum(((part - part.mean()) ** 2).sum() for part in logs)
    assert (result.n_used, result.n_missing, result.df) == (3, 1, 4)
    assert result["within-lesion log SD"].value == close(math.sqrt(squares / 4))


def test_repeatability_of_nothing_is_named() -> None:
    for reads in ([[1, None], [None, 2]], [[1, 1], [2, 2]], [[0, 1], [1, 2]]):
        with pytest.raises(StatisticsError, match="not-estimable"):
            vs.repeatability(reads)
    with pytest.raises(UsageError, match="row per lesion"):
        vs.repeatability([1, 2, 3])
    with pytest.raises(UsageError, match="threshold"):
        vs.repeatability([[1, 2]], threshold_percent=100)


@pytest.mark.parametrize(
    ("weights", "vcd", "irr", "z"),
    [
        ("none", "unweighted", "unw", "z"),
        ("linear", "linear", "equal", "z_eq"),
        ("quadratic", "quadratic", "squared", "z_sq"),
    ],
)
def test_kappa_agrees_with_vcd_and_irr(weights: str, vcd: str, irr: str, z: str) -> None:
    result = vs.cohen_kappa(R["kappa"]["table"], weights=weights)
    assert [result.estimate.value, result.estimate.standard_error] == close(R["kappa"][vcd])
    assert result.estimate.value == close(R["irr_kappa"][irr])
    assert result.statistic == close(R["irr_kappa"][z])
    assert result.details["agreement_percent"] == close(R["irr_kappa"]["agree"])


def test_kappa_interval_agrees_with_psych() -> None:
    expected = R["kappa"]["psych_conf"][0]
    estimate = vs.cohen_kappa(R["kappa"]["table"]).estimate
    assert [estimate.ci_low, estimate.ci_high] == close([expected["lower"], expected["upper"]])


def change_class(percent: float) -> str:
    return "increase" if percent > 15 else "decrease" if percent < -15 else "no_change"


def test_kappa_of_the_readers_change_classes() -> None:
    rows = HIPS.dropna(subset=["vol1_r1", "vol1_r2"])
    readers = [
        [change_class(100 * (f - b) / b) for b, f in zip(rows[f"vol0_{r}"], rows[f"vol1_{r}"], strict=True)]
        for r in ("r1", "r2")
    ]
    classes = ("decrease", "no_change", "increase")
    with pytest.warns(vs.ClusteredDataWarning, match="analysed as independent"):
        result = vs.cohen_kappa_of_readers(*readers, classes=classes, cluster=rows["patient"].tolist())
    assert sorted(map(sorted, result.details["table"])) == sorted(map(sorted, R["kappa"]["table"]))
    assert result.estimate.value == close(R["kappa"]["unweighted"][0])
    assert any("analysed as independent" in note for note in result.notes)
    groups = [[c for c, g in zip(readers[0], rows["group"], strict=True) if g == group] for group in (0, 1)]
    found = [[column.count(name) for column in groups] for name in ("decrease", "no_change", "increase")]
    assert sorted(found) == sorted(R["kappa"]["byGroup"])


def test_kappa_edges() -> None:
    with pytest.raises(StatisticsError, match="one class only"):
        vs.cohen_kappa([[5, 0], [0, 0]])
    with pytest.raises(StatisticsError, match="table is empty"):
        vs.cohen_kappa([[0, 0], [0, 0]])
    with pytest.raises(UsageError, match="square"):
        vs.cohen_kappa([[1, 2, 3], [4, 5, 6]])
    perfect = vs.cohen_kappa([[5, 0], [0, 4]])
    assert (perfect.estimate.value, perfect.estimate.ci_high) == (1, 1)
    missing = vs.cohen_kappa_of_readers(["a", "b", None, "a"], ["a", "b", "b", "b"], classes="ab")
    assert (missing.n_used, missing.n_missing) == (3, 1)


def test_hips_of_one_patient_are_noted_by_every_measure() -> None:
    patients = HIPS["patient"].tolist()
    first, second = READERS["vol0_r1"], READERS["vol0_r2"]
    for measure in (
        lambda: vs.icc(READERS, cluster=patients),
        lambda: vs.repeatability(READS, cluster=patients),
        lambda: vs.bland_altman(first, second, cluster=patients),
        lambda: vs.lin_concordance(first, second, cluster=patients),
    ):
        with pytest.warns(vs.ClusteredDataWarning, match="270 rows of 180 clusters"):
            result = measure()
        assert any("analysed as independent" in note for note in result.notes)
    with pytest.raises(UsageError, match="one label for every row"):
        vs.icc(READERS, cluster=patients[:-1])


@given(st.lists(st.tuples(st.floats(1, 50), st.floats(1, 50)), min_size=3, max_size=12))
def test_limits_are_symmetric_and_hold_most_differences(pairs: list[tuple[float, float]]) -> None:
    values = np.round(np.array(pairs), 2)
    first, second = values.T
    result = vs.bland_altman(first, second)
    swapped = vs.bland_altman(second, first)
    assert result["lower limit"].value == pytest.approx(-swapped["upper limit"].value, abs=1e-9)
    inside = np.abs(first - second - result["bias"].value) <= (
        result["upper limit"].value - result["bias"].value + 1e-9
    )
    # Chebyshev: no more than 1 / 1.96**2 of all differences lie outside of 1.96 SD.
    assert inside.mean() >= 1 - 1 / stats.norm.isf(0.025) ** 2
