"""Ordered classes: the paper's change classes, and the proportional-odds model against its likelihood."""

import math

import numpy as np
import pytest
from r_reference import HIPS, R, close
from scipy import optimize, special

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError

CHANGE = [[13, 40, 59], [26, 36, 12]]
CLASSES = ("increase", "no_change", "decrease")
DENOSUMAB, CONTROL = (
    [name for name, count in zip(CLASSES, row, strict=True) for _ in range(count)] for row in CHANGE
)


def test_trend_of_the_papers_change_classes() -> None:
    result = vs.linear_by_linear_test(CHANGE)
    assert result.p_value == pytest.approx(9.914e-8, abs=5e-12)
    assert result.statistic == close(R["tables_rxc"]["change"]["trend"]["cochran_armitage_like"])
    assert result.df == 1
    assert result.estimate.ci_low < result.estimate.value < result.estimate.ci_high < 0


def test_ranks_of_the_papers_change_classes() -> None:
    expected = R["tables_rxc"]["change"]["trend"]
    plain = vs.mann_whitney_on_classes(CHANGE, continuity=False)
    assert plain.p_value == close(expected["wilcox_asym_nocorr"])
    assert vs.mann_whitney_on_classes(CHANGE).p_value == close(expected["wilcox_asym_corr"])
    # U of the increase end; the paper's table counts the other way round: 112 * 74 - 2347.
    assert plain.statistic in (2347, 112 * 74 - 2347)


def test_scores_may_be_given() -> None:
    assert vs.linear_by_linear_test(CHANGE, column_scores=(2, 4, 6)).p_value == close(
        vs.linear_by_linear_test(CHANGE).p_value
    )
    uneven = vs.linear_by_linear_test(CHANGE, column_scores=(0, 1, 5))
    assert uneven.details["column_scores"] == [0, 1, 5]
    with pytest.raises(UsageError, match="one score for each"):
        vs.linear_by_linear_test(CHANGE, column_scores=(0, 1))


def log_likelihood(parameters: np.ndarray, table: np.ndarray) -> float:
    """Of the proportional-odds model; first group shifted by the first parameter."""
    slope, low, gap = parameters
    cuts = np.array([-np.inf, low, low + math.exp(gap), np.inf])
    shares = [np.diff(special.expit(cuts - shift)) for shift in (slope, 0)]
    return -float((table * np.log(shares)).sum())


def test_proportional_odds_maximise_their_likelihood() -> None:
    result = vs.proportional_odds(DENOSUMAB, CONTROL, classes=CLASSES)
    best = optimize.minimize(
        log_likelihood, [0.5, -1, 0], args=(np.array(CHANGE),), method="BFGS", options={"gtol": 1e-9}
    )
    assert result.estimate.value == pytest.approx(math.exp(best.x[0]), rel=1e-6)
    assert result.details["log_likelihood"] == pytest.approx(-best.fun, rel=1e-10)
    assert result.estimate.standard_error == pytest.approx(0.3038787, rel=1e-5)
    assert result.details["table"] == CHANGE
    assert result.n_used == 186


def test_two_classes_are_a_logistic_model() -> None:
    first, second = ["no"] * 110 + ["yes"] * 36, ["no"] * 78 + ["yes"] * 48
    result = vs.proportional_odds(first, second, classes=("no", "yes"))
    sample = vs.two_by_two([[36, 110], [48, 78]], primary="pearson")["odds ratio"]
    found = (result.estimate.value, result.estimate.ci_low, result.estimate.ci_high)
    assert found == pytest.approx((sample.value, sample.ci_low, sample.ci_high), rel=1e-6)


def test_proportional_odds_heed_clusters() -> None:
    rows = HIPS.dropna(subset=["rel"])
    names = np.where(rows["rel"] > 15, "increase", np.where(rows["rel"] < -15, "decrease", "no_change"))
    treated = (rows["group"] == 1).to_numpy()
    patients = rows["patient"].to_numpy()
    order = ("decrease", "no_change", "increase")
    plain = vs.proportional_odds(names[treated], names[~treated], classes=order)
    cluster = (patients[treated], patients[~treated])
    result = vs.proportional_odds(names[treated], names[~treated], classes=order, cluster=cluster)
    assert result.estimate.value == close(plain.estimate.value)
    assert result.estimate.standard_error != pytest.approx(plain.estimate.standard_error, rel=1e-3)
    assert result.n_clusters == rows["patient"].nunique()
    assert result.method.endswith("cluster-robust")
    # All rows twice, as clusters of two: the robust error is nearly the plain one of single rows.
    twice = vs.proportional_odds(
        np.repeat(names[treated], 2),
        np.repeat(names[~treated], 2),
        classes=order,
        cluster=(
            np.repeat(np.flatnonzero(treated), 2),
            np.repeat(np.flatnonzero(~treated), 2),
        ),
    )
    assert twice.estimate.standard_error == pytest.approx(plain.estimate.standard_error, rel=0.05)


def test_missing_classes_are_counted() -> None:
    result = vs.proportional_odds([*DENOSUMAB, None], [*CONTROL, float("nan")], classes=CLASSES)
    assert (result.n_used, result.n_missing) == (186, 2)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["increase"] * 3, ["decrease"] * 4),
        (["increase", "no_change"], ["no_change", "decrease"]),
        ([], ["decrease", "increase"]),
        (["increase"], ["increase"]),
        ([None], ["decrease", "increase"]),
    ],
)
def test_separated_or_empty_classes_are_named(first: list[str], second: list[str]) -> None:
    with pytest.raises(StatisticsError, match="not-estimable"):
        vs.proportional_odds(first, second, classes=CLASSES)


def test_wrong_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="not among the classes"):
        vs.proportional_odds(["bigger"], ["decrease"], classes=CLASSES)
    with pytest.raises(UsageError, match="one label for every row"):
        vs.proportional_odds(["increase"], ["decrease"], classes=CLASSES, cluster=(["a"], ["b", "c"]))
    with pytest.raises(UsageError, match="two groups"):
        vs.mann_whitney_on_classes([[1, 2], [3, 4], [5, 6]])
    with pytest.raises(StatisticsError, match="only one row or one class"):
        vs.linear_by_linear_test([[3, 0], [4, 0]])
    with pytest.raises(StatisticsError, match="every rank is tied"):
        vs.mann_whitney_on_classes([[3, 0], [4, 0]])


def test_perfect_trend_has_no_interval() -> None:
    result = vs.linear_by_linear_test([[5, 0], [0, 5]])
    assert result.estimate.value == pytest.approx(1)
    assert result.statistic == pytest.approx(9)
