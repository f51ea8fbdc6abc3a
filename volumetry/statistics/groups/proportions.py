"""One proportion, and two proportions compared: intervals for the share, difference, ratio and odds ratio."""

from __future__ import annotations

import math
from typing import Literal

from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.groups.conditional_odds import conditional_odds
from volumetry.statistics.result import Estimate, StatisticResult
from volumetry.statistics.rows import check_counts, not_estimable
from volumetry.statistics.wald import wald_estimate, wald_quantile

Interval = tuple[float, float]
ProportionMethod = Literal["wilson", "clopper-pearson", "wald"]


@checked
def proportion(
    events: int, n: int, *, method: ProportionMethod = "wilson", level: float = 0.95
) -> StatisticResult:
    """Estimate one proportion with its confidence interval.

    Parameters
    ----------
    events, n : int
        Counts; ``0 <= events <= n``.
    method : {'wilson', 'clopper-pearson', 'wald'}
        Wilson's score interval, the exact interval of Clopper and Pearson, or the plain normal one.
    level : as in every function of `volumetry.statistics`

    Raises
    ------
    StatisticsError
        `not-estimable` if `n` is 0.
    UsageError
        `usage` for counts that are negative, not whole or above the total.
    """
    if n == 0:
        raise not_estimable("the proportion of an empty group is not determined", n=0)
    if not 0 <= events <= n:
        raise UsageError("usage", "events lie between 0 and n", values={"events": events, "n": n})
    low, high = _INTERVALS[method](events, n, level)
    estimate = Estimate(name="proportion", value=events / n, ci_low=low, ci_high=high, level=level)
    return StatisticResult(method=f"Proportion, {_INTERVAL_NAMES[method]}", estimates=(estimate,), n_used=n)


def wilson_interval(events: float, n: float, level: float) -> Interval:
    """Return Wilson's score interval (Wilson 1927)."""
    z = wald_quantile(level)
    p = events / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low = 0.0 if events == 0 else centre - half
    high = 1.0 if events == n else centre + half
    return low, high


def clopper_pearson_interval(events: int, n: int, level: float) -> Interval:
    """Return the exact interval of Clopper and Pearson (1934)."""
    tail = (1 - level) / 2
    low = 0.0 if events == 0 else float(stats.beta.ppf(tail, events, n - events + 1))
    high = 1.0 if events == n else float(stats.beta.isf(tail, events + 1, n - events))
    return low, high


def wald_interval(events: int, n: int, level: float) -> Interval:
    """Return the plain normal interval; too narrow for small counts, shown because papers print it."""
    p = events / n
    half = wald_quantile(level) * math.sqrt(p * (1 - p) / n)
    return p - half, p + half


def risk_difference(a: int, b: int, c: int, d: int, *, level: float = 0.95) -> Estimate:
    """Return the risk difference with Newcombe's hybrid score interval.

    Parameters
    ----------
    a, b : int
        Events and non-events of the first group.
    c, d : int
        Events and non-events of the second group.
    level : float

    Notes
    -----
    Newcombe RG, Stat Med 1998;17:873-890, method 10. Sound also when a cell is zero.
    """
    n1, n2 = a + b, c + d
    p1, p2 = a / n1, c / n2
    low1, high1 = wilson_interval(a, n1, level)
    low2, high2 = wilson_interval(c, n2, level)
    low = p1 - p2 - math.hypot(p1 - low1, high2 - p2)
    high = p1 - p2 + math.hypot(high1 - p1, p2 - low2)
    return Estimate(name="risk difference", value=p1 - p2, ci_low=low, ci_high=high, level=level)


def wald_risk_difference(a: int, b: int, c: int, d: int, *, level: float = 0.95) -> Estimate:
    """Return the risk difference with the plain normal interval (R's ``prop.test`` uncorrected)."""
    n1, n2 = a + b, c + d
    p1, p2 = a / n1, c / n2
    error = math.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    return wald_estimate("risk difference (Wald)", p1 - p2, error, level, tested=False)


