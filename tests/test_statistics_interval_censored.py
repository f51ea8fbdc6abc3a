"""Interval-censored survival and ratios of restricted means, held to printed answers of R and SAS."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError
from volumetry.statistics.time.restricted_mean import _ratios


def intervals(text: str) -> list[tuple[int, int | None]]:
    """Read intervals written as "6-10", and "45-" for no event seen."""
    ends = [entry.split("-") for entry in text.split()]
    return [(int(low), int(high) if high else None) for low, high in ends]


# Time to breast retraction, months (Finkelstein and Wolfe, Biometrics 1985;41:933-945).
RADIATION = intervals(
    "45- 6-10 0-7 46- 46- 7-16 17- 7-14 37-44 0-8 4-11 15- 11-15 22- 46- 46- 25-37 46- 26-40 46- "
    "27-34 36-44 46- 36-48 37- 40- 17-25 46- 11-18 38- 5-12 37- 0-5 18- 24- 36- 5-11 19-35 17-25 24- "
    "32- 33- 19-26 37- 34- 36- "
)
BOTH = intervals(
    "8-12 0-22 24-31 17-27 17-23 24-30 16-24 13- 11-13 16-20 18-25 17-26 32- 23- 44-48 14-17 0-5 5-8 "
    "12-20 11- 33-40 31- 13-39 19-32 34- 13- 16-24 35- 15-22 11-17 22-32 48- 30-34 13- 10-17 8-21 "
    "4-9 11- 14-19 4-8 34- 30-36 18-24 16-60 35-39 21- 11-20 10-35 "
)
LEFT = [left for left, _ in [*RADIATION, *BOTH]]
RIGHT = [right for _, right in [*RADIATION, *BOTH]]
GROUP = ["Rad"] * len(RADIATION) + ["RadChem"] * len(BOTH)


@pytest.mark.parametrize(
    ("scores", "score", "z", "p"),
    [
        # R's interval::ictest (Fay and Shaw, J Stat Softw 2010;36(2)); see the log-rank test below.
        ("sun", -9.141846, -2.6684, 0.007622),
        # SAS/STAT User's Guide, PROC ICLIFETEST, Output 62.4.1: S -9.9442, Z -2.6839, two-sided p 0.0073.
        ("finkelstein", -9.9442, -2.6839, 0.0073),
    ],
)
def test_the_interval_logrank_test_is_rs_and_sas(scores: Any, score: float, z: float, p: float) -> None:
    result = vs.interval_logrank_test(LEFT, RIGHT, GROUP, scores=scores)
    assert result.details["scores"]["RadChem"] == pytest.approx(score, abs=6e-5)
    assert result.details["z"] == pytest.approx(z, abs=6e-5)
    assert result.p_value == pytest.approx(p, abs=6e-5)


def test_turnbulls_estimate_is_that_of_rs_interval() -> None:
    """The probabilities that icfit prints for the patients with radiation alone."""
    curve = vs.interval_censored_survival(LEFT, RIGHT, GROUP).details["curves"][0]
    frame = curve.to_frame()
    found = frame[frame["probability"] > 5e-5]
    expected = {
        (4, 5): 0.0463,
        (6, 7): 0.0334,
        (7, 8): 0.0887,
        (11, 12): 0.0708,
        (24, 25): 0.0926,
        (33, 34): 0.0818,
        (38, 40): 0.1209,
        (46, 48): 0.4656,
    }
    at = zip(found["left"], found["right"], strict=True)
    assert dict(zip(at, found["probability"].round(4), strict=True)) == expected


ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6), st.booleans()), min_size=2, max_size=25)


@given(ROWS)
def test_turnbulls_estimate_is_the_greatest_likelihood(rows: list[tuple[int, int, bool]]) -> None:
    """No shift of probability to any of the intervals gains (Kuhn and Tucker): proof without another program.

    The derivative of the log likelihood by the probability of an interval is the sum of 1 / P(row) over the
    rows that cover it: it is the number of rows where there is probability, and nowhere more.
    """
    left = [start for start, _, _ in rows]
    right = [start + width if seen else None for start, width, seen in rows]
    curve = vs.interval_censored_survival(left, right).details["curves"][0]
    ends = [math.inf if end is None else end for end in right]
    covers = np.array(
        [
            [
                low <= a and b <= high and (a < b or low == a == high or low < a)
                for a, b in zip(curve.left, curve.right, strict=True)
            ]
            for low, high in zip(left, ends, strict=True)
        ]
    )
    slope = (1 / (covers @ curve.probability)) @ covers
    assert slope.max() <= len(rows) * (1 + 1e-6)
    assert slope[curve.probability > 1e-6] == pytest.approx(len(rows), rel=2e-3)


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans()), min_size=4, max_size=25))
def test_with_known_times_the_scores_are_those_of_the_log_rank_test(
    rows: list[tuple[int, bool, bool]],
) -> None:
    """Sun's scores are then expected less observed events: the log-rank test is held to R elsewhere."""
    times = [time for time, _, _ in rows]
    groups = ["b" if second else "a" for _, _, second in rows]
    try:
        plain = vs.logrank_test(times, [int(event) for _, event, _ in rows], groups)
        found = vs.interval_logrank_test(times, [t if event else None for t, event, _ in rows], groups)
    except StatisticsError:
        return
    expected = plain.details["expected"] - plain.details["observed"]
    assert list(found.details["scores"].values()) == pytest.approx(expected.tolist(), abs=1e-4)


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=25))
def test_known_times_give_the_kaplan_meier_curve(rows: list[tuple[int, bool]]) -> None:
    times = [time for time, _ in rows]
    right = [time if event else None for time, event in rows]
    turnbull = vs.interval_censored_survival(times, right).details["curves"][0]
    plain = vs.kaplan_meier(times, [int(event) for _, event in rows]).details["curves"][0]
    for at, survival in zip(turnbull.right, turnbull.survival, strict=True):
        if np.isfinite(at):
            place = np.searchsorted(plain.times, at, side="right") - 1
            assert survival == pytest.approx(plain.survival[place], abs=2e-5)