def risk_ratio(a: float, b: float, c: float, d: float, *, level: float = 0.95) -> Estimate:
    """Return the risk ratio with its log-normal interval (Katz 1978).

    With a zero among the events 0.5 is added to every cell, and the name says so.
    """
    name = "risk ratio"
    if a == 0 or c == 0:
        a, b, c, d = (cell + 0.5 for cell in (a, b, c, d))
        name += " (0.5 added to each cell)"
    ratio = (a / (a + b)) / (c / (c + d))
    error = math.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    return log_ratio(name, ratio, error, level)


def sample_odds_ratio(a: float, b: float, c: float, d: float, *, level: float = 0.95) -> Estimate:
    """Return the sample odds ratio with its log-normal interval (Woolf 1955).

    With a zero cell 0.5 is added to every cell (Haldane, Anscombe), and the name says so.
    """
    name = "odds ratio"
    if 0 in (a, b, c, d):
        a, b, c, d = (cell + 0.5 for cell in (a, b, c, d))
        name += " (0.5 added to each cell)"
    error = math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    return log_ratio(name, a * d / (b * c), error, level)


def conditional_odds_ratio(a: int, b: int, c: int, d: int, *, level: float = 0.95) -> Estimate:
    """Return the conditional maximum-likelihood odds ratio with its exact interval.

    This is the odds ratio of R's ``fisher.test``. A zero cell makes it 0 or infinite, with one finite limit.
    """
    if a + c == 0 or b + d == 0:
        raise not_estimable("the odds ratio of a table with an empty column is not determined")
    value, low, high = conditional_odds(a, b, c, d, (1 - level) / 2)
    return Estimate(name="odds ratio (conditional)", value=value, ci_low=low, ci_high=high, level=level)


@checked
def attributable_fractions(a: int, b: int, c: int, d: int, *, level: float = 0.95) -> StatisticResult:
    """Estimate the attributable fraction in the exposed and in the population, and the population's risk.

    Parameters
    ----------
    a, b : int
        Events and non-events of the exposed (first) group.
    c, d : int
        Events and non-events of the unexposed (second) group.
    level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates ``attributable fraction (exposed)``, ``attributable risk (population)`` and
        ``attributable fraction (population)``, as proportions (epiR prints them times 100).

    Raises
    ------
    StatisticsError
        `not-estimable` if either group has no event.
    """
    check_counts(a=a, b=b, c=c, d=d)
    if min(a, c) == 0:
        raise not_estimable("attributable fractions need an event in both groups", n_first=a, n_second=c)
    ratio = risk_ratio(a, b, c, d, level=level)
    assert ratio.ci_low is not None
    assert ratio.ci_high is not None
    fractions = [1 - 1 / part for part in (ratio.value, ratio.ci_low, ratio.ci_high)]
    n = a + b + c + d
    risk, unexposed = (a + c) / n, c / (c + d)
    error = math.sqrt(risk * (1 - risk) / n + unexposed * (1 - unexposed) / (c + d))
    # Walter SD, Biometrics 1976;32:829-849: symmetric on the scale of log(1 - fraction).
    value = (risk - unexposed) / risk
    spread = math.exp(wald_quantile(level) * math.sqrt((b + value * (a + d)) / (n * c)))
    limits = 1 - (1 - value) * spread, 1 - (1 - value) / spread
    return StatisticResult(
        method="Attributable fractions",
        estimates=(
            _fraction("exposed", *fractions, level=level),
            wald_estimate("attributable risk (population)", risk - unexposed, error, level, tested=False),
            _fraction("population", value, *limits, level=level),
        ),
        n_used=n,
    )


def _fraction(of: str, value: float, low: float, high: float, *, level: float) -> Estimate:
    name = f"attributable fraction ({of})"
    return Estimate(name=name, value=value, ci_low=low, ci_high=high, level=level)


def log_ratio(name: str, ratio: float, error: float, level: float) -> Estimate:
    """Return a ratio with the interval of its logarithm, whose standard error is `error`."""
    return wald_estimate(name, math.log(ratio), error, level, ratio=True, tested=False)


_INTERVALS = {"wilson": wilson_interval, "clopper-pearson": clopper_pearson_interval, "wald": wald_interval}
_INTERVAL_NAMES = {
    "wilson": "Wilson's score interval",
    "clopper-pearson": "exact interval of Clopper and Pearson",
    "wald": "normal interval",
}