def test_wrong_intervals_are_named() -> None:
    with pytest.raises(UsageError, match="before its left end"):
        vs.interval_censored_survival([5], [3])
    with pytest.raises(UsageError, match="infinity"):
        vs.interval_censored_survival([math.inf], [None])
    with pytest.raises(StatisticsError, match="two groups"):
        vs.interval_logrank_test([1, 2], [2, 3], ["a", "a"])
    with pytest.raises(StatisticsError, match="same score"):
        vs.interval_logrank_test([1, 1], [2, 2], ["a", "b"])


@pytest.mark.parametrize(
    ("means", "errors", "tau", "ratio", "lost", "p"),
    [
        # The PBC trial of the package's vignette.
        ((7.283, 7.146), (0.295, 0.283), 10.0, (0.981, 0.878, 1.096), (1.050, 0.787, 1.402), (0.738, 0.738)),
        # rmst2's print of a public analysis of bypass grafts, found in a repository: all digits as printed.
        (
            (12.319, 13.274),
            (0.288, 0.258),
            15.0,
            (1.078, 1.015, 1.144),
            (0.644, 0.449, 0.923),
            (0.014, 0.017),
        ),
    ],
)
def test_ratios_of_restricted_means_are_those_of_survrm2(
    means: Any, errors: Any, tau: float, ratio: Any, lost: Any, p: Any
) -> None:
    """From the means and standard errors that R's survRM2 prints follow the ratios that it prints."""
    estimates = [
        vs.Estimate(name=f"restricted mean {arm}", value=value, standard_error=error)
        for arm, value, error in zip("01", means, errors, strict=True)
    ]
    found = _ratios(estimates, np.diag(errors) ** 2, tau)
    for estimate, printed, p_value in zip(found, (ratio, lost), p, strict=True):
        assert (estimate.value, estimate.ci_low, estimate.ci_high) == pytest.approx(printed, abs=1.1e-3)
        assert estimate.p_value == pytest.approx(p_value, abs=3e-3)


def test_restricted_means_come_with_their_ratios() -> None:
    time, event = [3, 5, 7, 9, 2, 4, 6, 8], [1, 1, 0, 1, 1, 1, 1, 0]
    result = vs.restricted_mean_time(time, event, list("aaaabbbb"), tau=8)
    mean = {name: result[f"restricted mean {name}"].value for name in "ab"}
    assert result["ratio b / a"].value == pytest.approx(mean["b"] / mean["a"])
    assert result["ratio of time lost b / a"].value == pytest.approx((8 - mean["b"]) / (8 - mean["a"]))
